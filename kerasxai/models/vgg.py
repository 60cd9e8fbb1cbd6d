"""VGG nets that Keras Applications lacks: 11 and 13 layers, and 16 with batch normalisation; untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from kerasxai.models.blocks import (
    BATCH_NORMALISATION,
    RELU_START,
    average_to,
    check_options,
    classified,
    documented,
    scaled,
)

CHANNELS = (64, 128, 256, 512, 512)  # of the blocks; each ends in a pooling
UNITS = 4096
SMALLEST = 32  # pixels
POOLED_SIDE = 7
DROPOUT = 0.5


@documented(sides=SMALLEST)
def vgg11(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "vgg11",
) -> keras.Model:
    """VGG-11 (configuration A): 132,863,336 parameters for 1,000 classes.

    As `torchvision.models.vgg11`: an input of another size is averaged to 7 x 7 positions before the dense layers, so
    that these stay the same. The last convolution is `block5_conv2`, the default of the CAMs.

    {options}

    Example:

    ```python
    model = kerasxai.models.vgg11(input_shape=(64, 64, 3), classes=10, width=0.125)
    ```

    Reference:
        Simonyan & Zisserman, 2015, https://arxiv.org/abs/1409.1556
    """
    return _build((1, 1, 2, 2, 2), False, input_shape, classes, width, classifier_activation, name)


@documented(sides=SMALLEST)
def vgg13(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "vgg13",
) -> keras.Model:
    """VGG-13 (configuration B): 133,047,848 parameters for 1,000 classes.

    As `torchvision.models.vgg13`; see `vgg11`.

    {options}

    Example:

    ```python
    model = kerasxai.models.vgg13(input_shape=(64, 64, 3), classes=10, width=0.125)
    ```

    Reference:
        Simonyan & Zisserman, 2015, https://arxiv.org/abs/1409.1556
    """
    return _build((2, 2, 2, 2, 2), False, input_shape, classes, width, classifier_activation, name)


@documented(sides=SMALLEST)
def vgg16_bn(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "vgg16_bn",
) -> keras.Model:
    """VGG-16 with a batch normalisation after every convolution: 138,365,992 trainable parameters for 1,000 classes.

    As `torchvision.models.vgg16_bn`; 8,448 moving statistics come on top. Convolution, normalisation and ReLU are
    layers of their own: `block5_conv3`, `block5_bn3`, `block5_relu3`; the last is the default of the CAMs.
    VGG-16 without is `keras.applications.VGG16`.

    {options}

    Example:

    ```python
    model = kerasxai.models.vgg16_bn(input_shape=(64, 64, 3), classes=10, width=0.125)
    ```

    Reference:
        Simonyan & Zisserman, 2015, https://arxiv.org/abs/1409.1556;
        Ioffe & Szegedy, 2015, https://arxiv.org/abs/1502.03167
    """
    return _build((2, 2, 3, 3, 3), True, input_shape, classes, width, classifier_activation, name)


def _build(depths, is_normalised, input_shape, classes, width, classifier_activation, name):
    check_options(input_shape, classes, width, SMALLEST)
    convolve = _normalised_convolution if is_normalised else _convolution
    inputs = x = keras.Input(input_shape, name="input")
    for block, (depth, channels) in enumerate(zip(depths, CHANNELS), start=1):
        for index in range(1, depth + 1):
            x = convolve(x, scaled(channels, width), block, index)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = average_to(x, POOLED_SIDE, name="avgpool")
    x = layers.Flatten(name="flatten")(x)
    for index in (1, 2):
        x = layers.Dense(scaled(UNITS, width), name=f"fc{index}", **RELU_START)(x)
        x = layers.Dropout(DROPOUT, name=f"dropout{index}")(x)
    return classified(inputs, x, classes, classifier_activation, name)


def _convolution(x, channels, block, index):
    return layers.Conv2D(channels, 3, padding="same", name=f"block{block}_conv{index}", **RELU_START)(x)


def _normalised_convolution(x, channels, block, index):
    options = {**RELU_START, "activation": None}
    x = layers.Conv2D(channels, 3, padding="same", name=f"block{block}_conv{index}", **options)(x)
    x = layers.BatchNormalization(name=f"block{block}_bn{index}", **BATCH_NORMALISATION)(x)
    return layers.ReLU(name=f"block{block}_relu{index}")(x)
