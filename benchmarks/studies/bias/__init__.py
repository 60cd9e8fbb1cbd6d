"""A shortcut is planted: who suffers from it, do maps show it, and how many must one look at?"""

import functools

import numpy as np

import kerasxai
from benchmarks.studies.bias.telling import (
    tell_accuracy,
    tell_counts,
    tell_examples,
    tell_maps,
    tell_nets,
    tell_strengths,
)
from benchmarks.studies.ground_truth.methods import BACKGROUND, explainer_of
from benchmarks.studies.ground_truth.tasks import predicted, trained
from benchmarks.study import Study
from kerasxai.datasets import planted

LEARNED = 0.75  # train accuracy below which a net has learned nothing: neither the digit nor the mark
EXPLAINERS = (
    "grad_cam",
    "grad_cam_plus_plus",
    "score_cam",
    "full_grad",
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "smooth_grad",
    "guided_backprop",
    "deconvnet",
    "guided_grad_cam",
    "deep_lift",
    "lrp, epsilon",
    "lrp, epsilon_plus",
    "occlusion",
    "rise",
    "lime",
    "lime, windows",
    "kernel_shap",
    "kernel_shap, windows",
)
DRAWN = ("grad_cam", "smooth_grad", "gradient_x_input", "guided_backprop", "lrp, epsilon_plus", "occlusion")
METRICS = {"mass": "relevance_mass", "auc": "localization_roc_auc"}
PARTS = ("mark", "digit")


def run(work, report, settings):
    accuracies, scores, examples, learned = {}, {}, {}, {}
    for share in work.each("share", settings.shares):
        train, test = planted.load_shortcut(share, settings.scenes, seed=settings.seed)
        marked = np.flatnonzero(test.marks.any(axis=(1, 2, 3)))[: settings.explained]
        for number in work.each("net", range(settings.nets)):
            net = f"{share:g}/{number}"
            model, learned[share, number] = learned_net(work, net, train, settings)
            right = work.arrays(f"right/{net}", lambda: {"right": predicted(model, test.x) == test.y})
            accuracies[share, number] = right["right"]
            explainer = functools.partial(explainer_of, model=model, background=train.x[:BACKGROUND])
            judge = Judge(model, test, marked)
            for row in work.each("explainer", settings.explainers):
                found = work.numbers(f"scores/{net}/{row}", lambda: judge.scores(judge.maps(explainer(row))))
                scores.setdefault(row, {})[share, number] = found
            if number == 0 and share in (settings.before, settings.after):
                shown = [row for row in DRAWN if row in settings.explainers]
                examples[share] = work.arrays(f"maps/{net}", lambda: judge.examples(explainer, shown))
    for name, maps in kerasxai.evaluators.control_maps(test.x[marked]).items():
        found = work.numbers(f"scores/controls/{name}", lambda: judge.scores(maps))
        scores[name] = {net: found for net in accuracies}
    tell_accuracy(report, accuracies, test, settings)
    tell_nets(report, learned, accuracies, scores, test)
    areas = {part: float(mask.mean()) for part, mask in judge.masks.items()}
    tell_maps(report, scores, areas, settings)
    tell_counts(report, scores, areas, settings)
    tell_strengths(report, scores, accuracies, areas, test, settings)
    tell_examples(report, examples)


def learned_net(work, net, train, settings):
    """A net that has learned anything of its training data, and what it took: one that has not starts again."""
    for start in range(1, settings.starts + 1):
        name = net if start == 1 else f"{net}, start {start}"
        model = work.model(f"nets/{name}", lambda: trained(train, settings))
        accuracy = work.numbers(f"learned/{name}", lambda: float((predicted(model, train.x) == train.y).mean()))
        if accuracy >= LEARNED:
            break
    return model, {"starts": start, "train accuracy": accuracy}


class Judge:
    """Scores maps of the marked test samples of one net, of the class that it predicts."""

    def __init__(self, model, test, marked):
        self.model, self.x, self.y = model, test.x[marked], test.y[marked]
        self.target = predicted(model, self.x)
        self.masks = {"mark": test.distractor[marked], "digit": test.evidence[marked]}
        self.evaluators = {name: kerasxai.evaluators.get(metric)() for name, metric in METRICS.items()}

    def maps(self, explainer):
        """Maps with their channels reduced as the explainer declares."""
        raw = explainer(self.x, target=self.target)
        return kerasxai.to_heatmap(raw, explainer.reduce) if raw.ndim == self.x.ndim else raw

    def scores(self, maps):
        """Dict part of the image -> metric -> value of each sample."""
        return {
            part: {
                name: evaluator(self.model, self.x, maps, self.target, masks=self.masks[part])[METRICS[name]]
                for name, evaluator in self.evaluators.items()
            }
            for part in PARTS
        }

    def examples(self, explainer, rows):
        """Maps of the first sample of each class, and what the net predicts."""
        first = [int(np.flatnonzero(self.y == label)[0]) for label in (0, 1)]
        maps = {row: self.maps(explainer(row))[first] for row in rows}
        masks = {part: mask[first] for part, mask in self.masks.items()}
        return {"x": self.x[first], "predicted": self.target[first], **masks, **maps}


TRAINING = {"scenes": 7500, "image_epochs": 16}

STUDY = Study(
    title="Do maps show a shortcut?",
    question="A net is to tell 3 from 8, but in training a mark goes with the 8. In the test it does not. Who suffers, "
    "do maps show the mark, how many maps must one look at to see it, and what changes once the net is trained on "
    "data in which the mark says nothing?",
    sources="*Exploring Visual Explanations for CNNs*, University of Toronto, 2021, section 4.3: nets that tell "
    "secretaries from CEOs, trained on images in which one gender prevails, and again on balanced ones. Here the class "
    "is a digit of scikit-learn on a cluttered canvas, and the shortcut a mark elsewhere "
    "(`kerasxai.datasets.planted.load_shortcut`), so that it is known where both are.",
    run=run,
    full={**TRAINING, "shares": (0.5, 0.8, 0.85, 0.9), "nets": 3, "starts": 5, "explained": 64}
    | {"before": 0.9, "after": 0.5, "explainers": EXPLAINERS},
    quick={"scenes": 1000, "image_epochs": 3, "shares": (0.5, 0.9), "nets": 1, "starts": 1, "explained": 20}
    | {"before": 0.9, "after": 0.5, "explainers": ("grad_cam", "gradient", "smooth_grad", "guided_backprop")},
)
