"""Which `preprocess_input` of Keras Applications belongs to a model. What these functions do is Keras's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasxai.application_names import MODULES, module_of_name
from kerasxai.graph import ModelGraph
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.operations import what_does
from kerasxai.typing import Array

# Nets of these begin with the layers that do it, unless built with include_preprocessing=False.
PREPROCESSING_INSIDE = ("convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3")
PREPROCESSING_LAYERS = ("Rescaling", "Normalization")

FEED_IT = "Feed it the values it was trained on, without this function."
NAME_IT = (
    "Give instead of the model the name of the net it was made from, or of its module of keras.applications: "
    f"{', '.join(MODULES)}. A model that was made from none of them is fed the values it was trained on."
)


def preprocess_input(x: Array, model: keras.Model | str) -> np.ndarray:
    """Images 0..255 as a model of Keras Applications wants them.

    Args:
        x: RGB images `(N, H, W, 3)` or one `(H, W, 3)`, values in 0..255, of any dtype; not changed.
        model: A `keras.Model` of Keras Applications, one that has such a model inside, or the name of one:
            `"resnet50"`.

    Returns:
        A float32 array of the same shape.

    Raises:
        ValueError: The images are not in 0..255 or have other channels, or `find_preprocess_input` fails.

    Example:

    ```python
    model = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))
    pixels = np.random.default_rng(0).integers(0, 256, size=(2, 96, 96, 3))
    x = kerasxai.models.preprocess_input(pixels, model)  # in -1..1
    ```
    """
    function = find_preprocess_input(model)
    pixels = np.array(x, "float32")  # a copy: Keras's functions write into arrays of floats
    if pixels.ndim < 3 or pixels.shape[-1] != 3:
        raise ValueError(f"`x` must be RGB images (N, height, width, 3). Received: shape {pixels.shape}.")
    is_float = not np.issubdtype(np.asarray(x).dtype, np.integer)
    if is_float and 0 < np.abs(pixels).max(initial=0) <= 1:
        raise ValueError(
            "`x` must hold values in 0..255, as the images were read. Received: floats "
            f"{pixels.min():.3g}..{pixels.max():.3g}. Multiply values in 0..1 by 255."
        )
    return function(pixels)


def find_preprocess_input(model: keras.Model | str) -> Callable[..., Any]:
    """The function `keras.applications.<module>.preprocess_input` that belongs to a model.

    The net is known by its layers, wherever they are (nested, cut off, with another head), else by its name. For nets
    that preprocess by layers of their own (EfficientNet, MobileNetV3, ConvNeXt) Keras's function does nothing.

    Args:
        model: A `keras.Model`, or the name of a net or module of Keras Applications: `"resnet50"`, `"resnet_v2"`.

    Returns:
        The function of Keras. It writes into float arrays; `preprocess_input` does not.

    Raises:
        ValueError: The model is none of Keras Applications, or it treats its input by layers of its own before those of
            the application, or lacks the application's own.

    Example:

    ```python
    kerasxai.models.find_preprocess_input("vgg16") is keras.applications.vgg16.preprocess_input  # True
    ```
    """
    if isinstance(model, str):
        module = module_of_name(model)
        if module is None:
            raise ValueError(
                "`model` must name a net of Keras Applications, like 'resnet50' or 'MobileNetV2', or one of its "
                f"modules: {', '.join(MODULES)}. Received: {model!r}."
            )
    else:
        module = _module_of_model(model)
    return getattr(keras.applications, module).preprocess_input


def _module_of_model(model):
    if not isinstance(model, keras.Model):
        raise TypeError(f"`model` must be a keras.Model or a name. Received: {model!r}.")
    try:
        graph = ModelGraph(model)
    except TypeError as error:
        raise _unknown(model, "what it does to its input cannot be seen") from error
    modules = _modules_of_layers(graph) or {module_of_name(name) for name in _names(model)} - {None}
    if not modules:
        raise _unknown(model, "neither its layers nor its name are those of a net of Keras Applications")
    if len(modules) > 1 or len(graph.input_shapes) > 1:
        raise _unknown(model, f"it has {len(graph.input_shapes)} inputs and nets of {', '.join(sorted(modules))}")
    (module,) = modules
    _refuse_other_treatment(model, graph, module)
    return module


def _modules_of_layers(graph):
    names = " ".join(_name(node) for node in graph.nodes)
    return {module for module, (_, layers) in MODULES.items() if re.search(rf"(?<!\S){layers}(?!\S)", names)}


def _names(model):
    """Names of the model and of the models in it."""
    yield model.name
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _names(layer)


def _refuse_other_treatment(model, graph, module):
    """Refuses a model in which anything else than the application itself prepares the values."""
    home = _home_of_application(graph, module)
    convolutions = [node for node in graph.nodes if "Conv" in node.kind and node.path.startswith(home)]
    ancestors = graph.ancestors(convolutions[0]) if convolutions else ()
    before = [node for node in graph.nodes if node in ancestors and not leaves_values(node)]
    if module in PREPROCESSING_INSIDE:
        own = [node for node in before if node.path == home + _name(node) and node.kind in PREPROCESSING_LAYERS]
        if not own:
            raise _unknown(model, f"its net of {module} was built with include_preprocessing=False", FEED_IT)
        before = [node for node in before if node not in own]
    if before:
        layers = ", ".join(node.path for node in before)
        raise _unknown(model, f"it prepares its input itself before the layers of {module}, by {layers}", FEED_IT)


def _home_of_application(graph, module):
    """What the paths of its layers begin with: `"vgg16/"` where it is nested under this name, "" where it is not."""
    landmark = MODULES[module][1].split()[-1]
    paths = [node.path for node in graph.nodes if re.fullmatch(landmark, _name(node))]
    return paths[0][: paths[0].rfind("/") + 1] if paths else ""


def _name(node):
    return node.path.rpartition("/")[2]


def leaves_values(node):
    """Whether a call before the first convolution leaves the range of the values."""
    is_augmentation = (kind_of(node.operation) or "").startswith("Random")
    return is_augmentation or what_does(node.operation).does in ("same", "cast", "move", "resample")


def _unknown(model, reason, advice=NAME_IT):
    return ValueError(f"The preprocessing of the model {model.name!r} cannot be told: {reason}. {advice}")
