"""Score: the scalar of a model that is explained, its logit, its probability or a function of its own outputs.

What the target is, is decided in `kerasxai.targets`; what the model's outputs end in is found out in `heads`.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph.heads import Heads
from kerasxai.graph.keras_internals import carried_logits, function_of
from kerasxai.graph.losses import linear_units
from kerasxai.graph.model_graph import ModelGraph
from kerasxai.graph.opaque_model import OpaqueModel
from kerasxai.graph.python_calls import numpy_call
from kerasxai.precision import as_float
from kerasxai.typing import Model, ScoreKind

SCORES = ("logit", "probability")
_ROUNDING = 1e-3  # how far from 0 ... 1 a probability may be, in half precision


class Scale(NamedTuple):
    """On what scale a target reads the model's outputs.

    Attributes:
        kind: `"logit"`, `"probability"`, or `"output"`: as the model returns them.
        linear: What linear units are: `"softmax"` (logits of classes), `"sigmoid"` (logits of labels), `"values"`, or
            None where that does not matter.
    """

    kind: str
    linear: str | None = None


OWN_OUTPUTS = Scale("output")
LOGITS = Scale("logit")


def view(model: Model) -> ModelGraph | OpaqueModel:
    """The model as ModelGraph, or as OpaqueModel where it has no graph.

    Raises:
        TypeError: `model` is no model.
        ValueError: It is not built yet, or `channels_first`.
    """
    if function_of(model) is not None or isinstance(model, keras.Sequential):
        return ModelGraph(model)
    return OpaqueModel(model)


class Score:
    """Runs a model so that the explained output is a logit, or a probability, or all are as the model returns them.

    A final softmax or sigmoid is left out for the logit: the gradient of a saturated probability is zero, that of its
    logit is not. Only the explained output's own is, since others may feed it. Where logits are out of reach, rows
    that sum to 1 give log p. The probability is the model's own, or that of linear units which are logits: by the
    compiled loss where it tells, else by the target, which may speak of classes. Bounded outputs of unknown origin are
    taken as probabilities; a later batch that shows this to be wrong is an error.

    Args:
        model: A ModelGraph or OpaqueModel.
        kind: `"logit"` or `"probability"`.
    """

    def __init__(self, model: ModelGraph | OpaqueModel, kind: ScoreKind = "logit") -> None:
        if not isinstance(kind, str) or kind not in SCORES:
            raise ValueError(f"`score` must be one of {SCORES}. Received: score={kind!r}.")
        self.model = model
        self.kind = kind
        self.heads = Heads(model)

    @property
    def is_ready(self):
        """Whether every head is known; if not, `inspect` must see the model's outputs once."""
        return self.heads.is_ready

    def inspect(self, inputs, structure=None):
        """Finds out what an unknown head returns, from one run on real data, see `Heads.inspect`."""
        self.heads.inspect(inputs, structure)

    def units(self, output):
        """Number of units of an output, None where it is not known yet."""
        return self.heads.units(output)

    def scale(self, output=0, of_classes=True):
        """The scale on which a class, or a unit, of an output is scored.

        Args:
            output: Index of the output.
            of_classes: Whether the target speaks of classes; an index may as well count the values of a regression.
        """
        kind = self.heads[output].kind
        if kind not in ("linear", "bounded"):
            return Scale(self.kind)
        units = linear_units(self.model.model, self.model.output_names)[output]
        if units is None and kind == "linear" and self.kind == "probability" and self.units(output) != 1:
            units = "softmax" if of_classes else "values"
        return Scale(self.kind, units)

    def is_declared(self, output):
        """Whether the model, or its loss, says what the units of an output are."""
        known = linear_units(self.model.model, self.model.output_names)[output]
        return self.heads[output].kind != "linear" or known is not None or self.units(output) == 1

    def is_binary(self, target):
        """Whether the explained output is the one unit of two classes: a sigmoid's, or the logit of one."""
        is_sigmoid = self.heads[target.output].kind == "sigmoid" or target.scale.linear == "sigmoid"
        return self.units(target.output) == 1 and is_sigmoid

    def is_value(self, target):
        """Whether the explained unit is no probability and no logit of one, as in a regression."""
        is_single = self.units(target.output) == 1 and not self.is_binary(target)
        return is_single or target.scale.linear == "values"

    def is_distribution(self, target):
        """Whether the probabilities of the explained output's units sum to 1."""
        is_declared = self.heads[target.output].kind in ("softmax", "distribution")
        return self.units(target.output) > 1 and (is_declared or target.scale.linear == "softmax")

    def overrides(self, target):
        """What runs in the place of a node so that the explained outputs are logits: dict node -> callable."""
        if target.scale.kind != "logit":
            return {}
        if target.function is None:
            heads = [self.heads[target.output]]
        else:
            heads = list(self.heads)
            self._refuse_heads_in_a_row(heads)
        return {head.node: head.logits for head in heads if head.logits is not None}

    def left_out(self, target=None):
        """The nodes that run without their activation, and else as they are; None: for any target of logits."""
        known = {head.node for head in self.heads if head.is_left_out}
        return known if target is None else known.intersection(self.overrides(target))

    def outputs(self, inputs, target, taps=(), on_tap=None, overrides=None):
        """Runs the model: flat list of outputs on the target's scale, list of tapped tensors (see `ModelGraph.run`)."""
        raw, tapped = self.heads.run(inputs, taps, on_tap, {**self.overrides(target), **(overrides or {})})
        return self.of_outputs(raw, target), tapped

    def of_outputs(self, raw, target):
        """What the model returned under `overrides`, on the target's scale, in float32 (float64 stays)."""
        if target.scale.kind == "output":
            return [as_float(tensor) for tensor in raw]
        return [
            self._convert(tensor, head, target.scale)
            if target.function is not None or output == target.output
            else as_float(tensor)
            for output, (tensor, head) in enumerate(zip(raw, self.heads))
        ]

    def say_once(self, what, message):
        """Warns the user of what was taken for granted, the first time."""
        if what not in self.heads.said:
            self.heads.said.add(what)
            warnings.warn(message, stacklevel=5)

    def _convert(self, tensor, head, scale):
        logits = carried_logits(tensor) if scale.kind == "logit" else None
        if logits is not None:  # what the final activation was given, which it cannot have saturated
            tensor = logits
        values = as_float(tensor)
        if values.shape.rank == 1:
            values = values[:, tf.newaxis]
        if scale.kind == "logit":
            return _logarithm(values) if head.kind == "distribution" else values
        if scale.linear == "softmax":
            return tf.nn.softmax(values)
        if scale.linear == "sigmoid":
            return tf.sigmoid(values)
        if head.kind == "bounded" and scale.linear is None and values.shape[-1] != 1:
            ends = [tf.reduce_min(values), tf.reduce_max(values)]
            with tf.control_dependencies([numpy_call(_check_still_probabilities, ends, tf.bool)]):
                return tf.identity(values)
        return values

    def _refuse_heads_in_a_row(self, heads):
        nodes = [head.node for head in heads if head.logits is not None]
        for node in nodes:
            if any(node in self.model.ancestors(other) for other in nodes):
                raise ValueError(
                    "Logits of all outputs at once need outputs that do not feed one another. Received: a model whose "
                    f"output {node.path!r} does. Explain one of them: target=(output name, class)."
                )


def _logarithm(values):
    # A probability of 0 has a logarithm of -69 here instead of minus infinity, whose gradient is infinite.
    return tf.math.log(tf.maximum(values, tf.constant(1e-30, values.dtype)))


def _check_still_probabilities(low, high):
    """Whether outputs are probabilities is seen on the first batch; what comes later must not depend on it."""
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            'The model\'s outputs must be probabilities where score="probability" takes them as they are. Received: '
            f'first values in 0 ... 1 only, now from {low:.4g} to {high:.4g}. Give score="logit" to explain the values '
            "themselves, or end the model in a softmax or sigmoid."
        )
    return np.True_
