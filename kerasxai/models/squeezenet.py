"""SqueezeNet 1.0 and 1.1, untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import keras
from keras import layers

from kerasxai.models.blocks import RELU_START, check_options, documented, pool_rounding_up, scaled

# Version -> the first convolution (channels, size), the fire modules after which a pooling stands.
VERSIONS = {"1.0": ((96, 7), (4, 8)), "1.1": ((64, 3), (3, 5))}
SMALLEST = {"1.0": 21, "1.1": 17}  # pixels
# Channels of the fire modules 2 to 9: squeezed, and of each of the two expansions.
FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
DROPOUT = 0.5


@documented(
    sides="21 (1.0) or 17 (1.1)",
    width="Factor of the numbers of channels, not of the classes.",
    version='`"1.0"` or `"1.1"`.',
)
def squeezenet(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 1000,
    width: float = 1.0,
    version: Literal["1.0", "1.1"] = "1.0",
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "squeezenet",
) -> keras.Model:
    """SqueezeNet: 1,248,424 parameters (1.0) or 1,235,496 (1.1, 2.4 times less computation) for 1,000 classes.

    As `torchvision.models.squeezenet1_0` and `squeezenet1_1`, whose poolings round up: a map with an even side gets a
    row or column of zeros at its end (after a ReLU, so none of them is a maximum that was not there). There is no dense
    layer: the classes are the channels of `conv10`, after a ReLU, averaged over all positions. The CAMs therefore read
    `conv10`, the class's own map; `layer="fire9_concat"` is the last feature layer.

    {options}

    Example:

    ```python
    model = kerasxai.models.squeezenet(input_shape=(96, 96, 3), classes=10, width=0.25, version="1.1")
    ```

    Reference:
        Iandola et al., 2016, https://arxiv.org/abs/1602.07360
    """
    if version not in VERSIONS:
        raise ValueError(f"`version` must be one of {', '.join(map(repr, VERSIONS))}. Received: version={version!r}.")
    check_options(input_shape, classes, width, SMALLEST[version])
    (channels, size), pooled_after = VERSIONS[version]
    inputs = keras.Input(input_shape, name="input")
    x = layers.Conv2D(scaled(channels, width), size, strides=2, name="conv1", **RELU_START)(inputs)
    x = pool_rounding_up(x, 3, name="pool1")
    for index, (squeezed, expanded) in enumerate(FIRES, start=2):
        x = _fire(x, scaled(squeezed, width), scaled(expanded, width), index)
        if index in pooled_after:
            x = pool_rounding_up(x, 3, name=f"pool{index}")
    x = layers.Dropout(DROPOUT, name="dropout9")(x)
    x = layers.Conv2D(classes, 1, activation="relu", kernel_initializer=_classifier_start(), name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="avgpool")(x)
    outputs = layers.Activation(classifier_activation or "linear", name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


def _fire(x, squeezed, expanded, index):
    x = layers.Conv2D(squeezed, 1, name=f"fire{index}_squeeze", **RELU_START)(x)
    small = layers.Conv2D(expanded, 1, name=f"fire{index}_expand1x1", **RELU_START)(x)
    large = layers.Conv2D(expanded, 3, padding="same", name=f"fire{index}_expand3x3", **RELU_START)(x)
    return layers.Concatenate(name=f"fire{index}_concat")([small, large])


def _classifier_start():
    return keras.initializers.RandomNormal(stddev=0.01)
