"""Evaluator: the contract of a metric of explanations, and what its results are."""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from kerasxai.evaluators.scoring import ScoredModel, as_input
from kerasxai.explainers.registry import build as build_explainer
from kerasxai.heatmap import to_heatmap
from kerasxai.options import positive_integer, seed_number
from kerasxai.registry import Configurable
from kerasxai.typing import Array, ExplainerLike, Labels, Model, Samples, TargetLike

if TYPE_CHECKING:
    from kerasxai.evaluators import scoring

BOOTSTRAP_DRAWS = 1000
CONFIDENCE = 0.95


class EvaluatorOptions(TypedDict, total=False):
    """Options of `Evaluator`."""

    batch_size: int
    seed: int


class Evaluator(Configurable, abc.ABC):
    """A metric of explanations.

    A subclass gives `measure(case)`. The base class fixes the targets from the original input, makes the maps where an
    explainer is given in their place, and checks that all belong together. No sample's result depends on the others in
    its batch; the same `seed` gives the same result.

    Args:
        batch_size: Most perturbed samples the model runs on at once.
        seed: Seed of whatever is drawn.

    Attributes:
        name: Registry name.
        directions: Dict result -> `"higher"` or `"lower"` is better, None where neither is.
        needs: What `measure` uses besides the maps: of `"explainer"`, `"masks"`, `"reference_model"`.
        needs_maps: Whether it uses maps.
    """

    config_key = "evaluator"
    directions: Mapping[str, str | None] = {}
    needs: tuple[str, ...] = ()
    needs_maps = True

    def __init__(self, batch_size: int = 32, seed: int = 0) -> None:
        self.batch_size = positive_integer("batch_size", batch_size)
        self.seed = seed_number(seed)
        self._scored: tuple[Model, ScoredModel] | None = None

    def __call__(
        self,
        model: Model,
        x: Samples,
        maps: Array | None = None,
        target: TargetLike = None,
        *,
        y: Labels | None = None,
        explainer: ExplainerLike | None = None,
        masks: Array | None = None,
        reference_model: Model | None = None,
    ) -> Results:
        """Evaluates explanations of `model`.

        Args:
            model: A built Keras model; never changed.
            x: Samples `(samples, *input_shape)`, or a dataset, which is read once.
            maps: Attributions `(samples, *spatial)` or `(samples, *input_shape)`; None: `explainer` makes them.
            target: What the maps explain, see `Explainer.__call__`; fixed from the original input.
            y: Labels, for `target="true"`.
            explainer: A registry name, config dict, class, `callable(model)` or explainer on `model`.
            masks: Where the evidence is, `(samples, *spatial)`, for metrics of localization.
            reference_model: Another model to compare with, for metrics that do.

        Returns:
            `Results`: a dict of arrays with a leading axis of samples (or what the metric says), with `summary()`.

        Raises:
            ValueError: What the metric needs is not given, or does not fit together.
        """
        self.check(explainer, masks, reference_model, maps)
        samples = self.scored_model(model).samples(x, y, target, self.batch_size)
        case = Case(model, samples, maps, explainer, masks, reference_model)
        return self.evaluate(case)

    def evaluate(self, case: Case) -> Results:
        """The `Results` of a `Case`."""
        self.check(case.explainer, case.masks, case.reference_model, case.given_maps)
        return Results(self, self.measure(case), case)

    @abc.abstractmethod
    def measure(self, case: Case) -> dict[str, Any]:
        """The metric.

        Args:
            case: A `Case`.

        Returns:
            Dict result -> array with a leading axis of samples.
        """

    def scored_model(self, model: Model) -> ScoredModel:
        """The `ScoredModel` of the model, kept from call to call so that nothing is traced again."""
        if self._scored is None or self._scored[0] is not model:
            self._scored = (model, ScoredModel(model))
        return self._scored[1]

    def check(self, explainer: Any = None, masks: Any = None, reference_model: Any = None, maps: Any = None) -> None:
        """Refuses a call that lacks what the metric needs."""
        parts = {"explainer": explainer, "masks": masks, "reference_model": reference_model}
        for need in self.needs:
            if parts[need] is None:
                raise ValueError(f"{self.name} needs `{need}`. Received: {need}=None.")
        if self.needs_maps and maps is None and explainer is None:
            raise ValueError(f"{self.name} needs `maps`, or an `explainer` to make them. Received: neither.")


class Case:
    """What an evaluator measures: samples with fixed targets, and explanations of them, each computed once.

    Attributes:
        model: The user's model.
        samples: `Samples`.
        explainer: The explainer, or None where only maps were given.
        masks, reference_model: As given.
    """

    def __init__(
        self,
        model: Model,
        samples: scoring.Samples,
        maps: Array | None = None,
        explainer: ExplainerLike | None = None,
        masks: Array | None = None,
        reference_model: Model | None = None,
    ) -> None:
        self.model, self.samples = model, samples
        self.given_maps = None if maps is None else _checked_maps(maps, samples)
        self.explainer = None if explainer is None else build_explainer(explainer, model)
        self.masks = None if masks is None else _checked_masks(masks, samples)
        self.reference_model = reference_model

    @functools.cached_property
    def attributions(self):
        """Raw attributions as they were given, or as the explainer makes them, under the samples' targets."""
        return self.given_maps if self.given_maps is not None else self.explain(self.samples.inputs)

    def explain(self, inputs: list[np.ndarray], explainer: Any = None) -> np.ndarray:
        """Raw attributions of other inputs of the same samples, by the case's explainer or another one."""
        explainer = explainer or self.explainer
        maps = explainer(as_input(inputs), target=self.samples.target)
        if not isinstance(maps, np.ndarray):
            raise ValueError(
                f"An evaluator needs one map per sample. Received: a {type(maps).__name__} of maps from "
                f"{explainer.name}."
            )
        return maps

    @functools.cached_property
    def heatmaps(self):
        """One value per position, float64 `(samples, *spatial)`; channels reduced as the explainer declares."""
        return self.reduce(self.attributions)

    def reduce(self, attributions: np.ndarray) -> np.ndarray:
        """Attributions with their channels, if any, reduced: float64 `(samples, *spatial)`."""
        if attributions.ndim == self.samples.x.ndim:
            attributions = to_heatmap(attributions, getattr(self.explainer, "reduce", None) or "sum")
        if attributions.shape[1:] != self.samples.x.shape[1:-1]:
            raise ValueError(
                f"Maps must have the input's positions {self.samples.x.shape[1:-1]}. Received: "
                f"{attributions.shape[1:]}; use upsample=True."
            )
        return attributions.astype(np.float64)

    @functools.cached_property
    def ranks(self):
        """Rank of each position, 0 the most relevant; ties row-major: int32 `(samples, *spatial)`."""
        return ranks(-self.heatmaps)

    @functools.cached_property
    def ascending_ranks(self):
        """Rank of each position, 0 the least relevant; ties row-major."""
        return ranks(self.heatmaps)

    @functools.cached_property
    def is_finite(self):
        """Whether each map is finite, bool `(samples,)`."""
        return np.isfinite(_rows(self.heatmaps)).all(axis=1)

    @functools.cached_property
    def is_constant(self):
        """Whether each map has one value only."""
        rows = _rows(self.heatmaps)
        return (rows == rows[:, :1]).all(axis=1)

    @functools.cached_property
    def is_tied(self):
        """Whether each map has a value more than once."""
        ordered = np.sort(_rows(self.heatmaps), axis=1)
        return (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)


class Summary(NamedTuple):
    """A result over a set of samples.

    Attributes:
        mean: Over the samples that have a value.
        standard_error: Of that mean.
        low, high: Bounds of the 95 % bootstrap confidence interval (percentile method).
        count: Number of samples with a value.
        nan: Number without.
        constant, tied: Number of constant maps, and of maps with tied values.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    count: int  # type: ignore[assignment]  # a tuple has a method of this name
    nan: int
    constant: int
    tied: int


class Results(dict):
    """What an evaluator returns: result -> array, one entry per sample along the first axis.

    Attributes:
        evaluator: The evaluator.
        directions: Dict result -> `"higher"`, `"lower"` or None.
        per_sample: Names of the results with one number per sample, which `summary` covers.
    """

    def __init__(self, evaluator: Evaluator, values: dict[str, Any], case: Case) -> None:
        super().__init__(values)
        self.evaluator = evaluator
        self.directions = dict(evaluator.directions)
        self.per_sample = [name for name in self.directions if np.shape(values[name]) == (len(case.samples),)]
        self._constant = self._tied = 0
        if evaluator.needs_maps:
            self._constant, self._tied = int(case.is_constant.sum()), int(case.is_tied.sum())

    def summary(self) -> dict[str, Summary]:
        """Dict result -> `Summary` of the results with one number per sample."""
        return {name: self._summary(np.asarray(self[name], np.float64)) for name in self.per_sample}

    def _summary(self, values):
        kept = values[~np.isnan(values)]
        counts = {"count": len(kept), "nan": len(values) - len(kept), "constant": self._constant, "tied": self._tied}
        if not len(kept):
            return Summary(np.nan, np.nan, np.nan, np.nan, **counts)
        low, high = bootstrap_interval(kept, self.evaluator.seed)
        error = kept.std(ddof=1) / np.sqrt(len(kept)) if len(kept) > 1 else np.nan
        return Summary(float(kept.mean()), float(error), float(low), float(high), **counts)


def bootstrap_interval(values, seed=0):
    """Bounds of the bootstrap confidence interval of the mean, percentile method.

    Args:
        values: Array `(samples,)`, or `(samples, steps)` for an interval at each step, without NaN.
        seed: Seed of the draws, which all steps share.

    Returns:
        `(low, high)`: numbers, or arrays `(steps,)`.
    """
    draws, count = np.random.default_rng(seed), len(values)
    means = np.empty((BOOTSTRAP_DRAWS, *values.shape[1:]))
    for start in range(0, BOOTSTRAP_DRAWS, 100):  # bounds the memory
        picked = draws.integers(count, size=(100, count))
        times = np.stack([np.bincount(row, minlength=count) for row in picked])  # each sample is drawn
        means[start : start + 100] = times @ values / count
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return low, high


def ranks(values):
    """Rank of each entry of `(samples, ...)` in ascending order, ties row-major; NaN last: int32."""
    rows = _rows(values)
    order = np.argsort(rows, axis=1, kind="stable")
    places = np.empty(rows.shape, np.int32)
    np.put_along_axis(places, order, np.arange(rows.shape[1], dtype=np.int32)[np.newaxis], axis=1)
    return places.reshape(values.shape)


def _rows(values):
    return values.reshape(len(values), -1)


def _checked_maps(maps, samples):
    maps = np.asarray(maps)
    if maps.dtype.kind not in "biuf":
        raise ValueError(f"`maps` must hold real numbers. Received: an array of type {maps.dtype}.")
    if maps.shape[:1] != (len(samples),):
        raise ValueError(
            f"`maps` must have one entry per sample. Received: maps of shape {maps.shape}, {len(samples)} samples."
        )
    if len(samples.inputs) == 1 and maps.shape not in (shape := samples.x.shape, shape[:-1], (*shape[:-1], 1)):
        raise ValueError(
            f"`maps` must have the shape {shape[:-1]} or {shape}. Received: {maps.shape}; "
            "maps of a layer's size need upsample=True."
        )
    return maps


def _checked_masks(masks, samples):
    masks = np.asarray(masks)
    if masks.shape != (len(samples), *samples.x.shape[1:-1]):
        raise ValueError(
            f"`masks` must have the shape {(len(samples), *samples.x.shape[1:-1])}. Received: {masks.shape}."
        )
    return masks.astype(bool)
