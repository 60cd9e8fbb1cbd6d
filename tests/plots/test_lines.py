"""Curves with their bands: drawn are means and bootstrap intervals, step by step, and every text can be read."""

import matplotlib
import numpy as np
import pytest

from kerasxai import plots
from kerasxai.evaluators import ROAD, NoiseRobustness, RotationRobustness
from kerasxai.evaluators.base import bootstrap_interval
from kerasxai.plots import bands, colours
from tests.plots.rendering import assert_texts_are_readable


class Results(dict):
    """Results of an evaluator without a model."""

    def __init__(self, evaluator, values):
        super().__init__(values)
        self.evaluator = evaluator


def naive_bootstrap(values, seed):
    """Draw by draw, as the percentile method is defined."""
    draws = np.random.default_rng(seed)
    picked = np.concatenate([draws.integers(len(values), size=(100, len(values))) for _ in range(10)])
    return np.percentile([np.mean([values[index] for index in row]) for row in picked], [2.5, 97.5])


def expected(values, seed=0):
    """Means and intervals of the columns, each of the samples that have a value."""
    columns = []
    for column in np.asarray(values, float).T:
        kept = column[~np.isnan(column)]
        columns.append([kept.mean(), *naive_bootstrap(kept, seed)] if len(kept) else [np.nan] * 3)
    return np.transpose(columns)


def drawn(axes, label):
    """Places, means and the band's vertices of the line with this label."""
    lines = [line for line in axes.lines if line.get_label() == label]
    (line,) = lines
    filled = [one for one in axes.collections if isinstance(one, matplotlib.collections.PolyCollection)]
    assert len(filled) == len(axes.lines)
    band = filled[list(axes.lines).index(line)]
    corners = [path.vertices for path in band.get_paths()]
    return line.get_xdata(), line.get_ydata(), np.concatenate(corners) if corners else np.empty((0, 2))


def assert_line(axes, label, places, values, seed=0):
    found, means, corners = drawn(axes, label)
    mean, low, high = expected(values, seed)
    np.testing.assert_allclose(found, places)
    np.testing.assert_allclose(means, mean)
    for place, bottom, top in zip(places, low, high):
        heights = corners[np.isclose(corners[:, 0], place), 1]
        if not np.isnan(bottom):
            np.testing.assert_allclose([heights.min(), heights.max()], [bottom, top], atol=1e-12)


def labels_of(figure):
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


# Bands


def test_classes_of_a_sample_are_averaged_before_samples_are_drawn():
    values = np.random.default_rng(0).normal(size=(6, 3, 2))
    values[0, 1] = values[2, :, 0] = np.nan
    averaged = np.ma.masked_invalid(values).mean(axis=1).filled(np.nan)
    np.testing.assert_allclose(bands.band(values, seed=4), expected(averaged, seed=4))


def test_bands_are_the_bootstrap_intervals_of_each_step():
    values = np.random.default_rng(1).normal(size=(12, 5))
    values[3, 2:4], values[:, 4] = np.nan, np.nan
    np.testing.assert_allclose(bands.band(values, seed=7), expected(values, seed=7), atol=1e-12)
    both = np.stack([bootstrap_interval(column, 7) for column in values[:, :2].T], axis=1)
    np.testing.assert_allclose(bands.band(values, seed=7)[1:, :2], both, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_one_sample_and_none():
    np.testing.assert_array_equal(bands.band([[1.0, np.nan, 3.0]]), [[1, np.nan, 3]] * 3)
    assert np.isnan(bands.band(np.empty((0, 2)))).all()


def test_a_point_between_gaps_has_a_bar_for_its_interval():
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    values = np.random.default_rng(0).random((9, 6))
    values[:, [1, 3]] = np.nan  # the last two steps are no gap
    bands.draw(axes, range(6), values, color="black")
    (bars,) = [one for one in axes.collections if isinstance(one, matplotlib.collections.LineCollection)]
    low, high = expected(values)[1:, [0, 2]]
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], np.transpose([low, high]))
    np.testing.assert_allclose([segment[:, 0] for segment in bars.get_segments()], [[0, 0], [2, 2]])


@pytest.mark.parametrize("markers", [True, False])
def test_looks_tell_apart_and_controls_are_grey(markers):
    names, controls = [f"method {index}" for index in range(14)], ["a", "b", "c", "d"]
    looks = bands.looks([*names, *controls], controls, markers)
    seen = {(one["color"], one["linestyle"], one.get("marker")) for one in looks.values()}
    assert len(seen) == 18
    assert {name for name, one in looks.items() if one["color"] == colours.PLAIN} == set(controls)


# ROAD


def road(seed, samples=9, has_classes=True):
    random = np.random.default_rng(seed)
    found = {name: random.random((samples, 4)) for name in ("morf", "lerf")}
    hits = {name + "_accuracy": np.rint(random.random((samples, 4))) for name in found}
    if not has_classes:
        hits = {name: np.full((samples, 4), np.nan) for name in hits}
    return Results(ROAD(percentages=(20, 50, 80), seed=3), {**found, **hits, "percentage": np.array([0, 20, 50, 80])})


def test_road_draws_score_and_accuracy_in_both_orders():
    given = {"grad_cam": road(0), "random": road(1)}
    given["grad_cam"]["morf"][4] = given["grad_cam"]["morf_accuracy"][4] = np.nan
    figure = plots.road_curves(given, title="ROAD of a net", controls=["random"])
    assert_texts_are_readable(figure)
    assert len(figure.axes) == 4
    for axes, key in zip(figure.axes, ("morf", "lerf", "morf_accuracy", "lerf_accuracy")):
        for name, one in given.items():
            assert_line(axes, name, [0, 20, 50, 80], one[key], seed=3)
        assert [line.get_color() == colours.PLAIN for line in axes.lines] == [False, True]
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        "most relevant removed first",
        "least relevant removed first",
    ]
    assert [axes.get_ylabel() for axes in figure.axes] == ["probability of the target", "", "share still predicted", ""]
    assert {axes.get_xlabel() for axes in figure.axes[2:]} == {"positions removed, %"}
    assert labels_of(figure) == ["grad_cam", "random"]


@pytest.mark.filterwarnings("error")
def test_road_of_one_result_one_sample_and_no_classes():
    figure = plots.road_curves(road(0, samples=1, has_classes=False))
    assert [axes.get_ylabel() for axes in figure.axes] == ["score", ""]
    assert not figure.legends
    assert_texts_are_readable(figure)
    nothing = road(0)
    nothing["morf"][:] = np.nan
    texts = [text.get_text() for text in plots.road_curves(nothing).axes[0].texts]
    assert texts == [bands.NO_VALUE]


def test_many_explainers_stay_readable():
    given = {f"explainer_number_{index}": road(index) for index in range(14)}
    assert_texts_are_readable(plots.road_curves(given))


# Robustness


def robust(seed=0, levels=(15, 30, 90), samples=9, held=None, metric=RotationRobustness, **options):
    random = np.random.default_rng(seed)
    found = {name + "_curve": random.random((samples, len(levels))) for name in ("rmse", "spearman", "ssim")}
    held = np.rint(np.random.default_rng(5).random((samples, len(levels)))) if held is None else held
    evaluator = metric(levels=levels, seed=2, **options)
    return Results(evaluator, {**found, "class_held": held, "levels": np.array(levels, float)})


def test_robustness_draws_all_samples_those_whose_class_held_and_their_share():
    given = {"grad_cam": robust(0), "lrp": robust(1)}
    figure = plots.robustness(given, title="rotation")
    assert_texts_are_readable(figure)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "RMSE of the maps",
        "Spearman correlation",
        "SSIM",
        "share, class held",
    ]
    held = given["lrp"]["class_held"] == 1
    for axes, metric in zip(figure.axes, ("rmse", "spearman", "ssim")):
        lines = {(line.get_color(), line.get_linestyle()): line for line in axes.lines}
        assert len(lines) == 4
        for name, one in given.items():
            values = one[metric + "_curve"]
            assert_line(axes, name, [15, 30, 90], values, seed=2)
            colour = next(line for line in axes.lines if line.get_label() == name).get_color()
            of_held = expected(np.where(held, values, np.nan), seed=2)[0]
            np.testing.assert_allclose(lines[colour, "--"].get_ydata(), of_held)
    (share,) = figure.axes[3].lines  # the same for both, since it depends on model and samples only
    np.testing.assert_allclose(share.get_ydata(), held.mean(axis=0))
    for axes in figure.axes:
        assert [label.get_text() for label in axes.get_xticklabels()] == ["15", "30", "90"]
        assert axes.get_xlabel() == "rotation, degrees"
    assert labels_of(figure) == ["grad_cam", "lrp", "all samples", "class held"]


def test_shares_of_several_models_have_a_line_each():
    other = robust(1, held=np.ones((9, 3)))
    lines = plots.robustness({"first": robust(), "second": other}).axes[3].lines
    assert [line.get_label() for line in lines] == ["first", "second"]
    np.testing.assert_allclose(lines[1].get_ydata(), 1)


def test_levels_are_drawn_in_rising_order_and_their_numbers_apart():
    results = robust(levels=(0.2, 0.01, 0.011, 0.1), metric=NoiseRobustness)
    figure = plots.robustness(results)
    assert_texts_are_readable(figure)
    (line, _) = figure.axes[0].lines
    order = [1, 2, 3, 0]
    np.testing.assert_allclose(line.get_xdata(), [0.01, 0.011, 0.1, 0.2])
    np.testing.assert_allclose(line.get_ydata(), results["rmse_curve"].mean(axis=0)[order])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.01", "0.1", "0.2"]
    assert figure.axes[0].get_xlabel() == "noise, standard deviation / range"
    absolute = plots.robustness(robust(metric=NoiseRobustness, units="absolute"))
    assert absolute.axes[0].get_xlabel() == "noise, standard deviation"


@pytest.mark.filterwarnings("error")
def test_what_does_not_exist_has_no_panel():
    signals = robust(samples=1, levels=(0.1,), metric=NoiseRobustness, held=np.full((1, 1), np.nan))
    signals["ssim_curve"][:] = np.nan
    figure = plots.robustness(signals)
    assert [axes.get_ylabel() for axes in figure.axes] == ["RMSE of the maps", "Spearman correlation"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]  # no class, so none that held
    assert not figure.legends or labels_of(figure) == []
    for name in ("rmse", "spearman"):
        signals[name + "_curve"][:] = np.nan
    figure = plots.robustness(signals)
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[bands.NO_VALUE]] * 3


@pytest.mark.parametrize("draw", [plots.road_curves, plots.robustness, plots.randomization])
@pytest.mark.parametrize(
    "results, parts",
    [
        ({}, ["`results`", "an empty dict"]),
        ({"drop_rate": [1.0]}, ["`results`", "drop_rate"]),
        ({"grad_cam": {"drop_rate": [1.0]}}, ["`results`", "dict name -> such results", "grad_cam"]),
        ([{"curve": [1.0]}], ["`results`", "list"]),
        (None, ["`results`", "NoneType"]),
    ],
)
def test_other_results_are_refused(draw, results, parts):
    with pytest.raises(ValueError) as refusal:
        draw(results)
    assert all(part in str(refusal.value) for part in [*parts, "kerasxai.evaluators."]), str(refusal.value)


def test_levels_of_two_kinds_in_one_figure_are_refused():
    with pytest.raises(ValueError, match=r"levels of one kind.*noise.*rotation"):
        plots.robustness({"a": robust(), "b": robust(metric=NoiseRobustness)})
