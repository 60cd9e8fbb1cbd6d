"""Class activation maps: activations from the walk, gradients by tape, formulas in NumPy."""

import numpy as np
import tensorflow as tf

import kerasxai
from benchmarks.model_kinds.truths.gradients import with_noise
from benchmarks.model_kinds.truths.registry import truth
from benchmarks.model_kinds.walk import Walk

_DRAWS = 3
_SIGNED = {"relu": False}


def activations_and_gradients(kind, inputs):
    """A and G at the tapped layer, float64 arrays."""
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    with tf.GradientTape() as tape:
        walk = Walk(watch=tape.watch)
        scores = kind.logit(inputs, walk)
    gradient = tape.gradient(scores, walk.activations)
    return np.asarray(walk.activations, np.float64), np.asarray(gradient, np.float64)


def resized(maps, size):
    """Maps `(samples, *spatial)` at another size, linear between half-pixel centres, axis by axis."""
    for axis, length in enumerate(size, start=1):
        old = maps.shape[axis]
        centres = (np.arange(length) + 0.5) * old / length - 0.5
        maps = np.apply_along_axis(lambda row: np.interp(centres, np.arange(old), row), axis, maps)
    return maps


def min_max(maps):
    """Each map in 0 ... 1, a constant one 0."""
    axes = tuple(range(1, maps.ndim))
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    varies = high - low > 1e-6 * np.maximum(np.abs(low), np.abs(high))
    return np.where(varies, (maps - low) / np.where(varies, high - low, 1), 0)


def placed(kind, maps):
    """Maps of the layer at the input's size and in its place."""
    return kind.place(maps) if kind.place else resized(maps, kind.x[kind.input_of_layer].shape[1:-1])


def seen(kind, maps):
    """Where on the input the layer sees anything, bool `(*spatial)`."""
    return placed(kind, np.ones(maps.shape))[0] > 0


def scaled(maps, where):
    """Each map of the input's size in 0 ... 1 over the positions seen, 0 elsewhere."""
    whole = np.zeros(maps.shape)
    whole[:, where] = min_max(maps[:, where])
    return whole


def weighted(activations, weights):
    """`sum_k w_k A_k`, weights `(samples, channels)`."""
    return np.einsum("n...k,nk->n...", activations, weights)


def spatial(array):
    return tuple(range(1, array.ndim - 1))


def plus_plus(A, first, second, third):
    denominator = 2 * second + A.sum(axis=spatial(A), keepdims=True) * third
    shares = np.where(denominator != 0, second / np.where(denominator != 0, denominator, 1), 0)
    return weighted(A, (shares * np.maximum(first, 0)).sum(axis=spatial(A)))


def xgrad(A, G):
    total = A.sum(axis=spatial(A))
    return weighted(A, (G * A).sum(axis=spatial(A)) / (total + np.where(total < 0, -1e-6, 1e-6)))


FORMULAS = {
    "grad_cam": lambda A, G: weighted(A, G.mean(axis=spatial(A))),
    "grad_cam_plus_plus": lambda A, G: plus_plus(A, G, G**2, G**3),
    "hires_cam": lambda A, G: (G * A).sum(axis=-1),
    "xgrad_cam": xgrad,
    "layer_cam": lambda A, G: (np.maximum(G, 0) * A).sum(axis=-1),
    "eigen_grad_cam": lambda A, G: component(A * G, A),
}


@truth(*FORMULAS, **_SIGNED)
def formula_cam(kind, explainer, found):
    A, G = activations_and_gradients(kind, kind.x)
    yield "A, G by tape; formula", found[0], placed(kind, FORMULAS[explainer.name](A, G))


@truth("smooth_grad_cam_plus_plus", n_samples=_DRAWS, **_SIGNED)
def smooth_plus_plus(kind, explainer, found):
    A, _ = activations_and_gradients(kind, kind.x)
    draws = []
    for draw in range(_DRAWS):
        noisy = [with_noise(x, draw, stream) for stream, x in zip(kind.streams, kind.x)]
        draws.append(activations_and_gradients(kind, noisy)[1])
    G = np.stack(draws)
    expected = plus_plus(A, G.mean(axis=0), (G**2).mean(axis=0), (G**3).mean(axis=0))
    yield "loop over draws; formula", found[0], placed(kind, expected)


@truth("eigen_cam", **_SIGNED)
def eigen_cam(kind, explainer, found):
    A, _ = activations_and_gradients(kind, kind.x)
    yield "SVD of A", found[0], placed(kind, component(A, A))


def component(values, activations):
    """`(values - mean) v1` of each sample, its sign that of its covariance with the mean positive activation."""
    maps = []
    for one, own in zip(values, activations):
        rows = one.reshape(-1, one.shape[-1])
        rows = rows - rows.mean(axis=0)
        _, _, right = np.linalg.svd(rows, full_matrices=False)
        projected = rows @ right[0]
        reference = np.maximum(own, 0).mean(axis=-1).ravel()
        sign = -1 if projected @ (reference - reference.mean()) < 0 else 1
        maps.append(sign * projected.reshape(one.shape[:-1]))
    return np.stack(maps)


@truth("cam", relu=False)
def cam(kind, explainer, found):
    """Plus the bias, the map's mean is the logit: so the map is the affine head taken at each position."""
    walk = Walk()
    kind.logit(kind.tensors(), walk)
    A = np.asarray(walk.activations, np.float64)
    maps = np.zeros(A.shape[:-1])
    for place in np.ndindex(*A.shape[1:-1]):
        here = np.broadcast_to(A[(slice(None), *(slice(p, p + 1) for p in place))], A.shape).astype(np.float32)
        maps[(slice(None), *place)] = ablated_score(kind, here)
    none = ablated_score(kind, np.zeros(A.shape, np.float32)).reshape(-1, *[1] * (A.ndim - 2))
    yield "logit of a constant A, less the bias", found[0], placed(kind, maps - none)


def ablated_score(kind, activations):
    """The score with other activations at the tapped layer."""
    walk = Walk()
    kind.logit(kind.tensors(), walk)
    replaced = tf.cast(activations, walk.activations.dtype)
    return np.asarray(kind.logit(kind.tensors(), Walk(replaced=replaced)), np.float64)


@truth("ablation_cam", **_SIGNED)
def ablation_cam(kind, explainer, found):
    walk = Walk()
    scores = np.asarray(kind.logit(kind.tensors(), walk), np.float64)
    A = np.asarray(walk.activations, np.float64)
    weights = np.zeros((len(A), A.shape[-1]))
    for channel in range(A.shape[-1]):
        without = A.copy()
        without[..., channel] = 0
        weights[:, channel] = (scores - ablated_score(kind, without)) / np.abs(scores)
    yield "loop over channels", found[0], placed(kind, weighted(A, weights))


@truth("score_cam", **_SIGNED)
def score_cam(kind, explainer, found):
    walk = Walk()
    kind.logit(kind.tensors(), walk)
    A = np.asarray(walk.activations, np.float64)
    where = seen(kind, A[..., 0])
    masks = [scaled(placed(kind, A[..., k]), where) for k in range(A.shape[-1])]
    scores = np.stack([masked_score(kind, mask) for mask in masks], axis=1)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    yield "loop over masks", found[0], placed(kind, weighted(A, weights / weights.sum(axis=1, keepdims=True)))


def masked_score(kind, masks, score=None, index=None):
    """Scores of the samples multiplied by masks `(samples, *spatial)`."""
    index = kind.input_of_layer if index is None else index
    inputs = list(kind.x)
    masked = inputs[index] * masks[..., np.newaxis]
    inputs[index] = (masked if np.issubdtype(inputs[index].dtype, np.floating) else np.rint(masked)).astype(
        inputs[index].dtype
    )
    return np.asarray((score or kind.logit)([tf.constant(x) for x in inputs]), np.float64)


@truth("guided_grad_cam")
def guided_grad_cam(kind, explainer, found):
    from benchmarks.model_kinds.truths.gradients import each, gradients
    from benchmarks.model_kinds.walk import Guided

    if "guided" not in kind.twins:
        return
    A, G = activations_and_gradients(kind, kind.x)
    maps = placed(kind, np.maximum(FORMULAS["grad_cam"](A, G), 0))
    expected = [
        one * maps[..., np.newaxis] if one.shape[:-1] == maps.shape else one for one in gradients(kind, kind.x, Guided)
    ]
    yield from each("Grad-CAM x guided, both looped", found, expected)


@truth("relevance_cam", **_SIGNED)
def relevance_cam(kind, explainer, found):
    """Weighted by the sums of LRP's relevance at the layer, whose own truth is under `lrp`."""
    walk = Walk()
    kind.logit(kind.tensors(), walk)
    A = np.asarray(walk.activations, np.float64)
    several = kind.value is None and kind.logits(kind.tensors()).shape[-1] > 1
    lrp = kerasxai.explainers.LRP(
        kind.model,
        rules="alpha1_beta0",
        relevance_at=explainer.layers_for(0)[0],
        start="one",
        contrast="others" if several else None,
    )
    R = np.asarray(lrp(kind.given, kind.target), np.float64)
    yield "A; sums of LRP's relevance there", found[0], placed(kind, weighted(A, R.sum(axis=spatial(R))))
