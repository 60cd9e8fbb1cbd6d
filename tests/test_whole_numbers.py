"""Models whose input is declared as whole numbers: pictures of 0 ... 255 that a layer rescales, and tokens."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from kerasxai import evaluators, explainers
from kerasxai.graph import ModelGraph
from tests.evaluators.test_every_evaluator import OPTIONS as FEW_STEPS
from tests.support import nets
from tests.support.truth import randomise

layers = keras.layers
IMAGE = (8, 9, 3)
X = np.random.default_rng(3).integers(0, 255, (3, *IMAGE)).astype("uint8")


def net(dtype, first="rescaling"):
    """A small net for pictures of 0 ... 255."""
    inputs = keras.Input(IMAGE, dtype=dtype)
    if first == "rescaling":
        x = layers.Rescaling(1 / 255)(inputs)
    elif first == "normalization":
        x = layers.Normalization(mean=[100.0, 120.0, 90.0], variance=[900.0, 400.0, 2500.0])(inputs)
    elif first == "cast":
        x = keras.ops.cast(inputs, "float32") / 255.0
    elif first == "division":
        x = inputs / 255.0
    elif first == "augmentation":
        x = layers.Rescaling(1 / 255)(layers.RandomFlip("horizontal")(inputs))
    elif first == "moves":
        x = layers.Rescaling(1 / 255)(layers.Permute((2, 1, 3))(layers.Cropping2D(((0, 1), (1, 1)))(inputs)))
    elif first == "custom":
        x = Scaled()(inputs)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    convolution, dense = model.get_layer("conv"), model.layers[-1]
    for layer in (convolution, dense):
        for seed, weight in enumerate(layer.weights):
            weight.assign(np.random.default_rng([5, seed]).normal(0, 0.5, weight.shape))
    return model


class Scaled(layers.Layer):
    """A layer of the user's that makes real numbers of whole ones."""

    def call(self, x):
        return keras.ops.cast(x, "float32") / 255.0


@pytest.fixture(scope="module")
def twins():
    return net("uint8"), net("float32")


@pytest.mark.parametrize("first", ["rescaling", "normalization", "cast", "division", "augmentation", "moves"])
def test_graph_runs_on_real_numbers_and_gives_what_the_model_gives(first):
    model = net("uint8", first)
    graph = ModelGraph(model)
    assert graph.input_dtypes == ["float32"] and graph.declared_dtypes == ["uint8"]
    (outputs,), _ = graph.run([tf.constant(X)])
    np.testing.assert_array_equal(outputs, model(X, training=False))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in explainers.names() if name != "cam"])
def test_every_explainer_gives_what_it_gives_for_the_same_net_of_real_numbers(name, twins):
    drawn = {"background": X} if name == "expected_gradients" else {}
    maps = [nets.quick(name, model, **drawn)(X, target=1) for model in twins]
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-6, atol=1e-7)
    assert np.ptp(maps[0]) > 0


ROUNDED = {"max_sensitivity", "local_lipschitz", "noise_robustness", "rotation_robustness", "randomization"}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(evaluators.names()) - {"input_shift_invariance"}))
def test_every_evaluator_gives_what_it_gives_for_the_same_net_of_real_numbers(name, twins):
    evaluator = evaluators.get(name)(**FEW_STEPS.get(name, {}))
    masks = np.zeros(X.shape[:-1], bool)
    masks[:, 2:5, 1:4] = True
    explainer = "lrp" if name == "cosine_similarity_convergence" else "gradient"
    options = {"explainer": explainer, "target": 1, "masks": masks}
    # What explainers are given must be whole numbers, so neighbours are rounded and come out near, not equal.
    tolerance = 0.1 if name in ROUNDED else 1e-5
    found = [evaluator(model, X, reference_model=net("uint8"), **options) for model in twins]
    for key in set(found[0]) - {"layers", "steps"}:
        np.testing.assert_allclose(found[0][key], found[1][key], rtol=tolerance, atol=tolerance, err_msg=key)


def test_a_layer_of_the_user_s_gets_whole_numbers():
    """What such a layer does with others is not known, so each value is rounded once."""
    model, twin = net("uint8", "custom"), net("float32", "custom")
    assert ModelGraph(model).input_dtypes == ["uint8"]
    probability = lambda x: model(np.round(x).astype("uint8")).numpy()[:, 1]
    (maps,) = [kerasxai.explain(model, X, "grad_cam", layer="conv", target=1)]
    np.testing.assert_allclose(maps, kerasxai.explain(twin, X, "grad_cam", layer="conv", target=1), rtol=1e-5)

    soft = evaluators.AverageDrop()(model, X, maps, target=1)
    share = (maps - maps.min((1, 2), keepdims=True)) / np.ptp(maps, axis=(1, 2), keepdims=True)
    before, after = probability(X), probability(X * share[..., np.newaxis])
    np.testing.assert_allclose(soft["average_drop"], 100 * np.maximum(before - after, 0) / before, rtol=1e-3, atol=1e-3)

    insertion = evaluators.Insertion(steps=2)(model, X, maps, target=1)
    blurred = probability(evaluators.Insertion()._replaced(X.astype("float32"), 0).numpy())
    np.testing.assert_allclose(insertion["curve"][:, 0], blurred, rtol=1e-5)
    np.testing.assert_allclose(insertion["curve"][:, -1], before, rtol=1e-5)
    with pytest.raises(ValueError, match="FullGrad needs an input of real numbers"):
        kerasxai.explain(model, X, "full_grad")
    with pytest.raises(ValueError, match=r"Noise and rotation need samples of real numbers\. Received: uint8"):
        evaluators.NoiseRobustness()(model, X, explainer="grad_cam")


@pytest.mark.parametrize("given", [X / 255, X.astype("float32") - 127.5, X.astype("int32") * 2, -X.astype("int32")])
def test_numbers_the_input_cannot_hold_are_refused(given):
    with pytest.raises(ValueError, match=r"whole numbers from 0 to 255: the model's input '.*' is uint8"):
        kerasxai.explain(net("uint8"), given, "grad_cam")


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "float64"])
def test_whole_numbers_of_any_type_are_taken(dtype, twins):
    maps = kerasxai.explain(twins[0], X.astype(dtype), "grad_cam", target=1)
    np.testing.assert_array_equal(maps, kerasxai.explain(twins[0], X, "grad_cam", target=1))


def test_tokens_stay_tokens():
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Conv1D(3, 3, padding="same", name="conv")(layers.Embedding(20, 4)(inputs))
    model = randomise(keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x))))
    assert ModelGraph(model).input_dtypes == ["int32"]
    with pytest.raises(ValueError, match="needs an input of real numbers"):
        kerasxai.explain(model, np.ones((2, 6), "int32"), "gradient")
