"""RISE: random masks, and how far their mean has converged."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.perturbation import PerturbationExplainer, in_type_of_input, packed, spatial_inputs
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate, uniform
from kerasxai.options import number, positive_integer, seed_number
from kerasxai.precision import as_float
from kerasxai.targets import Target
from kerasxai.typing import Labels, Model, Samples, TargetLike

# How many masks are made between two looks at how far they have converged.
_MASKS_BETWEEN_CHECKS = 128

# The error, as a share of a map's range, that noise alone has on 7 x 7 cells: the range of 64 draws is five deviations.
_NOISY = 0.2


@register("rise")
class RISE(PerturbationExplainer):
    """RISE: random masks, averaged with the score of the input under each as their weight.

    A mask is a grid of cells that are each kept with a probability, enlarged smoothly and shifted at random. Mask i
    depends on `seed` and i alone and is the same for all samples. Maps are `(samples, *spatial)`, divided by
    `n_masks x probability`: the expected score given that a position is kept. A warning tells of maps whose error is
    above 0.2 of their range, as noise alone would have it.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        n_masks: Number of masks; the error falls with its square root.
        grid: Cells that fit along a spatial axis, `ceil(side / grid)` positions wide; one more is drawn, as room for
            the shift.
        probability: How likely a cell is kept.
        tolerance: None, or the error, as `explain_with_error` defines it, at which a sample is done: masks beyond
            are left out once every sample of a batch is done. Looked at every 128 masks.
        seed: Seed of the masks.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421

    Example:

    ```python
    explainer = kerasxai.explainers.RISE(model, n_masks=400, tolerance=0.05)
    maps = explainer(images)
    maps, error, n_masks = explainer.explain_with_error(images)  # the same maps, and how exact they are
    ```
    """

    passes = "F + n_masks F"
    signed = False  # as an expected probability; scores of another kind may be negative

    def __init__(
        self,
        model: Model,
        n_masks: int = 8000,
        grid: int = 7,
        probability: float = 0.5,
        tolerance: float | None = None,
        seed: int = 0,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, **kwargs)
        self.n_masks = positive_integer("n_masks", n_masks)
        self.grid = positive_integer("grid", grid)
        self.probability = number("probability", probability, above=0, most=1)
        self.tolerance = None if tolerance is None else number("tolerance", tolerance, above=0, alternative="None")
        self.seed = seed_number(seed)
        self.signed = self.score == "logit"
        if self.scorer.is_ready:
            self._tell_sign(Target(0, None, self.scorer.scale()))

    def explain_with_error(self, x: Samples, target: TargetLike = None, y: Labels | None = None) -> RISEResult:
        """Explains every sample of `x` and tells how exact the maps are.

        Args:
            x, target, y: See `Explainer.__call__`.

        Returns:
            `RISEResult`: `maps`, what the explainer itself returns; `error`, `(samples,)`, the standard error of a
            map's values (root mean square over positions) as a share of the map's range; `n_masks`, `(samples,)`,
            how many masks were used. For several inputs each of the three is packed like the maps.
        """
        results, structure = self.run(self.explain_batch, x, target, y)
        fields = []
        for name in RISEResult._fields:
            of_inputs = {index: result[name] for index, result in results.items()}
            fields.append(packed(of_inputs, structure))
        return RISEResult(*fields)

    def map(self, inputs, index, target):
        return self.estimate(inputs, index, target).maps

    def explain_batch(self, inputs, target):
        places = spatial_inputs([x.shape for x in inputs])
        return {index: self.estimate(inputs, index, target)._asdict() for index in places}

    def finish(self, arrays, structure):
        error = np.concatenate([result["error"].ravel() for result in arrays.values()])
        noisy = ~(error <= _NOISY)
        if noisy.any():
            warnings.warn(
                f"{noisy.sum()} of {len(error)} rise maps may be noise: their standard error is more than "
                f"{_NOISY} of their range. Give more n_masks, or another `probability`; explain_with_error tells how "
                "exact each map is.",
                stacklevel=3,
            )
        return super().finish({index: result["maps"] for index, result in arrays.items()}, structure)

    def estimate(self, inputs, index, target):
        """The map of the input number `index`, its error and the number of masks: a `RISEResult` of tensors."""
        target = self.resolve_target(inputs, target)
        x = as_float(inputs[index])
        size = spatial.spatial_size(x)

        def add_masks(state, indices):
            masks = tf.cast(self.masks(indices, size), x.dtype)
            masked = in_type_of_input(inputs[index], masks[:, tf.newaxis, ..., tf.newaxis] * x)
            # Variances below are differences of sums of squares, which cancel in float32.
            scores = tf.cast(self.perturbed_scores(inputs, index, masked, target), tf.float64)
            masks = tf.cast(tf.reshape(masks, [-1, np.prod(size)]), tf.float64)
            sums, squares = state
            return [
                sums + tf.matmul(scores, masks, transpose_a=True),
                squares + tf.matmul(tf.square(scores), tf.square(masks), transpose_a=True),
            ]

        def add_block(state, indices):
            *sums, used = state
            count = tf.size(indices)
            more = accumulate(count, self.chunk(inputs), lambda inner, some: add_masks(inner, indices[0] + some), sums)
            if self.tolerance is None:
                return [*more, used + count]
            goes_on = ~self._is_done(state)  # what is done stays as it is, whatever its batch mates need
            kept = [tf.where(goes_on[:, tf.newaxis], new, old) for new, old in zip(more, sums)]
            return [*kept, used + tf.where(goes_on, count, 0)]

        batch = tf.shape(x)[0]
        zeros = tf.zeros([batch, np.prod(size)], tf.float64)  # the square of a small probability is 0 in float32
        start = [zeros, zeros, tf.zeros([batch], tf.int32)]
        if self.tolerance is None:
            state = accumulate(self.n_masks, self.n_masks, add_block, start)
        else:
            all_done = lambda state: tf.reduce_all(self._is_done(state))
            state = accumulate(self.n_masks, _MASKS_BETWEEN_CHECKS, add_block, start, until=all_done)
        maps, error = self._map_and_error(state)
        return RISEResult(tf.reshape(tf.cast(maps, x.dtype), [-1, *size]), tf.cast(error, x.dtype), state[-1])

    def masks(self, indices, size):
        """The masks of consecutive indices, float32 `(masks, *size)` in 0 ... 1."""
        axes = [side for side in size if side > 1]  # nothing to enlarge or shift elsewhere
        factors = [-(-side // self.grid) for side in axes]
        cells = self.grid + 1  # one more than fit, so that a shift uncovers nothing
        numbers = uniform(self.seed, 0, indices, cells ** len(axes))
        masks = tf.reshape(tf.cast(numbers < self.probability, tf.float32), [-1, *[cells] * len(axes)])
        if axes:
            shifts = tf.cast(uniform(self.seed, 1, indices, len(axes)) * tf.constant(factors, tf.float32), tf.int32)
        for axis, (side, factor) in enumerate(zip(axes, factors)):
            enlarge = tf.constant(spatial.interpolation(cells, cells * factor), tf.float32)
            rows = tf.gather(enlarge, shifts[:, axis : axis + 1] + tf.range(side))  # (masks, side, cells)
            masks = tf.einsum("na...,nia->n...i", masks, rows)
        return tf.reshape(masks, [-1, *size])

    def prepare(self, inputs, structure, target):
        super().prepare(inputs, structure, target)
        self._tell_sign(target)

    def _tell_sign(self, target):
        """A probability is not negative; a logit, a regression's value and what a function makes of outputs may be."""
        self.signed = target.scale.kind != "probability" or self.scorer.is_value(target)

    def _map_and_error(self, state):
        sums, squares, used = state
        count = tf.cast(used, sums.dtype)[:, tf.newaxis]
        mean = sums / count
        # The difference of nearly equal sums may come out below 0 by rounding.
        variance = tf.nn.relu(squares - mean * sums) / (count * (count - 1.0))  # NaN for one mask
        maps, error = mean / self.probability, tf.sqrt(tf.reduce_mean(variance, axis=1)) / self.probability
        spread = tf.reduce_max(maps, axis=1) - tf.reduce_min(maps, axis=1)
        return maps, tf.math.divide_no_nan(error, spread)

    def _is_done(self, state):
        _, error = self._map_and_error(state)
        return (state[-1] > 0) & (error <= self.tolerance)


class RISEResult(NamedTuple):
    """What `RISE.explain_with_error` returns.

    Attributes:
        maps: `(samples, *spatial)`.
        error: Standard error of the map's values as a share of its range, `(samples,)`.
        n_masks: Number of masks used, `(samples,)`.
    """

    maps: Any
    error: Any
    n_masks: Any
