"""Batch normalisation folded into a neighbour: where, where not, and to the model's own logits."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

from kerasxai.graph import ModelGraph
from kerasxai.graph.batch_norm import Folds, fold_parts, scale_and_shift
from kerasxai.graph.linear_parts import linear_parts
from kerasxai.graph.operations import is_scaling
from tests.support.truth import assert_same, images, randomise

IMAGE, SERIES = (9, 10, 4), (12, 4)


def norm(**options):
    return layers.BatchNormalization(**{"name": "norm", **options})


def linear(kind, *args, **options):
    return getattr(layers, kind)(*args, name="linear", **options)


def folded_logits(model, x):
    """The model's outputs with every folded normalisation left out and its factors in the linear layer instead."""
    graph = ModelGraph(model)
    folds = Folds(graph)
    overrides = {bn: lambda x, **_: x for bn in folds.folded}
    overrides.update({node: functools.partial(run_folded, graph, folds, node) for node in folds.folded.values()})
    return graph.values([tf.constant(x)], overrides)[graph.outputs[0]].numpy(), folds


def run_folded(graph, folds, node, x, **_):
    parts = linear_parts(node.operation)
    fold_parts(parts, graph, folds, node, x)
    for part in parts:
        x = part.run(x, part.kernel)
        x = x if part.bias is None else x + part.bias
    return x if node.operation.activation is None else node.operation.activation(x)


def check(model, after=(), before=()):
    """Folds as expected (names of linear layers), the logits the model's own, and its weights untouched."""
    randomise(model, 3)
    weights = model.get_weights()
    x = images(3, model.input_shape[1:]) - np.float32(0.5)
    logits, folds = folded_logits(model, x)
    assert [node.path for node in folds.after] == list(after)
    assert [node.path for node in folds.before] == list(before)
    assert_same(logits, model(x, training=False).numpy(), rtol=1e-5, atol=1e-5)
    assert all((one == other).all() for one, other in zip(weights, model.get_weights()))
    return folds


# Into the layer before -----------------------------------------------------------------------------------------------

BEFORE_IT = {
    "conv1d": (SERIES, linear("Conv1D", 3, 3, strides=2)),
    "conv1d_causal": (SERIES, linear("Conv1D", 3, 3, padding="causal")),
    "conv2d_same": (IMAGE, linear("Conv2D", 3, 3, padding="same")),
    "conv2d_no_bias": (IMAGE, linear("Conv2D", 3, 3, use_bias=False)),
    "conv2d_groups": (IMAGE, linear("Conv2D", 6, 3, groups=2)),
    "conv3d": ((4, 4, 4, 2), linear("Conv3D", 3, 2)),
    "depthwise1d": (SERIES, linear("DepthwiseConv1D", 3, depth_multiplier=2)),
    "depthwise2d": (IMAGE, linear("DepthwiseConv2D", 3, depth_multiplier=2, strides=2)),
    "depthwise2d_no_bias": (IMAGE, linear("DepthwiseConv2D", 3, use_bias=False)),
    "separable1d": (SERIES, linear("SeparableConv1D", 5, 3, depth_multiplier=2)),
    "separable2d": (IMAGE, linear("SeparableConv2D", 5, 3, padding="same", use_bias=False)),
    "transpose1d": (SERIES, linear("Conv1DTranspose", 3, 3, strides=2)),
    "transpose2d": (IMAGE, linear("Conv2DTranspose", 3, 3, strides=2, padding="same", use_bias=False)),
    "dense": ((6,), linear("Dense", 4)),
    "dense_per_position": (IMAGE, linear("Dense", 3)),
}


def with_head(shape, *net):
    return Sequential([Input(shape), *net, layers.ReLU(), layers.Flatten(), layers.Dense(3, name="head")])


def copy_of(layer):
    return type(layer).from_config(layer.get_config())


@pytest.mark.parametrize("kind", BEFORE_IT)
def test_into_the_layer_before(kind):
    shape, layer = BEFORE_IT[kind]
    check(with_head(shape, copy_of(layer), norm()), after=["linear"])


@pytest.mark.parametrize("options", [{"scale": False}, {"center": False}, {"scale": False, "center": False}])
def test_without_scale_or_center(options):
    check(with_head(IMAGE, linear("Conv2D", 3, 3, use_bias=False), norm(epsilon=0.1, **options)), after=["linear"])
    check(with_head(IMAGE, norm(epsilon=0.1, **options), linear("Conv2D", 3, 3)), before=["linear"])


# Into the layer after ------------------------------------------------------------------------------------------------

AFTER_IT = {
    "conv1d_valid": (SERIES, [linear("Conv1D", 3, 3)]),
    "conv2d_valid": (IMAGE, [linear("Conv2D", 3, 3)]),
    "conv2d_dilated": (IMAGE, [linear("Conv2D", 3, 3, dilation_rate=2)]),
    "conv2d_strided": (IMAGE, [linear("Conv2D", 3, 3, strides=2, use_bias=False)]),
    "conv2d_groups": (IMAGE, [linear("Conv2D", 6, 3, groups=2)]),
    "conv2d_1x1": (IMAGE, [linear("Conv2D", 3, 1, padding="same")]),
    "conv2d_1x1_strided": (IMAGE, [linear("Conv2D", 3, 1, padding="same", strides=2)]),
    "conv2d_activation": (IMAGE, [linear("Conv2D", 3, 3, activation="relu")]),
    "depthwise2d": (IMAGE, [linear("DepthwiseConv2D", 3, depth_multiplier=2)]),
    "separable2d": (IMAGE, [linear("SeparableConv2D", 5, 3, depth_multiplier=2)]),
    "dense": ((6,), [linear("Dense", 4)]),
    "dense_per_position": (IMAGE, [linear("Dense", 3)]),
    "dense_dropout": (IMAGE, [layers.Dropout(0.5), linear("Dense", 3)]),
    "dense_flatten": (IMAGE, [layers.Flatten(), layers.Dropout(0.5), linear("Dense", 3)]),
    "dense_reshape": (IMAGE, [layers.Reshape((5, 72)), layers.Flatten(), linear("Dense", 3)]),
    "conv2d_dropout": (IMAGE, [layers.SpatialDropout2D(0.5), layers.Identity(), linear("Conv2D", 3, 2)]),
}


@pytest.mark.parametrize("kind", AFTER_IT)
def test_into_the_layer_after(kind):
    shape, net = AFTER_IT[kind]
    check(with_head(shape, norm(), *map(copy_of, net)), before=["linear"])


def test_on_both_sides_of_one_layer():
    for kind, options in (("Conv2D", {}), ("SeparableConv2D", {}), ("Conv2D", {"groups": 2})):
        net = [norm(name="first"), linear(kind, 6, 3, **options), norm(name="second")]
        check(with_head(IMAGE, *net), after=["linear"], before=["linear"])


def test_two_after_each_other():
    net = [layers.Conv2D(3, 3, name="left"), norm(name="first"), norm(name="second"), layers.Conv2D(3, 2, name="right")]
    check(with_head(IMAGE, *net), after=["left"], before=["right"])


# Not at all ----------------------------------------------------------------------------------------------------------

ALONE = {
    "before_same": [norm(), linear("Conv2D", 3, 3, padding="same")],
    "before_causal": [norm(), linear("Conv1D", 3, 3, padding="causal")],
    "before_transposed": [norm(), linear("Conv2DTranspose", 3, 3)],
    "before_relu": [norm(), layers.ReLU(), linear("Conv2D", 3, 3)],
    "before_padding": [norm(), layers.ZeroPadding2D(), linear("Conv2D", 3, 3)],
    "before_pooling": [norm(), layers.MaxPooling2D(), linear("Conv2D", 3, 3)],
    "reshaped_for_dense_per_position": [norm(), layers.Reshape((9, 40)), linear("Dense", 3)],
    "reshaped_for_a_convolution": [norm(), layers.Reshape((10, 9, 4)), linear("Conv2D", 3, 3)],
    "after_an_activation": [linear("Conv2D", 3, 3, activation="relu"), norm()],
    "after_einsum": [linear("EinsumDense", "abcd,de->abce", (9, 10, 3)), norm()],
    "other_axis": [linear("Conv2D", 3, 3), norm(axis=1)],
    "other_axis_before": [norm(axis=2), linear("Conv2D", 3, 3)],
}


@pytest.mark.parametrize("kind", ALONE)
def test_stays(kind):
    check(with_head(SERIES if "causal" in kind else IMAGE, *map(copy_of, ALONE[kind])))


def test_stays_where_the_output_goes_elsewhere_too():
    inputs = Input(IMAGE)
    conv = linear("Conv2D", 3, 3)(inputs)
    joined = layers.Add()([norm()(conv), conv])
    check(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(joined))))

    shifted = norm()(inputs)
    branches = [layers.Conv2D(3, 3, name=name)(shifted) for name in ("left", "right")]
    check(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Add()(branches)))))


def test_stays_behind_an_output_of_the_model():
    inputs = Input(IMAGE)
    conv = linear("Conv2D", 3, 3)(inputs)
    model = keras.Model(inputs, [layers.Dense(3)(layers.Flatten()(layers.ReLU()(norm()(conv)))), conv])
    assert not Folds(ModelGraph(model)).folded
    shifted = norm()(inputs)
    model = keras.Model(inputs, [layers.Flatten()(linear("Conv2D", 3, 3)(shifted)), shifted])
    assert not Folds(ModelGraph(model)).folded


def test_forward_where_the_layer_before_feeds_others_too():
    inputs = Input(IMAGE)
    conv = layers.Conv2D(3, 3, name="left")(inputs)
    right = layers.Conv2D(3, 1, name="right")(norm()(conv))
    joined = layers.Add()([right, conv])
    check(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(joined))), before=["right"])


def test_shared_layer_with_a_normalisation_per_call():
    inputs, shared = Input((9, 9, 3)), layers.Conv2D(3, 3, padding="same", name="s")
    x = norm(name="first")(shared(inputs))
    x = norm(name="second")(shared(layers.ReLU()(x)))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    check(model, after=["s", "s#2"])


def test_kept_ones_are_left_alone():
    graph = ModelGraph(with_head(IMAGE, linear("Conv2D", 3, 3), norm()))
    assert not Folds(graph, kept=[graph.node("norm")]).folded


def test_subclasses_with_a_call_of_their_own_are_left_alone():
    class Clipped(layers.BatchNormalization):
        def call(self, x, training=None):
            return keras.ops.clip(super().call(x, training=training), -1, 1)

    class AlwaysOn(layers.Dropout):
        def call(self, x, training=None):
            return keras.ops.tanh(x)

    class Named(layers.BatchNormalization):
        pass

    assert not is_scaling(Clipped()) and is_scaling(Named())
    check(with_head(IMAGE, linear("Conv2D", 3, 3), Clipped(name="norm")))
    check(with_head((6,), norm(), AlwaysOn(0.5), linear("Dense", 4)))
    check(with_head(IMAGE, linear("Conv2D", 3, 3), Named(name="norm")), after=["linear"])


# Scale and shift -----------------------------------------------------------------------------------------------------

SCALINGS = {
    "batch_norm": layers.BatchNormalization,
    "batch_norm_axis": lambda: layers.BatchNormalization(axis=2),
    "batch_norm_bare": lambda: layers.BatchNormalization(scale=False, center=False, epsilon=0.5),
    "batch_norm_renorm": lambda: layers.BatchNormalization(renorm=True),
    "batch_norm_synchronized": lambda: layers.BatchNormalization(synchronized=True),
    "rescaling": lambda: layers.Rescaling(1 / 127.5, offset=-1),
    "rescaling_channels": lambda: layers.Rescaling([1.0, 2.0, -3.0, 0.5], offset=[0.0, 1.0, 2.0, -1.0]),
    "normalization_given": lambda: layers.Normalization(mean=[1.0, 2, 3, 4], variance=[0.25, 4, 1, 0]),
    "normalization_scalar": lambda: layers.Normalization(axis=None, mean=2.0, variance=9.0),
    "normalization_invert": lambda: layers.Normalization(mean=[1.0, 2, 3, 4], variance=[0.25, 4, 1, 2], invert=True),
    "normalization_axis": lambda: layers.Normalization(axis=1),
    "normalization_axes": lambda: layers.Normalization(axis=(1, -1)),
}


@pytest.mark.parametrize("kind", SCALINGS)
def test_scale_and_shift_are_the_layer(kind):
    layer, shape = SCALINGS[kind](), (3, 5, 4)
    x = 3 * images(6, shape) - np.float32(1)
    if "normalization_ax" in kind:
        layer.adapt(x)
    model = Sequential([Input(shape), layer])
    if "batch_norm" in kind:
        randomise(model)
    scale, shift = scale_and_shift(layer, rank=4)
    expected = model(x, training=False).numpy()
    assert_same((x * scale + shift).numpy(), expected, rtol=1e-5, atol=1e-6)
