"""Relevance is neither made nor lost: it reaches the input, or the ledger says where it stayed."""

import functools

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import lrp
from kerasxai.explainers.lrp.ledger import LOSSES
from tests.support.truth import images, randomise

IMAGE, SERIES = (12, 12, 3), (24, 2)


class Net:
    """Builds the styles of nets, with biases and batch normalisation or with neither."""

    def __init__(self, full):
        self.full = full

    def norm(self, x):
        return layers.BatchNormalization()(x) if self.full else x

    def conv(self, x, filters, size, activation=None, kind="Conv2D", **options):
        options = {"padding": "same", "use_bias": self.full, "activation": activation, **options}
        sizes = (size,) if kind.startswith("Depthwise") else (filters, size)
        return getattr(layers, kind)(*sizes, **options)(x)

    def conv_norm_relu(self, *args, **options):
        return layers.ReLU()(self.norm(self.conv(*args, **options)))

    def dense(self, x, units, activation=None):
        return layers.Dense(units, activation=activation, use_bias=self.full)(x)

    def series(self):
        x = inputs = Input(SERIES)
        x = self.conv_norm_relu(x, 6, 5, kind="Conv1D")
        x = self.conv(layers.MaxPooling1D()(x), 6, 3, kind="Conv1D", activation="relu", padding="causal")
        x = self.norm(x)
        return keras.Model(inputs, self.dense(layers.Flatten()(x), 4))

    def vgg(self):
        x = inputs = Input(IMAGE)
        for filters in (6, 8):
            x = self.conv(x, filters, 3, activation="relu")
            x = layers.MaxPooling2D()(self.conv(x, filters, 3, activation="relu"))
        x = self.dense(layers.Dropout(0.3)(layers.Flatten()(x)), 10, activation="relu")
        return keras.Model(inputs, self.dense(x, 4))

    def resnet(self):
        inputs = Input(IMAGE)
        x = self.conv_norm_relu(layers.ZeroPadding2D()(inputs), 6, 3, padding="valid")
        x = layers.MaxPooling2D(2)(layers.ZeroPadding2D()(x))
        for filters, strides in ((6, 1), (8, 2)):
            branch = self.conv_norm_relu(x, filters, 3, strides=strides)
            branch = self.norm(self.conv(branch, filters, 3))
            short = x if strides == 1 else self.norm(self.conv(x, filters, 1, strides=strides))
            x = layers.ReLU()(layers.Add()([branch, short]))
        return keras.Model(inputs, self.dense(layers.GlobalAveragePooling2D()(x), 4))

    def densenet(self):
        x = inputs = Input(IMAGE)
        x = self.conv(x, 6, 3)
        for _ in range(2):
            new = self.conv(layers.ReLU()(self.norm(x)), 8, 1)
            new = self.conv(layers.ReLU()(self.norm(new)), 3, 3)
            x = layers.Concatenate()([x, new])
        x = layers.AveragePooling2D(2)(self.conv(layers.ReLU()(self.norm(x)), 6, 1))
        x = layers.ReLU()(self.norm(x))
        return keras.Model(inputs, self.dense(layers.GlobalAveragePooling2D()(x), 4))

    def mobilenet(self):
        x = inputs = Input(IMAGE)
        x = self.conv_norm_relu(x, 6, 3, strides=2)
        inner = layers.ReLU(max_value=6.0)(self.norm(self.conv(x, 12, 1)))
        inner = self.conv_norm_relu(inner, None, 3, kind="DepthwiseConv2D")
        x = layers.Add()([self.norm(self.conv(inner, 6, 1)), x])
        x = self.conv_norm_relu(x, 8, 3, kind="SeparableConv2D")
        return keras.Model(inputs, self.dense(layers.GlobalAveragePooling2D()(x), 4))


STYLES = ("series", "vgg", "resnet", "densenet", "mobilenet")


@functools.cache
def net_of(style, full):
    return randomise(getattr(Net(full), style)(), seed=5)


def inputs_of(model):
    return 2 * images(4, model.input_shape[1:]) - np.float32(0.7)


# Without biases ------------------------------------------------------------------------------------------------------

EVERYWHERE = (lrp.Epsilon(), lrp.ZPlus(), lrp.Gamma())
FIRST = (lrp.WSquare(), lrp.Flat(), lrp.ZBox(-1.0, 1.5))

# Here linear layers follow one another, and some unit of the first has relevance but no positive term at all.
LINEAR_IN_A_ROW = ("densenet", "mobilenet")


@pytest.mark.slow
@pytest.mark.parametrize("rule", EVERYWHERE, ids=repr)
@pytest.mark.parametrize("style", STYLES)
def test_input_sums_to_the_logit(style, rule):
    check_sum(style, rule, dead=style in LINEAR_IN_A_ROW and rule == lrp.ZPlus())


@pytest.mark.slow
@pytest.mark.parametrize("style", LINEAR_IN_A_ROW)
def test_alpha_beta_loses_what_is_left_of_units_with_terms_of_one_sign(style):
    check_sum(style, lrp.AlphaBeta(), dead=True)


@pytest.mark.sweep
@pytest.mark.parametrize("rule", FIRST, ids=repr)
@pytest.mark.parametrize("style", STYLES)
def test_input_sums_to_the_logit_by_rules_of_the_first_layer(style, rule):
    check_sum(style, {"first": rule, "*": lrp.Epsilon()})


@pytest.mark.sweep
@pytest.mark.parametrize("rule", [lrp.WSquare(), lrp.Flat(), lrp.ZBox()], ids=repr)
@pytest.mark.parametrize("style", ["series", "vgg"])
def test_input_sums_to_the_logit_by_such_rules_everywhere(style, rule):
    check_sum(style, rule)


def check_sum(style, rules, dead=False):
    """The input's sum is the logit; where `dead`, that and what the ledger has under "dead"."""
    model = net_of(style, full=False)
    x = inputs_of(model)
    logits = model(x).numpy()
    classes = np.abs(logits).argmax(axis=1)
    explainer = kerasxai.explainers.LRP(model, rules=rules)
    reached = explainer(x, target=classes).sum(axis=tuple(range(1, x.ndim)))
    expected = logits[np.arange(len(x)), classes]
    assert (np.abs(expected) > 0.01).all()
    if dead:
        lost = explainer.ledger(x, target=classes).values["dead"].sum(axis=1)
        assert np.abs(lost).max() > 1e-3
        reached = reached + lost
    np.testing.assert_allclose(reached, expected, rtol=1e-4)


# With biases and normalisation ---------------------------------------------------------------------------------------


SOME = ("epsilon_alpha2_beta1_flat", "epsilon_gamma_box")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style", "preset"),
    [(style, preset) for style in STYLES for preset in lrp.preset_names() if style == "mobilenet" or preset in SOME],
)
def test_ledger_closes(style, preset):
    check_ledger(style, rules=preset)


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", ["epsilon", "abs_z", "pass"])
@pytest.mark.parametrize("style", ["densenet"])
def test_ledger_closes_with_normalisation_unfolded(style, batch_norm):
    check_ledger(style, rules="epsilon_plus", batch_norm=batch_norm)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["vgg", "resnet"])
def test_ledger_closes_with_average_pooling(style):
    check_ledger(style, rules="gamma_epsilon_zero", max_pool="average", input_range=(-1, 2))


def check_ledger(style, **options):
    explainer = kerasxai.explainers.LRP(net_of(style, full=True), **options)
    ledger = explainer.ledger(inputs_of(explainer.model))
    assert len(ledger.paths) == len(explainer.model.layers) - 1
    assert ledger.residual.max() <= 1e-4
    return explainer, ledger


@pytest.mark.slow
@pytest.mark.parametrize("style", ["resnet", "mobilenet"])
def test_logit_is_what_reaches_the_input_and_all_that_is_lost(style):
    explainer, ledger = check_ledger(style, rules="epsilon_plus")
    x = inputs_of(explainer.model)
    reached = np.float64(explainer(x)).sum(axis=tuple(range(1, x.ndim)))
    lost = sum(np.float64(ledger.values[loss]).sum(axis=1) for loss in LOSSES)
    logits = explainer.model(x).numpy().max(axis=1)
    assert (np.abs(reached + lost - logits) <= 1e-4 * ledger.values["size"].max(axis=1)).all()


# Columns by hand -----------------------------------------------------------------------------------------------------


def dense_net(*weights):
    """Dense layers `(kernel, bias)`, a ReLU between; bias None for none."""
    net = [
        layers.Dense(len(kernel[0]), use_bias=bias is not None, name=f"d{i}")
        for i, (kernel, bias) in enumerate(weights)
    ]
    for layer in net[:-1]:
        layer.activation = keras.activations.relu
    model = Sequential([Input((len(weights[0][0]),)), *net])
    for layer, given in zip(net, weights):
        layer.set_weights([np.array(one, "float32") for one in given if one is not None])
    return model


def row(model, rules, x, path):
    ledger = kerasxai.explainers.LRP(model, rules=rules).ledger(np.array([x], "float32"))
    assert ledger.residual.max() <= 1e-6
    return {column: values[0, ledger.paths.index(path)] for column, values in ledger.values.items()}


def assert_row(actual, relevance_in, relevance_out, **losses):
    assert actual["relevance_in"] == pytest.approx(relevance_in)
    assert actual["relevance_out"] == pytest.approx(relevance_out)
    assert {loss: actual[loss] for loss in LOSSES} == pytest.approx({**dict.fromkeys(LOSSES, 0), **losses}, abs=1e-6)


def test_share_of_the_bias_by_hand():
    """x = (1, 2), z = (1 + 2 + 1, 1 - 2 + 3) = (4, 2), logit = 4 + 2 * 2 + 2 = 10.

    The head's bias takes 2 and each unit gets 4, of which the biases take 4 * 1/4 and 4 * 3/2.
    """
    model = dense_net(([[1, 1], [1, -1]], [1, 3]), ([[1], [2]], [2]))
    assert_row(row(model, lrp.Zero(), [1, 2], "d1"), 10, 8, bias=2)
    assert_row(row(model, lrp.Zero(), [1, 2], "d0"), 8, 1, bias=1 + 6)
    # Without their biases the units are 3 and -1: all is handed on.
    assert_row(row(model, {"d0": lrp.Zero(bias="ignore"), "*": lrp.Zero()}, [1, 2], "d0"), 8, 8)
    # Positive terms alone: 4 * 1/4 and 4 * 3/4 for the bias.
    assert_row(row(model, {"d0": lrp.ZPlus(), "*": lrp.Zero()}, [1, 2], "d0"), 8, 4, bias=1 + 3)


def test_stabiliser_by_hand():
    """z = 3: with eps = 1, three quarters go on."""
    assert_row(row(dense_net(([[3]], None)), lrp.Epsilon(1.0), [1], "d0"), 3, 2.25, stabiliser=0.75)


def test_units_without_terms_are_dead():
    """Two terms of which none is positive; a unit that is 0, with relevance by w^2 all the same."""
    assert_row(row(dense_net(([[-1], [-2]], None)), lrp.ZPlus(), [1, 1], "d0"), -3, 0, dead=-3)
    model = dense_net(([[1, -1]], None), ([[1], [1]], None))
    rules = {"d1": lrp.WSquare(), "*": lrp.Zero()}
    assert_row(row(model, rules, [2], "d1"), 2, 2)
    assert_row(row(model, rules, [2], "d0"), 2, 2)
    assert_row(row(model, rules, [0], "d0"), 0, 0)
    assert_row(row(model, {"d0": lrp.AlphaBeta(), "d1": lrp.WSquare()}, [2], "d0"), 2, 1, dead=1 + 2 - 2)


@pytest.mark.parametrize("known", [True, False], ids=["right_before", "behind_an_activation"])
def test_padding_by_hand(known):
    """x = (1, 2) padded to (0, 1, 2, 0), pairs summed to (1, 3, 2), which is their relevance.

    Where the padding is known, Flat leaves it out: 1 + 1.5 and 1.5 + 2. Else it gets 0.5 and 1.
    """
    first, second = layers.Conv1D(1, 1, use_bias=False), layers.Conv1D(1, 2, use_bias=False, name="second")
    pad = [layers.ZeroPadding1D(1, name="pad"), *([] if known else [layers.ReLU()])]
    model = Sequential([Input((2, 1)), first, *pad, second, layers.Flatten(), layers.Dense(1, use_bias=False)])
    model.set_weights([np.ones(weight.shape) for weight in model.get_weights()])
    for rule in (lrp.Flat(), lrp.WSquare()):
        actual = row(model, {"second": rule, "*": lrp.Zero()}, [[1], [2]], "pad")
        assert_row(actual, 6, *((6,) if known else (4.5,)), padding=0 if known else 1.5)
        relevance = kerasxai.explainers.LRP(model, rules={"second": rule, "*": lrp.Zero()})(np.float32([[[1], [2]]]))
        np.testing.assert_allclose(relevance.ravel(), [2.5, 3.5] if known else [2, 2.5], rtol=1e-6)


def test_box_of_a_deeper_layer_leaves_padding_out():
    """Box 0 ... 4 around (1, 2): every pair shares in proportion to its values, padding's is 0 in a box of 0 ... 0."""
    second = layers.Conv1D(1, 2, use_bias=False, name="second")
    net = [layers.Conv1D(1, 1, use_bias=False), layers.ZeroPadding1D(1, name="pad"), second, layers.Flatten()]
    model = Sequential([Input((2, 1)), *net, layers.Dense(1, use_bias=False)])
    model.set_weights([np.ones(weight.shape) for weight in model.get_weights()])
    rules = {"second": lrp.ZBox(-1.0, 4.0), "*": lrp.Zero()}
    assert_row(row(model, rules, [[1], [2]], "pad"), 6, 6)
    relevance = kerasxai.explainers.LRP(model, rules=rules)(np.float32([[[1], [2]]]))
    np.testing.assert_allclose(relevance.ravel(), [1 + 3 * 2 / 5, 3 * 3 / 5 + 2], rtol=1e-6)
