"""Gradient, sensitivity and gradient x input against finite differences and closed forms."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images

CLASSES = np.array([0, 3, 1])
SHAPE = (8, 10, 3)


@pytest.fixture(scope="module")
def x():
    return images(3, SHAPE)


@pytest.fixture(scope="module")
def model():
    return conv_net()


def test_gradient_equals_finite_differences():
    """Central differences in float64, one input value after the other."""
    model = keras.Sequential(
        [
            keras.Input((4, 5, 2), dtype="float64"),
            layers.Conv2D(3, 3, padding="same", activation="tanh", dtype="float64"),
            layers.AveragePooling2D(2, dtype="float64"),
            layers.Conv2D(2, 2, activation="softplus", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(3, dtype="float64"),
        ]
    )
    truth.randomise(model)
    x = np.random.default_rng(0).normal(size=(4, 5, 2))
    step = 1e-5 * np.eye(x.size).reshape(-1, *x.shape)
    differences = (truth.predictions(model, x + step) - truth.predictions(model, x - step))[:, 2] / 2e-5
    maps = kerasxai.explain(model, x[np.newaxis], "gradient", target=2)
    assert_same(maps[0], differences.reshape(x.shape), rtol=1e-7, atol=1e-8)


def test_gradient_of_a_tanh_layer_in_closed_form():
    """S = v tanh(W x + b), dS/dx = W ((1 - tanh^2) v)."""
    model = keras.Sequential([keras.Input((2, 3)), layers.Flatten(), layers.Dense(4, activation="tanh")])
    model.add(layers.Dense(2))
    truth.randomise(model)
    W, b, V, _ = model.get_weights()
    x = images(3, (2, 3))
    hidden = np.tanh(x.reshape(3, 6) @ W + b)
    expected = ((1 - hidden**2) * V[:, 1]) @ W.T
    assert_same(kerasxai.explain(model, x, "gradient", target=1), expected.reshape(3, 2, 3))


def test_gradient_sensitivity_and_gradient_x_input(model, x):
    G = truth.input_gradients(model, x, CLASSES)
    assert G.min() < 0 < G.max()
    maps = kerasxai.explain(model, x, ["gradient", "sensitivity", "gradient_x_input"], target=CLASSES)
    assert_same(maps["gradient"], G)
    assert_same(maps["sensitivity"], np.abs(G))
    assert_same(maps["gradient_x_input"], G * x)


def test_gradient_explains_the_predicted_class(model, x):
    expected = truth.input_gradients(model, x, truth.predictions(model, x).argmax(axis=1))
    assert_same(kerasxai.explain(model, x, "gradient"), expected)


def test_gradient_of_logit_and_of_probability(x):
    model = conv_net(head="softmax")
    assert_same(kerasxai.explain(model, x, "gradient", target=CLASSES), truth.input_gradients(conv_net(), x, CLASSES))
    assert_same(
        kerasxai.explain(model, x, "gradient", target=CLASSES, score="probability"),
        truth.input_gradients(model, x, CLASSES),
    )


def test_gradient_of_a_linear_model_is_its_weights(x):
    model = truth.linear_net(SHAPE)
    assert_same(kerasxai.explain(model, x, "gradient", target=CLASSES), truth.linear_weights(model, CLASSES))


def test_gradient_x_input_of_a_linear_model_is_weight_times_input(x):
    model = truth.linear_net(SHAPE)
    maps = kerasxai.explain(model, x, "gradient_x_input", target=CLASSES)
    assert_same(maps, truth.linear_weights(model, CLASSES) * x)


def test_several_inputs_as_list_and_as_dict():
    model, inputs = truth.two_input_net(), [images(2, (6, 6, 2)), images(2, (3,), seed=1)]
    expected = truth.gradients_at_inputs(model, inputs, [2, 0])
    explainer = kerasxai.explainers.Gradient(model)
    listed = explainer(inputs, target=[2, 0])
    named = explainer({"age": inputs[1], "scan": inputs[0]}, target=[2, 0])
    assert isinstance(listed, list) and set(named) == {"scan", "age"}
    for index, name in enumerate(("scan", "age")):
        assert_same(listed[index], expected[index])
        assert_same(named[name], expected[index])
