"""Grad-CAM++, and the same from gradients averaged over noise."""

from __future__ import annotations

import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.cam import CAM, ActivationGradientCAM, CAMOptions
from kerasxai.explainers.noise import mean_of_draws, noisy_copies
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import split
from kerasxai.options import number, positive_integer, seed_number
from kerasxai.precision import as_float
from kerasxai.targets import resolve
from kerasxai.typing import Model


@register("grad_cam_plus_plus")
class GradCAMPlusPlus(ActivationGradientCAM):
    """Grad-CAM++: channels weighted by their positive gradients, each position by its share in the score's curvature.

    Reference:
        Chattopadhay et al., 2018, https://arxiv.org/abs/1710.11063
    """

    def combine(self, activations, gradients):
        return plus_plus(activations, gradients, tf.square(gradients), gradients**3)


@register("smooth_grad_cam_plus_plus")
class SmoothGradCAMPlusPlus(CAM):
    """Smooth Grad-CAM++: Grad-CAM++ with its gradients averaged over noisy copies of the input.

    Args:
        model: A built Keras model.
        n_samples: Number of noisy copies.
        noise_level: Standard deviation of the noise as a share of each sample's range.
        seed: Seed of the noise.
        **kwargs: `layer`, `upsample`, `relu`, see `CAM`; `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Omeiza et al., 2019, https://arxiv.org/abs/1908.01224
    """

    passes = "F + n_samples (F + b)"

    def __init__(
        self, model: Model, n_samples: int = 50, noise_level: float = 0.15, seed: int = 0, **kwargs: Unpack[CAMOptions]
    ) -> None:
        super().__init__(model, **kwargs)
        self.n_samples = positive_integer("n_samples", n_samples)
        self.noise_level = number("noise_level", noise_level, least=0)
        self.seed = seed_number(seed)

    def maps(self, inputs, target):
        paths = self.layers_for(target.output)
        outputs, tapped = self.scorer.outputs(inputs, target, taps=paths)
        target = resolve(self.scorer, outputs, target)

        def powers_of(indices):
            """The gradients at the layers to the powers 1, 2 and 3."""
            count = tf.size(indices)
            noisy = noisy_copies(inputs, indices, self.noise_level, self.seed)
            _, gradients = self.activations_and_gradients(noisy, target.tile(count), paths)
            powers = []
            for slope in gradients:
                powers += [slope, tf.square(slope), slope**3]
            return [split(power, count) for power in powers]

        batch = tf.shape(inputs[0])[0]
        zeros = []
        for a in tapped:
            zeros += 3 * [tf.zeros([batch, *a.shape[1:]], as_float(a).dtype)]
        means = mean_of_draws(powers_of, self.n_samples, self.chunk(inputs), zeros)
        of_layers = [means[place : place + 3] for place in range(0, len(means), 3)]
        return {path: plus_plus(as_float(a), *powers) for path, a, powers in zip(paths, tapped, of_layers)}


def plus_plus(activations, first, second, third):
    """The Grad-CAM++ map of activations and of the gradient to the powers 1, 2 and 3."""
    axes = spatial.spatial_axes(activations)
    total = tf.reduce_sum(activations, axis=axes, keepdims=True)
    # A position without gradient has no share: 0 / 0.
    shares = tf.math.divide_no_nan(second, 2.0 * second + total * third)
    weights = tf.reduce_sum(shares * tf.nn.relu(first), axis=axes, keepdims=True)
    return tf.reduce_sum(weights * activations, axis=-1)
