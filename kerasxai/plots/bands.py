"""What the figures of evaluation share: named results, panels, and mean curves with their confidence bands."""

from collections.abc import Mapping

import numpy as np

from kerasxai.plots import checks, colours, layout, texts
from kerasxai.plots.texts import LABEL_SIZE

LINE_STYLES = ("-", "--", ":")
CONTROL_STYLES = ("--", ":", "-.", "-")
MARKERS = ("o", "s", "^", "D")
LINE_WIDTH, MARKER_SIZE, BAND_OPACITY = 1.3, 3.5, 0.15
BEHIND = 1.5  # where lines of controls are drawn
LEGEND_ENTRY = 0.5  # inches that an entry takes beside its text
NO_VALUE = "no value"


def named(results, key, evaluator):
    """Dict name -> results: as given, or, of one evaluator's results, under the empty name.

    Args:
        results: What an evaluator returns, or a dict name -> such results.
        key: A result that they hold.
        evaluator: Name of what gives it, for the refusal.
    """
    received = type(results).__name__
    if isinstance(results, Mapping):
        if key in results:
            return {"": results}
        if results and all(isinstance(values, Mapping) and key in values for values in results.values()):
            return {str(name): values for name, values in results.items()}
        received = ", ".join(map(str, results)) or "an empty dict"
    raise ValueError(
        f"`results` must be those of `kerasxai.evaluators.{evaluator}`, or a dict name -> such results. "
        f"Received: {received}, without `{key}`."
    )


def measured(results, names):
    """Those of some measures of which named results hold a curve that has a value somewhere."""
    return [name for name in names if any(not np.isnan(values[name + "_curve"]).all() for values in results.values())]


def option(results, name, default):
    """An option of the evaluator that gave these results; the default for a plain dict."""
    return getattr(getattr(results, "evaluator", None), name, default)


def band(values, seed=0):
    """Means and bootstrap confidence intervals of curves, as `Summary` has them for single numbers.

    Args:
        values: Array `(samples, steps)`, or `(samples, classes, steps)`, of which a sample counts by the mean over its
            classes; each step counts the samples that have a value there.
        seed: Seed of the draws.

    Returns:
        Array `(3, steps)`: mean, lower and upper bound; NaN where no sample has a value.
    """
    from kerasxai.evaluators.base import bootstrap_interval
    from kerasxai.evaluators.similarity import mean_of_known

    values = np.asarray(values, np.float64)
    if values.ndim > 2:
        values = mean_of_known(np.moveaxis(values, 1, -1))
    bounds = np.full((3, values.shape[1]), np.nan)
    patterns, of_step = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        steps = np.flatnonzero(of_step.ravel() == number)
        if known.any():
            kept = values[known][:, steps]
            bounds[:, steps] = kept.mean(axis=0), *bootstrap_interval(kept, seed)
    return bounds


def draw(axes, places, values, seed=0, **look):
    """Draws the mean of curves, see `band`, and its band, unless no sample has a value anywhere."""
    mean, low, high = band(values, seed)
    known = ~np.isnan(mean)
    if not known.any():
        return
    places = np.asarray(places)
    axes.plot(places, mean, linewidth=LINE_WIDTH, markersize=MARKER_SIZE, **look)
    axes.fill_between(places, low, high, color=look["color"], alpha=BAND_OPACITY, linewidth=0)
    beside = np.pad(known, 1)
    alone = known & ~beside[:-2] & ~beside[2:]  # has no band to its left or right
    if alone.any():
        axes.vlines(places[alone], low[alone], high[alone], color=look["color"], linewidth=0.8)


def looks(names, controls=(), markers=True):
    """Dict name -> how its line is drawn: explainers in colours, controls grey and dashed.

    Args:
        names: What is drawn.
        controls: Those of them that are controls.
        markers: Whether points are marked; lines with the same colour have other markers, or else other styles.
    """
    looks, others = {}, 0
    for name in names:
        if name in controls:
            number = list(controls).index(name)
            look = {"color": colours.PLAIN, "zorder": BEHIND, "linestyle": CONTROL_STYLES[number % 4]}
            if markers:
                look |= {"linestyle": "--", "marker": MARKERS[number % len(MARKERS)]}
        else:
            turn, colour = divmod(others, len(colours.LINE_COLOURS))
            look = {"color": colours.LINE_COLOURS[(colour + 1) % len(colours.LINE_COLOURS)]}
            if markers:
                look |= {"linestyle": "-", "marker": MARKERS[turn % len(MARKERS)]}
            else:
                look["linestyle"] = LINE_STYLES[turn % len(LINE_STYLES)]
            others += 1
        look["label"] = name
        if markers and not name:
            look["label"] = "_only"
        looks[name] = look
    return looks


def panels(count, columns, height, width, **sharing):
    """A figure of panels in rows, and the list of their axes."""
    checks.check_count(columns, "columns")
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = layout.new_figure(width * columns, height * rows)
    added = figure.subplots(rows, columns, squeeze=False, **sharing).ravel()
    for axes in added[count:]:
        axes.set_axis_off()
    return figure, added[:count]


def clean(axes):
    """Takes away the lines above and at the right, and makes the numbers small; says so of an empty panel."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=LABEL_SIZE)
    if not axes.lines and not axes.patches:
        note_no_value(axes)


def note_no_value(axes):
    """Says of a panel that it has nothing to show."""
    middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, NO_VALUE, fontsize=LABEL_SIZE, **middle)


def legend_below(figure, axes, entries=()):
    """Names all lines of several axes, and further entries, once, below the panels."""
    handles = _handles(axes)
    handles.update({entry.get_label(): entry for entry in entries})
    legend(figure, handles, figure.get_figwidth(), loc="outside lower center")


def legend_above(axes):
    """Names all lines of several axes once, above the first, which lies in a figure as wide as the page."""
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 0.2}
    handles = _handles(axes)
    if list(handles) != [""]:
        legend(axes[0], handles, layout.PAGE_WIDTH, **place)


def _handles(axes):
    """Dict label -> line of what several axes show."""
    handles = {}
    for panel in axes:
        handles.update({line.get_label(): line for line in panel.lines if not line.get_label().startswith("_")})
    return handles


def legend(owner, handles, width, **place):
    """Adds a legend to a figure or to axes, with as many entries side by side as so many inches hold."""
    if handles:
        columns = max(1, int(width / (texts.widest(handles, LABEL_SIZE) + LEGEND_ENTRY)))
        look = {"ncols": min(columns, len(handles)), "fontsize": LABEL_SIZE, "frameon": False}
        texts.write_plainly(owner.legend(handles=list(handles.values()), **look, **place))
