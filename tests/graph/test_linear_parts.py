"""The linear maps inside layers: `run(x, kernel) + bias` is the layer, and factors go where they belong."""

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasxai.graph.linear_parts import linear_parts
from tests.support.truth import assert_same, images

SERIES, IMAGE, VOLUME = (9, 4), (6, 7, 4), (4, 5, 4, 2)
LAYERS = {
    "dense": ((5,), lambda **kw: layers.Dense(6, **kw)),
    "dense_per_position": (IMAGE, lambda **kw: layers.Dense(3, **kw)),
    "conv1d": (SERIES, lambda **kw: layers.Conv1D(3, 3, padding="same", strides=2, **kw)),
    "conv1d_causal": (SERIES, lambda **kw: layers.Conv1D(3, 3, padding="causal", dilation_rate=2, **kw)),
    "conv1d_causal_strided": (SERIES, lambda **kw: layers.Conv1D(3, 4, padding="causal", strides=3, **kw)),
    "conv2d": (IMAGE, lambda **kw: layers.Conv2D(3, (3, 2), strides=2, padding="same", **kw)),
    "conv2d_dilated": (IMAGE, lambda **kw: layers.Conv2D(3, 3, dilation_rate=(2, 1), **kw)),
    "conv2d_groups": (IMAGE, lambda **kw: layers.Conv2D(6, 3, groups=2, padding="same", **kw)),
    "conv3d": (VOLUME, lambda **kw: layers.Conv3D(3, 2, strides=2, **kw)),
    "depthwise1d": (SERIES, lambda **kw: layers.DepthwiseConv1D(3, depth_multiplier=2, padding="same", **kw)),
    "depthwise2d": (IMAGE, lambda **kw: layers.DepthwiseConv2D(3, depth_multiplier=3, strides=2, **kw)),
    "depthwise2d_dilated": (IMAGE, lambda **kw: layers.DepthwiseConv2D(2, dilation_rate=2, **kw)),
    "separable1d": (SERIES, lambda **kw: layers.SeparableConv1D(3, 3, depth_multiplier=2, strides=2, **kw)),
    "separable2d": (IMAGE, lambda **kw: layers.SeparableConv2D(3, 3, depth_multiplier=2, padding="same", **kw)),
    "separable2d_dilated": (IMAGE, lambda **kw: layers.SeparableConv2D(3, 2, dilation_rate=2, **kw)),
    "transpose1d": (SERIES, lambda **kw: layers.Conv1DTranspose(3, 3, strides=2, padding="same", **kw)),
    "transpose2d": (IMAGE, lambda **kw: layers.Conv2DTranspose(3, 3, strides=2, output_padding=1, **kw)),
    "transpose2d_same": (IMAGE, lambda **kw: layers.Conv2DTranspose(3, (2, 3), padding="same", **kw)),
    "transpose3d": (VOLUME, lambda **kw: layers.Conv3DTranspose(3, 2, strides=2, **kw)),
}
EINSUMS = {
    "einsum": ((3, 4), lambda **kw: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", **kw)),
    "einsum_other_bias": ((3, 4), lambda **kw: layers.EinsumDense("abc,cd->adb", (5, 3), bias_axes="d", **kw)),
    "einsum_ellipsis": ((3, 4), lambda **kw: layers.EinsumDense("...c,cd->...d", 5, bias_axes="d", **kw)),
}
ALL = {**LAYERS, **EINSUMS}


def built(kind, **options):
    """The layer with random weights, and an input of both signs."""
    shape, make = ALL[kind]
    layer, draws = make(**options), np.random.default_rng(0)
    layer.build((None, *shape))
    layer.set_weights([draws.normal(size=weight.shape) for weight in layer.weights])
    return layer, tf.constant(images(2, shape) - np.float32(0.5))


def through(parts, x):
    for part in parts:
        x = part.run(x, part.kernel)
        x = x if part.bias is None else x + part.bias
    return x.numpy()


@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no_bias"])
@pytest.mark.parametrize("kind", ALL)
def test_parts_are_the_layer(kind, use_bias):
    options = {} if use_bias or kind in EINSUMS else {"use_bias": False}
    layer, x = built(kind, **options)
    parts = linear_parts(layer)
    assert len(parts) == (2 if "separable" in kind else 1)
    assert (parts[-1].bias is None) == (layer.bias is None)
    assert_same(through(parts, x), layer(x).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "conv2d", "depthwise2d", "separable2d", "transpose2d", "einsum"])
def test_activation_is_left_out(kind):
    layer, x = built(kind, activation="relu")
    z = through(linear_parts(layer), x)
    assert (z < 0).any() and (z > 0).any()
    assert_same(np.maximum(z, 0), layer(x).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
def test_factors_of_inputs_and_outputs(kind):
    layer, x = built(kind)
    draws = np.random.default_rng(1)
    of_inputs = draws.uniform(0.5, 2, x.shape[-1]).astype("float32") * [-1, *[1] * (x.shape[-1] - 1)]
    plain = layer(x).numpy() - layer.bias.numpy()
    of_outputs = draws.uniform(0.5, 2, plain.shape[-1]).astype("float32")

    parts = linear_parts(layer)
    parts[0].scale_inputs(tf.constant(of_inputs, tf.float32))
    scaled = layer(x * tf.constant(of_inputs, tf.float32)).numpy()
    assert_same(through(parts, x), scaled, rtol=1e-5, atol=1e-6)

    parts = linear_parts(layer)
    parts[-1].scale_outputs(tf.constant(of_outputs))
    assert_same(through(parts, x), plain * of_outputs + layer.bias.numpy(), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("kind", ["dense", "conv2d", "separable2d"])
def test_weights_of_the_layer_stay_and_are_read_anew(kind):
    layer, x = built(kind)
    before = layer.get_weights()
    parts = linear_parts(layer)
    parts[0].scale_inputs(tf.fill([x.shape[-1]], 2.0))
    parts[-1].scale_outputs(tf.fill([layer(x).shape[-1]], 2.0))
    assert all((one == other).all() for one, other in zip(before, layer.get_weights()))
    layer.set_weights([2 * weight for weight in before])
    assert_same(through(linear_parts(layer), x), layer(x).numpy(), rtol=1e-6, atol=1e-6)


def test_half_precision_weights_are_widened():
    layer = layers.Dense(3, dtype="float16")
    layer.build((None, 4))
    (part,) = linear_parts(layer)
    assert part.kernel.dtype == part.bias.dtype == tf.float32
    layer = layers.Dense(3, dtype="float64")
    layer.build((None, 4))
    assert linear_parts(layer)[0].kernel.dtype == tf.float64


def test_quantised_weights_are_refused():
    layer = layers.Dense(3, name="small")
    layer.build((None, 4))
    layer.quantize("int8")
    with pytest.raises(ValueError, match="small holds int8 weights"):
        linear_parts(layer)
