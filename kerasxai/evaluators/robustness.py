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
        # A map that promises nothing is scaled by 0.
        scale = (promised * change).sum(axis=1) / np.where(weight > 0, weight, np.inf)
        infidelity = np.square(scale[:, np.newaxis] * promised - change).mean(axis=1)
        return {
            "infidelity": np.where(case.is_finite, infidelity, np.nan),
            "scale": np.where(case.is_finite, scale, np.nan),
        }

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
                # Terms of both signs cancel: summed in float64.
                products = tf.cast(noise, tf.float64) * tf.cast(attributions, tf.float64)
                promised = tf.reduce_sum(products, axis=list(range(2, products.shape.rank)))
                pair = tf.stack([tf.cast(split(scores, tf.size(indices)), tf.float64), promised], axis=-1)
                return [tf.tensor_scatter_nd_update(state[0], indices[:, tf.newaxis], pair)]

            empty = tf.ensure_shape(
                tf.zeros([self.n_samples, tf.shape(x)[0], 2], tf.float64), [self.n_samples, None, 2]
            )
            chunk = tf.maximum(1, self.batch_size // tf.shape(x)[0])
            (pairs,) = accumulate(self.n_samples, chunk, step, [empty])
            return tf.transpose(pairs, [1, 0, 2])

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


class Robustness(Evaluator):
    """Base of the metrics of how far the map of a changed sample is from the sample's own, level by level.

    A subclass gives `change`, `pair` and `level_unit`. `rmse` (maps divided by their largest absolute value),
    `spearman` and `ssim` are means over the levels; `rmse_curve`, ... `(samples, levels)` hold each. `class_held`
    `(samples, levels)` tells whether the predicted class stayed (NaN where the target is no class), `held_share` in
    what share of samples, and `rmse_held`, ... `(levels,)` are means over those samples only. All-zero maps give NaN,
    constant ones a NaN correlation.

    Attributes:
        levels: How far the change goes, level by level.
        level_unit: What a level is, in words.
    """

    needs = ("explainer",)
    directions = {"rmse": "lower", "spearman": "higher", "ssim": "higher"}
    abscissae = ("levels",)
    levels: tuple[float, ...] = ()
    level_unit = "level"

    def measure(self, case):
        samples, x = case.samples, _floating(case.samples)
        curves = {"rmse_curve": [], "spearman_curve": [], "ssim_curve": [], "class_held": []}
        for place, level in enumerate(self.levels):
            changed = samples.as_inputs(self.change(x, level, place))
            first, second = self.pair(case.heatmaps, case.reduce(case.explain([changed])), level)
            curves["rmse_curve"].append(_rmse(first, second))
            curves["spearman_curve"].append(spearman(first, second))
            curves["ssim_curve"].append(ssim(first, second))
            curves["class_held"].append(_held(samples, changed))
        results = {name: np.stack(values, axis=1) for name, values in curves.items()}
        held = results["class_held"] == 1
        for name in self.directions:
            curve = results[name + "_curve"]
            results[name] = mean_of_known(curve)
            results[name + "_held"] = mean_of_known(np.where(held, curve, np.nan).T)
        results["held_share"] = mean_of_known(results["class_held"].T)
        results["levels"] = np.array(self.levels, np.float64)
        return results

    @abc.abstractmethod
    def change(self, x: np.ndarray, level: float, place: int) -> np.ndarray:
        """The samples at a level, which stands at a `place` among them."""

    def pair(self, reference: np.ndarray, maps: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """The samples' maps and those of the changed samples, laid over one another."""
        return reference, maps


@register("noise_robustness")
class NoiseRobustness(Robustness):
    """How far the map of a noisy sample is from the sample's own, level by level.

    The noise is Gaussian, the same for all samples. What is returned: see `Robustness`.

    Args:
        levels: Standard deviations of the noise.
        units: Theirs: `"range"`: shares of each sample's range; `"absolute"`: the model's input units.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    def __init__(
        self,
        levels: Numbers = (0.05, 0.1, 0.2),
        units: Literal["range", "absolute"] = "range",
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("units", units, ("range", "absolute"))
        self.levels, self.units = several_numbers("levels", levels, least=0), units

    @property
    def level_unit(self):
        return "noise, standard deviation / range" if self.units == "range" else "noise, standard deviation"

    def change(self, x, level, place):
        # One draw for all samples, so that none depends on its batch mates.
        noise = level * np.random.default_rng([self.seed, place]).standard_normal(x.shape[1:])
        unit = value_range(x) if self.units == "range" else 1
        return (x + noise * unit).astype(x.dtype)


@register("rotation_robustness")
class RotationRobustness(Robustness):
    """How far the map of a rotated image is from the image's own, angle by angle.

    Rotation is that of `scipy.ndimage.rotate`, linear, 0 outside. Maps are compared inside the centred square that no
    corner enters, `|i - c| <= c / (|cos| + |sin|)` with `c = (shorter side - 1) / 2`. What is returned: see
    `Robustness`.

    Args:
        levels: Angles in degrees.
        compare: `"forward"`: the sample's map is rotated too; `"back"`: the new map is rotated back.
        crop: Whether maps are compared inside the valid square only.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    level_unit = "rotation, degrees"

    def __init__(
        self,
        levels: Numbers = (15, 30, 45, 90),
        compare: Literal["forward", "back"] = "forward",
        crop: bool = True,
        **kwargs: Unpack[EvaluatorOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("compare", compare, ("forward", "back"))
        self.levels = several_numbers("levels", levels)
        self.compare, self.crop = compare, flag("crop", crop)

    def change(self, x, level, place):
        if x.ndim != 4:
            raise ValueError(f"Rotation needs images (samples, height, width, channels). Received: {x.shape}.")
        return rotated(x, level)

    def pair(self, reference, maps, level):
        if self.compare == "forward":
            reference = rotated(reference, level)
        else:
            maps = rotated(maps, -level)
        if not self.crop:
            return reference, maps
        inside = (slice(None), *valid_square(maps.shape[1:], level))
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
        # The slack lets a pixel stay that rounding alone puts outside.
        inside = np.flatnonzero(np.abs(np.arange(length) - (length - 1) / 2) <= reach + 1e-9)
        if not len(inside):
            raise ValueError(
                f"Images of {size} have no valid square after a rotation by {angle} degrees; use crop=False."
            )
        window.append(slice(int(inside[0]), int(inside[-1]) + 1))
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
