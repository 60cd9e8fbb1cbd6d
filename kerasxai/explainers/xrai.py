"""XRAI: integrated gradients summed up over regions, the best region first. The regions: `regions.py`."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.compiled import stop_check
from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.integrated_gradients import IntegratedGradients, Quadrature
from kerasxai.explainers.regions import grow, segments
from kerasxai.explainers.registry import register
from kerasxai.graph.python_calls import numpy_call
from kerasxai.spatial import spatial_size
from kerasxai.typing import Baseline, Model


@register("xrai")
class XRAI(IntegratedGradients):
    """XRAI: the regions of a sample by the mean integrated gradient of their positions. Maps `(samples, *spatial)`.

    Integrated gradients from a black and a white baseline, averaged and summed over the channels, are collected by
    segments at six scales. The segment with the highest mean over its positions is taken first, then the one with
    the highest mean over the positions it adds, and so on; the map shows at each position the mean with which it
    came in. So a map still sums to `S(x) - S(baseline)`. A segment that adds less than 0.1 % of the positions is passed
    over, and what no segment covers in the end shares its mean.

    The segments of an image are Felzenszwalb's (scales 50 to 1200, sigma 0.8, at least 150 positions of 224 x 224,
    values scaled to -1 ... 1; from scikit-image), those of a signal equal windows of 1/40 to 1/4 of its length; all are
    dilated by 5 positions of 224. They are made on the CPU, in a thread per core. The authors' code takes the
    largest channel of each position, where the sum is what keeps the map complete.

    With several inputs each has its own map. An input without spatial axes is one region.

    Args:
        model: A built Keras model; never changed.
        baseline: Where the paths start, see `BaselineExplainer`. The default, each sample's own minimum and maximum,
            stands for black and white where the input's range is not known; for images in 0 ... 1 give `[0.0, 1.0]`.
        steps: Number of points on each path.
        quadrature: See `IntegratedGradients`.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Kapishnikov et al., 2019, https://arxiv.org/abs/1906.02825

    Example:

    ```python
    maps = kerasxai.explainers.XRAI(model, baseline=[0.0, 1.0], steps=20)(images)
    ```
    """

    passes = "F + 2 steps (F + B)"
    reduce = None

    def __init__(
        self,
        model: Model,
        baseline: Baseline = ("min", "max"),
        steps: int = 50,
        quadrature: Quadrature = "gauss_legendre",
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, baseline=baseline, steps=steps, quadrature=quadrature, **kwargs)

    def explain_batch(self, inputs, target):
        totals = self.attribute(inputs, target)
        return [_by_regions(x, tf.reduce_sum(total, axis=-1)) for x, total in zip(inputs, totals)]


def _by_regions(x, attributions):
    """Attributions `(batch, *spatial)` collected by the regions of `x`."""
    if attributions.shape.rank == 1:
        return attributions
    if attributions.shape.rank > 3:
        raise ValueError(
            "XRAI takes signals (samples, time, channels) and images (samples, height, width, channels). "
            f"Received: an input of shape {tuple(x.shape)}."
        )
    maps = numpy_call(functools.partial(_collect, stop_check()), [x, attributions], attributions.dtype)
    return tf.ensure_shape(maps, [None, *spatial_size(x)])


def _collect(refuse_if_stopped, samples, attributions):
    def collect(sample, attribution):
        refuse_if_stopped()
        return grow(attribution, segments(sample))

    # scikit-image lets other threads run while it segments images; a signal's windows are Python's, which does not.
    workers = os.cpu_count() if samples.ndim == 4 else 1
    with ThreadPoolExecutor(workers) as threads:
        return np.stack(list(threads.map(collect, samples, attributions))).astype(attributions.dtype)
