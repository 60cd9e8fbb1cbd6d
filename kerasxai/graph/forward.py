"""A forward pass that keeps every value, for methods that walk back node by node."""

import functools

import tensorflow as tf

from kerasxai.graph.linear import activation_of, before_activation
from kerasxai.graph.linear_parts import has_parts
from kerasxai.graph.score import as_float


class Forward:
    """A forward pass that is kept.

    Args:
        graph: A ModelGraph.
        inputs: Flat list of tensors, one per model input.
        overrides: Dict node -> what runs in its place, as the score leaves a final activation out.

    Attributes:
        values: Dict tensor index -> value.
        before: Dict linear node -> what its fused activation was given.
    """

    def __init__(self, graph, inputs, overrides):
        self.before = {}
        fused = [
            node
            for node in graph.nodes
            if has_parts(node.operation) and activation_of(node.operation) and node not in overrides
        ]
        split = {node: functools.partial(self._run_in_two, node) for node in fused}
        self.values = graph.values(inputs, {**split, **overrides})

    def _run_in_two(self, node, *args, **kwargs):
        self.before[node] = before_activation(node.operation)(*args, **kwargs)
        return node.operation.activation(self.before[node])

    def wide(self, tensors, dtype=None):
        """Values of tensors in `dtype`; None: in float32 (float64 stays)."""
        values = [as_float(tf.convert_to_tensor(self.values[tensor])) for tensor in tensors]
        return values if dtype is None else [tf.cast(value, dtype) for value in values]

    def dtype_of(self, node):
        """What a node computes in, at least float32: its layer's type; of an operation, the widest it meets."""
        computed = getattr(node.operation, "compute_dtype", None)
        if computed is not None:
            return tf.float64 if computed == "float64" else tf.float32
        met = [value.dtype for value in self.wide([*node.inputs, *node.outputs])]
        return tf.float64 if tf.float64 in met else tf.float32
