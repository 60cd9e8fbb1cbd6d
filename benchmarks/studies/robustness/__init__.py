"""How far do explanations move when the image is turned or noisy, and what does batch normalisation do to them?"""

import numpy as np

import kerasxai
from benchmarks.studies.robustness.nets import explained, nets_of, predictions
from benchmarks.studies.robustness.telling import (
    tell_batch_norm,
    tell_claims,
    tell_curves,
    tell_examples,
    tell_scores,
)
from benchmarks.study import Study

EXPLAINERS = {
    "grad_cam": {"method": "grad_cam"},
    "guided_backprop": {"method": "guided_backprop"},
    "lime": {"method": "lime", "segmentation": "slic"},
}
LRP = {"method": "lrp", "rules": "epsilon_plus"}
WAYS = ("fold", "abs_z", "epsilon", "pass")  # past batch normalisation
ROWS = {
    "plain": {**EXPLAINERS, "lrp": LRP},
    "batch_norm": {**EXPLAINERS, **{f"lrp, {way}": {**LRP, "batch_norm": way} for way in WAYS}},
}
INK = 0.25  # of a sample's range, above which a pixel is part of a stroke


def run(work, report, settings):
    changes = changes_of(settings)
    facts, scores, curves, ink, drawn = [], {}, {}, {}, {}
    for net, build in work.each("net", nets_of(settings).items()):
        model = work.model(f"nets/{net}", build)
        x, y = explained(model, settings)
        right = work.numbers(f"right/{net}", lambda: (predictions(model, x).argmax(axis=-1) == y).mean())
        facts.append({"net": net, "images": len(x), "predicted right": right, "parameters": model.count_params()})
        for change, evaluator in changes.items():
            scores[net, change] = work.arrays(f"scores/{net}/{change}", lambda: scores_at(model, x, evaluator))
        for row in work.each("explainer", ROWS[net]):
            explainer = explainer_of(ROWS[net][row], model, settings)
            for change, evaluator in changes.items():
                compute = lambda: dict(evaluator(model, x, target=f"top{settings.classes}", explainer=explainer))
                curves[net, row, change] = work.arrays(f"curves/{net}/{row}/{change}", compute)
            ink[net, row] = work.numbers(f"ink/{net}/{row}", lambda: mass_on_ink(model, x, explainer))
            drawn[net, row] = work.arrays(f"maps/{net}/{row}", lambda: maps_at(model, x[:1], explainer, changes))
    tell_scores(report, facts, scores, changes)
    tell_curves(report, curves, changes)
    if "batch_norm" in nets_of(settings):
        tell_batch_norm(report, ink, curves, WAYS)
    else:
        report.text("Keras has no ImageNet weights of VGG-16 with batch normalisation: that half is left out.")
    tell_examples(report, drawn, scores, x[:1], changes)
    tell_claims(report, curves, scores, ink, settings)


def explainer_of(config, model, settings):
    options = {"n_samples": settings.lime_samples} if config["method"] == "lime" else {}
    return kerasxai.explainers.from_config({**config, **options, "verbose": 0}, model)


def changes_of(settings):
    """The metrics: rotation inside the square that no corner enters, over the whole image, and turned back; noise."""
    metrics = kerasxai.evaluators
    return {
        "rotation": metrics.RotationRobustness(settings.angles),
        "rotation, uncropped": metrics.RotationRobustness(settings.angles, crop=False),
        "rotation, turned back": metrics.RotationRobustness(settings.angles, compare="back"),
        "noise": metrics.NoiseRobustness(settings.noise),
    }


def scores_at(model, x, evaluator):
    """What is predicted of the changed images: their class, and the probability of the class predicted before."""
    before = predictions(model, x).argmax(axis=-1)
    labels, probabilities = [], []
    for place, level in enumerate(evaluator.levels):
        outputs = predictions(model, evaluator.change(x, level, place))
        labels.append(outputs.argmax(axis=-1))
        probabilities.append(outputs[np.arange(len(x)), before])
    return {"before": before, "label": np.stack(labels, axis=1), "probability": np.stack(probabilities, axis=1)}


def mass_on_ink(model, x, explainer):
    """Share of the positive relevance that lies on strokes, of each image."""
    grey = x.mean(axis=-1)
    low, high = (bound(grey, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
    masks = grey > low + INK * (high - low)
    return kerasxai.evaluators.RelevanceMass()(model, x, explainer=explainer, masks=masks)["relevance_mass"]


def maps_at(model, image, explainer, changes):
    """Maps of one image, unchanged and at every level, of the class that is predicted of it unchanged."""
    target = int(predictions(model, image).argmax())
    maps = {}
    for change in ("rotation", "noise"):
        evaluator = changes[change]
        levels = [evaluator.change(image, level, place) for place, level in enumerate(evaluator.levels)]
        maps[change] = explainer(np.concatenate([image, *levels]), target=target)
    return maps


STUDY = Study(
    title="How far do explanations move when the image is turned or noisy?",
    question="An image is turned by a few degrees, or gets noise that a person hardly sees. Does its explanation stay "
    "what it was? And does batch normalisation, which LRP must find a way past, make explanations better or worse? "
    "Maps of the four best classes of each image.",
    sources="The claims are those of a master's thesis on VGG-16 with and without batch normalisation (Oslo, 2021), "
    "made with pictures of single images. Nets here are small ones of the same form, trained on digits, unless "
    "`--weights imagenet --images DIR` gives the whole VGG-16 and other images.",
    run=run,
    full={
        "angles": [0.5, 1, 5, 10, 15, 20, 25, 40],
        "noise": [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
        "explained": 24,
        "classes": 4,
        "lime_samples": 200,
        "epochs": 30,
    },
    quick={"angles": [1, 20], "noise": [0.05, 1], "explained": 3, "classes": 2, "lime_samples": 40, "epochs": 2},
    takes=("weights", "images"),
)
