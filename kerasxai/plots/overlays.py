"""Attribution maps over their images, each normalised by itself: as a Figure, or as bare pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasxai.options import flag
from kerasxai.plots import checks, colours, drawing, layout
from kerasxai.typing import Array, Texts

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def overlay(
    images: Array,
    maps: Array,
    titles: Texts | None = None,
    alpha: float = 0.5,
    colormap: str | Colormap | None = None,
    columns: int = 4,
    colorbar: bool = False,
    signed: bool | None = None,
) -> Figure:
    """Draws attribution maps over their images.

    Every map is normalised by itself, for display only, and 0 always has the same look. Unsigned maps run from 0, where
    the bare image shows, to their maximum. Signed ones run from -m to m with m the largest magnitude, over a pale grey
    image, which shows where they are 0: red and blue would drown in the image's own colours. So a map whose values are
    all far from 0 looks flat, as RISE's does where the score stays high whatever is hidden; what little they differ by
    is shown by `maps - maps.min(axis=(1, 2), keepdims=True)`. Values that are not finite are drawn grey; a map that has
    some, is all zero or constant says so in its title. The strongest 0.5 % of a map's values share the end colour, so
    that a few pixels of a gradient do not hide all others; the scale then says "≥".

    Images of any value range are accepted, each judged by itself: uint8, or values from 0 to more than 2 and at most
    255, are divided by 255; values within 0..1 are shown as they are; anything else (-1..1, standardised) is stretched
    from its minimum to its maximum.

    Args:
        images: Array `(N, H, W, C)` with C 1 or 3, grey `(N, H, W)`, or one image `(H, W, C)` or `(H, W)`.
        maps: Raw attributions of any range, `(N, H, W)`, or `(N, H, W, C)`, whose channels are summed. The leading
            axis may be left out for one image.
        titles: N titles, one for each image, or None.
        alpha: Opacity of the strongest value of a map, 0 to 1; weaker values are more transparent in proportion.
        colormap: A Matplotlib colormap or its name. None: `"viridis"`, and `"coolwarm"` for signed maps.
        columns: Images in a row.
        colorbar: Whether to draw beside each image what raw values the colours stand for: over dark, middle and bright
            shades of that image, as on the image itself. The line along it shows which values occur.
        signed: Whether the maps are those of a signed method: `explainer.signed`, unless their channels were reduced
            to magnitudes. Maps with a negative value among them always are; None: only they.

    Returns:
        A `matplotlib.figure.Figure`: `figure.savefig("maps.png")` writes it; a notebook shows it.

    Raises:
        ValueError: If images, maps and titles do not belong together or an option is out of range.

    Example:

    ```python
    import numpy as np
    from kerasxai import plots

    random = np.random.default_rng(seed=0)
    images = random.integers(0, 256, size=(2, 32, 32, 3), dtype="uint8")
    maps = random.random(size=(2, 32, 32))
    figure = plots.overlay(images, maps, titles=["cat", "dog"])
    ```
    """
    checks.check_count(columns, "columns")
    colorbar = flag("colorbar", colorbar)
    pictures, maps = _checked(images, maps, alpha)
    sheet, _ = drawing.draw_maps(pictures, maps, titles, columns, colormap, signed, colorbar)
    return layout.fit(sheet)


def overlay_pixels(images, maps, alpha=0.5, colormap=None, signed=None):
    """The pictures of `overlay` without a Figure, many times faster: RGB in uint8, `(N, H, W, 3)`.

    Arguments as those of `overlay`. Pixels carry no title: what a map does not show, `colours.note` tells.
    """
    pictures, maps = _checked(images, maps, alpha)
    signed = colours.is_signed(maps, signed)
    pixels = [
        pictures.map_pixels(index, values, pictures.limits(values, signed), colormap)
        for index, values in enumerate(maps)
    ]
    return np.stack(pixels)


def overlay_keys(images, maps, alpha=0.5, colormap=None, signed=None):
    """What the colours of `overlay_pixels` stand for: a `colours.Key` for each picture."""
    pictures, maps = _checked(images, maps, alpha)
    signed = colours.is_signed(maps, signed)
    return [pictures.key(index, values, pictures.limits(values, signed), colormap) for index, values in enumerate(maps)]


def _checked(images, maps, alpha):
    """Images ready to be drawn, and their maps (N, H, W)."""
    checks.check_opacity(alpha)
    images, is_single = checks.image_batch(images)
    return drawing.Images(images, alpha), checks.map_batch(maps, images, "images", is_single)
