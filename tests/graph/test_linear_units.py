"""Linear units: logits or values, by the compiled loss, else by what the target speaks of; truth in NumPy."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, layers

import kerasxai
from kerasxai import explainers
from kerasxai.evaluators.scoring import ScoredModel
from tests.support import nets
from tests.support.truth import assert_same

X = nets.normals(4)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LABELS = keras.losses.BinaryCrossentropy(from_logits=True)
KINDS = ("functional", "subclassed", "unknown operation")
ONE_HOT = np.eye(3)[[2, 0, 1, 1]]


class Subclassed(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.steps = [nets.conv("conv"), layers.GlobalAveragePooling2D(), layers.Dense(units)]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


def net(units=3, loss=None, kind="functional"):
    if kind == "subclassed":
        model = Subclassed(units)
        model(X)
    else:
        inputs = Input(nets.IMAGE)
        x = layers.Dense(units)(layers.GlobalAveragePooling2D()(nets.conv("conv")(inputs)))
        model = keras.Model(inputs, x if kind == "functional" else 2.0 * x)
    nets.randomise(model)
    kernel = next(layer for layer in model._flatten_layers() if isinstance(layer, layers.Dense)).kernel
    kernel.assign(5.0 * kernel)  # values that nobody takes for probabilities
    if loss is not None:
        model.compile("sgd", loss)
    return model


def softmax(values):
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def scores(model, target, y=None):
    """What evaluators score with, under `score="probability"`."""
    return ScoredModel(model).samples(X, y, target).originals


def labels_for(target, labels=(2, 0, 1, 1)):
    """Labels where the target takes them; else they are refused."""
    return list(labels) if isinstance(target, str) and target == "true" else None


def quietly(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments)


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["mse", keras.losses.Huber()])
def test_a_loss_of_quantities_makes_them_values(kind, loss):
    model = net(loss=loss, kind=kind)
    values = model(X).numpy()
    np.testing.assert_allclose(quietly(scores, model, 2), values[:, 2], rtol=1e-5)
    np.testing.assert_allclose(quietly(scores, model, [2, 0, 1, 1]), values[range(4), [2, 0, 1, 1]], rtol=1e-5)
    for score in ("logit", "probability"):
        gradient = quietly(kerasxai.explainers.Gradient(model, score=score), X, 2)
        assert_same(gradient, tape_gradient(model, lambda outputs: outputs[:, 2]))


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("target", [None, "predicted", "top2", "true", ONE_HOT], ids=str)
def test_no_class_is_predicted_by_a_regression(score, target):
    explainer = kerasxai.explainers.Gradient(net(loss="mse"), score=score)
    with pytest.raises(ValueError, match=r"loss .* quantities, so its units \(3\) are values.*target=0, or a callable"):
        explainer(X, target=target, y=labels_for(target))


def test_one_unit_of_a_regression_is_its_value_but_no_label():
    model = net(1, "mse")
    for target in (None, "predicted", 0):
        np.testing.assert_allclose(quietly(scores, model, target), model(X)[:, 0], rtol=1e-5)
    with pytest.raises(ValueError, match="none of them is a class"):
        scores(model, "true", [0.5, 1.5, 2.5, 3.5])


def test_evaluators_refuse_a_predicted_class_of_a_regression_too():
    with pytest.raises(ValueError, match="none of them is a class"):
        scores(net(loss="mse"), None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [None, 1, "true", ONE_HOT], ids=str)
def test_a_loss_from_logits_makes_them_a_softmax(kind, target):
    model = net(loss=LOGITS, kind=kind)
    labels = [2, 0, 1, 1]
    p = softmax(model(X).numpy())
    classes = {"None": p.argmax(axis=1), "1": [1] * 4}.get(str(target), labels)
    np.testing.assert_allclose(quietly(scores, model, target, labels_for(target)), p[range(4), classes], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_binary_loss_from_logits_makes_several_a_sigmoid_each(kind):
    model = net(loss=LABELS, kind=kind)
    p = sigmoid(model(X).numpy())
    np.testing.assert_allclose(quietly(scores, model, 2), p[:, 2], rtol=1e-5)
    np.testing.assert_allclose(quietly(scores, model, None), p.max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_binary_loss_from_logits_makes_one_unit_two_classes(kind):
    model = net(1, LABELS, kind)
    logit = model(X).numpy()[:, 0]
    np.testing.assert_allclose(scores(model, 1), sigmoid(logit), rtol=1e-5)
    np.testing.assert_allclose(scores(model, 0), 1 - sigmoid(logit), rtol=1e-5)
    gradient = kerasxai.explainers.Gradient(model)
    assert_same(gradient(X, target=0), -gradient(X, target=1))
    assert_same(gradient(X, target=1), tape_gradient(model, lambda outputs: outputs[:, 0]))


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [None, "true", ONE_HOT], ids=str)
def test_without_a_loss_a_target_of_classes_means_a_softmax_said_once(kind, target):
    model = net(kind=kind)
    labels = [2, 0, 1, 1]
    p = softmax(model(X).numpy())
    classes = p.argmax(axis=1) if target is None else labels
    explainer = explainers.Occlusion(model, window=3, stride=3)
    with pytest.warns(UserWarning, match=r"3 linear units, and no compiled loss.*give the index") as caught:
        explainer(X, target=target, y=labels_for(target))
        explainer(X, target=target, y=labels_for(target))
    assert len([one for one in caught if "linear units" in str(one.message)]) == 1
    with pytest.warns(UserWarning, match="linear units"):
        found = scores(model, target, labels_for(target))
    np.testing.assert_allclose(found, p[range(4), classes], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_loss_an_index_means_the_value(kind):
    model = net(kind=kind)
    values = model(X).numpy()
    np.testing.assert_allclose(quietly(scores, model, 2), values[:, 2], rtol=1e-5)
    np.testing.assert_allclose(quietly(scores, model, [2, 0, 1, 1]), values[range(4), [2, 0, 1, 1]], rtol=1e-5)


def test_top_classes_mean_a_softmax():
    model = net()
    explainer = explainers.Occlusion(model, window=3, stride=3)
    with pytest.warns(UserWarning, match="`target`, 'top2', speaks of classes"):
        several = explainer(X, target="top2")
    best = np.argsort(-model(X).numpy(), axis=1)
    np.testing.assert_allclose(several[:, 1], explainer(X, target=np.eye(3)[best[:, 1]]), rtol=1e-4, atol=1e-6)
    assert not np.allclose(several[:, 1], explainer(X, target=best[:, 1]))


def test_what_is_predicted_is_explained_as_it_is_scored():
    """An evaluator that takes the softmax of linear units hands the explainer classes, not values."""
    model = net()

    class Kept(kerasxai.evaluators.base.Evaluator):
        name, needs, directions = "kept", ("explainer",), {"kept": None}

        def measure(self, case):
            self.maps = case.attributions
            return {"kept": np.zeros(len(case.samples))}

    kept = Kept()
    explainer = explainers.Occlusion(model, window=3, stride=3)
    with pytest.warns(UserWarning, match="linear units") as caught:
        kept(model, X, explainer=explainer)
    assert len(caught) == 1  # the explainer has nothing to add
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(kept.maps, explainer(X), rtol=1e-4, atol=1e-6)
    kept(model, X, target=2, explainer=explainer)
    np.testing.assert_allclose(kept.maps, explainer(X, target=2), rtol=1e-4, atol=1e-6)


def test_percentages_of_values_are_refused_and_other_metrics_use_them():
    maps = nets.normals(4)[..., 0]
    for model, target in ((net(loss="mse"), 2), (net(), 2)):
        with pytest.raises(ValueError, match=r"values of linear units.*from_logits"):
            kerasxai.evaluators.DropIncrease()(model, X, maps, target)
        with pytest.raises(ValueError, match=r"random_logit needs.*values"):
            kerasxai.evaluators.RandomLogit()(model, X, maps, target, explainer="gradient")
        curve = kerasxai.evaluators.Deletion(steps=2)(model, X, maps, target)["curve"]
        np.testing.assert_allclose(curve[:, 0], model(X)[:, 2], rtol=1e-5)
        np.testing.assert_allclose(curve[:, -1], model(0 * X)[:, 2], rtol=1e-5)
        road = kerasxai.evaluators.ROAD(percentages=(50,))(model, X, maps, target)
        assert np.isfinite(road["road"]).all() and np.isnan(road["road_accuracy"]).all()
    drop = kerasxai.evaluators.DropIncrease()(net(loss=LOGITS), X, maps, 2)
    assert np.isfinite(drop["drop_rate"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_compiled_after_the_explainer_was_called_is_read_anew(kind):
    model = net(kind=kind)
    explainer = explainers.KernelSHAP(model, segmentation=2)
    values = model(X).numpy()
    empty = explainer.fit(X, target=2).intercept

    def whole():
        fit = explainer.fit(X, target=2)
        return fit.intercept + np.array([one.sum() for one in fit.weights])

    np.testing.assert_allclose(whole(), values[:, 2], rtol=1e-4)
    model.compile("sgd", LOGITS)
    np.testing.assert_allclose(whole(), softmax(values)[:, 2], rtol=1e-4)
    model.compile("sgd", "mse")
    np.testing.assert_allclose(whole(), values[:, 2], rtol=1e-4)
    np.testing.assert_allclose(explainer.fit(X, target=2).intercept, empty, rtol=1e-5)


def test_mixed_heads_each_by_itself():
    inputs = Input(nets.IMAGE)
    pooled = layers.GlobalAveragePooling2D()(nets.conv("conv")(inputs))
    outputs = [layers.Dense(3, activation="softmax", name="kind")(pooled), layers.Dense(4, name="box")(pooled)]
    model = nets.randomise(keras.Model(inputs, outputs))
    kind, box = (output.numpy() for output in model(X))
    for compiled in (False, True):
        if compiled:
            model.compile("sgd", {"kind": "sparse_categorical_crossentropy", "box": "mse"})
            with pytest.raises(ValueError, match="none of them is a class"):
                scores(model, ("box", None))
        np.testing.assert_allclose(quietly(scores, model, ("kind", None)), kind.max(axis=1), rtol=1e-5)
        np.testing.assert_allclose(quietly(scores, model, ("box", 3)), box[:, 3], rtol=1e-5)
        both = quietly(scores, model, lambda outputs: outputs[0][:, 1] + outputs[1][:, 2])
        np.testing.assert_allclose(both, kind[:, 1] + box[:, 2], rtol=1e-5)


def test_values_in_0_to_1_of_a_regression_need_not_stay_there():
    """A subclassed net without a loss is taken to return probabilities where its first values look like some."""
    model = net(loss="mse", kind="subclassed")
    model.steps[-1].set_weights([np.full((3, 3), 0.01), np.full(3, 0.5)])
    scored = ScoredModel(model)
    assert ((model(X) > 0) & (model(X) < 1)).numpy().all()
    np.testing.assert_allclose(scored.samples(X, None, 1).originals, model(X)[:, 1], rtol=1e-5)
    np.testing.assert_allclose(scored.samples(1000 * X, None, 1).originals, model(1000 * X)[:, 1], rtol=1e-5)


def tape_gradient(model, function):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(model(x))
    return tape.gradient(value, x).numpy()
