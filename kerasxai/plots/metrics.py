"""Figures of evaluation: bars of a comparison, perturbation curves with their confidence bands."""

import numpy as np

from kerasxai.plots import colours

ARROWS = {"higher": "higher is better", "lower": "lower is better", None: ""}
PANEL_WIDTH, BAR_HEIGHT, PANEL_ROOM = 3.0, 0.24, 0.9  # inches
CONTROL_GREY = "#999999"


def comparison(results, columns=3):
    """Draws a comparison: one panel a metric, one bar a row with its 95 % confidence interval.

    Explainers are blue, controls grey; in each panel the best is on top.

    Args:
        results: A `kerasxai.Comparison`.
        columns: Panels in a row.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    metrics = results.metrics
    figure, panels = _panels(len(metrics), columns, PANEL_ROOM + BAR_HEIGHT * len(results.rows))
    for axes, metric in zip(panels, metrics):
        rows = [row for row in results.rows if results.summary(row, metric) is not None]
        means = np.array([results.summary(row, metric).mean for row in rows])
        sign = -1 if results.directions[metric] == "higher" else 1
        order = np.argsort(np.where(np.isnan(means), np.inf, sign * means), kind="stable")
        for place, index in enumerate(order):
            summary = results.summary(rows[index], metric)
            colour = CONTROL_GREY if rows[index] in results.controls else colours.STRESSED
            reach = np.maximum(0, [[summary.mean - summary.low], [summary.high - summary.mean]])  # rounding
            axes.barh(place, summary.mean, color=colour, height=0.75, xerr=reach, ecolor="black", capsize=2)
        axes.set_yticks(range(len(rows)), [rows[index] for index in order], fontsize="x-small")
        axes.invert_yaxis()
        axes.tick_params(axis="x", labelsize="x-small")
        axes.set_title(f"{metric}\n{ARROWS[results.directions[metric]]}".strip(), fontsize="small")
        _clean(axes)
    return figure


def curves(results, names=None, title=None):
    """Draws perturbation curves: the mean over samples against the share of positions changed, with its 95 % band.

    Args:
        results: List of `Results` that hold a `curve` and a `fraction`, or a dict name -> Results.
        names: Names of the curves; None: numbers, or the keys of the dict.
        title: Title, or None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: A result without a curve, or not one name for each.
    """
    if isinstance(results, dict) and "curve" not in results:
        names, results = list(results) if names is None else names, list(results.values())
    results = [results] if isinstance(results, dict) else list(results)
    names = [str(index) for index in range(len(results))] if names is None else list(names)
    if len(names) != len(results) or not results:
        raise ValueError(f"`results` must be named each. Received: {len(results)} results, {len(names)} names.")
    figure, (axes,) = _panels(1, 1, 3.2, width=4.6)
    for index, (name, one) in enumerate(zip(names, results)):
        if "curve" not in one:
            raise ValueError(f"`results` must hold a curve. Received: {', '.join(one)} for {name}.")
        values = np.asarray(one["curve"], float)
        values = values[~np.isnan(values).any(axis=1)]
        if not len(values):
            continue  # every map was NaN
        mean = values.mean(axis=0)
        error = 1.96 * values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.zeros_like(mean)
        colour = colours.LINE_COLOURS[(index + 1) % len(colours.LINE_COLOURS)]
        style = ("-", "--", ":")[index // len(colours.LINE_COLOURS) % 3]
        axes.plot(one["fraction"], mean, color=colour, linestyle=style, label=name)
        axes.fill_between(one["fraction"], mean - error, mean + error, color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel("share of positions changed", fontsize="small")
    axes.set_ylabel("score", fontsize="small")
    axes.tick_params(labelsize="x-small")
    axes.legend(fontsize="x-small", frameon=False)
    if title:
        axes.set_title(title, fontsize="small")
    _clean(axes)
    return figure


def training(history, metrics=None, columns=3, every=None):
    """Draws metrics over epochs, as `model.fit` and the callbacks record them.

    Args:
        history: A `keras.callbacks.History`, or its dict.
        metrics: Names; None: all.
        columns: Panels in a row.
        every: Interval in epochs of the metrics that have fewer values than there are epochs, the `every` of their
            callback; None: the shortest that gives so many values, or an even spread where none does (an epoch that
            failed has no value).

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: Nothing, or not all of `metrics`, was recorded, or `every` does not give so many values.
    """
    recorded = getattr(history, "history", history)
    names = list(recorded) if metrics is None else list(metrics)
    if not names:
        raise ValueError("`history` and `metrics` must hold a metric. Received: none.")
    missing = [name for name in names if name not in recorded]
    if missing:
        raise ValueError(f"`metrics` must be recorded: {', '.join(recorded)}. Received: {', '.join(missing)}.")
    epochs = max(len(recorded[name]) for name in recorded)
    figure, panels = _panels(len(names), columns, 2.0)
    for axes, name in zip(panels, names):
        values = recorded[name]
        places = _epochs_of(name, len(values), epochs, every)
        axes.plot(places, values, color=colours.STRESSED, marker="o", markersize=2.5)
        axes.set_title(name, fontsize="small")
        axes.set_xlabel("epoch", fontsize="x-small")
        axes.tick_params(labelsize="x-small")
        _clean(axes)
    return figure


def _epochs_of(name, count, epochs, every):
    """The epochs, from 1, of `count` values that were recorded every so many of them."""
    intervals = range(1, epochs + 1) if every is None or count == epochs else [every]
    for interval in intervals:
        places = np.arange(1, epochs + 1, interval)
        if len(places) == count:
            return places
    if every is None:
        return np.linspace(1, epochs, count)
    raise ValueError(f"`every` must fit the values recorded. Received: {count} of {name} in {epochs} epochs, {every=}.")


def _panels(count, columns, height, width=PANEL_WIDTH):
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def _clean(axes):
    axes.spines[["top", "right"]].set_visible(False)
