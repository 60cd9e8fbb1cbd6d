"""The small nets of the MNIST-1D, histology and digit studies, untrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers

from kerasxai.models.blocks import check_options, documented, scaled

# The two nets of the University of Toronto's ECE1512 course project, as their saved files have it.
WEIGHT_DECAY = 5e-4
CLASSIFIER_DEVIATION = 0.5


@documented(input_shape="`(steps, channels)`.", width="Factor of the number of channels.")
def mnist1d_cnn(
    input_shape: Sequence[int | None] = (40, 1),
    classes: int = 10,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "mnist1d_cnn",
) -> keras.Model:
    """The Conv1D net for MNIST-1D: three convolutions of 25 channels, no pooling; 13,960 parameters.

    Its kernels carry an L2 penalty of 5e-4.

    {options}

    Example:

    ```python
    model = kerasxai.models.mnist1d_cnn()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ```

    Reference:
        Data: Greydanus & Kobak, 2024, https://arxiv.org/abs/2011.14439
    """
    check_options(input_shape, classes, width, spatial_rank=1)
    channels = scaled(25, width)
    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            _penalised(layers.Conv1D, channels, 5, name="conv1"),
            _penalised(layers.Conv1D, channels, 3, name="conv2"),
            _penalised(layers.Conv1D, channels, 3, name="conv3"),
            layers.Flatten(name="flatten"),
            _penalised_classifier(classes, classifier_activation),
        ],
        name=name,
    )


@documented(sides="4; images in 0..1", width="Factor of the numbers of channels.")
def hmt_cnn(
    input_shape: Sequence[int | None] = (224, 224, 3),
    classes: int = 8,
    width: float = 1.0,
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "hmt_cnn",
) -> keras.Model:
    """The Conv2D net for the colorectal histology tiles: two blocks of two convolutions; 66,088 parameters.

    The layers are those of the course project's `HMT.h5`, whose weights fit: `net.set_weights(loaded.get_weights())`.
    Its kernels carry an L2 penalty of 5e-4.

    {options}

    Example:

    ```python
    model = kerasxai.models.hmt_cnn(input_shape=(64, 64, 3), width=0.5)
    ```

    Reference:
        Data: Kather et al., 2016, https://doi.org/10.1038/srep27988
    """
    check_options(input_shape, classes, width, smallest=4)
    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            _penalised(layers.Conv2D, scaled(32, width), 3, name="block1_conv1"),
            _penalised(layers.Conv2D, scaled(32, width), 3, name="block1_conv2"),
            layers.MaxPooling2D(2, name="block1_pool"),
            _penalised(layers.Conv2D, scaled(64, width), 3, name="block2_conv1"),
            _penalised(layers.Conv2D, scaled(64, width), 3, name="block2_conv2"),
            layers.MaxPooling2D(2, name="block2_pool"),
            layers.GlobalAveragePooling2D(name="avgpool"),
            _penalised_classifier(classes, classifier_activation),
        ],
        name=name,
    )


@documented(
    sides=16,
    activation="Activation of the hidden layers. `'tanh'` is the paper's; rules of LRP and guided methods are made\n"
    "        for `'relu'`.",
)
def lenet5(
    input_shape: Sequence[int | None] = (32, 32, 1),
    classes: int = 10,
    width: float = 1.0,
    activation: str | Callable[..., Any] = "tanh",
    classifier_activation: str | Callable[..., Any] | None = "softmax",
    name: str = "lenet5",
) -> keras.Model:
    """LeNet-5: two convolutions with average pooling, three dense layers; 61,706 parameters.

    As it is taught today: every channel of the second convolution sees all of the first, pooling has no weights, and
    the classifier is a softmax. The 28 x 28 digits of MNIST are padded to 32 x 32.

    {options}

    Example:

    ```python
    model = kerasxai.models.lenet5(activation="relu")
    ```

    Reference:
        LeCun et al., 1998, https://doi.org/10.1109/5.726791
    """
    check_options(input_shape, classes, width, smallest=16)
    return keras.Sequential(
        [
            keras.Input(input_shape, name="input"),
            layers.Conv2D(scaled(6, width), 5, activation=activation, name="conv1"),
            layers.AveragePooling2D(2, name="pool1"),
            layers.Conv2D(scaled(16, width), 5, activation=activation, name="conv2"),
            layers.AveragePooling2D(2, name="pool2"),
            layers.Flatten(name="flatten"),
            layers.Dense(scaled(120, width), activation=activation, name="fc1"),
            layers.Dense(scaled(84, width), activation=activation, name="fc2"),
            layers.Dense(classes, activation=classifier_activation, name="predictions"),
        ],
        name=name,
    )


def _penalised(convolution, channels, size, name):
    penalty = keras.regularizers.L2(WEIGHT_DECAY)
    return convolution(channels, size, padding="same", activation="relu", kernel_regularizer=penalty, name=name)


def _penalised_classifier(classes, activation):
    return layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=keras.initializers.RandomNormal(stddev=CLASSIFIER_DEVIATION),
        kernel_regularizer=keras.regularizers.L2(WEIGHT_DECAY),
        name="predictions",
    )
