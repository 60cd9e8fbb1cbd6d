"""Which explainer finds the evidence where it is known, and which faithfulness metric can tell?"""

import functools

import kerasxai
from benchmarks.studies.ground_truth.methods import (
    BACKGROUND,
    DRAWN,
    EXAMPLES,
    FAITHFULNESS,
    LOCALIZATION,
    METHODS,
    explainer_of,
)
from benchmarks.studies.ground_truth.tasks import TASKS, explained, intervened, load, trained
from benchmarks.studies.ground_truth.telling import tell_examples, tell_faithfulness, tell_nets, tell_parts, tell_truth
from benchmarks.study import Study


def run(work, report, settings):
    solved, scores, drawn = [], {}, {}
    for task in work.each("task", settings.tasks):
        train, test = load(task, settings)
        for number in work.each("net", range(settings.nets)):
            net = f"{task}/{number}"
            model = work.model(f"nets/{net}", lambda: trained(train, settings))
            facts = work.numbers(f"solved/{net}", lambda: intervened(model, test))
            solved.append({"task": task, "net": number + 1, **facts})
            samples = test.take(explained(model, test, settings))
            explainer = functools.partial(explainer_of, model=model, background=train.x[:BACKGROUND])
            judge = Judge(model, samples, settings.faithfulness)
            scores[net] = {}
            for row in work.each("explainer", settings.explainers):
                scores[net][row] = work.numbers(f"scores/{net}/{row}", lambda: judge.explained(explainer(row)))
            scores[net] |= work.numbers(f"scores/{net}/controls", judge.controls)
            if number == 0:
                few = samples.take(slice(EXAMPLES))
                drawn[task] = few, work.arrays(f"maps/{task}", lambda: maps_of(few, explainer))
    tell_nets(report, solved)
    tell_truth(report, scores)
    tell_parts(report, scores)
    tell_faithfulness(report, scores)
    tell_examples(report, drawn)


def maps_of(samples, explainer):
    return {row: explainer(row)(samples.x, target=samples.y) for row in DRAWN}


class Judge:
    """Scores maps of the samples of one net. Kept for all its explainers: metrics are traced once."""

    def __init__(self, model, samples, options):
        self.model, self.samples = model, samples
        names = (*LOCALIZATION, *options)
        self.evaluators = [kerasxai.evaluators.get(name)(**options.get(name, {})) for name in names]
        self.mass = kerasxai.evaluators.RelevanceMass()

    def scores(self, maps, explainer=None):
        """Dict metric -> value of each sample; among them the share of relevance on each part of the samples."""
        values = {}
        for evaluator in self.evaluators:
            result = self._evaluated(evaluator, maps, explainer, self.samples.evidence)
            values |= {metric: result[metric] for metric in (*LOCALIZATION, *FAITHFULNESS) if metric in result}
        for name, masks in self.samples.parts.items():
            values[name] = self._evaluated(self.mass, maps, explainer, masks)["relevance_mass"]
        return values

    def explained(self, explainer):
        """Scores of an explainer's maps."""
        return self.scores(explainer(self.samples.x, target=self.samples.y), explainer)

    def controls(self):
        """Scores of maps that know nothing of the net: dict control -> dict metric -> values."""
        controls = kerasxai.evaluators.control_maps(self.samples.x)
        return {name: self.scores(maps) for name, maps in controls.items()}

    def _evaluated(self, evaluator, maps, explainer, masks):
        x, y = self.samples.x, self.samples.y
        return evaluator(self.model, x, maps, y, explainer=explainer, masks=masks)


CURVES = {"steps": 16}

STUDY = Study(
    title="Which explainer finds the evidence?",
    question="No faithfulness metric says whether a map is right, since none knows what is right. Here it is known: "
    "the data are made so that one place decides the class, and the nets are shown to use it. Every explainer "
    "is judged by whether its map points there, and every faithfulness metric by whether it says the same.",
    sources="",
    run=run,
    full={
        "tasks": list(TASKS),
        "explainers": list(METHODS),
        "nets": 1,
        "scenes": 6250,
        "image_epochs": 16,
        "signals": 50000,
        "signal_epochs": 8,
        "explained": 64,
        "faithfulness": {"deletion": CURVES, "insertion": CURVES, "aopc": CURVES, "road": {}, "drop_increase": {}},
    },
    quick={
        "tasks": ["distractor", "and", "mnist1d"],
        "explainers": list(DRAWN),
        "nets": 1,
        "scenes": 1250,
        "image_epochs": 2,
        "signals": 2500,
        "signal_epochs": 2,
        "explained": 8,
        "faithfulness": {"deletion": CURVES, "insertion": CURVES, "aopc": CURVES, "road": {}, "drop_increase": {}},
    },
)
