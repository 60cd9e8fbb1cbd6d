"""What a wrong target or label is told."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai.explainers import (
    ClassActivationMapping,
    Gradient,
)
from tests.bad_input.refusals import X, refused, rows
from tests.support import nets


def wrong_shape(outputs):
    return outputs


BAD_TARGETS = {
    "class too large": (3, ValueError, "classes 0 to 2", "Received: 3"),
    "negative class": (-1, ValueError, "classes 0 to 2", "Received: -1"),
    "one of them too large": ([0, 1, 7], ValueError, "classes 0 to 2", "Received: 7"),
    "fraction": (1.5, ValueError, "whole class indices", "1.5"),
    "NaN": ([0.0, np.nan, 1.0], ValueError, "whole class indices", "nan"),
    "boolean": (True, ValueError, "class index", "bool"),
    "booleans": ([True, False, True], ValueError, "class index", "bool"),
    "too few": ([0, 1], ValueError, "one entry per sample", "2 targets for 3 samples"),
    "too many": ([0, 1, 2, 0], ValueError, "one entry per sample", "4 targets for 3 samples"),
    "none": ([], ValueError, "one entry per sample", "0 targets for 3 samples"),
    "empty tuple": ((), ValueError, "one entry per sample", "0 targets for 3 samples"),
    "probabilities": (np.full((3, 3), 1 / 3), ValueError, "one-hot", "not one-hot"),
    "two hot": ([[1, 1, 0], [0, 1, 0], [0, 0, 1]], ValueError, "one-hot", "not one-hot"),
    "one-hot of other classes": (np.eye(4)[:3], ValueError, "one-hot rows of 3 classes", r"\(3, 4\)"),
    "three axes": (np.zeros((3, 1, 1)), ValueError, "class index", r"\(3, 1, 1\)"),
    "unknown word": ("best", ValueError, '"predicted", "true", "top<k>"', "target='best'"),
    "top 0": ("top0", ValueError, "top<k>", "target='top0'"),
    "more than there are": ("top9", ValueError, "3 classes", "target='top9'"),
    "strings": (["a", "b", "c"], ValueError, "class index", "<U1"),
    "object": (object(), ValueError, "class index", "object"),
    "dict": ({"head": 1}, ValueError, "class index", "object"),
    "unknown output": (("tail", 1), ValueError, "the outputs head", "'tail'"),
    "no labels": ("true", ValueError, '"true" needs labels', "y="),
    "function of a wrong shape": (wrong_shape, ValueError, r"shape \(batch,\)", r"\(None, 3\)", "wrong_shape"),
    "function of a scalar": (lambda o: tf.reduce_sum(o), ValueError, r"shape \(batch,\)", r"shape \(\)"),
    "function of nothing": (lambda outputs: None, (ValueError, TypeError), "None"),
    "too little data": (
        (lambda outputs, data: data, [1.0, 2.0]),
        ValueError,
        "one entry per sample",
        "2 targets for 3 samples",
    ),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_target(case, grad_cam):
    target, error, *parts = BAD_TARGETS[case]
    with refused(error, *parts):
        grad_cam(X, target=target)


@pytest.mark.parametrize("case", ["class too large", "too few", "unknown word", "no labels"])
def test_target_through_explain(case, model):
    target, error, *parts = BAD_TARGETS[case]
    with refused(error, *parts):
        kerasxai.explain(model, X, method=["grad_cam", "gradient"], target=target)


@pytest.mark.parametrize("case", ["class too large", "negative class", "too few", "more than there are", "no labels"])
def test_target_for_a_subclassed_model(case, subclassed):
    target, error, *parts = BAD_TARGETS[case]
    with refused(error, *parts):
        Gradient(subclassed)(X, target=target)


@pytest.mark.parametrize(("targets", "told"), [([0, 1], "2 targets for at least 3"), ([0] * 5, "5 targets for 4")])
def test_targets_for_a_dataset_of_unknown_size(targets, told, grad_cam):
    dataset = rows(nets.normals(4)).filter(lambda _: True).batch(3)
    with refused(ValueError, "one entry per sample", told):
        grad_cam(dataset, target=targets)


@pytest.mark.parametrize(
    ("y", "parts"),
    [
        ([0, 1], ["one label per sample", r"shape \(2,\), 3 samples"]),
        (1, ["one label per sample", r"shape \(\), 3 samples"]),
        ([0, 1, 3], ["classes 0 to 2", "Received: 3"]),
        ([0.5, 0, 1], ["whole class indices"]),
        (np.full((3, 3), 0.5), ["one-hot"]),
    ],
)
def test_labels(y, parts, grad_cam):
    with refused(ValueError, *parts):
        grad_cam(X, target="true", y=y)


@pytest.mark.parametrize("target", [None, "predicted", "top2", 1, [0, 1, 2], lambda outputs: outputs[:, 0]])
def test_labels_that_nothing_uses(target, model, grad_cam):
    told = ['`y` is used by target="true" only', "Received: y and target="]
    with refused(ValueError, *told):
        grad_cam(X, target=target, y=[0, 1, 2])
    with refused(ValueError, *told):
        kerasxai.explain(model, X, method=["grad_cam", "gradient"], target=target, y=[0, 1, 2])
    with refused(ValueError, *told):
        kerasxai.evaluate(model, X, ["gradient"], ["sparseness"], target=target, y=[0, 1, 2])
    with refused(ValueError, *told):
        kerasxai.callbacks.DropIncrease(X, [0, 1, 2], target="predicted" if target is None else target)
    assert grad_cam(rows(X, [0, 1, 2]).batch(2), target=target).shape[0] == 3  # a dataset brings them along


def test_labels_beside_a_dataset(grad_cam):
    with refused(ValueError, "`y` goes with arrays", r"\(x, y\)"):
        grad_cam(rows(X).batch(2), target="true", y=[0, 1, 2])


def test_dataset_without_labels(grad_cam):
    with refused(ValueError, '"true" needs labels'):
        grad_cam(rows(X).batch(2), target="true")


def test_several_outputs_without_a_name():
    model = nets.build("two_outputs")
    explainer = Gradient(model)
    for target in (None, 1, "top2", [0, 1, 2]):
        with refused(ValueError, "the outputs kind, tags", "output name", "Example: target="):
            explainer(X, target=target)
    with refused(ValueError, "the outputs kind, tags", "'size'"):
        explainer(X, target=("size", 1))
    with refused(ValueError, "classes 0 to 1", "Received: 2"):
        explainer(X, target=("tags", 2))


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_segmentation_needs_a_callable(score):
    inputs = Input(nets.IMAGE)
    model = keras.Model(inputs, nets.conv("mask", filters=3, activation="softmax")(nets.conv("conv")(inputs)))
    explainer = Gradient(model, score=score)
    for target in (None, 1):
        with refused(ValueError, r"\(batch, classes\)", "callable"):
            explainer(X, target=target)
    assert explainer(X, target=lambda masks: tf.reduce_sum(masks[..., 1], axis=[1, 2])).shape == X.shape


@pytest.mark.parametrize(("activation", "told"), [("sigmoid", "classes 0 to 1"), (None, "one unit")])
def test_class_of_a_single_unit(activation, told):
    model = Sequential([Input(nets.IMAGE), layers.Flatten(), layers.Dense(1, activation=activation)])
    with refused(ValueError, "out of range", told, "Received: 2"):
        Gradient(model)(X, target=2)


def test_cam_explains_classes_only(model):
    with refused(ValueError, "callable", "grad_cam"):
        ClassActivationMapping(model)(X, target=lambda outputs: outputs[:, 0])
