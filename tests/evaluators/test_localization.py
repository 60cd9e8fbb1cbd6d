"""Localization against hits counted by hand."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from kerasxai import evaluators
from kerasxai.evaluators.localization import masks_of_boxes

RANKING = ("localization_roc_auc", "localization_average_precision")
METRICS = ("pointing_game", "relevance_mass", "relevance_rank", "iou", *RANKING)
MODEL = keras.Sequential([keras.Input((2, 3, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
MASK = [1, 1, 0, 0, 0, 0]


def measure(metric, maps, masks, **options):
    maps, masks = (np.asarray(one).reshape(-1, 2, 3) for one in (maps, masks))
    evaluator = evaluators.get(metric)(**options)
    return evaluator(MODEL, np.ones((len(maps), 2, 3, 1), "float32"), maps.astype(float), masks=masks)[metric]


@pytest.mark.parametrize(
    "metric, values, expected",
    [
        ("pointing_game", [9, 0, 0, 1, 2, 3], 1),
        ("pointing_game", [0, 1, 0, 0, 9, 0], 0),
        ("pointing_game", [9, 0, 9, 9, 9, 0], 1 / 4),
        ("pointing_game", [0, 0, 0, 0, 0, -1], 2 / 5),
        ("relevance_mass", [3, -5, 1, 0, 0, -9], 3 / 4),
        ("relevance_mass", [-3, -5, -1, -1, -1, -9], np.nan),
        ("relevance_rank", [3, 1, 2, 0, 0, 0], 1 / 2),
        ("relevance_rank", [5, 5, 5, 5, 5, 0], 1),  # ties row-major
        ("relevance_rank", [0, 0, 5, 5, 0, 0], 0),
        ("iou", [4, 1, 3, 2, 0, 0], 1 / 3),
        ("iou", [-4, -1, -3, -2, -1, -1], 0),
        ("localization_roc_auc", [5, 3, 4, 2, 1, 0], 7 / 8),  # of 8 pairs one is the wrong way round
        ("localization_roc_auc", [-1, -2, -3, -2, -4, -5], 7.5 / 8),  # a tie is half won
        ("localization_roc_auc", [0, 0, 1, 2, 3, 4], 0),
        ("localization_average_precision", [5, 3, 4, 2, 1, 0], (1 / 1 + 2 / 3) / 2),
        (
            "localization_average_precision",
            [-1, -2, -3, -2, -4, -5],
            (1 / 1 + 2 / 3) / 2,
        ),  # one threshold, three reached
        ("localization_average_precision", [0, 0, 1, 2, 3, 4], 2 / 6),
    ],
)
def test_closed_forms(metric, values, expected):
    np.testing.assert_allclose(measure(metric, [values], [MASK]), [expected])


@pytest.mark.parametrize("metric", METRICS)
def test_an_empty_mask_and_a_map_with_nan_stay_nan(metric):
    maps = [[6, 5, 4, 3, 2, 1], [6, 5, np.nan, 3, 2, 1], [6, 5, 4, 3, 2, 1]]
    found = measure(metric, maps, [[0] * 6, MASK, MASK])
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])
    assert found[2] == pytest.approx(11 / 21 if metric == "relevance_mass" else 2 / 3 if metric == "iou" else 1)


@pytest.mark.parametrize("metric", ["pointing_game", "relevance_rank", *RANKING])
def test_a_constant_map_does_not_hit(metric):
    assert np.isnan(measure(metric, [[2] * 6, [2] * 6], [[1] * 6, MASK])).all()


def test_a_mask_of_everything_has_no_outside_to_outrank():
    assert np.isnan(measure("localization_roc_auc", [[1, 2, 3, 4, 5, 6]], [[1] * 6])).all()
    assert measure("localization_average_precision", [[1, 2, 3, 4, 5, 6]], [[1] * 6]) == 1


TIED = st.integers(-3, 3).map(float)
UNTIED = st.floats(-(2.0**99), 2.0**99, width=32)


@settings(deadline=None, max_examples=60)
@given(rows=arrays(np.float64, (4, 24), elements=TIED | UNTIED), masks=arrays(bool, (4, 24)))
def test_ranking_is_that_of_scikit_learn(rows, masks):
    masks[:, 0], masks[:, 1] = True, False  # something inside, something outside
    roc_auc = evaluators.LocalizationROCAUC().of_rows(rows, masks, None)
    average_precision = evaluators.LocalizationAveragePrecision().of_rows(rows, masks, None)
    for row, mask, area, precision in zip(rows, masks, roc_auc, average_precision):
        assert abs(metrics.roc_auc_score(mask, row) - area) < 1e-12
        assert abs(metrics.average_precision_score(mask, row) - precision) < 1e-12


def test_ranking_of_a_large_map_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    rows = np.round(random.normal(size=(2, 224 * 224)), 3)  # a thousand ties
    masks = random.uniform(size=rows.shape) < [[0.01], [0.6]]
    rows += masks
    np.testing.assert_allclose(
        evaluators.LocalizationROCAUC().of_rows(rows, masks, None),
        [metrics.roc_auc_score(mask, row) for mask, row in zip(masks, rows)],
        atol=1e-12,
    )
    np.testing.assert_allclose(
        evaluators.LocalizationAveragePrecision().of_rows(rows, masks, None),
        [metrics.average_precision_score(mask, row) for mask, row in zip(masks, rows)],
        atol=1e-12,
    )


@settings(deadline=None, max_examples=10)
@given(rows=arrays(np.float64, (2, 12), elements=TIED), masks=arrays(bool, (2, 12)))
def test_negative_maps_turn_the_roc_curve_round(rows, masks):
    masks[:, 0], masks[:, 1] = True, False
    area = evaluators.LocalizationROCAUC().of_rows
    np.testing.assert_allclose(area(rows, masks, None) + area(-rows, masks, None), 1)


def test_summary_counts_what_has_no_value():
    x = np.ones((2, 2, 3, 1), "float32")
    maps = np.stack([np.arange(6.0).reshape(2, 3), np.zeros((2, 3))])
    summary = evaluators.get("pointing_game")()(MODEL, x, maps, masks=np.ones((2, 2, 3))).summary()["pointing_game"]
    assert (summary.mean, summary.count, summary.nan, summary.constant) == (1, 1, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None, max_examples=10)
@given(
    maps=arrays(np.float32, (3, 6), elements=st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False)),
    masks=arrays(bool, (3, 6)),
)
def test_ranges_and_batch_order(metric, maps, masks):
    found = measure(metric, maps, masks)
    np.testing.assert_array_equal(measure(metric, maps[::-1], masks[::-1])[::-1], found)
    known = found[~np.isnan(found)]
    assert (known >= 0).all() and (known <= 1 + 1e-12).all()
    everywhere = measure(metric, maps, np.ones_like(masks))
    if metric != "iou":
        np.testing.assert_allclose(everywhere[~np.isnan(everywhere)], 1)


def test_masks_are_needed():
    with pytest.raises(ValueError, match="needs `masks`"):
        evaluators.get("iou")()(MODEL, np.ones((1, 2, 3, 1), "float32"), np.ones((1, 2, 3)))


def test_boxes():
    masks = masks_of_boxes([[(0, 0, 1, 2)], []], (2, 3))
    np.testing.assert_array_equal(masks[0], [[1, 1, 0], [0, 0, 0]])
    assert not masks[1].any()
    np.testing.assert_array_equal(masks_of_boxes([[(1, 3)]], (4,)), [[0, 1, 1, 0]])
    for wrong in [(0, 0, 1), (1, 1, 1, 2)]:
        with pytest.raises(ValueError, match="A box must be"):
            masks_of_boxes([[wrong]], (2, 3))
