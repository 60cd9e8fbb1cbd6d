"""Score: the scalar of a model that is explained, its logit or its probability for a target.

What the target is, is decided in `kerasxai.targets`.
"""

import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph.kinds import kind_of, layers, operations
from kerasxai.graph.layer_calls import carried_logits
from kerasxai.graph.linear import SIGMOID, SOFTMAX, activation_of, before_activation, is_linear
from kerasxai.graph.model_graph import ModelGraph, function_of
from kerasxai.graph.opaque_model import OpaqueModel, looks_like_probabilities
from kerasxai.graph.python_calls import numpy_call

SCORES = ("logit", "probability")
_ROUNDING = 1e-3  # how far from 0 ... 1 a probability may be, in half precision

# Calls after a softmax that leave its values as they are, so that the softmax is still the model's head.
_TRANSPARENT = layers("Flatten", "Reshape", "Dropout", "Identity") | operations("Cast", "Reshape", "Squeeze")

# Heads that are a call of their own.
_HEADS = {"Softmax": "softmax", "ops.Softmax": "softmax", "ops.Sigmoid": "sigmoid"}


def view(model):
    """The model as ModelGraph, or as OpaqueModel where it has no graph.

    Raises:
        TypeError: `model` is no model.
        ValueError: It is not built yet, or `channels_first`.
    """
    if function_of(model) is not None or isinstance(model, keras.Sequential):
        return ModelGraph(model)
    return OpaqueModel(model)


class Score:
    """Runs a model so that its outputs are logits, or so that they are probabilities.

    A final softmax or sigmoid, fused into a layer or a call of its own, is left out for the logit: the gradient of a
    saturated probability is zero, that of its logit is not. For the probability, two or more linear units get a
    softmax. An output whose head is unknown (a subclassed model) uses the logits that Keras' softmax leaves on its
    result; failing that, the logit is log p where its rows sum to 1, and values outside 0 ... 1 are linear. This is
    seen on the first batch; a later one that shows it to be wrong is an error.

    Args:
        model: A ModelGraph or OpaqueModel.
        kind: `"logit"` or `"probability"`.
    """

    def __init__(self, model, kind="logit"):
        if not isinstance(kind, str) or kind not in SCORES:
            raise ValueError(f"`score` must be one of {SCORES}. Received: score={kind!r}.")
        self.model = model
        self.kind = kind
        self.overrides = {}
        self._heads = None
        self._structure = None
        self._units = None
        if isinstance(model, ModelGraph):
            self._heads = [self._strip(output) for output in range(len(model.output_names))]

    @property
    def is_ready(self):
        """Whether every head is known; if not, `inspect` must see the model's outputs once."""
        return self._heads is not None and "unknown" not in self._heads

    def inspect(self, inputs, structure=None):
        """Finds out what an opaque model returns, from one run on real data.

        Args:
            inputs: Flat list of tensors.
            structure: How the model takes them.
        """
        self._structure = structure
        outputs, _ = self._run(inputs)
        heads = self._heads or ["unknown"] * len(outputs)
        self._heads = [_seen_head(output) if head == "unknown" else head for output, head in zip(outputs, heads)]
        if self.kind == "logit" and "distribution" in self._heads:
            warnings.warn(
                'The model returns probabilities whose logits are out of reach, so score="logit" means log p here.',
                stacklevel=4,
            )

    def units(self, output):
        """Number of units of an output, None where it is not known yet."""
        if isinstance(self.model, ModelGraph):
            node = self.model.output_node(output)
            return node.shape[-1] if node is not None and len(node.shape) > 1 else None
        return self._units[output]

    def is_binary(self, output):
        """Whether an output is one sigmoid unit."""
        return self.units(output) == 1 and self._heads[output] in ("sigmoid", "carried")

    def is_value(self, output):
        """Whether an output is one unit that is no probability: a regression, or a logit without its sigmoid."""
        return self.units(output) == 1 and not self.is_binary(output)

    def is_distribution(self, output):
        """Whether the probabilities of an output's units sum to 1."""
        return self.units(output) > 1 and self._heads[output] in ("softmax", "linear", "distribution", "carried")

    def outputs(self, inputs, taps=(), on_tap=None, overrides=None):
        """Runs the model: flat list of scored outputs, list of tapped tensors (see `ModelGraph.run`)."""
        raw, tapped = self._run(inputs, taps, on_tap, overrides)
        return self.of_outputs(raw), tapped

    def of_outputs(self, raw):
        """What the model returned under `overrides`, as scores in float32 (float64 stays)."""
        return [self._convert(tensor, head) for tensor, head in zip(raw, self._heads)]

    def _run(self, inputs, taps=(), on_tap=None, overrides=None):
        if isinstance(self.model, ModelGraph):
            return self.model.run(inputs, taps, on_tap, {**self.overrides, **(overrides or {})})
        outputs, tapped = self.model.run(inputs, taps, on_tap, overrides, structure=self._structure)
        self._units = [tensor.shape[-1] if tensor.shape.rank > 1 else 1 for tensor in outputs]
        return outputs, tapped

    def _strip(self, output):
        """Finds the head of an output; for the logit, makes the graph leave its activation out."""
        node = self.model.output_node(output)
        while node is not None and _is_transparent(node):
            node = self.model.producer(node.inputs[0])
        if node is None:
            return "linear"
        kind, call = _final_activation(node.operation)
        if kind is None:
            linear = is_linear(node.operation) and activation_of(node.operation) is None
            return "linear" if linear else "unknown"
        if self.kind == "logit":
            self.overrides[node] = call
        return kind

    def _convert(self, tensor, head):
        logits = carried_logits(tensor) if head == "carried" and self.kind == "logit" else None
        values = as_float(tensor if logits is None else logits)
        if values.shape.rank == 1:
            values = values[:, tf.newaxis]
        if self.kind == "logit" and head == "distribution":
            return tf.math.log(tf.maximum(values, tf.constant(1e-30, values.dtype)))
        if self.kind == "probability" and head == "linear" and values.shape[-1] != 1:
            return tf.nn.softmax(values)
        if self.kind == "probability" and head == "values" and values.shape[-1] != 1:
            ends = [tf.reduce_min(values), tf.reduce_max(values)]
            with tf.control_dependencies([numpy_call(_check_still_probabilities, ends, tf.bool)]):
                return tf.identity(values)
        return values


def _check_still_probabilities(low, high):
    """Whether outputs are probabilities is seen on the first batch; what comes later must not depend on it."""
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            'The model\'s outputs must be probabilities where score="probability" takes them as they are. Received: '
            f'first values in 0 ... 1 only, now from {low:.4g} to {high:.4g}. Give score="logit" to explain the values '
            "themselves, or end the model in a softmax or sigmoid."
        )
    return np.True_


def _seen_head(output):
    if carried_logits(output) is not None:
        return "carried"
    if looks_like_probabilities(output):
        return "distribution"
    return "values" if bool(tf.reduce_all((output >= 0) & (output <= 1))) else "linear"


def _final_activation(operation):
    """Name of a final softmax or sigmoid and what runs in the layer's place for the logit."""
    activation = activation_of(operation)
    if activation in SOFTMAX or activation in SIGMOID:
        return "softmax" if activation in SOFTMAX else "sigmoid", before_activation(operation)
    return _HEADS.get(kind_of(operation)), lambda inputs, **_: inputs


def _is_transparent(node):
    if kind_of(node.operation) == "Activation":
        return activation_of(node.operation) is None
    return kind_of(node.operation) in _TRANSPARENT


def as_float(tensor):
    """A tensor in the type sums are held in: float32; float64 stays."""
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)
