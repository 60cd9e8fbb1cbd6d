"""Subclasses that compute something else than their parents: every method is right about them, or refuses.

The truth takes nothing from the package: the part of the model after the layer `features`, run as it is with each
channel of its input set to 0, and gradients by tape.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same

CLASSES = np.array([0, 2, 1])
X = truth.images(3, (8, 8, 2), seed=5) - np.float32(0.4)
FEATURES = "features"


class SquaredDense(layers.Dense):
    def call(self, x):
        return ops.square(super().call(x))


class CosineHead(layers.Dense):
    def call(self, x):
        unit = [ops.normalize(one, axis=axis) for one, axis in ((x, -1), (self.kernel, 0))]
        return 10.0 * ops.matmul(*unit)


class StandardisedConv(layers.Conv2D):
    """Weight standardisation: in `call` Keras hands the kernel on to `convolution_op`."""

    def convolution_op(self, inputs, kernel):
        mean, variance = ops.moments(kernel, axes=[0, 1, 2], keepdims=True)
        return super().convolution_op(inputs, (kernel - mean) / ops.sqrt(variance + 1e-5))


class SlopedReLU(layers.ReLU):
    def call(self, x):
        return ops.where(x > 0, x, 0.3 * x)


class ScalingBatchNorm(layers.BatchNormalization):
    def call(self, x, training=None, mask=None):
        return ops.tanh(2.0 * super().call(x, training=training))


class MinPooling(layers.MaxPooling2D):
    def call(self, x):
        return -super().call(-x)


class ProductPooling(layers.AveragePooling2D):
    def call(self, x):
        return ops.square(super().call(x))


class DoublingDropout(layers.Dropout):
    def call(self, x, training=False):
        return 2.0 * x


class SquaringFlatten(layers.Flatten):
    def call(self, x):
        return ops.square(super().call(x))


class SquaringReshape(layers.Reshape):
    def call(self, x):
        return ops.square(super().call(x))


class SummingPooling(layers.GlobalAveragePooling2D):
    def call(self, x):
        return ops.sum(x, axis=(1, 2))


class WeightedAdd(layers.Add):
    def _merge_function(self, inputs):
        return inputs[0] - 2.0 * inputs[1]


class ProductAdd(layers.Add):
    def call(self, inputs):
        return inputs[0] * inputs[1]


class TemperedSoftmax(layers.Softmax):
    def call(self, x, mask=None):
        return super().call(x / 4.0)


def _replaced_call():
    layer = layers.Dense(5, name="odd")
    layer.build((None, 6))
    layer.call = lambda x, training=None: ops.square(ops.matmul(x, layer.kernel))
    return layer


def pooled(x):
    return layers.GlobalAveragePooling2D()(x)


def dense(x, **options):
    return layers.Dense(3, name="classes", **options)(x)


# What follows the layer `features`, whose output has the shape (8, 8, 6); the odd layer is called "odd".
TAILS = {
    "squared dense": lambda x: dense(SquaredDense(5, name="odd")(pooled(x))),
    "squared head": lambda x: SquaredDense(3, name="odd")(pooled(x)),
    "squared head behind flatten": lambda x: SquaredDense(3, name="odd")(layers.Flatten()(x)),
    "relu inside dense": lambda x: dense(SquaredDense(5, activation="relu", name="odd")(pooled(x))),
    "cosine head": lambda x: CosineHead(3, use_bias=False, name="odd")(pooled(x)),
    "standardised convolution": lambda x: dense(pooled(StandardisedConv(4, 3, name="odd")(x))),
    "sloped relu": lambda x: dense(pooled(SlopedReLU(name="odd")(layers.Conv2D(4, 3)(x)))),
    "scaling batch norm": lambda x: dense(pooled(ScalingBatchNorm(name="odd")(x))),
    "min pooling": lambda x: dense(layers.Flatten()(MinPooling(2, name="odd")(x))),
    "squared average pooling": lambda x: dense(pooled(ProductPooling(2, name="odd")(x))),
    "doubling dropout": lambda x: dense(DoublingDropout(0.5, name="odd")(pooled(x))),
    "squaring flatten": lambda x: dense(SquaringFlatten(name="odd")(x)),
    "squaring reshape": lambda x: dense(SquaringReshape((-1,), name="odd")(x)),
    "summing pooling": lambda x: dense(SummingPooling(name="odd")(x)),
    "weighted add": lambda x: dense(pooled(WeightedAdd(name="odd")([x, layers.Activation("tanh")(x)]))),
    "product add": lambda x: dense(pooled(ProductAdd(name="odd")([x, x]))),
    "replaced call": lambda x: dense(_replaced_call()(pooled(x))),
    "tempered softmax": lambda x: TemperedSoftmax(name="odd")(dense(pooled(x))),
}
ALL = pytest.mark.parametrize("kind", TAILS)
LOGITS = pytest.mark.parametrize("kind", [kind for kind in TAILS if kind != "tempered softmax"])


@functools.cache
def model(kind):
    inputs = keras.Input((8, 8, 2))
    features = layers.Conv2D(6, 3, padding="same", activation="relu", name=FEATURES)(inputs)
    return truth.randomise(keras.Model(inputs, TAILS[kind](features)), seed=7)


def scored(kind):
    """The tensor whose values are explained, and what they are divided by: what a softmax at the end is given."""
    net = model(kind)
    return (net.get_layer("classes").output, 4.0) if kind == "tempered softmax" else (net.output, 1.0)


def tail(kind):
    """The scores of each sample's class as a function of the layer `features`."""
    logits, temperature = scored(kind)
    part = keras.Model(model(kind).get_layer(FEATURES).output, logits)
    return lambda features: tf.gather(part(features, training=False) / temperature, CLASSES, batch_dims=1)


def features_of(kind):
    return keras.Model(model(kind).input, model(kind).get_layer(FEATURES).output)(X, training=False)


def explained(kind, method, **options):
    return kerasxai.explain(model(kind), X, method=method, target=CLASSES, **options)


@pytest.mark.slow
@ALL
def test_ablation_cam_is_the_loop_over_channels(kind):
    features, run = features_of(kind), tail(kind)
    score, falls = run(features).numpy(), []
    for channel in range(6):
        kept = np.arange(6) != channel
        falls.append(score - run(features * kept.astype("float32")).numpy())
    expected = np.einsum("kn,nhwk->nhw", np.stack(falls) / np.abs(score), features)
    assert_same(explained(kind, "ablation_cam", layer=FEATURES, relu=False, upsample=False), expected, atol=2e-5)


# The odd layer comes before a mean and a Dense layer, and is what CAM reads.
BEFORE_THE_MEAN = [kind for kind in TAILS if kind.split()[-1] in ("convolution", "relu", "norm", "add")]
BEFORE_THE_MEAN.append("squared average pooling")


@ALL
def test_cam_adds_up_to_the_logit_or_refuses(kind):
    if kind not in BEFORE_THE_MEAN:
        with pytest.raises(ValueError, match="ends in global average pooling and one Dense"):
            explained(kind, "cam")
        return
    net = model(kind)
    bias = net.get_layer("classes").bias.numpy()[CLASSES]
    maps = explained(kind, "cam", upsample=False)
    assert_same(maps.mean(axis=(1, 2)) + bias, net(X).numpy()[np.arange(3), CLASSES])


@pytest.mark.slow
@ALL
def test_gradients_are_those_of_the_model(kind):
    expected = input_gradient(kind, tail(kind))
    assert_same(explained(kind, "gradient"), expected)


def input_gradient(kind, run):
    below, x = keras.Model(model(kind).input, model(kind).get_layer(FEATURES).output), tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = run(below(x))
    return tape.gradient(score, x).numpy()


@pytest.mark.slow
@LOGITS
def test_deep_lift_accounts_for_the_difference_to_the_baseline(kind):
    at = [tf.gather(model(kind)(x), CLASSES, batch_dims=1).numpy() for x in (X, np.zeros_like(X))]
    maps = explained(kind, "deep_lift", baseline=0.0)
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3)), at[0] - at[1], rtol=2e-3, atol=2e-3 * np.abs(at[0]).max())


@pytest.mark.slow
@LOGITS
@pytest.mark.filterwarnings("ignore:FullGrad leaves out")
def test_full_grad_has_the_terms_of_the_biases_it_knows(kind):
    net = model(kind)
    biases = [one.bias.value for one in net.layers if one.name != "odd" and getattr(one, "bias", None) is not None]
    residuals = kerasxai.explainers.FullGrad(net).completeness_residual(X, CLASSES)
    for sample, (label, residual) in enumerate(zip(CLASSES, residuals)):
        x = tf.constant(X[sample : sample + 1])
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = net(x, training=False)[0, label]
        slopes = tape.gradient(score, [x, *biases])
        terms = sum(tf.reduce_sum(one * slope) for one, slope in zip([x, *biases], slopes))
        np.testing.assert_allclose(residual, score - terms, rtol=1e-3, atol=1e-3 * np.abs(score))


BIASED = ["squared dense", "squared head", "relu inside dense", "standardised convolution", "scaling batch norm"]


@pytest.mark.parametrize("kind", [*BIASED, "replaced call"])
def test_full_grad_says_whose_biases_it_leaves_out(kind):
    with pytest.warns(UserWarning, match="leaves out the biases of odd"):
        kerasxai.explainers.FullGrad(model(kind))


@pytest.mark.slow
@ALL
@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_rectified_gradients_are_made_by_hand_or_refused(kind, method):
    if kind in ("sloped relu", "relu inside dense"):
        with pytest.raises(ValueError, match=r"Layer odd .* holds a ReLU"):
            explained(kind, method)
        return
    features, run = features_of(kind), tail(kind)
    with tf.GradientTape() as tape:
        tape.watch(features)
        score = run(features)
    gradient = tf.nn.relu(tape.gradient(score, features))
    if method == "guided_backprop":
        gradient = tf.where(features > 0, gradient, 0.0)
    kernel = model(kind).get_layer(FEATURES).kernel
    expected = tf.nn.conv2d_transpose(gradient, tf.convert_to_tensor(kernel), X.shape, 1, "SAME")
    assert_same(explained(kind, method), expected.numpy())


@ALL
@pytest.mark.parametrize("method", ["lrp", "b_lrp", "relevance_cam"])
def test_relevance_does_not_pass_what_is_unknown(kind, method):
    options = {"layer": FEATURES} if method == "relevance_cam" else {}
    with pytest.raises(ValueError, match="LRP has no treatment for odd"):
        explained(kind, method, **options)


@pytest.mark.parametrize("first", [SquaredDense(3, name="odd"), StandardisedConv(3, 3, name="odd")])
def test_a_shift_is_absorbed_by_linear_layers_only(first):
    shape = (5,) if isinstance(first, layers.Dense) else (8, 8, 2)
    net = keras.Sequential([keras.Input(shape), first, layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match="first layer must be linear"):
        kerasxai.evaluators.InputShiftInvariance()(net, truth.images(2, shape), explainer="gradient")


def test_a_kernel_is_ablated_only_where_it_makes_the_channels():
    net = keras.Sequential(
        [keras.Input((8, 8, 2)), StandardisedConv(3, 3, name="odd"), layers.Flatten(), layers.Dense(3)]
    )
    with pytest.raises(ValueError, match="needs a layer with a kernel"):
        kerasxai.explainers.AblationCAM(net, ablation="kernel")


@pytest.mark.parametrize("key", [SquaredDense, "odd"])
def test_relevance_passes_what_the_user_says_of_a_layer(key):
    net = model("squared dense")
    rules = {key: "proportional", "*": "epsilon"}
    at_odd = kerasxai.explain(net, X, method="lrp", target=CLASSES, rules=rules, relevance_at="odd")
    below = kerasxai.explain(net, X, method="lrp", target=CLASSES, rules=rules, relevance_at=net.layers[2].name)
    made, taken = (keras.Model(net.input, layer.output)(X) for layer in (net.get_layer("odd"), net.layers[2]))
    with tf.GradientTape() as tape:
        tape.watch(taken)
        odd = net.get_layer("odd")(taken)
    slope = tape.gradient(odd, taken, output_gradients=at_odd / made)
    assert_same(below, (taken * slope).numpy())


def test_the_name_of_a_keras_class_does_not_stand_for_what_computes_something_else():
    with pytest.raises(ValueError, match="no treatment for odd"):
        explained("squared dense", "lrp", rules={layers.Dense: "proportional", "*": "epsilon"})
