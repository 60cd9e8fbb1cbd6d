"""Where blocks end: on nets whose ends are known, whatever pools, strides, branches or prepares the input."""

import keras
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai.graph import ModelGraph, block_ends
from tests.support import nets
from tests.support.nets import conv
from tests.support.truth import conv_net


def ends(model, **kwargs):
    return [node.path for node in block_ends(ModelGraph(model), **kwargs)]


def test_pooling_and_strides():
    assert ends(conv_net()) == ["early", "middle", "late"]
    assert ends(conv_net((24,))) == ["early", "middle", "late"]


def test_the_pools_that_follow_end_no_block_of_their_own():
    model = Sequential(
        [
            Input((16, 16, 1)),
            conv("one"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(0.1),
            layers.ZeroPadding2D(1),
            layers.MaxPooling2D(),
            layers.AveragePooling2D(2),
            conv("two"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    assert ends(model) == ["relu", "two"]


def test_a_border_that_is_cut_off_is_no_reduction():
    """As in LeNet-5, whose convolutions are not padded."""
    model = Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(2, 5, name="one"),
            layers.Conv2D(2, 5, name="two"),
            layers.AveragePooling2D(2),
            layers.Conv2D(2, 3, name="three"),
            layers.Conv2D(2, 3, name="four"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    assert ends(model) == ["two", "four"]


def test_layers_inside_branches_do_not_count():
    x = inputs = Input((16, 16, 2))
    x = conv("stem")(x)
    x = layers.Add(name="join")([x, conv("inner")(x)])
    down = [conv("deep", strides=2)(conv("before")(x)), layers.MaxPooling2D()(x)]  # as in Inception
    x = conv("last")(layers.Concatenate(name="joined")(down))
    assert ends(keras.Model(inputs, nets.head(x))) == ["join", "last"]


def test_what_prepares_the_input_is_no_block():
    x = inputs = Input((16, 16, 2))
    x = layers.BatchNormalization()(layers.Rescaling(0.1)(x))
    x = conv("last")(conv("first", strides=2)(x))
    assert ends(keras.Model(inputs, nets.head(x))) == ["last"]


def test_without_a_layer_all_passes_through_there_is_the_default_one():
    inputs = Input((8, 8, 2))
    x = conv("conv")(inputs)
    pooled = layers.Concatenate()([layers.GlobalAveragePooling2D()(one) for one in (x, inputs)])
    assert ends(keras.Model(inputs, layers.Dense(2)(pooled))) == ["conv"]


def test_each_input_has_its_own():
    model = nets.build("two_inputs")
    assert ends(model) == ["conv"]
    left, right = Input((8, 8, 1)), Input((8, 8, 1))
    towers = [
        conv(f"{name}_late")(layers.MaxPooling2D()(conv(f"{name}_early")(one)))
        for name, one in (("left", left), ("right", right))
    ]
    model = keras.Model([left, right], nets.head(layers.Add(name="both")(towers)))
    assert ends(model, index=0) == ["left_early", "both"]
    assert ends(model, index=1) == ["right_early", "both"]


def test_sizes_the_model_leaves_open_come_from_the_data():
    inputs = Input((None, None, 2))
    x = layers.MaxPooling2D()(conv("early")(inputs))
    model = keras.Model(inputs, nets.head(conv("late")(x)))
    graph = ModelGraph(model)
    values = graph.values([tf.zeros((1, 6, 10, 2))])
    assert ends(model, shapes={tensor: value.shape for tensor, value in values.items()}) == ["early", "late"]


KNOWN = {
    "shared_layer": ["s", "s#2"],
    "residual": ["joined_relu"],
    "three_levels": ["middle/after"],
    "sequential": ["conv1", "conv2"],
    "nested_called_twice": ["difference"],
    "attention": ["norm"],
}


@pytest.mark.parametrize("kind", KNOWN)
def test_every_kind_of_model(kind):
    assert ends(nets.build(kind)) == KNOWN[kind]


@pytest.mark.slow
def test_nets_of_the_literature():
    assert ends(kerasxai.models.hmt_cnn()) == ["block1_conv2", "block2_conv2"]
    assert ends(kerasxai.models.mnist1d_cnn()) == ["conv3"]
    resnet = keras.applications.ResNet50(weights=None, input_shape=(96, 96, 3))
    stages = ["conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"]
    assert ends(resnet) == ["conv1_relu", *stages]
    mobile = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))
    assert ends(mobile) == [*(f"block_{n}_expand_relu" for n in (1, 3, 6, 13)), "out_relu"]


def test_no_positions():
    with pytest.raises(ValueError, match="layer with spatial axes"):
        ends(Sequential([Input((4,)), layers.Dense(2)]))


@pytest.mark.parametrize("shape", [(9, 7, 2), (14, 2)], ids=["images", "a signal"])
def test_feature_maps_of_another_input_are_none_of_this_one(shape):
    convolution = layers.Conv2D if len(shape) == 3 else layers.Conv1D
    plain, seen = Input((8, 9, 1), name="plain"), Input(shape, name="seen")
    flat = [layers.Flatten()(plain), layers.Flatten()(convolution(2, 3, name="conv")(seen))]
    model = keras.Model([plain, seen], layers.Dense(2)(layers.Concatenate()(flat)))
    assert ends(model, index=1) == ["conv"]
    with pytest.raises(ValueError, match=r"feature maps of its input 'plain'.*those of conv, are of another"):
        ends(model, index=0)
    with pytest.raises(ValueError, match="'plain'"):
        kerasxai.explainers.SISE(model)
