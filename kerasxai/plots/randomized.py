"""What becomes of maps while the layers of the model are randomised: curves of similarity, the maps under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasxai.plots import bands, checks, colours, drawing, layout, texts
from kerasxai.plots.names import AxisNames
from kerasxai.plots.texts import LABEL_SIZE
from kerasxai.typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasxai.evaluators import Results

MEASURES = {"spearman": "Spearman", "spearman_absolute": "Spearman of |map|", "ssim": "SSIM", "hog": "HOG"}
ORDERS = {
    "top_down": "randomised, from the output down to this layer",
    "bottom_up": "randomised, from the input up to this layer",
    "independent": "randomised, this layer alone",
    None: "randomised",
}
FIRST_STEP = "none"
MOST_COLUMNS = 9  # steps whose names and maps are shown
PANEL_HEIGHT = {True: 1.9, False: 1.25}  # inches, of a panel that stands alone or not
AXIS_TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def randomization(
    results: Results | dict[str, Results], samples: Array | None = None, title: str | None = None
) -> Figure:
    """Draws how alike the maps stay while the layers are randomised, step by step, and the maps themselves below.

    Of one explainer all measures stand in one panel; of several each measure has its own. Lines are means over samples
    with their 95 % bands; where a step has no value (constant maps), a line has a gap, and a measure without any, such
    as the SSIM of signals, is left out. Of many layers nine steps, evenly spaced, are named and have their maps shown,
    each map on its own colour scale.

    Args:
        results: `Results` of `kerasxai.evaluators.Randomization`, or a dict explainer -> Results, all of one model and
            order.
        samples: The samples evaluated, for the maps below; needs `Randomization(keep_maps=...)`, which tells how many
            of them are drawn, one row for each and for each explainer (for `target="top4"`, of the best class). None:
            curves only.
        title: Title, or None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: `results` are of another evaluator, of several models, or hold no maps of these samples.

    Example:

    ```python
    randomized = kerasxai.evaluators.Randomization(keep_maps=1)
    results = {name: randomized(model, images, explainer=name) for name in ("grad_cam", "gradient_x_input")}
    kerasxai.plots.randomization(results, images).savefig("randomization.png")
    ```
    """
    results = bands.named(results, "layers", "Randomization")
    layers = _common_layers(results)
    panels = _panels(results)
    steps = np.linspace(0, len(layers) - 1, min(len(layers), MOST_COLUMNS)).round().astype(int)
    curve_heights = [PANEL_HEIGHT[len(panels) == 1]] * len(panels)
    if samples is None:
        sheet = layout.Sheet([1.0], lambda width: curve_heights)
        curves = [sheet.add(row, 0) for row in range(len(panels))]
    else:
        batch, rows = _rows_of_maps(results, samples, steps)
        sheet = layout.Sheet([1.0] * len(steps), lambda width: curve_heights + [batch.height(width)] * len(rows))
        curves = [sheet.add(row, slice(None)) for row in range(len(panels))]
        _draw_maps(sheet, len(panels), batch, rows)
    if title:
        sheet.figure.suptitle(texts.wrapped(title, layout.PAGE_WIDTH, "medium"), fontsize="medium", parse_math=False)
    places = np.interp(range(len(layers)), steps, range(len(steps)))  # named steps stand above the columns of maps
    _draw_curves(curves, panels, places)
    order = bands.option(next(iter(results.values())), "order", None)
    curves[-1].set_xlabel(ORDERS[order], fontsize=LABEL_SIZE, labelpad=1)
    _mark_steps(sheet, curves, AxisNames([layers[step] for step in steps]), len(steps))
    return layout.fit(sheet)


def _panels(results):
    """What each panel shows: its label and its lines, of a name, curves `(samples, steps)` and a seed."""
    measures = bands.measured(results, MEASURES) or list(MEASURES)[:1]
    panels = []
    for measure in measures:
        lines = [
            (name, values[measure + "_curve"], bands.option(values, "seed", 0)) for name, values in results.items()
        ]
        panels.append((MEASURES[measure], lines))
    if len(results) > 1:
        return panels
    return [("similarity", [(label, curve, seed) for label, [(_, curve, seed)] in panels])]


def _draw_curves(curves, panels, places):
    """Draws the lines of all panels, and one legend above them."""
    for axes, (label, lines) in zip(curves, panels):
        looks = bands.looks([name for name, _, _ in lines])
        for name, values, seed in lines:
            bands.draw(axes, places, values, seed, **looks[name])
        axes.axhline(0, color=colours.PLAIN, linewidth=0.8, linestyle=":", zorder=0, label="_zero")
        low = min(0.0, axes.dataLim.y0) - 0.06
        ticks = [tick for tick in AXIS_TICKS if tick >= low]
        axes.set_ylim(low, 1.06)
        axes.set_yticks(ticks, map(texts.number_text, ticks))
        axes.set_ylabel(label, fontsize=LABEL_SIZE)
        axes.set_xticks(places, minor=True)
        axes.tick_params(labelbottom=axes is curves[-1])
        bands.clean(axes)
    bands.legend_above(curves)


def _mark_steps(sheet, curves, names, count):
    """Names the steps, each above its column of maps."""
    maps = sheet.axes[len(curves) :]

    def write(width, height):
        step, reach = width / count, 0.5
        if maps:
            step = width + layout.gap(maps[0], maps[1])
            reach = width / step / 2
        for axes in curves:
            axes.set_xlim(-reach, count - 1 + reach)
            names.mark(axes.xaxis, step * count)

    sheet.when_sized(write)


def _rows_of_maps(results, samples, steps):
    """The samples drawn, and rows of maps: title, index of the sample, maps by step, whether these are signed."""
    if missing := [name for name, values in results.items() if "maps" not in values]:
        of_whom = f" for {', '.join(missing)}".removesuffix(" for ")
        raise ValueError(
            "`results` must hold the maps at every step to draw them; evaluate with Randomization(keep_maps=...). "
            f"Received: results without maps{of_whom}."
        )
    samples = checks.sample_batch(samples)
    kept = {}
    for name, values in results.items():
        maps = np.asarray(values["maps"])
        if np.ndim(values["spearman_curve"]) > 2:  # (samples, classes, steps)
            maps = maps[:, 0]  # of the best class
        kept[name] = maps[:, steps]
    count = len(samples)
    for maps in kept.values():
        count = min(count, len(maps))
        if maps.shape[2:] != samples.shape[1:-1]:
            raise ValueError(
                f"`samples` must be those evaluated, of {maps.shape[2:]} positions. Received: {samples.shape}."
            )
    rows = []
    for index in range(count):
        for name, maps in kept.items():
            title = f"{name}\nsample {index}".strip() if count > 1 else name
            rows.append((title.replace("_", " "), index, maps[index], colours.is_signed(maps, method=name)))
    return drawing.panels(samples[:count], drawing.DEFAULT_ALPHA), rows


def _draw_maps(sheet, first_row, batch, rows):
    """Draws the rows of maps below the curves."""
    panels = []
    for row, (_, index, maps, signed) in enumerate(rows, first_row):
        for column, values in enumerate(maps.astype("float64")):
            axes = sheet.add(row, column)
            batch.draw_map(axes, index, values, batch.limits(values, signed))
            axes.tick_params(left=column == 0, labelleft=column == 0)
            drawing.draw_note(axes, values)
            panels.append(axes)
    columns = len(rows[0][2])
    sheet.add_row_titles(panels[::columns], [title for title, *_ in rows])
    batch.finish(sheet, panels, columns)


def _common_layers(results):
    """Names of the steps, the same for all results."""
    first = list(map(str, next(iter(results.values()))["layers"]))
    for name, values in results.items():
        if list(map(str, values["layers"])) != first:
            raise ValueError(f"`results` must be of one model and order. Received: other layers for {name}.")
    short = [layer.split("/")[-1] for layer in first]  # without the models that they are nested in
    names = short if len(set(short)) == len(short) else first
    return [name or FIRST_STEP for name in names]
