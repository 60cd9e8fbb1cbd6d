"""FullGrad against its terms taken from sub-models: the input's gradient x input, and every bias times its gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same, images

SHAPE = (8, 10, 3)
CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def x():
    return images(3, SHAPE) - np.float32(0.2)


def full_gradient(model, x, classes):
    """Scores, the input term, and the terms `b dS/dz` of every layer that adds an offset b to make its output z.

    The model must have its activations in layers of their own, so that the output of every other layer is its z.
    """
    added = {layer.name: offset for layer in model.layers if (offset := offset_of(layer)) is not None}
    parts = keras.Model(model.inputs[0], [*(model.get_layer(name).output for name in added), model.outputs[0]])
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        *z, outputs = parts(x, training=False)
        score = tf.gather(outputs, classes, batch_dims=1)
    at_input, *gradients = (gradient.numpy() for gradient in tape.gradient(score, [x, *z]))
    terms = {name: offset * gradient for (name, offset), gradient in zip(added.items(), gradients)}
    return score.numpy(), x.numpy() * at_input, terms


def offset_of(layer):
    if isinstance(layer, layers.BatchNormalization):
        scale = (layer.gamma.numpy() if layer.scale else 1) / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
        return (layer.beta.numpy() if layer.center else 0) - layer.moving_mean.numpy() * scale
    if isinstance(layer, layers.Rescaling):
        return np.float32(layer.offset)
    if isinstance(layer, layers.Normalization):
        return np.float32(-layer.mean.numpy() / np.sqrt(layer.variance.numpy()))
    return layer.bias.numpy() if getattr(layer, "use_bias", False) else None


def full_grad(input_term, bias_terms):
    """psi of the input's term plus psi of every bias term that has positions."""
    spatial = [input_term, *(term for term in bias_terms.values() if term.ndim == 4)]
    return sum(truth.min_max(truth.resized(np.abs(term).sum(axis=-1), SHAPE[:2])) for term in spatial)


def twins(fused, build):
    """A model, and its copy with every activation in a layer of its own."""
    model, copy = keras.Sequential(build(fused=fused)), keras.Sequential(build(fused=False))
    truth.randomise(model, seed=8)
    copy.set_weights(model.get_weights())
    return model, copy


def convolutions(fused):
    net = [keras.Input(SHAPE)]
    for layer in (
        layers.Conv2D(4, 3, padding="same", activation="relu" if fused else None),
        layers.MaxPooling2D(),
        layers.Conv2D(5, 2, strides=2, activation="relu" if fused else None),
        layers.Flatten(),
        layers.Dense(6, activation="relu" if fused else None),
    ):
        net += [layer] if fused or not hasattr(layer, "activation") else [layer, layers.ReLU()]
    return [*net, layers.Dense(4)]


def batch_normalised(fused):
    return [
        keras.Input(SHAPE),
        layers.Rescaling(2.0, offset=-0.7),
        layers.Conv2D(4, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3),
        layers.BatchNormalization(scale=False),
        layers.ReLU(max_value=1000.0),
        layers.SeparableConv2D(5, 3),
        layers.BatchNormalization(center=False),
        layers.LeakyReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4),
    ]


def normalised_input(fused):
    return [
        keras.Input(SHAPE),
        layers.Normalization(mean=[0.3, 0.4, 0.5], variance=[0.5, 1.5, 2.0]),
        layers.Conv2DTranspose(4, 2, strides=2),
        layers.ReLU(),
        layers.AveragePooling2D(2),
        layers.Conv2D(4, 3, dilation_rate=2),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(4),
    ]


NETS = [convolutions, batch_normalised, normalised_input]


@pytest.mark.parametrize(
    ("build", "fused"),
    [(convolutions, True), *((build, False) for build in NETS)],  # the others are written one way only
    ids=lambda value: value.__name__ if callable(value) else "fused" if value else "separate",
)
def test_map_is_the_sum_of_scaled_terms(build, fused, x):
    model, copy = twins(fused, build)
    score, input_term, bias_terms = full_gradient(copy, x, CLASSES)
    # The truth is one: its terms sum to the score.
    total = sum(term.reshape(3, -1).sum(axis=1) for term in (input_term, *bias_terms.values()))
    np.testing.assert_allclose(total, score, rtol=1e-4, atol=1e-5)
    expected = full_grad(input_term, bias_terms)
    assert np.abs(expected - full_grad(input_term, {})).max() > 0.1  # biases matter
    assert_same(kerasxai.explain(model, x, "full_grad", target=CLASSES), expected, rtol=1e-3)


@pytest.mark.parametrize("build", NETS)
def test_completeness_residual_is_zero_for_rectified_nets(build, x):
    model, copy = twins(True, build)
    explainer = kerasxai.explainers.FullGrad(model)
    residual = explainer.completeness_residual(x, target=CLASSES)
    assert residual.shape == (3,)
    assert (np.abs(residual) <= 1e-4 * np.maximum(np.abs(truth.scores(copy, x, CLASSES)), 1)).all()


def test_completeness_residual_of_a_residual_net_with_shared_convolution(x):
    inputs = keras.Input(SHAPE)
    shared = layers.Conv2D(3, 3, padding="same", activation="relu")
    hidden = shared(inputs)
    hidden = layers.Add()([layers.BatchNormalization()(shared(hidden)), hidden])
    hidden = layers.Concatenate()([layers.GlobalMaxPooling2D()(hidden), layers.GlobalAveragePooling2D()(hidden)])
    model = truth.randomise(keras.Model(inputs, layers.Dense(4, activation="softmax")(hidden)), seed=8)
    residual = kerasxai.explainers.FullGrad(model).completeness_residual(x)
    scores = truth.predictions(truth.logits_of(model), x).max(axis=1)
    assert (np.abs(residual) <= 1e-4 * np.abs(scores)).all()


@pytest.mark.parametrize("activation", ["swish", "tanh", "gelu"])
def test_completeness_residual_of_smooth_activations_is_what_is_missing(activation, x):
    """Piecewise linearity is what makes the sum complete; elsewhere the residual says how far it is off."""

    def build(fused):
        first = layers.Conv2D(4, 3, activation=activation if fused else None)
        own = [] if fused else [layers.Activation(activation)]
        return [keras.Input(SHAPE), first, *own, layers.Flatten(), layers.Dense(4)]

    model, copy = twins(True, build)
    score, input_term, bias_terms = full_gradient(copy, x, CLASSES)
    missing = score - sum(term.reshape(3, -1).sum(axis=1) for term in (input_term, *bias_terms.values()))
    assert (np.abs(missing) > 0.01).all()
    residual = kerasxai.explainers.FullGrad(model).completeness_residual(x, target=CLASSES)
    np.testing.assert_allclose(residual, missing, rtol=1e-3, atol=1e-5)


def test_fused_smooth_activation_has_the_gradient_of_its_pre_activation(x):
    def build(fused):
        first = layers.Conv2D(4, 3, activation="swish" if fused else None)
        own = [] if fused else [layers.Activation("swish")]
        return [keras.Input(SHAPE), first, *own, layers.Flatten(), layers.Dense(4)]

    model, copy = twins(True, build)
    _, input_term, bias_terms = full_gradient(copy, x, CLASSES)
    maps = kerasxai.explain(model, x, "full_grad", target=CLASSES)
    assert_same(maps, full_grad(input_term, bias_terms), rtol=1e-3)


def test_constant_terms_add_nothing(x):
    """Before the average pooling every gradient is the same: a term of one value, which resizing makes uneven a little.

    Min-max scaling must not blow up those last digits.
    """
    build = [keras.Input(SHAPE), layers.Conv2D(4, 3, strides=2), layers.GlobalAveragePooling2D(), layers.Dense(4)]
    model = truth.randomise(keras.Sequential(build), seed=8)
    _, input_term, bias_terms = full_gradient(model, x, CLASSES)
    assert np.ptp(np.abs(bias_terms[model.layers[0].name]).sum(axis=-1)[0]) == 0
    maps = kerasxai.explain(model, x, "full_grad", target=CLASSES)
    assert_same(maps, truth.min_max(np.abs(input_term).sum(axis=-1)), rtol=1e-3)


def test_logit_of_a_softmax_and_probability(x):
    model, copy = twins(True, convolutions)
    with_head, copy_with_head = twins(True, lambda fused: [*convolutions(fused), layers.Softmax()])
    _, input_term, bias_terms = full_gradient(copy, x, CLASSES)
    expected = full_grad(input_term, bias_terms)
    assert_same(kerasxai.explain(with_head, x, "full_grad", target=CLASSES), expected, rtol=1e-3)
    _, input_term, bias_terms = full_gradient(copy_with_head, x, CLASSES)
    one_hot = np.eye(model.output_shape[-1])[CLASSES]  # an index alone would mean the value of its linear unit
    maps = kerasxai.explain(model, x, "full_grad", target=one_hot, score="probability")
    assert_same(maps, full_grad(input_term, bias_terms), rtol=1e-3)


NORMS = {
    "layer": layers.LayerNormalization,
    "layer over rows": lambda: layers.LayerNormalization(axis=1),
    "layer over all": lambda: layers.LayerNormalization(axis=[1, 2, 3]),
    "layer by root mean square": lambda: layers.LayerNormalization(rms_scaling=True),
    "group": lambda: layers.GroupNormalization(2),
    "group over rows": lambda: layers.GroupNormalization(2, axis=1),
}


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
def test_the_offset_of_a_norm_is_what_it_adds_along_its_own_axes(kind, x):
    stack = [keras.Input(SHAPE), layers.Conv2D(4, 3, padding="same"), NORMS[kind](), layers.Flatten(), layers.Dense(4)]
    model = truth.randomise(keras.Sequential(stack), seed=8)
    residuals = kerasxai.explainers.FullGrad(model).completeness_residual(x, CLASSES)
    offsets = [weight.value for weight in model.weights if weight.name in ("bias", "beta")]
    for sample in range(3):
        at = tf.constant(x[sample : sample + 1])
        with tf.GradientTape() as tape:
            tape.watch(at)
            score = model(at)[0, CLASSES[sample]]
        slopes = tape.gradient(score, [at, *offsets], unconnected_gradients="zero")
        terms = sum(tf.reduce_sum(one * slope) for one, slope in zip([at, *offsets], slopes))
        np.testing.assert_allclose(residuals[sample], score - terms, rtol=1e-3, atol=1e-4 * np.abs(score))
