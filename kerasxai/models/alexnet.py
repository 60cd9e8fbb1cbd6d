"""AlexNet, in the one-column form of torchvision, and its wide relative for 64 x 64 images; untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from kerasxai.models.blocks import RELU_START, average_to, check_options, classified, documented, scaled

SMALLEST = 63  # pixels
POOLED_SIDE = 6
DROPOUT = 0.5


@documented(sides=SMALLEST)
def alexnet(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "alexnet",
) -> keras.Model:
    """AlexNet without its split over two graphics cards: 61,100,840 parameters for 1,000 classes.

    Layers and paddings are those of `torchvision.models.alexnet`: an input of another size is averaged to 6 x 6
    positions before the dense layers, so that these stay the same. `layer="conv5"` is its last convolution, the
    default of the CAMs.

    {options}

    Example:

    ```python
    model = kerasxai.models.alexnet(input_shape=(96, 96, 3), classes=10, width=0.125)
    ```

    Reference:
        Krizhevsky, 2014, https://arxiv.org/abs/1404.5997
    """
    channels, units = (64, 192, 384, 256, 256), (4096, 4096)
    return _build(channels, units, input_shape, classes, width, classifier_activation, name)


@documented(sides=SMALLEST)
def alexnet_64(
    input_shape: Sequence[int | None] = (64, 64, 3),
    classes: int = 10,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "alexnet_64",
) -> keras.Model:
    """The wide AlexNet for digits upscaled to 64 x 64, of a sanity-check study: 114,584,554 parameters.

    More channels and units than `alexnet`, else the same. At 64 x 64 the last pooling leaves one position, repeated
    6 x 6 times before the dense layers. The study's other net is `vgg11(input_shape=(64, 64, 3), classes=10)`.

    {options}

    Example:

    ```python
    model = kerasxai.models.alexnet_64(width=0.125)
    ```

    Reference:
        "Exploring Visual Explanations for CNNs", University of Toronto, 2021.
    """
    channels, units = (128, 384, 480, 384, 256), (8192, 4096)
    return _build(channels, units, input_shape, classes, width, classifier_activation, name)


def _build(channels, units, input_shape, classes, width, classifier_activation, name):
    check_options(input_shape, classes, width, SMALLEST)
    first, second, third, fourth, fifth = (scaled(count, width) for count in channels)
    inputs = keras.Input(input_shape, name="input")
    x = layers.ZeroPadding2D(2, name="conv1_pad")(inputs)
    x = layers.Conv2D(first, 11, strides=4, name="conv1", **RELU_START)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = layers.Conv2D(second, 5, padding="same", name="conv2", **RELU_START)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool2")(x)
    x = layers.Conv2D(third, 3, padding="same", name="conv3", **RELU_START)(x)
    x = layers.Conv2D(fourth, 3, padding="same", name="conv4", **RELU_START)(x)
    x = layers.Conv2D(fifth, 3, padding="same", name="conv5", **RELU_START)(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool5")(x)
    x = average_to(x, POOLED_SIDE, name="avgpool")
    x = layers.Flatten(name="flatten")(x)
    for index, count in enumerate(units, start=6):
        x = layers.Dropout(DROPOUT, name=f"dropout{index}")(x)
        x = layers.Dense(scaled(count, width), name=f"fc{index}", **RELU_START)(x)
    return classified(inputs, x, classes, classifier_activation, name)
