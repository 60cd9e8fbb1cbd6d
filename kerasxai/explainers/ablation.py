"""The score of a model without one channel of a layer, for every channel."""

import tensorflow as tf

from kerasxai import spatial
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.graph.linear import activation_of, bias_of, is_affine
from kerasxai.targets import select


def ablation_scores(explainer, node, inputs, target):
    """Runs the model once to a layer, and what follows it once for every channel left out.

    Args:
        explainer: The AblationCAM.
        node: The layer's node.
        inputs: Flat list of tensors.
        target: A `Target` without predicted classes.

    Returns:
        Activations `(batch, *spatial, channels)`, scores `(batch,)`, scores without each channel `(channels, batch)`.
    """
    activations, *crossing = explainer.graph.prefix(node)(inputs)
    fill = _fill(explainer, node, activations)
    if _suffix_is_affine(explainer, node, target):
        return _by_gradient(explainer, node, activations, crossing, fill, target)
    suffix = explainer.graph.suffix(node)

    def scores_of(tensors, its_target):
        outputs = explainer.scorer.of_outputs(suffix(tensors, explainer.scorer.overrides))
        return select(explainer.scorer, outputs, its_target)

    channels = activations.shape[-1]

    def step(state, indices):
        (scores,) = state
        count = tf.size(indices)
        shape = tf.concat([[count], tf.ones(activations.shape.rank - 1, tf.int32), [channels]], axis=0)
        ablated = tf.reshape(tf.one_hot(indices, channels, on_value=True, off_value=False, dtype=tf.bool), shape)
        copies = tf.where(ablated, fill, activations[tf.newaxis])  # (chunk, batch, *spatial, channels)
        others = [tf.tile(x, tf.concat([[count], tf.ones(x.shape.rank - 1, tf.int32)], axis=0)) for x in crossing]
        new = scores_of([merge(copies), *others], target.tile(count))
        return [tf.tensor_scatter_nd_update(scores, indices[:, tf.newaxis], split(new, count))]

    scores = scores_of([activations, *crossing], target)
    start = tf.zeros([channels, tf.shape(activations)[0]], scores.dtype)
    (ablated,) = accumulate(channels, explainer.chunk(inputs), step, [start])
    return _wide(activations), scores, ablated


def _by_gradient(explainer, node, activations, crossing, fill, target):
    """An affine score falls by exactly `sum_u G (A - fill)`."""
    suffix = explainer.graph.suffix(node)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(activations)
        outputs = explainer.scorer.of_outputs(suffix([activations, *crossing], explainer.scorer.overrides))
        scores = select(explainer.scorer, outputs, target)
    (gradient,) = explainer.differentiate(tape, scores, [activations])
    fall = tf.reduce_sum(gradient * _wide(activations - fill), axis=spatial.spatial_axes(activations))
    return _wide(activations), scores, scores[tf.newaxis] - tf.transpose(fall)


def _fill(explainer, node, activations):
    """What an ablated channel becomes: `(channels,)`, zero or the activation of the layer's bias."""
    channels = activations.shape[-1]
    bias = bias_of(node.operation) if explainer.ablation == "kernel" else None
    values = tf.zeros([channels], activations.dtype) if bias is None else tf.cast(bias, activations.dtype)
    activation = activation_of(node.operation)
    return activation(values) if explainer.ablation == "kernel" and activation is not None else values


def _suffix_is_affine(explainer, node, target):
    stripped = explainer.scorer.overrides
    nodes = explainer.graph.suffix_nodes(node)
    affine = all(other in stripped or is_affine(other.operation) for other in nodes)
    return explainer.score == "logit" and target.function is None and affine


def _wide(tensor):
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)
