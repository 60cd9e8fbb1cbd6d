"""Which tensors of a graph cannot be negative, told from the operations that make them."""

import keras
import tensorflow as tf

from kerasxai.graph.kinds import kind_of, layers, operations
from kerasxai.graph.linear import SIGMOID, SOFTMAX, activation_of

_RECTIFIED = (*SIGMOID, *SOFTMAX, keras.activations.hard_sigmoid, keras.activations.softplus)
_RECTIFIED += tuple(
    getattr(module, name) for module in (keras.activations, keras.ops, tf.nn) for name in ("relu", "relu6")
)
_RECTIFYING = layers("Softmax") | operations(
    *("Relu", "Relu6", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Exp", "Square", "Absolute", "Sqrt"),
)

# Calls that make no negative value of none.
_KEEPING = layers(
    *("MaxPooling*", "AveragePooling*", "GlobalMaxPooling*", "GlobalAveragePooling*", "AdaptiveMaxPooling*"),
    *("AdaptiveAveragePooling*", "ZeroPadding*", "Cropping*", "UpSampling*", "Flatten", "Reshape", "Permute"),
    *("RepeatVector", "Concatenate", "Add", "Average", "Maximum", "Minimum", "Multiply"),
    *("Dropout", "SpatialDropout*", "Identity"),
)
_KEEPING |= operations(
    *("Reshape", "Transpose", "Squeeze", "ExpandDims", "Concatenate", "Mean", "Sum", "Max", "Cast", "GetItem"),
)


def non_negative_tensors(graph):
    """Indices of the tensors whose values cannot be negative; the model's inputs may be anything."""
    found = set()
    for node in graph.nodes:
        if _rectifies(node.operation) or (_keeps_sign(node.operation) and found.issuperset(node.inputs)):
            found.update(node.outputs)
    return found


def _rectifies(operation):
    if kind_of(operation) in ("ReLU", "ops.ReLU"):
        return not operation.negative_slope and not operation.threshold
    return kind_of(operation) in _RECTIFYING or activation_of(operation) in _RECTIFIED


def _keeps_sign(operation):
    if getattr(operation, "interpolation", "nearest") not in ("nearest", "bilinear"):
        return False  # bicubic and lanczos overshoot
    return kind_of(operation) in _KEEPING
