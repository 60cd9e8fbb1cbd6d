"""Treatments: how relevance passes a node. Of layers with a kernel: `linear.py`; which node gets which: `plan.py`."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kerasxai.explainers.gradient import like_outputs
from kerasxai.explainers.lrp.engine import enter_remainder, quotient, repeat
from kerasxai.explainers.lrp.rules import Epsilon, Rule
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.operations import what_does

if TYPE_CHECKING:
    from kerasxai.explainers.lrp.ledger import Entries
    from kerasxai.graph.forward import Forward
    from kerasxai.graph.reading import Node

# Sums have no parameters of their own to blow relevance up; this only keeps them from dividing by 0.
_SUM = Epsilon(1e-9)


class Call:
    """One call of a node in a backward walk.

    Attributes:
        node: The `Node`.
        inputs: Its input tensors, `(batch, ...)`, float32 (float64 stays).
        outputs: Its output tensors.
        run: Function of the inputs that computes the outputs again.
        copies: How many copies of the batch the relevance holds.
        forward: The `Forward` of the whole graph, for what a node needs to know of others.
    """

    def __init__(
        self,
        node: Node,
        inputs: list[tf.Tensor],
        outputs: list[tf.Tensor],
        run: Callable[..., Any],
        copies: int,
        forward: Forward | None = None,
    ) -> None:
        self.node, self.inputs, self.outputs, self.run = node, inputs, outputs, run
        self.copies, self.forward = copies, forward

    def transpose(self, cotangents: list[tf.Tensor | None]) -> list[tf.Tensor | None]:
        """The backward pass at the inputs: a list of tensors, None for an input that has no gradient.

        A tensor that is an input twice gets all of its gradient the last time.
        """
        inputs = [repeat(tensor, self.copies) for tensor in self.inputs]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            made = self.run(inputs)
        slopes = tape.gradient(made, inputs, output_gradients=like_outputs(cotangents, made))
        taken = self.node.inputs
        return [None if tensor in taken[place + 1 :] else slopes[place] for place, tensor in enumerate(taken)]


class Treatment(abc.ABC):
    """How a node hands relevance on.

    Attributes:
        name: How it is called in mappings, summaries and `kerasxai.Operation.relevance`.
        rule: The `Rule` of a layer with a kernel or a scale, else None.
    """

    name: str | None = None
    rule: Rule | None = None

    @abc.abstractmethod
    def propagate(
        self, call: Call, relevances: list[tf.Tensor | None], ledger: Entries | None = None
    ) -> list[tf.Tensor | None]:
        """Relevance of the inputs.

        Args:
            call: A `Call`.
            relevances: Relevance of each output, `(copies * batch, ...)`, None where there is none.
            ledger: Where losses are entered, or None.

        Returns:
            One tensor per input, None for an input that gets nothing.
        """

    def get_config(self) -> str | dict[str, Any] | None:
        """Its name, or a dict with its options."""
        return self.name

    def __repr__(self):
        return self.name


class PassOn(Treatment):
    """To the input at the same place: activations of any kind, dropout, factors held constant."""

    name = "pass"

    def propagate(self, call, relevances, ledger=None):
        shared = relevances[0] / len(call.inputs) if len(call.inputs) > 1 else relevances[0]
        return [_summed_to(shared, tensor, call.copies) for tensor in call.inputs]


class AlongGradient(Treatment):
    """Along the gradient: what selects, moves, joins or cuts values hands each relevance to where its value is from."""

    name = "gradient"

    def propagate(self, call, relevances, ledger=None):
        handed = call.transpose(relevances)
        if ledger is not None:
            for relevance, made in zip(relevances, self._from_inputs(call)):
                if relevance is not None:
                    ledger.enter("padding", relevance * (1 - repeat(made, call.copies)))
        return handed

    def _from_inputs(self, call):
        """1 where an output value comes from an input, 0 where it is padding."""
        if what_does(call.node.operation).positions != "pad":
            return [tf.ones([], relevance.dtype) for relevance in call.outputs]
        return call.run([tf.ones_like(tensor[:1]) for tensor in call.inputs])


class Proportional(Treatment):
    """In proportion to what each input adds: `a * VJP(R / s(op(a)))`, for sums and means."""

    name = "proportional"

    def propagate(self, call, relevances, ledger=None):
        relevance, made = relevances[0], call.outputs[0]
        cotangent = quotient(_SUM, relevance, made, call.copies)
        # TensorFlow's own backward pass of a sum sums over no axes, which copies.
        slopes = [cotangent] * len(call.inputs) if _only_adds(call) else call.transpose([cotangent])
        if ledger is not None:
            # What an operation gives for zeros comes from no input.
            constant = call.run([tf.zeros_like(tensor[:1]) for tensor in call.inputs])[0]
            ledger.enter("bias", cotangent * constant)
            enter_remainder(ledger, _SUM, relevance, cotangent, repeat(made, call.copies))
        return [
            None if slope is None else repeat(tensor, call.copies) * slope for tensor, slope in zip(call.inputs, slopes)
        ]


class AveragePool(Proportional):
    """Max pooling treated as the average pooling of the same windows."""

    name = "average"

    def propagate(self, call, relevances, ledger=None):
        layer = call.node.operation

        def run(inputs):
            if what_does(layer).positions == "pool_all":
                axes = list(range(1, inputs[0].shape.rank - 1))
                return [tf.reduce_mean(inputs[0], axes, keepdims=layer.keepdims)]
            return [keras.ops.average_pool(inputs[0], layer.pool_size, layer.strides, layer.padding, "channels_last")]

        pooled = Call(call.node, call.inputs, run(call.inputs), run, call.copies)
        return super().propagate(pooled, relevances, ledger)


class Gate(Treatment):
    """A product of two: one operand is a gate, held constant, and the other gets all relevance.

    Args:
        gate: Which operand is the gate, 0 or 1.
    """

    name = "gate"

    def __init__(self, gate: int) -> None:
        if gate not in (0, 1):
            raise ValueError(f"`gate` must be 0 or 1. Received: gate={gate!r}.")
        self.gate = gate

    def propagate(self, call, relevances, ledger=None):
        if len(call.inputs) != 2:
            raise ValueError(f"A gate needs two operands. Received: {call.node.path} with {len(call.inputs)}.")
        other = 1 - self.gate
        handed = [None, None]
        handed[other] = _summed_to(relevances[0], call.inputs[other], call.copies)
        return handed

    def get_config(self) -> dict[str, Any]:
        return {"treatment": "gate", "gate": self.gate}

    def __repr__(self):
        return f"gate (operand {self.gate})"


class ConstantScale(Treatment):
    """Layers that normalise a sample by its own mean and deviation: the deviation is held constant, then Epsilon."""

    name = "constant_scale"
    _rule = Epsilon()

    def propagate(self, call, relevances, ledger=None):
        layer, x, made = call.node.operation, call.inputs[0], call.outputs[0]
        # The deviation is a constant factor here, so nothing of what made it gets relevance.
        factor = _parameter(layer, "gamma", x, 1.0) * tf.math.rsqrt(_moments(layer, x)[1] + layer.epsilon)
        cotangent = quotient(self._rule, relevances[0], made, call.copies)
        weighted = cotangent * repeat(factor, call.copies)
        # Subtracting the mean is its own transpose.
        handed = repeat(x, call.copies) * (weighted - _moments(layer, weighted)[0])
        if ledger is not None:
            ledger.enter("bias", cotangent * _parameter(layer, "beta", x, 0.0))
            enter_remainder(ledger, self._rule, relevances[0], cotangent, repeat(made, call.copies))
        return [handed]


PASS, AVERAGE_POOL = PassOn(), AveragePool()
_BY_NAME = {treatment.name: treatment for treatment in (PASS, AlongGradient(), Proportional(), ConstantScale())}


def get_treatment(config):
    """The treatment of a name, a config dict, or a treatment as it is."""
    if isinstance(config, Treatment):
        return config
    if isinstance(config, dict) and config.get("treatment") == "gate":
        return Gate(config.get("gate"))
    if isinstance(config, str) and config in _BY_NAME:
        return _BY_NAME[config]
    raise ValueError(f"A treatment must be one of {', '.join(_BY_NAME)}, or a Treatment. Received: {config!r}.")


def treatment_names():
    """Names of the treatments that need no options."""
    return list(_BY_NAME)


def _only_adds(call):
    """Whether a call is the sum of tensors of one shape."""
    one_shape = len({tuple(tensor.shape[1:]) for tensor in call.inputs}) == 1
    return kind_of(call.node.operation) == "Add" and one_shape


def _summed_to(relevance, tensor, copies):
    """Relevance of a product's operand that was broadcast: summed over the axes it was broadcast along."""
    axes = [
        axis
        for axis in range(1, relevance.shape.rank)
        if tensor.shape.rank == relevance.shape.rank and tensor.shape[axis] == 1 and relevance.shape[axis] != 1
    ]
    return tf.reduce_sum(relevance, axes, keepdims=True) if axes else relevance


def _moments(layer, x):
    """Mean and variance a layer or group normalisation subtracts and divides by, broadcastable against `x`."""
    if kind_of(layer) == "LayerNormalization":
        return tf.nn.moments(x, layer.axis, keepdims=True)
    grouped = tf.reshape(x, [-1, *x.shape[1:-1], layer.groups, x.shape[-1] // layer.groups])
    axes = [axis for axis in range(1, grouped.shape.rank) if axis != grouped.shape.rank - 2]
    moments = tf.nn.moments(grouped, axes, keepdims=True)
    return tuple(tf.repeat(moment[..., 0], x.shape[-1] // layer.groups, axis=-1) for moment in moments)


def _parameter(layer, name, x, default):
    """`gamma` or `beta` of a normalisation, broadcastable against `x`."""
    variable = getattr(layer, name, None)
    if variable is None:
        return tf.constant(default, x.dtype)
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    shape = [1] * x.shape.rank
    for axis in axes:
        shape[axis] = x.shape[axis]
    return tf.reshape(tf.cast(tf.convert_to_tensor(variable), x.dtype), shape)
