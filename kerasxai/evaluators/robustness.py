"""Metrics of how far a map keeps its promise near the sample, and how far it moves when the sample does."""

from __future__ import annotations

import abc
from typing import Literal

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.predicted import predicted_classes
from kerasxai.evaluators.registry import register
from kerasxai.evaluators.similarity import mean_of_known, scaled, spearman, ssim
from kerasxai.explainers.streaming import accumulate, merge, split
from kerasxai.options import check_one_of, flag, number, positive_integer, several_numbers
from kerasxai.typing import Numbers

RADIUS = 0.02
DRAWS = 10


@register("infidelity")
class Infidelity(Evaluator):
    """How badly the attributions predict the change of the score under noise.

    Mean over draws of `(scale (I . e) - (f(x) - f(x - I)))^2`, where I is Gaussian noise and e the signed, unscaled
    attributions; a map without channels counts for each channel. `scale` is the one that suits a sample best,
    `sum (I . e) D / sum (I . e)^2` with D the change, 0 where its denominator is 0: a method's units do not matter.

    Args:
        n_samples: Number of draws, independent of one another and shared by all samples.
        noise_level: Standard deviation of the noise as a share of each sample's range.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Yeh et al., 2019, https://arxiv.org/abs/1901.09392
    """

    directions = {"infidelity": "lower"}

    def __init__(self, n_samples: int = 100, noise_level: float = 0.1, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.n_samples = positive_integer("n_samples", n_samples)
        self.noise_level = number("noise_level", noise_level, above=0)

    def measure(self, case):
        samples = case.samples
        attributions = np.asarray(case.attributions, np.float32)
        if attributions.ndim < samples.x.ndim:
            attributions = attributions[..., np.newaxis]
        spread = (self.noise_level * value_range(_floating(samples))).astype(samples.x.dtype)
        key = ("infidelity", self.n_samples, self.seed, self.batch_size)
        arrays = [samples.x, np.nan_to_num(attributions), spread]
        after, promised = np.moveaxis(samples.run(key, self._engine(samples.scored), arrays), -1, 0)
        change = samples.originals[:, np.newaxis].astype(np.float64) - after  # (samples, draws)
        weight = np.square(promised).sum(axis=1)
        scale = (promised * change).sum(axis=1) / np.where(weight > 0, weight, np.inf)
        found = np.square(scale[:, np.newaxis] * promised - change).mean(axis=1)
        return {name: np.where(case.is_finite, one, np.nan) for name, one in (("infidelity", found), ("scale", scale))}

    def _engine(self, scored):
        """The function `([x, attributions, spread], target) -> (batch, draws, 2)`: score after, and `I . e`."""

        def run(tensors, target):
            x, attributions, spread = tensors

            def draw(index):
                return tf.random.stateless_normal(x.shape[1:], [self.seed, index], dtype=x.dtype)

            def step(state, indices):
                noise = tf.map_fn(draw, indices, fn_output_signature=tf.TensorSpec(x.shape[1:], x.dtype))
                noise = noise[:, tf.newaxis] * spread  # (chunk, batch, *spatial, channels)
                scores = scored.values([merge(x - noise)], target.tile(tf.size(indices)))
                products = tf.cast(noise, tf.float64) * tf.cast(attributions, tf.float64)
                promised = tf.reduce_sum(products, axis=list(range(2, products.shape.rank)))
                pair = tf.stack([tf.cast(split(scores, tf.size(indices)), tf.float64), promised], axis=-1)
                return [tf.tensor_scatter_nd_update(state[0], indices[:, tf.newaxis], pair)]

            empty = tf.ensure_shape(
                tf.zeros([self.n_samples, tf.shape(x)[0], 2], tf.float64), [self.n_samples, None, 2]
            )
            chunk = tf.maximum(1, self.batch_size // tf.shape(x)[0])
            (found,) = accumulate(self.n_samples, chunk, step, [empty])
            return tf.transpose(found, [1, 0, 2])

        return run


class Neighbourhood(Evaluator):
    """Base of the metrics of the largest change of the attributions near a sample; a subclass gives `ratio`.

    Neighbours differ by uniform noise of `radius` x the sample's range at most. Attributions stay signed and unscaled.

    Args:
        radius: Largest change of a value, as a share of each sample's range.
        n_samples: Number of neighbours, made of draws shared by all samples.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    needs = ("explainer",)

    def __init__(self, radius: float = RADIUS, n_samples: int = DRAWS, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.radius = number("radius", radius, above=0)
        self.n_samples = positive_integer("n_samples", n_samples)

    @property
    def directions(self):
        return {self.name: "lower"}

    def measure(self, case):
        x = _floating(case.samples)
        before = _rows(case.attributions)
        largest = np.full(len(x), -np.inf)
        for draw in range(self.n_samples):
            noise = np.random.default_rng([self.seed, draw]).uniform(-self.radius, self.radius, x.shape[1:])
            near = case.samples.as_inputs((x + value_range(x) * noise).astype(x.dtype))
            after = _rows(case.explain([near]))
            _check_same_maps(before, after)
            step = _norm(_rows(near) - _rows(x))
            largest = np.maximum(largest, self.ratio(_norm(after - before), _norm(before), step))  # NaN stays
        return {self.name: np.where(case.is_finite, largest, np.nan)}

    @staticmethod
    @abc.abstractmethod
    def ratio(change, size, step):
        """The ratio whose largest value counts.

        Args:
            change: Norm of the change of the attributions `(samples,)`.
            size: Norm of the attributions.
            step: Norm of the change of the sample.
        """


@register("max_sensitivity")
class MaxSensitivity(Neighbourhood):
    """Largest change of the attributions near the sample, divided by their norm; an all-zero map gives NaN.

    Reference:
        Yeh et al., 2019, https://arxiv.org/abs/1901.09392
    """

    @staticmethod
    def ratio(change, size, step):
        return change / np.where(size > 0, size, np.nan)


@register("local_lipschitz")
class LocalLipschitz(Neighbourhood):
    """Largest change of the attributions near the sample, divided by the change of the sample.

    A sample of one value has no neighbours: NaN.

    Reference:
        Alvarez-Melis and Jaakkola, 2018, https://arxiv.org/abs/1806.08049
    """

    @staticmethod
    def ratio(change, size, step):
        return change / np.where(step > 0, step, np.nan)


@register("robustness")
class Robustness(Evaluator):
    """How far the map of a rotated or noisy sample is from the sample's own, level by level.

    `rmse` (maps divided by their largest absolute value), `spearman` and `ssim` are means over the levels;
    `rmse_curve`, ... `(samples, levels)` hold each. `class_held` `(samples, levels)` tells whether the predicted class
    stayed (NaN where the target is no class), `held_share` in what share of samples, and `rmse_held`, ... `(levels,)`
    are means over those samples only. All-zero maps give NaN, constant ones a NaN correlation.

    Rotation is that of `scipy.ndimage.rotate`, linear, 0 outside. Maps are compared inside the centred square that no
    corner enters, `|i - c| <= c / (|cos| + |sin|)` with `c = (shorter side - 1) / 2`.

    Args:
        transform: `"rotate"` or `"noise"`.
        levels: Angles in degrees, or standard deviations of the noise.
        compare: After a rotation: `"forward"`: the sample's map is rotated too; `"back"`: the new map is rotated back.
        crop: Whether rotated maps are compared inside the valid square only.
        units: Of the noise: `"range"`: shares of each sample's range; `"absolute"`: the model's input units.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    needs = ("explainer",)
    directions = {"rmse": "lower", "spearman": "higher", "ssim": "higher"}

    def __init__(
        self,
        transform: Literal["rotate", "noise"] = "rotate",
        levels: Numbers | None = None,
        compare: Literal["forward", "back"] = "forward",
        crop: bool = True,
        units: Literal["range", "absolute"] = "range",
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("transform", transform, ("rotate", "noise"))
        check_one_of("compare", compare, ("forward", "back"))
        check_one_of("units", units, ("range", "absolute"))
        if levels is None:
            levels = (15, 30, 45, 90) if transform == "rotate" else (0.05, 0.1, 0.2)
        self.levels = several_numbers("levels", levels, least=0 if transform == "noise" else None)
        self.transform, self.compare, self.crop, self.units = transform, compare, flag("crop", crop), units

    def measure(self, case):
        samples, x = case.samples, _floating(case.samples)
        if self.transform == "rotate" and x.ndim != 4:
            raise ValueError(f"Rotation needs images (samples, height, width, channels). Received: {x.shape}.")
        curves = {"rmse_curve": [], "spearman_curve": [], "ssim_curve": [], "class_held": []}
        for step, level in enumerate(self.levels):
            changed = rotated(x, level) if self.transform == "rotate" else self._noisy(x, level, step)
            changed = samples.as_inputs(changed)
            first, second = self._pair(case.heatmaps, case.reduce(case.explain([changed])), level)
            curves["rmse_curve"].append(_rmse(first, second))
            curves["spearman_curve"].append(spearman(first, second))
            curves["ssim_curve"].append(ssim(first, second))
            curves["class_held"].append(_held(samples, changed))
        found = {name: np.stack(values, axis=1) for name, values in curves.items()}
        held = found["class_held"] == 1
        for name in self.directions:
            found[name] = mean_of_known(found[name + "_curve"])
            found[name + "_held"] = mean_of_known(np.where(held, found[name + "_curve"], np.nan).T)
        found["held_share"] = mean_of_known(found["class_held"].T)
        found["levels"] = np.array(self.levels, np.float64)
        return found

    def _noisy(self, x, level, number):
        noise = level * np.random.default_rng([self.seed, number]).standard_normal(x.shape[1:])
        return (x + noise * (value_range(x) if self.units == "range" else 1)).astype(x.dtype)

    def _pair(self, reference, maps, level):
        """The two maps to compare, of the same place."""
        if self.transform == "noise":
            return reference, maps
        if self.compare == "forward":
            reference = rotated(reference, level)
        else:
            maps = rotated(maps, -level)
        if not self.crop:
            return reference, maps
        window = valid_square(maps.shape[1:], level)
        inside = (slice(None), *window)
        return reference[inside], maps[inside]


def rotated(images, angle):
    """Images or maps `(samples, height, width, ...)` turned by an angle in degrees, their size kept."""
    from scipy import ndimage

    options = {"axes": (1, 2), "reshape": False, "order": 1, "mode": "constant", "cval": 0.0}
    return ndimage.rotate(images, angle, **options).astype(images.dtype)


def valid_square(size, angle):
    """The slices of the centred square that no corner of the turned image enters."""
    radians = np.deg2rad(angle)
    reach = (min(size) - 1) / 2 / (abs(np.cos(radians)) + abs(np.sin(radians)))
    window = []
    for length in size:
        inside = np.flatnonzero(np.abs(np.arange(length) - (length - 1) / 2) <= reach + 1e-9)
        window.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0))
    if any(part.start == part.stop for part in window):
        raise ValueError(f"Images of {size} have no valid square after a rotation by {angle} degrees; use crop=False.")
    return tuple(window)


def value_range(x):
    """Maximum minus minimum of each sample, `(samples, 1, ..., 1)`."""
    return np.ptp(x, axis=tuple(range(1, x.ndim)), keepdims=True)


def _rmse(first, second):
    first, second = scaled(first), scaled(second)
    return np.sqrt(np.square(first - second).mean(axis=tuple(range(1, first.ndim))))


def _held(samples, changed):
    if not samples.have_classes:
        return np.full(len(samples), np.nan)
    before = samples.keep("predicted classes", lambda: predicted_classes(samples, samples.inputs))
    return (predicted_classes(samples, [changed]) == before).astype(np.float64)


def _floating(samples):
    """The one input, which a layer of the model must take as real numbers."""
    dtype = samples.inputs[0].dtype
    if len(samples.inputs) == 1 and not np.issubdtype(dtype, np.floating):
        raise ValueError(
            f"Noise and rotation need samples of real numbers. Received: {dtype}, as the model's first layer takes it."
        )
    return samples.x


def _check_same_maps(before, after):
    if before.shape != after.shape:
        raise ValueError(
            "`maps` must be those of `explainer`. Received: maps of "
            f"{before.shape[1]} values, while the explainer gives {after.shape[1]}."
        )


def _rows(values):
    values = np.asarray(values, np.float64)
    return values.reshape(len(values), -1)


def _norm(rows):
    return np.sqrt(np.square(rows).sum(axis=1))
