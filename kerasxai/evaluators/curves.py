"""Perturbation curves: the score while positions change in the order of their relevance; one engine, four presets."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions, ranks
from kerasxai.evaluators.registry import register
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.options import check_one_of, is_number, positive_integer, shown
from kerasxai.spatial import blur

ORDERS = ("morf", "lerf", "random")
REPLACEMENTS = ("zero", "mean", "blur", "uniform_noise")


Order: TypeAlias = Literal["morf", "lerf", "random"]
Replacement: TypeAlias = Literal["zero", "mean", "blur", "uniform_noise"] | float


class OrderOptions(EvaluatorOptions, total=False):
    """Options of `PerturbationCurve` where `replace` has a default of its own."""

    order: Order
    n_samples: int


class CurveOptions(OrderOptions, total=False):
    """Options of `PerturbationCurve`."""

    replace: Replacement


class PerturbationCurve(Evaluator):
    """Base of the metrics that change more and more positions of a sample, in the order of a map.

    A curve has one entry per step, the unchanged and the last one included: `curve` `(samples, steps + 1)` and the
    share of positions changed (of regions, where the metric has regions), `fraction` `(steps + 1,)`.

    Args:
        order: `"morf"` (most relevant first), `"lerf"` (least relevant first), or `"random"`. Ties row-major in both.
        replace: What changed positions become, in the model's input space: `"zero"`, `"mean"` (the sample's own, per
            channel), `"blur"`, `"uniform_noise"` (over the sample's own range), or a number.
        n_samples: Number of draws of noise that are averaged.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    abscissae = ("fraction",)

    def __init__(
        self,
        order: Order = "morf",
        replace: Replacement = "zero",
        n_samples: int = 1,
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("order", order, ORDERS)
        if not is_number(replace) and not (isinstance(replace, str) and replace in REPLACEMENTS):
            choices = ", ".join(map(repr, REPLACEMENTS))
            raise ValueError(f"`replace` must be one of {choices}, or a number. Received: replace={shown(replace)}.")
        self.order, self.replace = order, replace
        self.n_samples = positive_integer("n_samples", n_samples)

    def curve(self, case, place, thresholds, insert=False):
        """Scores of the samples with their first positions changed.

        Args:
            case: A `Case`.
            place: int32 `(samples, *spatial)`: the place of each position in the order of change.
            thresholds: int array `(steps + 1,)`, not falling: how many places are changed; the first must be 0 and
                the last all there are, or the engine scores them as any other.
            insert: Whether the replaced sample is the start and the sample's own positions come back.

        Returns:
            float64 `(samples, steps + 1)`, NaN where the map is not finite.
        """
        curve = self._mean_curve(case.samples, place, thresholds, insert)
        return np.where(case.is_finite[:, np.newaxis], curve, np.nan)

    def _mean_curve(self, samples, place, thresholds, insert=False):
        draws = self.n_samples if self.replace == "uniform_noise" else 1
        return sum(self._curve_of_draw(samples, place, thresholds, draw, insert) for draw in range(draws)) / draws

    def _curve_of_draw(self, samples, place, thresholds, draw, insert):
        def replaced(piece):
            return self._replaced(samples.x[piece], draw)

        def changed_wholly():
            key = ("replaced scores", self.replace, self.seed, draw)
            return samples.keep(key, lambda: samples.scores([replaced]))

        def unchanged():
            return samples.originals

        first, last = (changed_wholly, unchanged) if insert else (unchanged, changed_wholly)
        count = int(place.max()) + 1
        # Nothing and everything changed need no mixing; their scores are at hand or shared by all maps.
        inner = [k for k in thresholds if 0 < k < count]
        below, above = (samples.x, replaced) if insert else (replaced, samples.x)
        scores = np.empty((len(samples), 0))
        if inner:
            steps = np.asarray(sorted(set(inner)), np.int32)
            size, values = samples.batch_size, samples.scored.values
            key = ("curve", size, tuple(steps.tolist()))
            made = samples.run(key, _engine(values, steps, size), [below, above, place])
            scores = made[:, np.searchsorted(steps, inner)]
        start = [first()[:, np.newaxis] for k in thresholds if k <= 0]
        end = [last()[:, np.newaxis] for k in thresholds if k >= count]
        return np.concatenate([*start, scores, *end], axis=1).astype(np.float64)

    def _replaced(self, x, draw):
        """What the samples become when every position is changed."""
        axes = tuple(range(1, x.ndim - 1))
        if self.replace == "blur":
            return blur(tf.constant(x))
        if self.replace == "mean":
            return np.broadcast_to(x.mean(axis=axes, keepdims=True, dtype=np.float64).astype(x.dtype), x.shape)
        if self.replace == "uniform_noise":
            every = tuple(range(1, x.ndim))
            low, high = x.min(axis=every, keepdims=True), x.max(axis=every, keepdims=True)
            noise = np.random.default_rng([self.seed, draw]).random(x.shape[1:], np.float32)
            return (low + noise * (high - low)).astype(x.dtype)
        value = 0 if self.replace == "zero" else self.replace
        return np.full_like(x, value)

    def _drawn_place(self, shape):
        """A random order of positions, the same for all samples."""
        order = np.random.default_rng([self.seed, 1 << 20]).permutation(int(np.prod(shape[1:]))).astype(np.int32)
        return np.broadcast_to(order.reshape(shape[1:]), shape)


def _engine(values, steps, batch_size):
    """The function `([below, above, place], target) -> (batch, steps)`, streamed in chunks of the batch size."""

    def run(tensors, target):
        below, above, place = tensors
        batch = tf.shape(place)[0]

        def step(state, indices):
            limits = tf.reshape(tf.gather(steps, indices), [-1, *[1] * (place.shape.rank + 1)])
            changed = place[tf.newaxis, ..., tf.newaxis] < limits  # (chunk, batch, *spatial, 1)
            mixed = merge(tf.where(changed, below[tf.newaxis], above[tf.newaxis]))
            scores = split(values([mixed], target.tile(tf.size(indices))), tf.size(indices))
            return [tf.tensor_scatter_nd_update(state[0], indices[:, tf.newaxis], scores)]

        chunk = tf.maximum(1, batch_size // batch)
        empty = tf.ensure_shape(tf.zeros([len(steps), batch]), [len(steps), None])
        (scores,) = accumulate(len(steps), chunk, step, [empty])
        return tf.transpose(scores)

    return run


class _Regions:
    """Square regions of the positions, from 0 on, the last of an axis cut at the border."""

    def __init__(self, spatial, side):
        sizes = [min(side, length) for length in spatial]
        along = [np.arange(length) // size for length, size in zip(spatial, sizes)]
        counts = [int(index[-1]) + 1 for index in along]
        grid = np.meshgrid(*along, indexing="ij")
        self._starts = [np.arange(0, length, size) for length, size in zip(spatial, sizes)]
        self.count = int(np.prod(counts))
        self.of_position = np.ravel_multi_index(grid, counts).astype(np.int32)  # (*spatial)

    def sums(self, case):
        """Summed relevance of each region `(samples, regions)`; 0 for a constant map, which prefers no region."""
        heatmaps = np.where(case.is_constant.reshape(-1, *[1] * self.of_position.ndim), 0, case.heatmaps)
        for axis, starts in enumerate(self._starts, 1):
            heatmaps = np.add.reduceat(heatmaps, starts, axis=axis)
        return heatmaps.reshape(len(heatmaps), -1)

    def place(self, order):
        """The place of each position given the place of each region `(samples, regions)`."""
        return order[:, self.of_position]


@register("aopc")
class AOPC(PerturbationCurve):
    """Area over the perturbation curve: how fast the score falls as the most relevant regions are replaced.

    `1 / (L + 1) sum_{k = 0 ... L} f(x) - f(x with k regions replaced)`, and the whole `curve`. Regions are squares
    (1-D: windows) from position 0 on, the last cut at the border, ranked by summed relevance; a step replaces one.
    `abpc` is the AOPC most relevant first minus the AOPC least relevant first, `aopc_above_random` that above a random
    order of the same regions; `lerf_curve` and `random_curve` are the curves of these.

    Args:
        window: Side of a region; None: 9 of 224, else a 25th of the longest side.
        steps: Number of regions replaced at most, 100 as in the paper; None: all.
        **kwargs: `order`, `replace`, `draws`, see `PerturbationCurve`; `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Samek et al., 2017, https://doi.org/10.1109/TNNLS.2016.2599820
    """

    directions = {"aopc": "higher", "abpc": "higher", "aopc_above_random": "higher"}

    def __init__(
        self,
        window: int | None = None,
        steps: int | None = 100,
        replace: Replacement = "uniform_noise",
        **kwargs: Unpack[OrderOptions],
    ) -> None:
        super().__init__(replace=replace, **kwargs)
        self.window = None if window is None else positive_integer("window", window)
        self.steps = None if steps is None else positive_integer("steps", steps)

    def measure(self, case):
        spatial = case.heatmaps.shape[1:]
        side = self.window or (9 if max(spatial) == 224 else max(1, max(spatial) // 25))
        regions = _Regions(spatial, side)
        sums = regions.sums(case)
        thresholds = np.arange(min(self.steps or regions.count, regions.count) + 1)
        curves = {
            "morf": self.curve(case, regions.place(ranks(-sums)), thresholds),
            "lerf": self.curve(case, regions.place(ranks(sums)), thresholds),
            "random": self._random_curve(case, regions, side, thresholds),
        }
        area = {order: (curve[:, :1] - curve).mean(axis=1) for order, curve in curves.items()}
        return {
            "aopc": area[self.order],
            "abpc": area["morf"] - area["lerf"],
            "aopc_above_random": area[self.order] - area["random"],
            "curve": curves[self.order],
            "lerf_curve": curves["lerf"],
            "random_curve": curves["random"],
            "fraction": thresholds / regions.count,
        }

    def _random_curve(self, case, regions, side, thresholds):
        # Knows nothing of the maps, so that all explainers of the same samples share it.
        place = regions.place(self._drawn_place((len(case.samples), regions.count)))
        key = ("random curve", side, len(thresholds), self.replace, self.n_samples, self.seed)
        curve = case.samples.keep(key, lambda: self._mean_curve(case.samples, place, thresholds))
        return np.where(case.is_finite[:, np.newaxis], curve, np.nan)


class StepOptions(OrderOptions, total=False):
    """Options of `Deletion` where `replace` has a default of its own."""

    steps: int


class _PositionCurve(PerturbationCurve):
    """Base of the curves over single positions, in a number of steps."""

    insert = False

    def __init__(self, steps: int = 50, **kwargs: Unpack[CurveOptions]) -> None:
        super().__init__(**kwargs)
        self.steps = positive_integer("steps", steps)

    def measure(self, case):
        place = {"morf": lambda: case.ranks, "lerf": lambda: case.ascending_ranks}.get(
            self.order, lambda: self._drawn_place(case.heatmaps.shape)
        )()
        positions = int(np.prod(case.heatmaps.shape[1:]))
        thresholds = np.round(np.arange(self.steps + 1) * positions / self.steps).astype(int)
        curve = self.curve(case, place, thresholds, insert=self.insert)
        fraction = thresholds / positions
        return {self.name: _area(curve, fraction), "curve": curve, "fraction": fraction}


def _area(curve, fraction):
    """Area under each curve by the trapezoid rule."""
    return ((curve[:, 1:] + curve[:, :-1]) / 2 * np.diff(fraction)).sum(axis=1)


@register("deletion")
class Deletion(_PositionCurve):
    """Deletion: the area under the score as the most relevant positions are set to the baseline, 0 by default.

    Trapezoid over the share of positions changed, both ends included, so that it does not depend on the image's size.

    Args:
        steps: Number of steps; at step k `round(k n / steps)` of n positions are changed.
        **kwargs: `order`, `replace`, `draws`, see `PerturbationCurve`; `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421
    """

    directions = {"deletion": "lower"}


@register("insertion")
class Insertion(_PositionCurve):
    """Insertion: the area under the score as the most relevant positions come back into a blurred image.

    Args:
        steps: See `Deletion`.
        **kwargs: `order`, `replace`, `draws`, see `PerturbationCurve`; `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421
    """

    directions = {"insertion": "higher"}
    insert = True

    def __init__(self, replace: Replacement = "blur", **kwargs: Unpack[StepOptions]) -> None:
        super().__init__(replace=replace, **kwargs)


@register("pixel_flipping")
class PixelFlipping(PerturbationCurve):
    """Pixel flipping: the curve of the score as small patches go to 0, the most relevant first.

    `pixel_flipping` is the mean of the curve: the steeper it falls, the lower.

    Args:
        window: Side of a patch.
        steps: Number of patches at most; None: all.
        **kwargs: `order`, `replace`, `draws`, see `PerturbationCurve`; `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Bach et al., 2015, https://doi.org/10.1371/journal.pone.0130140
    """

    directions = {"pixel_flipping": "lower"}

    def __init__(self, window: int = 4, steps: int | None = None, **kwargs: Unpack[CurveOptions]) -> None:
        super().__init__(**kwargs)
        self.window = positive_integer("window", window)
        self.steps = None if steps is None else positive_integer("steps", steps)

    def measure(self, case):
        spatial = case.heatmaps.shape[1:]
        regions = _Regions(spatial, self.window)
        sums = regions.sums(case)
        places = {"morf": lambda: ranks(-sums), "lerf": lambda: ranks(sums)}.get(
            self.order, lambda: self._drawn_place(sums.shape)
        )()
        last = min(self.steps or regions.count, regions.count)
        thresholds = np.arange(last + 1)
        curve = self.curve(case, regions.place(places), thresholds)
        return {"pixel_flipping": curve.mean(axis=1), "curve": curve, "fraction": thresholds / regions.count}
