"""The SmoothGrad family: statistics of an explanation over noisy copies of the input, around any explainer."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.compiled import shape_of
from kerasxai.explainers.base import Explainer, ExplainerOptions
from kerasxai.explainers.registry import build, get, register
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.options import number, positive_integer, seed_number, several_numbers
from kerasxai.targets import Target
from kerasxai.typing import ExplainerLike, Model, Numbers


class DrawOptions(ExplainerOptions, total=False):
    """Options of `NoiseExplainer` where what is smoothed is another option."""

    n_samples: int
    noise_level: float
    seed: int


class NoiseOptions(DrawOptions, total=False):
    """Options of `NoiseExplainer`."""

    explainer: ExplainerLike


class PercentileOptions(DrawOptions, total=False):
    """Options of `NoisePercentiles` where what is smoothed is another option."""

    percentiles: Numbers


class NoiseExplainer(Explainer):
    """Base of the methods that explain noisy copies of the input and summarise their maps.

    The noise of draw i is the same for all samples up to its scale, and depends on `seed` and i alone.

    Args:
        model: A built Keras model.
        explainer: What is smoothed: a registry name, a config dict, or an explainer on the same model.
        n_samples: Number of noisy copies.
        noise_level: Standard deviation of the noise as a share of each sample's range (maximum - minimum).
        seed: Seed of the noise.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`; an explainer given as an instance or a config
            keeps its own score.
    """

    family = "noise"
    passes = "F + n_samples x explainer"

    reduce: str | None = "abs_sum"

    def __init__(
        self,
        model: Model,
        explainer: ExplainerLike = "gradient",
        n_samples: int = 50,
        noise_level: float = 0.15,
        seed: int = 0,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        if isinstance(explainer, (str, type)):
            shared: dict[str, Any] = {name: kwargs[name] for name in ("score", "batch_size") if name in kwargs}
            explainer = get(explainer)(model, **shared)
        self.explainer = build(explainer, model)
        self.needs_graph = self.explainer.needs_graph
        kwargs["score"] = self.explainer.score
        super().__init__(model, **kwargs)
        self.parts = (self.explainer,)
        self.n_samples = positive_integer("n_samples", n_samples)
        self.noise_level = number("noise_level", noise_level, least=0)
        self.seed = seed_number(seed)
        self.reduce = self.explainer.reduce
        self.signed = type(self).signed and self.explainer.signed

    def explain_batch(self, inputs, target):
        target = self.resolve_target(inputs, target)
        zeros = zeros_like_results(lambda: self.explainer.explain_batch(inputs, target), inputs)
        summary = self.summarise(inputs, target, tf.nest.flatten(zeros))
        return tf.nest.pack_sequence_as(zeros, summary)

    @abc.abstractmethod
    def summarise(self, inputs: list[tf.Tensor], target: Target, zeros: list[tf.Tensor]) -> list[tf.Tensor]:
        """The summary of each map: a flat list of tensors shaped like `zeros` (one per map of the explainer)."""

    def finish(self, arrays, structure):
        return self.explainer.finish(arrays, structure)

    def noisy_maps(self, inputs: list[tf.Tensor], target: Target, indices: tf.Tensor) -> list[tf.Tensor]:
        """The explainer's maps of the draws `indices`: a flat list of tensors `(draws, batch, ...)`."""
        noisy = noisy_copies(inputs, indices, self.noise_level, self.seed)
        maps = self.explainer.explain_batch(noisy, target.tile(tf.size(indices)))
        return [split(leaf, tf.size(indices)) for leaf in tf.nest.flatten(maps)]


def noisy_copies(inputs, indices, level, seed):
    """The batch once for each draw, one after the other, with the draw's noise: tensors `(draws * batch, ...)`.

    The noise of a draw is the same for all samples up to its scale, and depends on `seed` and the draw's index alone.

    Args:
        inputs: Flat list of tensors `(batch, ...)`; what holds no real numbers stays as it is.
        indices: int32 tensor, the draws.
        level: Standard deviation as a share of each sample's range.
        seed: Seed of the noise.
    """
    return [merge(_with_noise(x, indices, level, seed, stream)) for stream, x in enumerate(inputs)]


def mean_of_draws(maps_of, count, chunk, zeros):
    """Means over draws.

    Args:
        maps_of: Function of the indices of some draws that gives a flat list of tensors `(draws, ...)`.
        count: Number of draws.
        chunk: How many are made at once.
        zeros: Flat list of tensors shaped like one draw's.
    """

    def step(sums, indices):
        return [total + tf.reduce_sum(maps, axis=0) for total, maps in zip(sums, maps_of(indices))]

    return [total / count for total in accumulate(count, chunk, step, zeros)]


def zeros_like_results(function, inputs):
    """Zeros of the structure, shapes and types of what `function()` would return for the batch `inputs`."""
    batch = tf.shape(inputs[0])[0]
    return tf.nest.map_structure(lambda leaf: tf.zeros([batch, *leaf.shape[1:]], leaf.dtype), shape_of(function))


def _with_noise(x, indices, level, seed, stream):
    if not x.dtype.is_floating:
        return tf.tile(x[tf.newaxis], tf.concat([[tf.size(indices)], tf.ones(x.shape.rank, tf.int32)], axis=0))
    axes = list(range(1, x.shape.rank))
    spread = tf.reduce_max(x, axes, keepdims=True) - tf.reduce_min(x, axes, keepdims=True)

    def draw(index):
        # Each input has a stream of its own within a draw.
        return tf.random.stateless_normal(x.shape[1:], [seed, index * 16 + stream], dtype=x.dtype)

    noise = tf.map_fn(draw, indices, fn_output_signature=tf.TensorSpec(x.shape[1:], x.dtype))
    return x + tf.constant(level, x.dtype) * spread * noise[:, tf.newaxis]


@register("smooth_grad")
class SmoothGrad(NoiseExplainer):
    """SmoothGrad: the mean of an explanation over noisy copies of the input.

    Reference:
        Smilkov et al., 2017, https://arxiv.org/abs/1706.03825

    Example:

    ```python
    maps = kerasxai.explainers.SmoothGrad(model, n_samples=20, noise_level=0.1)(images)
    ```
    """

    def summarise(self, inputs, target, zeros):
        def maps_of(indices):
            return [self.statistic(maps) for maps in self.noisy_maps(inputs, target, indices)]

        return mean_of_draws(maps_of, self.n_samples, self.chunk(inputs), zeros)

    def statistic(self, maps):
        """What is averaged."""
        return maps


@register("smooth_grad_squared")
class SmoothGradSquared(SmoothGrad):
    """SmoothGrad squared: the mean square of an explanation over noisy copies; not negative.

    Reference:
        Hooker et al., 2019, https://arxiv.org/abs/1806.10758
    """

    signed = False

    def statistic(self, maps):
        return tf.square(maps)


@register("var_grad")
class VarGrad(NoiseExplainer):
    """VarGrad: the variance of an explanation over noisy copies of the input; not negative.

    Reference:
        Adebayo et al., 2018, https://arxiv.org/abs/1810.03292
    """

    signed = False

    def summarise(self, inputs, target, zeros):
        def step(state, indices):
            # Chan's update: sums of squares around a running mean lose no digits.
            seen, means, squares = state[0], state[1 : 1 + len(zeros)], state[1 + len(zeros) :]
            maps = self.noisy_maps(inputs, target, indices)
            added = tf.cast(tf.size(indices), tf.float32)
            total = seen + added
            new_means, new_squares = [], []
            for mean, square, of_chunk in zip(means, squares, maps):
                chunk_mean = tf.reduce_mean(of_chunk, axis=0)
                shift = chunk_mean - mean
                weight = tf.cast(added / total, of_chunk.dtype)
                new_means.append(mean + shift * weight)
                inside = tf.reduce_sum(tf.square(of_chunk - chunk_mean), axis=0)
                new_squares.append(square + inside + tf.square(shift) * weight * tf.cast(seen, of_chunk.dtype))
            return [total, *new_means, *new_squares]

        state = accumulate(self.n_samples, self.chunk(inputs), step, [tf.constant(0.0), *zeros, *zeros])
        return [square / self.n_samples for square in state[1 + len(zeros) :]]


@register("noise_percentiles")
class NoisePercentiles(NoiseExplainer):
    """Percentiles of an explanation over noisy copies of the input, on a new axis after the samples.

    An order statistic needs every draw at once: memory grows with `n_samples` x the batch.

    Args:
        model: A built Keras model.
        percentiles: Numbers between 0 and 100.
        **kwargs: See `NoiseExplainer`.

    Reference:
        Bykov et al., 2020, https://arxiv.org/abs/2006.09000
    """

    def __init__(
        self, model: Model, percentiles: Numbers = (5, 25, 50, 75, 95), **kwargs: Unpack[NoiseOptions]
    ) -> None:
        super().__init__(model, **kwargs)
        self.percentiles = several_numbers("percentiles", percentiles, least=0, most=100)

    def summarise(self, inputs, target, zeros):
        def step(draws, indices):
            maps = self.noisy_maps(inputs, target, indices)
            places = indices[:, tf.newaxis]
            return [tf.tensor_scatter_nd_update(kept, places, drawn) for kept, drawn in zip(draws, maps)]

        empty = [tf.repeat(zero[tf.newaxis], self.n_samples, axis=0) for zero in zeros]
        draws = accumulate(self.n_samples, self.chunk(inputs), step, empty)
        return [self._of_draws(tf.sort(drawn, axis=0)) for drawn in draws]

    def _of_draws(self, ordered):
        """Percentiles with linear interpolation between draws, as numpy.percentile has them."""
        ranks = np.array(self.percentiles) / 100.0 * (self.n_samples - 1)
        lower = np.floor(ranks).astype(int)
        upper = np.minimum(lower + 1, self.n_samples - 1)
        share = (ranks - lower).reshape(-1, *[1] * (ordered.shape.rank - 1))
        low, high = tf.gather(ordered, lower), tf.gather(ordered, upper)
        values = low + tf.constant(share, ordered.dtype) * (high - low)  # (percentiles, batch, ...)
        return tf.transpose(values, [1, 0, *range(2, values.shape.rank)])
