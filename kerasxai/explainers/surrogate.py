"""Surrogate explainers: a linear model of which segments are there, fitted to the scores."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.compiled import stop_check
from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.least_squares import Sums
from kerasxai.explainers.perturbation import PerturbationExplainer, in_type_of_input, replacement, spatial_inputs
from kerasxai.explainers.segments import check_fits, check_segmentation, segment
from kerasxai.explainers.streaming import accumulate
from kerasxai.graph.python_calls import numpy_call
from kerasxai.options import check_broadcast, check_finite, positive_integer, seed_number
from kerasxai.precision import as_float
from kerasxai.targets import resolve, select
from kerasxai.typing import Array, Labels, Model, Samples, TargetLike


class Fit(NamedTuple):
    """What a surrogate has found out about some samples.

    Attributes:
        maps: Each segment's value at each of its positions, float64 `(samples, *spatial)`.
        segments: Labels of the segments, int32 `(samples, *spatial)`.
        intercept: That of the linear model, float64 `(samples,)`; of Kernel SHAP the score where no segment is there.
        quality: Weighted coefficient of determination R^2 of the linear model over the coalitions, `(samples,)`; NaN
            where the scores do not vary.
    """

    maps: Any
    segments: Any
    intercept: Any
    quality: Any

    @property
    def weights(self) -> list[np.ndarray]:
        """The value of each segment: a list of float64 arrays `(segments,)`, `(k, segments)` for `target="topk"`."""
        several = self.quality.shape[1:]  # () or (k,); the segments are those of the sample, whatever is explained
        weights = []
        for labels, values in zip(self.segments, self.maps):
            positions = labels.reshape(*several, -1)[(0,) * len(several)]
            _, first = np.unique(positions, return_index=True)
            weights.append(values.reshape(*several, -1)[..., first])
        return weights


class Stability(NamedTuple):
    """How far a surrogate's weights depend on the seed of its draws.

    Attributes:
        deviation: Standard deviation of each segment's value over the seeds, painted: float64 `(samples, *spatial)`.
        spearman: Mean rank correlation of the weights over all pairs of seeds, `(samples,)`; `(samples, k)` for
            `target="topk"`.
    """

    deviation: Any
    spearman: Any


# What makes the segments, see `SurrogateExplainer`.
Segmentation: TypeAlias = "int | str | Array | Callable[[np.ndarray], np.ndarray] | None"


class SurrogateExplainer(PerturbationExplainer):
    """Base of the methods that fit a linear model of which segments of a sample are there: `(samples, *spatial)`.

    Segments that are left out become their own mean, or a value. Every position of a map holds the undivided signed
    value of its segment.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        segmentation: What makes the segments. None: quickshift superpixels of an image, 10 equal windows of a signal.
            `"quickshift"` or `"slic"`; an int or one per spatial axis: equal parts; an int array `(*spatial)`: labels,
            the same for all samples; a function of one sample `(*spatial, channels)` that returns labels.
        n_samples: Number of coalitions of segments; None: as many as the method takes by itself.
        baseline: What a segment that is left out becomes: `"mean"`, its mean of each channel, or a number, or one per
            channel.
        seed: Seed of the coalitions and of quickshift.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.
    """

    family = "surrogate"
    passes = "2 F + n_samples F"

    def __init__(
        self,
        model: Model,
        segmentation: Segmentation = None,
        n_samples: int | None = None,
        baseline: float | str | Array = "mean",
        seed: int = 0,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        self.segmentation = check_segmentation(segmentation)
        self.n_samples = None if n_samples is None else positive_integer("n_samples", n_samples)
        if isinstance(baseline, str) and baseline != "mean":
            raise ValueError(
                f'`baseline` must be "mean", a number, or one per channel. Received: baseline={baseline!r}.'
            )
        if not isinstance(baseline, str):
            check_finite("baseline", baseline)
        self.baseline, self.seed = baseline, seed_number(seed)
        self._segment_seed = self.seed
        super().__init__(model, **kwargs)
        if not isinstance(baseline, str):
            for index in spatial_inputs(self.graph.input_shapes or []):
                check_broadcast(np.shape(baseline), self.graph.input_shapes[index][1:], "baseline")
        self.coalitions = self.make_coalitions()

    def check_size(self, size):
        check_fits(self.segmentation, size)

    @abc.abstractmethod
    def make_coalitions(self) -> Any:
        """What gives the coalitions: `count(segments)` and a call `(indices, segments) -> (kept, weights)`."""

    @abc.abstractmethod
    def solve(self, sums: Sums, change: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The linear model of the scores above that of the sample without any segment.

        Args:
            sums: `Sums` over the coalitions.
            change: That score of the sample as it is, float64 `(batch,)`.
            counts: Number of segments of each sample.

        Returns:
            Weights `(batch, segments)`, intercept `(batch,)`.
        """

    def fit(self, x: Samples, target: TargetLike = None, y: Labels | None = None) -> Fit:
        """Explains samples and tells all that was fitted.

        Args:
            x, target, y: See `Explainer.__call__`; a model with one input.

        Returns:
            A `Fit`.
        """
        fit, _ = self.run(self._only_fit, x, target, y)
        segments = fit.segments.reshape(*fit.quality.shape, -1).max(axis=-1) + 1
        for doubt in self.doubts(fit.quality.ravel(), segments.ravel()):
            warnings.warn(doubt, stacklevel=2)
        return fit

    def stability(self, x: Samples, target: TargetLike = None, y: Labels | None = None, seeds: int = 5) -> Stability:
        """How far the weights depend on the draws: the fit repeated under other seeds, the segments staying.

        Args:
            x, target, y: See `Explainer.__call__`; a model with one input, arrays and no dataset.
            seeds: How many seeds, two or more.

        Returns:
            A `Stability`.
        """
        if positive_integer("seeds", seeds) < 2:
            raise ValueError(f"`seeds` must be 2 or more. Received: seeds={seeds!r}.")
        if isinstance(x, (tf.data.Dataset, keras.utils.PyDataset)):
            raise ValueError(
                "`x` must be an array: every seed goes through the samples again, and a dataset may give others. "
                f"Received: {type(x).__name__}."
            )
        config = {name: value for name, value in self.get_config().items() if name != "method"}
        fits = []
        for seed in range(self.seed, self.seed + seeds):
            twin = type(self)(self.model, **{**config, "seed": seed})
            twin._segment_seed = self._segment_seed
            fits.append(twin.fit(x, target, y))
        correlations = []
        for of_sample in zip(*[fit.weights for fit in fits]):
            weights = np.stack(of_sample, axis=-2)  # (seeds, segments), or (k, seeds, segments)
            correlations += [_mean_correlation(rows) for rows in weights.reshape(-1, *weights.shape[-2:])]
        spearman = np.reshape(correlations, fits[0].quality.shape)
        return Stability(np.std([fit.maps for fit in fits], axis=0, ddof=1), spearman)

    def map(self, inputs, index, target):
        return self.fitted(inputs, index, target).maps

    def _only_fit(self, inputs, target):
        if len(inputs) != 1:
            raise ValueError(f"A fit is that of a model with one input. Received: {len(inputs)} inputs.")
        return self.fitted(inputs, 0, target)

    def explain_batch(self, inputs, target):
        places = spatial_inputs([x.shape for x in inputs])
        results = {}
        for index in places:
            fit = self.fitted(inputs, index, target)
            results[index] = {
                "map": tf.cast(fit.maps, as_float(inputs[index]).dtype),
                "quality": fit.quality,
                "segments": _number_of_segments(fit.segments),
            }
        return results

    def finish(self, arrays, structure):
        quality = np.concatenate([results["quality"].ravel() for results in arrays.values()])
        segments = np.concatenate([results["segments"].ravel() for results in arrays.values()])
        for doubt in self.doubts(quality, segments):
            warnings.warn(doubt, stacklevel=3)
        return super().finish({index: results["map"] for index, results in arrays.items()}, structure)

    def doubts(self, quality, segments):
        """Yields what to warn of, given the R^2 and the number of segments of each map."""
        open_ = ~self.coalitions.determine(segments)
        if open_.any():
            yield (
                f"{open_.sum()} of {len(segments)} {self.name} maps have more segments, up to {segments.max()}, than "
                f"{self.coalitions.count(segments[open_])} coalitions can tell apart: their R^2 means nothing and "
                "their values little. Give more n_samples or fewer segments."
            )
        if (segments == 1).any():
            yield (
                f"{(segments == 1).sum()} of {len(segments)} {self.name} maps have a single segment, so one value "
                "everywhere. Give another `segmentation`, such as a number of equal parts."
            )

    def fitted(self, inputs, index, target):
        """The `Fit` of the input number `index`, as tensors."""
        x = inputs[index]
        labels = self._labels(x)
        counts = _number_of_segments(labels)
        filled = self._filled(x, labels, counts)
        outputs, _ = self.scorer.outputs(inputs, target)
        target = resolve(self.scorer, outputs, target)
        # Sums of products of scores are held in float64, where they do not cancel.
        whole = tf.cast(select(self.scorer, outputs, target), tf.float64)
        none = tf.cast(self.perturbed_scores(inputs, index, filled[tf.newaxis], target)[0], tf.float64)

        def step(sums, indices):
            kept, weights = self._drawn(indices, counts)
            is_there = _painted(kept, labels)[..., tf.newaxis]  # (coalitions, batch, *spatial, 1)
            scores = self.perturbed_scores(inputs, index, tf.where(is_there, x, filled), target)
            return Sums(*sums).plus(tf.cast(kept, tf.float64), weights, tf.cast(scores, tf.float64) - none)

        # How many coalitions there are is known only with the segments, inside the compiled function.
        rows = numpy_call(lambda counts: np.int32(self.coalitions.count(counts)), [counts], tf.int32)
        sums = accumulate(tf.ensure_shape(rows, []), self.chunk(inputs), step, list(Sums.zeros(counts)))
        sums = Sums(*sums)
        weights, intercept = self.solve(sums, whole - none, counts)
        quality = sums.quality(weights, intercept, tf.maximum(tf.abs(whole), tf.abs(none)))
        maps = tf.ensure_shape(_painted(weights[tf.newaxis], labels)[0], labels.shape)
        return Fit(maps, labels, none + intercept, quality)

    def _labels(self, x):
        refuse_if_stopped = stop_check()

        def labels_of(samples):
            labels = []
            for sample in samples:
                refuse_if_stopped()
                labels.append(segment(sample[np.newaxis], self.segmentation, self._segment_seed).astype(np.int32))
            return np.concatenate(labels)

        return tf.ensure_shape(numpy_call(labels_of, [as_float(x)], tf.int32), x.shape[:-1])

    def _filled(self, x, labels, counts):
        """The sample with every segment left out."""
        if not isinstance(self.baseline, str):
            return tf.zeros_like(x) + replacement("baseline", self.baseline, x)
        batch, width, channels = tf.shape(x)[0], tf.reduce_max(counts), x.shape[-1]
        # Each sample's segments get numbers of their own, so that one mean serves the batch.
        rows = tf.reshape(labels, [batch, -1]) + width * tf.range(batch)[:, tf.newaxis]
        values = tf.reshape(as_float(x), [-1, channels])
        means = tf.math.unsorted_segment_mean(values, tf.reshape(rows, [-1]), batch * width)
        return in_type_of_input(x, tf.reshape(tf.gather(means, tf.reshape(rows, [-1])), tf.shape(x)))

    def _drawn(self, indices, counts):
        kept, weights = numpy_call(self.coalitions, [indices, counts], [tf.bool, tf.float64])
        return tf.ensure_shape(kept, [None, None, None]), tf.ensure_shape(weights, [None, None])


def _painted(values, labels):
    """What segments hold, at each of their positions: `(rows, batch, segments)` as `(rows, batch, *spatial)`."""
    positions = tf.reshape(labels, [tf.shape(labels)[0], -1])
    painted = tf.gather(tf.transpose(values, [1, 2, 0]), positions, batch_dims=1)  # (batch, positions, rows)
    return tf.reshape(tf.transpose(painted, [2, 0, 1]), tf.concat([[-1], tf.shape(labels)], axis=0))


def _number_of_segments(labels):
    """Of each sample, from its labels `(batch, *spatial)`."""
    return tf.reduce_max(labels, axis=list(range(1, labels.shape.rank))) + 1


def _mean_correlation(rows):
    """Mean Spearman correlation over all pairs of rows; NaN where a row is constant."""
    from scipy.stats import rankdata

    if rows.shape[1] < 2 or (np.ptp(rows, axis=1) == 0).any():
        return np.nan
    pairs = np.triu_indices(len(rows), 1)
    return float(np.corrcoef(rankdata(rows, axis=1))[pairs].mean())
