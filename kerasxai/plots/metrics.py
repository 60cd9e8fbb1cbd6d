"""Figures of evaluation: bars of a comparison, metrics over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasxai.plots import bands, checks, colours

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

    from kerasxai.comparison import Comparison

ARROWS = {"higher": "higher is better", "lower": "lower is better", None: ""}
PANEL_WIDTH, BAR_HEIGHT, PANEL_ROOM = 3.0, 0.24, 0.9  # inches


def comparison(results: Comparison, columns: int = 3) -> Figure:
    """Draws a comparison: one panel a metric, one bar a row with its 95 % confidence interval.

    Explainers are blue, controls grey; in each panel the best is on top.

    Args:
        results: A `kerasxai.Comparison`.
        columns: Panels in a row.

    Returns:
        A `matplotlib.figure.Figure`.
    """
    metrics = results.metrics
    height = PANEL_ROOM + BAR_HEIGHT * len(results.rows)
    figure, panels = bands.panels(len(metrics), columns, height, PANEL_WIDTH)
    for axes, metric in zip(panels, metrics):
        summaries = {}
        for row in results.rows:
            summary = results.summary(row, metric)
            if summary is not None:
                summaries[row] = summary
        rows, means = list(summaries), np.array([summary.mean for summary in summaries.values()])
        sign = -1 if results.directions[metric] == "higher" else 1
        order = np.argsort(np.where(np.isnan(means), np.inf, sign * means), kind="stable")
        rows = [rows[index] for index in order]
        for place, row in enumerate(rows):
            summary = summaries[row]
            colour = colours.PLAIN if row in results.controls else colours.STRESSED
            reach = np.maximum(0, [[summary.mean - summary.low], [summary.high - summary.mean]])  # rounding
            axes.barh(place, summary.mean, color=colour, height=0.75, xerr=reach, ecolor="black", capsize=2)
        axes.set_yticks(range(len(rows)), rows, fontsize="x-small")
        axes.set_ylim(len(rows) - 0.5, -0.5)
        if np.isnan(means).all():
            axes.set_xticks([])
            bands.note_no_value(axes)
        axes.tick_params(axis="x", labelsize="x-small")
        axes.set_title(f"{metric}\n{ARROWS[results.directions[metric]]}".strip(), fontsize="small")
        bands.clean(axes)
    return figure


def training(
    history: keras.callbacks.History | dict[str, list[float]],
    metrics: Sequence[str] | None = None,
    columns: int = 3,
    every: int | None = None,
) -> Figure:
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
    if every is not None:
        checks.check_count(every, "every")
    recorded = getattr(history, "history", history)
    names = list(recorded) if metrics is None else list(metrics)
    if not names:
        raise ValueError("`history` and `metrics` must hold a metric. Received: none.")
    missing = [name for name in names if name not in recorded]
    if missing:
        raise ValueError(f"`metrics` must be recorded: {', '.join(recorded)}. Received: {', '.join(missing)}.")
    epochs = max(len(recorded[name]) for name in recorded)
    figure, panels = bands.panels(len(names), columns, 2.0, PANEL_WIDTH)
    for axes, name in zip(panels, names):
        values = recorded[name]
        places = _epochs_of(name, len(values), epochs, every)
        axes.plot(places, values, color=colours.STRESSED, marker="o", markersize=2.5)
        axes.set_title(name, fontsize="small", parse_math=False)
        axes.set_xlabel("epoch", fontsize="x-small")
        axes.tick_params(labelsize="x-small")
        bands.clean(axes)
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
