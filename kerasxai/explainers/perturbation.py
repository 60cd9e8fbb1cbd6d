"""Model-agnostic explainers that change the input and watch the score: occlusion and RISE."""

import abc
import numbers
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasxai import spatial
from kerasxai.explainers.base import Explainer
from kerasxai.explainers.options import check_broadcast, check_finite, positive_integer, seed_number
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate, merge, split, uniform
from kerasxai.graph.score import as_float
from kerasxai.targets import resolve, select

# Default windows of occlusion: so many side by side fill an axis.
_WINDOWS_A_SIDE = 8

# How many masks RISE makes between two looks at how far it has converged.
_MASKS_BETWEEN_CHECKS = 128


class PerturbationExplainer(Explainer):
    """Base of the methods that need no more than the scores of changed inputs: `(samples, *spatial)`.

    They take any model, a Python function `x -> scores` that computes in NumPy too. Of several inputs, each that has
    spatial axes is changed by itself, the others staying as they are; the maps then come packed like the inputs, None
    for an input without spatial axes. Integer inputs (but uint8, which a function gets as float32) stay integers:
    what replaces their values is rounded. Scores are held in float32.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        score: The scalar explained: `"probability"` (default) or `"logit"`.
        **kwargs: `batch_size`, `verbose`, see `Explainer`.
    """

    family = "perturbation"

    def __init__(self, model, *, score="probability", **kwargs):
        super().__init__(model, score=score, **kwargs)
        for size in self._known_sizes():
            self.check_size(size)

    def explain_batch(self, inputs, target):
        return {index: self.map(inputs, index, target) for index in spatial_inputs([x.shape for x in inputs])}

    @abc.abstractmethod
    def map(self, inputs, index, target):
        """The map `(batch, *spatial)` of the input number `index`."""

    def check_size(self, size):
        """Refuses options that do not fit the spatial size of an input; None stands for an open side."""

    def perturbed_scores(self, inputs, index, perturbed, target):
        """Scores `(chunk, batch)` with `perturbed`, `(chunk, batch, *input)`, for the input number `index`."""
        count = tf.shape(perturbed)[0]
        copies = [
            merge(perturbed)
            if place == index
            else tf.tile(x, tf.concat([[count], tf.ones(x.shape.rank - 1, tf.int32)], axis=0))
            for place, x in enumerate(inputs)
        ]
        scores, _ = self.scores(copies, target.tile(count))
        return split(scores, count)

    def finish(self, arrays, structure):
        for maps in arrays.values():
            lost = int(np.isnan(maps).reshape(len(maps), -1).any(axis=1).sum())
            if lost:
                warnings.warn(
                    f"{lost} of {len(maps)} {self.name} maps are not a number: the model's scores are not, for some of "
                    "the changed inputs.",
                    stacklevel=3,
                )
        return arrays[0] if structure is None else keras.tree.map_structure(arrays.get, structure)

    def _known_sizes(self):
        """Spatial sizes of the inputs with spatial axes, as far as the model tells them."""
        shapes = getattr(self.graph, "input_shapes", None)
        return [] if shapes is None else [shapes[index][1:-1] for index in spatial_inputs(shapes)]


@register("occlusion")
class Occlusion(PerturbationExplainer):
    """Occlusion: how far the score falls when a window is covered, averaged over the windows of a position.

    Windows start at 0, stride, 2 stride ... up to the first that reaches the end, and are cut there. Maps are signed,
    `(samples, *spatial)`; all channels are covered together.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        window: Side of the window, an int or one per spatial axis; None: 1/8 of the input's side.
        stride: Distance of windows, an int or one per spatial axis, at most the window; None: half the window.
        baseline: What covers a window, in the model's input range: a number, one per channel, an array that broadcasts
            against one sample, `"mean"` (each channel's mean over the sample) or `"blur"` (the sample blurred).
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Zeiler & Fergus, 2014, https://arxiv.org/abs/1311.2901

    Example:

    ```python
    maps = kerasxai.explainers.Occlusion(model, window=8, stride=4, baseline="mean")(images)
    ```
    """

    passes = "F + windows F"

    def __init__(self, model, window=None, stride=None, baseline=0.0, **kwargs):
        self.window = _check_sides("window", window)
        self.stride = _check_sides("stride", stride)
        self.baseline = baseline
        if isinstance(baseline, str):
            if baseline not in ("mean", "blur"):
                raise ValueError(f'`baseline` must be a number, an array, "mean" or "blur". Received: {baseline!r}.')
        else:
            check_finite("baseline", baseline)
        super().__init__(model, **kwargs)
        if not isinstance(baseline, str):
            for index in spatial_inputs(getattr(self.graph, "input_shapes", [])):
                check_broadcast(np.shape(baseline), self.graph.input_shapes[index][1:])

    def map(self, inputs, index, target):
        x = inputs[index]
        coverage = [_windows(side, *sides) for side, *sides in self._sides(spatial.spatial_size(x))]
        counts = [len(windows) for windows in coverage]
        fill = self._fill(x)
        outputs, _ = self.scorer.outputs(inputs)
        target = resolve(self.scorer, outputs, target)
        clean = select(self.scorer, outputs, target)

        def step(state, indices):
            covered = _all_covered(coverage, tf.unravel_index(indices, counts))
            occluded = tf.where(covered[:, tf.newaxis, ..., tf.newaxis], fill, x)
            scores = self.perturbed_scores(inputs, index, occluded, target)
            return [tf.tensor_scatter_nd_update(state[0], indices[:, tf.newaxis], scores)]

        start = tf.zeros([np.prod(counts), tf.shape(x)[0]], clean.dtype)
        (scores,) = accumulate(int(np.prod(counts)), self.chunk(inputs), step, [start])
        falls = tf.reshape(clean - scores, [*counts, -1])
        for windows in coverage:  # the mean over the windows of a position, axis by axis
            falls = tf.tensordot(falls, tf.constant(windows / windows.sum(axis=0), falls.dtype), [[0], [0]])
        return falls

    def check_size(self, size):
        self._sides(size)

    def _sides(self, size):
        """Side of the input, of the window and stride of each spatial axis."""
        for name, sides in (("window", self.window), ("stride", self.stride)):
            if np.ndim(sides) and len(sides) != len(size):
                raise ValueError(
                    f"`{name}` must have one entry per spatial axis, {len(size)} here. Received: {name}={sides!r}."
                )
        windows = _per_axis(self.window, [max(1, (side or 1) // _WINDOWS_A_SIDE) for side in size])
        strides = _per_axis(self.stride, [max(1, window // 2) for window in windows])
        for side, window, stride in zip(size, windows, strides):
            is_known = side is not None or self.window is not None
            if is_known and stride > window and window < (side or np.inf):
                raise ValueError(
                    "`stride` must not be larger than the window, or positions between windows stay unseen. "
                    f"Received: stride={stride}, window={window}."
                )
        return list(zip(size, windows, strides))

    def _fill(self, x):
        if not isinstance(self.baseline, str):
            return replacement("baseline", self.baseline, x)
        if self.baseline == "blur":
            return in_type_of_input(x, spatial.blur(as_float(x)))
        return in_type_of_input(x, tf.reduce_mean(as_float(x), spatial.spatial_axes(x), keepdims=True))


@register("rise")
class RISE(PerturbationExplainer):
    """RISE: random masks, averaged with the score of the input under each as their weight.

    A mask is a grid of cells that are each kept with a probability, enlarged smoothly and shifted at random. Mask i
    depends on `seed` and i alone and is the same for all samples. Maps are `(samples, *spatial)`, divided by
    `n_masks x probability`: the expected score given that a position is kept.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        n_masks: Number of masks; the error falls with its square root.
        grid: Cells per spatial axis.
        probability: How likely a cell is kept.
        tolerance: None, or the error, as `explain_with_error` defines it, at which a sample is done: masks beyond
            are left out once every sample of a batch is done. Looked at every 128 masks.
        seed: Seed of the masks.
        **kwargs: `score`, see `PerturbationExplainer`; `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Petsiuk et al., 2018, https://arxiv.org/abs/1806.07421

    Example:

    ```python
    explainer = kerasxai.explainers.RISE(model, n_masks=400, tolerance=0.05)
    maps = explainer(images)
    maps, error, n_masks = explainer.explain_with_error(images)  # the same maps, and how exact they are
    ```
    """

    passes = "F + n_masks F"

    def __init__(self, model, n_masks=8000, grid=7, probability=0.5, tolerance=None, seed=0, **kwargs):
        super().__init__(model, **kwargs)
        self.n_masks = positive_integer("n_masks", n_masks)
        self.grid = positive_integer("grid", grid)
        if not is_number(probability) or not 0 < probability <= 1:
            raise ValueError(f"`probability` must lie in 0 < p <= 1. Received: probability={probability!r}.")
        if tolerance is not None and (not is_number(tolerance) or not 0 < tolerance < np.inf):
            raise ValueError(f"`tolerance` must be None or a positive number. Received: tolerance={tolerance!r}.")
        self.probability = float(probability)
        self.tolerance = None if tolerance is None else float(tolerance)
        self.seed = seed_number(seed)
        self._with_error = None

    def explain_with_error(self, x, target=None, y=None):
        """Explains every sample of `x` and tells how exact the maps are.

        Args:
            x, target, y: See `Explainer.__call__`.

        Returns:
            `RISEResult`: `maps`, what the explainer itself returns; `error`, `(samples,)`, the standard error of a
            map's values (root mean square over positions) as a share of the map's range; `n_masks`, `(samples,)`,
            how many masks were used. For several inputs each of the three is packed like the maps.
        """
        self._with_error = self._with_error or _WithError(self)
        return self._with_error(x, target, y)

    def map(self, inputs, index, target):
        return self.estimate(inputs, index, target).maps

    def estimate(self, inputs, index, target):
        """The map of the input number `index`, its error and the number of masks: a `RISEResult` of tensors."""
        target = self.resolve_target(inputs, target)
        x = as_float(inputs[index])
        size = spatial.spatial_size(x)

        def add_masks(state, indices):
            masks = tf.cast(self.masks(indices, size), x.dtype)
            masked = in_type_of_input(inputs[index], masks[:, tf.newaxis, ..., tf.newaxis] * x)
            scores = tf.cast(self.perturbed_scores(inputs, index, masked, target), tf.float64)
            masks = tf.cast(tf.reshape(masks, [-1, np.prod(size)]), tf.float64)
            powers = [(scores, masks), (tf.square(scores), tf.square(masks))]
            return [total + tf.matmul(one, of_mask, transpose_a=True) for total, (one, of_mask) in zip(state, powers)]

        def add_block(state, indices):
            *sums, used = state
            count = tf.size(indices)
            more = accumulate(count, self.chunk(inputs), lambda inner, some: add_masks(inner, indices[0] + some), sums)
            if self.tolerance is None:
                return [*more, used + count]
            goes_on = ~self._is_done(state)  # what is done stays as it is, whatever its batch mates need
            kept = [tf.where(goes_on[:, tf.newaxis], new, old) for new, old in zip(more, sums)]
            return [*kept, used + tf.where(goes_on, count, 0)]

        batch = tf.shape(x)[0]
        zeros = tf.zeros([batch, np.prod(size)], tf.float64)  # the square of a small probability is 0 in float32
        state = accumulate(
            self.n_masks,
            self.n_masks if self.tolerance is None else _MASKS_BETWEEN_CHECKS,
            add_block,
            [zeros, zeros, tf.zeros([batch], tf.int32)],
            until=None if self.tolerance is None else lambda state: tf.reduce_all(self._is_done(state)),
        )
        maps, error = self._map_and_error(state)
        return RISEResult(tf.reshape(tf.cast(maps, x.dtype), [-1, *size]), tf.cast(error, x.dtype), state[-1])

    def masks(self, indices, size):
        """The masks of consecutive indices, float32 `(masks, *size)` in 0 ... 1."""
        axes = [side for side in size if side > 1]  # nothing to enlarge or shift elsewhere
        factors = [-(-side // self.grid) for side in axes]
        cells = self.grid + 1  # one more than fit, so that a shift uncovers nothing
        numbers = uniform(self.seed, 0, indices, cells ** len(axes))
        masks = tf.reshape(tf.cast(numbers < self.probability, tf.float32), [-1, *[cells] * len(axes)])
        if axes:
            shifts = tf.cast(uniform(self.seed, 1, indices, len(axes)) * tf.constant(factors, tf.float32), tf.int32)
        for axis, (side, factor) in enumerate(zip(axes, factors)):
            enlarge = tf.constant(spatial.interpolation(cells, cells * factor), tf.float32)
            rows = tf.gather(enlarge, shifts[:, axis : axis + 1] + tf.range(side))  # (masks, side, cells)
            masks = tf.einsum("na...,nia->n...i", masks, rows)
        return tf.reshape(masks, [-1, *size])

    def _map_and_error(self, state):
        sums, squares, used = state
        count = tf.cast(used, sums.dtype)[:, tf.newaxis]
        mean = sums / count
        variance = tf.nn.relu(squares - mean * sums) / (count * (count - 1.0))  # NaN for one mask
        maps, error = mean / self.probability, tf.sqrt(tf.reduce_mean(variance, axis=1)) / self.probability
        spread = tf.reduce_max(maps, axis=1) - tf.reduce_min(maps, axis=1)
        return maps, tf.math.divide_no_nan(error, spread)

    def _is_done(self, state):
        _, error = self._map_and_error(state)
        return (state[-1] > 0) & (error <= self.tolerance)


class RISEResult(NamedTuple):
    """What `RISE.explain_with_error` returns.

    Attributes:
        maps: `(samples, *spatial)`.
        error: Standard error of the map's values as a share of its range, `(samples,)`.
        n_masks: Number of masks used, `(samples,)`.
    """

    maps: Any
    error: Any
    n_masks: Any


class _WithError(Explainer):
    """RISE that returns the error and the number of masks beside the maps."""

    def __init__(self, rise):
        super().__init__(rise.model, score=rise.score, batch_size=rise.batch_size, verbose=rise.verbose)
        self._rise = rise
        self.graph, self.scorer = rise.graph, rise.scorer

    def explain_batch(self, inputs, target):
        places = spatial_inputs([x.shape for x in inputs])
        return {index: self._rise.estimate(inputs, index, target)._asdict() for index in places}

    def finish(self, arrays, structure):
        fields = RISEResult._fields
        return RISEResult(*(self._rise.finish({k: v[name] for k, v in arrays.items()}, structure) for name in fields))


def spatial_inputs(shapes):
    """Indices of the inputs `(samples, *spatial, channels)` that have spatial axes."""
    found = [index for index, shape in enumerate(shapes) if len(shape) > 2]
    if shapes and not found:
        raise ValueError(
            "Perturbation needs an input with spatial axes, (samples, *spatial, channels). Received: inputs of shape "
            f"{', '.join(str(tuple(shape)) for shape in shapes)}. Add a channel axis (x[..., None]) if positions are "
            "what the last axis holds, or use a gradient method."
        )
    return found


def _windows(side, window, stride):
    """What each window covers of an axis: bool `(windows, side)`."""
    starts = stride * np.arange(-(-max(0, side - window) // stride) + 1)[:, np.newaxis]
    places = np.arange(side)
    return (places >= starts) & (places < starts + window)


def _all_covered(coverage, places):
    """What the windows at `places` `(axes, chunk)` cover: bool `(chunk, *spatial)`."""
    covered = tf.constant(True)
    for axis, windows in enumerate(coverage):
        rows = tf.gather(tf.constant(windows), places[axis])  # (chunk, side)
        shape = [-1, *(windows.shape[1] if other == axis else 1 for other in range(len(coverage)))]
        covered &= tf.reshape(rows, shape)
    return covered


def in_type_of_input(x, values):
    """Values in the type of an input; rounded where it holds integers."""
    if values.dtype == x.dtype:
        return values
    return tf.cast(values if x.dtype.is_floating else tf.round(values), x.dtype)


def replacement(option, values, x):
    """What an option puts in the place of values of an input `x`, in its type."""
    values = np.asarray(values)
    check_broadcast(values.shape, x.shape[1:], option)
    kind = x.dtype.as_numpy_dtype
    if not x.dtype.is_floating and not (values == values.astype(kind)).all():
        raise ValueError(
            f"`{option}` must be made of values that the input's type {x.dtype.name} has. Received: {values!r}. Give "
            "the samples as float32 if the model takes them so."
        )
    return tf.constant(values.astype(kind))


def _per_axis(given, default):
    """One int per axis of what is given as an int, one per axis or None."""
    if given is None:
        return default
    return list(given) if np.ndim(given) else [given] * len(default)


def _check_sides(name, sides):
    if sides is None:
        return None
    if isinstance(sides, (list, tuple)):
        return tuple(positive_integer(name, side) for side in sides)
    return positive_integer(name, sides)


def is_number(value):
    """Whether a value is a real number, True and False left out."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
