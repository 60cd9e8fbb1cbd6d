"""Metrics of a map alone against the numbers by hand."""

import zlib

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kerasxai import evaluators

METRICS = ("sparseness", "complexity", "histogram_entropy", "compressed_size", "highlighted_area")
MODEL = keras.Sequential([keras.Input((2, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])


def measure(metric, maps, **options):
    maps = np.asarray(maps, np.float64).reshape(-1, 2, 3)
    evaluator = evaluators.get(metric)(**options)
    return evaluator(MODEL, np.ones((len(maps), 2, 3, 1), "float32"), maps)[metric]


@pytest.mark.parametrize(
    "metric, values, expected",
    [
        ("sparseness", [0, 0, 0, 0, 0, -7], 5 / 6),
        ("sparseness", [0, 0, 0, 3, 3, -3], 1 / 2),
        ("sparseness", [2, -2, 2, 2, 2, 2], 0),
        ("sparseness", [0] * 6, np.nan),
        ("complexity", [0, 0, 0, 0, 0, -7], 0),
        ("complexity", [1, -1, 2, 0, 0, 0], 1.5 * np.log(2)),
        ("complexity", [3] * 6, np.log(6)),
        ("complexity", [0] * 6, np.nan),
        ("histogram_entropy", [0, 0, 0, 1, 1, 1], np.log(2)),
        ("histogram_entropy", [-4, 0, 1, 2, 3, 9], np.log(6)),
        ("histogram_entropy", [5] * 6, 0),
        ("compressed_size", [-1, 0, 1, -1, 0, 1], len(zlib.compress(bytes([0, 128, 255, 0, 128, 255]), 9))),
        ("compressed_size", [4] * 6, len(zlib.compress(bytes(6), 9))),
        ("highlighted_area", [1, 0.5, 0.6, 0, -1, -9], 2 / 6),
        ("highlighted_area", [-1, -2, -3, -4, -5, -6], 0),
        ("highlighted_area", [0] * 6, 0),
        ("highlighted_area", [2] * 6, 1),
    ],
)
def test_closed_forms(metric, values, expected):
    np.testing.assert_allclose(measure(metric, [values]), [expected], atol=1e-12)


def test_normalized_complexity_of_a_flat_map_is_one():
    np.testing.assert_allclose(measure("complexity", [[3] * 6], normalize=True), [1])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_nan_and_its_neighbours_are_not(metric, wrong):
    found = measure(metric, [[1, 2, 3, 4, 5, 6], [1, wrong, 3, 4, 5, 6]])
    assert np.isfinite(found[0]) and np.isnan(found[1])


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None, max_examples=10)
@given(maps=arrays(np.float32, (3, 6), elements=st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)))
def test_ranges_and_batch_order(metric, maps):
    found = measure(metric, maps)
    np.testing.assert_array_equal(measure(metric, maps[::-1])[::-1], found)
    np.testing.assert_array_equal(measure(metric, maps[:1]), found[:1])
    highest = {"sparseness": 5 / 6, "highlighted_area": 1, "compressed_size": 100}.get(metric, np.log(6))
    known = found[~np.isnan(found)]
    assert (known >= -1e-12).all() and (known <= highest + 1e-9).all()
    assert (np.isnan(found) == (metric in ("sparseness", "complexity")) & ~maps.any(axis=1)).all()


def test_options_are_checked():
    with pytest.raises(ValueError, match="threshold"):
        evaluators.get("highlighted_area")(threshold=1)
