"""Methods that change the input and watch the score: loops over inputs changed by hand."""

import itertools
import math

import numpy as np
import tensorflow as tf
from sklearn.linear_model import Ridge

from benchmarks.model_kinds.kind import LINKS
from benchmarks.model_kinds.truths.cams import masked_score, placed, scaled, seen
from benchmarks.model_kinds.truths.registry import truth
from benchmarks.model_kinds.walk import Walk

_WINDOW, _STRIDE, _MASKS, _DRAWS = 4, 3, 6, 12


def scores_of(kind, index, changed):
    """Scores with another input number `index`."""
    inputs = list(kind.x)
    inputs[index] = changed.astype(inputs[index].dtype)
    return np.asarray(kind.probability([tf.constant(x) for x in inputs]), np.float64)


def spatial_inputs(kind):
    return [index for index, x in enumerate(kind.x) if x.ndim > 2]


@truth("occlusion", window=_WINDOW, stride=_STRIDE)
def occlusion(kind, explainer, found):
    for maps, index in zip(found, spatial_inputs(kind)):
        x = kind.x[index]
        size = x.shape[1:-1]
        clean = scores_of(kind, index, x)
        total, count = np.zeros(x.shape[:-1]), np.zeros(size)
        starts = [range(0, max(0, math.ceil((side - _WINDOW) / _STRIDE)) * _STRIDE + 1, _STRIDE) for side in size]
        for corner in itertools.product(*starts):
            window = tuple(slice(at, at + _WINDOW) for at in corner)
            occluded = x.copy()
            occluded[(slice(None), *window)] = 0
            fall = clean - scores_of(kind, index, occluded)
            total[(slice(None), *window)] += fall.reshape(-1, *[1] * len(size))
            count[window] += 1
        yield "loop over windows", maps, total / count


@truth("rise", n_masks=_MASKS, grid=3)
def rise(kind, explainer, found):
    for maps, index in zip(found, spatial_inputs(kind)):
        total = np.zeros(maps.shape)
        masks = np.asarray(explainer.masks(tf.range(_MASKS), maps.shape[1:]), np.float64)
        for mask in masks:
            scores = masked_score(kind, np.broadcast_to(mask, maps.shape), kind.probability, index)
            total += scores.reshape(-1, *[1] * mask.ndim) * mask
        yield "loop over its masks", maps, total / (_MASKS * 0.5)


_PARTS = {1: (3,), 2: (2, 2), 3: (2, 1, 2)}


def segments(size):
    """Labels of equal parts `(*size)`."""
    labels = np.zeros(size, int)
    for place in np.ndindex(*size):
        for at, length, count in zip(place, size, _PARTS[len(size)]):
            labels[place] = labels[place] * count + at * count // length
    return labels


def coalition_scores(kind, index, coalitions):
    """Scores `(coalitions, samples)` where the segments left out are their mean."""
    x = kind.x[index]
    labels = segments(x.shape[1:-1])
    found = []
    for coalition in coalitions:
        changed = x.astype(np.float64)
        for label in np.flatnonzero(~np.asarray(coalition, bool)):
            there = labels == label
            mean = x[:, there].astype(np.float64).mean(axis=1, keepdims=True)
            changed[:, there] = mean if np.issubdtype(x.dtype, np.floating) else np.rint(mean)
        found.append(scores_of(kind, index, changed))
    return np.stack(found)


@truth("lime", n_samples=_DRAWS)
def lime(kind, explainer, found):
    for maps, index in zip(found, spatial_inputs(kind)):
        labels = segments(maps.shape[1:])
        count = labels.max() + 1
        bits, weights = explainer.coalitions(np.arange(_DRAWS), np.array([count]))
        scores = coalition_scores(kind, index, bits[:, 0])
        fits = [Ridge(alpha=1.0).fit(bits[:, 0], of_sample, weights[:, 0]).coef_ for of_sample in scores.T]
        yield "scikit-learn's ridge on its coalitions", maps, np.stack([fit[labels] for fit in fits])


@truth("kernel_shap")
def kernel_shap(kind, explainer, found):
    for maps, index in zip(found, spatial_inputs(kind)):
        labels = segments(maps.shape[1:])
        count = int(labels.max()) + 1
        coalitions = list(itertools.product((0, 1), repeat=count))
        scores = dict(zip(coalitions, coalition_scores(kind, index, coalitions)))
        values = np.zeros((len(maps), count))
        for segment, coalition in itertools.product(range(count), coalitions):
            if coalition[segment]:
                continue
            size = sum(coalition)
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            joined = (*coalition[:segment], 1, *coalition[segment + 1 :])
            values[:, segment] += weight * (scores[joined] - scores[coalition])
        yield "Shapley values by all coalitions", maps, values[:, labels]


_NO_BLOCK = ("Pool", "Padding", "Cropping", "Crop", "Dropout", "Permute", "Reshape", "Resizing", "Identity", "Input")
_NO_BLOCK += ("UpSampling", "Random", "Flatten")


@truth("sise")
def sise(kind, explainer, found):
    """Blocks end before each reduction of the size; masks weighted by scores; fused under Otsu's thresholds."""
    if "sise" not in kind.twins:
        return
    from skimage.filters import threshold_otsu

    inputs = kind.tensors()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        walk = Walk()
        logits = kind.logits(inputs, walk)
        scores = _contrast(kind, logits)
    x = kind.x[kind.input_of_layer]
    outputs = [one for layer, one in walk.trail if len(one.shape) == x.ndim and not _is_no_block(layer)]
    ends = [one for one, after in itertools.pairwise(outputs) if _is_reduced(one, after)]
    fused, doubtful = None, np.zeros(x.shape[:-1], bool)
    for activations in [*ends, outputs[-1]]:
        means = np.asarray(tape.gradient(scores, activations), np.float64)
        means = means.mean(axis=tuple(range(1, means.ndim - 1)))
        A, total = np.asarray(activations, np.float64), np.zeros(x.shape[:-1])
        where = seen(kind, A[..., 0])
        for channel in range(A.shape[-1]):
            masks = scaled(placed(kind, A[..., channel]), where)
            sums = masks.reshape(len(masks), -1).sum(axis=1)
            weights = masked_score(kind, masks, kind.probability) / np.where(sums > 0, sums, 1)
            weights = np.where((sums > 0) & (means[:, channel] > 0), weights, 0)
            total += weights.reshape(-1, *[1] * (masks.ndim - 1)) * masks
        block = scaled(total, where)
        if fused is None:
            fused = block
        else:
            thresholds = [threshold_otsu(one, nbins=256) if np.ptp(one) else 0.0 for one in block[:, where]]
            thresholds = np.reshape(thresholds, [-1, *[1] * (block.ndim - 1)])
            # Rounding decides on which side of the threshold a position in its bin of the histogram is.
            doubtful |= np.abs(block - thresholds) < max(2 / 256, kind.tolerance)
            fused = (fused + block) * (block > thresholds)
    assert doubtful.mean() < 0.5, "too few positions are left to tell right from wrong"
    yield "loop over masks and blocks", np.where(doubtful, fused, found[0]), fused


def _is_reduced(maps, after):
    return any(side >= 1.5 * other for side, other in zip(maps.shape[1:-1], after.shape[1:-1]))


def _contrast(kind, logits):
    """A score whose gradient has the sign of the probability's: the logit, for a softmax against the others."""
    if kind.value is not None:
        return kind.value(LINKS[kind.link](logits))
    classes = np.resize(kind.classes, len(logits))
    if kind.link == "sigmoid" and logits.shape[-1] == 1:
        return (2.0 * classes - 1.0) * logits[:, 0]
    values = tf.nn.log_softmax(logits) if kind.link == "log_softmax" else logits
    own = tf.gather(values, classes, batch_dims=1)
    if kind.link != "softmax" and not kind.classifies:
        return own
    others = tf.where(tf.one_hot(classes, logits.shape[-1]) > 0, -np.inf, logits)
    return own - tf.reduce_logsumexp(others, axis=1)


def _is_no_block(layer):
    return any(part in type(layer).__name__ for part in _NO_BLOCK)
