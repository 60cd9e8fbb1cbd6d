"""The ways in which pixels 0..255 become the input of a model, by name; they are told apart without TensorFlow."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kerasxai.application_names import module_of_name

MEAN_STD = re.compile(r"([^/]+)/([^/]+)")
OWN = (
    "as in training: `0-1` (pixels / 255), `-1-1` (pixels / 127.5 - 1), `none` (0 to 255, as read), `MEAN/STD` of "
    "pixels / 255 (`0.5/0.25`, or a number for each channel: `0.485,0.456,0.406/0.229,0.224,0.225`), `standardize` "
    "(each image less its mean, by its standard deviation), `caffe` or `torch`, or a net of Keras Applications such as "
    "`vgg16`"
)


class PixelScaling(NamedTuple):
    """A way from pixels 0..255 to what a model takes.

    Attributes:
        name: What it is called: `"0-1"`.
        meaning: What it does, in words or as a formula.
        function: Float32 pixels `(height, width, channels)` -> an array of the same shape; may write into them.
    """

    name: str
    meaning: str
    function: Callable

    def __call__(self, pixels):
        """Scales one image; the one given is not changed."""
        x = np.asarray(self.function(np.array(pixels, "float32")), "float32")
        if x.shape != np.shape(pixels):
            raise ValueError(
                f"The preprocessing {self.name} must keep an image's shape {np.shape(pixels)}. Received: {x.shape}."
            )
        return x


def named_scaling(how, option="`preprocess`"):
    """The `PixelScaling` of a name: one of `WAYS`, `"MEAN/STD"`, or a net or module of Keras Applications.

    Args:
        how: The name.
        option: What messages call it.

    Raises:
        ValueError: There is no such way.
    """
    if isinstance(how, str):
        if how in WAYS:
            return PixelScaling(how, *WAYS[how])
        if MEAN_STD.fullmatch(how):
            return _mean_and_std(how, option)
        if module := module_of_name(how):
            return of_application(module)
    raise ValueError(f"{option} must say how pixels become the model's input, {OWN}. Received: {how!r}.")


def _as_they_are(pixels):
    return pixels


def _between_0_and_1(pixels):
    return pixels / np.float32(255)


def _between_minus_1_and_1(pixels):
    return pixels / np.float32(127.5) - 1


def _standardized(pixels):
    return (pixels - pixels.mean()) / max(pixels.std(), 1 / np.sqrt(pixels.size))  # as tf.image


def _of_keras(mode):
    def scaled(pixels):
        import keras

        return keras.applications.imagenet_utils.preprocess_input(pixels, data_format="channels_last", mode=mode)

    return _of_colours(scaled, mode)


def _of_colours(function, name):
    def scaled(pixels):
        if pixels.ndim != 3 or pixels.shape[-1] != 3:
            raise ValueError(
                f"The preprocessing {name} is for RGB images (height, width, 3). Received: the model's input "
                f"{pixels.shape}."
            )
        return function(pixels)

    return scaled


# Name -> what it does, function.
WAYS = {
    "none": ("pixels 0 to 255 as read", _as_they_are),
    "0-1": ("pixels / 255", _between_0_and_1),
    "-1-1": ("pixels / 127.5 - 1", _between_minus_1_and_1),
    "standardize": ("each image less its mean, by its standard deviation", _standardized),
    "caffe": ("BGR, less ImageNet's means, as Keras Applications' caffe", _of_keras("caffe")),
    "torch": ("ImageNet's means and deviations of pixels / 255, as Keras Applications' torch", _of_keras("torch")),
}


def _mean_and_std(text, option):
    try:
        mean, std = (np.array(part.split(","), "float32") for part in MEAN_STD.fullmatch(text).groups())
    except ValueError:
        mean = std = np.zeros(0, "float32")
    if not mean.size or not np.isfinite(mean).all() or not np.isfinite(std).all() or (std <= 0).any():
        raise ValueError(
            f"{option} as MEAN/STD must be numbers of pixels / 255, deviations above 0: `0.5/0.25`, or one for each "
            f"channel, `0.485,0.456,0.406/0.229,0.224,0.225`. Received: {text!r}."
        )

    def scaled(pixels):
        if not {mean.size, std.size} <= {1, pixels.shape[-1]}:
            raise ValueError(
                f"{option} as MEAN/STD must have one number, or one for each of the model's {pixels.shape[-1]} "
                f"channels. Received: {text!r}."
            )
        return (pixels / np.float32(255) - mean) / std

    return PixelScaling(text, "(pixels / 255 - MEAN) / STD", scaled)


def of_application(module):
    """The `PixelScaling` that a module of keras.applications prescribes."""

    def scaled(pixels):
        import keras

        return getattr(keras.applications, module).preprocess_input(pixels)

    return PixelScaling(module, f"keras.applications.{module}.preprocess_input", _of_colours(scaled, module))
