"""Saved models, and pictures in folders of their classes."""

import keras
import numpy as np
import pytest
from PIL import Image

layers = keras.layers
CLASSES = ("cat", "dog", "cow")


@pytest.fixture
def image_model(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((16, 20, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "net.keras")
    return model


@pytest.fixture
def signal_model(tmp_path):
    model = keras.Sequential(
        [keras.Input((12, 1)), layers.Conv1D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
    )
    model.save(tmp_path / "signal.keras")
    return model


@pytest.fixture
def pictures(tmp_path):
    """Two images in each of three class sub-folders, of the model's size; returns their pixels in name order."""
    random = np.random.default_rng(0)
    pixels = {}
    for folder in sorted(CLASSES):
        (tmp_path / "images" / folder).mkdir(parents=True)
        for index in range(2):
            values = random.integers(0, 256, size=(16, 20, 3), dtype="uint8")
            Image.fromarray(values).save(tmp_path / "images" / folder / f"{index} a#.png")
            pixels[f"{folder}__{index} a#.png"] = values
    return pixels


@pytest.fixture
def any_size(tmp_path):
    inputs = keras.Input((None, None, 3))
    x = layers.MaxPooling2D(4)(layers.Conv2D(4, 3, activation="relu")(inputs))
    x = layers.Conv2D(4, 3)(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.save(tmp_path / "any.keras")
    return model
