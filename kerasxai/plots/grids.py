"""Several maps of the same sample side by side: samples x explainers, and the best classes of one sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from kerasxai.heatmap import REDUCTIONS, Reduction
from kerasxai.options import check_one_of
from kerasxai.plots import checks, colours, drawing, layout, scales
from kerasxai.plots.texts import probability_text
from kerasxai.typing import Array, Texts

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

SCALES = ("map", "row", "column")
CLASS_COLUMNS = 6  # panels in a row of `top_classes`
SAMPLE_TITLE = "input"


def grid(
    samples: Array,
    maps: Mapping[str, Array],
    row_titles: Texts | None = None,
    column_titles: Texts | None = None,
    scale: Literal["map", "row", "column"] = "map",
    alpha: float = 0.5,
    colormap: str | Colormap | None = None,
    signed: bool | None = None,
) -> Figure:
    """Draws a table of maps: one row for each sample, one column for each explainer, the bare sample first.

    A map is drawn as `overlay` and `signal` draw it. Attributions of every channel are first reduced to one value for
    each position, by the reduction that their explainer declares (`kerasxai.explainers.get(name).reduce`; `"sum"` for a
    name that is no explainer's). A map that is all zero, constant or not finite says so in its panel.

    Which maps may be compared by colour is a question of units, and `scale` answers it:

    - `"map"`: each map has its own scale. Right for any explainers, since most have units of their own.
    - `"row"`: all maps of a sample share a scale, drawn at the right. Only for explainers of the same unit: those whose
      values add up to the score (integrated gradients, gradient x input, LRP), or one CAM in several layers.
    - `"column"`: all maps of an explainer share a scale, drawn below. For the same explainer over samples: the sample
      with the stronger colour has more evidence.

    A scale runs from 0 to the largest value of its maps, and if one of them is of a signed method, from -m to m with m
    the largest magnitude. Over images the strongest 0.5 % of the values share the end colour.

    Args:
        samples: Images `(N, H, W, C)` with C 1 or 3, of any value range, or signals `(N, T, C)`.
        maps: Dict explainer name -> raw attributions `(N, *spatial)` or `(N, *spatial, C)`, as
            `kerasxai.explain(model, samples, method=[...])` returns it.
        row_titles: N titles, one for each sample, or None.
        column_titles: One title for each explainer. None: its name.
        scale: `"map"`, `"row"` or `"column"`: what shares a colour scale.
        alpha: Opacity of the strongest value of a map over an image, 0 to 1.
        colormap: A Matplotlib colormap or its name. None: `"viridis"` over images, `"Oranges"` behind signals, and
            `"coolwarm"` for a signed scale.
        signed: Whether all maps are those of signed methods. None: as the explainers of these names are with their
            defaults; of other names, if a map has negative values.

    Returns:
        A `matplotlib.figure.Figure`, 7 inches wide, or wider where the panels would become smaller than 0.67 inches.

    Raises:
        ValueError: If samples, maps and titles do not belong together or an option is unknown.

    Example:

    ```python
    maps = kerasxai.explain(model, images, method=["grad_cam", "integrated_gradients"], steps=8)
    figure = kerasxai.plots.grid(images, maps, row_titles=["cat", "dog", "cat", "cow"])
    figure.savefig("grid.png")
    ```
    """
    check_one_of("scale", scale, SCALES)
    batch = drawing.panels(samples, alpha)
    heatmaps = _heatmaps(maps, batch.batch)
    explainers, count = heatmaps.shape[:2]
    row_titles = checks.texts(row_titles, count, "row_titles", "sample")
    if column_titles is None:
        column_titles = [str(name).replace("_", " ") for name in maps]
    column_titles = checks.texts(column_titles, explainers, "column_titles", "explainer")

    signs = [colours.is_signed(values, signed, name) for name, values in zip(maps, heatmaps)]
    limits = _shared_limits(batch, heatmaps, signs, scale)
    least_width = layout.SMALLEST_WIDTH
    if scale == "column":
        least_width = scales.least_width(limits[0])
    titles = [SAMPLE_TITLE, *column_titles] + [""] * (explainers + 1) * (count - 1)
    sheet = layout.panels(titles, explainers + 1, batch.height, least_width=least_width)
    axes = np.reshape(sheet.axes, (count, explainers + 1))
    sheet.add_row_titles(axes[:, 0], row_titles)
    for row in range(count):
        batch.draw(axes[row, 0], row)
        for column, panel in enumerate(axes[row, 1:]):
            values, ends = heatmaps[column, row], limits[row][column]
            drawn = batch.draw_map(panel, row, values, ends, colormap)
            panel.tick_params(left=False, labelleft=False)
            drawing.draw_note(panel, values)
            if scale == "row" and column == explainers - 1:
                scales.draw_scale(sheet, panel, drawn, ends)
            if scale == "column" and row == count - 1:
                scales.draw_scale_below(sheet, panel, drawn, ends, batch.below, list(axes[:, column + 1]))
    batch.finish(sheet, sheet.axes, explainers + 1)
    return layout.fit(sheet)


def top_classes(
    sample: Array,
    maps: Array,
    probabilities: Array | None = None,
    class_names: Texts | None = None,
    titles: Texts | None = None,
    reduce: Reduction = "sum",
    alpha: float = 0.5,
    colormap: str | Colormap | None = None,
    signed: bool | None = None,
) -> Figure:
    """Draws the maps of one sample for several classes side by side, on one scale, the bare sample first.

    The common scale makes the classes comparable: a pale map has less evidence for its class. It runs from 0 to the
    largest value of all maps, or from -m to m with m the largest magnitude if they are signed.

    Args:
        sample: One image `(H, W, C)` with C 1 or 3, of any value range, or one signal `(T, C)`.
        maps: Raw attributions `(k, *spatial)` or `(k, *spatial, C)`, one for each class, best first: what an explainer
            returns for `target="top4"`, of one sample.
        probabilities: Probabilities `(classes,)` of all classes; the k best give the titles. None: no titles.
        class_names: Names of all classes. None: their indices.
        titles: k titles instead, for classes that are not the best ones.
        reduce: How channels become one value, see `kerasxai.to_heatmap`; `kerasxai.explainers.get(name).reduce`.
        alpha: Opacity of the strongest value over an image, 0 to 1.
        colormap: A Matplotlib colormap or its name. None: `"viridis"` over an image, `"Oranges"` behind a signal, and
            `"coolwarm"` for signed maps.
        signed: Whether the maps are those of a signed method, see `overlay`; None: if they have negative values.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If sample, maps, probabilities and titles do not belong together.

    Example:

    ```python
    maps = kerasxai.explain(model, images[:1], target="top3")
    names = ["cat", "dog", "cow", "hen", "pig"]
    figure = kerasxai.plots.top_classes(images[0], maps[0], model.predict(images[:1], verbose=0)[0], names)
    ```
    """
    check_one_of("reduce", reduce, REDUCTIONS)
    if np.ndim(sample) not in (2, 3):
        raise ValueError(
            "`sample` must be one image (H, W, C) or one signal (T, C). "
            f"Received: shape {np.shape(sample)}. Of a batch pass one: samples[0]."
        )
    sample = np.asarray(sample)
    count = max(len(np.atleast_1d(maps)), 1)
    batch = drawing.panels(np.broadcast_to(sample, (count, *sample.shape)), alpha)
    heatmaps = checks.map_batch(maps, batch.batch, "sample", reduce=reduce)
    titles = _class_titles(count, probabilities, class_names, titles)
    titles = [f"{title} {colours.note(values)}".strip() for title, values in zip(titles, heatmaps)]

    limits = batch.limits(heatmaps, colours.is_signed(heatmaps, signed))
    columns = min(count + 1, CLASS_COLUMNS)
    sheet = layout.panels([SAMPLE_TITLE, *titles], columns, batch.height)
    bare, *others = sheet.axes
    batch.draw(bare, 0)
    for index, panel in enumerate(others):
        drawn = batch.draw_map(panel, index, heatmaps[index], limits, colormap)
        starts_row = (index + 1) % columns == 0
        panel.tick_params(left=starts_row, labelleft=starts_row)
        if index == columns - 2:  # the last panel of the first row
            scales.draw_scale(sheet, panel, drawn, limits)
    batch.finish(sheet, sheet.axes, columns)
    return layout.fit(sheet)


def _heatmaps(maps, batch):
    """Maps of several explainers as one array (explainers, N, *spatial)."""
    if not isinstance(maps, Mapping) or not maps:
        raise ValueError(
            f"`maps` must be a dict explainer name -> maps, not empty. Received: {type(maps).__name__}. "
            'Of one explainer pass {"grad_cam": maps}.'
        )
    heatmaps = [
        checks.map_batch(values, batch, reduce=_reduction(name), name=f"maps[{name!r}]")
        for name, values in maps.items()
    ]
    return np.stack(heatmaps)


def _reduction(name):
    """How the explainer of this name wants its channels reduced."""
    from kerasxai import explainers

    own = None
    if name in explainers.names():
        own = explainers.get(name).reduce
    return own or "sum"


def _shared_limits(batch, heatmaps, signs, scale):
    """The `Limits` of each panel, `[sample][explainer]`; heatmaps (explainers, N, *spatial), signs (explainers,)."""
    explainers, count = heatmaps.shape[:2]
    if scale == "row":
        return [[batch.limits(heatmaps[:, row], any(signs))] * explainers for row in range(count)]
    if scale == "column":
        return [list(map(batch.limits, heatmaps, signs))] * count
    return [list(map(batch.limits, heatmaps[:, row], signs)) for row in range(count)]


def _class_titles(count, probabilities, class_names, titles):
    """One title for each of the maps: the given ones, or name and probability of the best classes."""
    if titles is not None or probabilities is None:
        if probabilities is not None or class_names is not None:
            raise ValueError(
                "`class_names` go with `probabilities`, which tell the best classes, and `titles` stand alone. "
                "Received: another combination. Pass probabilities of all classes, or one title for each map."
            )
        return checks.texts(titles, count, "titles", "map")
    row = checks.probability_rows(probabilities)
    if len(row) != 1 or row.shape[1] < count:
        raise ValueError(
            f"`probabilities` must be those of all classes of one sample, at least {count} as there are maps. "
            f"Received: shape {np.shape(probabilities)}."
        )
    names = checks.names_of_classes(class_names, row.shape[1])
    best = np.argsort(-row[0], kind="stable")[:count]
    return [f"{names[index]} ({probability_text(row[0, index])})" for index in best]
