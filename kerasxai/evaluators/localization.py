"""Metrics of where a map points, against masks of where the evidence lies."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.complexity import highlighted, share_of_maximum
from kerasxai.evaluators.registry import register


class Localization(Evaluator):
    """Base of the metrics of localization; a subclass gives `of_rows(rows, masks, ranks)`.

    A map that is not finite, and an empty mask, give NaN. Boxes become masks by `masks_of_boxes`.

    Attributes:
        ranks_positions: Whether the metric ranks positions, so that a constant map gives NaN.
    """

    needs = ("masks",)
    ranks_positions = False

    @property
    def directions(self):
        return {self.name: "higher"}

    def measure(self, case):
        count = len(case.samples)
        rows, masks = case.heatmaps.reshape(count, -1), case.masks.reshape(count, -1)
        # An empty mask has no evidence to be found.
        known = case.is_finite & masks.any(axis=1)
        if self.ranks_positions:
            known &= ~case.is_constant
        values = np.full(count, np.nan)
        if known.any():
            values[known] = self.of_rows(rows[known], masks[known], case.ranks.reshape(count, -1)[known])
        return {self.name: values}

    @abc.abstractmethod
    def of_rows(self, rows, masks, ranks):
        """The metric.

        Args:
            rows: Finite maps, float64 `(samples, positions)`.
            masks: bool of the same shape, none of them empty.
            ranks: Rank of each position, 0 the most relevant, ties row-major.

        Returns:
            Array `(samples,)`.
        """


@register("pointing_game")
class PointingGame(Localization):
    """Whether the map's maximum lies in the mask: the share of hits expected if tied maxima are drawn from.

    A constant map points nowhere: NaN, not a hit.

    Reference:
        Zhang et al., 2018, https://arxiv.org/abs/1608.00507
    """

    ranks_positions = True

    def of_rows(self, rows, masks, ranks):
        maxima = rows == rows.max(axis=1, keepdims=True)
        return (maxima & masks).sum(axis=1) / maxima.sum(axis=1)


@register("relevance_mass")
class RelevanceMass(Localization):
    """Share of the map's positive part that lies in the mask; NaN where nothing is positive.

    Reference:
        Arras et al., 2022, https://arxiv.org/abs/2003.07258
    """

    def of_rows(self, rows, masks, ranks):
        positive = np.maximum(rows, 0)
        highest = positive.max(axis=1, keepdims=True)
        positive = positive / np.where(highest > 0, highest, np.nan)  # neither over- nor underflows in the sum
        return (positive * masks).sum(axis=1) / positive.sum(axis=1)


@register("relevance_rank")
class RelevanceRank(Localization):
    """Share of the K most relevant positions that lie in the mask, K the mask's size; ties row-major.

    A constant map ranks nothing: NaN.

    Reference:
        Arras et al., 2022, https://arxiv.org/abs/2003.07258
    """

    ranks_positions = True

    def of_rows(self, rows, masks, ranks):
        sizes = masks.sum(axis=1)
        return ((ranks < sizes[:, np.newaxis]) & masks).sum(axis=1) / sizes


@register("iou")
class IntersectionOverUnion(Localization):
    """Intersection over union of the mask and the positions strictly above `threshold` x the map's maximum.

    A map without a positive value highlights nothing: 0.

    Args:
        threshold: Share of the maximum.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    def __init__(self, threshold: float = 0.5, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.threshold = share_of_maximum(threshold)

    def of_rows(self, rows, masks, ranks):
        shown = highlighted(rows, self.threshold)
        return (shown & masks).sum(axis=1) / (shown | masks).sum(axis=1)


@register("localization_roc_auc")
class LocalizationROCAUC(Localization):
    """Area under the ROC curve of the map as a detector of the mask: how likely a position in it outranks one outside.

    All values are read, not the highest alone; ties count half, so that a map without knowledge scores 0.5. A constant
    map ranks nothing: NaN, as for the other metrics of rank. So is a mask that covers everything.

    Reference:
        Fawcett, 2006, https://doi.org/10.1016/j.patrec.2005.10.010
    """

    ranks_positions = True

    def of_rows(self, rows, masks, ranks):
        inside = masks.sum(axis=1)
        outside = masks.shape[1] - inside
        lower = rankdata(rows, axis=1)  # ties share their mean rank
        wins = (lower * masks).sum(axis=1) - inside * (inside + 1) / 2
        return wins / np.where(outside > 0, inside * outside, np.nan)


@register("localization_average_precision")
class LocalizationAveragePrecision(Localization):
    """Average precision of the map as a detector of the mask: precision at each threshold, weighted by recall gained.

    A map without knowledge scores the mask's share of the positions, so compare masks of one size. Tied values are one
    threshold. A constant map ranks nothing: NaN, as for the other metrics of rank.

    Reference:
        Davis & Goadrich, 2006, https://doi.org/10.1145/1143844.1143874
    """

    ranks_positions = True

    def of_rows(self, rows, masks, ranks):
        # How many positions, and how many of the mask, are at least as relevant as each position of the mask.
        reached = rankdata(-rows, method="max", axis=1)
        hits = rankdata(np.where(masks, -rows, np.inf), method="max", axis=1)
        return (hits / reached * masks).sum(axis=1) / masks.sum(axis=1)


def masks_of_boxes(boxes: Sequence[Sequence[Sequence[float]]], size: Sequence[int]) -> np.ndarray:
    """Masks from bounding boxes.

    Args:
        boxes: One entry per sample: a list of boxes, which may be empty, each `(*first, *stop)` in positions, `stop`
            excluded: `(top, left, bottom, right)` in an image, `(start, stop)` in a signal.
        size: Positions along each axis.

    Returns:
        bool array `(samples, *size)`.

    Raises:
        ValueError: A box is empty or does not have two numbers per axis.

    Example:

    ```python
    masks = kerasxai.evaluators.masks_of_boxes([[(0, 0, 2, 3)], [(1, 1, 4, 4), (0, 3, 1, 4)]], size=(4, 4))
    ```
    """
    masks = np.zeros((len(boxes), *size), bool)
    for mask, of_sample in zip(masks, boxes):
        for box in of_sample:
            first, stop = np.reshape(box, -1)[: len(size)], np.reshape(box, -1)[len(size) :]
            if len(stop) != len(size) or not (np.asarray(first) < stop).all():
                raise ValueError(
                    f"A box must be (*first, *stop) with {2 * len(size)} numbers, first below stop. Received: {box!r}."
                )
            mask[tuple(slice(max(0, int(low)), max(0, int(high))) for low, high in zip(first, stop))] = True
    return masks
