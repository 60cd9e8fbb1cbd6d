"""Interval: a mean with its 95 % bootstrap interval."""

from typing import NamedTuple

import numpy as np

DRAWS = 1000
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A value and the interval that it lies in."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        """Mean of the values that are not NaN, and its percentile bootstrap interval."""
        values = np.asarray(values, np.float64)
        values = values[~np.isnan(values)]
        if not len(values):
            return cls(np.nan, np.nan, np.nan)
        drawn = np.random.default_rng(0).choice(values, (DRAWS, len(values))).mean(axis=1)
        return cls(float(values.mean()), *bounds(drawn))

    def __str__(self):
        return f"{short(self.mean)} ({short(self.low)} to {short(self.high)})"


def short(number):
    """A number in three digits, or in as many as it has before the point."""
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def bounds(drawn):
    """Lowest and highest value of the middle 95 % of the draws, NaN left out."""
    if np.isnan(drawn).all():
        return np.nan, np.nan
    tail = (1 - CONFIDENCE) / 2
    return tuple(float(bound) for bound in np.nanquantile(drawn, [tail, 1 - tail]))
