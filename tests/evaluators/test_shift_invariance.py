"""Shift invariance: what the twin is, methods known to be invariant or not, and distances by hand."""

import keras
import numpy as np
import pytest

from kerasxai import explain
from kerasxai.evaluators import InputShiftInvariance
from kerasxai.explainers import IntegratedGradients
from tests.support import nets

layers = keras.layers
X = np.random.default_rng(1).normal(size=(6, 9, 7, 2)).astype("float32")
SHIFTS = [1.5, (0.5, -2.0)]


def net(padding="valid", first=None, **options):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((9, 7, 2)),
            *(first or [layers.Conv2D(4, 3, padding=padding, activation="relu", name="first", **options)]),
            layers.Conv2D(5, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return nets.randomise(model)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = net()
        self.build((None, 9, 7, 2))

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_gradient_is_invariant(shift):
    found = InputShiftInvariance(shift)(net(), X, explainer="gradient")
    assert np.abs(found["input_shift_invariance"]).max() < 1e-4


@pytest.mark.parametrize("shift", SHIFTS)
def test_gradient_x_input_moves_by_gradient_x_shift(shift):
    model = net()
    gradient = explain(model, X, method="gradient").reshape(6, -1).astype(np.float64)
    moved = gradient * np.broadcast_to(shift, X.shape).reshape(6, -1)
    expected = np.linalg.norm(moved, axis=1) / np.linalg.norm(gradient * X.reshape(6, -1), axis=1)
    found = InputShiftInvariance(shift, batch_size=4)(model, X, explainer="gradient_x_input")
    np.testing.assert_allclose(found["input_shift_invariance"], expected, rtol=1e-3)
    assert expected.min() > 0.1


def test_integrated_gradients_from_zero_are_not_invariant():
    model = net()
    found = InputShiftInvariance(2.0)(model, X, explainer=IntegratedGradients(model, steps=8))
    assert found["input_shift_invariance"].min() > 0.01


def test_flattened_input_of_a_linear_net_by_hand():
    model = keras.Sequential([keras.Input((5, 1)), layers.Flatten(), layers.Dense(2)])
    weights = np.array([[1, -1], [2, 0], [0, 3], [-1, 1], [0.5, 0]], "float32")
    model.set_weights([weights, np.array([0.25, -0.5], "float32")])
    x = np.array([[[1.0], [2], [3], [4], [5]]], "float32")
    found = InputShiftInvariance(2.0)(model, x, target=0, explainer="gradient_x_input")
    moved, size = np.linalg.norm(2 * weights[:, 0]), np.linalg.norm(weights[:, 0] * x[0, :, 0])
    np.testing.assert_allclose(found["input_shift_invariance"], [moved / size], rtol=1e-5)


@pytest.mark.parametrize("method", ["grad_cam", "guided_backprop", "layer_cam"])
def test_methods_that_read_no_input_values_are_invariant(method):
    found = InputShiftInvariance(0.5)(net(), X, explainer=method)
    assert np.nanmax(found["input_shift_invariance"]) < 1e-3


def test_lrp_is_explained_under_the_twins_bias():
    found = InputShiftInvariance(1.0)(net(), X, explainer={"method": "lrp", "rules": "epsilon"})
    assert found["input_shift_invariance"].min() > 0.01


def test_one_trace_and_the_model_as_it_was():
    model, evaluator = net(), InputShiftInvariance()
    explainer = IntegratedGradients(model, steps=2, batch_size=4)
    before = [weight.numpy().copy() for weight in model.weights]
    first = evaluator(model, X, explainer=explainer)
    again = evaluator(model, X[4:5], explainer=explainer)
    assert evaluator._reweighted.trace_count == 1
    np.testing.assert_allclose(again["input_shift_invariance"], first["input_shift_invariance"][4:5], rtol=1e-3)
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda: net("same"), "must not pad"),
        (lambda: net(first=[layers.Conv2DTranspose(4, 3)]), "a transposed one always"),
        (lambda: net(use_bias=False), "linear with a bias"),
        (lambda: net(first=[layers.ZeroPadding2D(), layers.Conv2D(4, 3)]), "linear with a bias"),
        (lambda: nets.build("residual"), "must not pad"),
        (lambda: Subclassed(), "Sequential or functional"),
    ],
)
def test_refuses_models_without_a_first_bias_that_absorbs(model, message):
    model = model()
    x = X if getattr(model, "input_shape", None) == (None, 9, 7, 2) else nets.normals(2)
    with pytest.raises(ValueError, match=message):
        InputShiftInvariance()(model, x, explainer="gradient")


@pytest.mark.parametrize(
    "first", [layers.Rescaling(0.5), layers.BatchNormalization(), layers.ReLU(), layers.AveragePooling2D(2)]
)
def test_refuses_a_first_layer_that_is_not_linear_with_a_bias(first):
    with pytest.raises(ValueError, match=f"linear with a bias.*{type(first).__name__}"):
        InputShiftInvariance()(net(first=[first, layers.Conv2D(4, 3)]), X, explainer="gradient")


def test_refuses_a_twin_that_does_not_give_what_the_model_gives():
    with pytest.raises(ValueError, match=r"twin model does not give.*too large for its precision.*1000000000"):
        InputShiftInvariance(1e9)(net(), X, explainer="gradient")


def test_a_kernel_of_one_position_may_pad():
    model = net(first=[layers.Conv2D(4, 1, padding="same", activation="relu")])
    assert InputShiftInvariance()(model, X, explainer="gradient")["input_shift_invariance"].max() < 1e-4


@pytest.mark.parametrize("shift", [0, np.nan, [[1.0]], "one"])
def test_refuses_shifts_that_are_none(shift):
    with pytest.raises(ValueError, match="shift"):
        InputShiftInvariance(shift)


def test_refuses_a_shift_for_other_channels():
    with pytest.raises(ValueError, match="one per channel, 2"):
        InputShiftInvariance((1.0, 2.0, 3.0))(net(), X, explainer="gradient")
