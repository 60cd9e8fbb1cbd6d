"""Evaluator: the contract of a metric of explanations, and what its results are."""

from __future__ import annotations

import abc
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np

from kerasxai.evaluators.scoring import ScoredModel, as_input
from kerasxai.evaluators.similarity import mean_of_known
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
        needs_class: Whether its results hang on the class that is explained.
        abscissae: Results that measure nothing but say where the entries of curves stand, the same for every class.
    """

    config_key = "evaluator"
    directions: Mapping[str, str | None] = {}
    needs: tuple[str, ...] = ()
    needs_maps = True
    needs_class = True
    abscissae: tuple[str, ...] = ()

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
            maps: Attributions `(samples, *spatial)` or `(samples, *input_shape)`, with an axis of classes after the
                samples for `target="top4"`; None: `explainer` makes them.
            target: What the maps explain, see `Explainer.__call__`; fixed from the original input.
            y: Labels, for `target="true"`.
            explainer: A registry name, config dict, class, `callable(model)` or explainer on `model`.
            masks: Where the evidence is, `(samples, *spatial)`, for metrics of localization.
            reference_model: Another model to compare with, for metrics that do.

        Returns:
            `Results`: a dict of arrays with a leading axis of samples (or what the metric says), with `summary()`. For
            `target="top4"` an axis of the four best classes, the best first, stands after the first axis.

        Raises:
            ValueError: What the metric needs is not given, or does not fit together.
        """
        self.check(explainer, masks, reference_model, maps)
        ranks = self.scored_model(model).samples_by_rank(x, y, target, self.batch_size)
        self.check_target(ranks[0])
        maps_by_rank = [None] * len(ranks) if maps is None else _by_rank(maps, ranks)
        explainer = None if explainer is None else build_explainer(explainer, model)
        results = []
        for samples, of_rank in zip(ranks, maps_by_rank):
            results.append(self.evaluate(Case(model, samples, of_rank, explainer, masks, reference_model)))
        return joined(results, ranks[0].plan.count)

    def evaluate(self, case: Case) -> Results:
        """The `Results` of a `Case`, which is of one class a sample."""
        self.check(case.explainer, case.masks, case.reference_model, case.given_maps)
        constant, tied = (case.is_constant.sum(), case.is_tied.sum()) if self.needs_maps else (0, 0)
        return Results(self, self.measure(case), (len(case.samples),), int(constant), int(tied))

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

    def check_target(self, samples: scoring.Samples) -> None:
        """Refuses several classes a sample where the metric would be the same for each."""
        count = samples.plan.count
        if count is not None and not self.needs_class:
            raise ValueError(
                f"{self.name} is the same whatever class is explained, so `target` must not ask for several. "
                f'Received: target="top{count}". Leave `target` out.'
            )


class Case:
    """What an evaluator measures: samples with one fixed target each, and their explanations, each computed once.

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
    """A result over a set of samples. One of several classes counts by the mean of those that have a value.

    Attributes:
        mean: Over the samples that have a value.
        standard_error: Of that mean.
        low, high: Bounds of the 95 % bootstrap confidence interval (percentile method, samples drawn).
        count: Number of samples with a value.
        nan: Number of values that are missing, of every class where there are several.
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

    For `target="top<k>"` an axis of the k classes follows the first; only `evaluator.abscissae` have none.

    Attributes:
        evaluator: The evaluator.
        directions: Dict result -> `"higher"`, `"lower"` or None.
        shape: `(samples,)`, or `(samples, k)` for `target="top<k>"`.
        constant, tied: Number of constant maps, and of maps with tied values.
        per_sample: Names of the results with one number per sample, or per sample and class, which `summary` covers.
    """

    def __init__(
        self, evaluator: Evaluator, values: dict[str, Any], shape: tuple[int, ...], constant: int = 0, tied: int = 0
    ) -> None:
        super().__init__(values)
        self.evaluator, self.shape = evaluator, shape
        self.constant, self.tied = constant, tied
        self.directions = dict(evaluator.directions)
        self.per_sample = [name for name in self.directions if np.shape(values[name]) == shape]

    def summary(self) -> dict[str, Summary]:
        """Dict result -> `Summary` of the results with one number per sample."""
        return {name: self._summary(np.asarray(self[name], np.float64)) for name in self.per_sample}

    def _summary(self, values):
        missing = int(np.isnan(values).sum())
        if values.ndim > 1:
            values = mean_of_known(values)  # classes of one sample are not independent of one another
        kept = values[~np.isnan(values)]
        counts = {"count": len(kept), "nan": missing, "constant": self.constant, "tied": self.tied}
        if not len(kept):
            return Summary(np.nan, np.nan, np.nan, np.nan, **counts)
        low, high = bootstrap_interval(kept, self.evaluator.seed)
        error = kept.std(ddof=1) / np.sqrt(len(kept)) if len(kept) > 1 else np.nan
        return Summary(float(kept.mean()), float(error), float(low), float(high), **counts)


def joined(ranks: Sequence[Results], count: int | None) -> Results:
    """The results of several classes of the same samples as one, see `Results`.

    Args:
        ranks: `Results` of one evaluator, for each class a sample is explained for.
        count: Number of classes that were asked for, None where it was one and there is no axis of classes.
    """
    first = ranks[0]
    if count is None:
        return first
    values = {}
    for name, of_first in first.items():
        several = [of_rank[name] for of_rank in ranks]
        is_shared = name in first.evaluator.abscissae
        values[name] = of_first if is_shared else np.stack(several, axis=min(1, np.ndim(of_first)))
    constant, tied = sum(of_rank.constant for of_rank in ranks), sum(of_rank.tied for of_rank in ranks)
    return Results(first.evaluator, values, (*first.shape, count), constant, tied)


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


def _by_rank(maps, ranks):
    """Given maps, one array for each of `ranks`, the `Samples` of each class that was asked for."""
    count = ranks[0].plan.count
    if count is None:
        return [maps]
    maps = np.asarray(maps)
    if maps.shape[:2] != (len(ranks[0]), count):
        raise ValueError(
            f"`maps` must have the shape {(len(ranks[0]), count)} + positions, as explainers give them for "
            f'target="top{count}". Received: {maps.shape}.'
        )
    return list(np.moveaxis(maps, 1, 0))


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
