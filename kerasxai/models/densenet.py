"""DenseNet-161, the one that Keras Applications lacks, untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from kerasxai.models.blocks import BATCH_NORMALISATION, check_options, classified, documented, scaled

DEPTHS = (6, 12, 36, 24)
GROWTH = 48
STEM_CHANNELS = 96
BOTTLENECK = 4  # times the growth
SMALLEST = 29  # pixels


@documented(sides=SMALLEST, width="Factor of the growth and of the stem's channels.")
def densenet161(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "densenet161",
) -> keras.Model:
    """DenseNet-161 (growth 48): 28,681,000 trainable parameters for 1,000 classes.

    As `torchvision.models.densenet161`; 219,936 moving statistics come on top. `relu5` is the last feature layer, the
    default of the CAMs.

    {options}

    Example:

    ```python
    model = kerasxai.models.densenet161(input_shape=(64, 64, 3), classes=10, width=0.125)
    ```

    Reference:
        Huang et al., 2017, https://arxiv.org/abs/1608.06993
    """
    check_options(input_shape, classes, width, SMALLEST)
    growth = scaled(GROWTH, width)
    inputs = keras.Input(input_shape, name="input")
    x = layers.ZeroPadding2D(3, name="conv0_pad")(inputs)
    x = _convolution(scaled(STEM_CHANNELS, width), 7, "conv0", strides=2)(x)
    x = _normalised_relu(x, "norm0", "relu0")
    x = layers.ZeroPadding2D(1, name="pool0_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool0")(x)
    for block, depth in enumerate(DEPTHS, start=1):
        for index in range(1, depth + 1):
            x = _dense_layer(x, growth, f"denseblock{block}_layer{index}")
        if block < len(DEPTHS):
            x = _transition(x, f"transition{block}")
    x = _normalised_relu(x, "norm5", "relu5")
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    return classified(inputs, x, classes, classifier_activation, name)


def _dense_layer(x, growth, prefix):
    new = _normalised_relu(x, f"{prefix}_norm1", f"{prefix}_relu1")
    new = _convolution(BOTTLENECK * growth, 1, f"{prefix}_conv1")(new)
    new = _normalised_relu(new, f"{prefix}_norm2", f"{prefix}_relu2")
    new = _convolution(growth, 3, f"{prefix}_conv2", padding="same")(new)
    return layers.Concatenate(name=f"{prefix}_concat")([x, new])


def _transition(x, prefix):
    channels = x.shape[-1] // 2
    x = _normalised_relu(x, f"{prefix}_norm", f"{prefix}_relu")
    x = _convolution(channels, 1, f"{prefix}_conv")(x)
    return layers.AveragePooling2D(2, name=f"{prefix}_pool")(x)


def _convolution(channels, size, name, **options):
    return layers.Conv2D(channels, size, use_bias=False, kernel_initializer="he_normal", name=name, **options)


def _normalised_relu(x, normalisation, relu):
    x = layers.BatchNormalization(name=normalisation, **BATCH_NORMALISATION)(x)
    return layers.ReLU(name=relu)(x)
