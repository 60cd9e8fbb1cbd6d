"""Layers with a kernel: which classes they are, their activations and biases."""

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph.keras_internals import run_at_once, without_activation
from kerasxai.graph.kinds import is_quantised, kind_of
from kerasxai.graph.operations import is_elementwise, is_linear, what_does

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

_SOME = 3  # how many of what a model leaves open stand for all


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


def mixes_values(node):
    """Whether the activation a layer ends with makes a value of other values than the one at its place.

    Softmax does. A function that nobody knows is tried: where one value changes, none but that may.

    Args:
        node: A `Node`.
    """
    activation = activation_of(node.operation)
    if activation is None or is_elementwise(activation):
        return False
    if what_does(activation).does == "softmax":
        return True
    shape = [_SOME if size is None else size for size in node.shape[1:]]
    values = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    # Two samples that differ in their last value only.
    values[1] = values[0]
    values[(1, *[-1] * len(shape))] += 1
    with run_at_once():
        made = np.asarray(activation(tf.constant(values, node.dtype)), np.float32)
    # A function that mixes may change the others by rounding alone: that much does not count.
    differs = ~np.isclose(made[0], made[1], rtol=1e-5, atol=1e-6, equal_nan=True)
    return made.shape != values.shape or np.delete(differs.ravel(), -1).any()


def _is_curved(operation):
    return is_linear(operation) and activation_of(operation) is not None
