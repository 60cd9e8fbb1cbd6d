"""Runs a rule on one linear map: forward passes of its terms, one division, one backward pass each.

Relevance may hold several copies of the batch (one per explained class) one after the other; activations hold one.
"""

import functools

import numpy as np
import tensorflow as tf

from kerasxai.explainers.lrp.rules import negative, positive

# float32 quotients by less than this overflow; such a denominator counts as 0.
_SMALLEST = 1e-30


class LinearCall:
    """A linear map at its input, as a rule sees it.

    Attributes:
        input: What it was run on, `(batch, ...)`.
        kernel, bias: Its parameters; `bias` is None where there is none or the rule ignores it.
        output: What it made, bias included, before any activation.
        positive_input, negative_input: The input's parts of each sign; the latter is None where nothing is negative.
        ones: 1 for every input, 0 for padding, `(1, ...)`.
    """

    def __init__(self, part, x, output=None, non_negative=False, ones=None, box=None, ignore_bias=False):
        """`part` is a LinearPart, `box` a function `(low, high) -> bounds` at this input."""
        self.run = part.run
        self.input = x
        self.kernel = part.kernel
        self.bias = None if ignore_bias else part.bias
        self._own_bias = part.bias
        self._output = output
        self._non_negative = non_negative
        self._ones = ones
        self._box = box

    @functools.cached_property
    def output(self):
        """What the map made, `(batch, ...)`, bias included, before any activation."""
        if self._output is None:
            self._output = _plus(self.run(self.input, self.kernel), self._own_bias)
        return self._output

    @property
    def positive_input(self):
        """The input's positive part."""
        return self.input if self._non_negative else positive(self.input)

    @property
    def negative_input(self):
        """The input's negative part, signed; None where nothing is negative."""
        return None if self._non_negative else negative(self.input)

    @property
    def ones(self):
        """1 for every input, 0 for padding, `(1, ...)`."""
        return one_sample(tf.ones_like(self.input[:1])) if self._ones is None else self._ones

    def bounds(self, low, high):
        """Bounds of the input, broadcastable against it: of numbers, one per channel, or (None) of the data."""
        if self._box is not None:
            return self._box(low, high)
        return box_of(self.input, low, high, self.ones)

    def value(self, term):
        """The output of a term, 0 or a bias where its input is None."""
        # The forward pass has computed this term already.
        if term.input is self.input and term.kernel is self.kernel and term.bias is self._own_bias:
            return self.output
        made = None if term.input is None else self.run(term.input, term.kernel)
        return _plus(made, term.bias)

    def transpose(self, kernel, cotangent):
        """The backward pass of the map with this kernel."""
        # A linear map's backward pass needs the shape of its input only, so the forward pass is pruned.
        shape = tf.concat([tf.shape(cotangent)[:1], tf.shape(self.input)[1:]], axis=0)
        like = tf.ensure_shape(tf.zeros(shape, self.input.dtype), [None, *self.input.shape[1:]])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(like)
            made = self.run(like, kernel)
        return tape.gradient(made, like, output_gradients=cotangent)


def hand_on(rule, layer, relevance, copies, ledger=None):
    """The relevance of a linear map's input.

    Args:
        rule: A `Rule`.
        layer: A `LinearCall`.
        relevance: That of its output, `(copies * batch, ...)`.
        copies: How many copies of the batch `relevance` holds.
        ledger: Where what is not handed on is entered, or None.

    Returns:
        Tensor `(copies * batch, ...)` like the input.
    """
    groups = rule.terms(layer)
    if not groups:
        return _same_shape(rule, layer, relevance)
    total = None
    # Terms and denominators are computed once for all copies of the batch, only relevance has copies.
    shares = rule.shares(relevance, repeat(layer.output, copies))
    if ledger is not None:
        ledger.enter("dead", relevance - sum(shares))
    for terms, share in zip(groups, shares):
        denominator = sum(layer.value(term) for term in terms if term.input is not None or term.bias is not None)
        cotangent = quotient(rule, share, denominator, copies)
        for term in terms:
            if term.input is not None:
                handed = repeat(term.input, copies) * layer.transpose(term.kernel, cotangent)
                total = handed if total is None else total + handed
        if ledger is not None:
            ledger.enter("bias", cotangent * sum(term.bias for term in terms if term.bias is not None))
            enter_remainder(ledger, rule, share, cotangent, repeat(denominator, copies))
    return total


def quotient(rule, relevance, denominator, copies):
    """`relevance / s(denominator)`, 0 where there is nothing to divide by."""
    stable = rule.stabilise(denominator)
    if rule.keeps_off_zero:
        return relevance / repeat(stable, copies)
    # Divided by infinity rather than guarded: `divide_no_nan` is not vectorised.
    return relevance / repeat(tf.where(tf.abs(stable) < _SMALLEST, tf.constant(np.inf, stable.dtype), stable), copies)


def enter_remainder(ledger, rule, relevance, cotangent, denominator):
    """Enters what a division does not hand on: the stabiliser's share, and that of units without any term."""
    nothing = tf.zeros_like(relevance)
    # What `quotient` divides by infinity.
    empty = (tf.abs(denominator) < _SMALLEST) & tf.logical_not(rule.keeps_off_zero)
    ledger.enter("dead", tf.where(empty, relevance, nothing))
    ledger.enter("stabiliser", tf.where(empty, nothing, relevance - cotangent * denominator))


def repeat(tensor, copies):
    """A batch, `copies` times one after the other; a batch of one broadcasts as it is."""
    if copies == 1 or tensor.shape.rank == 0 or tensor.shape[0] == 1:
        return tensor
    return tf.tile(tensor, [copies, *[1] * (tensor.shape.rank - 1)])


def one_sample(tensor):
    """A tensor that holds one sample, with a static shape that says so."""
    return tf.ensure_shape(tensor, [1, *tensor.shape[1:]])


def box_of(x, low, high, ones):
    """Bounds of `x`: given ones, 0 at padding, or each sample's minimum and maximum per channel."""
    if low is None:
        axes = list(range(1, max(x.shape.rank - 1, 2)))  # features without positions count as one channel
        return tf.reduce_min(x, axes, keepdims=True) * ones, tf.reduce_max(x, axes, keepdims=True) * ones
    return tf.constant(low, x.dtype) * ones, tf.constant(high, x.dtype) * ones


def _plus(value, bias):
    return bias if value is None else value if bias is None else value + bias


def _same_shape(rule, layer, relevance):
    if relevance.shape[1:] != layer.input.shape[1:]:
        raise ValueError(
            f"{rule!r} needs a layer whose input and output have the same shape. Received: input "
            f"{tuple(layer.input.shape)}, output {tuple(relevance.shape)}."
        )
    return relevance
