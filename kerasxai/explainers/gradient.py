"""Gradient family: the gradient of the score and what multiplies it. Along a path: `integrated_gradients.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasxai.explainers.base import Explainer
from kerasxai.explainers.registry import register
from kerasxai.graph.reading import Node
from kerasxai.targets import Target


class GradientExplainer(Explainer):
    """Base of the methods that attribute to the input itself: signed, `(samples, *input_shape)`.

    With several inputs the result is a list or dict like the input; integer inputs, which have no gradient, get zeros.
    """

    family = "gradient"
    passes = "F + B"

    reduce: str | None = "sum"

    def explain_batch(self, inputs, target):
        return self.attribute(inputs, target)

    def attribute(self, inputs: list[tf.Tensor], target: Target) -> list[tf.Tensor]:
        """Attributions to each input: a list of tensors shaped like `inputs`."""
        return self.gradients(inputs, target)

    def gradients(
        self, inputs: list[tf.Tensor], target: Target, overrides: dict[Node, Callable[..., Any]] | None = None
    ) -> list[tf.Tensor]:
        """dS/dx for each input, in float32."""
        sources = real_inputs(self, inputs)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            scores, _ = self.scores(inputs, target, overrides=overrides)
        slopes = self.differentiate(tape, scores, sources)
        if all(slope is None for slope in slopes):
            raise ValueError(
                "The explained score does not depend on the input through differentiable operations. "
                "Explain another output, or use a method that perturbs the input."
            )
        of_real = iter(slopes)
        gradients = [next(of_real) if tensor.dtype.is_floating else None for tensor in inputs]
        return [zeros_of(tensor) if value is None else value for tensor, value in zip(inputs, gradients)]

    def finish(self, arrays, structure):
        return pack_inputs(arrays, structure)


def real_inputs(explainer, inputs):
    """The inputs that can have a gradient; an error where there is none."""
    sources = [tensor for tensor in inputs if tensor.dtype.is_floating]
    if not sources:
        raise ValueError(
            f"{type(explainer).__name__} needs an input of real numbers. Received: inputs of type "
            f"{', '.join(tensor.dtype.name for tensor in inputs)}, which have no gradient. "
            "Explain the model from its embedding on, or with a method that perturbs the input."
        )
    return sources


def pack_inputs(arrays, structure):
    """One array per model input, packed as the inputs were; the array itself for a single input."""
    return arrays[0] if structure is None else keras.tree.map_structure(lambda index: arrays[index], structure)


@register("gradient")
class Gradient(GradientExplainer):
    """The gradient of the score: how it would change with each input value.

    Signed `(samples, *input_shape)`.

    Reference:
        Simonyan et al., 2014, https://arxiv.org/abs/1312.6034

    Example:

    ```python
    maps = kerasxai.explainers.Gradient(model)(images)
    ```
    """

    reduce = "abs_sum"


@register("sensitivity")
class Sensitivity(GradientExplainer):
    """Sensitivity analysis: the absolute value of the gradient, `(samples, *input_shape)`.

    Reference:
        Simonyan et al., 2014, https://arxiv.org/abs/1312.6034
    """

    reduce = "abs_sum"
    signed = False

    def attribute(self, inputs, target):
        return [tf.abs(gradient) for gradient in self.gradients(inputs, target)]


@register("gradient_x_input")
class GradientXInput(GradientExplainer):
    """Gradient times input: the input's share of the score as far as the model is linear.

    Signed `(samples, *input_shape)`.

    Reference:
        Shrikumar et al., 2016, https://arxiv.org/abs/1605.01713
    """

    def attribute(self, inputs, target):
        return [gradient * in_type_of(gradient, x) for gradient, x in zip(self.gradients(inputs, target), inputs)]


def is_real(tensor):
    """Whether a tensor can have a gradient."""
    return tensor.dtype.is_floating


def zeros_of(tensor):
    """Zeros like a tensor, in the type sums are held in."""
    wide = tf.float64 if tensor.dtype == tf.float64 else tf.float32
    return tf.zeros_like(tensor, wide)


def like_outputs(cotangents, outputs):
    """Cotangents in the types of a function's outputs, zeros where there is none."""
    return [
        tf.zeros_like(output) if cotangent is None else tf.cast(cotangent, output.dtype)
        for output, cotangent in zip(outputs, cotangents)
    ]


def in_type_of(gradient, tensor):
    """`tensor` in the type of `gradient`."""
    return tf.cast(tensor, gradient.dtype)
