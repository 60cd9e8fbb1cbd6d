"""The nine methods of a survey side by side: what their maps look like, how fast pixel flipping tells, how simple they
are, and what models they can explain."""

import numpy as np

import kerasxai
from benchmarks.studies.methods.kinds import KINDS, first_sentence, tried
from benchmarks.studies.methods.subjects import subjects
from benchmarks.studies.methods.telling import (
    tell_applicability,
    tell_curves,
    tell_maps,
    tell_simplicity,
    tell_subjects,
)
from benchmarks.study import Study

METHODS = {
    "SA": {"method": "sensitivity"},
    "LIME": {"method": "lime"},
    "Deep Taylor": {"method": "lrp", "rules": "deep_taylor"},
    "LRP α1β0": {"method": "lrp", "rules": "alpha1_beta0"},
    "LRP α2β1": {"method": "lrp", "rules": "alpha2_beta1"},
    "DeconvNet": {"method": "deconvnet"},
    "CAM": {"method": "cam"},
    "Grad-CAM": {"method": "grad_cam"},
    "Guided Grad-CAM": {"method": "guided_grad_cam"},
    "Guided Backprop": {"method": "guided_backprop"},
}
RANDOM = "random map"
EXAMPLES = 4
PATCH = 4  # as the source has it
SIMPLICITY = ("histogram_entropy", "compressed_size")
LIME_SAMPLES = 50  # for the small nets of every kind


def run(work, report, settings):
    found, drawn, nets = {}, {}, []
    for subject in subjects(work, settings):
        name = f"{subject.name} {subject.net}"
        nets.append({"images": subject.name, "net": subject.net + 1, "accuracy": subject.accuracy})
        judge = Judge(subject, settings)
        scores = {row: work.numbers(f"scores/{name}/{row}", lambda: judge.of(row)) for row in work.each("map", METHODS)}
        scores[RANDOM] = work.numbers(f"scores/{name}/{RANDOM}", judge.of_random)
        found.setdefault(subject.name, []).append(scores)
        if subject.net == 0:
            few = subject.take(np.unique(np.linspace(0, len(subject.x) - 1, EXAMPLES).astype(int)))
            drawn[subject.name] = few, work.arrays(f"maps/{name}", Judge(few, settings).drawn)
    outcomes = {
        kind: work.numbers(f"kinds/{kind}", lambda: tried(kind, configs(LIME_SAMPLES)))
        for kind in work.each("kind", settings.kinds)
    }
    tell_subjects(report, nets, found, settings)
    tell_maps(report, drawn)
    tell_curves(report, found, RANDOM)
    tell_simplicity(report, found, RANDOM)
    tell_applicability(report, outcomes, METHODS)


def configs(lime_samples, segmentation=None):
    """Dict method -> config of its explainer."""
    lime = {"n_samples": lime_samples, "segmentation": segmentation, "batch_size": 128}
    made = {row: {"verbose": 0, **config} for row, config in METHODS.items()}
    return made | {"LIME": made["LIME"] | lime}


class Judge:
    """Makes and scores the maps of one subject. Kept for all methods: metrics are traced once."""

    def __init__(self, subject, settings):
        self.subject = subject
        self.configs = configs(settings.lime_samples, subject.segmentation)
        self.flipping = kerasxai.evaluators.PixelFlipping(window=PATCH, steps=settings.steps, replace="zero")
        self.simplicity = [kerasxai.evaluators.get(name)() for name in SIMPLICITY]

    def of(self, row):
        """Scores of a method's maps, or why the net has none."""
        try:
            explainer = kerasxai.explainers.from_config(self.configs[row], self.subject.model)
        except (TypeError, ValueError) as error:
            return {"refused": first_sentence(error)}
        return self.scores(explainer(self.subject.x), explainer)

    def of_random(self):
        """Scores of maps that know nothing of the net."""
        return self.scores(kerasxai.evaluators.control_maps(self.subject.x)["random"])

    def scores(self, maps, explainer=None):
        subject = self.subject
        flipped = self.flipping(subject.model, subject.x, maps, explainer=explainer)
        values = {name: flipped[name] for name in ("pixel_flipping", "curve", "fraction")}
        for evaluator in self.simplicity:
            values |= evaluator(subject.model, subject.x, maps, explainer=explainer)
        return values

    def drawn(self):
        """Heat maps of the methods that the net admits, one value for each position."""
        maps = {}
        for row, config in self.configs.items():
            try:
                explainer = kerasxai.explainers.from_config(config, self.subject.model)
            except (TypeError, ValueError):
                continue  # `of` says why
            made = explainer(self.subject.x)
            maps[row] = kerasxai.to_heatmap(made, explainer.reduce) if made.ndim == np.ndim(self.subject.x) else made
        return maps


STUDY = Study(
    title="Nine methods side by side",
    question="Sensitivity analysis (SA), LIME, Deep Taylor Decomposition, LRP by two rules, DeconvNet, CAM, Grad-CAM "
    "and Guided Grad-CAM, with Guided Backpropagation, which the survey's figures have beside them. How fast does the "
    "score fall as what a map marks most turns black? How simple are the maps? Which models can each method explain?",
    sources="A survey of explanations of convolutional networks (TU Delft, 2019), which reports both tests from the "
    "literature. Pixel flipping: [Bach et al., 2015](https://doi.org/10.1371/journal.pone.0130140).",
    run=run,
    full={
        "nets": 3,
        "epochs": 25,
        "explained": 64,
        "tiles": 3,
        "steps": 64,
        "lime_samples": 300,
        "kinds": list(KINDS),
    },
    quick={
        "nets": 1,
        "epochs": 4,
        "explained": 12,
        "tiles": 1,
        "steps": 32,
        "lime_samples": 100,
        "kinds": ["no global pooling", "subclassed", "NumPy function"],
    },
    takes=("data", "weights", "images"),
)
