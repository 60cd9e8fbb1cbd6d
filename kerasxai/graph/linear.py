"""Which layers are linear in their input, and what they compute apart from their activation."""

import keras
import tensorflow as tf

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

# `activation="softmax"`, `activation=keras.ops.softmax` and `activation=tf.nn.softmax` leave three different functions.
SOFTMAX = (keras.activations.softmax, keras.ops.softmax, tf.nn.softmax)
SIGMOID = (keras.activations.sigmoid, keras.ops.sigmoid, tf.nn.sigmoid)


def activation_of(operation):
    """The activation function a layer ends with, None for a layer that ends with none (or with `linear`).

    Linear layers with a fused `activation=` and `keras.layers.Activation` count; a recurrent cell, whose activation
    works inside, does not.
    """
    if not isinstance(operation, (*LINEAR, keras.layers.Activation)):
        return None
    activation = operation.activation
    return None if activation is None or activation is keras.activations.linear else activation


def before_activation(operation):
    """A callable that computes what `operation` hands to its activation; the user's layer is not touched."""
    if isinstance(operation, keras.layers.Activation):
        return lambda inputs, **_: inputs
    return without_activation(operation)


def bias_of(operation):
    """The bias variable of a linear layer, None where it has none."""
    return getattr(operation, "bias", None) if isinstance(operation, LINEAR) else None


# Calls that are affine in each of their tensors taken together: a chain of them is one affine map.
_AFFINE_LAYERS = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.Identity,
    keras.layers.Permute,
    keras.layers.Reshape,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.Subtract,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
)
_AFFINE_KINDS = ("Add", "Subtract", "Mean", "Reshape", "Transpose", "Squeeze", "Cast", "Concatenate")


def is_affine(operation):
    """Whether a layer or operation is affine in its input, its activation (if any) included."""
    if activation_of(operation) is not None:
        return False
    if isinstance(operation, (*LINEAR, *_AFFINE_LAYERS, keras.layers.Activation)):
        return True
    return type(operation).__module__.startswith("keras.") and type(operation).__name__ in _AFFINE_KINDS


_ELEMENTWISE_LAYERS = (
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.Dropout,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
)
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
_POSITION_LAYERS = tuple(
    getattr(keras.layers, name + dimensions)
    for name in (
        "MaxPooling",
        "AveragePooling",
        "GlobalMaxPooling",
        "GlobalAveragePooling",
        "ZeroPadding",
        "UpSampling",
    )
    for dimensions in ("1D", "2D", "3D")
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
_ELEMENTWISE_KINDS = ("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Silu", "Gelu", "Mish", "Tanh", "Sigmoid")
_ELEMENTWISE_KINDS += ("HardSigmoid", "HardSilu", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Square", "Absolute")


def is_elementwise(operation):
    """Whether an operation or function without a kernel maps each value by itself."""
    if operation in _ELEMENTWISE_ACTIVATIONS or operation in _ELEMENTWISE_FUNCTIONS:
        return True
    if isinstance(operation, keras.layers.Activation):
        return is_elementwise(operation.activation)
    if isinstance(operation, keras.Layer):
        return isinstance(operation, (*_ELEMENTWISE_LAYERS, keras.layers.PReLU))
    return type(operation).__module__.startswith("keras.") and type(operation).__name__ in _ELEMENTWISE_KINDS


_MAXIMUM_KINDS = ("Max", "Amax", "Maximum", "MaxPool")


def is_maximum(operation):
    """Whether an operation hands on the largest of several values."""
    if isinstance(operation, keras.Layer):
        return isinstance(operation, keras.layers.Maximum) or "MaxPooling" in type(operation).__name__
    return type(operation).__module__.startswith("keras.") and type(operation).__name__ in _MAXIMUM_KINDS


def is_channelwise(operation):
    """Whether a call works on each channel by itself, and leaves the channels the fastest axis."""
    if isinstance(operation, keras.layers.BatchNormalization):
        return True
    if isinstance(operation, keras.layers.Activation):
        return operation.activation in _ELEMENTWISE_ACTIVATIONS
    return isinstance(operation, (*_ELEMENTWISE_LAYERS, *_POSITION_LAYERS, keras.layers.Flatten))
