"""The one warning about pixels 0..255 that a net was not trained on; nets and data that give no reason get none."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import kerasxai


@pytest.fixture(scope="module")
def digits():
    """Pixels 0..255 in whole numbers, and labels."""
    data = load_digits()
    return np.rint(data.images * (255 / 16)).astype("float32")[..., None], data.target


SCALES = {"0-1": lambda x: x / 255, "-1-1": lambda x: x / 127.5 - 1, "none": lambda x: x}


def trained(digits, on, *first, units=10, activation="softmax", epochs=4):
    keras.utils.set_random_seed(0)
    pixels, labels = digits
    model = keras.Sequential([keras.Input((8, 8, 1)), *first])
    model.add(layers.Conv2D(16, 3, activation="relu"))
    model.add(layers.Flatten())
    model.add(layers.Dense(units, activation=activation))
    loss = "sparse_categorical_crossentropy" if units == 10 else "binary_crossentropy"
    model.compile(keras.optimizers.Adam(3e-3), loss)
    model.fit(SCALES[on](pixels), labels if units == 10 else labels > 4, epochs=epochs, verbose=0)
    return model


def said(model, x, method="gradient"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kerasxai.explain(model, x, method)
    return [str(one.message) for one in caught if "divided by 255" in str(one.message)]


@pytest.mark.slow
@pytest.mark.parametrize("on", ["0-1", "-1-1"])
@pytest.mark.parametrize("count", [1, 12])
def test_warned_once_of_pixels_a_net_was_not_trained_on(on, count, digits):
    model = trained(digits, on)
    (message,) = said(model, digits[0][:count])
    assert "holds values up to 2" in message and "0..1 or -1..1" in message and "load_images" in message
    assert said(model, digits[0][:count].astype("uint8")) == []  # said before


@pytest.mark.slow
def test_bytes_and_one_sigmoid_unit(digits):
    model = trained(digits, "0-1", units=1, activation="sigmoid", epochs=8)
    assert len(said(model, digits[0][:8].astype("uint8"), "occlusion")) == 1


QUIET = {
    "trained on pixels": lambda digits: trained(digits, "none"),
    "rescaled inside": lambda digits: trained(digits, "none", layers.Rescaling(1 / 255)),
    "batch normalization first": lambda digits: trained(digits, "none", layers.BatchNormalization()),
    "untrained": lambda digits: trained(digits, "none", epochs=0),
    "linear outputs": lambda digits: trained(digits, "none", units=4, activation=None, epochs=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 12])
@pytest.mark.parametrize("kind", QUIET)
def test_nothing_is_said_without_evidence(kind, count, digits):
    assert said(QUIET[kind](digits), digits[0][:count]) == []


@pytest.mark.slow
def test_several_methods_warn_once(digits):
    assert len(said(trained(digits, "0-1"), digits[0][:12], ["grad_cam", "layer_cam", "gradient"])) == 1


@pytest.mark.slow
def test_nothing_is_said_of_other_values(digits):
    model = trained(digits, "0-1")
    pixels = digits[0][:12]
    for x in (pixels / 255, pixels / 127.5 - 1, pixels - 100, np.rint(pixels / 255), pixels * 2):
        assert said(model, x) == []
    assert len(said(model, pixels * 0.99)) == 1  # resized ones are no whole numbers


def test_nothing_is_said_of_signals():
    model = keras.Sequential([keras.Input((12, 1)), layers.Conv1D(4, 3), layers.Flatten(), layers.Dense(3, "softmax")])
    assert said(model, np.random.default_rng(0).integers(0, 256, size=(4, 12, 1)).astype("float32")) == []


@pytest.mark.slow
def test_a_real_net(hmt_model, hmt_images):
    keras.backend.clear_session()
    images = hmt_images(1)
    assert said(hmt_model, images) == []
    assert len(said(hmt_model, np.rint(images * 255))) == 1
