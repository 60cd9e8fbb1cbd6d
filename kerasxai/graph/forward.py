"""A forward pass that keeps every value, for methods that walk back node by node."""

import functools

import tensorflow as tf

from kerasxai.graph.keras_internals import wide
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import activation_of, before_activation
from kerasxai.graph.operations import is_linear
from kerasxai.precision import as_float


class Forward:
    """A forward pass that is kept, in float32 where the model computes in less.

    A walk back divides by sums of what was put into them; the rounded output of a layer of half precision is not their
    sum, and near 0 may be any multiple of it.

    Args:
        graph: A ModelGraph.
        inputs: Flat list of tensors, one per model input.
        overrides: Dict node -> what runs in its place, as the score leaves a final activation out.

    Attributes:
        values: Dict tensor index -> value.
        before: Dict linear node -> what its fused activation was given.
        is_wider: Whether anything was computed in float32 that the model computes in less.
    """

    def __init__(self, graph, inputs, overrides):
        self.before = {}
        fused = [
            node
            for node in graph.nodes
            if is_linear(node.operation) and activation_of(node.operation) and node not in overrides
        ]
        split = {node: functools.partial(self._run_in_two, node) for node in fused}
        wider = {node: _in_float32(node) for node in graph.nodes if _rounds(node)}
        self.is_wider = bool(wider)
        overrides = {node: wide(call) for node, call in overrides.items()}
        self.values = graph.values(inputs, {**wider, **split, **overrides})

    def _run_in_two(self, node, *args, **kwargs):
        self.before[node] = wide(before_activation(node.operation))(*args, **kwargs)
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


def _rounds(node):
    """Whether a node makes values of half precision."""
    return node.dtype in ("float16", "bfloat16")


def _in_float32(node):
    """What runs in the place of a node of half precision."""
    return as_float if kind_of(node.operation) == "ops.Cast" else wide(node.operation)
