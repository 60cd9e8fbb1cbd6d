"""Metrics of a map alone: how sparse, how simple, how well compressed it is. None says whether the map is right."""

from __future__ import annotations

import abc
import zlib

import numpy as np
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.registry import register
from kerasxai.options import flag, number

HISTOGRAM_BINS = 256


class MapMetric(Evaluator):
    """Base of the metrics that read nothing but the map; a subclass gives `of_rows(rows)`.

    A map that is not finite gives NaN.
    """

    @property
    def directions(self):
        return {self.name: None}

    def measure(self, case):
        rows = case.heatmaps.reshape(len(case.samples), -1)
        values = np.full(len(rows), np.nan)
        finite = case.is_finite
        if finite.any():
            values[finite] = self.of_rows(rows[finite])
        return {self.name: values}

    @abc.abstractmethod
    def of_rows(self, rows):
        """The metric of finite maps, float64 `(samples, positions)`: float64 `(samples,)`."""


@register("sparseness")
class Sparseness(MapMetric):
    """Gini index of the absolute map: 0 where all positions weigh the same, `1 - 1 / n` where one has everything.

    An all-zero map gives NaN.

    Reference:
        Chalasani et al., 2020, https://arxiv.org/abs/1810.06583
    """

    def of_rows(self, rows):
        weights = np.sort(_shares(rows), axis=1)
        count = rows.shape[1]
        # Chalasani's 1 - 2 sum_k v_k (n - k + 1/2) / n for ascending shares v, whose sum is 1.
        place = (2 * np.arange(1, count + 1) - count - 1) / count
        gini = (weights * place).sum(axis=1)  # a product of matrices would round by batch
        return np.where(weights[:, 0] == weights[:, -1], 0.0, gini)


@register("complexity")
class Complexity(MapMetric):
    """Entropy of the absolute map, scaled to sum 1, in nats: 0 for one position, `ln n` where all weigh the same.

    An all-zero map gives NaN.

    Args:
        normalize: Whether to divide by `ln n`, so that maps of different sizes compare.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Bhatt et al., 2020, https://arxiv.org/abs/2005.00631
    """

    def __init__(self, normalize: bool = False, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.normalize = flag("normalize", normalize)

    def of_rows(self, rows):
        count = rows.shape[1]
        nats = entropy(_shares(rows))
        return nats / np.log(count) if self.normalize and count > 1 else nats


@register("histogram_entropy")
class HistogramEntropy(MapMetric):
    """Entropy, in nats, of the histogram of a map's values: 256 bins over its own range; a constant map has 0."""

    def of_rows(self, rows):
        return histogram_entropy(rows)


@register("compressed_size")
class CompressedSize(MapMetric):
    """Bytes of the map as 8-bit values, compressed by zlib at level 9.

    The signed map is scaled from minimum to maximum, `uint8(rint(255 u))`, row-major; a constant map is all 0.
    """

    def of_rows(self, rows):
        levels = np.rint(255 * _min_max(rows)).astype(np.uint8)
        return np.array([len(zlib.compress(row.tobytes(), 9)) for row in levels], np.float64)


@register("highlighted_area")
class HighlightedArea(MapMetric):
    """Share of positions strictly above `threshold` x the map's maximum; 0 where no value is positive.

    Args:
        threshold: Share of the maximum.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    def __init__(self, threshold: float = 0.5, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.threshold = share_of_maximum(threshold)

    def of_rows(self, rows):
        return highlighted(rows, self.threshold).mean(axis=1)


def share_of_maximum(threshold):
    """`threshold` as a number from 0 to below 1."""
    return number("threshold", threshold, least=0, below=1)


def highlighted(rows, threshold):
    """Whether each position lies strictly above `threshold` x the maximum of its map; nowhere if that is not positive.

    Args:
        rows: Array `(samples, positions)`.
        threshold: Share of the maximum.
    """
    highest = rows.max(axis=1, keepdims=True)
    return (rows > threshold * highest) & (highest > 0)


def histogram_entropy(rows):
    """Entropy in nats of the histogram of each row, 256 bins over its own range: `(samples,)`."""
    # The maximum itself belongs to the last bin.
    bins = np.minimum((_min_max(rows) * HISTOGRAM_BINS).astype(int), HISTOGRAM_BINS - 1)
    counts = np.stack([np.bincount(row, minlength=HISTOGRAM_BINS) for row in bins])
    return entropy(counts / rows.shape[1])


def entropy(shares):
    """Entropy in nats of rows that sum to 1; NaN stays."""
    # 0 ln 0 counts as 0.
    logs = np.log(np.where(shares > 0, shares, 1))
    return -np.sum(shares * logs, axis=1) + 0.0  # no negative zero


def _shares(rows):
    """The absolute values of each row as shares of their sum; NaN where all are zero."""
    sizes = np.abs(rows)
    highest = sizes.max(axis=1, keepdims=True)
    sizes = sizes / np.where(highest > 0, highest, np.nan)  # neither over- nor underflows in the sum
    return sizes / sizes.sum(axis=1, keepdims=True)


def _min_max(rows):
    """Each row from 0 to 1; a constant one 0."""
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    return (rows - low) / np.where(high > low, high - low, 1)
