"""BlurIG against scipy's blurs in a loop, the path's integral, and models that have a closed form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy.ndimage import gaussian_filter

import kerasxai
from kerasxai.explainers import BlurIG
from tests.support import nets, truth
from tests.support.truth import assert_same, images

CLASSES = np.array([0, 3, 1])
SHAPE = (8, 10, 3)


@pytest.fixture(scope="module")
def x():
    return images(3, SHAPE)


@pytest.fixture(scope="module")
def model():
    return truth.conv_net()


@pytest.fixture(scope="module")
def linear_model():
    return truth.randomise(keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(4)]), seed=2)


@pytest.fixture(scope="module")
def tanh_model():
    net = [keras.Input(SHAPE), layers.Conv2D(4, 3, activation="tanh"), layers.Flatten(), layers.Dense(4)]
    return truth.randomise(keras.Sequential(net), seed=1)


def blurred(x, sigma):
    return gaussian_filter(x.astype("float64"), [0, *[sigma] * (x.ndim - 2), 0], mode="reflect", truncate=12)


def naive_blur_ig(model, x, classes, max_sigma, steps):
    """Steps of one ratio from 0.2 on, the first one from no blur at all."""
    total = 0.0
    for step in range(steps):
        low, high = (0.2 * (max_sigma / 0.2) ** (place / steps) for place in (step, step + 1))
        gradient = truth.input_gradients(model, np.float32(blurred(x, np.sqrt(low * high))), classes)
        total = total + gradient * ((blurred(x, low) if step else x) - blurred(x, high))
    return total


@pytest.mark.parametrize("batch_size", [2, 32])
def test_equals_the_naive_sum_over_the_blurs_of_scipy(batch_size, model, x):
    expected = naive_blur_ig(model, x, CLASSES, 6.0, 7)
    maps = BlurIG(model, max_sigma=6.0, steps=7, batch_size=batch_size)(x, target=CLASSES)
    assert maps.dtype == np.float32
    assert_same(maps, expected)


def test_defaults(tanh_model, x):
    """On a net without pooling, which has to choose among values that a wide blur has made equal."""
    assert_same(BlurIG(tanh_model)(x, target=CLASSES), naive_blur_ig(tanh_model, x, CLASSES, 50.0, 50))


@pytest.mark.slow
def test_is_the_integral_of_gradient_times_change_of_the_blur(tanh_model, x):
    """The trapezoid rule over sigma, with a central difference for dL/dsigma; nothing here knows of steps."""
    sigmas = np.geomspace(0.1, 20.0, 250)
    shares = []
    for sigma in sigmas:
        slope = (blurred(x, 1.001 * sigma) - blurred(x, 0.999 * sigma)) / (0.002 * sigma)
        shares.append(-slope * truth.input_gradients(tanh_model, np.float32(blurred(x, sigma)), CLASSES))
    expected = np.trapezoid(shares, sigmas, axis=0)
    maps = BlurIG(tanh_model, max_sigma=20.0, steps=200, batch_size=128)(x, target=CLASSES)
    np.testing.assert_allclose(maps, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("steps", [1, 6])
def test_linear_model_is_exact_with_any_number_of_steps(steps, linear_model, x):
    weights = linear_model.layers[-1].kernel.numpy().T[CLASSES].reshape(-1, *SHAPE)
    maps = BlurIG(linear_model, max_sigma=9.0, steps=steps)(x, target=CLASSES)
    assert_same(maps, weights * (x - blurred(x, 9.0)))


@pytest.mark.slow
def test_completeness(tanh_model, x):
    """What is missing falls with the square of the number of steps, and the residual tells it."""
    start = np.float32(blurred(x, 50.0))
    difference = truth.scores(tanh_model, x, CLASSES) - truth.scores(tanh_model, start, CLASSES)
    missing = {}
    for steps in (5, 20, 80):
        explainer = BlurIG(tanh_model, steps=steps)
        maps = explainer(x, target=CLASSES)
        expected = difference - maps.sum(axis=(1, 2, 3), dtype="float64")
        np.testing.assert_allclose(explainer.completeness_residual(x, maps, target=CLASSES), expected, atol=2e-6)
        missing[steps] = np.abs(expected).max()
    assert missing[5] > 4 * missing[20] > 16 * missing[80] > 0
    assert missing[80] < 1e-3 * np.abs(difference).max()


def test_a_constant_sample_has_nothing_to_share_out(tanh_model):
    maps = BlurIG(tanh_model, steps=3)(np.full((1, *SHAPE), 0.7, "float32"), target=0)
    np.testing.assert_allclose(maps, 0, atol=1e-6)


def test_a_signal_is_an_image_of_height_one():
    signal = [keras.Input((40, 2)), layers.Conv1D(3, 5, activation="relu"), layers.Flatten(), layers.Dense(3)]
    image = [keras.Input((1, 40, 2)), layers.Conv2D(3, (1, 5), activation="relu"), layers.Flatten(), layers.Dense(3)]
    signal, image = truth.randomise(keras.Sequential(signal)), keras.Sequential(image)
    image.set_weights([w[None] if w.ndim == 3 else w for w in signal.get_weights()])
    x = images(2, (40, 2))
    expected = naive_blur_ig(signal, x, [1, 2], 50.0, 6)
    assert_same(BlurIG(signal, steps=6)(x, target=[1, 2]), expected)
    assert_same(BlurIG(image, steps=6)(x[:, None], target=[1, 2])[:, 0], expected)


def test_several_inputs():
    """What has no positions, or is an integer, stays as it is on the path and gets zeros."""
    scan, age = keras.Input((6, 6, 2), name="scan"), keras.Input((3,), name="age")
    left, right = layers.Dense(4, activation="tanh")(layers.Flatten()(scan)), layers.Dense(4, activation="tanh")(age)
    model = truth.randomise(keras.Model([scan, age], layers.Dense(3)(layers.Multiply()([left, right]))), seed=4)
    x = [images(2, (6, 6, 2)), images(2, (3,), seed=1)]
    explainer = BlurIG(model, steps=30)
    maps, zeros = explainer(x, target=1)
    np.testing.assert_array_equal(zeros, np.zeros((2, 3)))
    difference = (model(x) - model([np.float32(blurred(x[0], 50.0)), x[1]])).numpy()[:, 1]
    assert np.abs(difference).min() > 1e-3
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), difference, rtol=0.02)
    np.testing.assert_allclose(explainer.completeness_residual(x, [maps, zeros], target=1), 0, atol=1e-3)


def test_an_input_without_positions_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match=r"samples, \*spatial, channels.*Received: inputs \(None, 4\)"):
        BlurIG(model)(np.zeros((2, 4), "float32"))


@pytest.mark.parametrize("max_sigma", [0, -1.0, 0.2, np.nan, np.inf, "wide", None])
def test_widths_that_are_no_blur_are_refused(max_sigma, model):
    with pytest.raises(ValueError, match=r"`max_sigma` must be a number above 0\.2.*Received"):
        BlurIG(model, max_sigma=max_sigma)


@pytest.mark.slow
def test_mixed_float16():
    half = nets.build("mixed_float16")
    single = keras.models.clone_model(half, clone_function=as_float32)
    single.set_weights(half.get_weights())
    x = nets.normals(2)
    maps = kerasxai.explain(half, x, "blur_ig", steps=4, target=0)
    expected = kerasxai.explain(single, x, "blur_ig", steps=4, target=0)
    assert np.isfinite(maps).all() and maps.dtype == np.float32
    # A ReLU near its kink may be on its other side in half precision, hence the norm.
    assert np.linalg.norm(maps - expected) < 0.1 * np.linalg.norm(expected)


def as_float32(layer):
    config = layer.get_config()
    if isinstance(layer, keras.Model):
        return keras.models.clone_model(layer, clone_function=as_float32)
    return type(layer).from_config({**config, "dtype": "float32"})


@pytest.mark.slow
def test_a_subclassed_model_has_the_same_attributions(model, x):
    class Subclassed(keras.Model):
        def __init__(self, inner):
            super().__init__()
            self.parts = inner.layers

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    subclassed = Subclassed(truth.clone(model))
    subclassed(tf.constant(x))
    assert_same(BlurIG(subclassed, steps=3)(x), BlurIG(model, steps=3)(x))
