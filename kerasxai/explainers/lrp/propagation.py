"""The walk: forward through the graph keeping every value, then back node by node with the relevance in hand."""

import functools

import tensorflow as tf

from kerasxai.explainers.lrp.engine import Linear, box_of, hand_on, one_sample
from kerasxai.explainers.lrp.operations import Call
from kerasxai.graph.batch_norm import fold_parts, scale_and_shift
from kerasxai.graph.linear_parts import linear_parts


class Propagation:
    """Relevance walked back through a graph.

    Args:
        plan: A `Plan`.
        forward: A `Forward` of the same graph.
        inputs: The model's inputs, a flat list.
        copies: How many copies of the batch the relevance holds, one after the other.
        ledger: Where each node's losses are entered, or None.
    """

    def __init__(self, plan, forward, inputs, copies=1, ledger=None):
        self.plan, self.graph, self.forward = plan, plan.graph, forward
        self.inputs, self.copies, self.ledger = inputs, copies, ledger

    def back(self, start, until=()):
        """Walks back.

        Args:
            start: Dict tensor index -> relevance to start with, `(copies * batch, ...)`.
            until: Nodes at whose outputs the walk may end; none: it goes on to the inputs.

        Returns:
            Dict tensor index -> relevance, of every tensor that has any.
        """
        relevance = dict(start)
        for node in reversed(self.plan.nodes_after(until)):
            given = [relevance.get(tensor) for tensor in node.outputs]
            if all(one is None for one in given):
                continue
            if self.ledger is not None:
                self.ledger.open(node, given)
            handed = self._through(node, given)
            if self.ledger is not None:
                self.ledger.close(handed)
            for tensor, one in zip(node.inputs, handed):
                if one is not None:
                    one = tf.cast(one, self.forward.wide([tensor])[0].dtype)
                    relevance[tensor] = one if relevance.get(tensor) is None else relevance[tensor] + one
        return relevance

    def _through(self, node, given):
        step = self.plan.step(node)
        dtype = self.forward.dtype_of(node)  # layers of one model may compute in different types
        given = [None if relevance is None else tf.cast(relevance, dtype) for relevance in given]
        if step.rule is None:
            inputs, outputs = self.forward.wide(node.inputs, dtype), self.forward.wide(node.outputs, dtype)
            call = Call(node, inputs, outputs, functools.partial(self.graph.call, node), self.copies)
            return step.treatment.propagate(call, given, self.ledger)
        if node in self.plan.linear:
            return [self._through_linear(node, step.rule, given[0])]
        return [self._through_affine(node, step.rule, given[0])]

    def _through_linear(self, node, rule, relevance):
        x, output = self._ends(node, relevance.dtype)
        parts = linear_parts(node.operation)
        fold_parts(parts, self.graph, self.plan.folds, node, x)
        non_negative = self._is_non_negative(node)
        layers = []
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            layers.append(
                Linear(
                    part,
                    x,
                    output=output if is_last else None,
                    non_negative=non_negative and index == 0,
                    ones=self._ones(node, x) if index == 0 else None,
                    box=functools.partial(self._box, node, x) if index == 0 else None,
                    ignore_bias=rule.bias == "ignore",
                )
            )
            x = x if is_last else layers[-1].output
        for layer in reversed(layers):
            relevance = hand_on(rule, layer, relevance, self.copies, self.ledger)
        return relevance

    def _through_affine(self, node, rule, relevance):
        (x,), (output,) = (self.forward.wide(ends, relevance.dtype) for ends in (node.inputs, node.outputs))
        scale, shift = (tf.cast(one, x.dtype) for one in scale_and_shift(node.operation, len(node.shape)))
        layer = Linear(_Diagonal(scale, shift), x, output, ignore_bias=rule.bias == "ignore")
        return hand_on(rule, layer, relevance, self.copies, self.ledger)

    def _ends(self, node, dtype):
        """What a linear layer with its folded normalisations takes and makes, the activation left out."""
        folds = self.plan.folds
        (x,) = self.forward.wide(node.inputs, dtype)
        if node in folds.before:
            (x,) = self.forward.wide(folds.before[node].inputs)
            x = tf.cast(self.graph.run_chain(folds.chains[node], x), dtype)
        if node in self.forward.before:
            output = self.forward.before[node]
        else:
            output = self.forward.values[folds.after.get(node, node).outputs[0]]
        return x, tf.cast(output, dtype)

    def _is_non_negative(self, node):
        tensor = self.plan.folds.before.get(node, node).inputs[0]
        return tensor in self.plan.non_negative

    def _ones(self, node, x):
        """1 for every input of a node, 0 where it is padding that a layer before it added; None for 1 everywhere."""
        chain = self.plan.padding_before(node)
        if not chain:
            return None
        padded = self.forward.values[chain[0].inputs[0]]
        return one_sample(tf.cast(self.graph.run_chain(chain, tf.ones_like(padded[:1])), x.dtype))

    def _box(self, node, x, low, high):
        """Bounds of a node's input; of a first layer's, what the model makes of the bounds of its own input."""
        if node not in self.plan.first:
            ones = self._ones(node, x)
            return box_of(x, low, high, one_sample(tf.ones_like(x[:1])) if ones is None else ones)
        folds = self.plan.folds
        tensor, chain = folds.before.get(node, node).inputs[0], folds.chains.get(node, [])
        part = self.graph.evaluate([tensor])
        corners = []
        for corner in (0, 1):
            bounds = [
                box_of(one, low, high, tf.ones_like(one[:1]))[corner] for one in self.forward.wide(self.graph.inputs)
            ]
            (made,) = part([tf.broadcast_to(b, tf.shape(x)) for b, x in zip(bounds, self.inputs)])
            corners.append(tf.cast(self.graph.run_chain(chain, made), x.dtype))
        return tf.minimum(*corners), tf.maximum(*corners)


class _Diagonal:
    """An elementwise factor as a linear map."""

    def __init__(self, kernel, bias):
        self.kernel, self.bias = kernel, bias

    def run(self, x, kernel):
        return x * kernel
