"""`NAME=VALUE` arguments: what a value stands for, and what is refused."""

import argparse

import pytest

from kerasxai.cli import catalogue, options

VALUES = {
    "true": True,
    "True": True,
    "FALSE": False,
    "none": None,
    "null": None,
    "None": None,
    "3": 3,
    "-2": -2,
    "0.5": 0.5,
    "1e-3": 0.001,
    "[1,2]": [1, 2],
    "[true, null]": [True, None],
    "[True, None]": [True, None],
    "(3, 5)": (3, 5),
    "3,5": (3, 5),
    '{"a": 1}': {"a": 1},
    "{'a': True}": {"a": True},
    '"blur"': "blur",
    "'blur'": "blur",
    "blur": "blur",
    "conv1/relu": "conv1/relu",
    "": "",
}


def read(*texts, methods=("grad_cam", "integrated_gradients", "sise")):
    return options.read("--option", texts, [catalogue.explainers()[name] for name in methods], "methods")


@pytest.mark.parametrize("text", VALUES)
def test_values(text):
    found = read(f"baseline={text}")["baseline"]
    assert found == VALUES[text] and type(found) is type(VALUES[text])


@pytest.mark.parametrize("text", ["False", "false", "FALSE"])
def test_every_spelling_of_false_is_false(text):
    texts = [f"{name}={text}" for name in ("relu", "counterfactual", "upsample")]
    assert read(*texts) == {"relu": False, "counterfactual": False, "upsample": False}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["relu=no"], "--option relu must be true or false. Received: relu=no"),
        (["relu=0"], "true or false"),
        (["upsample=None"], "true or false"),
        (["upsample=nan"], "true or false"),
        (['relu="False"'], "true or false"),
        (["steps=many"], "--option steps must be a whole number"),
        (["steps=3.5"], "whole number"),
        (["steps=true"], "whole number"),
        (["baseline=[1, 2"], "no list, dict or string"),
        (["baseline={a: 1}"], "no list, dict or string"),
        (["relu"], "must be NAME=VALUE"),
        (["realu=true"], "None of the methods has the option realu.*Did you mean relu"),
        (["relu=true", "relu=false"], "given once"),
    ],
)
def test_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        read(*texts)


def parsed(**given):
    unset = {"layer": None, "option": None, "rules": None, "input_range": None, "batch_size": 8}
    return argparse.Namespace(**{**unset, **given})


@pytest.mark.parametrize(
    ("given", "methods", "message"),
    [
        ({"layer": ["a"], "option": ["layer=b"]}, ["grad_cam"], "--layer or --option layer=..., not both"),
        ({"rules": "epsilon", "option": ["rules=zero"]}, ["lrp"], "not both"),
        ({"rules": "epsilon"}, ["gradient"], "None of the methods has the option rules"),
        ({"rules": "Epsilon-Plus"}, ["lrp"], "Did you mean epsilon_plus?"),
        ({"input_range": [1.0, 0.0]}, ["lrp"], "--input-range must be LOW HIGH, LOW below HIGH. Received: 1 0"),
        ({"input_range": [float("nan"), 1.0]}, ["lrp"], "LOW below HIGH"),
        ({}, ["grad_cam", "grad_cam"], "different"),
        ({}, ["GradCAM"], r"Did you mean grad_cam\?$"),
        ({}, ["GradCAM++"], "Did you mean grad_cam"),
        ({}, ["integratedGradients"], r"Did you mean integrated_gradients\?$"),
    ],
)
def test_explainer_settings_refused(given, methods, message):
    with pytest.raises(ValueError, match=message):
        options.explainer_settings(parsed(**given), methods)


def test_explainer_settings():
    given = parsed(layer=["a", "b"], option=["relu=False", "batch_size=4"])
    expected = {"batch_size": 4, "verbose": 0, "layer": ["a", "b"], "relu": False}
    assert options.explainer_settings(given, ["layer_cam"]) == expected
