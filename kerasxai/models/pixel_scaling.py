"""How pixels 0..255 become the input of a model: which way it asks for itself. The ways: `kerasxai.pixel_ways`."""

import keras
import numpy as np

from kerasxai.graph import ModelGraph
from kerasxai.models.preprocessing import find_preprocess_input, leaves_values
from kerasxai.pixel_ways import OWN, WAYS, PixelScaling, named_scaling, of_application

LARGEST_SPAN = 20.0  # of the values that a net's first layer with weights is given, from black to white
HOW_TO_TELL = (
    "The code that trained the model tells: a division by 255 is `0-1`, `/ 127.5 - 1` is `-1-1`, nothing is `none`; "
    "and where folders are classes, the accuracy does."
)


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
    return named_scaling(how, option)


def _of_model(model, option):
    """What Keras Applications prescribes, or what the layers before the first one with weights ask for."""
    try:
        module = find_preprocess_input(model).__module__
        return of_application(module.rpartition(".")[2])
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
    black, unit, white = arriving.reshape(3, -1, arriving.shape[-1]).mean(axis=1)
    return [node.path for node in changed if not leaves_values(node)], _made_for(black, unit, white)


def _weighted(graph):
    """The layers with weights, apart from those of `Normalization`, in the order they run."""
    return [node for node in graph.nodes if getattr(node.operation, "weights", None) and node.kind != "Normalization"]


def _made_for(black, unit, white):
    """The range of pixels that makes values about as large as nets are trained on."""
    to_white, to_unit = np.abs(white - black).max(), np.abs(unit - black).max()
    if np.allclose(black, 0, atol=1e-3) and np.allclose(to_unit, 1, rtol=1e-3):
        return None  # unchanged
    is_centred = (black < -LARGEST_SPAN).any() and (white > LARGEST_SPAN).any()  # caffe's way
    if 0.5 < to_white <= LARGEST_SPAN or is_centred:
        return "none"
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = -black / (unit - black)  # the pixel that becomes 0
    is_inside = (middle > 0.05).all() and (middle < 1).all()
    return "0-1" if is_inside and 1.9 < to_unit <= LARGEST_SPAN else None
