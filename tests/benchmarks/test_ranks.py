"""Ranks of rows by means over samples, and their bootstrap draws."""

import numpy as np
from scipy.stats import spearmanr

from benchmarks.study.ranks import drawn_means, interval, ranks, spearman


def test_means_leave_nan_out():
    values = np.random.default_rng(0).normal(size=(3, 2, 50))
    values[0, 0, :10] = np.nan
    values[2, 1] = np.nan
    means = drawn_means(values)
    np.testing.assert_allclose(means[0, :2], np.nanmean(values[:2], axis=2))
    assert np.isnan(means[:, 2, 1]).all() and not np.isnan(means[:, :2]).any()


def test_draws_are_paired_and_spread_as_the_mean_does():
    values = np.random.default_rng(0).normal(size=(1, 1, 400))
    means = drawn_means(np.concatenate([values, values + 1]))
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1)
    assert abs(means[1:, 0, 0].std() / (values.std() / 20) - 1) < 0.1
    assert interval(means[:, 0, 0]).low < values.mean() < interval(means[:, 0, 0]).high


def test_ranks_put_the_best_first_and_no_value_last():
    means = np.array([[[3.0, 3.0], [1.0, 1.0], [np.nan, np.nan], [3.0, 2.0]]])
    np.testing.assert_array_equal(ranks(means, [True, False])[0], [[1.5, 3], [3, 1], [4, 4], [1.5, 2]])


def test_spearman_is_that_of_scipy():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, (4, 20)), random.normal(size=(4, 20))
    expected = [spearmanr(one, other).statistic for one, other in zip(first, second)]
    np.testing.assert_allclose(spearman(first, second), expected)
    assert np.isnan(spearman(np.ones((1, 5)), np.arange(5)[np.newaxis]))[0]
