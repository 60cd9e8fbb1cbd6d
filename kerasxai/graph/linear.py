"""Which layers are linear, affine or elementwise, and what a layer computes apart from its activation."""

import keras
import tensorflow as tf

from kerasxai.graph.kinds import is_quantised, kind_of, layers, operations
from kerasxai.graph.layer_calls import without_activation

# Convolution classes are not subclasses of one another in Keras, so each is named.
CONVOLUTION = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
LINEAR = CONVOLUTION + DENSE
_LINEAR = layers(*(cls.__name__ for cls in LINEAR))

# `activation="softmax"`, `activation=keras.ops.softmax` and `activation=tf.nn.softmax` leave three different functions.
SOFTMAX = (keras.activations.softmax, keras.ops.softmax, tf.nn.softmax)
SIGMOID = (keras.activations.sigmoid, keras.ops.sigmoid, tf.nn.sigmoid)


def is_linear(operation):
    """Whether an operation is a linear layer with a kernel, apart from its activation."""
    return kind_of(operation) in _LINEAR


def activation_of(operation):
    """The activation function a layer ends with, None for a layer that ends with none (or with `linear`).

    Linear layers with a fused `activation=` and `keras.layers.Activation` count; a recurrent cell, whose activation
    works inside, does not.
    """
    if not is_linear(operation) and kind_of(operation) != "Activation":
        return None
    activation = operation.activation
    return None if activation is None or activation is keras.activations.linear else activation


def before_activation(operation):
    """A callable that computes what `operation` hands to its activation; the user's layer is not touched."""
    if kind_of(operation) == "Activation":
        return lambda inputs, **_: inputs
    return without_activation(operation)


def bias_of(operation):
    """The bias variable of a linear layer, None where it has none."""
    return operation.bias if is_linear(operation) else None


# Calls that are affine in each of their tensors taken together: a chain of them is one affine map.
_AFFINE = _LINEAR | layers(
    *("Add", "Subtract", "Average", "AveragePooling*", "GlobalAveragePooling*", "BatchNormalization"),
    *("Concatenate", "Cropping*", "ZeroPadding*", "Flatten", "Permute", "Reshape"),
    *("Dropout", "SpatialDropout*", "Identity", "Activation"),
)
_AFFINE |= operations("Add", "Subtract", "Mean", "Reshape", "Transpose", "Squeeze", "Cast", "Concatenate")


def is_affine(operation):
    """Whether a layer or operation is affine in its input, its activation (if any) included."""
    return kind_of(operation) in _AFFINE and activation_of(operation) is None and not is_quantised(operation)


_ELEMENTWISE_LAYERS = layers("ReLU", "LeakyReLU", "ELU", "Dropout", "SpatialDropout*", "Identity")
# Others (softmax, log_softmax, glu, a user's own) may mix channels.
_ELEMENTWISE_ACTIVATIONS = {
    getattr(keras.activations, name)
    for name in (
        "elu",
        "gelu",
        "hard_sigmoid",
        "hard_silu",
        "leaky_relu",
        "linear",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "softplus",
        "softsign",
        "tanh",
    )
}
_BY_CHANNEL = _ELEMENTWISE_LAYERS | layers(
    *("BatchNormalization", "Flatten", "ZeroPadding*", "UpSampling*"),
    *("MaxPooling*", "AveragePooling*", "GlobalMaxPooling*", "GlobalAveragePooling*"),
)


# Functions of one value by another name than `keras.activations` has them.
_ELEMENTWISE_FUNCTIONS = {
    getattr(module, name)
    for module in (keras.ops, tf.nn)
    for name in (
        "relu",
        "relu6",
        "sigmoid",
        "tanh",
        "elu",
        "selu",
        "silu",
        "gelu",
        "softplus",
        "softsign",
        "leaky_relu",
    )
    if hasattr(module, name)
}
_ELEMENTWISE = _ELEMENTWISE_LAYERS | layers("PReLU")
_ELEMENTWISE |= operations(
    *("Relu", "Relu6", "ReLU", "LeakyRelu", "Elu", "Selu", "Silu", "Gelu", "Mish", "Tanh", "Sigmoid", "HardSigmoid"),
    *("HardSilu", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Square", "Absolute"),
)


def is_elementwise(operation):
    """Whether an operation or function without a kernel maps each value by itself."""
    if operation in _ELEMENTWISE_ACTIVATIONS or operation in _ELEMENTWISE_FUNCTIONS:
        return True
    if kind_of(operation) == "Activation":
        return is_elementwise(operation.activation)
    return kind_of(operation) in _ELEMENTWISE


_MAXIMUM = layers("Maximum", "MaxPooling*", "GlobalMaxPooling*", "AdaptiveMaxPooling*")
_MAXIMUM |= operations("Max", "Amax", "Maximum", "MaxPool")


def is_maximum(operation):
    """Whether an operation hands on the largest of several values."""
    return kind_of(operation) in _MAXIMUM


def is_channelwise(operation):
    """Whether a call works on each channel by itself, and leaves the channels the fastest axis."""
    if kind_of(operation) == "Activation":
        return is_elementwise(operation)
    return kind_of(operation) in _BY_CHANNEL
