"""Questions about the calls of a model: which follow which, what crosses a cut, what a name stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras

from kerasxai.graph.reading import Node, Reading
from kerasxai.suggestions import did_you_mean

# A node, its path, or the layer or operation that it calls.
NodeLike: TypeAlias = "Node | str | keras.Operation"


class LayerCalls:
    """The layer calls of a model, as a graph that answers questions. It runs nothing.

    Args:
        reading: A `Reading`.

    Attributes:
        nodes: The calls (`Node`) in execution order.
    """

    def __init__(self, reading: Reading) -> None:
        self.nodes: Sequence[Node] = reading.nodes
        self._inputs, self._outputs = reading.inputs, reading.outputs
        self._producer: dict[int, Node] = {}
        for node in self.nodes:
            self._producer.update(dict.fromkeys(node.outputs, node))
        self._calls: dict[str, tuple[Any, Node]] = {node.path: (node.operation, node) for node in self.nodes}
        for path, (nested, tensor) in reading.nested.items():
            if tensor in self._producer:  # a nested model that returns its input makes nothing
                self._calls[path] = (nested, self._producer[tensor])

    def producer(self, tensor: int):
        """The node that makes a tensor, None for a model input."""
        return self._producer.get(tensor)

    def consumers(self, node: Node) -> list[Node]:
        """The nodes that take an output of `node`."""
        return [other for other in self.nodes if set(node.outputs).intersection(other.inputs)]

    @property
    def inputs(self):
        """Indices of the model's input tensors."""
        return list(self._inputs)

    @property
    def outputs(self):
        """Indices of the model's output tensors."""
        return list(self._outputs)

    def output_node(self, output: int = 0):
        """The node that makes the model's output number `output`, None where it is an input itself."""
        return self._producer.get(self._outputs[output])

    def is_output(self, node: Node) -> bool:
        """Whether an output of `node` is an output of the model."""
        return bool(set(node.outputs).intersection(self._outputs))

    def reached_inputs(self, node):
        """Indices of the model inputs that `node` depends on."""
        tensors = set().union(*(maker.inputs for maker in self.makers(node.outputs)))
        return [index for index, tensor in enumerate(self._inputs) if tensor in tensors]

    def ancestors(self, node):
        """The set of nodes that `node` depends on, itself left out."""
        return self.makers(node.inputs)

    def node(self, key: NodeLike, option: str = "layer") -> Node:
        """The node of a path, an unambiguous layer name, a nested model's path (its output), a layer or a node.

        Args:
            key: What stands for it.
            option: The option that was given `key`, for messages.

        Raises:
            ValueError: Nothing or more than one call answers to `key`.
        """
        if isinstance(key, Node):
            return key
        if isinstance(key, str):
            if key in self._calls:
                return self._calls[key][1]
            paths = [path for path in self._calls if path.endswith("/" + key)]
        else:
            paths = [path for path, (operation, _) in self._calls.items() if operation is key]
        if len(paths) == 1:
            return self._calls[paths[0]][1]
        if paths:
            raise ValueError(
                f"`{option}` must name one layer call. Received: {_shown(key)}, which is any of "
                f"{', '.join(paths)}. Give one of these paths."
            )
        hint = did_you_mean(key, self._calls) if isinstance(key, str) else ""
        raise ValueError(
            f"`{option}` must name a layer of the model. Received: {_shown(key)}.{hint} "
            "See kerasxai.layer_table(model)."
        )

    def suffix_nodes(self, cut: NodeLike) -> list[Node]:
        """The nodes that depend on the output of `cut`, in execution order."""
        reached = {self.node(cut).outputs[0]}
        nodes = []
        for node in self.nodes:
            if reached.intersection(node.inputs):
                nodes.append(node)
                reached.update(node.outputs)
        return nodes

    def chain(self, cut):
        """The nodes after `cut` that follow one another, each the only one to take the output of the one before."""
        nodes, last = [], self.node(cut)
        while not self.is_output(last):
            followers = self.consumers(last)
            if len(followers) != 1 or len(followers[0].inputs) != 1:
                break
            last = followers[0]
            nodes.append(last)
        return nodes

    def crossing(self, cut):
        """Tensors besides the output of `cut` that the nodes after it, and the model's outputs, take."""
        cut = self.node(cut)
        nodes = self.suffix_nodes(cut)
        made, wanted = {cut.outputs[0]}, []
        for node in nodes:
            made.update(node.outputs)
            wanted += node.inputs
        return list(dict.fromkeys(tensor for tensor in [*wanted, *self._outputs] if tensor not in made))

    def makers(self, tensors):
        """The set of nodes that `tensors` (indices) depend on."""
        nodes = set()
        wanted = list(tensors)
        while wanted:
            node = self._producer.get(wanted.pop())
            if node is not None and node not in nodes:
                nodes.add(node)
                wanted.extend(node.inputs)
        return nodes


def _shown(key):
    return repr(key) if isinstance(key, str) else f"{type(key).__name__} {getattr(key, 'name', '')}".strip()
