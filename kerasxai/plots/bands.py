"""What the figures of evaluation share: named results, panels, and mean curves with their confidence bands."""

from collections.abc import Mapping

import numpy as np

from kerasxai.plots import checks, colours, layout

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
    is_mapping = isinstance(results, Mapping)
    if is_mapping and key in results:
        return {"": results}
    if not is_mapping or not results or not all(isinstance(one, Mapping) and key in one for one in results.values()):
        received = ", ".join(map(str, results)) or "an empty dict" if is_mapping else type(results).__name__
        raise ValueError(
            f"`results` must be those of `kerasxai.evaluators.{evaluator}`, or a dict name -> such results. "
            f"Received: {received}, without `{key}`."
        )
    return {str(name): one for name, one in results.items()}


def option(results, name, default):
    """An option of the evaluator that gave these results; the default for a plain dict."""
    return getattr(getattr(results, "evaluator", None), name, default)


def band(values, seed=0):
    """Means and bootstrap confidence intervals of curves, as `Summary` has them for single numbers.

    Args:
        values: Array `(samples, steps)`; each step counts the samples that have a value there.
        seed: Seed of the draws.

    Returns:
        Array `(3, steps)`: mean, lower and upper bound; NaN where no sample has a value.
    """
    from kerasxai.evaluators.base import bootstrap_interval

    values = np.asarray(values, np.float64)
    found = np.full((3, values.shape[1]), np.nan)
    patterns, of_step = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        steps = np.flatnonzero(of_step.ravel() == number)
        if known.any():
            kept = values[known][:, steps]
            found[:, steps] = kept.mean(axis=0), *bootstrap_interval(kept, seed)
    return found


def draw(axes, places, values, seed=0, **look):
    """Draws the mean of curves `(samples, steps)` and its band, unless no sample has a value anywhere."""
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
    found, others = {}, 0
    for name in names:
        if name in controls:
            number = list(controls).index(name)
            look = {
                "color": colours.PLAIN,
                "zorder": BEHIND,
                "linestyle": "--" if markers else CONTROL_STYLES[number % 4],
            }
            marker = MARKERS[number % len(MARKERS)]
        else:
            turn, colour = divmod(others, len(colours.LINE_COLOURS))
            colour = colours.LINE_COLOURS[(colour + 1) % len(colours.LINE_COLOURS)]
            look = {"color": colour, "linestyle": "-" if markers else LINE_STYLES[turn % len(LINE_STYLES)]}
            marker = MARKERS[turn % len(MARKERS)]
            others += 1
        found[name] = {**look, "marker": marker, "label": name or "_only"} if markers else {**look, "label": name}
    return found


def panels(count, columns, height, width, **sharing):
    """A figure of panels in rows, and the list of their axes."""
    checks.check_count(columns, "columns")
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = layout.new_figure(width * columns, height * rows, layout="constrained")
    added = figure.subplots(rows, columns, squeeze=False, **sharing).ravel()
    for axes in added[count:]:
        axes.set_axis_off()
    return figure, added[:count]


def clean(axes):
    """Takes away the lines above and at the right, and makes the numbers small; says so of an empty panel."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=layout.LABEL_SIZE)
    if not axes.lines and not axes.patches:
        note_no_value(axes)


def note_no_value(axes):
    """Says of a panel that it has nothing to show."""
    middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, NO_VALUE, fontsize=layout.LABEL_SIZE, **middle)


def entries_in_a_row(names, width):
    """How many entries of a legend stand side by side in so many inches."""
    return max(1, int(width / (layout.widest(names, layout.LABEL_SIZE) + LEGEND_ENTRY)))


def legend_below(figure, axes, entries=()):
    """Names all lines of several axes, and further entries, once, below the panels."""
    handles = {line.get_label(): line for one in axes for line in one.lines if not line.get_label().startswith("_")}
    handles.update({entry.get_label(): entry for entry in entries})
    if handles:
        columns = min(entries_in_a_row(handles, figure.get_figwidth()), len(handles))
        legend = figure.legend(
            handles=list(handles.values()),
            loc="outside lower center",
            ncols=columns,
            fontsize=layout.LABEL_SIZE,
            frameon=False,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
