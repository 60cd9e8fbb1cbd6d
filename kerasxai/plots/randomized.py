"""What becomes of maps while the layers of the model are randomised: curves of similarity, the maps under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasxai.plots import bands, checks, colours, drawing, layout
from kerasxai.plots.layout import LABEL_SIZE, MARGIN, TICK, Table
from kerasxai.plots.names import AxisNames
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
LEGEND_LINE = 1.35  # lines of text that a row of the legend takes
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
            of them are drawn, one row for each and for each explainer. None: curves only.
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
    curves = _Curves(results, title)
    maps = None if samples is None else _Maps(results, samples, curves)
    width = maps.table.width if maps else layout.FIGURE_WIDTH
    step = maps.table.column_step if maps else (width - 2 * MARGIN - curves.before) / len(curves.steps)
    first = maps.table.first_column - (step - maps.table.panel_width) / 2 if maps else MARGIN + curves.before
    curves_height = curves.height(step, width)
    figure = layout.new_figure(width, curves_height + (maps.table.height if maps else MARGIN))
    curves.draw(figure, first, step)
    if maps:
        maps.draw(figure, curves_height)
    return figure


class _Curves:
    """The curves above: one panel, or one for each measure.

    Attributes:
        steps: Indices of the steps that are named.
        before: Room at the left of the panels.
    """

    def __init__(self, results, title):
        self._results, self._title = results, title
        self._one = next(iter(results.values()))
        self._layers = _common_layers(results)
        count = len(self._layers)
        self.steps = np.linspace(0, count - 1, min(count, MOST_COLUMNS)).round().astype(int)
        self._places = np.interp(np.arange(count), self.steps, np.arange(len(self.steps)))  # named steps above columns
        self._names = AxisNames([self._layers[step] for step in self.steps])
        self._measures = [
            measure
            for measure in MEASURES
            if any(not np.isnan(one[measure + "_curve"]).all() for one in results.values())
        ] or list(MEASURES)[:1]
        self._is_one = len(results) == 1
        self._entries = [MEASURES[measure] for measure in self._measures] if self._is_one else list(results)
        numbers = [layout.number_text(tick) for tick in AXIS_TICKS]
        self.before = 1.5 * layout.line_height(LABEL_SIZE) + TICK + layout.widest(numbers, LABEL_SIZE)

    def height(self, step, width):
        """Inches that all of it takes, for so many inches a step and so many for the legend."""
        self._columns = bands.entries_in_a_row(self._entries, width - 2 * MARGIN)
        rows = -(-len(self._entries) // self._columns)
        title = 1.5 * layout.line_height(layout.TITLE_SIZE) if self._title else 0
        self._legend_top = MARGIN + title
        self._top = self._legend_top + LEGEND_LINE * rows * layout.line_height(LABEL_SIZE) + layout.TITLE_GAP
        self._panel_height = PANEL_HEIGHT[self._is_one]
        panels = 1 if self._is_one else len(self._measures)
        names = TICK + self._names.depth(step * len(self.steps)) + 1.3 * layout.line_height(LABEL_SIZE)
        return self._top + panels * (self._panel_height + layout.ROW_GAP) + names

    def draw(self, figure, first, step):
        """Draws title, legend and panels, whose first step begins `first` inches from the left."""
        full_width, full_height = figure.get_size_inches()
        if self._title:
            layout.add_text(figure, full_width / 2, MARGIN, self._title, "medium", ha="center")
        lines = [
            [(measure, self._one, MEASURES[measure], bands.option(self._one, "seed", 0)) for measure in self._measures]
        ]
        if not self._is_one:
            lines = [
                [(measure, one, name, bands.option(one, "seed", 0)) for name, one in self._results.items()]
                for measure in self._measures
            ]
        looks = bands.looks([name for *_, name, _ in lines[0]])
        for number, of_panel in enumerate(lines):
            top = self._top + number * (self._panel_height + layout.ROW_GAP)
            axes = layout.add_axes(figure, first, top, step * len(self.steps), self._panel_height)
            for measure, one, name, seed in of_panel:
                bands.draw(axes, self._places, one[measure + "_curve"], seed, **looks[name])
            axes.set_ylabel("similarity" if self._is_one else MEASURES[of_panel[0][0]], fontsize=LABEL_SIZE)
            self._finish(axes, step * len(self.steps), is_last=number == len(lines) - 1)
        self._draw_legend(figure, full_height)

    def _finish(self, axes, length, is_last):
        axes.axhline(0, color=colours.PLAIN, linewidth=0.8, linestyle=":", zorder=0, label="_zero")
        low = min([0.0, *(path.vertices[:, 1].min() for band in axes.collections for path in band.get_paths())])
        axes.set_ylim(low - 0.06, 1.06)
        ticks = [tick for tick in AXIS_TICKS if tick >= low - 0.06]
        axes.set_yticks(ticks, [layout.number_text(tick) for tick in ticks])
        axes.set_xlim(-0.5, len(self.steps) - 0.5)
        bands.clean(axes)
        self._names.mark(axes.xaxis, length)
        axes.set_xticks(self._places, minor=True)
        axes.tick_params(labelbottom=is_last)
        if is_last:
            axes.set_xlabel(ORDERS[bands.option(self._one, "order", None)], fontsize=LABEL_SIZE, labelpad=1)

    def _draw_legend(self, figure, full_height):
        handles = {line.get_label(): line for axes in figure.axes for line in axes.lines if line.get_label()[0] != "_"}
        if handles and list(handles) != [""]:
            legend = figure.legend(
                handles=list(handles.values()),
                loc="upper center",
                bbox_to_anchor=(0.5, 1 - self._legend_top / full_height),
                ncols=self._columns,
                fontsize=LABEL_SIZE,
                frameon=False,
                borderaxespad=0.0,
            )
            for text in legend.get_texts():
                text.set_parse_math(False)


class _Maps:
    """The maps below: a row for each sample and explainer, a column for each named step.

    Attributes:
        table: The `Table` of the panels.
    """

    def __init__(self, results, samples, curves):
        if missing := [name for name, one in results.items() if "maps" not in one]:
            raise ValueError(
                "`results` must hold the maps at every step to draw them; evaluate with Randomization(keep_maps=...). "
                f"Received: results without maps{' for ' + ', '.join(missing) if missing != [''] else ''}."
            )
        samples = checks.sample_batch(samples)
        kept = [np.asarray(one["maps"])[:, curves.steps] for one in results.values()]
        if any(maps.shape[2:] != samples.shape[1:-1] for maps in kept):
            raise ValueError(
                f"`samples` must be those evaluated, of {kept[0].shape[2:]} positions. Received: {samples.shape}."
            )
        count = min(len(samples), *(len(maps) for maps in kept))
        self._panels = drawing.panels(samples[:count], drawing.DEFAULT_ALPHA)
        signed = [colours.is_signed(maps, method=name) for name, maps in zip(results, kept)]
        self._rows = [(index, maps[index], one) for index in range(count) for maps, one in zip(kept, signed)]
        titles = [
            f"{name}\nsample {index}".strip() if count > 1 else name for index in range(count) for name in results
        ]
        self.table = Table(
            [""] * len(curves.steps) * len(self._rows),
            len(curves.steps),
            self._panels.height,
            row_titles=[title.replace("_", " ") for title in titles],
            left=max(self._panels.ticks_width, curves.before),
            above=self._panels.above,
            below=self._panels.below,
        )

    def draw(self, figure, top):
        """Draws all panels, `top` inches from the upper edge."""
        grid = self.table.axes(figure, top)
        columns = self.table.columns
        for index, axes in enumerate(grid):
            sample, maps, signed = self._rows[index // columns]
            values = maps[index % columns].astype("float64")
            self._panels.draw_map(axes, sample, values, self._panels.limits(values, signed))
            axes.tick_params(left=index % columns == 0, labelleft=index % columns == 0)
            drawing.draw_note(axes, values)
        self._panels.finish(self.table, grid, top)


def _common_layers(results):
    """Names of the steps, the same for all results."""
    found = {name: [str(layer) for layer in one["layers"]] for name, one in results.items()}
    first = next(iter(found.values()))
    for name, layers in found.items():
        if layers != first:
            raise ValueError(f"`results` must be of one model and order. Received: other layers for {name}.")
    short = [layer.split("/")[-1] for layer in first]  # without the models that they are nested in
    names = short if len(set(short)) == len(short) else first
    return [name or FIRST_STEP for name in names]
