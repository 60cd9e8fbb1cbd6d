"""Class activation maps that run the model many times, Score-CAM and Smooth Grad-CAM++, against NumPy loops."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.explainers.cam_formulas import grad_cam_plus_plus, naive_score_cam
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images

CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def model():
    return conv_net()


@pytest.fixture(scope="module")
def x():
    return images(3, (8, 10, 3))


# Score-CAM ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["middle", "late"])
def test_score_cam(layer, model, x):
    A = truth.activations(model, layer, x)
    maps = kerasxai.explain(model, x, "score_cam", target=CLASSES, layer=layer, upsample=False, relu=False)
    assert_same(maps, naive_score_cam(model, x, A, CLASSES))


def test_score_cam_of_the_most_varying_channels(model, x):
    """Which channels vary most differs between samples."""
    x = 3 * x * np.eye(3, dtype="float32")[:, np.newaxis, np.newaxis]  # each sample in a colour of its own
    A = truth.activations(model, "late", x)
    order = np.argsort(-A.var(axis=(1, 2)), axis=1)[:, :3]
    assert len({tuple(sorted(row)) for row in order}) > 1
    kept = np.stack([one[..., channels] for one, channels in zip(A, order)])
    options = {"target": CLASSES, "layer": "late", "upsample": False, "relu": False}
    maps = kerasxai.explain(model, x, "score_cam", max_channels=3, **options)
    assert_same(maps, naive_score_cam(model, x, kept, CLASSES))


def test_score_cam_survives_a_dead_channel():
    """A constant channel masks everything out; its weight is that of the score at 0."""
    model = keras.Sequential(
        [
            keras.Input((2, 3, 1)),
            layers.Conv2D(2, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    dense = np.zeros((12, 1))
    dense[::2] = 0.1
    model.set_weights([np.array([[[[1.0, -1.0]]]]), np.zeros(2), dense, np.zeros(1)])
    x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    mask = (x - 1) / 5
    weight = 1 / (1 + np.exp(-0.1 * (x * mask).sum()))
    assert_same(kerasxai.explain(model, x, "score_cam"), weight * x[..., 0])


def test_score_cam_masks_everything_with_a_constant_channel():
    """The channel has the value 0.7 everywhere, up to rounding once it is resized from 3x3 to 7x7."""
    convolution = layers.Conv2D(2, 3, strides=2, padding="valid")
    model = keras.Sequential([keras.Input((7, 7, 1)), convolution, layers.Flatten(), layers.Dense(1)])
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1, 0, 0] = 1.0
    dense = np.zeros((18, 1))
    dense[::2] = 1.0
    model.set_weights([kernel, np.array([0.0, 0.7]), dense, np.zeros(1)])
    x = images(2, (7, 7, 1))
    A = x[:, 1::2, 1::2, 0]
    mask = truth.min_max(truth.resized(A, (7, 7)))
    scores = (x[..., 0] * mask)[:, 1::2, 1::2].sum(axis=(1, 2))
    weight = (1 / (1 + np.exp(-scores))).reshape(2, 1, 1)
    expected = weight * A + (1 - weight) * 0.7
    assert_same(kerasxai.explain(model, x, "score_cam", upsample=False), expected)


# Smooth Grad-CAM++ ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["middle", "late"])
def test_smooth_grad_cam_plus_plus(layer, model, x):
    gradients = []
    for draw in range(5):
        _, G = truth.activations_and_gradients(model, layer, truth.noisy(x, 0.2, 7, draw), CLASSES)
        gradients.append(G)
    G1, G2, G3 = (np.mean(np.power(gradients, power), axis=0) for power in (1, 2, 3))
    A, _ = truth.activations_and_gradients(model, layer, x, CLASSES)
    options = {"layer": layer, "upsample": False, "relu": False, "n_samples": 5, "noise_level": 0.2, "seed": 7}
    maps = kerasxai.explain(model, x, "smooth_grad_cam_plus_plus", target=CLASSES, **options)
    assert_same(maps, grad_cam_plus_plus(A, G1, G2, G3))


def test_smooth_grad_cam_plus_plus_defaults_are_those_of_smooth_grad(model):
    explainer = kerasxai.explainers.SmoothGradCAMPlusPlus(model)
    assert (explainer.n_samples, explainer.noise_level) == (50, 0.15)


def test_smooth_grad_cam_plus_plus_fixes_the_predicted_class_before_the_noise(model, x):
    """With noise this loud most draws are predicted otherwise than the clean sample."""
    predicted = truth.predictions(model, x).argmax(axis=1)
    drawn = [truth.predictions(model, truth.noisy(x, 5.0, 0, draw)).argmax(axis=1) for draw in range(4)]
    assert (drawn != predicted).any()
    explainer = kerasxai.explainers.SmoothGradCAMPlusPlus(model, n_samples=4, noise_level=5.0, relu=False)
    np.testing.assert_allclose(explainer(x), explainer(x, target=predicted), rtol=1e-5, atol=1e-7)
