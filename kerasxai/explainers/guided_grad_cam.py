"""Guided Grad-CAM: where Grad-CAM looks, in the detail of Guided Backpropagation."""

from __future__ import annotations

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.cam import GradCAM
from kerasxai.explainers.gradient import GradientExplainer
from kerasxai.explainers.rectified import GuidedBackprop
from kerasxai.explainers.registry import register
from kerasxai.typing import LayerLike, Model


@register("guided_grad_cam")
class GuidedGradCAM(GradientExplainer):
    """Guided Grad-CAM: the Grad-CAM map at the input's size times Guided Backpropagation, channel by channel.

    Signed `(samples, *input_shape)`. An input that the layer does not depend on keeps its Guided Backpropagation.

    Args:
        model: A built Sequential or functional Keras model.
        layer: The layer Grad-CAM reads, see `CAM`.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391
    """

    passes = "2 F + B + b"

    reduce = "abs_sum"
    needs_graph = True

    def __init__(self, model: Model, layer: LayerLike | None = None, **kwargs: Unpack[ExplainerOptions]) -> None:
        super().__init__(model, **kwargs)
        if isinstance(layer, (list, tuple)):
            raise ValueError(f"GuidedGradCAM reads one layer. Received: layer={layer!r}.")
        self._cam = GradCAM(model, layer=layer, upsample=False, score=self.score)
        self._guided = GuidedBackprop(model, score=self.score)
        self.parts = (self._cam, self._guided)
        self.layer = self._cam.layer

    def attribute(self, inputs, target):
        maps = self._cam.explain_batch(inputs, target)
        (path,) = self._cam.layers_for(target.output)
        gradients = self._guided.attribute(inputs, target)
        for index, placement in self._cam.placements(path, maps, inputs).items():
            gradients[index] *= tf.cast(placement.put(maps)[..., tf.newaxis], gradients[index].dtype)
        return gradients
