"""The study `methods`: the kinds of model it tries, and its findings of scores made by hand."""

import warnings

import keras
import numpy as np
import pytest

from benchmarks.studies.methods.kinds import KINDS, NO_CONVOLUTION, NO_NET, RUNS, first_sentence, tried
from benchmarks.studies.methods.telling import claim, tell_curves
from benchmarks.study import Report, Study


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_runs_and_perturbation_explains_what_has_positions(kind):
    model, x = KINDS[kind]()
    outputs = model(x) if callable(model) else model.predict(x, verbose=0)
    assert len(keras.tree.flatten(outputs)[0]) == 2
    said = tried(kind, {"CAM": {"method": "cam", "verbose": 0}})["CAM"]
    ends_in_pooling = kind not in ("no global pooling", "two inputs", "subclassed", *NO_CONVOLUTION, *NO_NET)
    assert (said == RUNS) == ends_in_pooling, said


def test_first_sentence():
    assert first_sentence(ValueError("`layer` must be one. Received: a.b. See c.")) == "`layer` must be one."
    assert first_sentence(KeyError("b")) == "KeyError: 'b'"


def report():
    return Report(Study("t", "q", "s", None, {}, {}), {})


def scores(**areas):
    """Scores of five images, each the area and a little more, with curves of three steps."""
    images = np.arange(5) / 1000

    def of(area):
        curve = np.stack([np.ones(5), area + images, area + images], axis=1)
        return {
            "pixel_flipping": area + images,
            "curve": curve,
            "fraction": [0, 0.5, 1],
            "histogram_entropy": images,
            "compressed_size": images,
        }

    return {name.replace("_", " "): of(area) for name, area in areas.items()}


def test_claims_of_pixel_flipping():
    order = {"LRP_α2β1": 0.1, "Guided_Backprop": 0.2, "LRP_α1β0": 0.3, "SA": 0.4, "CAM": 0.5, "random_map": 0.05}
    made = report()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_curves(made, {"digits": [scores(**order)]}, "random map")
    assert [found["held"] for found in made.claims] == ["yes", "yes", "yes"]  # the control does not count
    made = report()
    tell_curves(made, {"digits": [scores(**order | {"CAM": 0.01, "SA": 0.25, "LRP_α1β0": 0.15})]}, "random map")
    assert [found["held"] for found in made.claims] == ["no", "in part", "yes"]
    made = report()
    tell_curves(made, {"a": [scores(**order)], "b": [scores(**order | {"CAM": 0.01})]}, "random map")
    assert [found["held"] for found in made.claims] == ["in part", "yes", "yes"]


@pytest.mark.parametrize(
    ("second", "third", "held"), [(RUNS, RUNS, "yes"), (RUNS, "No.", "in part"), ("No.", "No.", "no")]
)
def test_claims_of_what_runs(second, third, held):
    made = report()
    outcomes = {"Sequential": {"SA": second, "LIME": "No."}, "nested": {"SA": third, "LIME": "No."}}
    claim(made, outcomes, "SA", "any model", ["SA"], ["Sequential", "nested"])
    assert made.claims[0]["held"] == held
