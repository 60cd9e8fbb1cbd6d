"""Explainers by name and from a config, which rebuilds them."""

import json

import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from kerasxai import explainers
from kerasxai.explainers import GradCAM, IntegratedGradients
from tests.support import nets
from tests.support.truth import assert_same

ALL = explainers.names()
LOGIT_ONLY = ["cam", "lrp", "relevance_cam", "b_lrp"]


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


# Configs


OTHER_OPTIONS = {
    "ablation": "kernel",
    "baseline": 0.5,
    "batch_size": 7,
    "counterfactual": True,
    "explainer": "gradient_x_input",
    "layer": "conv1",
    "max_channels": 2,
    "n_samples": 5,
    "noise_level": 0.3,
    "normalize": False,
    "percentiles": [10, 90],
    "quadrature": "trapezoid",
    "score": "probability",
    "seed": 9,
    "steps": 5,
    "upsample": False,
    "verbose": 0,
}


@pytest.mark.parametrize("method", ALL)
def test_config_rebuilds_the_explainer(method, model):
    names = explainers.get(method).option_names()
    options = {name: value for name, value in OTHER_OPTIONS.items() if name in names}
    if method in LOGIT_ONLY:
        del options["score"]
    if method == "cam":
        del options["layer"]
    if method == "b_lrp":
        options["explainer"] = {"method": "lrp", "rules": "epsilon"}
    explainer = nets.quick(method, model, **options)
    config = json.loads(json.dumps(explainer.get_config()))
    assert config["method"] == method
    assert set(config) == {"method", *names}
    for name, value in options.items():
        if name == "explainer":
            assert config[name]["method"] == (value if isinstance(value, str) else value["method"])
        else:
            assert config[name] == value
    rebuilt = explainers.from_config(config, model)
    assert type(rebuilt) is type(explainer)
    assert json.loads(json.dumps(rebuilt.get_config())) == config


@pytest.mark.parametrize(
    "baseline",
    [np.array([0.25, -1.0]), nets.normals(1, seed=3)[0], ["blur", np.array([1.0, 2.0])], tf.constant([0.25, -1.0])],
    ids=["per channel", "image", "list", "tensor"],
)
def test_config_keeps_the_baseline(baseline, model):
    explainer = IntegratedGradients(model, baseline=baseline, steps=3)
    config = json.loads(json.dumps(explainer.get_config()))
    x = nets.normals(2)
    assert_same(explainers.from_config(config, model)(x), explainer(x), rtol=1e-5)


@pytest.mark.parametrize("method", ALL)
def test_options_have_the_names_of_their_attributes(method, model):
    explainer = nets.quick(method, model)
    for name in explainer.option_names():
        assert hasattr(explainer, name), name


# Names


def test_registry(model):
    assert explainers.get("grad_cam") is GradCAM
    assert explainers.get(GradCAM) is GradCAM
    assert sorted(ALL) == ALL and "grad_cam" in ALL
    assert all(explainers.get(name).name == name for name in ALL)


def test_register_makes_a_method_known(model):

    @explainers.register("peak_cam")
    class PeakCAM(explainers.ActivationGradientCAM):
        def combine(self, activations, gradients):
            return tf.reduce_max(activations * gradients, axis=-1)

    assert "peak_cam" in explainers.names()
    assert explainers.get("peak_cam") is PeakCAM and PeakCAM.name == "peak_cam"
    assert kerasxai.explain(model, nets.normals(2), method="peak_cam").shape == (2, 8, 8)


def test_build_takes_whatever_describes_an_explainer(model):
    ready = GradCAM(model)
    assert explainers.build(ready, model) is ready
    for description in (
        "grad_cam",
        GradCAM,
        {"method": "grad_cam"},
        lambda model: GradCAM(model),
        lambda _: "grad_cam",
    ):
        built = explainers.build(description, model)
        assert isinstance(built, GradCAM) and built.model is model
    assert explainers.build({"method": "grad_cam", "upsample": False}, model).upsample is False
