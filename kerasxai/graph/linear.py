"""Layers with a kernel: which classes they are, their activations and biases."""

import keras
import tensorflow as tf

from kerasxai.graph.keras_internals import without_activation
from kerasxai.graph.kinds import is_quantised, kind_of
from kerasxai.graph.operations import is_linear, what_does

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


def is_affine(operation):
    """Whether a layer or operation is affine in its input, its activation (if any) included."""
    return what_does(operation).is_affine and not _is_curved(operation) and not is_quantised(operation)


def is_channelwise(operation):
    """Whether a call works on each channel by itself, and leaves the channels the fastest axis."""
    return what_does(operation).is_channelwise


def _is_curved(operation):
    return is_linear(operation) and activation_of(operation) is not None
