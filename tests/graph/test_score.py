"""The explained scalar: logit and probability of every way to end a model, against the head written out in NumPy."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, layers, ops

from benchmarks.model_kinds.kind import dtype_policy
from kerasxai.explainers import Gradient
from kerasxai.graph import Score, view
from kerasxai.targets import TargetPlan, select
from tests.support import nets


def softmax(values):
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(values):
    return 1.0 / (1.0 + np.exp(-values))


def units(count=3, **kwargs):
    """The last layer with weights; the truth below reads its kernel and bias."""
    return layers.Dense(count, name="units", **kwargs)


def model_with(head, scale=1.0, **kwargs):
    """A net whose head is a function of the pooled features."""
    inputs = Input(nets.IMAGE, name="image")
    pooled = layers.GlobalAveragePooling2D(name="gap")(nets.conv("conv")(inputs))
    model = nets.randomise(keras.Model(inputs, head(pooled), **kwargs))
    kernel = units_of(model).kernel
    kernel.assign(scale * kernel)
    return model


def units_of(model):
    return next(layer for layer in model._flatten_layers() if layer.name == "units")


def true_logits(model, x):
    """What the units compute before any activation."""
    conv = model.get_layer("conv")
    pooled = np.mean(conv(x), axis=(1, 2))
    kernel, bias = units_of(model).get_weights()
    return pooled @ kernel + bias


def ready(model, kind, x):
    score = Score(view(model), kind)
    if not score.is_ready:
        score.inspect([tf.constant(x)])
    return score


def scored(model, kind, x, target=None, output=0):
    """All units of an output, on the scale of a target."""
    score = ready(model, kind, x)
    outputs, _ = score.outputs([tf.constant(x)], TargetPlan(target, score).target)
    return outputs[output].numpy()


def score_of(model, kind, x, target):
    """The scalar explained for a target, `(samples,)`."""
    score = ready(model, kind, x)
    plan = TargetPlan(target, score)
    classes, _ = plan.batch(0, len(x), None)
    target = plan.target.of_batch(tf.constant(classes))
    outputs, _ = score.outputs([tf.constant(x)], target)
    return select(score, outputs, target).numpy()


def nested_head(x):
    return keras.Sequential([Input((3,)), units(activation="softmax")], name="nested")(x)


@keras.saving.register_keras_serializable("tests")
class OwnSoftmax(layers.Layer):
    """A softmax that the package does not know, made of Keras' own."""

    def call(self, x):
        return keras.activations.softmax(x)


SOFTMAX_HEADS = {
    "fused": lambda x: units(activation="softmax")(x),
    "fused tf.nn": lambda x: units(activation=tf.nn.softmax)(x),
    "fused keras.ops": lambda x: units(activation=ops.softmax)(x),
    "fused layer": lambda x: units(activation=layers.Softmax())(x),
    "activation layer": lambda x: layers.Activation("softmax")(units()(x)),
    "softmax layer": lambda x: layers.Softmax()(units()(x)),
    "operation": lambda x: ops.softmax(units()(x)),
    "keras.activations": lambda x: keras.activations.softmax(units()(x)),
    "nested": nested_head,
    "own layer": lambda x: OwnSoftmax()(units()(x)),
    "then reshape": lambda x: layers.Reshape((3,))(units(activation="softmax")(x)),
    "then flatten": lambda x: layers.Flatten()(layers.Reshape((1, 3))(units(activation="softmax")(x))),
    "then cast": lambda x: layers.Activation("linear", dtype="float32")(units(activation="softmax")(x)),
    "then operations": lambda x: ops.cast(ops.squeeze(ops.reshape(ops.softmax(units()(x)), (-1, 1, 3)), 1), "float32"),
    "then dropout": lambda x: layers.Dropout(0.5)(layers.Softmax()(units()(x))),
}


@pytest.mark.parametrize("head", SOFTMAX_HEADS)
def test_softmax_heads(head):
    x = nets.normals()
    model = model_with(SOFTMAX_HEADS[head])
    logits = true_logits(model, x)
    np.testing.assert_allclose(scored(model, "logit", x), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scored(model, "probability", x), softmax(logits), rtol=1e-5)
    np.testing.assert_allclose(score_of(model, "logit", x, None), logits.max(axis=1), rtol=1e-5)
    np.testing.assert_allclose(score_of(model, "probability", x, 2), softmax(logits)[:, 2], rtol=1e-5)


LINEAR_HEADS = {
    "linear": lambda x: units()(x),
    "linear activation": lambda x: units(activation="linear")(x),
    "activation layer": lambda x: layers.Activation("linear")(units()(x)),
    "reshaped": lambda x: layers.Reshape((3,))(units()(x)),
    "pooled": lambda x: layers.GlobalAveragePooling1D()(layers.Reshape((1, 3))(units()(x))),
    "sum": lambda x: units()(x) + 0.0,
}


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_linear_heads_get_a_softmax_for_the_probability(head):
    x = nets.normals()
    model = model_with(LINEAR_HEADS[head], scale=10.0)
    logits = true_logits(model, x)
    np.testing.assert_allclose(scored(model, "logit", x), logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scored(model, "probability", x), softmax(logits), rtol=1e-4)


SIGMOID_HEADS = {
    "fused": lambda x, count: units(count, activation="sigmoid")(x),
    "activation layer": lambda x, count: layers.Activation("sigmoid")(units(count)(x)),
    "operation": lambda x, count: ops.sigmoid(units(count)(x)),
}


@pytest.mark.parametrize("head", SIGMOID_HEADS)
def test_one_sigmoid_unit_has_two_classes(head):
    x = nets.normals(6)
    model = model_with(lambda pooled: SIGMOID_HEADS[head](pooled, 1))
    logit = true_logits(model, x)[:, 0]
    logit_bias = units_of(model).bias
    logit_bias.assign_sub([np.median(logit)])  # both classes are predicted
    logit = true_logits(model, x)[:, 0]

    def check(kind, target, expected):
        np.testing.assert_allclose(score_of(model, kind, x, target), expected, rtol=1e-4, atol=1e-6)

    check("logit", 1, logit)
    check("logit", 0, -logit)
    check("probability", 1, sigmoid(logit))
    check("probability", 0, 1.0 - sigmoid(logit))
    check("logit", None, np.abs(logit))
    check("probability", None, np.maximum(sigmoid(logit), 1.0 - sigmoid(logit)))
    check("logit", [1, 0] * 3, logit * [1, -1, 1, -1, 1, -1])


@pytest.mark.parametrize("head", SIGMOID_HEADS)
def test_multi_label_sigmoid(head):
    x = nets.normals()
    model = model_with(lambda pooled: SIGMOID_HEADS[head](pooled, 3))
    logits = true_logits(model, x)
    np.testing.assert_allclose(scored(model, "logit", x), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scored(model, "probability", x), sigmoid(logits), rtol=1e-5)
    np.testing.assert_allclose(score_of(model, "probability", x, None), sigmoid(logits).max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("kind", ["logit", "probability"])
def test_one_linear_unit_is_its_value(kind):
    x = nets.normals()
    model = model_with(units(1))
    value = true_logits(model, x)[:, 0]
    for target in (None, 0):
        np.testing.assert_allclose(score_of(model, kind, x, target), value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("head", ["fused", "activation layer", "operation", "nested", "own layer", "then cast"])
def test_saturated_softmax_keeps_its_gradient(head):
    x = nets.normals()
    model = model_with(SOFTMAX_HEADS[head], scale=200.0)
    units_of(model).bias.assign([200.0, 0.0, -200.0])
    assert np.ptp(true_logits(model, x)) > 300.0
    target = 2  # the probability of the weakest class, and its gradient, are 0 in float32
    assert not Gradient(model, score="probability")(x, target=target).any()
    expected = Gradient(model_with(units()), score="logit")(x, target=target) * 200.0
    np.testing.assert_allclose(Gradient(model)(x, target=target), expected, rtol=1e-4, atol=1e-4)


def test_an_unknown_activation_of_the_last_layer_is_looked_at():
    """A function of the user's: a distribution is recognised by its rows."""
    x = nets.normals()
    model = model_with(units(activation=lambda values: tf.nn.softmax(values)))
    logits = true_logits(model, x)
    np.testing.assert_allclose(scored(model, "probability", x), softmax(logits), rtol=1e-5)
    with pytest.warns(UserWarning, match="log p"):
        np.testing.assert_allclose(scored(model, "logit", x), np.log(softmax(logits)), rtol=1e-5, atol=1e-6)


def test_average_of_softmaxes_stays_a_distribution():
    x = nets.normals()
    model = model_with(lambda p: layers.Average()([units(activation="softmax")(p), layers.Softmax()(p)]))
    np.testing.assert_allclose(scored(model, "probability", x), model(x), rtol=1e-6)


def test_outputs_are_float32_or_float64():
    x = nets.normals()
    assert scored(nets.build("mixed_float16"), "logit", x).dtype == np.float32
    with dtype_policy("float64"):
        model = nets.build("sequential")
        assert scored(model, "logit", x.astype("float64")).dtype == np.float64


def test_every_output_of_several_has_its_own_head():
    x = nets.normals()
    model = nets.build("two_outputs")
    pooled = np.mean(model.get_layer("conv")(x), axis=(1, 2))
    expected = {}
    for name in ("kind", "tags"):
        kernel, bias = model.get_layer(name).get_weights()
        expected[name] = pooled @ kernel + bias
    for output, (name, probability) in enumerate((("kind", softmax), ("tags", sigmoid))):
        logits, probabilities = (scored(model, kind, x, (name, 0), output) for kind in ("logit", "probability"))
        np.testing.assert_allclose(logits, expected[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(probabilities, probability(expected[name]), rtol=1e-5)
    target = ("tags", 1)
    np.testing.assert_allclose(score_of(model, "logit", x, target), expected["tags"][:, 1], rtol=1e-5, atol=1e-6)


# Models seen from outside only


class Subclassed(keras.Model):
    """A subclassed net; `final` is what it does with the logits."""

    def __init__(self, units, final=None):
        super().__init__(name="subclassed")
        self.conv = nets.conv("conv")
        self.gap = layers.GlobalAveragePooling2D(name="gap")
        self.units = units
        self.final = final or (lambda values: values)

    def call(self, x):
        return self.final(self.units(self.gap(self.conv(x))))


def subclassed(layer, final=None, scale=1.0):
    model = Subclassed(layer, final)
    model(nets.normals(1))
    nets.randomise(model)
    layer.kernel.assign(scale * layer.kernel)
    return model


@pytest.mark.parametrize(
    "final", [None, layers.Softmax(), keras.activations.softmax], ids=["fused", "layer", "function"]
)
def test_subclassed_softmax_is_undone_exactly(final):
    x = nets.normals()
    model = subclassed(units(activation="softmax" if final is None else None), final, scale=200.0)
    model.units.bias.assign([200.0, 0.0, -200.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = scored(model, "logit", x)
        gradient = Gradient(model)(x, target=2)
    np.testing.assert_allclose(logits, true_logits(model, x), rtol=1e-5)
    np.testing.assert_allclose(scored(model, "probability", x), softmax(true_logits(model, x)), rtol=1e-4)
    assert gradient.any()


def test_subclassed_sigmoid_unit_has_two_classes():
    x = nets.normals()
    model = subclassed(units(1, activation="sigmoid"))
    logit = true_logits(model, x)[:, 0]
    np.testing.assert_allclose(score_of(model, "logit", x, 0), -logit, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(score_of(model, "probability", x, 0), 1.0 - sigmoid(logit), rtol=1e-5)


def test_foreign_softmax_means_log_p_said_once():
    x = nets.normals()
    model = subclassed(units(), tf.nn.softmax)
    explainer = Gradient(model, batch_size=2)
    with pytest.warns(UserWarning, match="log p") as caught:
        first = explainer(x, target=1)
        explainer(x, target=2)
    assert len(caught) == 1
    assert first.any()
    with pytest.warns(UserWarning, match="log p"):
        log_p = scored(model, "logit", x)
    np.testing.assert_allclose(log_p, np.log(softmax(true_logits(model, x))), rtol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(scored(model, "probability", x), softmax(true_logits(model, x)), rtol=1e-5)


def test_log_p_of_a_vanished_probability_is_finite():
    model = subclassed(units(), tf.nn.softmax, scale=1000.0)
    with pytest.warns(UserWarning, match="log p"):
        assert np.isfinite(scored(model, "logit", nets.normals())).all()


def test_subclassed_linear_head():
    x = nets.normals()
    model = subclassed(units(), scale=10.0)
    logits = true_logits(model, x)
    np.testing.assert_allclose(scored(model, "logit", x), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scored(model, "probability", x), softmax(logits), rtol=1e-4)


def test_a_function_of_tensors_is_a_model():
    x = nets.normals()
    model = model_with(units(activation="softmax"))
    expected = softmax(true_logits(model, x))
    with pytest.warns(UserWarning, match="log p"):
        found = scored(lambda x: tf.identity(model(x)), "logit", x)
    np.testing.assert_allclose(found, np.log(expected), rtol=1e-4, atol=1e-6)


def test_unknown_score_is_refused():
    with pytest.raises(ValueError, match=r"`score` must be one of .*'logit', 'probability'.* Received: score='proba'"):
        Score(view(nets.build("sequential")), "proba")
