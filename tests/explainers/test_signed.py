"""Whether a method is signed, as it declares, against what it returns where scores and layers have both signs."""

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

from kerasxai import explainers
from kerasxai.heatmap import is_signed, to_heatmap
from tests.support import nets

NAMES = explainers.names()
CAMS = [name for name in NAMES if issubclass(explainers.get(name), explainers.CAM)]
IMAGES = nets.normals(8)
OF_THE_DEFAULTS = [(name, {}) for name in NAMES]
OF_OPTIONS = [
    *[(name, {"relu": relu}) for name in CAMS for relu in (True, False)],
    ("grad_cam", {"counterfactual": True}),
    ("layer_cam", {"layer": ["conv2"], "relu": False}),
    ("rise", {"score": "logit"}),
    ("sise", {"score": "logit"}),
    ("full_grad", {"score": "probability"}),
    *[
        (name, {"explainer": inner})
        for name in ("smooth_grad", "smooth_grad_squared", "var_grad", "noise_percentiles")
        for inner in ("grad_cam", {"method": "grad_cam", "relu": False}, "sensitivity", "gradient_x_input")
    ],
]


@pytest.fixture(scope="module")
def classifier():
    layers_of_both_signs = [nets.conv("conv1"), nets.conv("conv2", filters=4, activation=None)]
    return nets.randomise(Sequential([Input(nets.IMAGE), *layers_of_both_signs, *_head(3, "softmax")]))


def _head(units, activation=None):
    return [layers.GlobalAveragePooling2D(), layers.Dense(units, activation=activation, name="head")]


def least(explainer, x, targets):
    """The smallest value of all maps, and of all heatmaps, for each of some targets."""
    attributions = np.concatenate([np.asarray(explainer(x, target=target)) for target in targets])
    heatmaps = attributions if explainer.reduce is None else to_heatmap(attributions, explainer.reduce)
    return attributions.min(), heatmaps.min()


@pytest.mark.slow
@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "options"), OF_THE_DEFAULTS + OF_OPTIONS, ids=str)
def test_a_method_is_signed_exactly_if_it_can_be_negative(method, options, classifier):
    cheap = {name: value for name, value in nets.quick_options(method, classifier).items() if name != "relu"}
    explainer = explainers.get(method)(classifier, **{**cheap, **options})
    of_maps, of_heatmaps = least(explainer, IMAGES, range(3))
    assert (of_maps < 0) == explainer.signed
    assert (of_heatmaps < 0) == is_signed(explainer)
    if not options:
        assert explainer.signed == type(explainer).signed


@pytest.mark.filterwarnings("ignore")
def test_rise_is_signed_where_the_score_is_no_probability(classifier):
    nets_and_targets = {
        "a class": (classifier, 1, False),
        "one sigmoid unit": (Sequential([Input(nets.IMAGE), nets.conv("conv"), *_head(1, "sigmoid")]), 0, False),
        "a regression": (Sequential([Input(nets.IMAGE), nets.conv("conv"), *_head(1)]), None, True),
    }
    for name, (model, target, expected) in nets_and_targets.items():
        explainer = nets.quick("rise", nets.randomise(model))
        assert explainer.signed == expected, name
        of_maps, _ = least(explainer, IMAGES, [target])
        assert (of_maps < 0) <= expected, name


@pytest.mark.filterwarnings("ignore")
def test_rise_learns_from_the_first_batch_what_an_opaque_model_returns():
    class Regression(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.pool, self.head = nets.conv("conv"), *_head(1)

        def call(self, x):
            return self.head(self.pool(self.conv(x))) - 5.0

    model = Regression()
    model(IMAGES)
    explainer = nets.quick("rise", model)
    assert explainer(IMAGES).min() < 0
    assert explainer.signed
