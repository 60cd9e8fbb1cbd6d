"""The gradient family: by tape on the net, the paths and the noise as loops."""

import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter1d

from benchmarks.model_kinds.truths.registry import per_sample, truth
from benchmarks.model_kinds.walk import Deconv, Guided, Walk

_STEPS, _DRAWS, _LEVEL, _SEED, _SIGMA = 3, 3, 0.15, 0, 3.0


def gradients(kind, inputs, walk=Walk, score=None):
    """dS/dx for each input, float64 arrays; zeros for integers."""
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    real = [x for x in inputs if x.dtype.is_floating]
    with tf.GradientTape() as tape:
        tape.watch(real)
        scores = (score or kind.logit)(inputs, walk()) if score is None else score(inputs)
    found = iter(tape.gradient(scores, real, unconnected_gradients="zero"))
    return [next(found).numpy().astype(np.float64) if x.dtype.is_floating else np.zeros(x.shape) for x in inputs]


@truth("gradient")
def gradient(kind, explainer, found):
    yield from each("tape", found, gradients(kind, kind.x))


@truth("sensitivity")
def sensitivity(kind, explainer, found):
    yield from each("tape", found, [np.abs(one) for one in gradients(kind, kind.x)])


@truth("gradient_x_input")
def gradient_x_input(kind, explainer, found):
    yield from each("tape", found, [g * x for g, x in zip(gradients(kind, kind.x), kind.x)])


@truth("guided_backprop")
def guided_backprop(kind, explainer, found):
    if "guided" in kind.twins:
        yield from each("twin with its own ReLU", found, gradients(kind, kind.x, Guided))


@truth("deconvnet")
def deconvnet(kind, explainer, found):
    if "guided" in kind.twins:
        yield from each("twin with its own ReLU", found, gradients(kind, kind.x, Deconv))


def path_sum(kind, starts, positions, weights):
    """Sum over the points of a straight path of weight x gradient x way."""
    real = [np.issubdtype(x.dtype, np.floating) for x in kind.x]
    total = [np.zeros(x.shape) for x in kind.x]
    for position, weight in zip(positions, weights):
        points = [
            (start + position * (x - start)).astype(x.dtype) if is_real else x
            for x, start, is_real in zip(kind.x, starts, real)
        ]
        for index, slope in enumerate(gradients(kind, points)):
            total[index] += weight * slope * (kind.x[index] - starts[index] if real[index] else 0.0)
    return total


def gauss_legendre(steps):
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2


@truth("integrated_gradients", steps=_STEPS)
def integrated_gradients(kind, explainer, found):
    expected = path_sum(kind, [np.zeros_like(x) for x in kind.x], *gauss_legendre(_STEPS))
    yield from each("loop over nodes", found, expected)


@truth("guided_ig", steps=_STEPS, max_distance=0.0)
def guided_ig(kind, explainer, found):
    """Without leave to stray from the straight line it is a sum over the left ends of the steps."""
    expected = path_sum(kind, [np.zeros_like(x) for x in kind.x], np.arange(_STEPS) / _STEPS, [1 / _STEPS] * _STEPS)
    yield from each("loop over steps", found, expected)


@truth("expected_gradients", n_samples=_DRAWS)
def expected_gradients(kind, explainer, found):
    total = [np.zeros(x.shape) for x in kind.x]
    for row, position in zip(explainer._rows, explainer._alphas):
        start = np.broadcast_to(explainer.background[row], kind.x[0].shape).astype(kind.x[0].dtype)
        (share,) = path_sum(kind, [start], [position], [1 / _DRAWS])
        total[0] += share
    yield from each("loop over its draws", found, total)


@truth("blur_ig", steps=2, max_sigma=_SIGMA)
def blur_ig(kind, explainer, found):
    ends = np.geomspace(0.2, _SIGMA, 3)
    middles, ends[0] = np.sqrt(ends[:-1] * ends[1:]), 0.0
    total = [np.zeros(x.shape) for x in kind.x]
    blurs = [np.issubdtype(x.dtype, np.floating) and x.ndim > 2 for x in kind.x]
    for low, middle, high in zip(ends, middles, ends[1:]):
        points = [blurred(x, middle).astype(x.dtype) if blur else x for x, blur in zip(kind.x, blurs)]
        for index, slope in enumerate(gradients(kind, points)):
            if blurs[index]:
                total[index] += slope * (blurred(kind.x[index], low) - blurred(kind.x[index], high))
    yield from each("loop over scales", found, total)


def blurred(x, sigma):
    x = x.astype(np.float64)
    for axis in range(1, x.ndim - 1):
        x = gaussian_filter1d(x, sigma, axis=axis, mode="reflect", truncate=12.0) if sigma else x
    return x


@truth("xrai", steps=_STEPS)
def xrai(kind, explainer, found):
    """Each region holds the mean, over its positions, of integrated gradients from the least and largest value."""
    axes = [tuple(range(1, x.ndim)) for x in kind.x]
    total = [np.zeros(x.shape) for x in kind.x]
    for extreme in (np.min, np.max):
        starts = [np.zeros_like(x) + extreme(x, axis=axis, keepdims=True) for x, axis in zip(kind.x, axes)]
        for index, share in enumerate(path_sum(kind, starts, *gauss_legendre(_STEPS))):
            total[index] += share / 2
    for maps, attributions in zip(found, total):
        if attributions.ndim < 3:  # without positions there are no regions
            continue
        means, values = np.zeros(maps.shape), attributions.sum(axis=-1)
        for sample, (one, own) in enumerate(zip(maps, values)):
            for level in np.unique(one):
                means[sample][one == level] = own[one == level].mean()
        yield "means of looped integrated gradients over its regions", maps, means


def noisy_gradients(kind, walk=Walk, times_input=False, draws=_DRAWS):
    """Gradients at noisy copies: a list, one for each input, of arrays `(draws, ...)`."""
    found = []
    for draw in range(draws):
        inputs = [with_noise(x, draw, stream) for stream, x in zip(kind.streams, kind.x)]
        slopes = gradients(kind, inputs, walk)
        found.append([g * np.asarray(x, np.float64) for g, x in zip(slopes, inputs)] if times_input else slopes)
    return [np.stack(of_input) for of_input in zip(*found)]


def with_noise(x, draw, stream):
    if not np.issubdtype(x.dtype, np.floating):
        return x
    axes = tuple(range(1, x.ndim))
    spread = x.max(axis=axes, keepdims=True) - x.min(axis=axes, keepdims=True)
    noise = tf.random.stateless_normal(x.shape[1:], [_SEED, draw * 16 + stream], dtype=x.dtype).numpy()
    return (x + _LEVEL * spread * noise).astype(x.dtype)


@truth("smooth_grad", n_samples=_DRAWS)
def smooth_grad(kind, explainer, found):
    yield from each("loop over draws", found, [one.mean(axis=0) for one in noisy_gradients(kind)])


@truth("smooth_grad_squared", n_samples=_DRAWS)
def smooth_grad_squared(kind, explainer, found):
    yield from each("loop over draws", found, [(one**2).mean(axis=0) for one in noisy_gradients(kind)])


@truth("var_grad", n_samples=_DRAWS)
def var_grad(kind, explainer, found):
    yield from each("loop over draws", found, [one.var(axis=0) for one in noisy_gradients(kind)])


@truth("noise_percentiles", n_samples=_DRAWS, percentiles=(10, 75))
def noise_percentiles(kind, explainer, found):
    expected = [np.moveaxis(np.percentile(one, (10, 75), axis=0), 0, 1) for one in noisy_gradients(kind)]
    yield from each("loop over draws", found, expected)


@truth("deep_lift")
def deep_lift(kind, explainer, found):
    from benchmarks.model_kinds.walk import Remembering, Rescale

    starts = [np.zeros_like(x) if np.issubdtype(x.dtype, np.floating) else x for x in kind.x]
    differences = kind.logit(kind.tensors()) - kind.logit([tf.constant(x) for x in starts])
    yield "sum = S(x) - S(baseline)", sum(per_sample(one) for one in found), differences.numpy()
    if "rescale" in kind.twins and kind.value is None and not kind.log_p:
        baseline = Remembering()
        kind.logits([tf.constant(x) for x in starts], baseline)
        slopes = gradients(kind, kind.x, lambda: Rescale(baseline))
        yield from each("twin with slopes of differences", found, [g * x for g, x in zip(slopes, kind.x)])


@truth("full_grad")
def full_grad(kind, explainer, found):
    """Completeness, and the map itself from biases met on the walk."""
    from benchmarks.model_kinds.truths.cams import min_max, resized

    if "full_grad" not in kind.twins:
        return
    inputs = kind.tensors()
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        walk = Walk(watch=tape.watch)
        scores = kind.logit(inputs, walk)
    terms = [(inputs[0], None), *walk.terms]
    slopes = tape.gradient(scores, [z for z, _ in terms], unconnected_gradients="zero")
    total, sums = 0.0, 0.0
    for (z, offset), slope in zip(terms, slopes):
        term = np.asarray(slope, np.float64) * np.asarray(z if offset is None else offset, np.float64)
        sums = sums + per_sample(term)
        if term.ndim == kind.x[0].ndim:
            total = total + min_max(resized(np.abs(term).sum(axis=-1), kind.x[0].shape[1:-1]))
    if kind.place is None:  # behind a move each term lies elsewhere: what is left is that they add up
        yield "terms from the biases met on the walk", found[0], total
    residual = explainer.completeness_residual(kind.given, target=kind.target)
    yield "completeness residual", scores.numpy() - residual, sums


def each(how, found, expected):
    """The check of every input."""
    if len(found) != len(expected):
        raise AssertionError(f"{len(found)} maps for {len(expected)} inputs")
    wide = [(one, other) for one, other in zip(found, expected)]
    # An input that has no share in the score is compared with those that have.
    scale = max(np.abs(other).max() for other in expected)
    for one, other in wide:
        yield how, one, np.asarray(other), scale
