"""Treatments of layers with a kernel or a scale: a rule says how their relevance is shared out."""

import functools

import tensorflow as tf

from kerasxai.explainers.lrp.engine import LinearCall, box_of, hand_on, one_sample
from kerasxai.explainers.lrp.treatments import Treatment
from kerasxai.graph.batch_norm import fold_parts, scale_and_shift
from kerasxai.graph.linear_parts import linear_parts
from kerasxai.graph.operations import what_does


class LinearTreatment(Treatment):
    """A convolution or Dense layer under a rule, with the normalisations that are folded into it.

    Args:
        rule: A `Rule`.
        graph: The ModelGraph.
        node: The layer's node.
        folds: The `Folds` in force.
        is_first: Whether no linear layer is before it.
        is_non_negative: Whether nothing it is given can be negative.
    """

    name = "linear"

    def __init__(self, rule, graph, node, folds, is_first, is_non_negative):
        self.rule = rule
        self._graph, self._node, self._folds = graph, node, folds
        self._is_first, self._is_non_negative = is_first, is_non_negative
        self._normalisation, self._chain = folds.before.get(node), folds.chains.get(node, [])
        self._padding = _padding_before(graph, node)

    def propagate(self, call, relevances, ledger=None):
        (relevance,) = relevances
        x, output = self._ends(call.forward, relevance.dtype)
        parts = linear_parts(self._node.operation)
        fold_parts(parts, self._graph, self._folds, self._node, x)
        calls = []
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            of_layer = {} if index else self._of_input(call.forward, x)
            made = output if is_last else None
            calls.append(LinearCall(part, x, output=made, ignore_bias=self.rule.bias == "ignore", **of_layer))
            x = x if is_last else calls[-1].output
        for linear in reversed(calls):
            relevance = hand_on(self.rule, linear, relevance, call.copies, ledger)
        return [relevance]

    def _of_input(self, forward, x):
        """What is known of the layer's own input, as options of its `LinearCall`."""
        ones = self._ones(forward, x)
        box = functools.partial(self._box, forward, x, ones)
        return {"non_negative": self._is_non_negative, "ones": ones, "box": box}

    def _ends(self, forward, dtype):
        """What the layer with its folded normalisations takes and makes, the activation left out."""
        node = self._node
        (x,) = forward.wide(node.inputs, dtype)
        if self._normalisation is not None:
            (x,) = forward.wide(self._normalisation.inputs)
            x = tf.cast(self._graph.run_chain(self._chain, x), dtype)
        if node in forward.before:
            output = forward.before[node]
        else:
            output = forward.values[self._folds.after.get(node, node).outputs[0]]
        return x, tf.cast(output, dtype)

    def _ones(self, forward, x):
        """1 for every input, 0 where it is padding that a layer before added; None for 1 everywhere."""
        if not self._padding:
            return None
        padded = forward.values[self._padding[0].inputs[0]]
        return one_sample(tf.cast(self._graph.run_chain(self._padding, tf.ones_like(padded[:1])), x.dtype))

    def _box(self, forward, x, ones, low, high):
        """Bounds of the input; of a first layer's, what the model makes of the bounds of its own input."""
        if not self._is_first:
            ones = one_sample(tf.ones_like(x[:1])) if ones is None else ones
            return box_of(x, low, high, ones)
        part = self._graph.evaluate([(self._normalisation or self._node).inputs[0]])
        of_model = forward.wide(self._graph.inputs)
        corners = []
        for corner in (0, 1):
            bounds = []
            for values in of_model:
                bound = box_of(values, low, high, tf.ones_like(values[:1]))[corner]
                bounds.append(tf.broadcast_to(bound, tf.shape(values)))
            (made,) = part(bounds)
            corners.append(tf.cast(self._graph.run_chain(self._chain, made), x.dtype))
        return tf.minimum(*corners), tf.maximum(*corners)


class ScaleTreatment(Treatment):
    """A layer that multiplies and shifts each value, under a rule.

    Args:
        rule: A `Rule`.
    """

    name = "linear"

    def __init__(self, rule):
        self.rule = rule

    def propagate(self, call, relevances, ledger=None):
        (relevance,), (x,), (output,) = relevances, call.inputs, call.outputs
        factors = scale_and_shift(call.node.operation, len(call.node.shape))
        scale, shift = (tf.cast(factor, x.dtype) for factor in factors)
        linear = LinearCall(_Diagonal(scale, shift), x, output, ignore_bias=self.rule.bias == "ignore")
        return [hand_on(self.rule, linear, relevance, call.copies, ledger)]


class _Diagonal:
    """An elementwise factor as a linear map."""

    def __init__(self, kernel, bias):
        self.kernel, self.bias = kernel, bias

    def run(self, x, kernel):
        return x * kernel


def _padding_before(graph, node):
    """The chain of zero paddings right before a node, in execution order."""
    chain = []
    producer = graph.producer(node.inputs[0])
    while producer is not None and _pads_with_zero(producer.operation):
        chain.insert(0, producer)
        producer = graph.producer(producer.inputs[0])
    return chain


def _pads_with_zero(operation):
    known = what_does(operation)
    return known.positions == "pad" and known.keeps_sign
