"""Weights that LIME and Kernel SHAP gave to segments, over their sample, and beside it the strongest segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasxai.plots import checks, colours, drawing, layout, scales
from kerasxai.typing import Array, Texts

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from kerasxai.explainers.surrogate import Fit

DEFAULT_TOP = 5
DIMMED = 0.75  # how far towards white the segments are drawn that are not among the strongest
BOUNDARY = {"colors": "black", "linewidths": 0.4, "alpha": 0.6}
OUTLINE_WIDTH = 1.0  # points


def segments(
    x: Array,
    fit: Fit,
    top: int | None = None,
    titles: Texts | None = None,
    alpha: float = 0.5,
    colormap: str | Colormap | None = None,
    columns: int | None = None,
) -> Figure:
    """Draws the weights of segments over their samples, and beside them the strongest segments alone.

    Two panels a sample. The first shows all segments with their boundaries, coloured from -m to m with m the largest
    magnitude of this sample, over a pale grey image. The second shows the `top` segments of the largest magnitude as
    they are in the sample, outlined in the colour of their sign, the rest dimmed; segments of weight 0 are never
    among them. Windows of signals are shaded instead. The title gives R^2, the share of the scores' variance that
    the linear model describes: of a low one expect little.

    Args:
        x: The samples explained: images `(N, H, W, C)` with C 1 or 3, of any value range, or signals `(N, T, C)`.
        fit: What `LIME.fit` or `KernelSHAP.fit` returned for them.
        top: How many segments the second panel shows. None: 5.
        titles: N titles, one for each sample, or None.
        alpha: Opacity of the strongest weight over an image, 0 to 1.
        colormap: A Matplotlib colormap or its name. None: `"coolwarm"`.
        columns: Samples in a row. None: 2 images, 1 signal.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If samples, fit and titles do not belong together or an option is out of range.

    Example:

    ```python
    lime = kerasxai.explainers.LIME(model, segmentation=4, n_samples=200)
    figure = kerasxai.plots.segments(images, lime.fit(images), top=3)
    figure.savefig("segments.png")
    ```
    """
    samples = drawing.panels(x, alpha)
    draw_strongest, in_a_row = _draw_strongest_of_signal, 1
    if isinstance(samples, drawing.Images):
        draw_strongest, in_a_row = _draw_strongest_of_image, 2
    top = DEFAULT_TOP if top is None else top
    columns = in_a_row if columns is None else columns
    checks.check_count(top, "top")
    checks.check_count(columns, "columns")
    maps, labels, quality = _checked(fit, samples.batch)
    titles = checks.texts(titles, len(maps), "titles", "sample")
    titles = list(map(_title, titles, maps, quality))

    limits = [colours.limits(values, signed=True) for values in maps]
    sheet = layout.panels(titles, columns, samples.height, group=2, least_width=scales.least_width(limits))
    lowest = len(maps) - columns
    for index, values in enumerate(maps):
        whole, strongest = sheet.axes[2 * index : 2 * index + 2]
        drawn = samples.draw_map(whole, index, values, limits[index], colormap)
        _draw_boundaries(whole, labels[index], **BOUNDARY)
        offset = samples.below if index >= lowest else 0.0
        scales.draw_scale_below(sheet, whole, drawn, limits[index], offset)
        shown = np.where(_strongest(values, labels[index], top), values, 0.0)
        draw_strongest(strongest, samples, index, shown, limits[index], colormap)
    samples.finish(sheet, sheet.axes, 2 * columns)
    return layout.fit(sheet)


def _checked(fit, batch):
    """Maps, labels and quality of the fit of these samples."""
    if not all(hasattr(fit, name) for name in ("maps", "segments", "quality")):
        raise ValueError(
            f"`fit` must be what LIME.fit or KernelSHAP.fit returns. Received: {type(fit).__name__}. "
            "Maps alone are drawn by kerasxai.plots.overlay and kerasxai.plots.signal."
        )
    maps = checks.map_batch(fit.maps, batch, "x", name="fit.maps")
    labels, quality = np.asarray(fit.segments), np.asarray(fit.quality, "float64")
    if labels.shape != maps.shape or quality.shape != maps.shape[:1]:
        raise ValueError(
            f"`fit` must have labels {maps.shape} and one quality per sample. Received: labels of shape "
            f"{labels.shape}, quality of shape {quality.shape}."
        )
    return maps, labels, quality


def _title(title, values, quality):
    value = "undefined"
    if np.isfinite(quality):
        value = f"= {quality:.2f}".replace("-", "\N{MINUS SIGN}")
    return f"{title} R\N{SUPERSCRIPT TWO} {value} {colours.note(values)}".strip()


def _strongest(values, labels, top):
    """Where the segments of the largest magnitudes are; the lower label first where magnitudes are equal."""
    present, first = np.unique(labels, return_index=True)
    strength = np.nan_to_num(np.abs(values.ravel()[first]), posinf=0.0)
    order = np.argsort(-strength, kind="stable")[:top]
    return np.isin(labels, present[order[strength[order] > 0]])


def _draw_strongest_of_image(axes, samples, index, values, limits, colormap):
    picture = colours.displayable(samples.batch[index])
    rest = DIMMED + (1 - DIMMED) * colours.pale_grey(picture)
    samples.draw(axes, index)
    axes.images[0].set_data(np.where((values != 0)[..., np.newaxis], picture, rest))
    if limits.high:
        look = colours.colours(limits, colormap, colours.IMAGE_SEQUENTIAL, opacity=1.0)
        for sign, end in zip((-1, 1), limits[:2]):
            colour = look["cmap"](look["norm"](end))
            _draw_boundaries(axes, np.sign(values) == sign, colors=[colour], linewidths=OUTLINE_WIDTH)


def _draw_strongest_of_signal(axes, samples, index, values, limits, colormap):
    samples.draw_map(axes, index, values, limits, colormap)
    curtain = np.ones((1, len(values), 4))
    curtain[0, :, 3] = DIMMED * (values == 0)
    axes.imshow(curtain, extent=(*axes.get_xlim(), *axes.get_ylim()), aspect="auto", zorder=3)


def _draw_boundaries(axes, labels, **look):
    """Lines between positions of different labels: sharp at any size, over no position."""
    from matplotlib.collections import LineCollection

    if labels.ndim == 1:
        steps = np.flatnonzero(labels[1:] != labels[:-1]) + 0.5
        lines = [[(step, 0), (step, 1)] for step in steps]
        axes.add_collection(LineCollection(lines, transform=axes.get_xaxis_transform(), **look), autolim=False)
        return
    rows, columns = np.nonzero(labels[1:] != labels[:-1])
    lines = [[(column - 0.5, row + 0.5), (column + 0.5, row + 0.5)] for row, column in zip(rows, columns)]
    rows, columns = np.nonzero(labels[:, 1:] != labels[:, :-1])
    lines += [[(column + 0.5, row - 0.5), (column + 0.5, row + 0.5)] for row, column in zip(rows, columns)]
    axes.add_collection(LineCollection(lines, capstyle="projecting", **look), autolim=False)
