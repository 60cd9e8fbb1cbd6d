"""Randomisation curves with their maps: means and intervals by step, layers as names, each map under its step."""

import keras
import matplotlib
import numpy as np
import pytest

from kerasxai import evaluators, plots
from kerasxai.evaluators import Randomization
from kerasxai.plots import randomized
from tests.plots.rendering import assert_texts_are_readable, random_images
from tests.plots.test_lines import Results, assert_line, expected, labels_of

MEASURES = ("spearman", "spearman_absolute", "ssim", "hog")
LAYERS = ["dense", "conv_2", "conv_1"]


def result(seed=0, layers=LAYERS, samples=9, size=(8, 8), kept=0, order="top_down"):
    random = np.random.default_rng(seed)
    found = {name + "_curve": random.uniform(-0.6, 1, (samples, len(layers) + 1)) for name in MEASURES}
    for curve in found.values():
        curve[:, 0] = 1
    if kept:
        found["maps"] = random.normal(size=(kept, len(layers) + 1, *size)).astype("float32")
    return Results(Randomization(order, seed=4), {**found, "layers": np.array(["", *layers])})


def maps_of(figure, panels, columns=4):
    """What is drawn in the panels of maps, row by row: the topmost picture of each."""
    axes = [one for one in figure.axes[panels:] if one.images]
    pictures = [one.images[-1].get_array() for one in axes]
    return [pictures[start : start + columns] for start in range(0, len(pictures), columns)], axes


def test_of_one_explainer_all_measures_stand_in_one_panel():
    given = result()
    figure = plots.randomization(given, title="cascade")
    assert_texts_are_readable(figure)
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_label() != "_zero"]
    assert [line.get_label() for line in lines] == ["Spearman", "Spearman of |map|", "SSIM", "HOG"] == labels_of(figure)
    for line, name in zip(lines, MEASURES):
        np.testing.assert_allclose(line.get_xdata(), range(4))
        np.testing.assert_allclose(line.get_ydata(), expected(given[name + "_curve"], seed=4)[0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", *LAYERS]
    assert axes.get_xlabel() == "randomised, from the output down to this layer"
    assert axes.get_ylabel() == "similarity"
    assert [text.get_text() for text in figure.texts] == ["cascade"]


def test_bands_lie_within_the_axes_and_are_the_intervals():
    given = {"grad_cam": result(0), "lrp": result(1)}
    figure = plots.randomization(given)
    assert_texts_are_readable(figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["Spearman", "Spearman of |map|", "SSIM", "HOG"]
    for axes, name in zip(figure.axes, MEASURES):
        axes.lines[-1].remove()  # that of zero
        for explainer, one in given.items():
            assert_line(axes, explainer, range(4), one[name + "_curve"], seed=4)
        low = min(expected(one[name + "_curve"], seed=4)[1].min() for one in given.values())
        assert axes.get_ylim()[0] < min(low, 0) and axes.get_ylim()[1] > 1
    assert labels_of(figure) == list(given)


@pytest.mark.parametrize(
    "order, text", [("bottom_up", "from the input up to this layer"), ("independent", "this layer alone")]
)
def test_the_axis_tells_the_order(order, text):
    assert plots.randomization(result(order=order)).axes[0].get_xlabel() == f"randomised, {text}"


def test_maps_stand_under_their_steps_row_by_row():
    images = random_images(count=3)
    given = {"grad_cam": result(0, kept=2), "lrp": result(1, kept=2)}
    figure = plots.randomization(given, images)
    assert_texts_are_readable(figure)
    rows, axes = maps_of(figure, panels=4)
    assert len(rows) == 4
    order = [(0, "grad_cam"), (0, "lrp"), (1, "grad_cam"), (1, "lrp")]
    for row, (sample, name) in zip(rows, order):
        for step, drawn in enumerate(row):
            wanted = given[name]["maps"][sample, step]
            largest = np.percentile(np.abs(wanted), 99.5, method="higher")
            np.testing.assert_allclose(drawn, wanted.clip(-largest, largest))
    assert [one.get_ylabel().split("\n")[-1] for one in axes[::4]] == ["sample 0", "sample 0", "sample 1", "sample 1"]
    ticks = figure.axes[3].transData.transform([(step, 0) for step in range(4)])[:, 0]
    for start in range(0, 16, 4):
        centres = [(one.bbox.x0 + one.bbox.x1) / 2 for one in axes[start : start + 4]]
        np.testing.assert_allclose(centres, ticks, atol=1)
    lowest_curve = min(one.bbox.y0 for one in figure.axes[:4])
    assert all(one.bbox.y1 < lowest_curve for one in axes)


def test_signals_have_maps_too_and_no_ssim():
    given = result(size=(20,), kept=1)
    given["ssim_curve"][:] = given["hog_curve"][:] = np.nan
    figure = plots.randomization(given, np.random.default_rng(0).normal(size=(2, 20, 2)))
    assert_texts_are_readable(figure)
    lines = [line.get_label() for line in figure.axes[0].lines]
    assert lines == ["Spearman", "Spearman of |map|", "_zero"]
    rows, _ = maps_of(figure, panels=1)
    np.testing.assert_allclose(np.squeeze(rows), given["maps"][0])


def test_fewer_samples_than_were_kept():
    figure = plots.randomization(result(kept=3), random_images(count=1))
    assert len(maps_of(figure, panels=1)[0]) == 1


def test_of_many_layers_nine_are_named_and_have_their_maps():
    layers = [f"backbone/block_{index}_expand_depthwise" for index in range(30)]
    given = result(layers=layers, kept=1)
    figure = plots.randomization(given, random_images(count=1))
    assert_texts_are_readable(figure)
    curves = figure.axes[0]
    steps = np.linspace(0, 30, 9).round().astype(int)
    names = [label.get_text().replace("\n", "") for label in curves.get_xticklabels()]
    assert names == ["none", *(layers[step - 1].split("/")[1] for step in steps[1:])]
    line = curves.lines[0]
    assert len(line.get_xdata()) == 31
    np.testing.assert_allclose(line.get_xdata()[steps], range(9))
    ((*row,),), axes = maps_of(figure, panels=1, columns=9)
    for step, drawn in zip(steps, row):
        wanted = given["maps"][0, step]
        inside = np.abs(wanted) < np.abs(drawn).max()
        np.testing.assert_allclose(drawn[inside], wanted[inside])
    centres = [(one.bbox.x0 + one.bbox.x1) / 2 for one in axes]
    np.testing.assert_allclose(centres, curves.transData.transform([(place, 0) for place in range(9)])[:, 0], atol=1)


def test_layers_of_two_parts_keep_their_paths():
    figure = plots.randomization(result(layers=["left/conv", "right/conv"]))
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["none", "left/conv", "right/conv"]


@pytest.mark.filterwarnings("error")
def test_steps_without_a_value_leave_a_gap_and_blank_maps_say_so():
    given = result(kept=1, samples=1)
    given["spearman_curve"][:, 2] = np.nan
    given["maps"][0, 2] = 0
    figure = plots.randomization(given, random_images(count=1))
    assert_texts_are_readable(figure)
    np.testing.assert_array_equal(np.isnan(figure.axes[0].lines[0].get_ydata()), [False, False, True, False])
    notes = [[text.get_text() for text in axes.texts] for axes in figure.axes[1:5]]
    assert notes == [[], [], ["all zero"], []]
    for name in MEASURES:
        given[name + "_curve"][:] = np.nan
    plots.randomization(given).canvas.draw()


@pytest.mark.parametrize(
    "results, samples, parts",
    [
        (result(), random_images(), ["keep_maps"]),
        ({"a": result(kept=1), "b": result()}, random_images(), ["keep_maps", "for b"]),
        (result(kept=1), random_images(height=9), ["`samples`", "(8, 8)", "(2, 9, 8, 3)"]),
        (result(kept=1), random_images()[0], ["`samples`", "(8, 8)"]),
        (result(kept=1), np.ones((2, 8, 8)), ["`samples`"]),
        ({"a": result(), "b": result(layers=["dense"])}, None, ["one model and order", "for b"]),
    ],
)
def test_refusals(results, samples, parts):
    with pytest.raises(ValueError) as refusal:
        plots.randomization(results, samples)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


def test_what_the_evaluator_gives_is_drawn():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(3, 3, activation="relu", name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax", name="head"),
        ]
    )
    x = np.random.default_rng(0).random((3, 12, 12, 1), "float32")
    found = Randomization(keep_maps=2)(model, x, explainer="gradient_x_input")
    figure = plots.randomization(found, x)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["none", "head", "conv"]
    summary, line = found.summary()["spearman"], figure.axes[0].lines[0]
    assert np.mean(line.get_ydata()[1:]) == pytest.approx(summary.mean)
    rows, _ = maps_of(figure, panels=1, columns=3)
    assert len(rows) == 2
    assert set(randomized.MEASURES) == set(evaluators.Randomization.directions)
    assert matplotlib.colors.to_hex(line.get_color()) != "#000000"
