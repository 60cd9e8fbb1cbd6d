"""What is suggested for a name that nothing has."""

import re

import pytest

import kerasxai
from kerasxai import evaluators, explainers, lrp
from kerasxai.suggestions import did_you_mean
from tests.support import nets


def suggested(error):
    return re.search(r"Did you mean (.*)\?", str(error.value)).group(1)


@pytest.mark.parametrize("registry", [explainers, evaluators], ids=["explainers", "evaluators"])
def test_the_name_of_a_class_suggests_the_name_it_is_known_by(registry):
    for name in registry.names():
        for given in (registry.get(name).__name__, name.upper(), name.replace("_", "-"), name.replace("_", "")):
            if given != name:
                with pytest.raises(ValueError) as error:
                    registry.get(given)
                assert suggested(error) == name, given


@pytest.mark.parametrize("given", ["epsilon_plu", "EpsilonPlus", "epsilon-plus", "epsilom_plus"])
def test_presets(given):
    model = nets.build("sequential")
    for make in (
        lambda: explainers.LRP(model, rules=given),
        lambda: explainers.LRP(model, extends=given),
        lambda: explainers.RelevanceCAM(model, rules=given),
        lambda: explainers.BayesianLRP(model, rules=given),
        lambda: lrp.preset(given),
    ):
        with pytest.raises(ValueError) as error:
            make()
        assert suggested(error).startswith("epsilon_plus")


@pytest.mark.parametrize("given", ["gama", "Gamma", "GAMMA"])
def test_rules(given):
    model = nets.build("sequential")
    for make in (
        lambda: explainers.LRP(model, rules=given),
        lambda: explainers.LRP(model, rules={"*": given}),
        lambda: explainers.LRP(model, rules={"*": {"rule": given}}),
    ):
        with pytest.raises(ValueError) as error:
            make()
        assert suggested(error).split(" or ")[0] == "gamma"


def test_options():
    model = nets.build("sequential")
    with pytest.raises(TypeError) as error:
        explainers.GradCAM(model, up_sample=False)
    assert suggested(error) == "upsample"
    with pytest.raises(TypeError) as error:
        kerasxai.explain(model, nets.normals(1), method=["gradient", "integrated_gradients"], step=3)
    assert suggested(error) == "steps"
    with pytest.raises(TypeError) as error:
        lrp.get_rule({"rule": "gamma", "gama": 0.5})
    assert suggested(error) == "gamma"
    with pytest.raises(TypeError) as error:
        evaluators.AOPC(windw=3)
    assert suggested(error) == "window"


def test_nothing_is_suggested_where_nothing_is_near():
    assert did_you_mean("zebra", ["grad_cam", "lrp"]) == ""
