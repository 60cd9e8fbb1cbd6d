"""What shares out the difference to a baseline along a straight path: integrated and expected gradients.

Other paths: `blur_ig.py` and `guided_ig.py`.
"""

from __future__ import annotations

import abc
from typing import Literal, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai import spatial
from kerasxai.explainers.base import ExplainerOptions
from kerasxai.explainers.gradient import GradientExplainer, in_type_of, is_real, zeros_of
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate, like, merge, split
from kerasxai.options import check_broadcast, check_finite, check_one_of, positive_integer, seed_number
from kerasxai.typing import Array, Baseline, Labels, Maps, Model, Samples, TargetLike

Quadrature: TypeAlias = Literal["gauss_legendre", "trapezoid"]


class PathExplainer(GradientExplainer):
    """Base of the methods that share out the difference of the scores at both ends of a path."""

    def completeness_residual(
        self, x: Samples, attributions: Maps, target: TargetLike = None, y: Labels | None = None
    ) -> np.ndarray:
        """What the attributions lack: `S(x) - S(baseline) - sum(attributions)`, from two forward passes.

        Args:
            x: What was explained, as arrays.
            attributions: What this explainer returned for it.
            target: The target it was explained for.
            y: Labels, for `target="true"`.

        Returns:
            Array `(samples,)`.
        """
        differences, _ = self.run(self._score_difference, x, target, y)
        # A residual is a small difference of large sums, of which float32 would leave rounding.
        parts = [np.asarray(part, np.float64) for part in keras.tree.flatten(attributions)]
        return differences - sum(part.reshape(len(part), -1).sum(axis=1) for part in parts)

    @abc.abstractmethod
    def baselines(self, inputs: list[tf.Tensor]) -> list[list[tf.Tensor]]:
        """Where the path starts: one list of tensors shaped like `inputs` for every path."""

    def _score_difference(self, inputs, target):
        """`S(x) - S(baseline)`, averaged over the baselines."""
        target = self.resolve_target(inputs, target)
        scores, _ = self.scores(inputs, target)
        starts = [self.scores(baseline, target)[0] for baseline in self.baselines(inputs)]
        return scores - sum(starts) / len(starts)


class BaselineExplainer(PathExplainer):
    """Base of the methods that share out `S(x) - S(baseline)`.

    Args:
        model: A built Keras model.
        baseline: What the sample is compared with, in the model's input range: a number, an array that broadcasts
            against one sample, `"blur"` (the sample blurred), `"min"` or `"max"` (the sample's own smallest or largest
            value everywhere), a dict input name -> baseline, or a list of these, whose attributions are averaged.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.
    """

    def __init__(self, model: Model, baseline: Baseline = 0.0, **kwargs: Unpack[ExplainerOptions]) -> None:
        super().__init__(model, **kwargs)
        # An array is one baseline; in a config, which holds it as a list, it must not pass for several.
        self.baseline = [baseline] if isinstance(baseline, (np.ndarray, tf.Tensor)) else baseline
        if isinstance(baseline, (list, tuple)) and not len(baseline):
            raise ValueError("`baseline` must hold at least one baseline. Received: an empty list.")
        self._check_baselines()

    def baselines(self, inputs):
        """One list of tensors shaped like `inputs` for every baseline."""
        return [self._of_inputs(baseline, inputs) for baseline in _listed(self.baseline)]

    def _of_inputs(self, baseline, inputs):
        return [self._baseline(baseline, index, x) for index, x in enumerate(inputs)]

    def _baseline(self, baseline, index, x):
        if isinstance(baseline, dict):
            baseline = baseline.get(self.graph.input_names[index], 0.0)
        if not is_real(x):
            return x
        if isinstance(baseline, str):
            return _OF_THE_SAMPLE[baseline](x)
        return tf.zeros_like(x) + tf.constant(np.asarray(baseline), x.dtype)

    def _check_baselines(self):
        names = self.graph.input_names
        for baseline in _listed(self.baseline):
            if isinstance(baseline, dict) and (names is None or not set(baseline) <= set(names)):
                raise ValueError(f"`baseline` must name inputs of the model: {names}. Received: {list(baseline)}.")
            parts = baseline.items() if isinstance(baseline, dict) else [(names[0] if names else "x", baseline)]
            for name, part in parts:
                if isinstance(part, str):
                    if part not in _OF_THE_SAMPLE:
                        words = ", ".join(f'"{word}"' for word in _OF_THE_SAMPLE)
                        raise ValueError(
                            f"`baseline` must be a number, an array or one of {words}. Received: {part!r}."
                        )
                    continue
                check_finite("baseline", part)
                if names is not None:
                    check_broadcast(np.shape(part), self.graph.input_shapes[names.index(name)][1:])


@register("integrated_gradients")
class IntegratedGradients(BaselineExplainer):
    """Integrated gradients along the straight line from a baseline; they sum to `S(x) - S(baseline)`.

    Signed `(samples, *input_shape)`. ReLU kinks and pooling ties limit how fast the sum converges with `steps`;
    `completeness_residual` tells what is missing.

    Args:
        model: A built Keras model.
        baseline: Where the path starts, see `BaselineExplainer`.
        steps: Number of points on the path.
        quadrature: `"gauss_legendre"` or `"trapezoid"` (end points included).
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365

    Example:

    ```python
    explainer = kerasxai.explainers.IntegratedGradients(model, steps=20)
    maps = explainer(images)
    residual = explainer.completeness_residual(images, maps)  # (samples,), near 0
    ```
    """

    passes = "F + steps (F + B)"

    def __init__(
        self,
        model: Model,
        baseline: Baseline = 0.0,
        steps: int = 50,
        quadrature: Quadrature = "gauss_legendre",
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, baseline=baseline, **kwargs)
        self.steps = positive_integer("steps", steps)
        self.quadrature = quadrature
        self._positions, self._weights = _quadrature(quadrature, self.steps)

    def attribute(self, inputs, target):
        target = self.resolve_target(inputs, target)
        baselines = self.baselines(inputs)
        pairs = len(baselines) * self.steps
        positions = tf.tile(tf.constant(self._positions), [len(baselines)])
        # All pairs of a baseline and a point are one sequence, so that chunks are as full as the batch size allows.
        weights = tf.tile(tf.constant(self._weights / len(baselines)), [len(baselines)])
        stacked = [tf.stack(of_input) for of_input in zip(*baselines)]  # (baselines, batch, *input)

        def step(sums, indices):
            starts = [tf.gather(baseline, indices // self.steps) for baseline in stacked]
            alphas = tf.gather(positions, indices)
            points = [start + like(alphas, x) * (x - start) if is_real(x) else x[tf.newaxis] + tf.zeros_like(start)
                      for x, start in zip(inputs, starts)]  # fmt: skip
            count = tf.size(indices)
            gradients = self.gradients([merge(point) for point in points], target.tile(count))
            shares = tf.gather(weights, indices)
            return [
                total + tf.reduce_sum(like(shares, slope) * split(slope, count) * in_type_of(slope, x - start), axis=0)
                if is_real(x)
                else total
                for total, slope, x, start in zip(sums, gradients, inputs, starts)
            ]

        return accumulate(pairs, self.chunk(inputs), step, [zeros_of(x) for x in inputs])


@register("expected_gradients")
class ExpectedGradients(GradientExplainer):
    """Expected gradients: integrated gradients averaged over baselines drawn from data.

    Each draw takes one baseline of `background` and one point of the path to it. Signed `(samples, *input_shape)`.

    Args:
        model: A built Keras model with one input.
        background: Array `(any number, *input_shape)` of baselines, e.g. some training samples.
        n_samples: Number of draws, the same for all samples.
        seed: Seed of the draws.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Erion et al., 2021, https://arxiv.org/abs/1906.10670
    """

    passes = "F + n_samples (F + B)"

    def __init__(
        self,
        model: Model,
        background: Array | None = None,
        n_samples: int = 50,
        seed: int = 0,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, **kwargs)
        names = self.graph.input_names or ["x"]
        if len(names) > 1:
            raise ValueError(f"ExpectedGradients takes models with one input. Received: inputs {', '.join(names)}.")
        expected = (self.graph.input_shapes or [None])[0]
        ranks = [len(expected)] if expected else range(2, 6)
        if background is None or np.ndim(background) not in ranks or len(background) == 0:
            shape = "nothing" if background is None else f"an array of shape {np.shape(background)}"
            raise ValueError(
                "`background` must be an array (any number, *input_shape) of baselines, such as x_train[:100]. "
                f"Received: {shape}."
            )
        if expected:
            check_broadcast(np.shape(background)[1:], expected[1:], "background")
        check_finite("background", background)
        self.background = background
        self.n_samples = positive_integer("n_samples", n_samples)
        self.seed = seed_number(seed)
        draws = np.random.default_rng(self.seed)
        self._rows = draws.integers(len(background), size=self.n_samples)
        self._alphas = draws.uniform(size=self.n_samples)

    def attribute(self, inputs, target):
        (x,) = inputs
        target = self.resolve_target(inputs, target)
        background = tf.constant(np.asarray(self.background), x.dtype)

        def step(sums, indices):
            starts = tf.gather(background, tf.gather(tf.constant(self._rows), indices))[:, tf.newaxis]
            alphas = like(tf.gather(tf.constant(self._alphas), indices), x)
            count = tf.size(indices)
            (gradients,) = self.gradients([merge(starts + alphas * (x - starts))], target.tile(count))
            return [sums[0] + tf.reduce_sum(split(gradients, count) * in_type_of(gradients, x - starts), axis=0)]

        (total,) = accumulate(self.n_samples, self.chunk(inputs), step, [zeros_of(x)])
        return [total / self.n_samples]


def _everywhere(extreme):
    """The function x -> one extreme value of each sample at all its places."""
    return lambda x: tf.zeros_like(x) + extreme(x, axis=list(range(1, x.shape.rank)), keepdims=True)


_OF_THE_SAMPLE = {"blur": spatial.blur, "min": _everywhere(tf.reduce_min), "max": _everywhere(tf.reduce_max)}


def _listed(baseline):
    """Several baselines are a list; an array is one."""
    return list(baseline) if isinstance(baseline, (list, tuple)) else [baseline]


def _quadrature(rule, steps):
    """Points on 0 ... 1 and their weights, which sum to 1."""
    check_one_of("quadrature", rule, ("gauss_legendre", "trapezoid"))
    if rule == "gauss_legendre":
        positions, weights = np.polynomial.legendre.leggauss(steps)
        return (positions + 1.0) / 2.0, weights / 2.0
    if steps < 2:
        raise ValueError("The trapezoid rule includes both ends, so `steps` must be at least 2. Received: 1.")
    weights = np.full(steps, 1.0 / (steps - 1))
    weights[[0, -1]] /= 2.0
    return np.linspace(0.0, 1.0, steps), weights
