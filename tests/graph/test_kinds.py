"""What kind a layer is: its own class's, its parent's where it changes nothing of the values, else none."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasxai.graph.dropout import dropped_share
from kerasxai.graph.kinds import is_quantised, kind_of
from kerasxai.graph.kinds import layers as kinds
from kerasxai.graph.linear import activation_of, bias_of, is_affine, is_channelwise
from kerasxai.graph.model_graph import ModelGraph
from kerasxai.graph.operations import is_elementwise, is_linear, is_scaling, what_does
from kerasxai.graph.signs import non_negative_tensors


class Named(layers.Conv2D):
    """Overrides what has nothing to do with its values."""

    def __init__(self, *args, scale=1.0, **kwargs):
        super().__init__(*args, activation="relu", **kwargs)
        self.scale = scale

    def build(self, input_shape):
        super().build(input_shape)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}

    def __repr__(self):
        return "Named"


class Reparametrised(layers.Dense):
    """Another kernel, still `x @ kernel + bias`."""

    @property
    def kernel(self):
        return self._kernel / keras.ops.norm(self._kernel, axis=0)


class OwnCall(layers.Dense):
    def call(self, x):
        return keras.ops.square(super().call(x))


class OwnEntry(layers.Dense):
    def __call__(self, x, **kwargs):
        return keras.ops.square(super().__call__(x, **kwargs))


class OwnConvolution(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return super().convolution_op(inputs, kernel - keras.ops.mean(kernel, axis=(0, 1, 2), keepdims=True))


class OwnMerge(layers.Add):
    def _merge_function(self, inputs):
        return inputs[0] - 2 * inputs[1]


class OwnMoments(layers.GroupNormalization):
    def _apply_normalization(self, reshaped_inputs, input_shape):
        return reshaped_inputs


class Mixin:
    def call(self, x):
        return 2 * super().call(x)


class Mixed(Mixin, layers.ReLU):
    pass


class Softmax(layers.Layer):
    """A user's own, by the name of a layer of Keras."""

    def call(self, x):
        return keras.ops.softmax(x / 2)


class MaxPooling2D(layers.MaxPooling2D):
    """A subclass by its parent's name."""

    def call(self, x):
        return -super().call(-x)


def test_a_subclass_is_what_its_parent_is_unless_it_may_compute_something_else():
    assert kind_of(Named(3, 3)) == "Conv2D" and kind_of(Reparametrised(3)) == "Dense"
    for layer in (OwnCall(3), OwnEntry(3), OwnConvolution(3, 3), OwnMerge(), OwnMoments(), Mixed()):
        assert kind_of(layer) is None, layer


def test_names_alone_say_nothing():
    assert kind_of(Softmax()) is None and kind_of(MaxPooling2D()) is None
    assert kind_of(lambda x: x) is None and kind_of(None) is None and kind_of(keras.ops.relu) is None


def test_a_layer_whose_own_call_was_replaced_is_of_no_kind():
    layer = layers.Dense(3)
    layer.build((None, 4))
    assert kind_of(layer) == "Dense"
    layer.call = lambda x: x**2
    assert kind_of(layer) is None


@pytest.mark.parametrize("name", [one for one in dir(layers) if one.startswith(("Conv", "MaxP", "AverageP", "Drop"))])
def test_the_layers_of_keras_are_what_they_are_called(name):
    arguments = {"Conv": (2, 1), "Drop": (0.5,), "Aver": (2,)}.get(name[:4], ())
    layer = getattr(layers, name)(*arguments)
    assert kind_of(layer) == type(layer).__name__  # `Convolution2D` is another name of `Conv2D`


def test_operations_are_told_from_layers_of_their_name():
    x = keras.Input((3,))
    model = keras.Model(x, keras.ops.average(keras.ops.relu(x), axis=1))
    assert [kind_of(node.operation) for node in ModelGraph(model).nodes] == ["ops.Relu", "ops.Average"]
    assert kind_of(layers.Average()) == "Average"
    assert kinds("Dropout", "Conv*") == {"Dropout", "Conv1D", "Conv2D", "Conv3D"}


def test_a_wrapper_is_not_what_it_wraps():
    for layer in (layers.SpectralNormalization(layers.Dense(2)), layers.TimeDistributed(layers.Dense(2))):
        assert not is_linear(layer) and not is_affine(layer)


def test_quantised_weights_are_no_affine_map_but_keep_their_activation():
    layer = layers.Dense(3, activation="relu")
    layer.build((None, 4))
    layer.quantize("int8")
    assert is_quantised(layer) and is_linear(layer) and not is_affine(layer)
    assert activation_of(layer) is keras.activations.relu and bias_of(layer) is layer.bias


def _doubling(parent):
    return type(f"Own{parent.__name__}", (parent,), {"call": lambda self, x: -2 * parent.call(self, x)})


PREDICATES = {
    "linear": (is_linear, _doubling(layers.Dense)(3)),
    "affine": (is_affine, _doubling(layers.GlobalAveragePooling2D)()),
    "elementwise": (is_elementwise, _doubling(layers.ReLU)()),
    "channelwise": (is_channelwise, _doubling(layers.BatchNormalization)()),
    "maximum": (lambda layer: what_does(layer).does == "maximum", _doubling(layers.MaxPooling2D)()),
    "scaling": (is_scaling, _doubling(layers.Rescaling)(2.0)),
    "dropout": (dropped_share, _doubling(layers.Dropout)(0.5)),
    "activation": (activation_of, _doubling(layers.Activation)("relu")),
}


@pytest.mark.parametrize("question", PREDICATES)
def test_nothing_is_said_of_a_subclass_with_a_call_of_its_own(question):
    says, layer = PREDICATES[question]
    parent = type(layer).__mro__[1]
    like = parent.from_config(layer.get_config())
    assert says(like) and not says(layer)


def test_signs_of_a_subclass_are_unknown():
    x = keras.Input((6, 6, 2))
    for parent, arguments in ((layers.ReLU, ()), (layers.MaxPooling2D, ()), (layers.Flatten, ()), (layers.Softmax, ())):
        model = keras.Model(x, _doubling(parent)(*arguments)(layers.ReLU()(x)))
        assert (model(np.ones((1, 6, 6, 2), "float32")).numpy() < 0).any()
        assert not non_negative_tensors(ModelGraph(model)).intersection(ModelGraph(model).outputs)
