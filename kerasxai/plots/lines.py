"""Figures of curves with their confidence bands: perturbation curves, ROAD, robustness."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasxai.plots import bands, layout, texts
from kerasxai.plots.texts import LABEL_SIZE, TITLE_SIZE

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
    for name, values in zip(names, several):
        if "curve" not in values:
            raise ValueError(f"`results` must hold a curve. Received: {', '.join(values)} for {name}.")
        bands.draw(axes, values["fraction"], values["curve"], bands.option(values, "seed", 0), **looks[name])
    axes.set_xlabel("share of positions changed", fontsize="small")
    axes.set_ylabel("score", fontsize="small")
    if title:
        axes.set_title(texts.wrapped(title, CURVES_WIDTH, "small"), fontsize="small", parse_math=False)
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
    rows = {"": "score"}
    if any(not np.isnan(values["morf_accuracy"]).all() for values in results.values()):
        rows = {"": "probability of the target", "_accuracy": "share still predicted"}
    figure, panels = bands.panels(2 * len(rows), 2, PANEL_HEIGHT, layout.PAGE_WIDTH / 2, sharex=True, sharey="row")
    looks = bands.looks(results, controls)
    for axes, (suffix, order) in zip(panels, itertools.product(rows, ROAD_ORDERS)):
        for name, values in results.items():
            seed = bands.option(values, "seed", 0)
            bands.draw(axes, values["percentage"], values[order + suffix], seed, **looks[name])
        if not suffix:
            axes.set_title(ROAD_ORDERS[order], fontsize=TITLE_SIZE)
        if order == "morf":
            axes.set_ylabel(rows[suffix], fontsize=LABEL_SIZE)
        bands.clean(axes)
    for axes in panels[-2:]:
        axes.set_xlabel("positions removed, %", fontsize=LABEL_SIZE)
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
    shown = bands.measured(results, ROBUSTNESS_METRICS) or list(ROBUSTNESS_METRICS)
    has_classes = any(not np.isnan(values["class_held"]).all() for values in results.values())
    count = len(shown) + has_classes
    columns = 2 if count in (2, 4) else 3
    figure, panels = bands.panels(count, columns, PANEL_HEIGHT, layout.PAGE_WIDTH / columns)
    looks = bands.looks(results)
    for axes, metric in zip(panels, shown):
        for name, values in results.items():
            curve = values[metric + "_curve"]
            _draw_levels(axes, values, curve, **looks[name])
            held = np.where(np.asarray(values["class_held"]) == 1, curve, np.nan)
            _draw_levels(axes, values, held, **{**looks[name], **HELD, "label": "_held"})
        axes.set_ylabel(ROBUSTNESS_METRICS[metric], fontsize=LABEL_SIZE)
    styles = ()
    if has_classes:
        _draw_held(panels[-1], results, looks)
        styles = _styles()
    levels = np.unique(np.concatenate([np.ravel(values["levels"]) for values in results.values()]))
    for axes in panels:
        _mark_levels(axes, levels, 0.7 * layout.PAGE_WIDTH / columns)
        axes.set_xlabel(unit, fontsize=LABEL_SIZE)
        bands.clean(axes)
    _finish(figure, panels, title, styles)
    return figure


def _draw_held(axes, results, looks):
    """Shares of samples whose class held; one line where they are the same for all, as of one model they are."""
    first = next(iter(results))
    if all(np.array_equal(values["class_held"], results[first]["class_held"]) for values in results.values()):
        results, looks = {first: results[first]}, {first: {**looks[first], "color": ALL_GREY, "label": "_all"}}
    for name, values in results.items():
        _draw_levels(axes, values, values["class_held"], **looks[name])
    axes.set_ylabel("share, class held", fontsize=LABEL_SIZE)
    axes.set_ylim(-0.05, 1.05)


def _mark_levels(axes, levels, width):
    """Writes the levels, but for those whose number would touch the one before, to an axis of so many inches."""
    per_inch = np.ptp(levels) / width
    half = [texts.text_width(f"{texts.number_text(level)} ", LABEL_SIZE) / 2 for level in levels]
    marked = [0]
    for index in range(1, len(levels)):
        if levels[index] - levels[marked[-1]] > per_inch * (half[marked[-1]] + half[index]):
            marked.append(index)
    axes.set_xticks(levels[marked], map(texts.number_text, levels[marked]))
    axes.set_xticks(levels, minor=True)


def _draw_levels(axes, result, curve, **look):
    """A curve against the levels in rising order, in which they need not be given."""
    order = np.argsort(result["levels"], kind="stable")
    levels = np.asarray(result["levels"])[order]
    bands.draw(axes, levels, curve[..., order], bands.option(result, "seed", 0), **look)


def _unit(results):
    """What the levels of these results are."""
    units = {bands.option(values, "level_unit", "level") for values in results.values()}
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
        figure.suptitle(texts.wrapped(title, figure.get_figwidth(), "medium"), fontsize="medium", parse_math=False)
    bands.legend_below(figure, panels, entries)
