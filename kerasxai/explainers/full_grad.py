"""FullGrad: the gradient at the input and that of every bias, in one map."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.base import Explainer, ExplainerOptions
from kerasxai.explainers.gradient import real_inputs
from kerasxai.explainers.registry import register
from kerasxai.graph.keras_internals import inference_scope
from kerasxai.graph.linear import activation_of, before_activation, bias_of
from kerasxai.graph.operations import is_linear, what_does
from kerasxai.graph.placement import placements
from kerasxai.precision import as_float
from kerasxai.typing import Labels, Model, Samples, TargetLike


@register("full_grad")
class FullGrad(Explainer):
    """FullGrad: the input's gradient x input and every layer's bias x gradient, each as a min-max scaled map, summed.

    Implicit biases of normalisation layers are included; layers whose biases are out of reach (a `call` of the user's
    own, recurrent and attention layers) are left out with a warning. Not negative, `(samples, *spatial)`.

    Args:
        model: A built Sequential or functional Keras model with one input.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Srinivas & Fleuret, 2019, https://arxiv.org/abs/1905.00780
    """

    family = "gradient"
    passes = "F + B"
    signed = False
    needs_graph = True

    def __init__(self, model: Model, **kwargs: Unpack[ExplainerOptions]) -> None:
        super().__init__(model, **kwargs)
        if len(self.graph.input_names) > 1 or len(self.graph.input_shapes[0]) < 3:
            raise ValueError(
                "FullGrad needs a model with one input of shape (samples, *spatial, channels). Received: "
                f"{', '.join(f'{n} {s}' for n, s in zip(self.graph.input_names, self.graph.input_shapes))}."
            )
        closed = [node.path for node in self.graph.nodes if _may_hide_a_bias(node.operation)]
        if closed:
            warnings.warn(
                f"FullGrad leaves out the biases of {', '.join(closed)}, which it cannot tell from the other weights "
                "there. The shares left out are in completeness_residual(x).",
                stacklevel=2,
            )

    def explain_batch(self, inputs, target):
        _, (input_term,), bias_terms = self.full_gradient(inputs, target)
        total = spatial.min_max(tf.reduce_sum(tf.abs(input_term), axis=-1))
        on_positions = [(path, term) for path, term in bias_terms if term.shape.rank == input_term.shape.rank]
        placed = placements(self.graph, [path for path, _ in on_positions], inputs, 0)
        for placement, (_, term) in zip(placed, on_positions):
            total += tf.cast(placement.masks(tf.reduce_sum(tf.abs(term), axis=-1)), total.dtype)
        return total

    def full_gradient(self, inputs, target):
        """The terms of the full gradient: the input's `x dS/dx`, and `b dS/db` for every bias of the graph.

        Returns:
            Scores, the input terms, and a list of (path, term shaped like the layer's output).
        """
        real_inputs(self, inputs)
        biased, left_out = {}, self.scorer.left_out(target)
        opened = set(self.scorer.overrides(target)) - left_out  # run in another way, for the logits inside

        def keep(node):
            def run(*args, **kwargs):
                value, activation = _before_activation(node, left_out, args, kwargs)
                tape.watch(value)
                biased[node] = value
                return activation(value)

            return run

        nodes = [node for node in self.graph.nodes if _has_offset(node.operation) and node not in opened]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            scores, _ = self.scores(inputs, target, overrides={node: keep(node) for node in nodes})
        nodes = [node for node in nodes if node in biased]
        gradients = self.differentiate(tape, scores, [*inputs, *(biased[node] for node in nodes)])
        input_terms = [
            tf.zeros_like(x) if gradient is None else as_float(x) * gradient for x, gradient in zip(inputs, gradients)
        ]
        bias_terms = [
            (node.path, gradient * _offset(node.operation, biased[node].shape))
            for node, gradient in zip(nodes, gradients[len(inputs) :])
            if gradient is not None
        ]
        return scores, input_terms, bias_terms

    def completeness_residual(self, x: Samples, target: TargetLike = None, y: Labels | None = None) -> np.ndarray:
        """`S(x)` minus the sum of all unscaled terms: 0 for nets of affine layers, ReLUs and max pooling.

        Returns:
            Array `(samples,)`.
        """
        residual, _ = self.run(self._residual, x, target, y)
        return residual.astype(np.float64)

    def _residual(self, inputs, target):
        scores, input_terms, bias_terms = self.full_gradient(inputs, target)
        terms = [*input_terms, *(term for _, term in bias_terms)]
        sums = [tf.reduce_sum(term, axis=list(range(1, term.shape.rank))) for term in terms]
        return scores - sum(tf.cast(term, scores.dtype) for term in sums)


def _has_offset(operation):
    return bias_of(operation) is not None or what_does(operation).has_offset


def _may_hide_a_bias(operation):
    if not isinstance(operation, keras.Layer) or not operation.weights:
        return False
    return what_does(operation).does in ("unknown", "attend", "wrap")


def _before_activation(node, stripped, args, kwargs):
    """What a layer computes before its activation, and the activation (none where the score leaves it out)."""
    activation = activation_of(node.operation)
    if activation is None:
        return node.operation(*args, **kwargs), tf.identity
    return before_activation(node.operation)(*args, **kwargs), tf.identity if node in stripped else activation


def _offset(operation, shape):
    """What a layer adds whatever its input is, broadcastable against its output, in float32."""
    if is_linear(operation):
        return as_float(tf.convert_to_tensor(bias_of(operation)))
    with inference_scope():
        return as_float(operation(tf.zeros([1, *shape[1:]])))
