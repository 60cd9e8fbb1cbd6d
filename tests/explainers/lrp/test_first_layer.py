"""What rules of the first layer see of the model's input, through what stands before that layer."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from kerasxai import lrp
from tests.explainers.lrp import dense_twin
from tests.support.truth import images, randomise

IMAGE = (5, 6, 3)
LOW, HIGH = np.array([-1.0, -2.0, -0.5]), np.array([1.0, 2.0, 3.0])
TARGETS = np.array([2, 0, 1])


@pytest.fixture(scope="module")
def x():
    return 2 * images(3, IMAGE) - np.float32(1)


def net(*before, **options):
    conv = layers.Conv2D(4, 3, name="explained", **options)
    return randomise(keras.Sequential([keras.Input(IMAGE), *before, conv, layers.Flatten(), layers.Dense(3)]), 4)


def relevance_of(model, rule, x, **options):
    return kerasxai.explainers.LRP(model, rules={"first": rule, "*": lrp.Zero()}, **options)(x, target=TARGETS)


def matrix_and_start(model, given):
    """The explained layer's matrix and bias, and the relevance of its outputs: `a_j w_jk` by LRP-0 of the head."""
    ((layer, weights),) = dense_twin.steps(model.get_layer("explained"))
    w, b, _ = dense_twin.matrix_of(layer, weights, given.shape[1:])
    z = np.float64(given).reshape(len(given), -1) @ w + b
    return w, b, z * model.layers[-1].kernel.numpy().T[TARGETS]


def flat(values, like):
    return np.broadcast_to(values, like.shape).reshape(len(like), -1).astype("float64")


def assert_near(actual, expected):
    expected = expected.reshape(actual.shape)
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_box_is_of_the_model_input(x):
    model = net()
    w, b, R = matrix_and_start(model, x)
    expected = dense_twin.z_box(w, b, flat(x, x), R, flat(LOW, x), flat(HIGH, x))
    assert_near(relevance_of(model, lrp.ZBox(LOW, HIGH), x), expected)


def test_box_passes_an_activation(x):
    model = net(layers.ReLU())
    a = np.maximum(x, 0)
    w, b, R = matrix_and_start(model, a)
    expected = dense_twin.z_box(w, b, flat(a, x), R, flat(0 * LOW, x), flat(HIGH, x))
    assert_near(relevance_of(model, lrp.ZBox(LOW, HIGH), x), expected)


@pytest.mark.parametrize("given", ["numbers", "data"])
def test_box_passes_a_scaling_that_turns_it_over(x, given):
    """The scaling hands on what it gets: a pixel that is 0 after it has its part all the same."""
    model = net(layers.Rescaling(-2.0, offset=0.5))
    a = 0.5 - 2 * x
    low, high = (LOW, HIGH) if given == "numbers" else (reduce(x, (1, 2), keepdims=True) for reduce in (np.min, np.max))
    w, b, R = matrix_and_start(model, a)
    expected = dense_twin.z_box(w, b, flat(a, x), R, flat(0.5 - 2 * high, x), flat(0.5 - 2 * low, x))
    assert_near(relevance_of(model, lrp.ZBox(*((low, high) if given == "numbers" else ())), x), expected)


def folded(model, norm, w, b, like):
    scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    shift = norm.beta.numpy() - norm.moving_mean.numpy() * scale
    return flat(scale, like)[0][:, np.newaxis] * w, b + flat(shift, like)[0] @ w, scale * like + shift


@pytest.mark.parametrize("rule", ["z_box", "w_square", "gamma"])
def test_normalisation_folded_into_the_first_layer(x, rule):
    """The layer then works on the model's input itself, with its box."""
    model = net(layers.BatchNormalization(), layers.Dropout(0.3))
    _, _, a = folded(model, model.layers[0], np.zeros((x[0].size, 1)), 0.0, x)
    w, b, R = matrix_and_start(model, a)
    w, b, _ = folded(model, model.layers[0], w, b, x)
    expected = {
        "z_box": (lrp.ZBox(LOW, HIGH), lambda *args: dense_twin.z_box(*args, flat(LOW, x), flat(HIGH, x))),
        "w_square": (lrp.WSquare(), dense_twin.w_square),
        "gamma": (lrp.Gamma(), dense_twin.gamma),
    }[rule]
    assert_near(relevance_of(model, expected[0], x), expected[1](w, b, flat(x, x), R))


@pytest.mark.parametrize("name", ["flat", "w_square", "z_box"])
def test_explicit_padding_is_as_the_layer_s_own(x, name):
    rule = {"flat": lrp.Flat(), "w_square": lrp.WSquare(), "z_box": lrp.ZBox(LOW, HIGH)}[name]
    padded, same = net(layers.ZeroPadding2D(1)), net(padding="same")
    same.set_weights(padded.get_weights())
    expected = relevance_of(same, rule, x)
    assert_near(relevance_of(padded, rule, x), expected)
    ledger = kerasxai.explainers.LRP(padded, rules={"first": rule, "*": lrp.Zero()}).ledger(x, target=TARGETS)
    np.testing.assert_array_equal(ledger.values["padding"], 0)
    assert ledger.residual.max() <= 1e-5


def test_flat_sees_no_values():
    model = net(padding="same")
    relevance = relevance_of(model, lrp.Flat(), np.zeros((3, *IMAGE), "float32"))
    assert (np.ptp(relevance, axis=-1) < 1e-6).all() and np.ptp(relevance) > 0.01


def test_first_is_every_layer_the_input_reaches_without_another():
    image, numbers = keras.Input(IMAGE), keras.Input((4,))
    left, right = layers.Conv2D(2, 3, name="left"), layers.Conv2D(2, 3, padding="same", name="right")
    side, head = layers.Dense(3, name="side"), layers.Dense(3, name="head")
    pooled = [layers.GlobalAveragePooling2D()(branch(layers.Rescaling(2.0)(image))) for branch in (left, right)]
    model = keras.Model([image, numbers], head(layers.Concatenate()([*pooled, side(numbers)])))
    explainer = kerasxai.explainers.LRP(model, rules={"first": lrp.Flat(), "*": lrp.Epsilon()})
    assert {node.path for node in explainer.plan.first} == {"left", "right", "side"}


def test_box_of_features_without_positions_is_of_all_of_them():
    """A box around each single value would leave nothing to share out."""
    model = randomise(keras.Sequential([keras.Input((6,)), layers.Dense(4, name="explained"), layers.Dense(3)]))
    x = images(3, (6,)) - np.float32(0.5)
    w, b, R = matrix_and_start(model, x)
    expected = dense_twin.z_box(w, b, flat(x, x), R, flat(x.min(1, keepdims=True), x), flat(x.max(1, keepdims=True), x))
    assert_near(relevance_of(model, lrp.ZBox(), x), expected)
