"""Class activation maps that weigh channels by running the model on changed activations or masked inputs."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.ablation import ablation_scores
from kerasxai.explainers.cam import CAM, CAMOptions
from kerasxai.explainers.perturbation import in_type_of_input
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.graph.operations import is_linear
from kerasxai.options import check_one_of, flag, positive_integer
from kerasxai.precision import as_float
from kerasxai.targets import resolve
from kerasxai.typing import Model


@register("score_cam")
class ScoreCAM(CAM):
    """Score-CAM: channels weighted by the score of the input masked with them.

    One forward pass per sample and channel, streamed.

    Args:
        model: A built Keras model.
        max_channels: Use only the channels that vary most over the positions of each sample; None: all.
        **kwargs: `layer`, `upsample`, `relu`, see `CAM`; `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Wang et al., 2020, https://arxiv.org/abs/1910.01279
    """

    passes = "(1 + channels) F"

    def __init__(self, model: Model, max_channels: int | None = None, **kwargs: Unpack[CAMOptions]) -> None:
        super().__init__(model, **kwargs)
        self.max_channels = None if max_channels is None else positive_integer("max_channels", max_channels)

    def maps(self, inputs, target):
        paths = self.layers_for(target.output)
        outputs, tapped = self.scorer.outputs(inputs, target, taps=paths)
        target = resolve(self.scorer, outputs, target)
        return {path: self._map(path, as_float(a), inputs, target) for path, a in zip(paths, tapped)}

    def _map(self, path, activations, inputs, target):
        activations = self._most_varying(activations)
        masked, placement = self.placement(path, activations[..., 0], inputs)
        channels = activations.shape[-1]
        by_channel = tf.transpose(activations, [activations.shape.rank - 1, *range(activations.shape.rank - 1)])

        def step(state, indices):
            (scores,) = state
            count = tf.size(indices)
            masks = placement.masks(merge(tf.gather(by_channel, indices)))  # (chunk x batch, *spatial)
            copies = [merge(_repeated(x, count)) for x in inputs]
            copies[masked] = in_type_of_input(
                inputs[masked], tf.cast(copies[masked], masks.dtype) * masks[..., tf.newaxis]
            )
            new, _ = self.scores(copies, target.tile(count))
            new = tf.cast(split(new, count), scores.dtype)
            return [tf.tensor_scatter_nd_update(scores, indices[:, tf.newaxis], new)]

        start = tf.zeros([channels, tf.shape(activations)[0]], activations.dtype)
        (scores,) = accumulate(channels, self.chunk(inputs), step, [start])
        weights = tf.nn.softmax(tf.transpose(scores))  # (batch, channels)
        return _weighted(activations, weights)

    def _most_varying(self, activations):
        if self.max_channels is None or self.max_channels >= activations.shape[-1]:
            return activations
        variance = tf.math.reduce_variance(activations, axis=spatial.spatial_axes(activations))
        chosen = tf.math.top_k(variance, self.max_channels).indices
        rank = activations.shape.rank
        by_channel = tf.transpose(activations, [0, rank - 1, *range(1, rank - 1)])
        return tf.transpose(tf.gather(by_channel, chosen, batch_dims=1), [0, *range(2, rank), 1])


@register("ablation_cam")
class AblationCAM(CAM):
    """Ablation-CAM: channels weighted by how far the score falls without them.

    Only the part of the model after the layer runs again, once per channel; where that part is affine, one gradient
    gives the same.

    Args:
        model: A built Sequential or functional Keras model.
        ablation: `"activation"`: the channel's activations become 0. `"kernel"`: its kernel does, so that its
            activations become those of its bias alone.
        normalize: Divide the fall of the score by the score's size.
        **kwargs: `layer`, `upsample`, `relu`, see `CAM`; `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Ramaswamy & Desai, 2020, https://doi.org/10.1109/WACV45572.2020.9093360
    """

    passes = "F + channels x the part after the layer; F + b if that is affine"

    needs_graph = True

    def __init__(
        self,
        model: Model,
        ablation: Literal["activation", "kernel"] = "activation",
        normalize: bool = True,
        **kwargs: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, **kwargs)
        check_one_of("ablation", ablation, ("activation", "kernel"))
        self.ablation = ablation
        self.normalize = flag("normalize", normalize)
        if ablation == "kernel":
            for output in range(len(self.graph.output_names)):
                for path in self.layers_for(output):
                    self._refuse_without_kernel(self.graph.node(path))

    def maps(self, inputs, target):
        return {path: self._map(self.graph.node(path), inputs, target) for path in self.layers_for(target.output)}

    def _map(self, node, inputs, target):
        activations, scores, ablated = ablation_scores(self, node, inputs, target)
        weights = scores[:, tf.newaxis] - tf.transpose(ablated)  # (batch, channels)
        if self.normalize:
            # A score of 0 has nothing to fall from.
            weights = tf.math.divide_no_nan(weights, tf.abs(scores)[:, tf.newaxis])
        return _weighted(activations, weights)

    def _refuse_without_kernel(self, node):
        if not is_linear(node.operation):
            raise ValueError(
                f'`ablation="kernel"` needs a layer with a kernel. Received: {node.path!r} ({node.kind}). '
                'Name a convolution with `layer=`, or use ablation="activation".'
            )


def _weighted(activations, weights):
    """`sum_k w_k A_k` for weights `(batch, channels)`."""
    shape = tf.concat([[-1], tf.ones(activations.shape.rank - 2, tf.int32), [activations.shape[-1]]], axis=0)
    return tf.reduce_sum(tf.reshape(tf.cast(weights, activations.dtype), shape) * activations, axis=-1)


def _repeated(x, count):
    """`(count, batch, ...)`: the batch, `count` times."""
    return tf.tile(x[tf.newaxis], tf.concat([[count], tf.ones(x.shape.rank, tf.int32)], axis=0))
