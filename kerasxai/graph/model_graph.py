"""ModelGraph: the layer calls of a Keras model in execution order, nested models inlined.

What the calls mean for an explanation is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from kerasxai.graph.input_types import accepted_dtypes
from kerasxai.graph.keras_internals import (
    calls_of,
    cast_call,
    filled_in,
    function_of,
    inference_scope,
    structures_of,
    wide,
)
from kerasxai.graph.view import View
from kerasxai.suggestions import did_you_mean

# A node, its path, or the layer or operation that it calls.
NodeLike: TypeAlias = "Node | str | keras.Operation"
Overrides: TypeAlias = "dict[Node, Callable[..., Any]]"


class Node:
    """One call of a layer or operation.

    Attributes:
        path: Its name, with the names of the nested models it lives in: `"mobilenetv2_1.00_96/out_relu"`;
            the second call of a layer `s` is `"s#2"`.
        operation: The Keras layer or operation called; the user's own object.
        inputs: Indices of the tensors it takes, in the order of its arguments.
        outputs: Indices of the tensors it makes.
        shapes: Symbolic shape of each output.
        shape, dtype: That of its first output, `(None, *spatial, channels)`, and its type.
    """

    def __init__(
        self,
        path: str,
        operation: Any,
        arguments: Any,
        symbolic_outputs: list[Any],
        inputs: Iterable[int],
        outputs: Iterable[int],
    ) -> None:
        self.path = path
        self.operation = operation
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.shapes = [_with_free_batch(symbol.shape) for symbol in symbolic_outputs]
        self.shape = self.shapes[0]
        self.dtype = symbolic_outputs[0].dtype
        self._arguments = arguments

    @property
    def kind(self) -> str:
        """Class name of the layer or operation."""
        return type(self.operation).__name__

    def arguments(self, tensors):
        """Positional and keyword arguments of the call, `tensors` standing for its inputs in order."""
        return filled_in(self.operation, self._arguments, tensors)

    def __repr__(self):
        return f"<Node {self.path} ({self.kind}) {self.shape}>"


class ModelGraph(View):
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
        function = function_of(model)
        if function is None:
            raise TypeError(_no_graph_message(model))
        self.model = model
        self.nodes: list[Node] = []
        self.input_structure, self.output_structure = structures_of(function)
        self.input_names = _names(self.input_structure, [symbol.name for symbol in function.inputs])
        self.input_shapes = [_with_free_batch(symbol.shape) for symbol in function.inputs]
        self.declared_dtypes = [symbol.dtype for symbol in function.inputs]
        self.output_names = _names(self.output_structure, function.output_names)
        self._tensor_count = 0
        self._nested: dict[str, tuple[Any, int]] = {}  # path of a nested model -> (model, the tensor it returns first)
        self._inputs = self._new_tensors(len(function.inputs))
        self._outputs = self._inline(function, self._inputs, prefix="")
        self._producer = {tensor: node for node in self.nodes for tensor in node.outputs}
        self._calls = {node.path: (node.operation, node) for node in self.nodes}
        for path, (nested, tensor) in self._nested.items():
            if tensor in self._producer:
                self._calls[path] = (nested, self._producer[tensor])
        self._refuse_channels_first()
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
        needed = self._ancestors(tensors)

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
        given = [node.outputs[0], *self.crossing(node)]
        nodes = self.suffix_nodes(node)

        def run_suffix(tensors, overrides=None):
            values = dict(zip(given, tensors))
            self._execute(nodes, values, (), None, overrides or {})
            return [values[tensor] for tensor in self._outputs]

        return run_suffix

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

    def run_chain(self, nodes, tensor):
        """Runs nodes of a `chain`, the first on `tensor`, each on the output of the one before."""
        values = {nodes[0].inputs[0]: tensor} if nodes else {}
        self._execute(nodes, values, (), None, {})
        return values[nodes[-1].outputs[0]] if nodes else tensor

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
        tensors = {tensor for ancestor in self._ancestors(node.outputs) for tensor in ancestor.inputs}
        return [index for index, tensor in enumerate(self._inputs) if tensor in tensors]

    def ancestors(self, node):
        """The set of nodes that `node` depends on, itself left out."""
        return self._ancestors(node.inputs)

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
            found = [path for path in self._calls if path.endswith("/" + key)]
        else:
            found = [path for path, (operation, _) in self._calls.items() if operation is key]
        if len(found) == 1:
            return self._calls[found[0]][1]
        if found:
            raise ValueError(
                f"`{option}` must name one layer call. Received: {_shown(key)}, which is any of "
                f"{', '.join(found)}. Give one of these paths."
            )
        hint = did_you_mean(key, self._calls) if isinstance(key, str) else ""
        raise ValueError(
            f"`{option}` must name a layer of the model. Received: {_shown(key)}.{hint} "
            "See kerasxai.layer_table(model)."
        )

    def _inline(self, function, inputs, prefix):
        """Appends the nodes of a functional model called on the tensors `inputs`; returns its output tensors."""
        tensor_of = {id(symbol): tensor for symbol, tensor in zip(function.inputs, inputs)}
        calls = {}
        for keras_node in calls_of(function):
            operation = keras_node.operation
            calls[operation] = calls.get(operation, 0) + 1
            path = prefix + operation.name + (f"#{calls[operation]}" if calls[operation] > 1 else "")
            taken = [tensor_of[id(symbol)] for symbol in keras_node.input_tensors]
            nested = function_of(operation)
            entry = _nested_entry(nested, keras_node) if nested is not None else None
            if entry is None or any(id(symbol) not in tensor_of for symbol in entry):
                made = self._new_tensors(len(keras_node.outputs))
                self.nodes.append(
                    Node(path, operation, keras_node.arguments, keras_node.outputs, taken, made),
                )
            else:
                given = [
                    self._enter(path, tensor_of[id(symbol)], symbol, inner)
                    for symbol, inner in zip(entry, nested.inputs)
                ]
                made = self._inline(nested, given, prefix=path + "/")
                self._nested[path] = (operation, made[0])
            tensor_of.update((id(symbol), tensor) for symbol, tensor in zip(keras_node.outputs, made))
        return [tensor_of[id(symbol)] for symbol in function.outputs]

    def _enter(self, path, tensor, outer, inner):
        if outer.dtype == inner.dtype:
            return tensor
        made = self._new_tensors(1)
        cast, arguments = cast_call(outer, inner.dtype, inner.name)
        self.nodes.append(Node(f"{path}/{inner.name}", cast, arguments, [inner], [tensor], made))
        return made[0]

    def _new_tensors(self, count):
        self._tensor_count += count
        return list(range(self._tensor_count - count, self._tensor_count))

    def _cast_inputs(self, inputs):
        return [
            _cast(tf.convert_to_tensor(tensor), tf.as_dtype(dtype)) for tensor, dtype in zip(inputs, self.input_dtypes)
        ]

    def _execute(self, nodes, values, taps, on_tap, overrides):
        with inference_scope():
            for node in nodes:
                args, kwargs = node.arguments([values[tensor] for tensor in node.inputs])
                outputs = (overrides.get(node) or node.operation)(*args, **kwargs)
                if on_tap is not None and node in taps:
                    on_tap(keras.tree.flatten(outputs)[0])
                values.update(zip(node.outputs, keras.tree.flatten(outputs)))

    def crossing(self, cut):
        """Tensors besides the output of `cut` that the nodes after it, and the model's outputs, take."""
        cut = self.node(cut)
        nodes = self.suffix_nodes(cut)
        made = {tensor for node in nodes for tensor in node.outputs} | {cut.outputs[0]}
        wanted = [tensor for node in nodes for tensor in node.inputs] + self._outputs
        return list(dict.fromkeys(tensor for tensor in wanted if tensor not in made))

    def _ancestors(self, tensors):
        found = set()
        wanted = list(tensors)
        while wanted:
            node = self._producer.get(wanted.pop())
            if node is not None and node not in found:
                found.add(node)
                wanted.extend(node.inputs)
        return found

    def _refuse_channels_first(self):
        for node in self.nodes:
            if getattr(node.operation, "data_format", None) == "channels_first":
                raise ValueError(
                    f"The model must be channels_last. Received: layer {node.path} with "
                    "data_format='channels_first'. Rebuild the model with data_format='channels_last' and copy the "
                    "weights: convolution kernels have the same shape in both."
                )


def _nested_entry(nested, keras_node):
    """What a nested model was called on, in its flat order; None where the call does more than pass it on."""
    args, kwargs = keras_node.arguments.args, dict(keras_node.arguments.kwargs)
    kwargs.pop("training", None)
    if len(args) != 1 or any(value is not None for value in keras.tree.flatten(kwargs)):
        return None
    given = args[0]
    if isinstance(given, dict) and not isinstance(structures_of(nested)[0], dict):
        given = [given.get(symbol.name) for symbol in nested.inputs]
    given = keras.tree.flatten(given)
    same_rank = len(given) == len(nested.inputs) and all(
        symbol is not None and len(symbol.shape) == len(inner.shape) for symbol, inner in zip(given, nested.inputs)
    )
    return given if same_rank else None


def _names(structure, names):
    """Names of a model's inputs or outputs, in their flat order: the keys of a dict, else what Keras calls them."""
    return sorted(structure) if isinstance(structure, dict) else list(names)


def _cast(tensor, dtype):
    """A tensor in the type of an input; what a method put between whole numbers is rounded, not cut off."""
    if tensor.dtype.is_floating and dtype.is_integer:
        return tf.saturate_cast(tf.round(tensor), dtype)
    return tf.cast(tensor, dtype)


def _with_free_batch(shape):
    """A symbolic shape; a Sequential that was built by a call keeps the batch size of that call."""
    return (None, *shape[1:])


def _no_graph_message(model):
    if (isinstance(model, keras.Model) and not model.built) or isinstance(model, keras.Sequential):
        return (
            f"`model` must be built. Received: {model!r}, whose layers have no shapes yet. "
            "Add a keras.Input, call it once on data, or call model.build(input_shape)."
        )
    others = "gradients or scores only (gradient, integrated_gradients, grad_cam with `layer=`)"
    if not isinstance(model, keras.Layer):
        others = "scores only (occlusion, rise, lime, kernel_shap)"
    return (
        f"`model` must be a Sequential or functional keras.Model here. Received: {type(model).__name__}, which has no "
        f"graph of layers to walk. Use a method that needs {others}, or rebuild the model functionally: "
        "keras.Model(inputs, outputs)."
    )


def _shown(key):
    return repr(key) if isinstance(key, str) else f"{type(key).__name__} {getattr(key, 'name', '')}".strip()
