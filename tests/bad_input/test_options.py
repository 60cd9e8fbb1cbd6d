"""What a wrong option is told."""

import re

import numpy as np
import pytest

import kerasxai
from kerasxai import explainers
from kerasxai.explainers import (
    CAM,
    LRP,
    RISE,
    SISE,
    XRAI,
    AblationCAM,
    BayesianLRP,
    BlurIG,
    ClassActivationMapping,
    DeepLift,
    ExpectedGradients,
    FullGrad,
    GradCAM,
    Gradient,
    GuidedIG,
    IntegratedGradients,
    NoisePercentiles,
    Occlusion,
    RelevanceCAM,
    ScoreCAM,
    SmoothGrad,
    SmoothGradCAMPlusPlus,
)
from tests.bad_input.refusals import X, refused, with_nan
from tests.support import nets

# Options


def test_unknown_method(model):
    calls = (explainers.get, lambda name: kerasxai.explain(model, X, method=name))
    calls += (lambda name: explainers.build(name, model), lambda name: explainers.from_config({"method": name}, model))
    for call in calls:
        with refused(ValueError, "`method` must be one of", "grad_cam", "'grad_cm'", "Did you mean .*grad_cam"):
            call("grad_cm")
    with refused(ValueError, "`method` must be one of", "Received: None"):
        explainers.get(None)


def test_methods_of_explain(model):
    with refused(ValueError, "different methods", r"\['grad_cam', 'grad_cam'\]"):
        kerasxai.explain(model, X, method=["grad_cam", "grad_cam"])
    with refused(ValueError, "at least one", r"\[\]"):
        kerasxai.explain(model, X, method=[])
    with refused(TypeError, "None of the methods has the option step", "steps"):
        kerasxai.explain(model, X, method=["grad_cam", "integrated_gradients"], step=3)


@pytest.mark.parametrize("config", [{}, {"layer": "conv1"}, None, "grad_cam", ["grad_cam"]], ids=repr)
def test_config_without_a_method(config, model):
    with refused(ValueError, 'dict with the key "method"', re.escape(repr(config))):
        explainers.from_config(config, model)


def plus_one(model):
    return model + 1


@pytest.mark.parametrize("make", [BayesianLRP, SmoothGrad, NoisePercentiles])
def test_a_function_that_gives_no_explainer(make, model):
    with refused(ValueError, "called with the model and must return an explainer", "plus_one", "raised TypeError"):
        make(model, explainer=plus_one)
    with refused(TypeError, "called with the model and must return an explainer", "<lambda>, which returned 3"):
        make(model, explainer=lambda model: 3)
    with refused(TypeError, "<lambda>, which returned <function"):
        make(model, explainer=lambda model: plus_one)
    with refused(TypeError, "a name, a config dict", "Sequential"):
        make(model, explainer=model)
    with refused(TypeError, "`method` must be a name, or a class of its kind", "<class 'int'>"):
        make(model, explainer=int)


@pytest.mark.parametrize("value", ["False", 0, None, np.array([True, False])], ids=repr)
def test_flags_of_functions(value, model, tmp_path):
    with refused(ValueError, "`controls` must be True or False"):
        kerasxai.evaluate(model, X, controls=value)
    model.save(tmp_path / "net.keras")
    with refused(TypeError, "`safe_mode` must be True or False"):
        kerasxai.load_model(tmp_path / "net.keras", safe_mode=value)


def test_config_with_an_unknown_option(model):
    with refused(TypeError, "GradCAM has the options", "colour='red'"):
        explainers.from_config({"method": "grad_cam", "colour": "red"}, model)


def test_build(model):
    other = nets.build("sequential")
    with refused(ValueError, "bound to the same model", "GradCAM", "'sequential'"):
        explainers.build(GradCAM(other), model)
    with refused(TypeError, "a name, a config dict", "Received: 5"):
        explainers.build(5, model)


@pytest.mark.parametrize("method", explainers.names())
def test_unknown_option(method, model):
    with refused(TypeError, f"{explainers.get(method).__name__} has the options", "batch_size", "colour='red'"):
        nets.quick(method, model, colour="red")


BAD_OPTIONS = {
    "batch_size 0": (Gradient, {"batch_size": 0}, "`batch_size` must be a positive integer", "batch_size=0"),
    "batch_size None": (Gradient, {"batch_size": None}, "positive integer", "batch_size=None"),
    "batch_size fraction": (GradCAM, {"batch_size": 2.5}, "positive integer", "batch_size=2.5"),
    "batch_size True": (GradCAM, {"batch_size": True}, "positive integer", "batch_size=True"),
    "verbose": (Gradient, {"verbose": 2}, "'auto', 0, 1", "verbose=2"),
    "verbose word": (GradCAM, {"verbose": "yes"}, "'auto', 0, 1", "verbose='yes'"),
    "score": (GradCAM, {"score": "proba"}, "'logit', 'probability'", "score='proba'"),
    "score None": (Gradient, {"score": None}, "'logit', 'probability'", "score=None"),
    "steps 0": (IntegratedGradients, {"steps": 0}, "`steps` must be a positive integer", "steps=0"),
    "steps fraction": (IntegratedGradients, {"steps": 1.5}, "positive integer", "steps=1.5"),
    "steps True": (IntegratedGradients, {"steps": True}, "positive integer", "steps=True"),
    "one trapezoid": (IntegratedGradients, {"steps": 1, "quadrature": "trapezoid"}, "at least 2", "Received: 1"),
    "quadrature": (IntegratedGradients, {"quadrature": "simpson"}, "gauss_legendre", "quadrature='simpson'"),
    "baseline shape": (IntegratedGradients, {"baseline": np.zeros((4, 4, 2))}, r"\(8, 8, 2\)", r"\(4, 4, 2\)"),
    "baseline batch": (IntegratedGradients, {"baseline": np.zeros((1, 8, 8, 2))}, r"\(8, 8, 2\)", r"\(1, 8, 8, 2\)"),
    "baseline channels": (IntegratedGradients, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "baseline word": (IntegratedGradients, {"baseline": "black"}, '"blur"', "'black'"),
    "baseline name": (IntegratedGradients, {"baseline": {"picture": 0.0}}, "inputs of the model", "picture"),
    "no baselines": (IntegratedGradients, {"baseline": []}, "at least one baseline", "empty"),
    "baseline None": (IntegratedGradients, {"baseline": None}, "`baseline`", "None"),
    "baseline NaN": (IntegratedGradients, {"baseline": np.nan}, "`baseline`", "nan"),
    "blur width": (BlurIG, {"max_sigma": 0.0}, "`max_sigma`", "above 0.2", "max_sigma=0.0"),
    "blur steps": (BlurIG, {"steps": 0}, "`steps` must be a positive integer", "steps=0"),
    "guided fraction": (GuidedIG, {"fraction": 0}, "`fraction`", "above 0 and at most 1", "fraction=0"),
    "guided distance": (
        GuidedIG,
        {"max_distance": 1.5},
        "`max_distance`",
        "at least 0 and at most 1",
        "max_distance=1.5",
    ),
    "guided baseline": (GuidedIG, {"baseline": "black"}, '"blur", "min", "max"', "'black'"),
    "XRAI baseline": (XRAI, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "XRAI quadrature": (XRAI, {"quadrature": "simpson"}, "gauss_legendre", "quadrature='simpson'"),
    "no background": (ExpectedGradients, {}, "`background` must be an array", "nothing"),
    "empty background": (ExpectedGradients, {"background": X[:0]}, "`background`", r"\(0, 8, 8, 2\)"),
    "background shape": (ExpectedGradients, {"background": nets.normals(2, (8, 8, 3))}, "`background`", r"\(8, 8, 3\)"),
    "one background": (ExpectedGradients, {"background": X[0]}, "`background`", r"any number", r"\(8, 8, 2\)"),
    "background NaN": (ExpectedGradients, {"background": with_nan}, "`background`", "finite"),
    "expected samples": (ExpectedGradients, {"background": X, "n_samples": 0}, "`n_samples`", "n_samples=0"),
    "noise samples": (SmoothGrad, {"n_samples": -1}, "`n_samples` must be a positive integer", "n_samples=-1"),
    "noise negative": (SmoothGrad, {"noise_level": -0.1}, "at least 0", "noise_level=-0.1"),
    "noise NaN": (SmoothGrad, {"noise_level": np.nan}, "at least 0", "noise_level=nan"),
    "noise infinite": (SmoothGrad, {"noise_level": np.inf}, "at least 0", "noise_level=inf"),
    "noise list": (SmoothGrad, {"noise_level": [0.1, 0.2]}, "must be a number", r"\[0.1, 0.2\]"),
    "noise word": (SmoothGrad, {"noise_level": "high"}, "must be a number", "'high'"),
    "CAM noise": (SmoothGradCAMPlusPlus, {"noise_level": -1.0}, "at least 0", "noise_level=-1.0"),
    "CAM samples": (SmoothGradCAMPlusPlus, {"n_samples": 0}, "positive integer", "n_samples=0"),
    "noisy unknown": (SmoothGrad, {"explainer": "gradeint"}, "`method` must be one of", "'gradeint'", "Did you mean"),
    "percentiles": (NoisePercentiles, {"percentiles": [50, 101]}, "at least 0 and at most 100", "101"),
    "no percentiles": (NoisePercentiles, {"percentiles": []}, "one or more numbers", r"\[\]"),
    "max_channels": (ScoreCAM, {"max_channels": 0}, "`max_channels` must be a positive integer", "max_channels=0"),
    "ablation": (AblationCAM, {"ablation": "unit"}, "'activation', 'kernel'", "ablation='unit'"),
    "ablation of no kernel": (AblationCAM, {"ablation": "kernel", "layer": "pool"}, "layer with a kernel", "'pool'"),
    "CAM layer": (ClassActivationMapping, {"layer": "conv1"}, "before the global average pooling"),
    "LRP score": (LRP, {"score": "probability"}, "'logit'", "score='probability'"),
    "LRP rules": (LRP, {"rules": "epsilon_minus"}, "epsilon_plus", "'epsilon_minus'"),
    "LRP layers without a rule": (LRP, {"rules": {"head": "zero"}}, "conv1, conv2", "extends="),
    "LRP extends": (LRP, {"extends": "all"}, "epsilon_plus", "'all'"),
    "LRP batch_norm": (LRP, {"batch_norm": "unfold"}, "'fold', 'epsilon', 'abs_z', 'pass'", "batch_norm='unfold'"),
    "LRP max_pool": (LRP, {"max_pool": "sum"}, "'winner', 'average'", "max_pool='sum'"),
    "LRP input_range": (LRP, {"input_range": (1.0, 0.0)}, r"\(low, high\)", r"\(1.0, 0.0\)"),
    "LRP input_range words": (LRP, {"input_range": ("a", "b")}, "`input_range`", "number", "'a'"),
    "LRP start": (LRP, {"start": 1}, "'logit', 'one'", "start=1"),
    "LRP contrast": (LRP, {"contrast": "all"}, "None, 'others'", "contrast='all'"),
    "LRP relevance_at": (LRP, {"relevance_at": "conv3"}, "'conv3'", "Did you mean conv[12]"),
    "relevance CAM score": (RelevanceCAM, {"score": "probability"}, "'logit'", "score='probability'"),
    "relevance CAM rules": (RelevanceCAM, {"rules": "epsilon_minus"}, "epsilon_plus", "'epsilon_minus'"),
    "relevance CAM layer": (RelevanceCAM, {"layer": "gap"}, "spatial axes", "'gap'"),
    "B-LRP explainer": (BayesianLRP, {"explainer": "gradient"}, "must be an LRP", "Gradient"),
    "B-LRP score": (BayesianLRP, {"score": "probability"}, "'logit'", "score='probability'"),
    "B-LRP samples": (BayesianLRP, {"n_samples": 0}, "`n_samples`", "n_samples=0"),
    "DeepLIFT baseline": (DeepLift, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "DeepLIFT score": (DeepLift, {"score": "proba"}, "'logit', 'probability'", "score='proba'"),
    "CAM score": (ClassActivationMapping, {"score": "probability"}, "'logit'"),
    "window 0": (Occlusion, {"window": 0}, "`window` must be a positive integer", "window=0"),
    "window fraction": (Occlusion, {"window": (2, 1.5)}, "`window` must be a positive integer", "window=1.5"),
    "window word": (Occlusion, {"window": "8"}, "`window` must be a positive integer", "window='8'"),
    "window of one axis": (Occlusion, {"window": (3,)}, "`window`", "one entry per spatial axis, 2 here", r"\(3,\)"),
    "stride 0": (Occlusion, {"stride": 0}, "`stride` must be a positive integer", "stride=0"),
    "stride beyond the window": (Occlusion, {"window": 2, "stride": 3}, "`stride`", "window", "stride=3, window=2"),
    "occlusion baseline word": (Occlusion, {"baseline": "black"}, '"mean" or "blur"', "'black'"),
    "occlusion baseline NaN": (Occlusion, {"baseline": np.nan}, "`baseline`", "finite", "nan"),
    "occlusion baseline None": (Occlusion, {"baseline": None}, "`baseline`", "None"),
    "occlusion baseline shape": (Occlusion, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "masks 0": (RISE, {"n_masks": 0}, "`n_masks` must be a positive integer", "n_masks=0"),
    "grid fraction": (RISE, {"grid": 7.5}, "`grid` must be a positive integer", "grid=7.5"),
    "mask probability 0": (RISE, {"probability": 0}, "above 0 and at most 1", "probability=0"),
    "mask probability in percent": (RISE, {"probability": 50}, "above 0 and at most 1", "probability=50"),
    "mask probability NaN": (RISE, {"probability": np.nan}, "above 0 and at most 1", "probability=nan"),
    "tolerance 0": (RISE, {"tolerance": 0.0}, "None or a number above 0", "tolerance=0.0"),
    "tolerance word": (RISE, {"tolerance": "low"}, "None or a number above 0", "tolerance='low'"),
    "mu 1": (SISE, {"mu": 1.0}, "at least 0 and below 1", "mu=1.0"),
    "mu word": (SISE, {"mu": "adaptive"}, '"otsu"', "mu='adaptive'"),
    "SISE score": (SISE, {"score": "proba"}, "'logit', 'probability'", "score='proba'"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_option(case, model):
    cls, options, *parts = BAD_OPTIONS[case]
    with refused(ValueError, *parts):
        cls(model, **options)


@pytest.mark.parametrize("seed", [None, "one", 1.5, [1]])
def test_seed(seed, model):
    for make in (
        lambda: SmoothGrad(model, seed=seed),
        lambda: ExpectedGradients(model, background=X, seed=seed),
        lambda: SmoothGradCAMPlusPlus(model, seed=seed),
        lambda: BayesianLRP(model, seed=seed),
        lambda: RISE(model, seed=seed),
    ):
        with refused((TypeError, ValueError), "`seed` must be an integer", re.escape(f"seed={seed!r}")):
            make()


def test_expected_gradients_of_two_inputs():
    with refused(ValueError, "one input", "image, numbers"):
        ExpectedGradients(nets.build("two_inputs"), background=X)


def test_full_grad_of_two_inputs():
    with refused(ValueError, "one input", "image", "numbers"):
        FullGrad(nets.build("two_inputs"))


def test_abstract_classes_cannot_be_made(model):
    with refused(TypeError, "abstract"):
        CAM(model)


# Heatmaps


@pytest.mark.parametrize(
    ("attributions", "reduce", "parts"),
    [
        (X, "mean", ["`reduce` must be one of 'sum', 'abs_sum", "reduce='mean'"]),
        (X, None, ["`reduce` must be one of", "reduce=None"]),
        (X[0, 0], "sum", [r"\(samples, \*spatial, channels\)", r"\(8, 2\)"]),
        (5.0, "sum", [r"\(samples, \*spatial, channels\)", r"\(\)"]),
    ],
)
def test_to_heatmap(attributions, reduce, parts):
    with refused(ValueError, *parts):
        kerasxai.to_heatmap(attributions, reduce=reduce)
