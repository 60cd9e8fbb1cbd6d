"""ModelGraph: a Keras model taken apart into layer calls, run whole or in part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from kerasxai.graph.input_types import accepted_dtypes
from kerasxai.graph.keras_internals import inference_scope, wide
from kerasxai.graph.layer_calls import LayerCalls, NodeLike
from kerasxai.graph.reading import Node, Reading
from kerasxai.graph.view import View

Overrides: TypeAlias = "dict[Node, Callable[..., Any]]"


class ModelGraph(LayerCalls, View):
    """A built Sequential or Functional model as a flat list of layer calls.

    Running the graph gives exactly `model(x, training=False)`, while every intermediate tensor is in reach. The model
    is only read: weights by reference, layers called on real tensors inside an `inference_scope`.

    Args:
        model: A built `keras.Sequential` or functional `keras.Model`, nested to any depth.

    Attributes:
        nodes: The calls (`Node`) in execution order.
        input_shapes, input_names, declared_dtypes: One entry per input, in the model's flat order.
        input_dtypes: The types its inputs are run in: float32 where the model declares whole numbers and turns them
            into real ones at once.
        output_names: One entry per output.

    Raises:
        TypeError: `model` has no graph (subclassed, SavedModel, a function).
        ValueError: It is not built yet, or uses `channels_first` layers.

    Example:

    ```python
    graph = kerasxai.graph.ModelGraph(keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3)))
    outputs, (features,) = graph.run([images], taps=["out_relu"])
    ```
    """

    has_graph = True

    def __init__(self, model: keras.Model) -> None:
        reading = Reading(model)
        super().__init__(reading)
        self.model = model
        self.input_structure, self.output_structure = reading.input_structure, reading.output_structure
        self.input_names, self.output_names = reading.input_names, reading.output_names
        self.input_shapes, self.declared_dtypes = reading.input_shapes, reading.input_dtypes
        self.input_dtypes = accepted_dtypes(self, self.declared_dtypes)

    def run(
        self,
        inputs: Sequence[Any],
        taps: Sequence[NodeLike] = (),
        on_tap: Callable[[tf.Tensor], Any] | None = None,
        overrides: Overrides | None = None,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Runs the model in inference mode.

        Args:
            inputs: Flat list of tensors, one per model input.
            taps: Paths or nodes whose output is wanted too.
            on_tap: Called with each tapped tensor as soon as it exists, e.g. `tape.watch`.
            overrides: Dict node -> callable that runs in the place of the node's layer, with the same arguments.

        Returns:
            Flat list of outputs, list of tapped tensors.
        """
        values = dict(zip(self._inputs, self._cast_inputs(inputs)))
        tapped = [self.node(tap) for tap in taps]
        self._execute(self.nodes, values, set(tapped), on_tap, overrides or {})
        return [values[tensor] for tensor in self._outputs], [values[node.outputs[0]] for node in tapped]

    def prefix(self, cut: NodeLike) -> Callable[..., list[tf.Tensor]]:
        """The model up to the output of `cut`: a function `inputs -> [activation, *crossing tensors]`.

        A layer inside a branch is no cut by itself: the tensors that `suffix(cut)` needs besides follow the activation.
        """
        node = self.node(cut)
        return self.evaluate([node.outputs[0], *self.crossing(node)])

    def evaluate(self, tensors: Sequence[int]) -> Callable[..., list[tf.Tensor]]:
        """The part of the model that makes `tensors` (indices): a function `inputs -> values`."""
        needed = self.makers(tensors)

        def run_part(inputs):
            values = dict(zip(self._inputs, self._cast_inputs(inputs)))
            self._execute([node for node in self.nodes if node in needed], values, (), None, {})
            return [values[tensor] for tensor in tensors]

        return run_part

    def values(self, inputs: Sequence[Any], overrides: Overrides | None = None) -> dict[int, tf.Tensor]:
        """Runs the model and keeps everything: a dict tensor index -> value."""
        values = dict(zip(self._inputs, self._cast_inputs(inputs)))
        self._execute(self.nodes, values, (), None, overrides or {})
        return values

    def call(self, node: Node, tensors: Sequence[tf.Tensor], call: Callable[..., Any] | None = None) -> list[tf.Tensor]:
        """Runs one node on tensors of one's own, in float32 where its layer computes in less.

        Args:
            node: A `Node`.
            tensors: Its inputs.
            call: What runs in the place of the node's layer, with the same arguments.

        Returns:
            Flat list of its outputs.
        """
        values = dict(zip(node.inputs, tensors))
        self._execute([node], values, (), None, {node: wide(call or node.operation)})
        return [values[tensor] for tensor in node.outputs]

    def suffix(self, cut: NodeLike) -> Callable[..., list[tf.Tensor]]:
        """The model after `cut`: a function `([activation, *crossing tensors], overrides=None) -> outputs`."""
        node = self.node(cut)
        taken = [node.outputs[0], *self.crossing(node)]
        nodes = self.suffix_nodes(node)

        def run_suffix(tensors, overrides=None):
            values = dict(zip(taken, tensors))
            self._execute(nodes, values, (), None, overrides or {})
            return [values[tensor] for tensor in self._outputs]

        return run_suffix

    def run_chain(self, nodes, tensor):
        """Runs nodes of a `chain`, the first on `tensor`, each on the output of the one before."""
        values = {nodes[0].inputs[0]: tensor} if nodes else {}
        self._execute(nodes, values, (), None, {})
        return values[nodes[-1].outputs[0]] if nodes else tensor

    def _cast_inputs(self, inputs):
        return [_cast(tf.convert_to_tensor(values), dtype) for values, dtype in zip(inputs, self.input_dtypes)]

    def _execute(self, nodes, values, taps, on_tap, overrides):
        with inference_scope():
            for node in nodes:
                args, kwargs = node.arguments([values[tensor] for tensor in node.inputs])
                outputs = (overrides.get(node) or node.operation)(*args, **kwargs)
                if on_tap is not None and node in taps:
                    on_tap(keras.tree.flatten(outputs)[0])
                values.update(zip(node.outputs, keras.tree.flatten(outputs)))


def _cast(tensor, dtype):
    """A tensor in the type of an input; what a method put between whole numbers is rounded, not cut off."""
    dtype = tf.as_dtype(dtype)
    if tensor.dtype.is_floating and dtype.is_integer:
        return tf.saturate_cast(tf.round(tensor), dtype)
    return tf.cast(tensor, dtype)
