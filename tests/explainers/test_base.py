"""What every explainer owes its caller, whatever its method: one trace, batches, results, kinds of models, targets."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import explainers
from kerasxai.explainers import GradCAM, Gradient
from tests.support import nets
from tests.support.truth import assert_same

ALL = explainers.names()
DIFFERENT = [name for name in ALL if name not in nets.ALIKE]
PERCENTILES = ["noise_percentiles", "b_lrp"]  # an axis of percentiles after the samples
CLASSES_ONLY = ["cam", "relevance_cam"]  # what these do for a class, a function does not say
COMPOSED = ["guided_grad_cam", "smooth_grad", "smooth_grad_cam_plus_plus"]  # methods that run other methods


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


@pytest.fixture(scope="module")
def shared(model):
    """A function: method -> the explainer that the tests of this file share, so that each is traced once."""
    return functools.cache(lambda method: nets.quick(method, model, verbose=0))


@pytest.fixture(scope="module", params=ALL)
def explainer(request, shared):
    return shared(request.param)


# Batches


@pytest.mark.slow
def test_one_trace_whatever_is_explained(explainer):
    for samples, target in ((1, 0), (3, 1), (8, None), (3, [0, 1, 2]), (2, np.int64(2)), (33, "predicted")):
        explainer(nets.normals(samples), target=target)
    assert explainer.trace_count == 1


@pytest.mark.slow
def test_weights_are_read_by_reference(explainer, model):
    x, before = nets.normals(), model.get_weights()
    first = explainer(x, target=1)
    try:
        nets.randomise(model, seed=1)
        after_training = explainer(x, target=1)
        assert not np.allclose(after_training, first)
        if explainer.name in DIFFERENT:
            assert_same(after_training, nets.quick(explainer.name, model)(x, target=1), rtol=1e-5)
    finally:
        model.set_weights(before)
    np.testing.assert_array_equal(explainer(x, target=1), first)
    assert explainer.trace_count == 1


@pytest.mark.slow
def test_a_batch_is_its_samples_one_by_one(explainer):
    x = nets.normals(5)
    together = explainer(x, target=[0, 1, 2, 0, 1])
    alone = [explainer(x[[row]], target=int(row % 3)) for row in range(5)]
    assert_same(together, np.concatenate(alone), rtol=1e-5)


@pytest.mark.slow
def test_batch_mates_do_not_matter(explainer):
    x = nets.normals(3)
    strange = np.stack([x[0], 1000.0 * x[1], np.zeros_like(x[2])])
    assert_same(explainer(x, target=1)[0], explainer(strange, target=1)[0], rtol=1e-5)


@pytest.mark.slow
def test_earlier_calls_do_not_matter(explainer):
    x = nets.normals(3)
    first = explainer(x)
    explainer(nets.normals(7, seed=1))
    np.testing.assert_array_equal(explainer(x), first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "batch_size"),
    [(name, 2) for name in DIFFERENT] + [(name, 1) for name in ("ablation_cam", "integrated_gradients", "var_grad")],
)
def test_batch_size_does_not_matter(method, batch_size, model, shared):
    x = nets.normals(5)
    assert_same(nets.quick(method, model, batch_size=batch_size)(x), shared(method)(x), rtol=1e-5)


def test_two_explainers_of_a_model_do_not_share_state(model):
    x = nets.normals(2)
    one, other = Gradient(model), Gradient(model, score="probability")
    assert not np.allclose(one(x), other(x))
    assert one.trace_count == other.trace_count == 1


# Results


def test_result_shape_and_type(explainer):
    x = nets.normals(3)
    maps = explainer(x)
    assert isinstance(maps, np.ndarray) and maps.dtype == np.float32
    assert np.isfinite(maps).all()
    if explainer.name in PERCENTILES:
        assert maps.shape == (3, 5, *nets.IMAGE)
    else:
        assert maps.shape == (x.shape if explainer.reduce else x.shape[:-1])
    if explainer.reduce:
        assert kerasxai.to_heatmap(maps, explainer.reduce).shape == maps.shape[:-1]


@pytest.fixture(scope="module")
def signal_model():
    return nets.randomise(
        Sequential(
            [
                Input((12, 2)),
                layers.Conv1D(3, 3, activation="relu", name="conv1"),
                layers.MaxPooling1D(2, name="pool"),
                layers.Conv1D(4, 3, activation="relu", name="conv2"),
                layers.GlobalAveragePooling1D(name="gap"),
                layers.Dense(3, activation="softmax", name="head"),
            ]
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", DIFFERENT)
def test_one_dimensional_signals(method, signal_model):
    x = nets.inputs_for(signal_model, 3)
    maps = nets.quick(method, signal_model)(x)
    axes = x.shape if explainers.get(method).reduce or method in PERCENTILES else x.shape[:-1]
    assert maps.shape[-len(axes) + 1 :] == axes[1:]
    assert np.isfinite(maps).all() and maps.any()


VOLUMES = ["grad_cam", "score_cam", "full_grad", "integrated_gradients", "guided_grad_cam"]


@pytest.mark.parametrize("method", [*VOLUMES, "lrp", "relevance_cam", "deep_lift"])
def test_volumes(method):
    model = nets.randomise(
        Sequential(
            [
                Input((6, 5, 4, 1)),
                layers.Conv3D(2, 3, padding="same", activation="relu"),
                layers.MaxPooling3D(2),
                layers.GlobalAveragePooling3D(),
                layers.Dense(2, activation="softmax"),
            ]
        )
    )
    x = nets.inputs_for(model, 2)
    maps = nets.quick(method, model)(x, target=1)
    assert maps.shape == (x.shape if explainers.get(method).reduce else x.shape[:-1])
    assert np.isfinite(maps).all()


def test_open_image_size():
    model = nets.build("free_size")
    explainer = GradCAM(model)
    assert explainer(nets.normals(2, (8, 8, 2))).shape == (2, 8, 8)
    assert explainer(nets.normals(2, (6, 10, 2))).shape == (2, 6, 10)
    explainer(nets.normals(1, (8, 8, 2)))
    assert explainer.trace_count == 2


@pytest.mark.parametrize("kind", sorted(set(nets.KINDS) - {"masked_words"}))
def test_every_kind_of_model(kind):
    model = nets.build(kind)
    x = nets.inputs_for(model, 2)
    target = {"two_outputs": ("kind", None), "dict_outputs": ("zebra", 1)}.get(kind)
    maps = kerasxai.explain(model, x, method="grad_cam", target=target, relu=False)
    gradients = kerasxai.explain(model, x, method="gradient", target=target)
    assert np.isfinite(maps).all() and maps.any()
    keras.tree.assert_same_structure(gradients, x)
    for gradient, values in zip(keras.tree.flatten(gradients), keras.tree.flatten(x)):
        assert gradient.shape == values.shape
        assert np.isfinite(gradient).all() and gradient.any()


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in DIFFERENT if not explainers.get(name).needs_graph])
def test_a_subclassed_model_is_explained_like_its_functional_twin(method, model, shared):
    twin = nets.Subclassed(model.layers)
    x = nets.normals(3)
    twin(x)
    assert_same(explainers.get(method)(twin, **nets.quick_options(method, model))(x), shared(method)(x), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", [*COMPOSED, "ablation_cam", "full_grad", "grad_cam", "integrated_gradients", "sise"])
def test_an_unknown_head_is_looked_at_by_every_part_of_a_method(method, model, shared):
    head = model.layers[-1]
    linear = layers.Dense(nets.CLASSES, name="units")
    x = inputs = Input(nets.IMAGE)
    for layer in [*model.layers[:-1], linear]:
        x = layer(x)
    own = keras.Model(inputs, OwnSoftmax()(x))
    linear.set_weights(head.get_weights())
    x = nets.normals(3)
    assert_same(nets.quick(method, own)(x), shared(method)(x), rtol=1e-5)


class OwnSoftmax(layers.Layer):
    """A softmax that the package does not know, made of Keras' own."""

    def call(self, x):
        return keras.activations.softmax(x)


# Several inputs


TWO_INPUTS = ["gradient", "gradient_x_input", "integrated_gradients", "smooth_grad", "lrp", "deep_lift", "b_lrp"]


@pytest.mark.slow
@pytest.mark.parametrize("method", TWO_INPUTS)
def test_attributions_come_as_the_inputs_do(method):
    model = nets.build("two_inputs")
    image, numbers = nets.inputs_for(model, 3)
    explainer = nets.quick(method, model)
    as_list = explainer([image, numbers])
    as_dict = explainer({"numbers": numbers, "image": image})
    assert isinstance(as_list, list) and isinstance(as_dict, dict)
    percentiles = (5,) if method in PERCENTILES else ()
    assert [one.shape for one in as_list] == [(3, *percentiles, *one.shape[1:]) for one in (image, numbers)]
    np.testing.assert_array_equal(as_dict["image"], as_list[0])
    np.testing.assert_array_equal(as_dict["numbers"], as_list[1])
    dataset = tf.data.Dataset.from_tensor_slices(({"image": image, "numbers": numbers}, [0, 1, 2])).batch(2)
    np.testing.assert_allclose(explainer(dataset)["numbers"], as_list[1], rtol=1e-5, atol=1e-6)


def test_dict_inputs_by_name():
    model = nets.build("dict_inputs")
    x = nets.inputs_for(model, 3)
    maps = Gradient(model)(x)
    assert set(maps) == {"zebra", "ant"}
    assert maps["zebra"].shape == x["zebra"].shape and maps["ant"].shape == x["ant"].shape


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "ablation_cam", "relevance_cam"])
def test_cam_of_several_inputs_is_one_map(method):
    model = nets.build("two_inputs")
    assert nets.quick(method, model, relu=False)(nets.inputs_for(model, 3)).shape == (3, 8, 8)


def test_integer_inputs_get_zeros():
    numbers, words = Input((3,), name="numbers"), Input((2,), dtype="int32", name="words")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(words))
    model = keras.Model([numbers, words], layers.Dense(2)(layers.Concatenate()([numbers, embedded])))
    for method in ("gradient", "integrated_gradients", "smooth_grad"):
        first, second = nets.quick(method, model)(nets.inputs_for(model, 3), target=1)
        assert first.any() and not second.any()
        assert second.shape == (3, 2)


# Targets


@pytest.mark.slow
@pytest.mark.parametrize("explainer", DIFFERENT, indirect=True)
def test_the_predicted_class_is_the_default(explainer, model):
    x = nets.normals(6)
    predicted = classes_of(model, x)
    assert len(set(predicted)) > 1
    expected = explainer(x, target=predicted)
    np.testing.assert_array_equal(explainer(x), expected)
    np.testing.assert_array_equal(explainer(x, target="predicted"), expected)


def classes_of(model, x):
    return np.argmax(model(x), axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("explainer", DIFFERENT, indirect=True)
def test_top2_is_an_axis_of_classes(explainer, model):
    x = nets.normals(3)
    ranked = np.argsort(-np.asarray(model(x)), axis=1)
    maps = explainer(x, target="top2")
    assert maps.shape[:2] == (3, 2)
    for rank in (0, 1):
        np.testing.assert_array_equal(maps[:, rank], explainer(x, target=ranked[:, rank]))


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(set(DIFFERENT) - {*CLASSES_ONLY}))
def test_a_callable_that_picks_a_class_is_that_class(method, model, shared):
    x = nets.normals(5)
    columns = np.array([2, 0, 1, 1, 0])

    def pick(outputs, column):
        return tf.gather(outputs, column, batch_dims=1)

    explainer = nets.quick(method, model, batch_size=2)
    function = pick if explainer.score == "probability" else kerasxai.of_logits(pick)
    by_function = explainer(x, target=(function, columns))
    assert_same(by_function, shared(method)(x, target=columns), rtol=1e-5)
    np.testing.assert_array_equal(explainer(x, target=(function, columns)), by_function)
    assert explainer.trace_count == 1
