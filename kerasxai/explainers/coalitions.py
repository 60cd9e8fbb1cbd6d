"""Coalitions: which segments stay in a perturbed sample, and what the sample weighs in the fit.

Made in NumPy, chunk by chunk. A bit depends on the seed, the draw and the segment alone, and on the sample's own number
of segments where the sizes of coalitions do; never on batch mates.
"""

import numpy as np
from scipy.special import comb

EXACT = 12  # so many segments, or fewer, have few enough coalitions to score them all
KERNEL_WIDTH = 0.25


class Columns:
    """Uniform numbers, one column of draws per segment: more segments do not change those of the others.

    Args:
        seed: int.
        draws: Number of draws.
    """

    def __init__(self, seed, draws):
        self._seed, self._draws, self._numbers = seed, draws, []

    def __call__(self, indices, width):
        """Float32 array `(draws, width)` of the draws `indices`."""
        while len(self._numbers) < width:
            generator = np.random.default_rng([self._seed, len(self._numbers)])
            self._numbers.append(generator.random(self._draws, np.float32))
        return np.stack([column[indices] for column in self._numbers[:width]], axis=1)


class FairCoins:
    """LIME's coalitions: all segments first, then fair coins; weighed by how near they are to the whole.

    The distance is `1 - sqrt(kept / segments)`, the cosine distance to the whole, 1 for nothing kept; the weight
    `sqrt(exp(-distance^2 / 0.25^2))`.
    """

    def __init__(self, seed, draws):
        self._columns, self._draws = Columns(seed, draws), draws

    def count(self, segments):
        """How many coalitions there are for samples with so many segments."""
        return self._draws

    def determine(self, segments):
        """Whether the coalitions tell so many segments apart: for each number, if they fix all of a linear model."""
        return _all_known(self, segments, lambda kept: np.column_stack([kept, np.ones(len(kept))]))

    def __call__(self, indices, segments):
        """Coalitions.

        Args:
            indices: Which ones.
            segments: Number of segments of each sample.

        Returns:
            bool `(coalitions, samples, most segments)`, float64 weights `(coalitions, samples)`.
        """
        width = int(segments.max())
        bits = self._columns(indices, width) < 0.5
        bits[indices == 0] = True  # the sample itself
        kept = bits[:, np.newaxis] & (np.arange(width) < segments[:, np.newaxis])
        share = kept.sum(axis=2) / segments
        # Nothing kept has no direction; its distance is set to the largest.
        distance = np.where(share > 0, 1 - np.sqrt(share), 1.0)
        return kept, np.sqrt(np.exp(-np.square(distance / KERNEL_WIDTH)))


class ShapleyKernel:
    """Kernel SHAP's coalitions, neither empty nor whole.

    All of them with weights `(M - 1) / (C(M, s) s (M - s))` where the M segments are few; else drawn: a size s with the
    probability of its total weight and s segments at random, each followed by its complement, all of one weight.

    Args:
        seed: int.
        draws: Number of coalitions drawn; None: 2048, and all of them for 12 segments or fewer.
    """

    def __init__(self, seed, draws):
        self._draws = 2048 if draws is None else draws
        self._limit = 2**EXACT - 2 if draws is None else draws
        pairs = -(-self._draws // 2)
        self._columns, self._sizes = Columns(seed, pairs), np.random.default_rng([seed, 2**32]).random(pairs)

    def count(self, segments):
        """How many coalitions there are for samples with so many segments."""
        return max(self._count_of(m) for m in np.unique(segments).tolist())

    def determine(self, segments):
        """See `FairCoins`; the sum of the values is given."""
        return _all_known(self, segments, lambda kept: np.vstack([kept, np.ones(kept.shape[1])]))

    def __call__(self, indices, segments):
        """Coalitions; see `FairCoins`. Those of another sample weigh nothing."""
        kept = np.zeros((len(indices), len(segments), int(segments.max())), bool)
        weights = np.zeros((len(indices), len(segments)))
        for m in np.unique(segments).tolist():
            mine = segments == m
            make = self._all if self._is_exact(m) else self._drawn
            bits, weight = make(indices, m)
            kept[:, mine, :m], weights[:, mine] = bits[:, np.newaxis], weight[:, np.newaxis]
        return kept, weights

    def _count_of(self, m):
        return 2**m - 2 if self._is_exact(m) else self._draws

    def _is_exact(self, m):
        return m <= 62 and 2**m - 2 <= self._limit  # the bits of a coalition are those of an int64

    def _all(self, indices, m):
        # The coalition number i holds the segments whose bits are set in i + 1.
        bits = (indices[:, np.newaxis] + 1 >> np.arange(m)) & 1
        exists = indices < 2**m - 2
        size = bits[exists].sum(axis=1)
        weights = np.zeros(len(indices))
        weights[exists] = (m - 1) / (comb(m, size) * size * (m - size))
        return (bits > 0) & exists[:, np.newaxis], weights

    def _drawn(self, indices, m):
        pairs, is_complement = indices // 2, indices % 2 == 1
        sizes = np.arange(1, m)
        shares = np.cumsum(1 / (sizes * (m - sizes)))  # C(M, s) coalitions of the size s share a factor C(M, s)
        size = sizes[np.searchsorted(shares / shares[-1], self._sizes[pairs])]
        # The segments with the smallest numbers are drawn, so many as the size says.
        ascending = self._columns(pairs, m).argsort(axis=1, kind="stable")
        ranks = ascending.argsort(axis=1, kind="stable")
        is_drawn = ranks < size[:, np.newaxis]
        bits = is_drawn ^ is_complement[:, np.newaxis]
        exists = indices < self._draws
        return bits & exists[:, np.newaxis], exists.astype(np.float64)


def _all_known(coalitions, segments, equations):
    """Whether the linear equations that coalitions give have one solution, for each number of segments."""
    known = {}
    for m in np.unique(segments).tolist():
        count = np.array([m])
        # Which coalitions there are hangs on the number of segments alone, so one sample stands for all with as many.
        kept, _ = coalitions(np.arange(coalitions.count(count)), count)
        rows = equations(kept[:, 0].astype(np.float64))
        known[m] = rows.shape[0] >= rows.shape[1] and np.linalg.matrix_rank(rows) == rows.shape[1]
    return np.array([known[m] for m in np.ravel(segments).tolist()])
