"""Figures of curves with their confidence bands: perturbation curves, ROAD, robustness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasxai.plots import bands, layout

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasxai.evaluators import Results

ROAD_ORDERS = {"morf": "most relevant removed first", "lerf": "least relevant removed first"}
ROBUSTNESS_METRICS = {"rmse": "RMSE of the maps", "spearman": "Spearman correlation", "ssim": "SSIM"}
CURVES_WIDTH, CURVES_HEIGHT = 4.6, 3.2  # inches
PANEL_HEIGHT = 2.2
HELD = {"linestyle": "--", "markerfacecolor": "white"}  # lines over the samples whose class held
ALL_GREY = "#595959"  # what is the same for all explainers


def curves(
    results: Results | Sequence[Results] | dict[str, Results],
    names: Sequence[str] | None = None,
    title: str | None = None,
    controls: Sequence[str] = (),
) -> Figure:
    """Draws perturbation curves: the mean over samples against the share of positions changed, with its 95 % band.

    The band is the bootstrap confidence interval of `Summary` at each step.

    Args:
        results: List of `Results` that hold a `curve` and a `fraction`, or a dict name -> Results.
        names: Names of the curves; None: numbers, or the keys of the dict.
        title: Title, or None.
        controls: Names of those that are controls, drawn grey.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: A result without a curve, or not one name for each.

    Example:

    ```python
    deletion = kerasxai.evaluators.Deletion(steps=10)
    results = {name: deletion(model, images, explainer=name) for name in ("grad_cam", "gradient_x_input")}
    kerasxai.plots.curves(results, title="deletion").savefig("deletion.png")
    ```
    """
    if isinstance(results, dict) and "curve" not in results:
        names, results = list(results) if names is None else names, list(results.values())
    several: list[Any] = [results] if isinstance(results, dict) else list(results)
    names = [str(index) for index in range(len(several))] if names is None else list(names)
    if len(names) != len(several) or not several:
        raise ValueError(f"`results` must be named each. Received: {len(several)} results, {len(names)} names.")
    figure, (axes,) = bands.panels(1, 1, CURVES_HEIGHT, CURVES_WIDTH)
    looks = bands.looks(names, controls, markers=False)
    for name, one in zip(names, several):
        if "curve" not in one:
            raise ValueError(f"`results` must hold a curve. Received: {', '.join(one)} for {name}.")
        bands.draw(axes, one["fraction"], one["curve"], bands.option(one, "seed", 0), **looks[name])
    axes.set_xlabel("share of positions changed", fontsize="small")
    axes.set_ylabel("score", fontsize="small")
    if title:
        axes.set_title(title, fontsize="small")
    bands.clean(axes)
    bands.legend_below(figure, [axes])
    return figure


def road_curves(
    results: Results | dict[str, Results], title: str | None = None, controls: Sequence[str] = ()
) -> Figure:
    """Draws ROAD curves: score and accuracy against the percentage removed, with their 95 % bands.

    Left the most relevant positions go first (MoRF), which a good map makes fall early; right the least relevant
    (LeRF). Below the scores stands the share of samples still predicted as their target, where the target is a class.

    Args:
        results: `Results` of `kerasxai.evaluators.ROAD`, or a dict name -> Results.
        title: Title, or None.
        controls: Names of those that are controls, drawn grey.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: `results` are of another evaluator.

    Example:

    ```python
    road = kerasxai.evaluators.ROAD(percentages=(20, 40, 60, 80))
    results = {name: road(model, images, explainer=name) for name in ("grad_cam", "gradient_x_input")}
    kerasxai.plots.road_curves(results).savefig("road.png")
    ```
    """
    results = bands.named(results, "morf", "ROAD")
    has_classes = any(not np.isnan(one["morf_accuracy"]).all() for one in results.values())
    rows = {"": "probability of the target", "_accuracy": "share still predicted"} if has_classes else {"": "score"}
    figure, panels = bands.panels(2 * len(rows), 2, PANEL_HEIGHT, layout.FIGURE_WIDTH / 2, sharex=True, sharey="row")
    looks = bands.looks(results, controls)
    for axes, (suffix, order) in zip(panels, [(suffix, order) for suffix in rows for order in ROAD_ORDERS]):
        for name, one in results.items():
            bands.draw(axes, one["percentage"], one[order + suffix], bands.option(one, "seed", 0), **looks[name])
        if not suffix:
            axes.set_title(ROAD_ORDERS[order], fontsize=layout.TITLE_SIZE)
        if order == "morf":
            axes.set_ylabel(rows[suffix], fontsize=layout.LABEL_SIZE)
        bands.clean(axes)
    for axes in panels[-2:]:
        axes.set_xlabel("positions removed, %", fontsize=layout.LABEL_SIZE)
    _finish(figure, panels, title)
    return figure


def robustness(results: Results | dict[str, Results], title: str | None = None) -> Figure:
    """Draws robustness curves: how far the maps move, by every metric, against the angle or the noise.

    Solid lines are means over all samples, dashed ones with open markers over those whose predicted class held at that
    level, with their 95 % bands; the last panel has the share of these. A metric that no map has a value of, such as
    the SSIM of signals, has no panel.

    Args:
        results: `Results` of `kerasxai.evaluators.RotationRobustness` or `NoiseRobustness`, or a dict name -> Results.
        title: Title, or None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: `results` are of another evaluator, or of several.

    Example:

    ```python
    noise = kerasxai.evaluators.NoiseRobustness()
    results = {name: noise(model, images, explainer=name) for name in ("grad_cam", "gradient_x_input")}
    kerasxai.plots.robustness(results).savefig("noise.png")
    ```
    """
    results = bands.named(results, "rmse_curve", "Robustness")
    unit = _unit(results)
    shown = [
        metric
        for metric in ROBUSTNESS_METRICS
        if any(not np.isnan(one[metric + "_curve"]).all() for one in results.values())
    ] or list(ROBUSTNESS_METRICS)
    has_classes = any(not np.isnan(one["class_held"]).all() for one in results.values())
    count = len(shown) + has_classes
    columns = 2 if count in (2, 4) else 3
    figure, panels = bands.panels(count, columns, PANEL_HEIGHT, layout.FIGURE_WIDTH / columns)
    looks = bands.looks(results)
    for axes, metric in zip(panels, shown):
        for name, one in results.items():
            _draw_levels(axes, one, one[metric + "_curve"], **looks[name])
            held = np.where(np.asarray(one["class_held"]) == 1, one[metric + "_curve"], np.nan)
            _draw_levels(axes, one, held, **{**looks[name], **HELD, "label": "_held"})
        axes.set_ylabel(ROBUSTNESS_METRICS[metric], fontsize=layout.LABEL_SIZE)
    if has_classes:
        _draw_held(panels[-1], results, looks)
    levels = sorted({float(level) for one in results.values() for level in one["levels"]})
    for axes in panels:
        _mark_levels(axes, levels, 0.7 * layout.FIGURE_WIDTH / columns)
        axes.set_xlabel(unit, fontsize=layout.LABEL_SIZE)
        bands.clean(axes)
    _finish(figure, panels, title, _styles() if has_classes else ())
    return figure


def _draw_held(axes, results, looks):
    """Shares of samples whose class held; one line where they are the same for all, as of one model they are."""
    first = next(iter(results))
    same = all(np.array_equal(one["class_held"], results[first]["class_held"]) for one in results.values())
    for name in [first] if same else results:
        own = {"color": ALL_GREY, "label": "_all"} if same else {}
        _draw_levels(axes, results[name], results[name]["class_held"], **{**looks[name], **own})
    axes.set_ylabel("share, class held", fontsize=layout.LABEL_SIZE)
    axes.set_ylim(-0.05, 1.05)


def _mark_levels(axes, levels, width):
    """Writes the levels, but for those whose number would touch the one before, to an axis of so many inches."""
    step = (max(levels) - min(levels)) / width
    marked = levels[:1]
    for level in levels[1:]:
        pair = [layout.number_text(one) for one in (marked[-1], level)]
        if level - marked[-1] > step * sum(layout.text_width(f"{text} ", layout.LABEL_SIZE) for text in pair) / 2:
            marked.append(level)
    axes.set_xticks(marked, map(layout.number_text, marked))
    axes.set_xticks(levels, minor=True)


def _draw_levels(axes, one, values, **look):
    """Curves against the levels in rising order, in which they need not be given."""
    order = np.argsort(one["levels"], kind="stable")
    bands.draw(axes, np.asarray(one["levels"])[order], values[:, order], bands.option(one, "seed", 0), **look)


def _unit(results):
    """What the levels of these results are."""
    units = {bands.option(one, "level_unit", "level") for one in results.values()}
    if len(units) > 1:
        raise ValueError(f"`results` must have levels of one kind. Received: {', '.join(sorted(units))}.")
    return units.pop()


def _styles():
    """Entries of a legend for the two styles of line."""
    from matplotlib.lines import Line2D

    look = {"color": ALL_GREY, "linewidth": bands.LINE_WIDTH, "marker": "o", "markersize": bands.MARKER_SIZE}
    return [Line2D([], [], label="all samples", **look), Line2D([], [], label="class held", **look, **HELD)]


def _finish(figure, panels, title, entries=()):
    if title:
        figure.suptitle(title, fontsize="medium", parse_math=False)
    bands.legend_below(figure, panels, entries)
