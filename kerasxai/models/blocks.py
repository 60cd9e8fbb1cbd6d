"""What the builders share: documented and checked options, scaled widths, averaging to a given size, pooling that
rounds up, the end. The nets are beside it."""

import inspect
import math
import numbers
from collections.abc import Callable
from typing import Any, TypeVar

import keras
from keras import layers

Builder = TypeVar("Builder", bound=Callable[..., Any])

# Parameters whose starting values keep the size of the signal through ReLU layers.
RELU_START = {"activation": "relu", "kernel_initializer": "he_normal"}
# PyTorch's, whose momentum is 1 - Keras's.
BATCH_NORMALISATION = {"epsilon": 1e-5, "momentum": 0.9}

OPTIONS = {
    "input_shape": "`(height, width, channels)`, sides of at least {sides}.",
    "classes": "Number of classes.",
    "width": "Factor of the numbers of channels and units.",
    "classifier_activation": "Activation of the last layer; None returns the logits.",
    "name": "Name of the model.",
}


def documented(sides: object = None, **own: str) -> Callable[[Builder], Builder]:
    """Completes the docstring of a builder by that of its options, in place of `{options}`.

    Args:
        sides: The smallest sides of images.
        own: What this builder says of an option, where it differs from `OPTIONS` or is not among them.
    """

    def complete(build: Builder) -> Builder:
        lines = ["Args:"]
        for option in inspect.signature(build).parameters:
            lines.append(f"    {option}: {({**OPTIONS, **own})[option].format(sides=sides)}")
        lines += ["", "Returns:", "    An untrained `keras.Model`.", "", "Raises:"]
        lines.append("    ValueError: An option is out of range.")
        build.__doc__ = inspect.cleandoc(build.__doc__ or "").replace("{options}", "\n".join(lines))
        return build

    return complete


def check_options(input_shape, classes, width, smallest=1, spatial_rank=2):
    """Refuses what cannot be built, before anything is.

    Args:
        input_shape: As given by the user.
        classes: Number of classes.
        width: Factor of the numbers of channels.
        smallest: Shortest side that leaves a position after all poolings.
        spatial_rank: 1 or 2.
    """
    expected = "(height, width, channels)" if spatial_rank == 2 else "(steps, channels)"
    is_shape = isinstance(input_shape, (tuple, list)) and len(input_shape) == spatial_rank + 1
    if not is_shape or not all(map(_is_positive_int, input_shape)):
        raise ValueError(
            f"`input_shape` must be {expected}, positive whole numbers without the batch axis. "
            f"Received: input_shape={input_shape!r}."
        )
    if min(input_shape[:-1]) < smallest:
        raise ValueError(
            f"`input_shape` must have sides of at least {smallest}: the net's poolings leave nothing of smaller ones. "
            f"Received: input_shape={input_shape!r}."
        )
    if not _is_positive_int(classes):
        raise ValueError(f"`classes` must be a positive whole number. Received: classes={classes!r}.")
    if not isinstance(width, numbers.Real) or isinstance(width, bool) or not 0 < width < math.inf:
        raise ValueError(f"`width` must be a factor above 0, 1.0 for the published net. Received: width={width!r}.")


def scaled(channels, width):
    """A number of channels or units times `width`, at least 1."""
    return max(1, round(channels * width))


def average_to(x, size, name):
    """Averages a feature map to `size` x `size` positions, each the mean of the area it covers.

    Standard layers, so that a saved model loads anywhere: every position is repeated, then averaged. PyTorch's adaptive
    average pooling is the same where one size is a multiple of the other; elsewhere it counts a position that an area
    covers in part as a whole one.
    """
    sides = x.shape[1:3]
    repeats = tuple(size // math.gcd(size, side) for side in sides)
    averaged = tuple(side // math.gcd(size, side) for side in sides)
    if repeats != (1, 1):
        x = layers.UpSampling2D(repeats, name=f"{name}_repeat")(x)
    if averaged != (1, 1):
        x = layers.AveragePooling2D(averaged, name=name)(x)
    return x


def pool_rounding_up(x, size, name):
    """Max pooling in steps of 2 that rounds up, as PyTorch's `ceil_mode`: what is missing is padded at the end, by 0.

    `"same"` would pad some sides at both ends. The values must not be negative, or a 0 could be a maximum.
    """
    padding = tuple((0, (size - side) % 2) for side in x.shape[1:3])
    if padding != ((0, 0), (0, 0)):
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return layers.MaxPooling2D(size, strides=2, name=name)(x)


def classified(inputs, x, classes, activation, name):
    """The model that ends in a dense layer of classes."""
    outputs = layers.Dense(classes, activation=activation, name="predictions")(x)
    return keras.Model(inputs, outputs, name=name)


def _is_positive_int(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value > 0
