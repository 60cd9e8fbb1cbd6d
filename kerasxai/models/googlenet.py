"""GoogLeNet (Inception v1), untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from kerasxai.models.blocks import (
    BATCH_NORMALISATION,
    check_options,
    classified,
    documented,
    pool_rounding_up,
    scaled,
)

# Channels of an inception module: the 1x1 branch, the two 3x3 branches as (reduced, convolved), the pooled branch.
MODULES = {
    "3a": (64, (96, 128), (16, 32), 32),
    "3b": (128, (128, 192), (32, 96), 64),
    "4a": (192, (96, 208), (16, 48), 64),
    "4b": (160, (112, 224), (24, 64), 64),
    "4c": (128, (128, 256), (24, 64), 64),
    "4d": (112, (144, 288), (32, 64), 64),
    "4e": (256, (160, 320), (32, 128), 128),
    "5a": (256, (160, 320), (32, 128), 128),
    "5b": (384, (192, 384), (48, 128), 128),
}
POOLED_AFTER = {"3b": ("pool3", 3), "4e": ("pool4", 2)}
SMALLEST = 15  # pixels
DROPOUT = 0.2
EPSILON = 1e-3  # of the normalisations


@documented(sides=SMALLEST, width="Factor of the numbers of channels, not of the classes.")
def googlenet(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "googlenet",
) -> keras.Model:
    """GoogLeNet, also called Inception v1: 6,624,904 trainable parameters for 1,000 classes.

    As `torchvision.models.googlenet` without its auxiliary classifiers, which only help training; 14,560 moving
    statistics come on top. Unlike the net of the paper it has a batch normalisation after every convolution instead
    of a bias, no local response normalisation, and 3 x 3 convolutions where the paper has 5 x 5. Its poolings round
    up. `inception5b_concat` is the last feature layer, the default of the CAMs.

    {options}

    Example:

    ```python
    model = kerasxai.models.googlenet(input_shape=(64, 64, 3), classes=10, width=0.25)
    ```

    Reference:
        Szegedy et al., 2015, https://arxiv.org/abs/1409.4842
    """
    check_options(input_shape, classes, width, SMALLEST)
    inputs = keras.Input(input_shape, name="input")
    x = layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = _convolution(x, scaled(64, width), 7, "conv1", strides=2)
    x = pool_rounding_up(x, 3, name="pool1")
    x = _convolution(x, scaled(64, width), 1, "conv2")
    x = _convolution(x, scaled(192, width), 3, "conv3", padding="same")
    x = pool_rounding_up(x, 3, name="pool2")
    for module, channels in MODULES.items():
        x = _inception(x, channels, width, f"inception{module}")
        if module in POOLED_AFTER:
            pooling, size = POOLED_AFTER[module]
            x = pool_rounding_up(x, size, name=pooling)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    x = layers.Dropout(DROPOUT, name="dropout")(x)
    return classified(inputs, x, classes, classifier_activation, name)


def _inception(x, channels, width, prefix):
    single, *convolved, pooled = channels
    branches = [_convolution(x, scaled(single, width), 1, f"{prefix}_branch1")]
    for number, (reduced, made) in enumerate(convolved, start=2):
        branch = _convolution(x, scaled(reduced, width), 1, f"{prefix}_branch{number}_reduce")
        branches.append(_convolution(branch, scaled(made, width), 3, f"{prefix}_branch{number}", padding="same"))
    branch = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{prefix}_pool")(x)
    branches.append(_convolution(branch, scaled(pooled, width), 1, f"{prefix}_branch4"))
    return layers.Concatenate(name=f"{prefix}_concat")(branches)


def _convolution(x, channels, size, name, **options):
    """Convolution without a bias, normalisation and ReLU."""
    convolve = layers.Conv2D(channels, size, use_bias=False, kernel_initializer="he_normal", name=name, **options)
    x = layers.BatchNormalization(name=f"{name}_bn", **{**BATCH_NORMALISATION, "epsilon": EPSILON})(convolve(x))
    return layers.ReLU(name=f"{name}_relu")(x)
