"""What occlusion and RISE have in common: models that read one value only, kinds of inputs and of models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from benchmarks.model_kinds.kind import dtype_policy
from kerasxai.explainers import Occlusion
from tests.explainers.perturbed import nets_of_both_ranks, samples
from tests.support import nets
from tests.support.truth import assert_same, images, reads


@pytest.fixture(scope="module")
def models():
    return nets_of_both_ranks()


@pytest.mark.sweep
@pytest.mark.parametrize(("position", "shape"), [((4, 25), (12, 40, 3)), ((17,), (30, 2))], ids=["pixel", "time step"])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("occlusion", {"window": 1}),
        ("occlusion", {"window": 4, "stride": 1}),
        ("occlusion", {"window": 3, "stride": 1, "baseline": -1.0}),
        ("rise", {"n_masks": 4000}),
    ],
)
def test_one_value_is_located(method, options, position, shape):
    x = images(3, shape) + 0.5
    maps = kerasxai.explain(reads(position, shape), x, method, **options)
    assert maps.shape == x.shape[:-1]
    peaks = maps == maps.max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    assert [tuple(np.argwhere(peak).mean(axis=0)) for peak in peaks] == [position] * 3
    if method == "occlusion":
        assert not maps[(0, *(0 for _ in position))]


OPTIONS = {"occlusion": {"window": 3, "stride": 2}, "rise": {"n_masks": 12}}


def build(method, model, **options):
    return kerasxai.explainers.get(method)(model, **{**OPTIONS[method], **options})


@pytest.mark.parametrize("method", OPTIONS)
def test_one_axis_is_two_with_a_height_of_one(method, models):
    signal = models[1]
    inputs = keras.Input((1, 20, 3))
    image = keras.Model(inputs, signal(keras.layers.Reshape((20, 3))(inputs)))
    x = samples(1)
    assert_same(build(method, image)(x[:, None])[:, 0], build(method, signal)(x), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
def test_each_input_with_positions_has_a_map_of_its_own(method):
    model = nets.build("two_inputs")
    image, numbers = nets.inputs_for(model, 3)
    explainer = build(method, model)
    maps, nothing = explainer([image, numbers], target=1)
    assert nothing is None
    for row in range(3):

        def alone(x, row=row):
            return model([x, tf.repeat(numbers[[row]], tf.shape(x)[0], axis=0)])

        assert_same(maps[[row]], build(method, alone)(image[[row]], target=1), rtol=1e-3)
    by_name = explainer({"numbers": numbers, "image": image}, target=1)
    assert by_name["numbers"] is None
    np.testing.assert_array_equal(by_name["image"], maps)


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
def test_two_images_are_changed_one_at_a_time(method):
    model = nets.build("nested_called_twice")
    left, right = nets.inputs_for(model, 2)
    maps = build(method, model)([left, right], target=0)
    assert [one.shape for one in maps] == [(2, 8, 8)] * 2
    turned = keras.Model(model.inputs[::-1], model.outputs[0])
    for one, other in zip(maps, build(method, turned)([right, left], target=0)[::-1]):
        assert_same(one, other)
    assert not np.allclose(*maps)


@pytest.mark.slow
def test_error_of_two_inputs_comes_as_the_maps_do():
    model = nets.build("nested_called_twice")
    left, right = nets.inputs_for(model, 2)
    maps, error, n_masks = build("rise", model).explain_with_error([left, right])
    assert [one.shape for one in maps] == [(2, 8, 8)] * 2
    assert [one.shape for one in error] == [one.shape for one in n_masks] == [(2,)] * 2


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
def test_integer_images(method):
    inputs = keras.Input((6, 5, 1), dtype="int32")
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    flat = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(scaled)))
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 1))
    real = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    real.set_weights([flat.get_weights()[0] / 255, flat.get_weights()[1]])
    maps = build(method, flat)(x)
    np.testing.assert_allclose(maps, build(method, real)(x), atol=0.02 * np.ptp(maps))


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
def test_open_image_size(method):
    explainer = build(method, nets.build("free_size"))
    for size in ((8, 8), (6, 10), (8, 8)):
        assert explainer(nets.normals(2, (*size, 2))).shape == (2, *size)
    assert explainer.trace_count == 2


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
def test_half_precision_is_close(method):
    model = nets.build("mixed_float16")
    x = nets.normals(3)
    with dtype_policy("float32"):
        inputs = keras.Input(nets.IMAGE)
        twin = nets.head(nets.conv("late")(nets.feature_extractor()(inputs)), activation=None)
        twin = keras.Model(inputs, keras.layers.Softmax()(twin))
    twin.set_weights(model.get_weights())
    maps, expected = build(method, model)(x, target=1), build(method, twin)(x, target=1)
    assert maps.dtype == np.float32
    assert np.linalg.norm(maps - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("method", OPTIONS)
def test_no_positions(method):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"spatial axes.*\(None, 4\).*x\[\.\.\., None\]"):
        build(method, model)
    with pytest.raises(ValueError, match=r"spatial axes.*\(None, 4\)"):
        build(method, lambda x: tf.reduce_sum(x, axis=1))(images(3, (4,)))


def test_windows_that_cannot_be_are_refused(models):
    for options in ({"window": 2, "stride": 3}, {"window": (4, 2), "stride": (4, 4)}, {"stride": 2}):
        with pytest.raises(ValueError, match="`stride` must not be larger than the window"):
            Occlusion(models[2], **options)
    assert Occlusion(nets.build("free_size"), stride=9)(nets.normals(1, (80, 80, 2))).shape == (1, 80, 80)
    with pytest.raises(ValueError, match="stride=9, window=1"):
        Occlusion(nets.build("free_size"), stride=9)(nets.normals(1, (8, 8, 2)))
    with pytest.raises(ValueError, match="one entry per spatial axis, 2 here"):
        Occlusion(models[2], window=(3,))
    with pytest.raises(ValueError, match="one entry per spatial axis, 1 here"):
        Occlusion(lambda x: tf.reduce_sum(x, axis=[1, 2]), window=(3, 3))(samples(1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(nets.KINDS) - {"masked_words"}))
def test_every_kind_of_model(kind):
    model = nets.build(kind)
    x = nets.inputs_for(model, 2)
    # All channels of the shared layer speak against its predicted class, which SISE shows as a blank map.
    target = {"two_outputs": ("kind", None), "dict_outputs": ("zebra", 1), "shared_layer": 1}.get(kind)
    for method, options in (("occlusion", {"window": 4, "stride": 4}), ("rise", {"n_masks": 4}), ("sise", {})):
        maps = kerasxai.explain(model, x, method, target=target, **options)
        keras.tree.assert_same_structure(maps, x)
        for one, values in zip(keras.tree.flatten(maps), keras.tree.flatten(x)):
            if values.ndim > 2:
                assert one.shape == values.shape[:-1] and np.isfinite(one).all() and one.any()
            else:
                assert one is None


@pytest.mark.parametrize("value", [300, -1, 127.6])
def test_what_the_type_of_the_input_does_not_have_is_refused(value):
    inputs = keras.Input((6, 5, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Lambda(lambda pixels: keras.ops.cast(pixels, "float32") / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 1)).astype("uint8")
    with pytest.raises(ValueError, match="`baseline` must be made of values that the input's type uint8 has"):
        Occlusion(model, baseline=value)(x)
    with pytest.raises(ValueError, match="`baseline` must be made of values"):
        kerasxai.explain(model, x, "lime", baseline=value, segmentation=2)
    assert Occlusion(model, baseline=255)(x).shape == (2, 6, 5)


@pytest.mark.parametrize("given", [[1.0, 2.0], np.zeros((2, 8, 8, 2))])
def test_a_baseline_that_fits_no_sample_of_a_function_is_refused(given):
    with pytest.raises(ValueError, match=r"broadcast against one sample of shape \(8, 8, 3\)"):
        Occlusion(lambda x: x.mean(axis=(1, 2, 3)), baseline=given)(images(2, (8, 8, 3)))


def test_scores_that_are_no_numbers_are_told():
    explainer = Occlusion(lambda x: np.where(x[:, 0, 0, 0] > 0, 1.0, np.nan), window=4, stride=4)
    with pytest.warns(UserWarning, match="2 of 2 occlusion maps are not a number"):
        maps = explainer(np.ones((2, 8, 8, 1), "float32"))
    assert np.isnan(maps[:, :4, :4]).all()
