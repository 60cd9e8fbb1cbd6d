"""Does a shift of the input that the model does not notice change the explanation?"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.registry import register
from kerasxai.evaluators.reweighted import ReweightedExplainer
from kerasxai.graph.keras_internals import inference_scope
from kerasxai.graph.linear import before_activation, bias_of
from kerasxai.graph.operations import keeps_order
from kerasxai.typing import Numbers

TOLERANCE = 1e-3  # of the largest logit, or of the largest change of the first layer's output


@register("input_shift_invariance")
class InputShiftInvariance(Evaluator):
    """How far the map moves when a constant is added to the input and the first layer's bias takes it away again.

    A twin of the model whose first bias is `b - sum(W shift)` gives for `x + shift` what the model gives for `x`, so
    their explanations should be the same: `input_shift_invariance` is the size of the difference of the raw
    attributions, divided by the size of those of `x`; 0 is invariant. NaN where the latter are all zero.

    The twin is the user's model with one weight given as an argument. The first layer must be linear with a bias, and
    see the shift at every position: a convolution that pads with zeros does not.

    Args:
        shift: What is added, in the model's input units: a number, or one per channel.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Kindermans et al., 2019, https://arxiv.org/abs/1711.00867

    Example:

    ```python
    results = kerasxai.evaluators.InputShiftInvariance(shift=1.0)(model, images, explainer="gradient_x_input")
    ```
    """

    needs = ("explainer",)
    needs_maps = False
    directions = {"input_shift_invariance": "lower"}

    def __init__(self, shift: Numbers = 1.0, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        array = np.asarray(shift)
        if array.ndim > 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all() or not array.any():
            raise ValueError(f"`shift` must be a number other than 0, or one per channel. Received: shift={shift!r}.")
        self.shift = shift
        self._reweighted = None

    def measure(self, case):
        graph, x = case.explainer.graph, case.samples.x
        if not graph.has_graph:
            raise ValueError(f"{self.name} needs a Sequential or functional model, whose first layer it can tell.")
        if np.shape(self.shift) not in ((), x.shape[-1:]):
            raise ValueError(f"`shift` must be one per channel, {x.shape[-1]}. Received: shift={self.shift!r}.")
        shift = np.broadcast_to(np.asarray(self.shift, x.dtype), x.shape[1:])
        bias, absorbed = _absorbing_bias(graph, shift)
        self._check_twin(graph, x, x + shift, bias, absorbed)
        if self._reweighted is None or not self._reweighted.serves(case.explainer, [bias]):
            self._reweighted = ReweightedExplainer(case.explainer, [bias])
        before = _rows(case.attributions)
        after = _rows(self._reweighted([x + shift], case.samples.target, [absorbed]))
        size = np.linalg.norm(before, axis=1)
        distance = np.linalg.norm(after - before, axis=1)
        return {self.name: distance / np.where(size > 0, size, np.nan)}

    def _check_twin(self, graph, x, shifted, bias, absorbed):
        """The twin must give what the model gives, or the comparison says nothing."""
        for start in range(0, len(x), self.batch_size):
            piece = slice(start, start + self.batch_size)
            wanted, _ = graph.run([tf.constant(x[piece])])
            with keras.StatelessScope(state_mapping=[(bias, absorbed)]):
                of_twin, _ = graph.run([tf.constant(shifted[piece])])
            for output, other in zip(wanted, of_twin):
                output, other = np.asarray(output, np.float64), np.asarray(other, np.float64)
                if not np.abs(output - other).max() <= TOLERANCE * np.abs(output).max():  # NaN is no agreement
                    raise ValueError(
                        "The twin model does not give what the model gives: the shift is too large for its precision, "
                        f"or reaches the output past the first layer. Received: shift={self.shift!r}."
                    )


def _absorbing_bias(graph, shift):
    """The first layer's bias variable, and the value of it that takes the shift away."""
    chain = _chain_to_first_linear(graph)
    first = chain[-1]
    bias = bias_of(first.operation)
    if bias is None or sum(node.operation is first.operation for node in graph.nodes) > 1:
        raise ValueError(
            "The first layer must be linear with a bias of its own, called once, to absorb the shift. Received: "
            f"{first!r}."
        )
    layer = before_activation(first.operation)
    outputs = []
    for values in (shift, np.zeros_like(shift)):
        arriving = graph.run_chain(chain[:-1], tf.constant(values[np.newaxis]))
        with inference_scope():
            outputs.append(np.asarray(layer(arriving), np.float64))
    change = (outputs[0] - outputs[1]).reshape(-1, outputs[0].shape[-1])
    if not np.abs(change - change[:1]).max() <= TOLERANCE * np.abs(change).max():
        raise ValueError(
            "The shift must reach every position of the first layer alike, so that one bias absorbs it. Received: "
            f"{first!r}, whose outputs near the border take in fewer shifted values than the others: a convolution "
            'must not pad (padding="valid"), a transposed one always has such a border.'
        )
    # The layer is linear, so its change is the same wherever it was measured.
    absorbed = bias.numpy() - change[0].reshape(bias.shape)
    return bias, tf.convert_to_tensor(absorbed, bias.dtype)


def _chain_to_first_linear(graph):
    """The nodes from the input to the first layer with a bias; all but the last only move values."""
    tensor, chain = graph.inputs[0], []
    while True:
        takers = [node for node in graph.nodes if tensor in node.inputs]
        if len(takers) != 1 or len(takers[0].inputs) != 1:
            break
        chain.append(takers[0])
        if not keeps_order(takers[0].operation):
            return chain
        tensor = takers[0].outputs[0]
    raise ValueError(
        "Shift invariance needs a model whose input goes through one linear layer. Received: an input taken by "
        f"{', '.join(repr(node) for node in takers) or 'nothing'}."
    )


def _rows(values):
    return np.asarray(values, np.float64).reshape(len(values), -1)
