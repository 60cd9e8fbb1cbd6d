"""Formulas of class activation maps in NumPy, over activations A and gradients G `(samples, *spatial, channels)`."""

import numpy as np

from tests.support import truth


def spatial_axes(array):
    return tuple(range(1, array.ndim - 1))


def grad_cam(A, G):
    return (G.mean(axis=spatial_axes(G), keepdims=True) * A).sum(axis=-1)


def grad_cam_plus_plus(A, G, G2=None, G3=None):
    G2, G3 = (G**2, G**3) if G2 is None else (G2, G3)
    denominator = 2 * G2 + A.sum(axis=spatial_axes(A), keepdims=True) * G3
    shares = np.divide(G2, denominator, out=np.zeros_like(denominator), where=denominator != 0)
    weights = (shares * np.maximum(G, 0)).sum(axis=spatial_axes(A), keepdims=True)
    return (weights * A).sum(axis=-1)


def hires_cam(A, G):
    return (G * A).sum(axis=-1)


def xgrad_cam(A, G):
    total = A.sum(axis=spatial_axes(A), keepdims=True)
    weights = (G * A).sum(axis=spatial_axes(A), keepdims=True) / (total + np.where(total >= 0, 1e-6, -1e-6))
    return (weights * A).sum(axis=-1)


def layer_cam(A, G):
    return (np.maximum(G, 0) * A).sum(axis=-1)


def eigen_cam(A, G):
    return first_component(A, A)


def eigen_grad_cam(A, G):
    return first_component(G * A, A)


def first_component(values, A):
    """By SVD, sample by sample; the sign that goes with the mean positive activation."""
    maps = []
    for matrix, activations in zip(values.reshape(len(values), -1, values.shape[-1]), A):
        centred = matrix - matrix.mean(axis=0)
        _, _, right = np.linalg.svd(centred.astype("float64"), full_matrices=False)
        component = centred @ right[0]
        reference = np.maximum(activations, 0).mean(axis=-1).ravel()
        maps.append(component * np.sign(np.corrcoef(component, reference)[0, 1]))
    return np.reshape(maps, A.shape[:-1])


FORMULAS = {
    formula.__name__: formula
    for formula in (grad_cam, grad_cam_plus_plus, hires_cam, xgrad_cam, layer_cam, eigen_cam, eigen_grad_cam)
}
SIGNED = ("eigen_cam", "eigen_grad_cam")  # not rectified by default


def rectified(method, maps):
    """What a method gives by default."""
    return maps if method in SIGNED else np.maximum(maps, 0)


def naive_score_cam(model, x, A, classes):
    """One run of the model per channel of A."""
    scores = []
    for channel in np.moveaxis(A, -1, 0):
        mask = truth.min_max(truth.resized(channel, (8, 10)))
        scores.append(truth.scores(model, x * mask[..., np.newaxis], classes))
    exponentials = np.exp(scores - np.max(scores, axis=0))
    weights = exponentials / exponentials.sum(axis=0)
    return np.einsum("kn,nijk->nij", weights, A)
