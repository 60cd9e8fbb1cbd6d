"""The score of a model without one channel of a layer, for every channel, by the cheapest exact way there is."""

import numpy as np
import tensorflow as tf

from kerasxai import spatial
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.graph.keras_internals import inference_scope
from kerasxai.graph.kinds import is_quantised, kind_of
from kerasxai.graph.linear import activation_of, before_activation, bias_of, is_affine, is_channelwise
from kerasxai.precision import as_float
from kerasxai.targets import resolve, select


def ablation_scores(explainer, node, inputs, target):
    """Runs the model once to a layer, and what follows it once for every channel left out.

    Where all that follows is affine, one gradient gives every score. Where the layer's channels first meet in a Dense
    layer, their shares of that layer's sum are taken away one by one, and only what follows it runs again.

    Args:
        explainer: The AblationCAM.
        node: The layer's node.
        inputs: Flat list of tensors.
        target: A `Target`.

    Returns:
        Activations `(batch, *spatial, channels)`, scores `(batch,)`, scores without each channel `(channels, batch)`.
    """
    activations, *crossing = explainer.graph.prefix(node)(inputs)
    fill = _fill(explainer, node, activations)
    if _suffix_is_affine(explainer, node, target):
        return _by_gradient(explainer, node, activations, crossing, fill, target)
    chain = _chain_to_dense(explainer.graph, node, activations.shape[-1])
    if chain is None:
        cut, whole = node, activations
        without = _without_activations(activations, fill)
    else:
        cut = chain[-1]
        whole, without = _without_shares(explainer, chain, activations, fill, target)
    suffix = explainer.graph.suffix(cut)

    def outputs_of(first, others):
        return explainer.scorer.of_outputs(suffix([first, *others], explainer.scorer.overrides(target)), target)

    outputs = outputs_of(whole, crossing)
    target = resolve(explainer.scorer, outputs, target)

    def step(state, indices):
        count = tf.size(indices)
        others = [tf.tile(x, tf.concat([[count], tf.ones(x.shape.rank - 1, tf.int32)], axis=0)) for x in crossing]
        new = select(explainer.scorer, outputs_of(merge(without(indices)), others), target.tile(count))
        return [tf.tensor_scatter_nd_update(state[0], indices[:, tf.newaxis], split(new, count))]

    scores = select(explainer.scorer, outputs, target)
    channels = activations.shape[-1]
    start = tf.zeros([channels, tf.shape(activations)[0]], scores.dtype)
    (ablated,) = accumulate(channels, explainer.chunk(inputs) * _lightness(explainer.graph, cut), step, [start])
    return as_float(activations), scores, ablated


def _without_activations(activations, fill):
    """A function: channel indices -> the activations without each, `(chunk, batch, *spatial, channels)`."""
    channels = activations.shape[-1]

    def without(indices):
        shape = tf.concat([[tf.size(indices)], tf.ones(activations.shape.rank - 1, tf.int32), [channels]], axis=0)
        ablated = tf.reshape(tf.one_hot(indices, channels, on_value=True, off_value=False, dtype=tf.bool), shape)
        return tf.where(ablated, fill, activations[tf.newaxis])

    return without


def _without_shares(explainer, chain, activations, fill, target):
    """The output of the Dense layer at the end of a chain, and a function: channel indices -> it without each."""
    *before, dense = chain
    graph, channels = explainer.graph, activations.shape[-1]
    rows = graph.run_chain(before, activations)
    # Channels have not met so far: one run with all of them ablated holds what each ablation alone gives.
    change = rows - graph.run_chain(before, tf.zeros_like(activations) + fill)
    change = tf.reshape(change, [-1, rows.shape[-1] // channels, channels])  # (batch, positions, channels)
    by_channel = tf.transpose(change, [2, 0, 1])
    kernel = tf.cast(tf.convert_to_tensor(dense.operation.kernel), rows.dtype)
    kernel = tf.transpose(tf.reshape(kernel, [-1, channels, kernel.shape[-1]]), [1, 0, 2])
    with inference_scope():
        sums = before_activation(dense.operation)(rows) if activation_of(dense.operation) else dense.operation(rows)
    stripped = dense in explainer.scorer.left_out(target)  # the head, whose softmax the logit leaves out
    activation = tf.identity if stripped else activation_of(dense.operation) or tf.identity

    def without(indices):
        shares = tf.matmul(tf.gather(by_channel, indices), tf.gather(kernel, indices))  # (chunk, batch, units)
        return activation(sums - shares)

    return activation(sums), without


def _chain_to_dense(graph, node, channels):
    """The calls from a layer to the first Dense one, if all between keep the channels apart; else None."""
    chain = graph.chain(node)
    for length, follower in enumerate(chain, start=1):
        if kind_of(follower.operation) == "Dense" and not is_quantised(follower.operation):
            crosses = len(graph.crossing(follower)) > 0
            flat = len(chain[length - 2].shape) == 2 if length > 1 else False
            width = follower.operation.kernel.shape[0]
            return chain[:length] if flat and not crosses and width % channels == 0 else None
        if not is_channelwise(follower.operation):
            return None
    return None


def _by_gradient(explainer, node, activations, crossing, fill, target):
    """An affine score falls by exactly `sum_u G (A - fill)`."""
    suffix = explainer.graph.suffix(node)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(activations)
        overrides = explainer.scorer.overrides(target)
        outputs = explainer.scorer.of_outputs(suffix([activations, *crossing], overrides), target)
        scores = select(explainer.scorer, outputs, target)
    (gradient,) = explainer.differentiate(tape, scores, [activations])
    fall = tf.reduce_sum(gradient * as_float(activations - fill), axis=spatial.spatial_axes(activations))
    return as_float(activations), scores, scores[tf.newaxis] - tf.cast(tf.transpose(fall), scores.dtype)


def _fill(explainer, node, activations):
    """What an ablated channel becomes: `(channels,)`, zero or the activation of the layer's bias."""
    channels = activations.shape[-1]
    bias = bias_of(node.operation) if explainer.ablation == "kernel" else None
    values = tf.zeros([channels], activations.dtype) if bias is None else tf.cast(bias, activations.dtype)
    activation = activation_of(node.operation)
    return activation(values) if explainer.ablation == "kernel" and activation is not None else values


def _suffix_is_affine(explainer, node, target):
    def is_affine_here(other):
        stripped = other in explainer.scorer.left_out(target)  # the head, whose softmax the logit leaves out
        return is_affine(other.operation) or (stripped and not is_quantised(other.operation))

    affine = all(is_affine_here(other) for other in explainer.graph.suffix_nodes(node))
    return explainer.score == "logit" and target.function is None and affine


def _lightness(graph, cut):
    """How many rows of the part after `cut` take the memory of one through the whole model, by their largest tensor."""
    if any(None in node.shape[1:] for node in graph.nodes):
        return 1
    whole = max(int(np.prod(node.shape[1:])) for node in graph.nodes)
    part = max(int(np.prod(node.shape[1:])) for node in [cut, *graph.suffix_nodes(cut)])
    return max(1, whole // part)
