"""How many maps a sign test needs, against binomial sums by hand."""

from math import comb

import numpy as np
import pytest

from benchmarks.studies.bias.counting import maps_needed


def tail(count, at_least, share):
    """Probability of at least so many of `count` draws."""
    return sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(at_least, count + 1))


def by_sums(share, most):
    for count in range(1, most + 1):
        enough = next((k for k in range(count + 1) if tail(count, k, 0.5) <= 0.05), count + 1)
        if tail(count, enough, share) >= 0.95:
            return count
    return np.nan


@pytest.mark.parametrize("share", [1.0, 0.99, 0.95, 0.9, 0.8, 0.7])
def test_as_binomial_sums_say(share):
    assert maps_needed(share, most=100) == by_sums(share, 100)


def test_by_hand():
    assert maps_needed(1.0) == 5  # five heads in a row: 1/32
    assert maps_needed(0.99) == 5  # 0.99 ** 5 = 0.951
    assert maps_needed(0.98) == 8  # 0.98 ** 5 = 0.904, and seven of eight: 9/256


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.51])
def test_never(share):
    assert np.isnan(maps_needed(share))
