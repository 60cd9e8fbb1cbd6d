"""Coalitions by the formulas that define them, and which segments they tell apart."""

import math

import numpy as np
import pytest

from kerasxai.explainers.coalitions import FairCoins, ShapleyKernel


def test_coalitions_by_the_formula():
    kept, weights = FairCoins(0, 4000)(np.arange(4000), np.array([5]))
    kept, weights = kept[:, 0], weights[:, 0]
    assert kept[0].all() and weights[0] == 1
    assert abs(kept[1:].mean() - 0.5) < 0.02
    distance = 1 - np.sqrt(kept.mean(axis=1))
    distance[kept.sum(axis=1) == 0] = 1
    np.testing.assert_allclose(weights, np.exp(-(distance**2) / 0.25**2) ** 0.5)
    assert (kept.sum(axis=1) == 0).any()


def test_a_bit_depends_on_neither_the_batch_nor_the_number_of_segments():
    mixed, _ = FairCoins(0, 50)(np.arange(50), np.array([3, 20, 7]))
    again, _ = FairCoins(0, 50)(np.arange(10, 30), np.array([7]))
    np.testing.assert_array_equal(mixed[10:30, 2, :7], again[:, 0])
    np.testing.assert_array_equal(mixed[:, 0, :3], mixed[:, 1, :3])
    assert not mixed[:, 0, 3:].any()


def test_shapley_kernel_by_the_formula():
    exact, weights = ShapleyKernel(0, None)(np.arange(30), np.array([5]))
    rows = {tuple(row) for row in exact[:, 0].tolist()}
    assert len(rows) == 30 and (True,) * 5 not in rows and (False,) * 5 not in rows
    sizes = exact[:, 0].sum(axis=1)
    np.testing.assert_allclose(weights[:, 0], [4 / (math.comb(5, s) * s * (5 - s)) for s in sizes])
    drawn, weights = ShapleyKernel(0, 20000)(np.arange(20000), np.array([20]))
    assert (weights == 1).all() and (drawn[0::2] ^ drawn[1::2]).all()  # each with its complement
    shares = np.bincount(drawn[:, 0].sum(axis=1), minlength=20)[1:20] / 20000
    expected = np.array([1 / (s * (20 - s)) for s in range(1, 20)])
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.01)
    assert abs(drawn[:, 0].mean(axis=0) - 0.5).max() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_coalitions_determine_weights_where_two_solutions_cannot_fit_them(seed):
    """Where they do not, some other weights give the same sums over all coalitions and over the whole."""
    segments = np.array([2, 9, 13, 20, 26])
    for coalitions in (FairCoins(seed, 20), ShapleyKernel(seed, 20)):
        determined = coalitions.determine(segments)
        assert determined[0] and not determined[3:].any()
        for m, known in zip(segments, determined):
            kept, _ = coalitions(np.arange(coalitions.count(np.array([m]))), np.array([m]))
            rows = kept[:, 0].astype(float)
            is_lime = isinstance(coalitions, FairCoins)
            rows = np.column_stack([rows, np.ones(len(rows))]) if is_lime else np.vstack([rows, np.ones(m)])
            smallest = np.linalg.eigvalsh(rows.T @ rows)[0]
            assert known == (smallest > 1e-9)
