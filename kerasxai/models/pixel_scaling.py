"""How pixels 0..255 become a model's input: the ways there are, by name, and which one a model asks for itself."""

import re
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from kerasxai.graph import ModelGraph
from kerasxai.models.preprocessing import find_preprocess_input, leaves_values

MEAN_STD = re.compile(r"([^/]+)/([^/]+)")
LARGEST_SPAN = 20.0  # of the values that a net's first layer with weights is given, from black to white
OWN = (
    "as in training: `0-1` (pixels / 255), `-1-1` (pixels / 127.5 - 1), `none` (0 to 255, as read), `MEAN/STD` of "
    "pixels / 255 (`0.5/0.25`, or a number for each channel: `0.485,0.456,0.406/0.229,0.224,0.225`), `standardize` "
    "(each image less its mean, by its standard deviation), `caffe` or `torch`, or a net of Keras Applications such as "
    "`vgg16`"
)
HOW_TO_TELL = (
    "The code that trained the model tells: a division by 255 is `0-1`, `/ 127.5 - 1` is `-1-1`, nothing is `none`; "
    "and where folders are classes, the accuracy does."
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


def find_pixel_scaling(how, model, option="`preprocess`"):
    """The `PixelScaling` of a name.

    Args:
        how: `"auto"` (what Keras Applications prescribes for the model, or what its own first layers ask for),
            `"0-1"`, `"-1-1"`, `"none"`, `"MEAN/STD"` in units of 0..1 (`"0.5/0.25"`, or a number for each channel),
            `"standardize"`, `"caffe"`, `"torch"`, a net or module of Keras Applications, or a function of one image.
        model: The built Keras model.
        option: What messages call `how`.

    Raises:
        ValueError: There is no such way, or for `"auto"`, the model does not tell.
    """
    if callable(how):
        return PixelScaling(getattr(how, "__name__", "function"), "a function of one's own", how)
    if how == "auto":
        return _of_model(model, option)
    if how in WAYS:
        return PixelScaling(how, *WAYS[how])
    if isinstance(how, str) and MEAN_STD.fullmatch(how):
        return _mean_and_std(how, option)
    try:
        return _of_application(find_preprocess_input(how))
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"{option} must say how pixels become the model's input, {OWN}. Received: {how!r}.") from None


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


def _of_application(function):
    module = function.__module__.rpartition(".")[2]
    return PixelScaling(module, f"keras.applications.{module}.preprocess_input", _of_colours(function, module))


def _of_model(model, option):
    """What Keras Applications prescribes, or what the layers before the first one with weights ask for."""
    try:
        return _of_application(find_preprocess_input(model))
    except (TypeError, ValueError):
        pass
    layers, wanted = first_layers(model)
    if wanted is None:
        seen = f"what its first layers do ({', '.join(layers)}) does not tell" if layers else "the model does not tell"
        raise ValueError(
            f"{option} must say how pixels become the model's input, {OWN}. {HOW_TO_TELL} Received: auto, but {seen}."
        )
    meaning, function = WAYS[wanted]
    return PixelScaling(wanted, f"{meaning}: the model itself scales them, by {', '.join(layers)}", function)


def first_layers(model):
    """What a model does to the values of its input before its first layer with weights.

    Black, white, and 1 of 255 are sent through these layers: what arrives shows for which range they are made.

    Returns:
        Paths of the layers that change the values, and `"none"` where they are made for pixels 0..255, `"0-1"` for
        pixels / 255, or None where they do not tell.
    """
    try:
        graph = ModelGraph(model)
    except (TypeError, ValueError):
        return [], None
    weighted = _weighted(graph)
    if len(graph.inputs) != 1 or not weighted or len(weighted[0].inputs) != 1:
        return [], None
    before = graph.ancestors(weighted[0])
    changed = [node for node in graph.nodes if node in before]
    if not changed:
        return [], None
    shape = [3, *(side or 64 for side in graph.input_shapes[0][1:])]
    values = np.broadcast_to(np.reshape([0.0, 1.0, 255.0], (3, *[1] * (len(shape) - 1))), shape)
    (arriving,) = graph.evaluate(weighted[0].inputs)([keras.ops.convert_to_tensor(values, "float32")])
    arriving = np.asarray(arriving, "float64")
    black, one, white = arriving.reshape(3, -1, arriving.shape[-1]).mean(axis=1)
    return [node.path for node in changed if not leaves_values(node)], _made_for(black, one, white)


def _weighted(graph):
    """The layers with weights, apart from those of `Normalization`, in the order they run."""
    return [node for node in graph.nodes if getattr(node.operation, "weights", None) and node.kind != "Normalization"]


def _made_for(black, one, white):
    """The range of pixels that makes values about as large as nets are trained on."""
    to_white, to_one = np.abs(white - black).max(), np.abs(one - black).max()
    if np.allclose(black, 0, atol=1e-3) and np.allclose(to_one, 1, rtol=1e-3):
        return None  # unchanged
    is_centred = (black < -LARGEST_SPAN).any() and (white > LARGEST_SPAN).any()  # caffe's way
    if 0.5 < to_white <= LARGEST_SPAN or is_centred:
        return "none"
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = -black / (one - black)  # the pixel that becomes 0
    is_inside = (middle > 0.05).all() and (middle < 1).all()
    return "0-1" if is_inside and 1.9 < to_one <= LARGEST_SPAN else None
