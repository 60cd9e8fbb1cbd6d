"""Layers that normalise or scale, where they are no part of a linear layer, against their formulas in NumPy."""

import numpy as np
import pytest
from keras import layers

from kerasxai import lrp
from kerasxai.explainers import LRP
from tests.explainers.lrp import dense_twin
from tests.explainers.lrp.one_operation import SHAPE, ZERO, assert_near, backward, net_of, through

NORMS = {  # layer -> axes it averages over after a reshape to (samples, 4, 6, groups, channels of a group)
    "layer": (lambda: layers.LayerNormalization(), 1, (3, 4)),
    "layer without parameters": (lambda: layers.LayerNormalization(center=False, scale=False), 1, (3, 4)),
    "layer over all axes": (lambda: layers.LayerNormalization(axis=(1, 2, 3)), 1, (1, 2, 3, 4)),
    "groups": (lambda: layers.GroupNormalization(2), 2, (1, 2, 4)),
    "instance": (lambda: layers.GroupNormalization(-1), 4, (1, 2, 4)),
}


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_with_its_deviation_held_constant(name):
    make, groups, axes = NORMS[name]
    layer = make()
    xs, made, _, check = through(layer)
    x = xs[0].reshape(3, 4, 6, groups, -1)
    gamma = 1.0 if layer.gamma is None else np.float64(layer.gamma.numpy())
    deviation = np.sqrt(x.var(axis=axes, keepdims=True) + layer.epsilon)
    factor = gamma / np.broadcast_to(deviation, x.shape).reshape(made.shape)

    def expected(R):
        weighted = factor * R / (made + np.where(made >= 0, 1e-6, -1e-6))
        centred = weighted.reshape(x.shape)
        return xs[0] * (centred - centred.mean(axis=axes, keepdims=True)).reshape(made.shape)

    check(expected)


def batch_norm():
    return layers.BatchNormalization(name="norm")


def scale_and_shift(layer):
    scale = np.float64(layer.gamma) / np.sqrt(np.float64(layer.moving_variance) + layer.epsilon)
    return scale, np.float64(layer.beta) - scale * np.float64(layer.moving_mean)


@pytest.mark.sweep
@pytest.mark.parametrize("treatment", ["fold", "epsilon", "abs_z", "pass"])
@pytest.mark.parametrize("by_rules", [False, True])
def test_batch_normalisation_that_cannot_be_folded(treatment, by_rules):
    """A ReLU behind it, whose variances are far from 1."""
    norm = batch_norm()
    options = {"batch_norm": treatment}
    if by_rules:
        options = {"rules": {"norm": {"fold": "epsilon"}.get(treatment, treatment)}}
    xs, _, _, check = through(lambda x: layers.ReLU()(norm(x)), **options)
    s, t = scale_and_shift(norm)
    y = s * xs[0] + t
    ways = {
        "epsilon": lambda R: s * xs[0] * R / (y + np.where(y >= 0, 1e-6, -1e-6)),
        "abs_z": lambda R: np.abs(s * xs[0]) * R / (np.abs(s * xs[0]) + np.abs(t)),
        "pass": lambda R: R,
    }
    check(ways[treatment if treatment in ways else "epsilon"])


SCALINGS = {
    "rescaling": lambda: layers.Rescaling(0.5, offset=-1.5, name="scaled"),
    "normalization": lambda: layers.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0, 1, 2, 0.5], name="scaled"),
    "inverted": lambda: layers.Normalization(mean=[1.0, 2, 3, 4], variance=[4.0, 1, 2, 3], invert=True, name="scaled"),
}


@pytest.mark.parametrize("name", SCALINGS)
def test_scaling_at_the_input(name):
    xs, made, part, check = through(SCALINGS[name]())
    slope = backward(part, xs, np.ones_like(made))[0]
    check(lambda R: slope * xs[0] * R / (made + np.where(made >= 0, 1e-6, -1e-6)))


@pytest.mark.sweep
@pytest.mark.parametrize("rule", [lrp.ZBox(-4, 4), lrp.Flat(), lrp.WSquare()])
@pytest.mark.parametrize("name", SCALINGS)
def test_scaling_before_a_rule_that_does_not_look_at_the_input_is_passed(name, rule):
    model, _, (x,) = net_of(lambda x: layers.Conv2D(2, 3, name="conv")(SCALINGS[name]()(x)))
    rules = {"conv": rule, "*": ZERO}
    relevance = LRP(model, rules=rules)(x, target=1)
    assert_near(relevance, LRP(model, rules=rules, relevance_at="scaled")(x, target=1))
    assert LRP(model, rules=rules).ledger(x, target=1).residual.max() <= 1e-5


def test_peer_bug_batch_normalisation_of_any_variance_is_folded_right():
    """Convolution and normalisation under Epsilon are one matrix `s W`, with the bias `s b + t`."""
    norm = batch_norm()
    model, _, (x,) = net_of(lambda x: layers.ReLU()(norm(layers.Conv2D(3, 3, name="conv")(x))))
    ((layer, weights),) = dense_twin.steps(model.get_layer("conv"))
    w, b, _ = dense_twin.matrix_of(layer, weights, SHAPE)
    s, t = (np.tile(one, 8) for one in scale_and_shift(norm))
    z = np.float64(x).reshape(3, -1) @ (w * s) + b * s + t
    R = np.maximum(z, 0) * model.layers[-1].kernel.numpy()[:, 1]
    expected = dense_twin.epsilon(w * s, b * s + t, np.float64(x).reshape(3, -1), R)
    explainer = LRP(model, rules={"conv": lrp.Epsilon(), "*": ZERO})
    assert_near(explainer(x, target=1), expected.reshape(x.shape))
