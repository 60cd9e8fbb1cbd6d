"""BlurIG: integrated gradients along the path from the blurred sample to the sample."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.gradient import is_real, real_inputs, zeros_of
from kerasxai.explainers.integrated_gradients import PathExplainer
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.options import number, positive_integer
from kerasxai.scale_space import ScaleSpace, combined, responses
from kerasxai.spatial import spatial_size
from kerasxai.typing import Model

# A narrower Gaussian leaves a sample as it is: its taps beside the middle one are below 4e-6.
_NO_BLUR = 0.2


@register("blur_ig")
class BlurIG(PathExplainer):
    """BlurIG: integrated gradients along the path that sharpens the blurred sample; they sum to `S(x) - S(blurred)`.

    Signed `(samples, *input_shape)`. Needs no baseline, which would have to be chosen and may mean a class: the path
    starts at the sample under a Gaussian blur L of `max_sigma` and ends at the sample. At the border the sample is
    reflected, so that the blur keeps the mean of each channel.

    The steps are equally wide in the logarithm of sigma, since fine detail comes and goes within a few positions; each
    attributes `dS/dx(L(x, middle of the step))` times what the blur changes by over the whole step. So a linear model
    is exact with any number of steps; elsewhere `completeness_residual` tells what is missing.

    With several inputs, those without spatial axes stay as they are and get zeros.

    Args:
        model: A built Keras model; never changed.
        max_sigma: Standard deviation of the blur the path starts at, in positions.
        steps: Number of steps of the path.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Xu et al., 2020, https://arxiv.org/abs/2004.03383

    Example:

    ```python
    explainer = kerasxai.explainers.BlurIG(model, steps=20)
    maps = explainer(images)
    residual = explainer.completeness_residual(images, maps)  # (samples,), near 0
    ```
    """

    passes = "F + steps (F + B)"

    def __init__(
        self, model: Model, max_sigma: float = 50.0, steps: int = 50, **kwargs: Unpack[ExplainerOptions]
    ) -> None:
        super().__init__(model, **kwargs)
        self.max_sigma = number("max_sigma", max_sigma, above=_NO_BLUR)  # a narrower blur changes nothing
        self.steps = positive_integer("steps", steps)

    def attribute(self, inputs, target):
        target = self.resolve_target(inputs, target)
        scales = self._scales(inputs)
        ends = np.geomspace(_NO_BLUR, self.max_sigma, self.steps + 1)
        middles = np.sqrt(ends[:-1] * ends[1:])
        ends[0] = 0.0  # the path ends at the sample itself, which no geometric series reaches
        tables = {}
        for size in {spatial_size(x) for x, scale in zip(inputs, scales) if scale is not None}:
            tables[size] = [responses(size, sigmas) for sigmas in (middles, ends[:-1], ends[1:])]

        def step(sums, indices):
            count = tf.size(indices)
            points, moves = [], []
            for x, scale in zip(inputs, scales):
                if scale is None:
                    points.append(tf.tile(x, tf.concat([[count], tf.ones(x.shape.rank - 1, tf.int32)], axis=0)))
                    moves.append(None)
                else:
                    of_size = tables[spatial_size(x)]
                    middle, low, high = (combined(_rows(table, indices)) for table in of_size)
                    points.append(tf.cast(merge(scale.blurred(middle)), x.dtype))
                    moves.append(scale.blurred(low - high))
            gradients = self.gradients(points, target.tile(count))
            return [
                total if move is None else total + tf.reduce_sum(split(gradient, count) * move, axis=0)
                for total, gradient, move in zip(sums, gradients, moves)
            ]

        return accumulate(self.steps, self.chunk(inputs), step, [zeros_of(x) for x in inputs])

    def baselines(self, inputs):
        scales = self._scales(inputs)
        return [[x if scale is None else self._start(x, scale) for x, scale in zip(inputs, scales)]]

    def _start(self, x, scale):
        widest = combined([tf.constant(axis) for axis in responses(spatial_size(x), [self.max_sigma])])
        return tf.cast(scale.blurred(widest)[0], x.dtype)

    def _scales(self, inputs):
        """The scale space of each input, None for one that has no spatial axes or no real numbers."""
        real_inputs(self, inputs)
        blurs = [is_real(x) and bool(spatial_size(x)) for x in inputs]
        if not any(blurs):
            raise ValueError(
                "BlurIG needs an input of shape (samples, *spatial, channels), whose positions it can blur. "
                f"Received: inputs {', '.join(str(tuple(x.shape)) for x in inputs)}. "
                "Integrated gradients take a baseline instead."
            )
        return [ScaleSpace(x) if blurred else None for x, blurred in zip(inputs, blurs)]


def _rows(table, indices):
    """The rows `indices` of the responses along each axis."""
    return [tf.gather(axis, indices) for axis in table]
