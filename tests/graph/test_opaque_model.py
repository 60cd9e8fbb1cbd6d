"""Subclassed models, out of sight of any graph, are explained as the same net is in sight."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from tests.explainers.cam_formulas import FORMULAS, grad_cam, naive_score_cam, rectified
from tests.support import nets, truth
from tests.support.truth import assert_same, conv_net, images

LAYERS = ["early", "middle", "late"]
CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def model():
    return conv_net()


@pytest.fixture(scope="module")
def x():
    return images(3, (8, 10, 3))


@pytest.fixture(scope="module")
def pieces(model, x):
    """Layer -> (A, G)."""
    return {layer: truth.activations_and_gradients(model, layer, x, CLASSES) for layer in LAYERS}


@pytest.fixture(scope="module")
def subclassed(model, x):
    made = nets.Subclassed(truth.clone(model).layers)
    assert_same(made(x), truth.predictions(model, x))
    return made


# Captured layers ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", [*FORMULAS, "score_cam"])
def test_captured_layers_of_a_subclassed_model(method, subclassed, model, x, pieces):
    """The default layer, found by running the model, and a named one."""
    for options, layer in (({}, "late"), ({"layer": "middle"}, "middle")):
        A, G = pieces[layer]
        maps = kerasxai.explain(subclassed, x, method, target=CLASSES, upsample=False, **options)
        signed = naive_score_cam(model, x, A, CLASSES) if method == "score_cam" else FORMULAS[method](A, G)
        assert_same(maps, rectified(method, signed), rtol=1e-3, atol=1e-4)


def test_captured_layer_under_noise(subclassed, model, x):
    options = {"method": "smooth_grad_cam_plus_plus", "target": CLASSES, "n_samples": 3}
    assert_same(kerasxai.explain(subclassed, x, **options), kerasxai.explain(model, x, layer="late", **options))


def test_captured_list_of_layers(subclassed, x, pieces):
    maps = kerasxai.explain(subclassed, x, "grad_cam", target=CLASSES, layer=LAYERS, upsample=False)
    for layer in LAYERS:
        assert_same(maps[layer], np.maximum(grad_cam(*pieces[layer]), 0))


class CallsTwice(keras.Model):
    """One convolution applied twice."""

    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")
        self.flatten = layers.Flatten()
        self.dense = layers.Dense(4)

    def call(self, inputs):
        return self.dense(self.flatten(self.conv(self.conv(inputs))))


def test_second_call_of_a_layer_has_a_map_of_its_own(x):
    subclassed = CallsTwice()
    subclassed(x)
    truth.randomise(subclassed)
    inputs = keras.Input((8, 10, 3))
    conv = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")
    first = conv(inputs)
    second = conv(first)
    functional = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(second)))
    functional.set_weights(subclassed.get_weights())
    both = keras.Model(inputs, [first, second, functional.output])
    with tf.GradientTape() as tape:
        tape.watch(tensor := tf.constant(x))
        A1, A2, outputs = both(tensor)
        score = tf.gather(outputs, CLASSES, batch_dims=1)
    G1, G2 = tape.gradient(score, [A1, A2])
    options = {"target": CLASSES, "upsample": False, "relu": False}
    for model in (subclassed, functional):
        maps = kerasxai.explain(model, x, "grad_cam", layer=["conv", "conv#2"], **options)
        assert_same(maps["conv"], grad_cam(A1.numpy(), G1.numpy()))
        assert_same(maps["conv#2"], grad_cam(A2.numpy(), G2.numpy()))
        default = kerasxai.explain(model, x, "grad_cam", **options)
        assert_same(default, grad_cam(A2.numpy(), G2.numpy()))


# Gradients ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "expected_gradients", "var_grad"])
def test_a_subclassed_model_has_the_same_attributions(method, subclassed, model, x):
    names = kerasxai.explainers.get(method).option_names()
    options = {"n_samples": 3, "steps": 3, "background": images(2, (8, 10, 3), seed=1)}
    options = {name: value for name, value in options.items() if name in names}
    expected = kerasxai.explain(model, x, method, **options)
    assert_same(kerasxai.explain(subclassed, x, method, **options), expected)


def test_saturated_softmax_of_a_subclassed_model(x):
    """Keras' own softmax carries its logits out of any model."""
    logits = conv_net()
    logits.get_layer("classes").kernel.assign(logits.get_layer("classes").kernel * 1e4)
    with_softmax = conv_net(head="softmax")
    with_softmax.set_weights(logits.get_weights())
    subclassed = nets.Subclassed(with_softmax.layers)
    assert truth.predictions(subclassed, x).max(axis=1) == pytest.approx(1, abs=0)
    expected = truth.input_gradients(logits, x, truth.predictions(logits, x).argmax(axis=1))
    assert_same(kerasxai.explain(subclassed, x, "gradient"), expected)
