"""B-LRP: how sure a relevance map is, from percentiles over draws of the net."""

from __future__ import annotations

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.lrp.explainer import LRP
from kerasxai.explainers.lrp.rules import Rules
from kerasxai.explainers.noise import NoisePercentiles, PercentileOptions
from kerasxai.explainers.registry import build, register
from kerasxai.explainers.streaming import merge, split
from kerasxai.graph.dropout import dropped_share, mask_shape
from kerasxai.options import check_one_of
from kerasxai.typing import ExplainerLike, Model


@register("b_lrp")
class BayesianLRP(NoisePercentiles):
    """B-LRP: percentiles of the relevance over draws of dropout masks, on a new axis after the samples.

    A model without dropout gets noise on its input instead. A low percentile that is still positive marks what is
    surely relevant; a high one shows what may be. Draw i has the same masks for all samples.

    Args:
        model: A built Sequential or functional Keras model.
        rules: Which layer gets which rule, see `LRP`.
        explainer: An `LRP` on the model, or its config, in the place of `rules`.
        percentiles: Numbers between 0 and 100.
        n_samples: Number of draws.
        noise_level: See `NoiseExplainer`; used where there is no dropout.
        seed: Seed of the draws.
        **kwargs: `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Bykov et al., 2020, https://arxiv.org/abs/2006.09000
    """

    family = "relevance"
    needs_graph = True
    passes = "F + n_samples x lrp"
    explainer: LRP

    def __init__(
        self,
        model: Model,
        rules: Rules = "epsilon_plus",
        explainer: ExplainerLike | None = None,
        **kwargs: Unpack[PercentileOptions],
    ) -> None:
        check_one_of("score", kwargs.get("score", "logit"), ("logit",))
        if explainer is None:
            explainer = {"method": "lrp", "rules": rules, "batch_size": kwargs.get("batch_size", 32)}
        lrp = build(explainer, model)
        if not isinstance(lrp, LRP):
            raise ValueError(f"`explainer` must be an LRP. Received: {type(lrp).__name__}.")
        super().__init__(model, explainer=_DroppingLRP.from_config(lrp.get_config(), model), **kwargs)
        self.rules = self.explainer.rules
        self._dropouts = [node for node in self.explainer.graph.nodes if dropped_share(node.operation)]

    def noisy_maps(self, inputs, target, indices):
        if not self._dropouts:
            return super().noisy_maps(inputs, target, indices)
        count, batch = tf.size(indices), tf.shape(inputs[0])[0]
        copies = [tf.tile(x, tf.concat([[count], tf.ones(x.shape.rank - 1, tf.int32)], axis=0)) for x in inputs]
        drop = {node: self._dropping(node, stream, indices, batch) for stream, node in enumerate(self._dropouts)}
        maps = self.explainer.attribute(copies, target.tile(count), overrides=drop)
        return [split(leaf, count) for leaf in maps]

    def _dropping(self, node, stream, indices, batch):
        """What runs in the place of a dropout layer: each draw's own mask, scaled to keep the mean."""
        share, shape = dropped_share(node.operation), mask_shape(node.operation, node.shape)

        def run(x, *_, **__):
            def draw(index):
                # Each dropout layer has a stream of its own within a draw.
                return tf.random.stateless_uniform(shape, [self.seed, index * 1024 + stream])

            kept = tf.cast(tf.map_fn(draw, indices, fn_output_signature=tf.float32) >= share, x.dtype)  # (draws, ...)
            return x * merge(tf.repeat(kept[:, tf.newaxis], batch, axis=1)) / (1.0 - share)

        return run


class _DroppingLRP(LRP):
    """An LRP whose walks may meet dropout masks."""

    drops = True
