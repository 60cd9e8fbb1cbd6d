"""`kerasxai.evaluate`: several explainers under several evaluators on the same samples, as one table."""

import numpy as np

from kerasxai.batches import Progress
from kerasxai.comparison import Comparison
from kerasxai.evaluators import Case, build
from kerasxai.evaluators.controls import control_maps
from kerasxai.evaluators.scoring import ScoredModel
from kerasxai.explainers.options import positive_integer, seed_number
from kerasxai.explainers.registry import build as build_explainer

EXPLAINERS = ("grad_cam", "gradient_x_input", "integrated_gradients")
EVALUATORS = ("drop_increase", "aopc", "deletion", "insertion")


def evaluate(
    model,
    x,
    explainers=EXPLAINERS,
    evaluators=EVALUATORS,
    target=None,
    y=None,
    *,
    controls=True,
    masks=None,
    reference_model=None,
    batch_size=32,
    seed=0,
    verbose="auto",
):
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
        target: What is explained, see `Explainer.__call__`; one class a sample.
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
    rows = _named(explainers, model, batch_size)
    measures = _labelled(evaluators)
    if not rows or not measures:
        raise ValueError("`explainers` and `evaluators` must hold at least one each. Received: an empty list.")
    for measure in measures.values():
        measure.check(True, masks, reference_model)
    samples = ScoredModel(model).samples(x, y, target, batch_size)
    maps = control_maps(samples.x, seed) if controls else {}
    if taken := sorted(set(rows) & set(maps)):
        raise ValueError(f"`explainers` must not have the name of a control. Received: {', '.join(taken)}.")
    results, progress = {}, Progress(len(rows) + len(maps), verbose)
    for label in [*rows, *maps]:
        case = Case(model, samples, maps.get(label), rows.get(label), masks, reference_model)
        results[label] = {
            name: one.evaluate(case)
            for name, one in measures.items()
            if "explainer" not in one.needs or case.explainer is not None
        }
        progress.add(1)
    return Comparison(results, controls=list(maps), samples=len(samples))


def _labelled(evaluators):
    """Dict label -> evaluator."""
    if isinstance(evaluators, dict) and "evaluator" not in evaluators:
        return {label: build(one) for label, one in evaluators.items()}
    return _numbered([build(one) for one in _listed(evaluators)])


def _named(explainers, model, batch_size):
    """Dict row name -> explainer."""

    def built(one):
        one = {"method": one} if isinstance(one, str) else one
        return build_explainer({"batch_size": batch_size, **one} if isinstance(one, dict) else one, model)

    if isinstance(explainers, dict) and "method" not in explainers:
        return {label: built(one) for label, one in explainers.items()}
    return _numbered([built(one) for one in _listed(explainers)])


def _listed(given):
    return [given] if isinstance(given, (str, type, dict)) or not np.iterable(given) else list(given)


def _numbered(objects):
    """Dict name -> object; a name that comes again gets a number."""
    found = {}
    for one in objects:
        again = sum(label.split("#")[0] == one.name for label in found)
        found[f"{one.name}#{again + 1}" if again else one.name] = one
    return found
