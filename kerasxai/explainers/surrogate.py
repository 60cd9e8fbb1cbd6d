"""Surrogate explainers: a linear model of which segments are there, fitted to the scores; LIME and Kernel SHAP."""

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
from kerasxai.explainers.coalitions import FairCoins, ShapleyKernel
from kerasxai.explainers.least_squares import Sums, solved
from kerasxai.explainers.perturbation import PerturbationExplainer, in_type_of_input, replacement, spatial_inputs
from kerasxai.explainers.registry import register
from kerasxai.explainers.segments import check_fits, check_segmentation, segment
from kerasxai.explainers.streaming import accumulate
from kerasxai.graph.python_calls import numpy_call
from kerasxai.graph.score import as_float
from kerasxai.options import check_broadcast, check_finite, positive_integer, seed_number
from kerasxai.targets import resolve, select
from kerasxai.typing import Array, Labels, Model, Samples, TargetLike

POOR_FIT = 0.5
RIDGE = 1.0
RIDGE_OF_SELECTION = 0.01
# Share of a diagonal that keeps a system solvable when there are fewer coalitions than segments.
_JITTER = 1e-12


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
        found = []
        for labels, values in zip(self.segments, self.maps):
            first = np.unique(labels.reshape(*several, -1)[(0,) * len(several)], return_index=True)[1]
            found.append(values.reshape(*several, -1)[..., first])
        return found


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
        n_samples: Number of coalitions of segments.
        baseline: What a segment that is left out becomes: `"mean"`, its mean of each channel, or a number, or one per
            channel.
        seed: Seed of the coalitions and of quickshift.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.
    """

    family = "surrogate"

    def __init__(
        self,
        model: Model,
        segmentation: Segmentation = None,
        n_samples: int | None = 1000,
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
        # (..., seeds, segments) for each sample
        weights = [np.stack(of_sample, axis=-2) for of_sample in zip(*(fit.weights for fit in fits))]
        rows = [one.reshape(-1, *one.shape[-2:]) for one in weights]
        spearman = np.array([[_mean_correlation(one) for one in of_sample] for of_sample in rows])
        return Stability(np.std([fit.maps for fit in fits], axis=0, ddof=1), spearman.reshape(fits[0].quality.shape))

    def map(self, inputs, index, target):
        return self.fitted(inputs, index, target).maps

    def _only_fit(self, inputs, target):
        if len(inputs) != 1:
            raise ValueError(f"A fit is that of a model with one input. Received: {len(inputs)} inputs.")
        return self.fitted(inputs, 0, target)

    def explain_batch(self, inputs, target):
        places = spatial_inputs([x.shape for x in inputs])
        found = {}
        for index in places:
            fit = self.fitted(inputs, index, target)
            found[index] = {
                "map": tf.cast(fit.maps, as_float(inputs[index]).dtype),
                "quality": fit.quality,
                "segments": _number_of_segments(fit.segments),
            }
        return found

    def finish(self, arrays, structure):
        quality, segments = (
            np.concatenate([found[name].ravel() for found in arrays.values()]) for name in ("quality", "segments")
        )
        for doubt in self.doubts(quality, segments):
            warnings.warn(doubt, stacklevel=3)
        return super().finish({index: found["map"] for index, found in arrays.items()}, structure)

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
        whole = tf.cast(select(self.scorer, outputs, target), tf.float64)
        none = tf.cast(self.perturbed_scores(inputs, index, filled[tf.newaxis], target)[0], tf.float64)

        def step(sums, indices):
            kept, weights = self._drawn(indices, counts)
            bits = tf.gather(tf.transpose(kept, [1, 2, 0]), tf.reshape(labels, [tf.shape(labels)[0], -1]), batch_dims=1)
            bits = tf.reshape(tf.transpose(bits, [2, 0, 1]), tf.concat([[-1], tf.shape(labels)], axis=0))
            scores = self.perturbed_scores(inputs, index, tf.where(bits[..., tf.newaxis], x, filled), target)
            return Sums(*sums).plus(tf.cast(kept, tf.float64), weights, tf.cast(scores, tf.float64) - none)

        rows = numpy_call(lambda counts: np.int32(self.coalitions.count(counts)), [counts], tf.int32)
        sums = accumulate(tf.ensure_shape(rows, []), self.chunk(inputs), step, list(Sums.zeros(counts)))
        weights, intercept = self.solve(Sums(*sums), whole - none, counts)
        quality = Sums(*sums).quality(weights, intercept, tf.maximum(tf.abs(whole), tf.abs(none)))
        painted = tf.gather(weights, tf.reshape(labels, [tf.shape(labels)[0], -1]), batch_dims=1)
        painted = tf.ensure_shape(tf.reshape(painted, tf.shape(labels)), labels.shape)
        return Fit(painted, labels, none + intercept, quality)

    def _labels(self, x):
        refuse_if_stopped = stop_check()

        def labels_of(samples):
            found = []
            for sample in samples:
                refuse_if_stopped()
                found.append(segment(sample[np.newaxis], self.segmentation, self._segment_seed).astype(np.int32))
            return np.concatenate(found)

        return tf.ensure_shape(numpy_call(labels_of, [as_float(x)], tf.int32), x.shape[:-1])

    def _filled(self, x, labels, counts):
        """The sample with every segment left out."""
        if not isinstance(self.baseline, str):
            return tf.zeros_like(x) + replacement("baseline", self.baseline, x)
        batch, width, channels = tf.shape(x)[0], tf.reduce_max(counts), x.shape[-1]
        rows = tf.reshape(labels, [batch, -1]) + width * tf.range(batch)[:, tf.newaxis]
        values = tf.reshape(as_float(x), [-1, channels])
        means = tf.math.unsorted_segment_mean(values, tf.reshape(rows, [-1]), batch * width)
        return in_type_of_input(x, tf.reshape(tf.gather(means, tf.reshape(rows, [-1])), tf.shape(x)))

    def _drawn(self, indices, counts):
        kept, weights = numpy_call(self.coalitions, [indices, counts], [tf.bool, tf.float64])
        return tf.ensure_shape(kept, [None, None, None]), tf.ensure_shape(weights, [None, None])


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

    passes = "2 F + n_samples F"

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
        ranks = tf.argsort(tf.argsort(-tf.abs(first), axis=1, stable=True), axis=1, stable=True)
        return sums.ridge(RIDGE, chosen=ranks < self.num_features)

    def doubts(self, quality, segments):
        yield from super().doubts(quality, segments)
        used = np.minimum(segments, self.num_features or segments)
        adjusted = 1 - (1 - quality) * (self.n_samples - 1) / np.maximum(self.n_samples - 1 - used, 1)
        poor = self.coalitions.determine(segments) & (adjusted < POOR_FIT)
        if poor.any():
            yield (
                f"{poor.sum()} of {len(quality)} {self.name} maps are of scores that a linear model of their segments "
                f"does not describe (adjusted weighted R^2 below {POOR_FIT}, worst {adjusted[poor].min():.2f}): they "
                "say little. Try more n_samples, other segments, or another method."
            )


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
        super().__init__(model, segmentation, n_samples, baseline, seed, **kwargs)

    def make_coalitions(self):
        return ShapleyKernel(self.seed, self.n_samples)

    def solve(self, sums, change, counts):
        width = tf.shape(sums.z)[1]
        exists = tf.sequence_mask(counts, width)
        diagonal = tf.linalg.diag_part(sums.zz)
        scale = tf.reduce_max(diagonal, axis=1, keepdims=True)
        scale = tf.where(scale > 0, scale, 1.0)
        left = tf.linalg.set_diag(sums.zz, tf.where(exists, diagonal + _JITTER * scale, scale))
        free = solved(left, sums.zy)
        ones = solved(left, tf.cast(exists, tf.float64))
        # The multiplier of the constraint that the values sum to the change of the score.
        excess = tf.reduce_sum(free, axis=1) - change
        weights = free - ones * tf.math.divide_no_nan(excess, tf.reduce_sum(ones, axis=1))[:, tf.newaxis]
        return tf.where(exists, weights, 0.0), tf.zeros_like(change)


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
