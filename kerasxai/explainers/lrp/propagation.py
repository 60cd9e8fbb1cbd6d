"""The walk: back through a graph node by node, with the relevance in hand."""

import functools

import tensorflow as tf

from kerasxai.explainers.lrp.treatments import Call


class Propagation:
    """Relevance walked back through a graph.

    Args:
        plan: A `Plan`.
        forward: A `Forward` of the same graph.
        copies: How many copies of the batch the relevance holds, one after the other.
        ledger: Where each node's losses are entered, or None.
    """

    def __init__(self, plan, forward, copies=1, ledger=None):
        self.plan, self.forward, self.copies, self.ledger = plan, forward, copies, ledger

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
            arriving = [relevance.get(tensor) for tensor in node.outputs]
            if all(part is None for part in arriving):
                continue
            if self.ledger is not None:
                self.ledger.open(node, arriving)
            handed = self._through(node, arriving)
            if self.ledger is not None:
                self.ledger.close(handed)
            for tensor, part in zip(node.inputs, handed):
                if part is not None:
                    part = tf.cast(part, self.forward.wide([tensor])[0].dtype)
                    relevance[tensor] = part if relevance.get(tensor) is None else relevance[tensor] + part
        return relevance

    def _through(self, node, arriving):
        dtype = self.forward.dtype_of(node)  # layers of one model may compute in different types
        inputs, outputs = self.forward.wide(node.inputs, dtype), self.forward.wide(node.outputs, dtype)
        run = functools.partial(self.plan.graph.call, node)
        call = Call(node, inputs, outputs, run, self.copies, self.forward)
        arriving = [None if relevance is None else tf.cast(relevance, dtype) for relevance in arriving]
        return self.plan.treatment(node).propagate(call, arriving, self.ledger)
