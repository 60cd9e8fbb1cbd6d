"""Elementwise affine layers as scale and shift, and batch normalisation folded into a linear neighbour.

Folding changes no weight: it says which neighbour takes which factors, and `fold_parts` applies them to tensors.
"""

import keras
import tensorflow as tf

from kerasxai.graph.dropout import dropped_share
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import activation_of
from kerasxai.graph.linear_parts import TRANSPOSED
from kerasxai.graph.operations import is_linear, keeps_order, what_does
from kerasxai.precision import as_float


def scale_and_shift(operation, rank):
    """`(scale, shift)` of an elementwise affine layer in inference mode, `y = scale * x + shift`.

    Args:
        operation: A layer that `is_scaling`.
        rank: Rank of its input, batch axis included.

    Returns:
        Two float32 tensors (float64 stays), broadcastable against the input.
    """
    if kind_of(operation) == "Rescaling":
        return tf.constant(operation.scale, tf.float32), tf.constant(operation.offset, tf.float32)
    if kind_of(operation) == "Normalization":
        mean, variance = as_float(tf.convert_to_tensor(operation.mean)), tf.convert_to_tensor(operation.variance)
        # As the layer itself keeps from dividing by 0.
        deviation = tf.maximum(tf.sqrt(as_float(variance)), keras.config.epsilon())
        return (deviation, mean) if operation.invert else (1 / deviation, -mean / deviation)
    scale = tf.math.rsqrt(_value(operation.moving_variance) + operation.epsilon)
    scale = scale if operation.gamma is None else scale * _value(operation.gamma)
    shift = -_value(operation.moving_mean) * scale
    shift = shift if operation.beta is None else shift + _value(operation.beta)
    shape = [1] * rank
    shape[operation.axis] = -1
    return tf.reshape(scale, shape), tf.reshape(shift, shape)


class Folds:
    """Which batch normalisations of a graph fold into which linear layers.

    A normalisation folds into the linear layer before it when that layer's output goes nowhere else; failing that,
    forward into a Dense layer or a convolution without padding, with nothing but reshaping between.

    Attributes:
        after: Dict linear node -> the normalisation that follows and is folded into it.
        before: Dict linear node -> the normalisation that precedes and is folded into it.
        chains: Dict linear node -> the reshaping nodes between it and the one `before` it.
    """

    def __init__(self, graph, kept=(), across_dropout=True):
        """Finds them.

        Args:
            graph: A ModelGraph.
            kept: Normalisation nodes to leave as they are.
            across_dropout: Whether a dropout layer may lie between, which holds only while it drops nothing.
        """
        self._across_dropout = across_dropout
        self.after, self.before, self.chains = {}, {}, {}
        for node in graph.nodes:
            if kind_of(node.operation) != "BatchNormalization" or node in kept:
                continue
            if node.operation.axis not in (-1, len(node.shape) - 1):
                continue
            linear = graph.producer(node.inputs[0])
            if linear is not None and _takes_factors(linear.operation) and _flows_only_into(graph, linear, node):
                self.after[linear] = node
            else:
                self._fold_forward(graph, node)

    def _fold_forward(self, graph, node):
        chain = graph.chain(node)
        for index, follower in enumerate(chain):
            if dropped_share(follower.operation) and not self._across_dropout:
                return
            if is_linear(follower.operation):
                between = chain[:index]
                if _admits(follower, between):
                    self.before[follower], self.chains[follower] = node, between
                return
            if not keeps_order(follower.operation):
                return

    @property
    def folded(self):
        """The folded normalisations: a dict node -> the linear node it is folded into."""
        pairs = [*self.after.items(), *self.before.items()]
        return {normalisation: linear for linear, normalisation in pairs}


def fold_parts(parts, graph, folds, node, x):
    """Takes the factors of the folded normalisations into the parts of a linear node, in place.

    Args:
        parts: What `linear_parts` gives.
        graph: The ModelGraph.
        folds: Its `Folds`.
        node: The linear node.
        x: What the first part runs on: the input of the normalisation before it, reshaped.
    """
    if node in folds.before:
        bn = folds.before[node]
        first = parts[0]
        factors = scale_and_shift(bn.operation, len(bn.shape))
        scale, shift = (
            tf.cast(_through(graph, folds.chains[node], bn, factor), first.kernel.dtype) for factor in factors
        )
        # What the shift becomes in the layer is the same at every position, so the first stands for all.
        constant = first.run(tf.zeros_like(x[:1]) + shift, first.kernel)
        constant = tf.reshape(constant, [-1, constant.shape[-1]])[0]
        first.bias = constant if first.bias is None else first.bias + constant
        first.scale_inputs(scale)
    if node in folds.after:
        bn = folds.after[node]
        last = parts[-1]
        factors = scale_and_shift(bn.operation, len(bn.shape))
        scale, shift = (tf.cast(tf.reshape(factor, [-1]), last.kernel.dtype) for factor in factors)
        last.scale_outputs(scale)
        last.bias = shift if last.bias is None else last.bias * scale + shift


def _through(graph, chain, bn, factor):
    """A factor per channel of `bn` as one per channel of the linear layer after the reshaping nodes `chain`."""
    if any(what_does(node.operation).does == "move" for node in chain):
        factor = graph.run_chain(chain, tf.broadcast_to(factor, [1, *bn.shape[1:]]))
    return tf.reshape(factor, [-1])


def _takes_factors(operation):
    return is_linear(operation) and kind_of(operation) != "EinsumDense" and activation_of(operation) is None


def _flows_only_into(graph, node, follower):
    return graph.consumers(node) == [follower] and not graph.is_output(node)


def _admits(linear, between):
    """Whether factors per input channel are exact for a linear layer that follows the reshaping `between`."""
    operation = linear.operation
    reshaped = any(what_does(node.operation).does == "move" for node in between)
    if kind_of(operation) == "Dense":
        return len(linear.shape) == 2 or not reshaped
    if reshaped or kind_of(operation) in {"EinsumDense", *TRANSPOSED}:
        return False
    return operation.padding == "valid" or all(size == 1 for size in operation.kernel_size)


def _value(variable):
    return as_float(tf.convert_to_tensor(variable))
