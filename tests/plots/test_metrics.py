"""Figures of evaluation: the values drawn are the values given, and every text can be read."""

import keras
import matplotlib
import numpy as np
import pytest

from kerasxai import plots
from kerasxai.comparison import Comparison
from kerasxai.evaluators import Evaluator, Results
from kerasxai.evaluators.base import bootstrap_interval
from kerasxai.plots import colours
from tests.plots.rendering import assert_texts_are_readable

VALUES = {
    "grad_cam": {
        "drop_rate": [40.0, 20.0, 30.0, 35.0],
        "deletion": [0.5, 0.25, 0.75, 0.5],
        "share": [0.1, 0.2, 0.2, 0.1],
    },
    "integrated_gradients": {"drop_rate": [10.0, 5.0, 15.0, 9.0], "deletion": [np.nan] * 4, "share": [0.3] * 4},
    "smooth_random": {
        "drop_rate": [60.0, 80.0, np.nan, 90.0],
        "deletion": [0.9, 0.8, 0.7, 0.8],
        "share": [-0.5, 0, 0, 0],
    },
}
DIRECTIONS = {"drop_rate": "lower", "deletion": "lower", "share": None}


class Given(Evaluator):
    name, directions, needs_maps = "given", DIRECTIONS, False

    def measure(self, case):
        return {}


@pytest.fixture
def table():
    rows = {row: {"given": Results(Given(), values, (4,))} for row, values in VALUES.items()}
    return Comparison(rows, controls=["smooth_random"], samples=4)


# Comparison


def test_bars_are_the_means_with_their_intervals_best_on_top(table):
    figure = plots.comparison(table)
    assert_texts_are_readable(figure)
    for axes, metric in zip(figure.axes, DIRECTIONS, strict=True):
        name, *direction = axes.get_title().split("\n")
        assert name == metric and direction == (["lower is better"] if DIRECTIONS[metric] else [])
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert sorted(names) == sorted(VALUES)
        means = [table.summary(row, metric).mean for row in names]
        known = [mean for mean in means if not np.isnan(mean)]
        assert known == sorted(known) and means[: len(known)] == known  # rows without a value come last
        np.testing.assert_allclose([bar.get_width() for bar in axes.patches], means)
        assert axes.yaxis_inverted()  # the first is on top
        for row, bar, whiskers in zip(names, axes.patches, axes.collections, strict=True):
            control = matplotlib.colors.to_hex(bar.get_facecolor()) == colours.PLAIN.lower()
            assert control == (row == "smooth_random")
            summary = table.summary(row, metric)
            if summary.count:
                np.testing.assert_allclose(whiskers.get_segments()[0][:, 0], [summary.low, summary.high])


def test_higher_is_better_puts_the_highest_on_top(table):
    table.directions["share"] = "higher"
    axes = plots.comparison(table).axes[2]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "integrated_gradients",
        "grad_cam",
        "smooth_random",
    ]


def test_a_metric_without_values_says_so(table):
    for row in table.results.values():
        row["given"]["deletion"] = [np.nan] * 4
    figure = plots.comparison(Comparison(table.results, ["smooth_random"], 4))
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes] == [[], ["no value"], []]
    assert_texts_are_readable(figure)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_panels_fill_rows(table, columns):
    figure = plots.comparison(table, columns=columns)
    assert_texts_are_readable(figure)
    assert sum(axes.axison for axes in figure.axes) == 3


def test_rows_that_a_metric_does_not_apply_to_are_left_out(table):
    results = dict(table.results)
    results["smooth_random"] = {}
    axes = plots.comparison(Comparison(results, ["smooth_random"], 4)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["integrated_gradients", "grad_cam"]


# Curves


def curve(seed, samples=30):
    rows = np.random.default_rng(seed).random((samples, 6)).cumsum(axis=1)[:, ::-1]
    return {"curve": rows / rows.max(), "fraction": np.arange(6) / 5}


def test_curves_are_means_with_their_bands():
    given = {"grad_cam": curve(0), "lrp": curve(1)}
    given["lrp"]["curve"][4] = np.nan
    figure = plots.curves(given, title="deletion")
    assert_texts_are_readable(figure)
    (axes,), (legend,) = figure.axes, figure.legends
    assert axes.get_title() == "deletion"
    assert [text.get_text() for text in legend.get_texts()] == ["grad_cam", "lrp"]
    for line, band, one in zip(axes.lines, axes.collections, given.values(), strict=True):
        kept = one["curve"][~np.isnan(one["curve"]).any(axis=1)]
        np.testing.assert_allclose(line.get_ydata(), kept.mean(axis=0))
        np.testing.assert_allclose(line.get_xdata(), one["fraction"])
        intervals = [bootstrap_interval(column) for column in kept.T]  # as those of a summary
        corners = band.get_paths()[0].vertices
        for place, (low, high) in zip(one["fraction"], intervals):
            heights = corners[np.isclose(corners[:, 0], place), 1]
            np.testing.assert_allclose([heights.min(), heights.max()], [low, high])


def test_curves_take_one_result_a_list_and_names():
    assert [line.get_label() for line in plots.curves(curve(0)).axes[0].lines] == ["0"]
    assert [line.get_label() for line in plots.curves([curve(0), curve(1)]).axes[0].lines] == ["0", "1"]
    assert [line.get_label() for line in plots.curves([curve(0), curve(1)], ["a", "b"]).axes[0].lines] == ["a", "b"]
    lines = plots.curves([curve(index) for index in range(14)]).axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 14


@pytest.mark.filterwarnings("error")
def test_curves_of_one_sample_and_of_none():
    one, none = curve(0, samples=1), curve(1)
    none["curve"][:] = np.nan
    figure = plots.curves({"one": one, "none": none})
    assert [line.get_label() for line in figure.axes[0].lines] == ["one"]
    assert_texts_are_readable(figure)


def test_curves_refuse_what_is_none():
    with pytest.raises(ValueError, match=r"must hold a curve.*drop_rate"):
        plots.curves({"a": {"drop_rate": [1]}})
    with pytest.raises(ValueError, match=r"2 results, 1 names"):
        plots.curves([curve(0), curve(1)], ["a"])
    with pytest.raises(ValueError, match="0 results"):
        plots.curves({})


# Training

RECORDED = {
    "loss": [2.0, 1.5, 1.0, 0.5, 0.25, 0.2, 0.15, 0.1],
    "val_accuracy": [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.8, 0.9],
    "val_grad_cam_drop_rate": [50.0, 40.0, 30.0],
}


def test_training_draws_the_values_at_their_epochs():
    history = keras.callbacks.History()
    history.history = RECORDED
    figure = plots.training(history)
    assert_texts_are_readable(figure)
    lines = {axes.get_title(): axes.lines[0] for axes in figure.axes}
    assert list(lines) == list(RECORDED)
    for name, values in RECORDED.items():
        np.testing.assert_array_equal(lines[name].get_ydata(), values)
    np.testing.assert_array_equal(lines["loss"].get_xdata(), np.arange(1, 9))
    np.testing.assert_array_equal(lines["val_grad_cam_drop_rate"].get_xdata(), [1, 4, 7])  # every=3


@pytest.mark.parametrize(
    "count, every, epochs",
    [(4, None, [1, 3, 5, 7]), (1, None, [1]), (2, 4, [1, 5]), (2, 7, [1, 8]), (8, 3, range(1, 9))],
)
def test_epochs_of_metrics_that_are_recorded_less_often(count, every, epochs):
    recorded = {"loss": RECORDED["loss"], "rare": list(range(count))}
    line = plots.training(recorded, ["rare"], every=every).axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), epochs)


def test_an_epoch_that_failed_is_no_error():
    line = plots.training({"loss": RECORDED["loss"], "rare": [1.0] * 7}).axes[1].lines[0]
    np.testing.assert_allclose(line.get_xdata(), np.linspace(1, 8, 7))


def test_training_refuses_what_was_not_recorded():
    with pytest.raises(ValueError, match=r"loss, val_accuracy.*Received: accuracy"):
        plots.training(RECORDED, ["accuracy"])
    with pytest.raises(ValueError, match="must hold a metric"):
        plots.training({})
    with pytest.raises(ValueError, match=r"`every`.*3 of val_grad_cam_drop_rate in 8 epochs, every=2"):
        plots.training(RECORDED, every=2)
