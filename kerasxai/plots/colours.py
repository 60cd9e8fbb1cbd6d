"""Which colour a pixel or a raw value of a map gets: images of any range, limits, colormaps, opacity.
All of it is chosen to be safe for colour-blind readers; where it is drawn is in `drawing`."""

from typing import NamedTuple

import numpy as np

from kerasxai import heatmap
from kerasxai.options import flag

# Behind a signal the low end must be pale for the line to stay readable.
IMAGE_SEQUENTIAL, SIGNAL_SEQUENTIAL, DIVERGING = "viridis", "Oranges", "coolwarm"
PIXELS_SORTED = 4096  # to find an image's shades; more would take longer than to draw it
COLORMAP_STEPS = 257  # odd: 0 has the exact centre of a diverging colormap
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
PALENESS = 0.4  # how far towards white an image under a signed map is drawn
LARGEST = np.finfo("float64").max / 4  # twice of it, the width of a signed scale, is still finite
NOT_FINITE_GREY = (0.5, 0.5, 0.5)
LINE_COLOURS = ("black", "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito, 2008
STRESSED, PLAIN = "#0072B2", "#B3B3B3"  # one bar among others


class Limits(NamedTuple):
    """What a colour scale stands for.

    Attributes:
        low, high: The raw values at its two ends: (-m, m) of a signed map, (0, m) of others.
        signed: Whether the colours are diverging, so that 0 lies in their middle.
        least, greatest: The values that occur; what lies beyond an end has its colour.
    """

    low: float
    high: float
    signed: bool
    least: float
    greatest: float


class Key(NamedTuple):
    """The colours of a scale over an image, to be drawn by others.

    Attributes:
        limits: The `Limits`.
        steps: Colours with their opacity, from the low end to the high one: RGBA within 0..1, `(steps, 4)`.
        shades: What they are blended with, from the image's darkest to its brightest pixel: RGB, `(shades, 3)`.
    """

    limits: Limits
    steps: np.ndarray
    shades: np.ndarray


def is_signed(maps, signed=None, method=None):
    """Whether maps that belong together are drawn in diverging colours.

    Args:
        maps: Array of any shape. Negative values are never hidden.
        signed: What is known of the method, or None.
        method: Its name, asked where nothing is known; of no explainer, the values alone decide.
    """
    if signed is not None:
        signed = flag("signed", signed)
    elif method is not None:
        from kerasxai import explainers

        signed = method in explainers.names() and heatmap.is_signed(explainers.get(method))
    return bool(signed) or bool((maps < 0).any())


def limits(values, signed, percentile=100.0):
    """The `Limits` of one map, or of several that share a scale.

    Args:
        values: Array of any shape. What is not finite is left out.
        signed: Whether the scale is centred at 0; else it begins there.
        percentile: Of the magnitudes that are not 0; larger ones share the end colour.
    """
    finite = values[np.isfinite(values)]
    if not finite.any():
        return Limits(0.0, 0.0, signed, 0.0, 0.0)
    reach = float(np.percentile(np.abs(finite[finite != 0]), percentile, method="higher"))
    reach = min(reach, LARGEST)
    low = -reach if signed else 0.0
    return Limits(low, reach, signed, float(finite.min()), float(finite.max()))


def colours(limits, colormap, sequential, opacity):
    """Colormap (with its opacity, one for all or one for each of COLORMAP_STEPS) and norm of a map, for `imshow`."""
    import matplotlib
    from matplotlib.colors import ListedColormap, Normalize

    if colormap is None:
        colormap = DIVERGING if limits.signed else sequential
    steps = matplotlib.colormaps.get_cmap(colormap)(np.linspace(0, 1, COLORMAP_STEPS))
    steps[:, 3] = opacity
    grey = (*NOT_FINITE_GREY, np.max(opacity))
    low, high = limits[:2]
    if not high:  # 0 keeps its place
        low, high = -float(limits.signed), 1.0
    return {"cmap": ListedColormap(steps).with_extremes(bad=grey), "norm": Normalize(low, high)}


def displayable(image):
    """One image (H, W, C) of any value range as RGB within 0..1; the rule stands in `overlay`."""
    pixels = image.astype("float64")
    finite = pixels[np.isfinite(pixels)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    if image.dtype == np.uint8 or (low >= 0 and 2 < high <= 255):
        low, high = 0, 255
    elif low >= 0 and high <= 1:
        low, high = 0, 1
    pixels = (pixels - low) / ((high - low) or 1)
    return np.broadcast_to(np.nan_to_num(pixels, nan=0.5).clip(0, 1), (*image.shape[:2], 3))


def pale_grey(picture):
    """An RGB picture without its colours, so that those of a signed map are told apart over it."""
    grey = np.repeat(picture @ np.array(LUMINANCE)[:, np.newaxis], 3, axis=-1)
    return PALENESS + (1 - PALENESS) * grey


def shades(pictures, count):
    """So many colours of RGB pictures, from their darkest pixel to their brightest: `(count, 3)`."""
    pixels = np.concatenate([np.reshape(picture, (-1, 3)) for picture in pictures])
    if len(pixels) > PIXELS_SORTED:  # drawn at random: even steps would miss the shades of a regular pattern
        pixels = pixels[np.random.default_rng(0).integers(len(pixels), size=PIXELS_SORTED)]
    order = np.argsort(pixels @ np.array(LUMINANCE), kind="stable")
    return pixels[order[np.linspace(0, len(order) - 1, count).round().astype(int)]]


def note(values):
    """What a reader must know of a map that shows nothing or not everything; mostly empty."""
    if not np.isfinite(values).all():
        return "(not finite)"
    if values.min() < values.max():
        return ""
    return "(constant)" if values.any() else "(all zero)"
