"""`kerasxai.evaluate`: several explainers under several evaluators on the same samples, as one table."""

from __future__ import annotations

import functools

from kerasxai.comparison import Comparison
from kerasxai.evaluators import Case, Results, build
from kerasxai.evaluators.base import joined
from kerasxai.evaluators.controls import control_maps
from kerasxai.evaluators.scoring import ScoredModel
from kerasxai.explainers.registry import build as build_explainer
from kerasxai.options import check_one_of, flag, positive_integer, seed_number
from kerasxai.progress import Progress
from kerasxai.registry import labelled
from kerasxai.typing import Array, Evaluators, Explainers, Labels, Model, Samples, TargetLike, Verbose

EXPLAINERS = ("grad_cam", "gradient_x_input", "integrated_gradients")
EVALUATORS = ("drop_increase", "aopc", "deletion", "insertion")


def evaluate(
    model: Model,
    x: Samples,
    explainers: Explainers = EXPLAINERS,
    evaluators: Evaluators = EVALUATORS,
    target: TargetLike = None,
    y: Labels | None = None,
    *,
    controls: bool = True,
    masks: Array | None = None,
    reference_model: Model | None = None,
    batch_size: int = 32,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> Comparison:
    """Evaluates explainers on samples of a model: every evaluator on every explainer, nothing computed twice.

    Targets are fixed once from the original samples, the maps of an explainer are made once for all evaluators, and
    rankings and the scores of unchanged and wholly changed samples are shared.

    Args:
        model: A built Keras model; never changed.
        x: Samples, as arrays or a dataset, which is read once.
        explainers: List of names, config dicts, classes, functions of the model or explainers on it; or a dict
            row name -> one of these.
        evaluators: List of names, config dicts, classes or evaluators; or a dict label -> one of these, whose label
            stands before the names of its metrics.
        target: What is explained, see `Explainer.__call__`; for `"top4"` results have an axis of classes, and intervals
            are over samples still. Controls are the same maps for every class.
        y: Labels, for `target="true"`.
        controls: Whether maps that know nothing of the model are evaluated beside: random, smooth random, centre,
            edges of the input.
        masks: Where the evidence is, for metrics of localization.
        reference_model: Another model, for metrics that compare with one.
        batch_size: Most samples the model runs on at once; explainers that are given as objects keep their own.
        seed: Seed of the controls.
        verbose: Progress bar: `"auto"`, 0 or 1.

    Returns:
        `Comparison`.

    Example:

    ```python
    comparison = kerasxai.evaluate(model, images, explainers=["grad_cam", "gradient"], evaluators=["deletion"])
    print(comparison.to_markdown())
    ```
    """
    batch_size, seed = positive_integer("batch_size", batch_size), seed_number(seed)
    controls = flag("controls", controls)
    check_one_of("verbose", verbose, ("auto", 0, 1))
    build_row = functools.partial(build_explainer, model=model, batch_size=batch_size, verbose=0)
    rows = _named(explainers, "method", build_row)
    measures = _named(evaluators, "evaluator", build)
    if not rows or not measures:
        raise ValueError("`explainers` and `evaluators` must hold at least one each. Received: an empty list.")
    for measure in measures.values():
        measure.check(True, masks, reference_model)
    ranks = ScoredModel(model).samples_by_rank(x, y, target, batch_size)
    for measure in measures.values():
        measure.check_target(ranks[0])
    maps = control_maps(ranks[0].x, seed) if controls else {}
    if taken := sorted(set(rows) & set(maps)):
        raise ValueError(f"`explainers` must not have the name of a control. Received: {', '.join(taken)}.")
    results: dict[str, dict[str, Results]] = {}
    steps = len(ranks) * (len(rows) + (len(rows) + len(maps)) * len(measures))
    progress = Progress(steps, verbose, unit="step")
    for label in [*rows, *maps]:
        by_measure: dict[str, list[Results]] = {}
        for samples in ranks:
            case = Case(model, samples, maps.get(label), rows.get(label), masks, reference_model)
            if case.explainer is not None:
                with progress.part(1):
                    if any(measure.needs_maps for measure in measures.values()):
                        _ = case.attributions  # made here, once for all
            for name, measure in measures.items():
                if "explainer" not in measure.needs or case.explainer is not None:
                    by_measure.setdefault(name, []).append(measure.evaluate(case))
                progress.add(1)
        results[label] = {name: joined(of_ranks, ranks[0].plan.count) for name, of_ranks in by_measure.items()}
    return Comparison(results, controls=list(maps), samples=len(ranks[0]))


def _named(described, config_key, build_one):
    """Dict name -> what `build_one` makes of each object; a name that comes again gets a number."""
    named = {}
    for label, description in labelled(described, config_key):
        built = build_one(description)
        if label is None:
            before = sum(other.split("#")[0] == built.name for other in named)
            label = f"{built.name}#{before + 1}" if before else built.name
        named[label] = built
    return named
