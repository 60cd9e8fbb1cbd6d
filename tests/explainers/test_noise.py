"""The SmoothGrad family against NumPy over the same draws, made here from (seed, draw) as documented."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images

CLASSES = np.array([0, 3, 1])
SHAPE = (8, 10, 3)
DRAWS, LEVEL, SEED = 7, 0.3, 11
OPTIONS = {"n_samples": DRAWS, "noise_level": LEVEL, "seed": SEED}


@pytest.fixture(scope="module")
def x():
    """Samples of different ranges: 1, 0.1 and 20, the last with negative values."""
    return images(3, SHAPE) * np.float32([1, 0.1, 20]).reshape(3, 1, 1, 1) - np.float32([0, 0, 10]).reshape(3, 1, 1, 1)


@pytest.fixture(scope="module")
def model():
    return conv_net()


@pytest.fixture(scope="module")
def gradients(model, x):
    """The gradients of all draws, `(draws, samples, *shape)`."""
    noisy = [truth.noisy(x, LEVEL, SEED, draw) for draw in range(DRAWS)]
    return np.stack([truth.input_gradients(model, one, CLASSES) for one in noisy])


STATISTICS = {
    "smooth_grad": lambda draws: draws.mean(axis=0),
    "smooth_grad_squared": lambda draws: (draws**2).mean(axis=0),
    "var_grad": lambda draws: draws.var(axis=0),
    "noise_percentiles": lambda draws: np.moveaxis(np.percentile(draws, [5, 25, 50, 75, 95], axis=0), 0, 1),
}


@pytest.mark.sweep
@pytest.mark.parametrize("method", STATISTICS)
@pytest.mark.parametrize("batch_size", [6, 32])
def test_statistic_over_the_draws(method, batch_size, model, x, gradients):
    """Two draws at a time (the last chunk is short), and all at once."""
    maps = kerasxai.explain(model, x, method, target=CLASSES, batch_size=batch_size, **OPTIONS)
    assert_same(maps, STATISTICS[method](gradients), rtol=1e-3)


def test_percentiles_asked_for(model, x, gradients):
    maps = kerasxai.explain(model, x, "noise_percentiles", target=CLASSES, percentiles=(0, 10.5, 100), **OPTIONS)
    assert maps.shape == (3, 3, *SHAPE)
    assert_same(maps, np.moveaxis(np.percentile(gradients, [0, 10.5, 100], axis=0), 0, 1), rtol=1e-3)


def test_defaults(model):
    explainer = kerasxai.explainers.SmoothGrad(model)
    assert (explainer.n_samples, explainer.noise_level, explainer.explainer.name) == (50, 0.15, "gradient")


def test_noise_has_the_asked_share_of_each_samples_range():
    """For S = sum x^2 / 2 the gradient is the noisy input itself, so its deviation over draws is that of the noise."""
    inputs = keras.Input((6, 6, 1))
    squares = layers.Multiply()([inputs, inputs])
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(squares)))
    x = np.stack([np.linspace(low, high, 36).reshape(6, 6, 1) for low, high in [(0, 1), (-5, 5), (100, 102)]])
    options = {"n_samples": 400, "noise_level": 0.15, "batch_size": 300}
    variance = kerasxai.explain(model, x, "var_grad", **options)
    deviation = np.sqrt(variance.mean(axis=(1, 2, 3))) / 2
    np.testing.assert_allclose(deviation, [0.15, 1.5, 0.3], rtol=0.03)


@pytest.mark.slow
def test_without_noise_smooth_grad_is_the_gradient(model, x):
    maps = kerasxai.explain(model, x, "smooth_grad", target=CLASSES, n_samples=3, noise_level=0)
    assert_same(maps, truth.input_gradients(model, x, CLASSES))
    variance = kerasxai.explain(model, x, "var_grad", target=CLASSES, n_samples=3, noise_level=0)
    np.testing.assert_allclose(variance, 0, atol=1e-12)


def test_variance_of_large_equal_gradients_keeps_its_digits():
    """S = 1000 sum x + sum x^2 / 2: a mean square minus a squared mean would drown 0.01 in the rounding of 10^6."""
    inputs = keras.Input((4, 4, 1))
    squares = layers.Multiply()([inputs, inputs])
    both = layers.Concatenate()([layers.Flatten()(inputs), layers.Flatten()(squares)])
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(both))
    model.set_weights([np.r_[np.full(16, 1000.0), np.full(16, 0.5)].reshape(32, 1)])
    x = np.linspace(0, 1, 16).reshape(1, 4, 4, 1).astype("float32")
    draws = np.stack([truth.noisy(x, 0.1, 0, draw) for draw in range(20)])
    maps = kerasxai.explain(model, x, "var_grad", n_samples=20, noise_level=0.1)
    assert_same(maps, draws.var(axis=0), rtol=0.02)


@pytest.mark.slow
def test_seeds_draw_different_noise(model, x):
    maps = [kerasxai.explain(model, x, "smooth_grad", target=1, n_samples=2, seed=seed) for seed in (0, 1, 0)]
    assert np.abs(maps[0] - maps[1]).max() > 1e-3
    np.testing.assert_array_equal(maps[0], maps[2])


def test_the_class_predicted_for_the_clean_sample_is_explained(model, x):
    predicted = truth.predictions(model, x).argmax(axis=1)
    noisy = [truth.noisy(x, 5.0, SEED, draw) for draw in range(3)]
    assert any((truth.predictions(model, one).argmax(axis=1) != predicted).any() for one in noisy)
    expected = np.mean([truth.input_gradients(model, one, predicted) for one in noisy], axis=0)
    maps = kerasxai.explain(model, x, "smooth_grad", n_samples=3, noise_level=5.0, seed=SEED)
    assert_same(maps, expected)


@pytest.mark.slow
def test_around_integrated_gradients(model, x):
    """Each draw is explained with its own path, from the baseline to the noisy input."""
    positions, weights = np.polynomial.legendre.leggauss(3)
    maps = []
    for draw in range(4):
        noisy = truth.noisy(x, LEVEL, SEED, draw)
        path = [
            weight / 2 * truth.input_gradients(model, np.float32((position + 1) / 2 * noisy), CLASSES)
            for position, weight in zip(positions, weights)
        ]
        maps.append(noisy * sum(path))
    explainer = kerasxai.explainers.SmoothGrad(
        model, {"method": "integrated_gradients", "steps": 3}, n_samples=4, noise_level=LEVEL, seed=SEED
    )
    assert_same(explainer(x, target=CLASSES), np.mean(maps, axis=0), rtol=1e-3)


def cam_of(model, x):
    A, G = truth.activations_and_gradients(model, "late", x, CLASSES)
    cam = (G.mean(axis=(1, 2), keepdims=True) * A).sum(axis=-1)
    return truth.resized(np.maximum(cam, 0), SHAPE[:2])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["smooth_grad", "var_grad", "noise_percentiles"])
def test_around_a_cam(method, model, x):
    """Each map is rectified and resized before the statistic."""
    draws = np.stack([cam_of(model, truth.noisy(x, LEVEL, SEED, draw)) for draw in range(DRAWS)])
    maps = kerasxai.explain(model, x, method, target=CLASSES, explainer="grad_cam", **OPTIONS)
    assert_same(maps, STATISTICS[method](draws), rtol=1e-3)


def test_around_a_cam_of_several_layers(model, x):
    explainer = kerasxai.explainers.GradCAM(model, layer=["early", "late"])
    maps = kerasxai.explainers.SmoothGrad(model, explainer, **OPTIONS)(x, target=CLASSES)
    draws = [cam_of(model, truth.noisy(x, LEVEL, SEED, draw)) for draw in range(DRAWS)]
    assert list(maps) == ["early", "late"]
    assert_same(maps["late"], np.mean(draws, axis=0), rtol=1e-3)


def test_around_guided_backprop(x):
    """One convolution with ReLU: the guided gradient is W^T (g 1[g > 0] 1[z > 0])."""
    model = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(4, 3, activation="relu"), layers.Flatten()])
    model.add(layers.Dense(4))
    truth.randomise(model)
    convolution = truth.clone(model).layers[0]
    convolution.activation = keras.activations.linear
    upper = model.layers[-1].kernel.numpy().T[CLASSES].reshape(3, 6, 8, 4)
    draws = []
    for draw in range(4):
        noisy = tf.constant(truth.noisy(x, LEVEL, SEED, draw))
        with tf.GradientTape() as tape:
            tape.watch(noisy)
            z = convolution(noisy)
        draws.append(tape.gradient(z, noisy, np.maximum(upper, 0) * (z.numpy() > 0)).numpy())
    maps = kerasxai.explain(
        model, x, "smooth_grad", target=CLASSES, explainer="guided_backprop", **{**OPTIONS, "n_samples": 4}
    )
    assert_same(maps, np.mean(draws, axis=0))


@pytest.mark.slow
def test_noise_around_noise(model, x):
    """A smoothed explainer may be smoothed again; both draw from their own seed."""
    inner = kerasxai.explainers.SmoothGrad(model, n_samples=2, noise_level=0.1, seed=1)
    maps = kerasxai.explainers.VarGrad(model, inner, n_samples=3, noise_level=0.2, seed=2)(x, target=CLASSES)
    draws = []
    for draw in range(3):
        outer = np.float32(truth.noisy(x, 0.2, 2, draw))
        noisy = [truth.noisy(outer, 0.1, 1, again) for again in range(2)]
        draws.append(np.mean([truth.input_gradients(model, one, CLASSES) for one in noisy], axis=0))
    assert_same(maps, np.var(draws, axis=0), rtol=1e-3)


def test_every_input_has_noise_of_its_own():
    """Streams 0 and 1 of one draw; S = sum a b has the gradients b and a."""
    a, b = keras.Input((3, 4), name="a"), keras.Input((3, 4), name="b")
    outputs = layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(layers.Multiply()([a, b])))
    model = keras.Model([a, b], outputs)
    x = [images(2, (3, 4)), 10 * images(2, (3, 4), seed=1)]
    maps = kerasxai.explain(model, x, "smooth_grad", n_samples=3, noise_level=0.5, seed=6)
    for index in range(2):
        other = 1 - index
        draws = [truth.noisy(x[other], 0.5, 6, draw, stream=other) for draw in range(3)]
        assert_same(maps[index], np.mean(draws, axis=0))


def test_score_is_that_of_the_smoothed_explainer(x):
    model = conv_net(head="softmax")
    expected = np.mean(
        [truth.input_gradients(model, truth.noisy(x, 0.1, 0, draw), CLASSES) for draw in range(2)], axis=0
    )
    maps = kerasxai.explain(model, x, "smooth_grad", target=CLASSES, score="probability", n_samples=2, noise_level=0.1)
    assert_same(maps, expected)
