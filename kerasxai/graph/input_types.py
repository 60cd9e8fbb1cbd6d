"""Which inputs of whole numbers a model may be given real numbers at: those its first layers turn into such at once."""

import keras
import tensorflow as tf

from kerasxai.graph.layer_calls import runs_call_of


def _layers(*names):
    return tuple(getattr(keras.layers, name) for name in names if hasattr(keras.layers, name))


# They cast what they are given to the type they compute in, before anything else.
_CASTING_LAYERS = _layers(
    *("Rescaling", "Normalization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"),
    *("RandomContrast", "RandomBrightness"),
)
# Arithmetic of whole numbers with real ones is that of real ones.
_CASTING_KINDS = ("Cast", "Divide", "TrueDivide", "Multiply", "Add", "Subtract")

# They put values elsewhere and leave them as they are.
_MOVING_LAYERS = _layers(
    *(f"{name}{rank}D" for name in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)),
    *("Flatten", "Reshape", "Permute", "Identity"),
)
_MOVING_KINDS = ("Reshape", "Transpose", "Squeeze", "ExpandDims", "GetItem", "Flip", "Pad", "Identity")


def accepted_dtypes(graph, declared):
    """The types a graph's inputs are run in: the declared ones, float32 where whole numbers become real at once.

    What a method puts in the place of a pixel of such an input need then not be rounded, and it has a gradient. For
    whole numbers the model gives exactly what it gives for the declared type.

    Args:
        graph: A ModelGraph.
        declared: Types that the model declares for its inputs.

    Returns:
        List of names of types.
    """
    return [
        "float32" if tf.as_dtype(dtype).is_integer and _becomes_real(graph, tensor) else dtype
        for tensor, dtype in zip(graph.inputs, declared)
    ]


def _becomes_real(graph, tensor):
    takers = [node for node in graph.nodes if tensor in node.inputs]
    return bool(takers) and tensor not in graph.outputs and all(_casts(graph, node) for node in takers)


def _casts(graph, node):
    is_layer = isinstance(node.operation, keras.Layer)
    casts = runs_call_of(node.operation, _CASTING_LAYERS) or (not is_layer and node.kind in _CASTING_KINDS)
    if casts:
        return tf.as_dtype(node.dtype).is_floating
    moves = runs_call_of(node.operation, _MOVING_LAYERS) or (not is_layer and node.kind in _MOVING_KINDS)
    return moves and all(_becomes_real(graph, made) for made in node.outputs)
