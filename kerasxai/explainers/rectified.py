"""Guided Backpropagation and DeconvNet: another backward pass through every ReLU of the graph."""

from __future__ import annotations

import abc
import functools
import warnings

import keras
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.gradient import GradientExplainer
from kerasxai.explainers.registry import register
from kerasxai.graph.keras_internals import parts_of
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import activation_of, before_activation
from kerasxai.graph.moves import is_builtin
from kerasxai.graph.operations import is_linear, what_does
from kerasxai.typing import Model

_TRACED_RECTIFIERS = {"Relu", "Relu6"}
_PERHAPS_RECTIFIERS = {"Maximum", "ClipByValue", "SelectV2", "Select"}  # as max(x, 0) and where(x > 0, x, 0) are traced


class RectifiedExplainer(GradientExplainer):
    """Base of the methods that change the backward pass of the ReLUs.

    Every ReLU is reached: fused `activation="relu"`, `ReLU` layers (`max_value` too), `Activation("relu")`, relu
    operations, nested models. A model without any warns that the result is the plain gradient; a layer that hides
    ReLUs inside it is an error, one of the user's own that perhaps computes one by hand is warned of.
    """

    reduce = "abs_sum"
    needs_graph = True

    def __init__(self, model: Model, **kwargs: Unpack[ExplainerOptions]) -> None:
        super().__init__(model, **kwargs)
        rectifiers = [node for node in self.graph.nodes if is_rectifier(node.operation)]
        for node in self.graph.nodes:
            _refuse_hidden_rectifiers(self.graph, node)
        if not rectifiers:
            warnings.warn(
                f"{getattr(model, 'name', 'The model')} has no ReLU, so {self.name} is the plain gradient here.",
                stacklevel=2,
            )
        self._overrides = {node: self.rectify(node.operation) for node in rectifiers}

    def attribute(self, inputs, target):
        return self.gradients(inputs, target, overrides=self._overrides)

    @abc.abstractmethod
    def rectify(self, operation):
        """A callable that computes what `operation` does, with this method's backward pass."""


@register("guided_backprop")
class GuidedBackprop(RectifiedExplainer):
    """Guided Backpropagation: a ReLU passes back only positive gradients of units that were active.

    Signed `(samples, *input_shape)`.

    Reference:
        Springenberg et al., 2015, https://arxiv.org/abs/1412.6806
    """

    def rectify(self, operation):
        # The native mask of the activation stays in its own backward pass; this adds the other half.
        return lambda *args, **kwargs: _pass_positive_gradients(operation(*args, **kwargs))


@register("deconvnet")
class DeconvNet(RectifiedExplainer):
    """DeconvNet: a ReLU passes back every positive gradient, whether the unit was active or not.

    Signed `(samples, *input_shape)`.

    Reference:
        Zeiler & Fergus, 2014, https://arxiv.org/abs/1311.2901
    """

    def rectify(self, operation):
        if is_linear(operation):
            linear, activation = before_activation(operation), operation.activation
            return lambda *args, **kwargs: _with_positive_gradients(activation)(linear(*args, **kwargs))
        return lambda x, **kwargs: _with_positive_gradients(lambda value: operation(value, **kwargs))(x)


def is_rectifier(operation):
    """Whether a layer, operation or activation function ends with a ReLU, a capped one too; leaky ones are none."""
    return "rectify" in (what_does(operation).does, what_does(activation_of(operation)).does)


@tf.custom_gradient
def _pass_positive_gradients(x):
    return tf.identity(x), tf.nn.relu


def _with_positive_gradients(activation):
    @tf.custom_gradient
    def rectified(x):
        return activation(x), tf.nn.relu

    return rectified


def _refuse_hidden_rectifiers(graph, node):
    if not isinstance(node.operation, keras.Layer) or is_rectifier(node.operation):
        return
    for layer in parts_of(node.operation):
        # A recurrent cell has an activation; a subclass of ReLU whose values are its own is no rectifier itself.
        is_hidden = isinstance(layer, keras.layers.ReLU) and kind_of(layer) is None
        if is_hidden or is_rectifier(layer) or is_rectifier(getattr(layer, "activation", None)):
            raise ValueError(_hidden(node, layer.name))
    if is_builtin(node.operation):
        return
    traced = _traced_operations(graph, node)
    if _TRACED_RECTIFIERS & traced:
        raise ValueError(_hidden(node, "tf.nn.relu"))
    if _PERHAPS_RECTIFIERS & traced and what_does(node.operation).does == "unknown":
        warnings.warn(
            f"Layer {node.path} ({node.kind}) may compute a ReLU by hand ({', '.join(_PERHAPS_RECTIFIERS & traced)}); "
            f'its backward pass is left as it is. If it is one: kerasxai.register_operation({node.kind}, "rectify"); '
            'if not, say what it does, "function" or "maximum" for instance.',
            stacklevel=4,
        )


def _hidden(node, name):
    return (
        f"Layer {node.path} ({node.kind}) holds a ReLU ({name}) inside its own `call`, where its backward pass cannot "
        "be changed. Build that part with the functional API, or use gradient_x_input or integrated_gradients."
    )


def _traced_operations(graph, node):
    """Types of the TensorFlow operations that a layer runs, as far as it can be traced."""

    @functools.partial(tf.function, autograph=False)
    def run(*tensors):
        return graph.call(node, tensors)

    symbols = dict(zip(graph.inputs, zip(graph.input_shapes, graph.input_dtypes)))
    for before in graph.nodes:
        symbols.update((tensor, (shape, before.dtype)) for tensor, shape in zip(before.outputs, before.shapes))
    try:
        signature = [tf.TensorSpec(*symbols[tensor]) for tensor in node.inputs]
        traced = run.get_concrete_function(*signature).graph.as_graph_def()
    except Exception:  # what cannot be traced cannot be compiled either: it is refused when it runs
        return set()
    steps = list(traced.node)
    for function in traced.library.function:
        steps += function.node_def
    return {step.op for step in steps}
