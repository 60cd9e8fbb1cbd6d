"""How many maps one must look at before a sign test says that they show a mark."""

import numpy as np
from scipy.stats import binom

LEVEL = 0.05  # of the one-sided sign test
POWER = 0.95
MOST = 500  # maps that anyone would look at


def maps_needed(share, most=MOST):
    """Smallest number of maps with which the test finds the mark, 95 times of 100; NaN where none up to `most` does.

    The test counts the maps with more relevance on the mark than its share of the area, and compares the count with a
    fair coin's. Maps drawn with replacement from those at hand make that count binomial, so nothing need be simulated.

    Args:
        share: Of maps that have more.
        most: Where the search ends.
    """
    counts = np.arange(1, most + 1)
    enough = binom.ppf(1 - LEVEL, counts, 0.5) + 1  # smallest count that a coin reaches less often than LEVEL
    power = binom.sf(enough - 1, counts, share)
    found = np.flatnonzero(power >= POWER)
    return float(counts[found[0]]) if len(found) else np.nan
