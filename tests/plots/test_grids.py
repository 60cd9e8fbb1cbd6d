"""Grids and top classes: which map stands where, reduced how, on which scale, under which title."""

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai import plots
from tests.plots.rendering import assert_texts_are_readable, blend, drawn_texts, pale_grey, pixel, random_images

DRAWS = np.random.default_rng(3)
IMAGES = random_images(3)
SIGNALS = DRAWS.normal(size=(3, 20, 2))
CAM = DRAWS.random((3, 8, 8))
SIGNED = DRAWS.normal(size=(3, 8, 8, 3))


def table(figure, columns):
    """Axes as an array (rows, columns)."""
    return np.array(figure.axes).reshape(-1, columns)


def ends(axes):
    norm = axes.images[-1].norm
    return norm.vmin, norm.vmax


def scales(axes):
    """The texts at each colourbar of some axes."""
    bars = [child for child in axes.child_axes]
    axis_of = lambda bar: bar.yaxis if bar.bbox.height > bar.bbox.width else bar.xaxis
    return [[label.get_text() for label in axis_of(bar).get_ticklabels()] for bar in bars]


# Grid


def test_each_map_is_reduced_as_its_explainer_wants():
    maps = {"grad_cam": CAM, "gradient": SIGNED, "integrated_gradients": SIGNED, "my own, 50 steps": SIGNED}
    axes = table(plots.grid(IMAGES, maps), 5)
    expected = [CAM, np.abs(SIGNED).sum(-1), SIGNED.sum(-1), SIGNED.sum(-1)]
    assert axes.shape == (3, 5)
    for row in range(3):
        bare, *others = axes[row]
        assert len(bare.images) == 1
        np.testing.assert_allclose(bare.images[0].get_array(), IMAGES[row])
        for panel, maps_of_one in zip(others, expected, strict=True):
            reach = np.abs(ends(panel)).max()
            drawn = maps_of_one[row].clip(-reach, reach)
            np.testing.assert_allclose(panel.images[1].get_array(), drawn)


def test_rows_are_samples_and_columns_are_explainers():
    axes = table(plots.grid(IMAGES, {"a": CAM, "b": CAM}), 3)
    left, top = (np.vectorize(lambda one, side=side: getattr(one.bbox, side))(axes) for side in ("x0", "y1"))
    assert (np.ptp(left, axis=0) == 0).all() and (np.diff(left[0]) > 0).all()
    assert (np.ptp(top, axis=1) == 0).all() and (np.diff(top[:, 0]) < 0).all()


def test_titles_stand_at_the_top_and_at_the_left_only():
    maps = {"integrated_gradients": SIGNED, "grad_cam": CAM}
    axes = table(plots.grid(IMAGES, maps, row_titles=["cat", "dog", "$5"]), 3)
    assert [one.get_title() for one in axes[0]] == ["input", "integrated gradients", "grad cam"]
    assert not any(one.get_title() for one in axes[1:].flat)
    assert [one.get_ylabel() for one in axes[:, 0]] == ["cat", "dog", "$5"]
    assert not any(one.get_ylabel() for one in axes[:, 1:].flat)
    own = table(plots.grid(IMAGES, maps, column_titles=["IG", "a_b"]), 3)
    assert [one.get_title() for one in own[0]] == ["input", "IG", "a_b"]


def test_a_panel_looks_as_in_an_overlay():
    maps = {"grad_cam": CAM, "integrated_gradients": SIGNED}
    axes = table(plots.grid(IMAGES, maps, alpha=0.7), 3)
    for column, values in ((1, CAM), (2, SIGNED)):
        for panel, alone in zip(axes[:, column], plots.overlay(IMAGES, values, alpha=0.7).axes):
            for one, other in zip(panel.images, alone.images, strict=True):
                np.testing.assert_array_equal(one.to_rgba(one.get_array()), other.to_rgba(other.get_array()))


def test_each_map_has_its_own_scale_by_default():
    axes = table(plots.grid(IMAGES, {"a": CAM * [[[1e-3]], [[1.0]], [[1e3]]]}), 2)
    for row in range(3):
        assert ends(axes[row, 1])[1] == pytest.approx(CAM[row].max() * 1e3 ** (row - 1))
    assert not any(one.child_axes for one in axes.flat)


def test_a_row_shares_a_scale_centred_at_0_if_any_map_is_signed():
    one, two = np.zeros((2, 3, 8, 8))
    one[:, 2, 3], two[:2, 4, 4], two[0, 6, 6], two[2, 5, 5] = 4.0, 2.0, -8.0, 1.0
    axes = table(plots.grid(IMAGES, {"one": one, "two": two}, scale="row", alpha=0.6), 3)
    assert [ends(panel) for panel in axes[0, 1:]] == [(-8, 8), (-8, 8)]
    assert [ends(panel) for panel in axes[1:, 1:].flat] == [(-4, 4)] * 4

    below = pale_grey(IMAGES[0])  # the first map is positive, yet drawn as the signed map beside it
    colour = blend(below[2, 3], "coolwarm", 0.75, 0.3)
    np.testing.assert_allclose(pixel(axes[0, 1], 2, 3), colour, atol=3 / 255)
    assert [scales(panel) for panel in axes[:, 2]] == [[["−8", "0", "4", "8"]], [["−4", "0", "4"]], [["−4", "0", "4"]]]
    assert not any(panel.child_axes for panel in axes[:, :2].flat)


def test_a_column_shares_a_scale():
    strong = CAM * [[[1.0]], [[10.0]], [[100.0]]]
    axes = table(plots.grid(IMAGES, {"one": strong, "two": -CAM}, scale="column"), 3)
    assert all(ends(panel) == (0, strong.max()) for panel in axes[:, 1])
    assert all(ends(panel) == (-CAM.max(), CAM.max()) for panel in axes[:, 2])
    assert [len(panel.child_axes) for panel in axes.flat] == [0, 0, 0, 0, 0, 0, 0, 1, 1]
    bar = axes[2, 1].child_axes[0]
    assert bar.bbox.y1 < axes[2, 1].bbox.y0 and bar.bbox.width > bar.bbox.height


def test_shared_scales_leave_extreme_pixels_out_together():
    maps = DRAWS.random((2, 3, 40, 40))
    maps[0, 0, 0, 0] = 1e6
    images = random_images(3, 40, 40)
    axes = table(plots.grid(images, {"one": maps[0], "two": maps[1]}, scale="row"), 3)
    pooled = np.percentile(maps[:, 0], 99.5, method="higher")
    assert ends(axes[0, 1]) == ends(axes[0, 2]) == (0, pooled)


def test_panels_say_what_a_map_does_not_show():
    maps = CAM.copy()
    maps[0], maps[1], maps[2, 0, 0] = 0.0, 3.0, np.nan
    axes = table(plots.grid(IMAGES, {"a": maps, "b": CAM}), 3)
    notes = [[text.get_text() for text in panel.texts] for panel in axes[:, 1]]
    assert notes == [["all zero"], ["constant"], ["not finite"]]
    assert not any(panel.texts for panel in axes[:, [0, 2]].flat)


def test_signals_keep_their_axis_along_a_row():
    maps = {"grad_cam": DRAWS.random((3, 20)), "gradient": DRAWS.normal(size=(3, 20, 2))}
    axes = table(plots.grid(SIGNALS, maps, row_titles=list("abc")), 3)
    for row in range(3):
        for panel in axes[row]:
            np.testing.assert_array_equal(np.transpose([line.get_ydata() for line in panel.lines]), SIGNALS[row])
            assert panel.get_ylim() == axes[row, 0].get_ylim()
        np.testing.assert_allclose(axes[row, 2].images[0].get_array()[0], np.abs(maps["gradient"][row]).sum(-1))
        assert not axes[row, 0].images
    texts = [text for text, _ in drawn_texts(axes[0, 0].figure)]
    assert texts.count("step") == 3 and texts.count("channel 1") == 1


def test_any_image_range_shows_the_same_input():
    for convert in (lambda x: (x * 255).round().astype("uint8"), lambda x: 2 * x - 1, lambda x: (x - 0.45) / 0.225):
        for panel, image in zip(table(plots.grid(convert(IMAGES), {"a": CAM}), 2)[:, 0], IMAGES):
            np.testing.assert_allclose(panel.images[0].get_array(), image, atol=0.51 / 255)


@pytest.mark.parametrize("scale", ["map", "row", "column"])
@pytest.mark.parametrize("samples, spatial", [(IMAGES, (8, 8)), (SIGNALS, (20,)), (random_images(2, 4, 16), (4, 16))])
def test_texts_are_readable(scale, samples, spatial):
    names = ["integrated_gradients", "noise_percentiles", "smooth_grad_cam_plus_plus", "deconvnet", *"abcd"]
    maps = {name: 1e-4 * DRAWS.normal(size=(2, *spatial)) for name in names}
    rows = ["mucosa", "adenocarcinoma, predicted as mucosa"]
    assert_texts_are_readable(plots.grid(samples[:2], maps, row_titles=rows, scale=scale))


def test_eight_explainers_fit_on_a_page():
    names = ["integrated_gradients", "noise_percentiles", "smooth_grad_cam_plus_plus", *"abcde"]
    maps = {name: DRAWS.random((2, 8, 8)) for name in names}
    figure = plots.grid(random_images(2), maps, row_titles=["tumor"] * 2)
    assert figure.get_figwidth() == pytest.approx(7.0, abs=0.1)
    titles = [one.get_title() for one in figure.axes[:9]]
    assert titles[1:4] == ["integrated\ngradients", "noise\npercentiles", "smooth\ngrad cam\nplus plus"]


def test_takes_what_explain_returns():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])
    images = IMAGES.astype("float32")
    maps = kerasxai.explain(model, images, method=["grad_cam", "gradient", "gradient_x_input"])
    axes = table(plots.grid(images, maps), 4)
    drawn = axes[1, 2].images[1].get_array()
    np.testing.assert_allclose(drawn, np.abs(maps["gradient"][1]).sum(-1).clip(None, drawn.max()), rtol=1e-6)

    maps = kerasxai.explain(model, images[:1], target="top2", method="gradient_x_input")[0]
    probabilities = model.predict(images[:1], verbose=0)[0]
    axes = plots.top_classes(images[0], maps, probabilities).axes
    best = np.argsort(probabilities)[::-1]
    assert [one.get_title() for one in axes[1:]] == [f"class {i} ({probabilities[i]:.2f})" for i in best[:2]]


# Top classes


def test_classes_share_one_scale():
    maps = np.zeros((3, 8, 8))
    maps[0, 1, 1], maps[1, 2, 2], maps[2, 3, 3] = 4.0, 2.0, 1.0
    image = IMAGES[0]
    bare, *others = plots.top_classes(image, maps, titles=list("abc"), alpha=1.0).axes
    np.testing.assert_allclose(bare.images[0].get_array(), image)
    assert [ends(panel) for panel in others] == [(0, 4)] * 3
    np.testing.assert_allclose(pixel(others[0], 1, 1), blend(image[1, 1], "viridis", 1.0, 1.0), atol=3 / 255)
    np.testing.assert_allclose(pixel(others[1], 2, 2), blend(image[2, 2], "viridis", 0.5, 0.5), atol=3 / 255)
    assert [scales(panel) for panel in others] == [[], [], [["0", "4"]]]

    maps[2, 3, 3] = -5.0
    assert [ends(panel) for panel in plots.top_classes(image, maps).axes[1:]] == [(-5, 5)] * 3


@pytest.mark.parametrize(
    "probabilities, names, expected",
    [
        ([0.1, 0.6, 0.3], None, ["class 1 (0.60)", "class 2 (0.30)"]),
        ([[0.1, 0.6, 0.3]], ["a_cat", "dog", "cow"], ["dog (0.60)", "cow (0.30)"]),
        ([0.4, 0.2, 0.4], ["cat", "dog", "cow"], ["cat (0.40)", "cow (0.40)"]),  # ties as tf.math.top_k: the first
        ([0.001, 0.998, 0.001], None, ["class 1 (>0.99)", "class 0 (<0.01)"]),
        ([0.2], ["cat", "dog"], ["cat (0.80)", "dog (0.20)"]),  # one sigmoid unit
    ],
)
def test_the_best_classes_give_the_titles(probabilities, names, expected):
    figure = plots.top_classes(IMAGES[0], CAM[:2], probabilities, names)
    assert [one.get_title() for one in figure.axes] == ["input", *expected]


def test_channels_are_reduced_as_asked():
    for reduce, expected in (("sum", SIGNED.sum(-1)), ("abs_sum", np.abs(SIGNED).sum(-1))):
        axes = plots.top_classes(IMAGES[0], SIGNED, reduce=reduce).axes[1:]
        for panel, values in zip(axes, expected, strict=True):
            reach = ends(panel)[1]
            np.testing.assert_allclose(panel.images[1].get_array(), values.clip(-reach, reach))


def test_many_classes_take_several_rows_and_one_scale():
    for sample, spatial in ((SIGNALS[0], (20,)), (IMAGES[0], (8, 8))):
        maps = DRAWS.normal(size=(10, *spatial))
        figure = plots.top_classes(sample, maps, np.linspace(0.3, 0.0, 12), [f"class_name {i}" for i in range(12)])
        assert_texts_are_readable(figure)
        assert len(figure.axes) == 11
        assert sum(bool(one.child_axes) for one in figure.axes) == 1
        assert len({round(one.bbox.y0) for one in figure.axes}) == 2


def test_a_class_without_evidence_says_so():
    maps = CAM[:2].copy()
    maps[1] = 0.0
    figure = plots.top_classes(IMAGES[0], maps, titles=["cat", "dog"])
    assert [one.get_title() for one in figure.axes] == ["input", "cat", "dog (all zero)"]


# Refusals


@pytest.mark.parametrize(
    "draw, first, second, options, parts",
    [
        (plots.grid, IMAGES, {"a": CAM}, {"scale": "rows"}, ["`scale`", "'map', 'row', 'column'", "'rows'"]),
        (plots.grid, IMAGES, {"a": CAM}, {"alpha": 2}, ["`alpha`", "2"]),
        (plots.grid, SIGNALS, {"a": CAM[:, 0]}, {"alpha": 2}, ["`alpha`", "2"]),
        (plots.grid, IMAGES, {"a": CAM}, {"row_titles": ["b"]}, ["`row_titles`", "each sample, 3 in all", "1"]),
        (plots.grid, IMAGES, {"a": CAM}, {"column_titles": ["b", "c"]}, ["each explainer, 1 in all", "2"]),
        (plots.grid, IMAGES, CAM, {}, ["`maps`", "dict", "ndarray", '{"grad_cam": maps}']),
        (plots.grid, IMAGES, {}, {}, ["`maps`", "not empty"]),
        (plots.grid, IMAGES, {"a": CAM, "b": CAM[:2]}, {}, ["maps['b']", "(3, 8, 8)", "(2, 8, 8)"]),
        (plots.grid, IMAGES, {"a": CAM[:, :4, :4]}, {}, ["maps['a']", "`upsample=True`"]),
        (plots.grid, IMAGES, {"a": np.ones((3, 4, 8, 8))}, {}, ["(3, 4, 8, 8)", "several targets"]),
        (plots.grid, IMAGES[0, 0], {"a": CAM}, {}, ["`samples`", "(8, 3)", "(N, H, W, C)", "(N, T, C)"]),
        (plots.grid, np.ones((3, 8, 8, 5)), {"a": CAM}, {}, ["`samples`", "C 1 or 3", "(3, 8, 8, 5)"]),
        (plots.grid, IMAGES[:0], {"a": CAM[:0]}, {}, ["`samples`", "empty"]),
        (plots.top_classes, IMAGES, CAM, {}, ["`sample`", "(3, 8, 8, 3)", "samples[0]"]),
        (plots.top_classes, IMAGES[0], CAM[:, :4], {}, ["`maps`", "(3, 8, 8)", "(3, 4, 8)"]),
        (plots.top_classes, IMAGES[0], CAM, {"probabilities": [0.4, 0.6]}, ["`probabilities`", "at least 3", "(2,)"]),
        (plots.top_classes, IMAGES[0], CAM, {"probabilities": np.eye(3)}, ["`probabilities`", "one sample", "(3, 3)"]),
        (plots.top_classes, IMAGES[0], CAM, {"probabilities": [3.0, 1.0, 0.0]}, ["0..1", "softmax"]),
        (plots.top_classes, IMAGES[0], CAM, {"titles": ["a"]}, ["`titles`", "each map, 3 in all"]),
        (plots.top_classes, IMAGES[0], CAM, {"class_names": list("abc")}, ["`class_names`", "`probabilities`"]),
        (plots.top_classes, IMAGES[0], CAM, {"titles": list("abc"), "class_names": list("abc")}, ["stand alone"]),
        (plots.top_classes, IMAGES[0], SIGNED, {"reduce": "mean"}, ["`reduce`", "mean"]),
    ],
)
def test_refusals_say_what_and_what_to_do(draw, first, second, options, parts):
    with pytest.raises(ValueError) as refusal:
        draw(first, second, **options)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)
