"""Relevance-CAM against its formula: channels weighted by the relevance that reaches them."""

import numpy as np
import pytest

import kerasxai
from kerasxai import lrp
from kerasxai.explainers import LRP, RelevanceCAM
from tests.support import nets
from tests.support.truth import activations, assert_same, conv_net, images, resized

SIZE = (8, 10)
X = images(3, (*SIZE, 3))
LAYERS = ["early", "middle", "late"]


@pytest.fixture(scope="module")
def model():
    return conv_net(SIZE, head="softmax")


def by_formula(model, layer, target, contrast="others", rules="alpha1_beta0"):
    relevance = LRP(model, rules, relevance_at=layer, start="one", contrast=contrast)(X, target=target)
    weights = relevance.sum(axis=(1, 2), keepdims=True)
    return (weights * activations(model, layer, X)).sum(axis=-1)


@pytest.mark.sweep
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("rules", ["epsilon_plus", "epsilon_gamma_box"])
def test_formula(layer, rules, model):
    cam = RelevanceCAM(model, rules=rules, layer=layer, upsample=False, relu=False)
    assert_same(cam(X, target=[0, 3, 1]), by_formula(model, layer, [0, 3, 1], rules=rules))


def test_it_ends_as_every_cam_does(model):
    maps = by_formula(model, "late", 2)
    assert_same(RelevanceCAM(model)(X, target=2), resized(np.maximum(maps, 0), SIZE))


def test_several_layers_are_one_walk(model):
    cam = RelevanceCAM(model, layer=LAYERS, upsample=False, relu=False)
    maps = cam(X, target=1)
    assert list(maps) == LAYERS and cam.trace_count == 1
    for layer in LAYERS:
        assert_same(maps[layer], by_formula(model, layer, 1))


def test_without_other_classes_nothing_is_held_against():
    """One unit, and a target that is a function, have none."""
    single = nets.randomise(nets.sequential())
    function = RelevanceCAM(single, layer="conv2", upsample=False, relu=False)
    x = nets.normals(3)
    plain = LRP(single, "alpha1_beta0", relevance_at="conv2", start="one")(x, target=0).sum(axis=(1, 2), keepdims=True)
    expected = (plain * activations(single, "conv2", x)).sum(axis=-1)
    assert_same(function(x, target=kerasxai.of_logits(lambda logits: logits[:, 0])), expected)
    unit = conv_net(SIZE)
    unit = type(unit)([unit.inputs[0], *unit.layers[:-1], nets.layers.Dense(1, kernel_initializer="ones")])
    cam = RelevanceCAM(unit, layer="late", upsample=False, relu=False)
    assert_same(cam(X), by_formula(unit, "late", None, contrast=None))


def test_relevance_in_a_branch():
    model = nets.build("residual")
    x = nets.normals(3)
    cam = RelevanceCAM(model, rules=lrp.Epsilon(), layer="branch1", upsample=False, relu=False)
    relevance = LRP(model, rules="epsilon", relevance_at="branch1", start="one", contrast="others")
    weights = relevance(x, target=1).sum(axis=(1, 2), keepdims=True)
    assert_same(cam(x, target=1), (weights * activations(model, "branch1", x)).sum(axis=-1))


def test_the_layer_may_differ_by_output():
    model = nets.build("two_outputs")
    x = nets.normals(3)
    for target in (("kind", 1), ("tags", 0)):
        assert RelevanceCAM(model, relu=False)(x, target=target).shape == (3, 8, 8)
