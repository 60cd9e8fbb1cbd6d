"""Guided Backpropagation and DeconvNet against the mask formulas, for every way to write a ReLU."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same, images

SHAPE = (8, 10, 3)
CLASSES = np.array([0, 3, 1])
METHODS = ["guided_backprop", "deconvnet"]


@pytest.fixture(scope="module")
def x():
    return images(3, SHAPE) - np.float32(0.3)


def masked(method, gradient, z, cap=np.inf):
    """The backward of a ReLU that was given z."""
    if method == "guided_backprop":
        return gradient * (gradient > 0) * (z > 0) * (z < cap)
    return gradient * (gradient > 0)


def backward(method, parts, x, classes):
    """Walks back over `parts`, each a layer without activation, or the cap of a ReLU (infinity where it has none)."""
    values = [tf.constant(x)]
    for part in parts:
        values.append(tf.clip_by_value(values[-1], 0, part) if isinstance(part, float) else part(values[-1]))
    gradient = np.eye(values[-1].shape[-1], dtype="float32")[classes]
    for part, given in zip(reversed(parts), reversed(values[:-1])):
        if isinstance(part, float):
            gradient = masked(method, gradient, given.numpy(), part)
        else:
            with tf.GradientTape() as tape:
                tape.watch(given)
                made = part(given)
            gradient = tape.gradient(made, given, tf.constant(gradient)).numpy()
    return gradient


# One net, its ReLUs written in every way there is --------------------------------------------------------------------


def with_fused(activation):
    return lambda layer: type(layer).from_config({**layer.get_config(), "activation": activation})


def with_layer_after(make):
    return lambda layer: [layer, make()]


WAYS = {
    "fused": with_fused("relu"),
    "fused_ops": with_fused(ops.relu),
    "fused_tensorflow": with_fused(tf.nn.relu),
    "fused_relu_layer": with_fused(layers.ReLU()),
    "relu_layer": with_layer_after(layers.ReLU),
    "activation_layer": with_layer_after(lambda: layers.Activation("relu")),
    "activation_layer_ops": with_layer_after(lambda: layers.Activation(ops.relu)),
    "activation_layer_tensorflow": with_layer_after(lambda: layers.Activation(tf.nn.relu)),
    "operation": with_layer_after(lambda: ops.relu),
    "activations_function": with_layer_after(lambda: keras.activations.relu),
}
CAPPED_WAYS = {
    "fused": with_fused("relu6"),
    "fused_ops": with_fused(ops.relu6),
    "fused_tensorflow": with_fused(tf.nn.relu6),
    "relu_layer": with_layer_after(lambda: layers.ReLU(max_value=6)),
    "activation_layer": with_layer_after(lambda: layers.Activation("relu6")),
    "operation": with_layer_after(lambda: ops.relu6),
    "activations_function": with_layer_after(lambda: keras.activations.relu6),
}


def written(way, seed=3):
    """Two convolutions and a Dense layer, each followed by a ReLU written in this way; then the classes."""
    x = inputs = keras.Input(SHAPE)
    rectified = [layers.Conv2D(4, 3, padding="same"), layers.Conv2D(6, 3, strides=2), layers.Dense(7)]
    for layer in [*rectified[:2], layers.MaxPooling2D(), layers.Flatten(), *rectified[2:]]:
        made = way(layer) if layer in rectified else layer
        for step in made if isinstance(made, list) else [made]:
            x = step(x)
    return truth.randomise(keras.Model(inputs, layers.Dense(4)(x)), seed)


def parts_of_written(cap=np.inf, gain=1.0):
    model = written(with_layer_after(layers.ReLU))
    scale_first_layer(model, gain)
    return [cap if isinstance(layer, layers.ReLU) else layer for layer in model.layers[1:]]


def scale_first_layer(model, gain):
    first = model.layers[1]
    first.set_weights([gain * value for value in first.get_weights()])


@pytest.fixture(scope="module")
def plain_gradient(x):
    return truth.input_gradients(written(WAYS["fused"]), x, CLASSES)


@pytest.mark.sweep
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_write_a_relu(way, method, x, plain_gradient):
    model = written(WAYS[way])
    expected = backward(method, parts_of_written(), x, CLASSES)
    assert np.abs(expected - plain_gradient).max() > 0.1 * np.abs(expected).max()  # what peers return silently
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = kerasxai.explain(model, x, method, target=CLASSES)
    assert_same(maps, expected)


@pytest.mark.sweep
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", CAPPED_WAYS)
def test_every_way_to_write_a_relu_with_a_cap(way, method, x):
    """The first layer's values pass 6 often, where the guided gradient stops and that of DeconvNet does not."""
    model = written(CAPPED_WAYS[way])
    scale_first_layer(model, 8.0)
    expected = backward(method, parts_of_written(6.0, 8.0), x, CLASSES)
    assert np.abs(expected - backward(method, parts_of_written(np.inf, 8.0), x, CLASSES)).max() > 0.1
    assert_same(kerasxai.explain(model, x, method, target=CLASSES), expected)


def test_plain_gradient_is_untouched_by_a_rectified_explainer(x, plain_gradient):
    """The user's layers, and other explainers, keep their own backward pass."""
    model = written(WAYS["fused"])
    kerasxai.explain(model, x, "deconvnet", target=CLASSES)
    assert_same(kerasxai.explain(model, x, "gradient", target=CLASSES), plain_gradient)
    assert_same(truth.input_gradients(model, x, CLASSES), plain_gradient)


# By hand -------------------------------------------------------------------------------------------------------------


def test_by_hand():
    """Two inputs x = (1, 2), two hidden units, one output.

    z = (x1 - x2, x1 + x2) = (-1, 3): the first unit is off. The output weighs them (2, -3) for class 0, (1, 1) for
    class 1. Backward of class 0 above the ReLU: (2, -3). gradient: (0, -3), guided: (0, 0), DeconvNet: (2, 0).
    """
    model = keras.Sequential([keras.Input((1, 2)), layers.Dense(2, activation="relu"), layers.Flatten()])
    model.add(layers.Dense(2))
    model.set_weights([np.array([[1.0, 1.0], [-1.0, 1.0]]), np.zeros(2), np.array([[2.0, 1.0], [-3, 1]]), np.zeros(2)])
    x = np.array([[[1.0, 2.0]]])
    by_hand = {
        ("gradient", 0): [-3, -3],
        ("guided_backprop", 0): [0, 0],
        ("deconvnet", 0): [2, -2],
        ("gradient", 1): [1, 1],
        ("guided_backprop", 1): [1, 1],
        ("deconvnet", 1): [1 + 1, -1 + 1],
    }
    for (method, target), expected in by_hand.items():
        np.testing.assert_allclose(kerasxai.explain(model, x, method, target=target), [[expected]], atol=1e-6)


# Other layers --------------------------------------------------------------------------------------------------------

RECTIFIED_LAYERS = {
    "separable": lambda activation: layers.SeparableConv2D(6, 3, activation=activation),
    "depthwise": lambda activation: layers.DepthwiseConv2D(3, depth_multiplier=2, activation=activation),
    "transposed": lambda activation: layers.Conv2DTranspose(5, 3, strides=2, activation=activation),
    "dense_per_position": lambda activation: layers.Dense(6, activation=activation),
    "einsum": lambda activation: layers.EinsumDense("bhwc,cd->bhwd", (6, 8, 6), bias_axes="d", activation=activation),
}


@pytest.mark.sweep
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", RECTIFIED_LAYERS)
def test_linear_layers_of_every_kind(kind, method, x):
    def net(activation):
        middle = RECTIFIED_LAYERS[kind](activation)
        return [layers.Conv2D(4, 3, activation=activation), middle, layers.Flatten(), layers.Dense(4)]

    model = truth.randomise(keras.Sequential([keras.Input(SHAPE), *net("relu")]))
    linear = keras.Sequential([keras.Input(SHAPE), *net(None)])
    linear.set_weights(model.get_weights())
    first, middle, *head = linear.layers
    expected = backward(method, [first, np.inf, middle, np.inf, *head], x, CLASSES)
    assert_same(kerasxai.explain(model, x, method, target=CLASSES), expected)


@pytest.mark.parametrize("method", METHODS)
def test_one_dimension(method):
    x = images(3, (20, 2)) - np.float32(0.3)
    net = [layers.Conv1D(4, 3), layers.ReLU(), layers.MaxPooling1D(), layers.DepthwiseConv1D(3), layers.ReLU()]
    model = keras.Sequential([keras.Input((20, 2)), *net, layers.Flatten(), layers.Dense(4)])
    truth.randomise(model)
    parts = [np.inf if isinstance(layer, layers.ReLU) else layer for layer in model.layers]
    assert_same(kerasxai.explain(model, x, method, target=CLASSES), backward(method, parts, x, CLASSES))


@pytest.mark.parametrize("method", METHODS)
def test_batch_normalization_between(method, x):
    net = [layers.Conv2D(4, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    net += [layers.AveragePooling2D(2), layers.Conv2D(5, 2), layers.ReLU(), layers.BatchNormalization()]
    model = keras.Sequential([keras.Input(SHAPE), *net, layers.Flatten(), layers.Dense(4)])
    truth.randomise(model)
    parts = [np.inf if isinstance(layer, layers.ReLU) else layer for layer in model.layers]
    assert_same(kerasxai.explain(model, x, method, target=CLASSES), backward(method, parts, x, CLASSES))


@pytest.mark.parametrize("method", METHODS)
def test_nested_models_are_reached(method, x):
    flat = written(WAYS["relu_layer"])
    inner = keras.Sequential([keras.Input(SHAPE), *flat.layers[1:4]], name="inner")
    middle = keras.Sequential([keras.Input(SHAPE), inner, *flat.layers[4:6]], name="middle")
    nested = keras.Sequential([keras.Input(SHAPE), middle, *flat.layers[6:]])
    expected = backward(method, parts_of_written(), x, CLASSES)
    assert_same(kerasxai.explain(nested, x, method, target=CLASSES), expected)


@pytest.mark.parametrize("method", METHODS)
def test_residual_branches_and_a_layer_called_twice(method, x):
    """r(z) = ReLU: S = head(r(c(h)) + h), h = r(c(x)) with one and the same convolution c."""
    inputs = keras.Input(SHAPE)
    shared, relu = layers.Conv2D(3, 3, padding="same", activation="relu"), layers.ReLU()
    hidden = shared(inputs)
    joined = relu(layers.Add()([shared(hidden), hidden]))
    model = truth.randomise(keras.Model(inputs, layers.Dense(4)(layers.Flatten()(joined))), seed=2)
    c = truth.clone(model).get_layer(shared.name)
    c.activation = keras.activations.linear
    head = model.layers[-1]

    def back(given, gradient):
        with tf.GradientTape() as tape:
            tape.watch(given := tf.constant(given))
            made = c(given)
        return tape.gradient(made, given, tf.constant(gradient)).numpy()

    z1 = c(x).numpy()
    h = np.maximum(z1, 0)
    z2 = c(h).numpy()
    total = np.maximum(z2, 0) + h
    upper = head.kernel.numpy().T[CLASSES].reshape(total.shape)
    at_sum = masked(method, upper, total)
    at_h = at_sum + back(h, masked(method, at_sum, z2))
    assert_same(kerasxai.explain(model, x, method, target=CLASSES), back(np.float32(x), masked(method, at_h, z1)))


@pytest.mark.parametrize("method", METHODS)
def test_softmax_head_is_left_out(method, x):
    model = written(WAYS["fused"])
    with_head = keras.Model(model.inputs[0], layers.Softmax()(model.outputs[0]))
    expected = backward(method, parts_of_written(), x, CLASSES)
    assert_same(kerasxai.explain(with_head, x, method, target=CLASSES), expected)


# What is no ReLU -----------------------------------------------------------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize(("method", "fused"), [("guided_backprop", True), ("deconvnet", False)])
@pytest.mark.parametrize(
    "activation",
    ["swish", "tanh", "leaky_relu", layers.LeakyReLU(0.2), layers.ReLU(negative_slope=0.2)],
    ids=["swish", "tanh", "leaky_relu", "leaky_relu_layer", "relu_layer_with_slope"],
)
def test_without_a_relu_it_warns_and_is_the_gradient(activation, method, fused, x):
    as_layer = activation if isinstance(activation, keras.Layer) else layers.Activation(activation)
    convolution = [layers.Conv2D(4, 3, activation=activation)] if fused else [layers.Conv2D(4, 3), as_layer]
    model = keras.Sequential([keras.Input(SHAPE), *convolution, layers.Flatten(), layers.Dense(4)])
    truth.randomise(model)
    with pytest.warns(UserWarning, match="no ReLU"):
        maps = kerasxai.explain(model, x, method, target=CLASSES)
    assert_same(maps, truth.input_gradients(model, x, CLASSES))


def test_leaky_relu_beside_a_relu_keeps_its_own_backward(x):
    net = [layers.Conv2D(4, 3), layers.LeakyReLU(0.3), layers.Conv2D(4, 3), layers.ReLU(), layers.Flatten()]
    model = truth.randomise(keras.Sequential([keras.Input(SHAPE), *net, layers.Dense(4)]))
    parts = [np.inf if type(layer) is layers.ReLU else layer for layer in model.layers]
    expected = backward("guided_backprop", parts, x, CLASSES)
    assert_same(kerasxai.explain(model, x, "guided_backprop", target=CLASSES), expected)


class Block(layers.Layer):
    """Hides a rectified convolution in its own `call`."""

    def __init__(self):
        super().__init__(name="block")
        self.conv = layers.Conv2D(4, 3, activation="relu", name="hidden")

    def build(self, shape):
        self.conv.build(shape)

    def call(self, x):
        return self.conv(x)

    def compute_output_shape(self, shape):
        return self.conv.compute_output_shape(shape)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "hiding",
    [Block, lambda: layers.TimeDistributed(layers.Dense(4, activation="relu", name="hidden"))],
    ids=["custom_layer", "time_distributed"],
)
def test_a_layer_that_hides_a_relu_is_refused(hiding, method):
    model = keras.Sequential([keras.Input(SHAPE), layers.ReLU(), hiding(), layers.Flatten(), layers.Dense(4)])
    with pytest.raises(ValueError, match="hidden"):
        kerasxai.explainers.get(method)(model)


class Clipped(layers.Layer):
    """Calls a ReLU that is no layer."""

    def call(self, x):
        return tf.function(tf.nn.relu6)(x) - 0.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "hiding",
    [Clipped, lambda: layers.Lambda(lambda x: 2 * keras.ops.relu(x))],
    ids=["custom_layer", "lambda"],
)
def test_a_layer_that_calls_a_relu_of_tensorflow_is_refused(hiding, method):
    model = keras.Sequential([keras.Input(SHAPE), layers.ReLU(), hiding(), layers.Flatten(), layers.Dense(4)])
    with pytest.raises(ValueError, match="holds a ReLU"):
        kerasxai.explainers.get(method)(model)


@pytest.mark.parametrize("method", METHODS)
def test_a_recurrent_cell_with_a_relu_is_refused(method):
    """Its activation works inside the recurrence, out of reach."""
    recurrent = layers.SimpleRNN(3, activation="relu")
    model = keras.Sequential([keras.Input((6, 2)), layers.Conv1D(4, 3, activation="relu"), recurrent, layers.Dense(2)])
    with pytest.raises(ValueError, match="ReLU"):
        kerasxai.explainers.get(method)(model)


# Guided Grad-CAM -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["first", "second"])
def test_guided_grad_cam_is_grad_cam_times_guided_backprop(layer, x):
    net = [layers.Conv2D(4, 3, activation="relu", name="first"), layers.MaxPooling2D()]
    net += [layers.Conv2D(5, 2, activation="relu", name="second"), layers.Flatten(), layers.Dense(4)]
    model = truth.randomise(keras.Sequential([keras.Input(SHAPE), *net]), seed=6)
    linear = truth.clone(model)
    for name in ("first", "second"):
        linear.get_layer(name).activation = keras.activations.linear
    first, pooling, second, flatten, dense = linear.layers
    guided = backward("guided_backprop", [first, np.inf, pooling, second, np.inf, flatten, dense], x, CLASSES)
    A, G = truth.activations_and_gradients(model, layer, x, CLASSES)
    cam = np.maximum((G.mean(axis=(1, 2), keepdims=True) * A).sum(axis=-1), 0)
    assert (cam.max(axis=(1, 2)) > 0).any()
    expected = guided * truth.resized(cam, SHAPE[:2])[..., np.newaxis]
    assert_same(kerasxai.explain(model, x, "guided_grad_cam", target=CLASSES, layer=layer), expected)
    if layer == "second":
        assert_same(kerasxai.explain(model, x, "guided_grad_cam", target=CLASSES), expected)


class ByHand(layers.Layer):
    def call(self, x):
        return tf.maximum(x, 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_a_relu_by_hand_is_warned_of_and_right_once_registered(method, x):
    def net(*rectifiers):
        made = [layers.Conv2D(4, 3, name="conv"), *rectifiers, layers.Flatten(), layers.Dense(4)]
        return truth.randomise(keras.Sequential([keras.Input(SHAPE), *made]))

    explain = kerasxai.explainers.get(method)
    wanted = explain(net(layers.ReLU()))(x, target=CLASSES)
    with pytest.warns(UserWarning, match=r'ByHand.*register_operation\(ByHand, "rectify"\)'):
        explain(net(ByHand(), layers.ReLU()))
    kerasxai.register_operation(ByHand, "rectify")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(explain(net(ByHand()))(x, target=CLASSES), wanted)
