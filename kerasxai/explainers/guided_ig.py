"""Guided integrated gradients: a path from the baseline that first moves where the gradient is small."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.gradient import in_type_of, is_real, real_inputs, zeros_of
from kerasxai.explainers.integrated_gradients import BaselineExplainer
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate
from kerasxai.options import number, positive_integer
from kerasxai.precision import as_float
from kerasxai.typing import Baseline, Model

# Closer to the farthest point allowed is a matter of rounding.
_ARRIVED = 1e-6


@register("guided_ig")
class GuidedIG(BaselineExplainer):
    """Guided integrated gradients: along a path that crosses steep places of the score late, so with less noise.

    Signed `(samples, *input_shape)`. The path goes from the baseline to the sample in `steps` of the same L1 length. In
    each, the share `fraction` of the input values with the smallest gradient moves, more of them where these do not go
    far enough; values that have arrived are no longer counted. No value strays from the straight line by more than
    `max_distance` of its way. Sums to `S(x) - S(baseline)` up to the length of a step, see `completeness_residual`.

    The steps follow one another, so the model runs on `batch_size` samples at once and no more. Several inputs share
    one path, integers stay as they are.

    Args:
        model: A built Keras model; never changed.
        baseline: Where the path starts, see `BaselineExplainer`.
        steps: Number of steps of the path.
        fraction: Share of the input values that move first, above 0 up to 1.
        max_distance: How far from the straight line a value may be, as a share of its way from the baseline to the
            sample: 0 is the straight line of integrated gradients, 1 any path.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Kapishnikov et al., 2021, https://arxiv.org/abs/2106.09788

    Example:

    ```python
    explainer = kerasxai.explainers.GuidedIG(model, steps=20)
    maps = explainer(images)
    residual = explainer.completeness_residual(images, maps)  # (samples,)
    ```
    """

    passes = "F + steps (F + B)"

    def __init__(
        self,
        model: Model,
        baseline: Baseline = 0.0,
        steps: int = 200,
        fraction: float = 0.25,
        max_distance: float = 0.02,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, baseline=baseline, **kwargs)
        self.steps = positive_integer("steps", steps)
        self.fraction = number("fraction", fraction, above=0, most=1)
        self.max_distance = number("max_distance", max_distance, least=0, most=1)

    def attribute(self, inputs, target):
        target = self.resolve_target(inputs, target)
        real_inputs(self, inputs)
        baselines = self.baselines(inputs)
        stacked = [tf.stack(of_input) for of_input in zip(*baselines)]  # (baselines, batch, *input)

        def path(sums, index):
            starts = [tf.gather(baseline, index[0]) for baseline in stacked]
            return [total + share for total, share in zip(sums, self._along(starts, inputs, target))]

        totals = accumulate(len(baselines), 1, path, [zeros_of(x) for x in inputs])
        return [total / len(baselines) for total in totals]

    def _along(self, starts, inputs, target):
        """Attributions along the path from one baseline."""
        real = [index for index, x in enumerate(inputs) if is_real(x)]
        start = _flat([starts[index] for index in real])
        end = _flat([inputs[index] for index in real])
        way = end - start  # (batch, values)
        length = tf.abs(way)
        # How far each value has come, from 0 to 1; one that has no way to go has arrived.
        progress = tf.cast(tf.equal(way, 0), way.dtype)

        def step(state, index):
            progress, total = state
            parts = iter(_parts(start + progress * way, [inputs[index] for index in real]))
            point = [next(parts) if is_real(x) else x for x in inputs]
            gradients = self.gradients(point, target)
            gradient = in_type_of(way, _flat([gradients[index] for index in real]))
            share = tf.cast(index[0] + 1, way.dtype) / self.steps
            advanced = self._advance(progress, tf.abs(gradient), length, share)
            return [advanced, total + gradient * (advanced - progress)]

        _, total = accumulate(self.steps, 1, step, [progress, tf.zeros_like(way)])
        parts = iter(_parts(total * way, [zeros_of(inputs[index]) for index in real]))
        return [next(parts) if is_real(x) else zeros_of(x) for x in inputs]

    def _advance(self, progress, steepness, length, share):
        """Progress once the path has gone the share `share` of its whole L1 length. All tensors `(batch, values)`.

        Round by round the values with the smallest gradient go to the limit, in the last round as far as is needed.
        """
        limit = tf.minimum(share + self.max_distance, 1.0)
        # First what has fallen behind the band around the straight line is brought up to it.
        progress = tf.maximum(progress, share - self.max_distance)
        room = limit - progress
        within_reach = length * room
        missing = _sum(within_reach) - (limit - share) * _sum(length)
        # A value at the limit does not count; nor does one whose gradient is not a number, which nothing compares to.
        is_counted = (room > _ARRIVED) & (steepness < math.inf)
        steepness = tf.where(is_counted, steepness, tf.constant(math.inf, room.dtype))
        before, last = self._rounds(steepness, within_reach, missing)
        # Values that take the path no further leave 0 / 0: no part of theirs is needed.
        part = tf.minimum(tf.math.divide_no_nan(missing - before.reached, last.reached - before.reached), 1.0)
        share_of_room = tf.where(steepness <= last.bound, part, tf.zeros_like(part))
        share_of_room = tf.where(steepness <= before.bound, tf.ones_like(part), share_of_room)
        return progress + room * share_of_room

    def _rounds(self, steepness, within_reach, missing):
        """The `_Round` in which each sample's path arrives, and the one before, whose values go all the way.

        Args:
            steepness: Of each value, infinite where it does not count, `(batch, values)`.
            within_reach: How far each value can take the path.
            missing: How far the path has to go, `(batch, 1)`.
        """
        values = steepness.shape[1]
        place = math.floor(self.fraction * (values - 1))  # of the steepest value of a round, from 0
        rounds = math.ceil(values / (place + 1))
        infinite = tf.constant(math.inf, steepness.dtype)

        def take(number, before, last):
            left = tf.where(steepness > last.bound, steepness, infinite)
            bound = tf.raw_ops.NthElement(input=left, n=place)[:, tf.newaxis]
            bound = tf.minimum(bound, steepness.dtype.max)  # fewer are left than a round takes: all but the infinite
            reached = _sum(tf.where(steepness <= bound, within_reach, tf.zeros_like(within_reach)))
            has_arrived = last.reached >= missing
            return number + 1, last.unless(has_arrived, before), _Round(bound, reached).unless(has_arrived, last)

        def goes_on(number, before, last):
            return (number < rounds) & tf.reduce_any(last.reached < missing)

        nothing = tf.zeros_like(missing)
        start = _Round(nothing - 1.0, nothing)  # no steepness is below 0
        _, before, last = tf.while_loop(goes_on, take, (0, start, start))
        return before, last


class _Round(NamedTuple):
    """A round of a step, which takes steeper values than the rounds before it.

    Attributes:
        bound: The steepness of the steepest value it takes, `(batch, 1)`.
        reached: How far the values up to this bound take the path.
    """

    bound: Any
    reached: Any

    def unless(self, is_over, other):
        """This round, but the other one for the samples for which it is over."""
        return _Round(*(tf.where(is_over, theirs, own) for own, theirs in zip(self, other)))


def _sum(values):
    """`(batch, values)` as `(batch, 1)`."""
    return tf.reduce_sum(values, axis=1, keepdims=True)


def _flat(tensors):
    """Tensors `(batch, *shape)` as one `(batch, values)`, in the type sums are held in."""
    flat = [tf.reshape(as_float(tensor), [-1, tensor.shape[1:].num_elements()]) for tensor in tensors]
    wide = tf.float64 if any(tensor.dtype == tf.float64 for tensor in flat) else tf.float32
    return tf.concat([tf.cast(tensor, wide) for tensor in flat], axis=1)


def _parts(flat, tensors):
    """`_flat` undone: tensors like `tensors`, in their types."""
    sizes = [tensor.shape[1:].num_elements() for tensor in tensors]
    parts = tf.split(flat, sizes, axis=1)
    return [tf.cast(tf.reshape(part, [-1, *tensor.shape[1:]]), tensor.dtype) for part, tensor in zip(parts, tensors)]
