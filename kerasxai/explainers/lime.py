"""LIME: a ridge regression of the score on which segments are there."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.coalitions import FairCoins
from kerasxai.explainers.registry import register
from kerasxai.explainers.surrogate import Segmentation, SurrogateExplainer
from kerasxai.options import positive_integer
from kerasxai.typing import Array, Model

POOR_FIT = 0.5
# The penalties of the package lime.
RIDGE = 1.0
RIDGE_OF_SELECTION = 0.01


@register("lime")
class LIME(SurrogateExplainer):
    """LIME: a ridge regression of the score on which segments are there, nearby perturbations weighing more.

    Maps are signed, `(samples, *spatial)`. The same seed gives the same map, whatever the batch.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        segmentation, baseline, seed: See `SurrogateExplainer`.
        n_samples: Number of perturbed copies; the first is the sample itself.
        num_features: How many segments the model may use, those of the largest weights (the package lime's
            `"highest_weights"`); the others are 0. None: all.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    A warning tells of linear models that explain less than half of the variance of the scores. It goes by the adjusted
    R^2, for with many segments and few samples the plain one, which `fit` returns, is high for any scores.

    Reference:
        Ribeiro et al., 2016, https://arxiv.org/abs/1602.04938

    Example:

    ```python
    lime = kerasxai.explainers.LIME(model, segmentation=4, n_samples=200)
    maps = lime(images)
    fit = lime.fit(images)
    fit.weights[0], fit.quality  # one value per segment; how well the linear model describes the scores
    ```
    """

    def __init__(
        self,
        model: Model,
        segmentation: Segmentation = None,
        n_samples: int = 1000,
        num_features: int | None = None,
        baseline: float | str | Array = "mean",
        seed: int = 0,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        self.num_features = None if num_features is None else positive_integer("num_features", num_features)
        super().__init__(model, segmentation, positive_integer("n_samples", n_samples), baseline, seed, **kwargs)

    def make_coalitions(self):
        return FairCoins(self.seed, self.n_samples)

    def solve(self, sums, change, counts):
        if self.num_features is None:
            return sums.ridge(RIDGE)
        first, _ = sums.ridge(RIDGE_OF_SELECTION)
        descending = tf.argsort(-tf.abs(first), axis=1, stable=True)
        ranks = tf.argsort(descending, axis=1, stable=True)
        return sums.ridge(RIDGE, chosen=ranks < self.num_features)

    def doubts(self, quality, segments):
        yield from super().doubts(quality, segments)
        used = np.minimum(segments, self.num_features or segments)
        # More features than samples leave no degree of freedom; one is then assumed.
        adjusted = 1 - (1 - quality) * (self.n_samples - 1) / np.maximum(self.n_samples - 1 - used, 1)
        poor = self.coalitions.determine(segments) & (adjusted < POOR_FIT)
        if poor.any():
            yield (
                f"{poor.sum()} of {len(quality)} {self.name} maps are of scores that a linear model of their segments "
                f"does not describe (adjusted weighted R^2 below {POOR_FIT}, worst {adjusted[poor].min():.2f}): they "
                "say little. Try more n_samples, other segments, or another method."
            )
