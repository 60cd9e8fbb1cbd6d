"""Class activation maps that are a principal component of a layer's activations over the positions."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.cam import CAM, ActivationGradientCAM, UpsampleOptions
from kerasxai.explainers.registry import register
from kerasxai.precision import as_float
from kerasxai.typing import Model


@register("eigen_cam")
class EigenCAM(CAM):
    """Eigen-CAM: the first principal component of the activations over the positions; no class enters.

    Signed; the sign is such that the map goes with the mean positive activation.

    Reference:
        Muhammad & Yeasin, 2020, https://arxiv.org/abs/2008.00299
    """

    passes = "F"
    signed = True

    def __init__(self, model: Model, relu: bool = False, **kwargs: Unpack[UpsampleOptions]) -> None:
        super().__init__(model, relu=relu, **kwargs)

    def maps(self, inputs, target):
        paths = self.layers_for(target.output)
        _, tapped = self.scorer.outputs(inputs, target, taps=paths)
        return {path: first_component(as_float(a), as_float(a)) for path, a in zip(paths, tapped)}


@register("eigen_grad_cam")
class EigenGradCAM(ActivationGradientCAM):
    """Eigen-CAM of activation times gradient, which brings the class in.

    Signed; the sign is such that the map goes with the mean positive activation.

    Reference:
        Gildenblat et al., 2021, https://github.com/jacobgil/pytorch-grad-cam
    """

    signed = True

    def __init__(self, model: Model, relu: bool = False, **kwargs: Unpack[UpsampleOptions]) -> None:
        super().__init__(model, relu=relu, **kwargs)

    def combine(self, activations, gradients):
        return first_component(activations * gradients, activations)


def first_component(values, activations):
    """`(values - mean) v1` for each sample, v1 the first right singular vector of its positions x channels matrix."""
    size, channels = spatial.spatial_size(values), values.shape[-1]
    positions = int(np.prod(size))
    rows = tf.reshape(values, [-1, positions, channels])
    rows -= tf.reduce_mean(rows, axis=1, keepdims=True)
    if positions <= channels:  # the smaller of the two Gram matrices has the same leading component
        eigenvalues, vectors = tf.linalg.eigh(tf.matmul(rows, rows, transpose_b=True))
        # An eigenvalue that is 0 may come out below it by rounding.
        component = vectors[..., -1] * tf.sqrt(tf.nn.relu(eigenvalues[..., -1:]))
    else:
        _, vectors = tf.linalg.eigh(tf.matmul(rows, rows, transpose_a=True))
        component = tf.matmul(rows, vectors[..., -1:])[..., 0]
    # A singular vector has no sign of its own: it gets that of the positive activations.
    reference = tf.reshape(tf.reduce_mean(tf.nn.relu(activations), axis=-1), [-1, positions])
    reference -= tf.reduce_mean(reference, axis=1, keepdims=True)
    agreement = tf.reduce_sum(component * reference, axis=1, keepdims=True)
    return tf.reshape(tf.where(agreement < 0, -component, component), [-1, *size])
