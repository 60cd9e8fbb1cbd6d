"""Does relevance forget where it started? Rules whose matrices multiply towards rank one explain every class alike."""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.registry import register
from kerasxai.evaluators.scoring import as_input
from kerasxai.explainers.lrp import LRP
from kerasxai.explainers.lrp.propagation import Propagation
from kerasxai.explainers.streaming import accumulate
from kerasxai.graph.forward import Forward
from kerasxai.options import positive_integer


@register("cosine_similarity_convergence")
class CosineSimilarityConvergence(Evaluator):
    """Cosine similarity of two relevances that start from random output vectors, on their way to the input.

    Vectors are drawn from N(0, 1) per unit and walk back through the rules of an `LRP` explainer. Similarity is the
    absolute cosine, 1 where the direction no longer depends on the start: then the map says nothing about the class.

    `cosine_similarity_convergence` is that at the model's inputs taken together, the median over draws; `cosine_curve`
    `(samples, 1 + layers)` that at the output and at the input of every linear layer from the output back, `layers`
    names them. NaN where no relevance arrives.

    Args:
        n_samples: Number of pairs of output vectors, the same for all samples.
        **kwargs: `batch_size`, `seed`, see `Evaluator`. The explainer's own `batch_size` bounds the memory.

    Reference:
        Sixt et al., 2020, https://arxiv.org/abs/1912.09818

    Example:

    ```python
    evaluator = kerasxai.evaluators.CosineSimilarityConvergence(n_samples=5)
    results = evaluator(model, images, explainer="lrp")
    ```
    """

    needs = ("explainer",)
    needs_maps = False
    needs_class = False  # relevance starts from random vectors
    directions = {"cosine_similarity_convergence": "lower"}

    def __init__(self, n_samples: int = 10, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.n_samples = positive_integer("n_samples", n_samples)

    def measure(self, case):
        if not isinstance(case.explainer, LRP):
            raise ValueError(
                f"{self.name} follows relevance through the layers, so `explainer` must be an LRP. "
                f'Received: {case.explainer.name}. Give "lrp", or kerasxai.explainers.LRP(model, rules=...).'
            )
        lrp, inputs = case.explainer, case.samples.inputs
        layers = list(reversed(lrp.plan.linear))
        cosines = functools.partial(_cosines, lrp, layers, self.n_samples, self.seed)
        key = (self.name, self.n_samples, self.seed)
        of_draws, _ = lrp.run(cosines, as_input(inputs), case.samples.target, one_class=True, key=key)
        curve = _median_of_known(of_draws.astype(np.float64))
        return {
            self.name: curve[:, -1],
            "cosine_curve": curve[:, :-1],
            "layers": np.array(["", *(node.path for node in layers)]),
        }


def _cosines(lrp, layers, draws, seed, inputs, target):
    """The absolute cosines of two random relevances: `(samples, draws, 1 + layers + 1)`.

    Args:
        lrp: The explainer whose rules are followed.
        layers: Nodes at whose inputs they are compared, besides the output and the model's inputs.
        n_samples, seed: See `CosineSimilarityConvergence`.
        inputs, target: See `Explainer.explain_batch`.
    """
    forward = Forward(lrp.graph, inputs, lrp.scorer.overrides(target))
    walk = Propagation(lrp.plan, forward, copies=2)
    output = lrp.graph.outputs[target.output]
    logits = forward.wide([output])[0]
    stops = [[output], *([node.inputs[0]] for node in layers), lrp.graph.inputs]

    def draw(cosines, indices):
        index = indices[0]
        pair = tf.random.stateless_normal([2, *logits.shape[1:]], [seed, index], dtype=logits.dtype)
        start = tf.repeat(pair, tf.shape(logits)[0], axis=0)  # one copy of the batch after the other
        relevance = walk.back({output: start})
        of_stops = []
        for stop in stops:
            arrived = [relevance[tensor] for tensor in stop if tensor in relevance]
            of_stops.append(_cosine(arrived, logits))
        of_draw = tf.stack(of_stops, axis=1)
        return [tf.tensor_scatter_nd_update(cosines[0], [[index]], of_draw[tf.newaxis])]

    zeros = tf.zeros([draws, tf.shape(logits)[0], len(stops)], logits.dtype)
    (cosines,) = accumulate(draws, 1, draw, [zeros])
    return tf.transpose(cosines, [1, 0, 2])


def _cosine(relevances, logits):
    """|cosine| of the two copies of relevances, taken together: `(batch,)`; NaN where none arrived."""
    nan = tf.fill([tf.shape(logits)[0]], tf.constant(np.nan, logits.dtype))
    if not relevances:
        return nan
    flat = [tf.reshape(relevance, [tf.shape(relevance)[0], -1]) for relevance in relevances]
    rows = tf.concat(flat, axis=1)
    # Scaled first: the square of a relevance that has become small would vanish.
    rows = tf.math.divide_no_nan(rows, tf.norm(rows, np.inf, 1, keepdims=True))
    first, second = tf.split(rows, 2)
    sizes = tf.norm(first, axis=1) * tf.norm(second, axis=1)
    cosine = tf.abs(tf.reduce_sum(first * second, axis=1))
    return tf.where(sizes > 0, tf.math.divide_no_nan(cosine, sizes), nan)


def _median_of_known(values):
    """Median over axis 1 of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values).all(axis=1)
    median = np.full(known.shape, np.nan)
    by_entry = np.moveaxis(values, 1, -1)
    median[known] = np.nanmedian(by_entry[known], axis=-1)
    return median
