"""What a compiled loss says of linear units, for every way to give one."""

import functools

import keras
import numpy as np
import pytest
from keras import Input, layers, losses

from kerasxai.graph.losses import linear_units


def net(units=3):
    return keras.Sequential([Input((4,)), layers.Dense(units)])


def said(loss, model=None):
    model = model or net()
    model.compile("sgd", loss)
    return linear_units(model, getattr(model, "output_names", ["units"]))


class WeightedLoss(losses.CategoricalCrossentropy):
    """A subclass of Keras' loss tells what its parent tells."""


class MyCategoricalLoss(losses.Loss):
    from_logits = True

    def call(self, y_true, y_pred):
        return losses.categorical_crossentropy(y_true, y_pred, from_logits=True)


OF_CLASSES = [
    losses.SparseCategoricalCrossentropy(from_logits=True),
    losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    losses.CategoricalFocalCrossentropy(from_logits=True),
    functools.partial(losses.sparse_categorical_crossentropy, from_logits=True),
    WeightedLoss(from_logits=True),
    MyCategoricalLoss(),
]
OF_LABELS = [
    losses.BinaryCrossentropy(from_logits=True),
    losses.BinaryFocalCrossentropy(from_logits=True),
    functools.partial(losses.binary_crossentropy, from_logits=True),
]
OF_VALUES = [
    "mse",
    "mae",
    "MeanSquaredError",
    "mean_absolute_percentage_error",
    "msle",
    "log_cosh",
    losses.Huber(delta=2.0),
    losses.mean_squared_error,
    losses.CosineSimilarity(),
    losses.Poisson(),
    losses.MeanAbsoluteError,
]
OF_NEITHER = [
    None,
    "sparse_categorical_crossentropy",
    "binary_crossentropy",
    "categorical_hinge",
    "kl_divergence",
    losses.SparseCategoricalCrossentropy(),
    lambda y_true, y_pred: keras.ops.mean(keras.ops.square(y_true - y_pred)),
]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        *((loss, "softmax") for loss in OF_CLASSES),
        *((loss, "sigmoid") for loss in OF_LABELS),
        *((loss, "values") for loss in OF_VALUES),
        *((loss, None) for loss in OF_NEITHER),
    ],
)
def test_one_loss(loss, expected):
    assert said(loss) == (expected,)


def test_a_model_that_is_not_compiled_and_a_function_say_nothing():
    assert linear_units(net(), ["a"]) == (None,)
    assert linear_units(lambda x: x, ["a", "b"]) == (None, None)


@pytest.mark.parametrize("structure", ["list", "dict", "dict of a dict model", "one for both"])
def test_a_loss_for_each_output(structure):
    x = inputs = Input((4,))
    one, other = layers.Dense(3, name="kind")(x), layers.Dense(2, name="box")(x)
    logits = losses.SparseCategoricalCrossentropy(from_logits=True)
    if structure == "dict of a dict model":
        model = keras.Model(inputs, {"zebra": one, "ant": other})
        model.compile("sgd", {"zebra": logits, "ant": "mse"})
        assert linear_units(model, ["ant", "zebra"]) == ("values", "softmax")
        return
    model = keras.Model(inputs, [one, other])
    loss = {"list": [logits, "mse"], "dict": {"box": "mse", "kind": logits}, "one for both": "mae"}[structure]
    expected = ("values", "values") if structure == "one for both" else ("softmax", "values")
    assert said(loss, model) == expected


def test_an_output_without_a_loss_says_nothing():
    inputs = Input((4,))
    model = keras.Model(inputs, [layers.Dense(3, name="kind")(inputs), layers.Dense(2, name="box")(inputs)])
    assert said({"box": "mse"}, model) == (None, "values")
    assert said(["mse", None], model) == ("values", None)


def test_a_saved_model_keeps_what_its_loss_says(tmp_path):
    model = net()
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(np.zeros((2, 4)), np.zeros(2), verbose=0)
    for suffix in ("keras", "h5"):
        model.save(tmp_path / f"net.{suffix}")
        loaded = keras.models.load_model(tmp_path / f"net.{suffix}")
        assert linear_units(loaded, ["units"]) == ("softmax",)
        uncompiled = keras.models.load_model(tmp_path / f"net.{suffix}", compile=False)
        assert linear_units(uncompiled, ["units"]) == (None,)


def test_a_model_compiled_again_says_what_its_new_loss_says():
    model = net()
    assert said("mse", model) == ("values",)
    assert said(losses.SparseCategoricalCrossentropy(from_logits=True), model) == ("softmax",)
