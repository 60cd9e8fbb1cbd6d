"""Do maps depend on what a net has learned? Labels permuted, weights randomised layer by layer, noise varied."""

import functools

import numpy as np

import kerasxai
from benchmarks.studies.sanity.nets import (
    ARCHITECTURES,
    EXPLAINERS,
    SIDE,
    accuracy,
    explainer_of,
    heatmaps,
    on,
    reduced,
    trained,
    untrained,
)
from benchmarks.studies.sanity.noise import tell_grid
from benchmarks.studies.sanity.telling import tell_cascade, tell_labels, tell_nets, tell_others
from benchmarks.study import Study
from benchmarks.study.digits import digits

LEARNED = 0.95  # train accuracy at which the source stops
MEASURES = ("spearman", "spearman_absolute", "ssim")
TWINS = ("same labels", "permuted labels", "untrained")
JUDGES = ("localization_roc_auc", "deletion", "compressed_size")


def run(work, report, settings):
    (x, y), _ = digits(SIDE, channels=3)
    x, y = x[: settings.samples], y[: settings.samples]
    nets = {}
    for architecture in work.each("net", ARCHITECTURES):
        nets[architecture] = [
            measured(work, architecture, number, x, y, settings) for number in work.each("twins", range(settings.nets))
        ]
    tell_nets(report, nets, settings)
    tell_labels(report, nets, x)
    tell_cascade(report, nets, x, settings)
    tell_others(report, nets)
    tell_grid(report, nets, x, settings)


def measured(work, architecture, number, x, y, settings):
    """What is measured of a net that has learned the labels: in comparison with its twins, and under other weights."""
    net = f"{architecture}/{number}"
    permuted = np.random.default_rng([settings.seed, number]).permutation(y)
    labels = {"same labels": y, "permuted labels": permuted, "untrained": y}
    model = work.model(f"nets/{net}/true", lambda: trained(architecture, x, y, settings))
    twins = {
        twin: work.model(f"nets/{net}/{twin}", lambda: trained(architecture, x, labels[twin], settings))
        for twin in TWINS[:2]
    }
    twins["untrained"] = work.model(f"nets/{net}/untrained", lambda: untrained(architecture, settings.width))
    learned = work.numbers(
        f"learned/{net}",
        lambda: (
            {"labels": accuracy(model, x, y)}
            | {twin: accuracy(other, x, labels[twin]) for twin, other in twins.items()}
            | {"labels left by the permutation": float((permuted == y).mean())}
        ),
    )
    few = x[: settings.few]
    changed_labels = {
        twin: kerasxai.evaluators.LabelRandomization(labels=labels[twin], batch_size=100) for twin in TWINS
    }
    cascades = {
        start: kerasxai.evaluators.Randomization(init=start, keep_maps=settings.strips, seed=settings.seed + number)
        for start in settings.starts
    }
    others = [kerasxai.evaluators.EfficientRandomization(), kerasxai.evaluators.RandomLogit(seed=settings.seed)]
    edges = kerasxai.evaluators.control_maps(x)["edges"]
    told = {"learned": learned, "labels": {}, "cascade": {}, "others": {}, "maps": {}}
    told["grid"] = noisy(work, net, model, few, settings)
    for row in work.each("explainer", settings.explainers):
        explainer = explainer_of(row, model)
        of_twins = {twin: on(explainer, other) for twin, other in twins.items()}
        told["labels"][row] = work.numbers(
            f"labels/{net}/{row}", lambda: compared(explainer, of_twins, model, changed_labels, edges, x)
        )
        told["cascade"][row] = {
            start: work.arrays(f"cascade/{start}/{net}/{row}", lambda: dict(cascade(model, few, explainer=explainer)))
            for start, cascade in cascades.items()
        }
        told["others"][row] = work.numbers(
            f"others/{net}/{row}",
            lambda: {
                name: result[name]
                for result in (evaluator(model, few, explainer=explainer) for evaluator in others)
                for name in result.per_sample
            },
        )
        if number == 0:
            told["maps"][row] = work.arrays(f"maps/{net}/{row}", lambda: pictured(explainer, of_twins, model, x[:1]))
    return told


def compared(explainer, of_twins, model, evaluators, edges, x):
    """Similarity of a net's maps and each twin's, of the class the net predicts; of what the permuted twin predicts
    itself; and of the net's maps and the input's edges."""
    target = model.predict(x, batch_size=100, verbose=0).argmax(axis=-1)
    maps = explainer(x, target=target)
    found = {}
    for twin, evaluator in evaluators.items():
        result = evaluator(model, x, maps, target, explainer=explainer, reference_model=of_twins[twin].model)
        found[twin] = {measure: result[measure] for measure in MEASURES}
    ours = reduced(explainer, maps, x)
    own = heatmaps(of_twins["permuted labels"], x)
    for name, other in {"permuted labels, own class": own, "the input's edges": edges}.items():
        similar = kerasxai.evaluators.similarities(ours, other)
        found[name] = {measure: similar[measure] for measure in MEASURES}
    return found


def pictured(explainer, of_twins, model, x):
    """Maps of the class that the net predicts, of it and its twins."""
    target = model.predict(x, verbose=0).argmax(axis=-1)
    maps = {twin: heatmaps(other, x, target) for twin, other in of_twins.items()}
    return {"true": heatmaps(explainer, x, target), **maps}


def noisy(work, net, model, x, settings):
    """SmoothGrad over numbers of draws and levels of noise: dict of both -> what its maps are worth, and the first."""
    ink = x[..., 0] > x.max() / 2
    evaluators = {name: kerasxai.evaluators.get(name)() for name in JUDGES}

    def smoothed(draws, noise, seed=0):
        smooth_grad = kerasxai.explainers.SmoothGrad(model, n_samples=draws, noise_level=noise, seed=seed, verbose=0)
        return heatmaps(smooth_grad, x)

    def judged(draws, noise, again):
        maps = smoothed(draws, noise)
        scores = {name: evaluator(model, x, maps, masks=ink)[name] for name, evaluator in evaluators.items()}
        agreement = kerasxai.evaluators.similarities(maps, again())["spearman"]
        return {"agreement": agreement, **scores, "map": maps[0]}

    cells = {}
    for noise in work.each("noise", settings.noises):
        again = functools.cache(lambda: smoothed(max(settings.draws), noise, seed=1))
        for draws in work.each("draws", settings.draws):
            cells[draws, noise] = work.arrays(f"grid/{net}/{draws}_{noise:g}", lambda: judged(draws, noise, again))
    return cells


STUDY = Study(
    title="Do maps depend on what a net has learned?",
    question="A map that stays the same when the net has learned nonsense, or nothing, shows the image and not the "
    "net. Two nets learn digits twice, under their true labels and under permuted ones; the trained nets' weights are "
    "then randomised layer by layer, from the output down. How far do the maps follow?",
    sources="*Exploring Visual Explanations for CNNs*, University of Toronto, 2021. The checks are those of "
    "[Adebayo et al., 2018](https://arxiv.org/abs/1810.03292), and two later ones: [Sixt et al., "
    "2020](https://arxiv.org/abs/1912.09818), [Hedström et al., 2023](https://arxiv.org/abs/2401.06465).",
    run=run,
    full={"width": 0.25, "learned": LEARNED, "epochs": 150, "nets": 2, "samples": 200, "few": 20, "strips": 1}
    | {"starts": ("normal", "layer"), "explainers": tuple(EXPLAINERS)}
    | {"draws": (1, 5, 20, 50), "noises": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)},
    quick={"width": 0.125, "learned": LEARNED, "epochs": 150, "nets": 1, "samples": 20, "few": 2, "strips": 1}
    | {"starts": ("normal",), "draws": (5,), "noises": (0.1, 0.3), "explainers": ("grad_cam", "smooth_grad")},
)
