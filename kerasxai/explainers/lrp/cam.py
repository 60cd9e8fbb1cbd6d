"""Relevance-CAM: a class activation map weighted by relevance."""

from __future__ import annotations

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.cam import CAM, CAMOptions
from kerasxai.explainers.lrp.explainer import LRP
from kerasxai.explainers.lrp.rules import Rules
from kerasxai.explainers.registry import register
from kerasxai.precision import as_float
from kerasxai.spatial import spatial_axes
from kerasxai.typing import Model


@register("relevance_cam")
class RelevanceCAM(CAM):
    """Relevance-CAM: channels weighted by the relevance that reaches them when the other classes start against it.

    Args:
        model: A built Sequential or functional Keras model.
        rules: Which layer gets which rule, see `LRP`. The paper's takes positive terms only; a rule that divides by the
            logits themselves lets a class whose logit is near 0 drown the explained one.
        **kwargs: `layer`, `upsample`, `relu`, see `CAM`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Lee et al., 2021, https://doi.org/10.1109/CVPR46437.2021.01470
    """

    passes = "F + b to 2 F + 2 b, by rules"
    needs_graph = True

    def __init__(self, model: Model, rules: Rules = "alpha1_beta0", **kwargs: Unpack[CAMOptions]) -> None:
        super().__init__(model, **kwargs)
        reads = self.layers_for(0)[0] if len(self.graph.output_names) == 1 else None
        self._lrp = LRP(model, rules=rules, score=self.score, relevance_at=reads)
        self.parts = (self._lrp,)
        self.rules = self._lrp.rules

    def maps(self, inputs, target):
        paths = self.layers_for(target.output)
        nodes = [self.graph.node(path) for path in paths]
        has_others = target.function is None and (self.scorer.units(target.output) or 1) > 1
        contrast = "others" if has_others else None
        relevance, forward = self._lrp.relevance(inputs, target, start="one", contrast=contrast, until=nodes)
        return {path: self._map(relevance, forward, node.outputs[0]) for path, node in zip(paths, nodes)}

    def _map(self, relevance, forward, tensor):
        activations = as_float(forward.values[tensor])
        if tensor not in relevance:
            return tf.zeros_like(activations[..., 0])
        weights = tf.reduce_sum(relevance[tensor], axis=spatial_axes(activations), keepdims=True)
        return tf.reduce_sum(weights * activations, axis=-1)
