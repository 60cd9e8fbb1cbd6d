"""Heads: what a model's outputs end in, and where their logits are. How they are scored is in `score`."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kerasxai.graph.keras_internals import carried_logits
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import SIGMOID, SOFTMAX, activation_of, before_activation
from kerasxai.graph.opaque_model import looks_like_probabilities
from kerasxai.graph.operations import is_linear, keeps_order

# Heads that are a call of their own.
_HEADS = {"Softmax": "softmax", "ops.Softmax": "softmax", "ops.Sigmoid": "sigmoid"}


@dataclass(frozen=True)
class Head:
    """What one output ends in.

    Attributes:
        kind: `"softmax"` or `"sigmoid"`, whose logits are in reach; `"distribution"`: rows that sum to 1, whose logits
            are not; `"linear"`: no activation, or values beyond 0 ... 1; `"bounded"`: values in 0 ... 1 as far as seen;
            `"unknown"` before anything is seen.
        node: The graph's node that makes it; None where there is no graph.
        tensor: Index of the tensor that node makes it in.
        logits: What runs in the node's place and returns the logits; None where that is not needed or not possible.
        is_left_out: Whether all that `logits` leaves out is a known activation, so that it is as linear as the layer.
    """

    kind: str
    node: Any = None
    tensor: int | None = None
    logits: Callable | None = None
    is_left_out: bool = False


class Heads:
    """The heads of a model's outputs.

    A head whose operation is unknown (a wrapper, a layer of the user's, a model without a graph) is looked at once, on
    real data: Keras' own softmax and sigmoid leave their logits on what they return.

    Args:
        model: A ModelGraph or OpaqueModel.
    """

    def __init__(self, model):
        self.model = model
        self.said = set()  # what the user was told, which is said once
        self._structure = self._all = self._units = None
        if model.has_graph:
            self._all = [_declared(model, tensor) for tensor in model.outputs]

    def __getitem__(self, output):
        return self._all[output]

    def __iter__(self):
        return iter(self._all)

    @property
    def is_ready(self):
        """Whether every head is known; if not, `inspect` must see the model's outputs once."""
        return self._all is not None and all(head.kind != "unknown" for head in self._all)

    def inspect(self, inputs, structure=None):
        """Finds out what is unknown from one run on real data.

        Args:
            inputs: Flat list of tensors.
            structure: How the model takes them.
        """
        self._structure = structure
        if self._all is None:
            outputs, _ = self.run(inputs)
            self._all = [Head(_seen(output)) for output in outputs]
            return
        for output, head in enumerate(self._all):
            if head.kind == "unknown":
                made = self.model.evaluate([head.tensor, self.model.outputs[output]])(inputs)
                self._all[output] = _looked_at(head, *made)

    def units(self, output):
        """Number of units of an output, None where it has no axis of them, or is not known yet."""
        if self.model.has_graph:
            node = self.model.output_node(output)
            return node.shape[-1] if node is not None and len(node.shape) > 1 else None
        return None if self._units is None else self._units[output]

    def run(self, inputs, taps=(), on_tap=None, overrides=None):
        """Runs the model, see `ModelGraph.run`."""
        if self.model.has_graph:
            return self.model.run(inputs, taps, on_tap, overrides)
        outputs, tapped = self.model.run(inputs, taps, on_tap, overrides, structure=self._structure)
        self._units = [tensor.shape[-1] if tensor.shape.rank > 1 else 1 for tensor in outputs]
        return outputs, tapped


def _declared(graph, tensor):
    """The head a graph declares for an output."""
    node = graph.producer(tensor)
    while node is not None and keeps_order(node.operation):  # the softmax before it is still the model's head
        tensor = node.inputs[0]
        node = graph.producer(tensor)
    if node is None:
        return Head("linear")
    kind, call = _final_activation(node.operation)
    if kind is not None:
        return Head(kind, node, tensor, call, is_left_out=True)
    if is_linear(node.operation) and activation_of(node.operation) is None:
        return Head("linear", node, tensor)
    return Head("unknown", node, tensor)


def _final_activation(operation):
    """Name of a final softmax or sigmoid and what runs in the layer's place for the logit."""
    activation = activation_of(operation)
    if activation in SOFTMAX or activation in SIGMOID:
        return "softmax" if activation in SOFTMAX else "sigmoid", before_activation(operation)
    return _HEADS.get(kind_of(operation)), lambda inputs, **_: inputs


def _looked_at(head, value, output):
    """An unknown head of a graph once its node has run: its own value, and the model's output."""
    if carried_logits(value) is None:
        return Head(_seen(output), head.node, head.tensor)
    logits = functools.partial(_run_for_logits, head.node, head.node.outputs.index(head.tensor))
    return Head(_seen(value), head.node, head.tensor, logits)


def _run_for_logits(node, index, *args, **kwargs):
    """Runs a node whose output number `index` carries its logits, and returns those in its place."""
    made = keras.tree.flatten(node.operation(*args, **kwargs))
    made[index] = carried_logits(made[index])
    return made


def _seen(output):
    """The kind of head that an output shows."""
    is_distribution = looks_like_probabilities(output)
    if carried_logits(output) is not None:
        return "softmax" if is_distribution else "sigmoid"
    if is_distribution:
        return "distribution"
    return "bounded" if bool(tf.reduce_all((output >= 0) & (output <= 1))) else "linear"
