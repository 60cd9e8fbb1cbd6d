"""Which colour a pixel or a raw value of a map gets: images of any range, limits, colormaps, opacity.
All of it is chosen to be safe for colour-blind readers; where it is drawn is in `drawing`."""

import numpy as np

# Behind a signal the low end must be pale for the line to stay readable.
IMAGE_SEQUENTIAL, SIGNAL_SEQUENTIAL, DIVERGING = "viridis", "Oranges", "coolwarm"
COLORMAP_STEPS = 257  # odd: 0 has the exact centre of a diverging colormap
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
PALENESS = 0.4  # how far towards white an image under a signed map is drawn
NOT_FINITE_GREY = (0.5, 0.5, 0.5)
LINE_COLOURS = ("black", "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito, 2008
STRESSED, PLAIN = "#0072B2", "#B3B3B3"  # one bar among others


def limits(values, percentile=100.0):
    """The raw values at the two ends of the colormap: the range of a map, centred at 0 if it has negative values.

    Args:
        values: Array of any shape, one map or several that share a scale. What is not finite is left out.
        percentile: Of the magnitudes that are not 0; larger ones share the end colour.
    """
    finite = values[np.isfinite(values)]
    if not finite.any():
        return 0.0, 0.0
    reach = float(np.percentile(np.abs(finite[finite != 0]), percentile, method="higher"))
    low, high = max(float(finite.min()), -reach), min(float(finite.max()), reach)
    largest = max(-low, high)
    return (-largest, largest) if low < 0 else (low, high)


def colours(limits, colormap, sequential, opacity):
    """Colormap (with its opacity, one for all or one for each of COLORMAP_STEPS) and norm of a map, for `imshow`."""
    import matplotlib
    from matplotlib.colors import ListedColormap, Normalize

    low, high = limits
    if colormap is None:
        colormap = DIVERGING if low < 0 else sequential
    steps = matplotlib.colormaps.get_cmap(colormap)(np.linspace(0, 1, COLORMAP_STEPS))
    steps[:, 3] = opacity
    grey = (*NOT_FINITE_GREY, np.max(opacity))
    if high == low:  # nothing to tell apart: all at the low end
        high = low + max(low, 1.0)
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


def note(values):
    """What a reader must know of a map that shows nothing or not everything; mostly empty."""
    if not np.isfinite(values).all():
        return "(not finite)"
    if values.min() < values.max():
        return ""
    return "(constant)" if values.any() else "(all zero)"
