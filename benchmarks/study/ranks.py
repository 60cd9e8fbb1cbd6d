"""Rows ranked by means over samples, with the uncertainty that comes from the samples: paired bootstrap draws."""

import numpy as np
from scipy.stats import rankdata

from benchmarks.study.interval import Interval, bounds

DRAWS = 1000


def drawn_means(values, seed=0):
    """Means over samples, of all of them and of bootstrap draws, the same draws for every row and column.

    Args:
        values: `(rows, columns, samples)`, NaN where there is no value.
        seed: Of the draws.

    Returns:
        `(1 + draws, rows, columns)`: first of all samples; NaN where there was no value.
    """
    values = np.asarray(values, np.float64)
    samples = values.shape[-1]
    drawn = np.random.default_rng(seed).multinomial(samples, np.full(samples, 1 / samples), DRAWS)
    counts = np.concatenate([np.ones((1, samples)), drawn])
    known = ~np.isnan(values)
    totals = np.tensordot(counts, np.where(known, values, 0), (1, 2))
    weights = np.tensordot(counts, known.astype(np.float64), (1, 2))
    return np.divide(totals, weights, out=np.full_like(totals, np.nan), where=weights > 0)


def ranks(means, higher_is_better):
    """Ranks of the rows, 1 the best, ties shared, no value last.

    Args:
        means: `(draws, rows, columns)`.
        higher_is_better: bool for each column.
    """
    signed = np.where(higher_is_better, -means, means)
    return rankdata(np.where(np.isnan(signed), np.inf, signed), axis=1)


def spearman(first, second):
    """Rank correlation over the rows of two arrays `(draws, rows)`: `(draws,)`."""
    first, second = (rankdata(values, axis=1) for values in (first, second))
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    spread = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), spread, out=np.full(len(first), np.nan), where=spread > 0)


def interval(drawn):
    """`Interval` of a statistic: its value of all samples, which comes first, and the bounds of its draws."""
    return Interval(float(drawn[0]), *bounds(drawn[1:]))
