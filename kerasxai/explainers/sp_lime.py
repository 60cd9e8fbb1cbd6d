"""SP-LIME: the few samples whose LIME explanations, taken together, cover what the model looks at."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kerasxai.explainers.lime import LIME
from kerasxai.options import positive_integer
from kerasxai.typing import Labels, Samples, TargetLike


class Pick(NamedTuple):
    """Representative samples.

    Attributes:
        indices: The samples picked, in the order of their gain: int array `(budget,)`.
        coverage: Share of the importance of all segments that the samples picked so far cover, `(budget,)`.
        importance: Importance of each segment over all samples, `(segments,)`.
        weights: LIME's weights, `(samples, segments)`.
    """

    indices: Any
    coverage: Any
    importance: Any
    weights: Any


def sp_lime(lime: LIME, x: Samples, budget: int = 5, target: TargetLike = None, y: Labels | None = None) -> Pick:
    """Picks the samples that represent a model best, by the submodular pick of SP-LIME.

    A sample covers the segments that its linear model uses; a segment is as important as
    `sqrt(sum over samples of |weight|)`. Samples are picked greedily by the importance they add.

    Args:
        lime: A `LIME` with `num_features`, and with segments that are the same for all samples: equal parts (of
            signals the default) or an array of labels. Superpixels of different images have nothing in common.
        x: Samples, see `Explainer.__call__`.
        budget: How many to pick.
        target, y: See `Explainer.__call__`.

    Returns:
        A `Pick`.

    Raises:
        ValueError: The samples' segments differ, or `lime` has no `num_features`, so that all samples cover everything.

    Reference:
        Ribeiro et al., 2016, https://arxiv.org/abs/1602.04938

    Example:

    ```python
    lime = kerasxai.explainers.LIME(model, segmentation=4, n_samples=100, num_features=3)
    pick = kerasxai.explainers.sp_lime(lime, images, budget=2)
    pick.indices
    ```
    """
    budget = positive_integer("budget", budget)
    if not isinstance(lime, LIME) or lime.num_features is None:
        received = "one that uses every segment of every sample" if isinstance(lime, LIME) else type(lime).__name__
        raise ValueError(f"`lime` must be a LIME with num_features=. Received: {received}.")
    fit = lime.fit(x, target, y)
    if not (fit.segments == fit.segments[:1]).all():
        raise ValueError(
            "SP-LIME compares samples by the segments they share, so all must have the same. Received: samples of "
            "different segments. Give equal parts (segmentation=8) or an array of labels."
        )
    if fit.quality.ndim > 1:
        raise ValueError(f"`target` must name one class per sample. Received: target={target!r}.")
    weights = np.stack(fit.weights)
    used = weights != 0
    importance = np.sqrt(np.abs(weights).sum(axis=0))
    covered = np.zeros(used.shape[1], bool)
    indices: list[int] = []
    coverage: list[float] = []
    for _ in range(min(budget, len(weights))):
        gains = (importance * (used & ~covered)).sum(axis=1)
        # Picked ones are out, even where no sample gains anything any more.
        gains[indices] = -1.0
        indices.append(int(gains.argmax()))
        covered |= used[indices[-1]]
        # Nothing important at all is covered to a share of 0.
        coverage.append(importance[covered].sum() / max(importance.sum(), np.finfo(float).tiny))
    return Pick(np.array(indices), np.array(coverage), importance, weights)
