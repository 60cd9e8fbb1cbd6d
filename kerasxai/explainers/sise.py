"""SISE: the input masked with the feature maps of every block of the network, and the blocks fused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.perturbation import PerturbationExplainer, in_type_of_input, spatial_inputs
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate
from kerasxai.graph import block_ends
from kerasxai.graph.placement import placements
from kerasxai.options import number
from kerasxai.precision import as_float
from kerasxai.targets import resolve, select
from kerasxai.typing import Model

_BINS = 256


@register("sise")
class SISE(PerturbationExplainer):
    """SISE: the feature maps of each block mask the input, weighted with its score; blocks are fused, shallow to deep.

    A block ends before each reduction of the spatial size, and at the last layer with positions. Of its feature maps,
    those whose mean gradient is above the threshold become masks in 0 ... 1; a block's map is the sum of the masks,
    each divided by its own sum and multiplied by the score of the input under it, scaled to 0 ... 1. Fusion adds the
    next deeper map and then keeps what is above Otsu's threshold in it. Maps are `(samples, *spatial)`, not negative.

    Args:
        model: A built Sequential or functional Keras model.
        mu: Threshold of the mean gradient as a share of the largest of the block, 0 <= mu < 1; `"otsu"`: Otsu's
            threshold of the positive ones, found for each sample and block (Ada-SISE), which takes fewer masks.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Sattarzadeh et al., 2021, https://arxiv.org/abs/2010.00672; Ada-SISE: Sudhakar et al., 2021,
        https://arxiv.org/abs/2102.07799

    Example:

    ```python
    maps = kerasxai.explainers.SISE(model, mu="otsu")(images)
    ```
    """

    passes = "F + b + feature maps F"
    signed = False
    needs_graph = True

    def __init__(self, model: Model, mu: float | Literal["otsu"] = 0.0, **kwargs: Unpack[ExplainerOptions]) -> None:
        super().__init__(model, **kwargs)
        is_otsu = isinstance(mu, str) and mu == "otsu"
        self.mu = mu if is_otsu else number("mu", mu, least=0, below=1, alternative='"otsu"')
        if len(self.graph.output_names) == 1:
            for index in spatial_inputs(self.graph.input_shapes):
                block_ends(self.graph, index)

    def map(self, inputs, index, target):
        feature_maps, gradients, classes = self._features(inputs, index, target)
        target = replace(target, classes=classes)
        placed = placements(self.graph, self._block_ends(inputs, index, target.output), inputs, index)
        fused = None
        for placement, activations, means in zip(placed, feature_maps, gradients):
            deeper = self._block_map(inputs, index, target, activations, self._is_selected(means), placement)
            fused = deeper if fused is None else (fused + deeper) * _above_otsu(deeper, placement.seen)
        return fused

    def finish(self, arrays, structure):
        for maps in arrays.values():
            blank = int((~maps.reshape(len(maps), -1).any(axis=1)).sum())
            if blank:
                warnings.warn(
                    f"{blank} of {len(maps)} sise maps are all zero: no feature map of a block has a positive mean "
                    "gradient, or those that have are constant.",
                    stacklevel=3,
                )
        return super().finish(arrays, structure)

    def _features(self, inputs, index, target):
        """Feature maps of each block and their mean gradients `(batch, channels)`, and the classes explained."""
        paths = [node.path for node in self._block_ends(inputs, index, target.output)]
        # A saturated probability has no gradient; its log-odds have the same gradient up to a factor above 0.
        if target.function is None:
            target = replace(target, scale=target.scale._replace(kind="logit"))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            outputs, tapped = self.scorer.outputs(inputs, target, taps=paths, on_tap=tape.watch)
            target = resolve(self.scorer, outputs, target)
            scores = select(self.scorer, outputs, target)
            if self.score == "probability" and target.function is None and self.scorer.is_distribution(target):
                values = outputs[target.output]
                others = tf.one_hot(target.classes, values.shape[-1], False, True)
                # log p - log(1 - p) from the logits, which do not saturate.
                scores -= tf.reduce_logsumexp(tf.where(others, values, -np.inf), axis=1)
        gradients = self.differentiate(tape, scores, tapped)
        for path, gradient in zip(paths, gradients):
            if gradient is None:
                raise ValueError(
                    f"SISE needs a score that depends on the blocks of the model. Received: a `target` that {path!r} "
                    "has no influence on."
                )
        means = [tf.reduce_mean(gradient, axis=spatial.spatial_axes(gradient)) for gradient in gradients]
        wide = as_float(inputs[index]).dtype
        return [tf.cast(activations, wide) for activations in tapped], means, target.classes

    def _block_ends(self, inputs, index, output):
        if None not in self.graph.input_shapes[index][1:]:
            return block_ends(self.graph, index, output)
        shapes = {tensor: value.shape for tensor, value in self.graph.values(inputs).items()}
        return block_ends(self.graph, index, output, shapes)

    def _is_selected(self, gradients):
        """Which channels of each sample become masks: bool `(batch, channels)`."""
        if self.mu != "otsu":
            return gradients > self.mu * tf.reduce_max(gradients, axis=1, keepdims=True)
        positive = gradients > 0
        return positive & (gradients > otsu(gradients, positive)[:, tf.newaxis])

    def _block_map(self, inputs, index, target, activations, selected, placement):
        """`sum_i S(x M_i) M_i / sum M_i` in 0 ... 1, over the channels selected for each sample."""
        x = inputs[index]
        size, batch = spatial.spatial_size(x), tf.shape(x)[0]
        rank = activations.shape.rank
        by_channel = tf.transpose(activations, [0, rank - 1, *range(1, rank - 1)])
        pairs = tf.cast(tf.where(selected), tf.int32)  # sample and channel: samples share the model's batches

        def step(state, indices):
            chosen = tf.gather(pairs, indices)
            rows = chosen[:, 0]
            masks = placement.masks(tf.gather_nd(by_channel, chosen))
            copies = [tf.gather(values, rows) for values in inputs]
            copies[index] = in_type_of_input(x, as_float(copies[index]) * masks[..., tf.newaxis])
            scores, _ = self.scores(copies, target.rows(rows))
            flat = tf.reshape(masks, [-1, np.prod(size)])
            # An empty mask shows nothing and weighs nothing.
            weights = tf.math.divide_no_nan(tf.cast(scores, flat.dtype), tf.reduce_sum(flat, axis=1))
            of_sample = weights[:, tf.newaxis] * tf.one_hot(rows, batch, dtype=flat.dtype)  # (chunk, batch)
            return [state[0] + tf.matmul(of_sample, flat, transpose_a=True)]

        start = tf.zeros([batch, np.prod(size)], activations.dtype)
        (sums,) = accumulate(tf.shape(pairs)[0], self.batch_size, step, [start])
        return placement.scaled(tf.reshape(sums, [-1, *size]))


def otsu(values, counted=None):
    """Otsu's threshold of each row: it parts the values so that the variance between the two parts is largest.

    As `skimage.filters.threshold_otsu`, with 256 bins over the range of the row.

    Args:
        values: Tensor `(batch, count)`.
        counted: None, or which values count, bool of the same shape.

    Returns:
        Tensor `(batch,)`; 0 where the values are all equal or none counts.
    """
    # A bin's edge rounded to float32 might part the values elsewhere.
    wide = tf.cast(values, tf.float64)
    counted = tf.ones_like(wide, tf.bool) if counted is None else counted
    low = tf.reduce_min(tf.where(counted, wide, np.inf), axis=1, keepdims=True)
    high = tf.reduce_max(tf.where(counted, wide, -np.inf), axis=1, keepdims=True)
    # The maximum itself belongs to the last bin; a range of 0 gives NaN, which no result below is taken from.
    bins = tf.clip_by_value(tf.cast(tf.floor((wide - low) / (high - low) * _BINS), tf.int32), 0, _BINS - 1)
    first = _BINS * tf.range(tf.shape(wide)[0])[:, tf.newaxis]
    places = tf.where(counted, first + bins, -1)  # a negative place is left out
    counts = tf.math.unsorted_segment_sum(tf.cast(counted, tf.float64), places, _BINS * tf.shape(wide)[0])
    counts = tf.reshape(counts, [-1, _BINS])
    centres = low + (high - low) * ((np.arange(_BINS) + 0.5) / _BINS)
    below, above = tf.cumsum(counts, axis=1)[:, :-1], tf.cumsum(counts, axis=1, reverse=True)[:, 1:]
    sum_below = tf.cumsum(counts * centres, axis=1)[:, :-1]
    sum_above = tf.cumsum(counts * centres, axis=1, reverse=True)[:, 1:]
    variance = below * above * tf.square(sum_below / below - sum_above / above)
    threshold = tf.gather(centres, tf.argmax(variance, axis=1), batch_dims=1)
    return tf.cast(tf.where(high > low, threshold[:, tf.newaxis], 0.0)[:, 0], values.dtype)


def _above_otsu(maps, seen):
    """1 where a map `(batch, *spatial)` is above its own threshold, else 0; only what the layer sees counts."""
    flat = tf.reshape(maps, [-1, np.prod(maps.shape[1:])])
    counted = None if seen is None else tf.broadcast_to(tf.reshape(seen > 0, [1, -1]), tf.shape(flat))
    threshold = otsu(flat, counted)
    return tf.cast(maps > tf.reshape(threshold, [-1, *[1] * (maps.shape.rank - 1)]), maps.dtype)
