"""Sanity checks: does a map depend on what the model has learned, and on the class it explains?"""

from __future__ import annotations

import warnings
from typing import Literal, TypeAlias

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.evaluators.base import Evaluator, EvaluatorOptions
from kerasxai.evaluators.complexity import histogram_entropy
from kerasxai.evaluators.registry import register
from kerasxai.evaluators.reweighted import ReweightedExplainer, fresh_values, weighted_layers
from kerasxai.evaluators.robustness import value_range
from kerasxai.evaluators.scoring import OF_CLASSES, ScoredModel, as_input
from kerasxai.evaluators.similarity import mean_of_known, similarities
from kerasxai.explainers.registry import from_config
from kerasxai.options import check_one_of, count, number
from kerasxai.typing import Array

ORDERS = ("top_down", "bottom_up", "independent")
INITS = ("layer", "normal")
SIMILARITIES: dict[str, str | None] = {
    "spearman": "lower",
    "spearman_absolute": "lower",
    "ssim": "lower",
    "hog": "lower",
}
IDENTITY_TOLERANCE = 1e-3  # of a map's largest value


Init: TypeAlias = Literal["layer", "normal"]


class WeightOptions(EvaluatorOptions, total=False):
    """Options of the metrics that explain under randomised weights."""

    smooth: int
    noise_level: float
    init: Init


class _WeightRandomization(Evaluator):
    """Base of the metrics that explain under randomised weights.

    Args:
        smooth: Number of noisy copies of each sample whose maps are averaged; 0: the sample itself.
        noise_level: Standard deviation of that noise as a share of each sample's range.
        init: `"layer"`: each layer's configured initialiser under a fresh seed; `"normal"`: N(0, 0.01^2).
        **kwargs: `batch_size`, `seed`, see `Evaluator`.
    """

    needs = ("explainer",)

    def __init__(
        self, smooth: int = 0, noise_level: float = 0.15, init: Init = "layer", **kwargs: Unpack[EvaluatorOptions]
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("init", init, INITS)
        self.smooth = count("smooth", smooth)
        self.noise_level, self.init = number("noise_level", noise_level, least=0), init
        self._reweighted = None

    def _prepare(self, case):
        """Layers, their present values, and what explains under others; checks that step 0 is the identity."""
        samples = case.samples
        one_sample = [tf.convert_to_tensor(array[:1]) for array in samples.inputs]
        layers = weighted_layers(case.explainer.graph, one_sample)
        variables = []
        for _, owned in layers:
            variables += [variable for _, variable in owned]
        if self._reweighted is None or not self._reweighted.serves(case.explainer, variables):
            self._reweighted = ReweightedExplainer(case.explainer, variables)
        values = [variable.numpy() for variable in variables]
        same = case.reduce(self._reweighted(samples.inputs, samples.target, values))
        size = np.abs(case.heatmaps).max(axis=tuple(range(1, same.ndim)), keepdims=True)
        # Another trace of the same computation may round otherwise.
        differs = np.abs(same - case.heatmaps) > IDENTITY_TOLERANCE * size
        if differs.any():
            raise ValueError(
                "`maps` must be those of `explainer` under the weights as they are. Received: "
                f"{int(differs.any(axis=tuple(range(1, same.ndim))).sum())} of {len(same)} maps that differ."
            )
        return layers, values, same

    def _maps(self, case, values):
        """Heatmaps under the given weights, float64 `(samples, *spatial)`."""
        samples = case.samples
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # all-zero maps are what a random model may well give; they are counted
            if not self.smooth:
                return case.reduce(self._reweighted(samples.inputs, samples.target, values))
            total = 0.0
            for draw in range(self.smooth):
                noise = np.random.default_rng([self.seed, draw]).standard_normal(samples.x.shape[1:])
                noisy = (samples.x + self.noise_level * value_range(samples.x) * noise).astype(samples.x.dtype)
                total = total + case.reduce(self._reweighted([samples.as_inputs(noisy)], samples.target, values))
            return total / self.smooth

    def _randomised(self, layers, values, chosen):
        """All values, those of the layers numbered `chosen` fresh; a layer's are the same in every order."""
        randomised, start = [], 0
        for index, (_, owned) in enumerate(layers):
            old = values[start : start + len(owned)]
            randomised += fresh_values(owned, self.init, [self.seed, index]) if index in chosen else old
            start += len(owned)
        return randomised


@register("randomization")
class Randomization(_WeightRandomization):
    """Model parameter randomisation: how alike the maps stay while the layers are re-initialised one after another.

    The user's model is not touched: the weights travel as arguments. Batch normalisation gets mean 0 and variance 1.
    The target stays that of the trained model. Refused: models whose weights lie in no layer that is called, functions
    and SavedModels; for `init="layer"` layers that do not tell an initialiser; a drawn weight that does not change.

    `spearman`, `spearman_absolute`, `ssim`, `hog` are means over the randomised steps that have a value, the
    un-randomised one left out; `spearman_curve`, ... `(samples, steps + 1)` begin with it, similarity 1. SSIM and HOG
    exist for images only, correlations not for constant maps: NaN. `layers` names the layer of each step.

    Args:
        order: `"top_down"` (from the output, cumulative), `"bottom_up"`, or `"independent"` (one layer at a time).
        keep_maps: Number of samples, the first ones, whose maps at every step are kept as the result `maps` float32
            `(keep_maps, steps + 1, *spatial)`, for `kerasxai.plots.randomization`. They take 4 bytes for each position
            of each map; without them no more than two maps a sample are held.
        **kwargs: `smooth`, `noise_level`, `init`, see the base class; `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Adebayo et al., 2018, https://arxiv.org/abs/1810.03292
    """

    directions = SIMILARITIES
    abscissae = ("layers",)

    def __init__(
        self,
        order: Literal["top_down", "bottom_up", "independent"] = "top_down",
        keep_maps: int = 0,
        **kwargs: Unpack[WeightOptions],
    ) -> None:
        super().__init__(**kwargs)
        check_one_of("order", order, ORDERS)
        self.order = order
        self.keep_maps = count("keep_maps", keep_maps)

    def measure(self, case):
        layers, values, same = self._prepare(case)
        reference = self._maps(case, values) if self.smooth else same
        order = list(range(len(layers)))
        order = order[::-1] if self.order == "top_down" else order
        steps, kept = [similarities(reference, reference)], [reference[: self.keep_maps].astype(np.float32)]
        for step, index in enumerate(order):
            chosen = {index} if self.order == "independent" else set(order[: step + 1])
            maps = self._maps(case, self._randomised(layers, values, chosen))
            steps.append(similarities(reference, maps))
            kept.append(maps[: self.keep_maps].astype(np.float32))
        results = {"layers": np.array(["", *(layers[index][0] for index in order)])}
        if self.keep_maps:
            results["maps"] = np.stack(kept, axis=1)
        for name in self.directions:
            curve = np.stack([step[name] for step in steps], axis=1)
            results[name + "_curve"] = curve
            results[name] = mean_of_known(curve[:, 1:])
        return results


@register("efficient_randomization")
class EfficientRandomization(_WeightRandomization):
    """Rise of the map's complexity when every layer is randomised: `(H(random) - H(trained)) / H(trained)`.

    H is the histogram entropy; where it is 0 the result is NaN. Refused and options: as `Randomization`.

    Reference:
        Hedström et al., 2023, https://arxiv.org/abs/2401.06465
    """

    directions = {"efficient_randomization": "higher"}

    def measure(self, case):
        layers, values, same = self._prepare(case)
        reference = self._maps(case, values) if self.smooth else same
        after = self._maps(case, self._randomised(layers, values, set(range(len(layers)))))
        before, after = _entropy_of_finite(reference), _entropy_of_finite(after)
        return {"efficient_randomization": (after - before) / np.where(before > 0, before, np.nan)}


def _entropy_of_finite(maps):
    """The histogram entropy of each map, NaN where it is not finite."""
    rows = maps.reshape(len(maps), -1)
    return np.where(np.isfinite(rows).all(axis=1), histogram_entropy(np.nan_to_num(rows)), np.nan)


@register("random_logit")
class RandomLogit(Evaluator):
    """How alike the maps of the target and of another class are.

    The other class lies a drawn number of classes further on, the same for all samples. Refused: targets that are no
    class, models with one linear unit.

    Reference:
        Sixt et al., 2020, https://arxiv.org/abs/1912.09818
    """

    needs = ("explainer",)
    directions = SIMILARITIES

    def measure(self, case):
        samples = case.samples
        if not samples.have_classes:
            raise ValueError(
                "random_logit needs a model with two classes or more and a class as target. Received: a function, or "
                f"values. {OF_CLASSES}"
            )
        count = samples.class_count
        # From 1 on, so that it is never the class itself.
        other = (samples.classes + np.random.default_rng(self.seed).integers(1, count)) % count
        other = other.astype(np.int32)
        target = samples.target_of(other)
        maps = case.explainer(as_input(samples.inputs), target=target)
        return {**similarities(case.heatmaps, case.reduce(maps)), "other_class": other}


@register("label_randomization")
class LabelRandomization(Evaluator):
    """How alike the maps of a model and of its twin are that was trained on permuted labels (`reference_model`).

    The explainer is rebuilt on the twin from its config, so options that hold objects of the first model are refused
    by its constructor. `reference_accuracy`, per sample 0 or 1, tells whether the twin has learned its labels: with
    little of it, the check says little.

    Args:
        labels: The labels the twin was trained on, one per sample; None: its accuracy is NaN.
        **kwargs: `batch_size`, `seed`, see `Evaluator`.

    Reference:
        Adebayo et al., 2018, https://arxiv.org/abs/1810.03292
    """

    needs = ("explainer", "reference_model")
    directions = {**SIMILARITIES, "reference_accuracy": None}

    def __init__(self, labels: Array | None = None, **kwargs: Unpack[EvaluatorOptions]) -> None:
        super().__init__(**kwargs)
        self.labels = labels

    def measure(self, case):
        twin = from_config(case.explainer.get_config(), case.reference_model)
        maps = case.reduce(case.explain(case.samples.inputs, twin))
        accuracy = np.full(len(case.samples), np.nan)
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.shape != (len(case.samples),):
                raise ValueError(f"`labels` must be one per sample. Received: shape {labels.shape}.")
            predicted = ScoredModel(case.reference_model).samples(as_input(case.samples.inputs))
            accuracy = (predicted.classes == labels).astype(np.float64)
        return {**similarities(case.heatmaps, maps), "reference_accuracy": accuracy}
