"""Operations without a known treatment: an error that says what to do, by path or for all of a kind."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasxai
from kerasxai import lrp
from kerasxai.explainers import LRP
from tests.explainers.lrp.one_operation import SHAPE, ZERO, assert_near, backward, net_of, through


class Mirror(layers.Layer):
    def call(self, x):
        return x[:, ::-1]


class OwnReLU(layers.ReLU):
    def call(self, x):
        return x + 1.0


class OwnDense(layers.Dense):
    def call(self, x):
        return super().call(x) ** 2


UNKNOWN = {
    "layer": lambda x: Mirror(name="odd")(x),
    "subclass of a known layer": lambda x: OwnReLU(name="odd")(x),
    "subclass of a linear layer": lambda x: OwnDense(4, activation="relu", name="odd")(x),
    "lambda": lambda x: layers.Lambda(lambda x: x[:, ::-1], name="odd")(x),
    "softmax within": lambda x: layers.Softmax(name="odd")(x),
    "fused softmax activation": lambda x: layers.Activation("softmax", name="odd")(x),
    "attention": lambda x: layers.Attention(name="odd")([x, layers.ReLU()(x)]),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_operation(name):
    model, _, _ = net_of(UNKNOWN[name])
    kind = type(model.get_layer("odd")).__name__
    with pytest.raises(ValueError, match=rf"(?s)odd \({kind}\).*'odd': \"pass\".*register_operation\({kind}"):
        LRP(model, rules="epsilon")
    summary = {row[0]: row for row in LRP(net_without_check(model), rules="epsilon").plan.rows()}
    assert summary["odd"][3] == "none"


def net_without_check(model):
    """The same with a second output, which postpones the refusal until an output is asked for."""
    return keras.Model(model.input, [*model.outputs, layers.Dense(2, name="side")(layers.Flatten()(model.input))])


@pytest.mark.parametrize("layer", [layers.Dense(4, activation="softmax"), layers.Conv2D(4, 1, activation=ops.softmax)])
def test_a_softmax_within_a_linear_layer(layer):
    model, _, _ = net_of(layer)
    with pytest.raises(ValueError, match=r"softmax of .*which the score\s+does not leave out"):
        LRP(model, rules="epsilon")


MIXING = {
    "log_softmax": keras.activations.log_softmax,
    "less its mean": lambda x: x - ops.mean(x, axis=-1, keepdims=True),
    "over positions": lambda x: x / (1 + ops.max(x, axis=1, keepdims=True)),
}


@pytest.mark.parametrize("name", MIXING)
def test_an_activation_of_the_user_s_that_mixes_values(name):
    for layer in (layers.Conv2D(4, 1, activation=MIXING[name]), layers.Activation(MIXING[name], name="odd")):
        model, _, _ = net_of(layer)
        with pytest.raises(ValueError, match="LRP has no treatment for"):
            LRP(model, rules="epsilon")


def test_an_activation_of_the_user_s_that_works_on_each_value():
    def steeper(x):
        return x * ops.sigmoid(1.7 * x)

    model, _, (x,) = net_of(layers.Conv2D(4, 1, activation=steeper))
    assert np.isfinite(LRP(model, rules="epsilon")(x, target=0)).all()
    *_, check = through(layers.Activation(steeper))
    check(lambda R: R)


def test_heads_whose_softmax_is_not_left_out():
    inputs = keras.Input(SHAPE)
    x = layers.Flatten()(inputs)
    mean = layers.Average()([layers.Dense(3, activation="softmax")(x) for _ in range(2)])
    with pytest.raises(ValueError, match=r"softmax of .*which the score\s+does not leave out"):
        LRP(keras.Model(inputs, mean))


def test_unknown_operation_of_keras_ops():
    model, _, _ = net_of(lambda x: ops.sin(x))
    with pytest.raises(ValueError, match=r"\(Sin\).*register_operation"):
        LRP(model, rules="epsilon")


def test_unknown_operation_off_the_way_is_no_error():
    model, _, (x,) = net_of(UNKNOWN["layer"])
    both = net_without_check(model)
    name = both.output_names[1]
    assert LRP(both, rules="epsilon")(x, target=(name, 0)).any()
    with pytest.raises(ValueError, match=r"odd \(Mirror\)"):
        LRP(both, rules="epsilon")(x, target=(both.output_names[0], 0))


@pytest.mark.parametrize("name", ["layer", "lambda"])
def test_a_treatment_by_path(name):
    xs, _, part, check = through(UNKNOWN[name], rules={"odd": "gradient"})
    check(lambda R: backward(part, xs, R)[0])


@pytest.mark.slow
def test_register_operation():
    kerasxai.register_operation(Mirror, "move")
    kerasxai.register_operation(OwnReLU, "sum")

    class Handy(Mirror):
        pass

    for make in (Mirror, Handy):
        xs, _, part, check = through(make())
        check(lambda R, part=part, xs=xs: backward(part, xs, R)[0])
    xs, made, _, check = through(OwnReLU())
    check(lambda R: xs[0] * R / made)


def test_a_registered_subclass_of_a_linear_layer():
    """A preset's keys are for linear layers, which this one is not."""
    kerasxai.register_operation(OwnDense, relevance=lrp.Gate(0))

    class Halved(lrp.Treatment):
        name = "halved"

        def propagate(self, call, relevances, ledger=None):
            return [relevances[0] / 2]

    kerasxai.register_operation(OwnDense, relevance=Halved())
    for rules in ("epsilon", {layers.Dense: ZERO}):
        model, part, (x,) = net_of(UNKNOWN["subclass of a linear layer"])
        made = part(x).numpy()
        expected = made * model.layers[-1].kernel.numpy()[:, 1].reshape(SHAPE) / 2
        assert_near(LRP(model, rules=rules)(x, target=1), expected)


@pytest.mark.parametrize(("kind", "does"), [("Mirror", "move"), (Mirror, "fade"), (Mirror, None), (Mirror(), "move")])
def test_register_operation_refuses(kind, does):
    with pytest.raises((TypeError, ValueError), match="must be"):
        kerasxai.register_operation(kind, does)


@pytest.mark.parametrize("more", [{"relevance": "foo"}, {"positions": "foo"}, {"keeps_sign": "yes"}])
def test_register_operation_refuses_values(more):
    with pytest.raises(ValueError, match=rf"`{next(iter(more))}`"):
        kerasxai.register_operation(Mirror, "function", **more)


def test_register_operation_refuses_what_is_no_attribute():
    with pytest.raises(TypeError, match="Did you mean relevance"):
        kerasxai.register_operation(Mirror, "move", relevence="pass")
