"""Which tensors cannot be negative: never claimed of one that is, and told where it saves a pass."""

import keras
import numpy as np
import pytest
from keras import Input, layers, ops

from kerasxai.graph import ModelGraph
from kerasxai.graph.signs import non_negative_tensors
from tests.support import nets

SHAPE = (6, 6, 4)


def is_told(*steps):
    """Whether the output of the last of `steps`, applied one after the other, is told to be 0 or more."""
    x = inputs = Input(SHAPE)
    for step in steps:
        x = step(x)
    graph = ModelGraph(keras.Model(inputs, x))
    return graph.outputs[0] in non_negative_tensors(graph)


def conv(activation=None):
    return layers.Conv2D(4, 3, padding="same", activation=activation)


RECTIFIED = {
    "fused": [conv("relu")],
    "fused_relu6": [conv("relu6")],
    "fused_sigmoid": [conv("sigmoid")],
    "fused_softplus": [conv("softplus")],
    "relu": [conv(), layers.ReLU()],
    "capped": [conv(), layers.ReLU(max_value=6)],
    "activation": [conv(), layers.Activation("relu")],
    "operation": [conv(), ops.relu],
    "softmax": [conv(), layers.Softmax()],
    "absolute": [conv(), ops.abs],
    "max_pooling": [conv("relu"), layers.MaxPooling2D()],
    "average_pooling": [conv("relu"), layers.AveragePooling2D(2)],
    "padding_and_cropping": [conv("relu"), layers.ZeroPadding2D(), layers.Cropping2D()],
    "flatten": [conv("relu"), layers.Dropout(0.2), layers.Flatten()],
    "upsampling": [conv("relu"), layers.UpSampling2D(interpolation="bilinear")],
    "twice": [conv("relu"), lambda x: layers.Add()([x, layers.Concatenate()([x[..., :2], x[..., 2:]])])],
}
SIGNED = {
    "input": [layers.MaxPooling2D()],
    "convolution": [conv()],
    "convolution_after": [conv("relu"), conv()],
    "leaky": [conv(), layers.LeakyReLU()],
    "relu_with_slope": [conv(), layers.ReLU(negative_slope=0.1)],
    "elu": [conv("elu")],
    "gelu": [conv("gelu")],
    "swish": [conv("swish")],
    "tanh": [conv("tanh")],
    "normalisation_after": [conv("relu"), layers.BatchNormalization()],
    "scaling_after": [conv("relu"), layers.Rescaling(1.0, offset=-1.0)],
    "bicubic": [conv("relu"), layers.UpSampling2D(interpolation="bicubic")],
    "subtraction": [conv("relu"), lambda x: layers.Subtract()([x, x])],
    "sum_with_a_signed_one": [conv("relu"), lambda x: layers.Add()([x, conv()(x)])],
    "negative": [conv("relu"), ops.negative],
}


@pytest.mark.parametrize("name", RECTIFIED)
def test_told(name):
    assert is_told(*RECTIFIED[name])


@pytest.mark.parametrize("name", SIGNED)
def test_not_told(name):
    assert not is_told(*SIGNED[name])


def test_a_subclass_with_a_call_of_its_own_is_not_told():
    class Shifted(layers.MaxPooling2D):
        def call(self, x):
            return super().call(x) - 1

    class Leaking(layers.ReLU):
        def call(self, x):
            return x

    assert not is_told(conv("relu"), Shifted())

    class Less(layers.Conv2D):
        def call(self, x):
            return super().call(x) - 1

    assert not is_told(conv(), Leaking())
    assert not is_told(Less(4, 3, activation="relu"))


@pytest.mark.parametrize("kind", nets.KINDS)
def test_what_is_told_is_so(kind):
    model = nets.build(kind)
    graph = ModelGraph(model)
    inputs = keras.tree.flatten(nets.inputs_for(model, samples=8))
    values = graph.values([keras.ops.convert_to_tensor(one) for one in inputs])
    for tensor in non_negative_tensors(graph):
        assert np.min(values[tensor]) >= 0, graph.producer(tensor)
