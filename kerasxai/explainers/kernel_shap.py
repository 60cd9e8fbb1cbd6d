"""Kernel SHAP: Shapley values of segments, as a weighted regression."""

from __future__ import annotations

import tensorflow as tf

from kerasxai.explainers.coalitions import ShapleyKernel
from kerasxai.explainers.least_squares import solved
from kerasxai.explainers.registry import register
from kerasxai.explainers.surrogate import SurrogateExplainer

# Share of a diagonal that keeps a system solvable when there are fewer coalitions than segments.
_JITTER = 1e-12


@register("kernel_shap")
class KernelSHAP(SurrogateExplainer):
    """Kernel SHAP: Shapley values of the segments, as the weighted regression whose values sum to the score's change.

    Maps are signed, `(samples, *spatial)`; the values of a sample's segments (`fit(x).weights`) sum to its score minus
    the score with every segment left out (`fit(x).intercept`). Up to 12 segments all coalitions are scored, and the
    values are exact; else coalitions are drawn from the kernel, in pairs with their complements and all of one weight
    (the package shap takes small and large ones in full first).

    Args:
        model: A built Keras model, or a function `x -> scores`.
        segmentation, baseline, seed: See `SurrogateExplainer`.
        n_samples: Number of coalitions drawn; all are scored where there are no more. None: 2048, and all for 12
            segments or fewer.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Lundberg & Lee, 2017, https://arxiv.org/abs/1705.07874

    Example:

    ```python
    shap = kerasxai.explainers.KernelSHAP(model, segmentation=3)
    maps = shap(images)
    ```
    """

    def make_coalitions(self):
        return ShapleyKernel(self.seed, self.n_samples)

    def solve(self, sums, change, counts):
        width = tf.shape(sums.z)[1]
        exists = tf.sequence_mask(counts, width)
        diagonal = tf.linalg.diag_part(sums.zz)
        scale = tf.reduce_max(diagonal, axis=1, keepdims=True)
        # A single segment has no coalition, and a diagonal of zeros.
        scale = tf.where(scale > 0, scale, 1.0)
        # Segments that a sample has not, but others of its batch have, get an equation of their own: their value is 0.
        left = tf.linalg.set_diag(sums.zz, tf.where(exists, diagonal + _JITTER * scale, scale))
        free = solved(left, sums.zy)  # without the constraint
        ones = solved(left, tf.cast(exists, tf.float64))
        # The multiplier of the constraint that the values sum to the change of the score.
        excess = tf.reduce_sum(free, axis=1) - change
        weights = free - ones * tf.math.divide_no_nan(excess, tf.reduce_sum(ones, axis=1))[:, tf.newaxis]
        return tf.where(exists, weights, 0.0), tf.zeros_like(change)
