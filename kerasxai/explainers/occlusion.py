"""Occlusion: what a window covers, and how far the score falls without it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.perturbation import PerturbationExplainer, in_type_of_input, replacement, spatial_inputs
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate
from kerasxai.options import check_broadcast, check_finite, positive_integer
from kerasxai.precision import as_float
from kerasxai.targets import resolve, select
from kerasxai.typing import Array, Model

# Default windows: so many side by side fill an axis.
_WINDOWS_A_SIDE = 8


@register("occlusion")
class Occlusion(PerturbationExplainer):
    """Occlusion: how far the score falls when a window is covered, averaged over the windows of a position.

    Windows start at 0, stride, 2 stride ... up to the first that reaches the end, and are cut there. Maps are signed,
    `(samples, *spatial)`; all channels are covered together.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        window: Side of the window, an int or one per spatial axis; None: 1/8 of the input's side.
        stride: Distance of windows, an int or one per spatial axis, at most the window; None: half the window.
        baseline: What covers a window, in the model's input range: a number, one per channel, an array that broadcasts
            against one sample, `"mean"` (each channel's mean over the sample) or `"blur"` (the sample blurred).
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Zeiler & Fergus, 2014, https://arxiv.org/abs/1311.2901

    Example:

    ```python
    maps = kerasxai.explainers.Occlusion(model, window=8, stride=4, baseline="mean")(images)
    ```
    """

    passes = "F + windows F"

    def __init__(
        self,
        model: Model,
        window: int | Sequence[int] | None = None,
        stride: int | Sequence[int] | None = None,
        baseline: float | str | Array = 0.0,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        self.window = _check_sides("window", window)
        self.stride = _check_sides("stride", stride)
        self.baseline = baseline
        if isinstance(baseline, str):
            if baseline not in ("mean", "blur"):
                raise ValueError(f'`baseline` must be a number, an array, "mean" or "blur". Received: {baseline!r}.')
        else:
            check_finite("baseline", baseline)
        super().__init__(model, **kwargs)
        if not isinstance(baseline, str):
            for index in spatial_inputs(self.graph.input_shapes or []):
                check_broadcast(np.shape(baseline), self.graph.input_shapes[index][1:])

    def map(self, inputs, index, target):
        x = inputs[index]
        coverage = [_windows(side, *sides) for side, *sides in self._sides(spatial.spatial_size(x))]
        counts = [len(windows) for windows in coverage]
        fill = self._fill(x)
        outputs, _ = self.scorer.outputs(inputs, target)
        target = resolve(self.scorer, outputs, target)
        clean = select(self.scorer, outputs, target)

        def step(state, indices):
            covered = _all_covered(coverage, tf.unravel_index(indices, counts))
            occluded = tf.where(covered[:, tf.newaxis, ..., tf.newaxis], fill, x)
            scores = self.perturbed_scores(inputs, index, occluded, target)
            return [tf.tensor_scatter_nd_update(state[0], indices[:, tf.newaxis], scores)]

        # Scores are kept by window and spread over positions at the end: no map for each window.
        start = tf.zeros([np.prod(counts), tf.shape(x)[0]], clean.dtype)
        (scores,) = accumulate(int(np.prod(counts)), self.chunk(inputs), step, [start])
        falls = tf.reshape(clean - scores, [*counts, -1])
        for windows in coverage:  # the mean over the windows of a position, axis by axis
            falls = tf.tensordot(falls, tf.constant(windows / windows.sum(axis=0), falls.dtype), [[0], [0]])
        return falls

    def check_size(self, size):
        self._sides(size)

    def _sides(self, size):
        """Side of the input, of the window and stride of each spatial axis."""
        for name, sides in (("window", self.window), ("stride", self.stride)):
            if np.ndim(sides) and len(sides) != len(size):
                raise ValueError(
                    f"`{name}` must have one entry per spatial axis, {len(size)} here. Received: {name}={sides!r}."
                )
        windows = _per_axis(self.window, [max(1, (side or 1) // _WINDOWS_A_SIDE) for side in size])
        strides = _per_axis(self.stride, [max(1, window // 2) for window in windows])
        for side, window, stride in zip(size, windows, strides):
            is_known = side is not None or self.window is not None
            if is_known and stride > window and window < (side or np.inf):
                raise ValueError(
                    "`stride` must not be larger than the window, or positions between windows stay unseen. "
                    f"Received: stride={stride}, window={window}."
                )
        return list(zip(size, windows, strides))

    def _fill(self, x):
        if not isinstance(self.baseline, str):
            return replacement("baseline", self.baseline, x)
        if self.baseline == "blur":
            return in_type_of_input(x, spatial.blur(as_float(x)))
        return in_type_of_input(x, tf.reduce_mean(as_float(x), spatial.spatial_axes(x), keepdims=True))


def _windows(side, window, stride):
    """What each window covers of an axis: bool `(windows, side)`."""
    starts = stride * np.arange(-(-max(0, side - window) // stride) + 1)[:, np.newaxis]
    places = np.arange(side)
    return (places >= starts) & (places < starts + window)


def _all_covered(coverage, places):
    """What the windows at `places` `(axes, chunk)` cover: bool `(chunk, *spatial)`."""
    covered = tf.constant(True)
    for axis, windows in enumerate(coverage):
        rows = tf.gather(tf.constant(windows), places[axis])  # (chunk, side)
        shape = [-1, *[1] * len(coverage)]
        shape[1 + axis] = windows.shape[1]
        covered &= tf.reshape(rows, shape)
    return covered


def _per_axis(sides, default):
    """One int per axis of what is given as an int, one per axis or None."""
    if sides is None:
        return default
    return list(sides) if np.ndim(sides) else [sides] * len(default)


def _check_sides(name, sides):
    if sides is None:
        return None
    if isinstance(sides, (list, tuple)):
        return tuple(positive_integer(name, side) for side in sides)
    return positive_integer(name, sides)
