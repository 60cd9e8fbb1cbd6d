"""Reading a Keras model: its layer calls in execution order, nested models inlined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kerasxai.graph.keras_internals import calls_of, cast_call, filled_in, function_of, structures_of


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


class Reading:
    """The calls of a Sequential or functional model.

    Args:
        model: See `ModelGraph`.

    Attributes:
        nodes: The calls (`Node`) in execution order.
        inputs, outputs: Indices of the model's input and output tensors, in its flat order.
        nested: Dict path of a nested model -> (the model, the tensor it returns first).
        input_names, input_shapes, input_dtypes, output_names: One entry per input, or output.
        input_structure, output_structure: How the model packs them.
    """

    def __init__(self, model: Any) -> None:
        function = function_of(model)
        if function is None:
            raise TypeError(_no_graph_message(model))
        self.nodes: list[Node] = []
        self.nested: dict[str, tuple[Any, int]] = {}
        self.input_structure, self.output_structure = structures_of(function)
        self.input_names = _names(self.input_structure, [symbol.name for symbol in function.inputs])
        self.input_shapes = [_with_free_batch(symbol.shape) for symbol in function.inputs]
        self.input_dtypes = [symbol.dtype for symbol in function.inputs]
        self.output_names = _names(self.output_structure, function.output_names)
        self._tensor_count = 0
        self.inputs = self._new_tensors(len(function.inputs))
        self.outputs = self._inline(function, self.inputs, prefix="")
        self._refuse_channels_first()

    def _inline(self, function, inputs, prefix):
        """Appends the nodes of a functional model called on the tensors `inputs`; returns its output tensors."""
        tensor_of = {id(symbol): tensor for symbol, tensor in zip(function.inputs, inputs)}
        calls = {}
        for keras_node in calls_of(function):
            operation = keras_node.operation
            calls[operation] = calls.get(operation, 0) + 1
            path = prefix + operation.name
            if calls[operation] > 1:
                path += f"#{calls[operation]}"
            taken = [tensor_of[id(symbol)] for symbol in keras_node.input_tensors]
            nested = function_of(operation)
            entry = None if nested is None else _nested_entry(nested, keras_node)
            if entry is None or any(id(symbol) not in tensor_of for symbol in entry):
                made = self._new_tensors(len(keras_node.outputs))
                self.nodes.append(Node(path, operation, keras_node.arguments, keras_node.outputs, taken, made))
            else:
                pairs = zip(entry, nested.inputs)
                entered = [self._enter(path, tensor_of[id(symbol)], symbol, inner) for symbol, inner in pairs]
                made = self._inline(nested, entered, prefix=path + "/")
                self.nested[path] = (operation, made[0])
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
    entry = args[0]
    if isinstance(entry, dict) and not isinstance(structures_of(nested)[0], dict):
        entry = [entry.get(symbol.name) for symbol in nested.inputs]
    entry = keras.tree.flatten(entry)
    if len(entry) != len(nested.inputs):
        return None
    # Where the ranks differ, Keras adds or drops an axis, which a mere passing on would miss.
    same_rank = all(
        symbol is not None and len(symbol.shape) == len(inner.shape) for symbol, inner in zip(entry, nested.inputs)
    )
    return entry if same_rank else None


def _names(structure, names):
    """Names of a model's inputs or outputs, in their flat order: the keys of a dict, else what Keras calls them."""
    return sorted(structure) if isinstance(structure, dict) else list(names)


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
