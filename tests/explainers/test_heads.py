"""Heads a graph cannot read, a softmax in a wrapper, a custom layer or a Lambda: one score for all methods.

The truth is the same net with its head written plainly, its logits linear units, and finite steps of them.
"""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, layers, ops

import kerasxai
from kerasxai import explainers
from tests.support import nets
from tests.support.truth import assert_same

X = nets.normals(3)
METHODS = [name for name in explainers.names() if explainers.get(name).needs_graph]
METHODS += ["gradient", "integrated_gradients", "grad_cam", "occlusion"]
REFUSALS = ("LRP has no treatment for", "CAM needs a model that ends in")


@keras.saving.register_keras_serializable("tests")
class OwnHead(layers.Layer):
    """A layer with units and a softmax of its own, and the features it saw besides."""

    def __init__(self, returns_features=False, **kwargs):
        super().__init__(**kwargs)
        self.units = layers.Dense(nets.CLASSES)
        self.returns_features = returns_features

    def build(self, shape):
        self.units.build(shape)
        self.built = True

    def call(self, x):
        probabilities = keras.activations.softmax(self.units(x))
        return (x * 2.0, probabilities) if self.returns_features else probabilities


class SoftmaxInCall(keras.Model):
    """A nested model with a `call` of its own."""

    def __init__(self):
        super().__init__()
        self.units = layers.Dense(nets.CLASSES, activation="softmax")

    def call(self, x):
        return self.units(x)


# The softmax of these leaves its logits where they are found.
IN_REACH = {
    "spectral": lambda x: layers.SpectralNormalization(layers.Dense(nets.CLASSES, activation="softmax"))(x),
    "own layer": lambda x: OwnHead()(x),
    "second of a layer's outputs": lambda x: OwnHead(returns_features=True)(x)[1],
    "lambda": lambda x: layers.Lambda(keras.activations.softmax)(layers.Dense(nets.CLASSES)(x)),
    "nested model": lambda x: SoftmaxInCall()(x),
    "reshaped afterwards": lambda x: layers.Reshape((nets.CLASSES,))(OwnHead()(x)),
}
# And of these it does not: the logit is log p, said.
OUT_OF_REACH = {
    "lambda of tf": lambda x: layers.Lambda(tf.nn.softmax)(layers.Dense(nets.CLASSES)(x)),
    "time distributed": lambda x: layers.Flatten()(
        layers.TimeDistributed(layers.Dense(nets.CLASSES, activation="softmax"))(layers.Reshape((1, 3))(x))
    ),
}
HEADS = {**IN_REACH, **OUT_OF_REACH}


def net(head):
    inputs = Input(nets.IMAGE)
    pooled = layers.GlobalAveragePooling2D(name="gap")(nets.conv("conv")(inputs))
    return nets.randomise(keras.Model(inputs, head(pooled)))


def plain(model, units):
    """The net with a plain head: `units` makes the outputs of the Dense layer's."""
    twin = net(lambda x: units(layers.Dense(nets.CLASSES, name="units")(x)))
    twin.set_weights([weight for weight in model.get_weights() if weight.shape != (1, 3)])  # the spectral norm's vector
    assert_same(
        tf.nn.softmax(twin(X)) if units is identity else twin(X), tf.math.log(model(X)) if units is log_p else model(X)
    )
    return twin


def identity(x):
    return x


def log_p(x):
    return ops.log(ops.softmax(x))


def explained(method, model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = nets.quick(method, model, verbose=0, **options)
        return explainer, explainer(X, target=1)


@pytest.mark.sweep
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("head", HEADS)
def test_every_method_explains_the_same_score_or_refuses(head, method):
    model = net(HEADS[head])
    try:
        explainer, maps = explained(method, model)
    except ValueError as refusal:
        assert any(words in str(refusal) for words in REFUSALS)
        return
    ends_in = identity if head in IN_REACH else log_p
    if explainer.score == "probability":
        ends_in = ops.softmax
    _, expected = explained(method, plain(model, ends_in))
    assert_same(maps, expected, rtol=2e-3, atol=1e-3)
    if method == "deep_lift":
        assert np.abs(explainer.completeness_residual(X, maps, target=1)).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("head", IN_REACH)
def test_deep_lift_shares_out_the_logit(head):
    model = net(HEADS[head])
    logits = plain(model, identity)
    maps = kerasxai.explain(model, X, "deep_lift", target=2)
    assert_same(maps.sum(axis=(1, 2, 3)), logits(X)[:, 2] - logits(0 * X)[:, 2], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
def test_deep_lift_shares_out_the_probability(head):
    model = net(HEADS[head])
    maps = kerasxai.explain(model, X, "deep_lift", target=2, score="probability")
    assert_same(maps.sum(axis=(1, 2, 3)), model(X).numpy()[:, 2] - model(0 * X).numpy()[:, 2], rtol=1e-3)


@pytest.mark.parametrize("method", ["gradient", "deep_lift", "full_grad", "ablation_cam"])
def test_a_head_that_feeds_another_output_is_left_as_it_is(method):
    """A coarse softmax that the fine one takes: the fine logit is that of the model, not of a changed one."""

    def cascade(fine_head):
        inputs = Input(nets.IMAGE)
        pooled = layers.GlobalAveragePooling2D(name="gap")(nets.conv("conv")(inputs))
        coarse = layers.Dense(2, activation="softmax", name="coarse")(pooled)
        fine = layers.Dense(3, activation=fine_head, name="fine")(layers.Concatenate()([pooled, coarse]))
        return coarse, nets.randomise(keras.Model(inputs, [coarse, fine]))

    _, model = cascade("softmax")
    _, logits = cascade(None)
    logits.set_weights(model.get_weights())
    alone = keras.Model(logits.inputs, logits.outputs[1])
    options = {"relu": False} if method == "ablation_cam" else {}
    found = kerasxai.explain(model, X, method, target=("fine", 2), **options)
    assert_same(found, kerasxai.explain(alone, X, method, target=2, **options), rtol=1e-3)
    with pytest.raises(ValueError, match=r"outputs that do not feed one another.*'coarse'"):
        kerasxai.explain(model, X, "gradient", target=kerasxai.of_logits(lambda logits: logits[1][:, 0]))
    own = kerasxai.explain(model, X, "gradient", target=lambda outputs: outputs[1][:, 2])
    assert_same(own, kerasxai.explain(model, X, "gradient", target=("fine", 2), score="probability"), rtol=1e-3)
