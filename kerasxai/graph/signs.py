"""Which tensors of a graph cannot be negative, told from the operations that make them."""

import keras
import tensorflow as tf

from kerasxai.graph.layer_calls import runs_call_of
from kerasxai.graph.linear import LINEAR, SIGMOID, SOFTMAX, activation_of

_RECTIFIED = (*SIGMOID, *SOFTMAX, keras.activations.hard_sigmoid, keras.activations.softplus)
_RECTIFIED += tuple(
    getattr(module, name) for module in (keras.activations, keras.ops, tf.nn) for name in ("relu", "relu6")
)
_RECTIFIED_KINDS = (
    "Relu",
    "Relu6",
    "Sigmoid",
    "HardSigmoid",
    "Softmax",
    "Softplus",
    "Exp",
    "Square",
    "Absolute",
    "Sqrt",
)

# Calls that make no negative value of none.
_KEEPING_LAYERS = tuple(
    getattr(keras.layers, name)
    for name in dir(keras.layers)
    if any(part in name for part in ("MaxPool", "AveragePool", "AvgPool", "ZeroPadding", "Cropping", "UpSampling"))
    or name in ("Flatten", "Reshape", "Permute", "RepeatVector", "Concatenate", "Add", "Average", "Maximum", "Minimum")
    or name in ("Multiply", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Identity")
)
_KEEPING_KINDS = (
    "Reshape",
    "Transpose",
    "Squeeze",
    "ExpandDims",
    "Concatenate",
    "Mean",
    "Sum",
    "Max",
    "Cast",
    "GetItem",
)


def non_negative_tensors(graph):
    """Indices of the tensors whose values cannot be negative; the model's inputs may be anything."""
    found = set()
    for node in graph.nodes:
        if _rectifies(node) or (_keeps_sign(node) and found.issuperset(node.inputs)):
            found.update(node.outputs)
    return found


def _rectifies(node):
    operation = node.operation
    if not isinstance(operation, keras.Layer):
        return node.kind in _RECTIFIED_KINDS
    if isinstance(operation, keras.layers.ReLU) and (operation.negative_slope or operation.threshold):
        return False
    if runs_call_of(operation, (keras.layers.ReLU, keras.layers.Softmax)):
        return True
    return runs_call_of(operation, (*LINEAR, keras.layers.Activation)) and activation_of(operation) in _RECTIFIED


def _keeps_sign(node):
    operation = node.operation
    if isinstance(operation, keras.layers.UpSampling2D) and operation.interpolation not in ("nearest", "bilinear"):
        return False  # bicubic and lanczos overshoot
    if isinstance(operation, keras.Layer):
        return runs_call_of(operation, _KEEPING_LAYERS)
    return node.kind in _KEEPING_KINDS
