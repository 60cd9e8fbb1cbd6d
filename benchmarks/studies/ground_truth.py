"""Which explainer finds the evidence where it is known, and which faithfulness metric can tell?"""

import functools
from typing import NamedTuple

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers

import kerasxai
from benchmarks.study import Interval, Study
from benchmarks.study.ranks import drawn_means, interval, ranks, spearman
from kerasxai.datasets import mnist1d, planted

TASKS = {
    "mark": "one of four small marks decides the class; a digit and clutter do not",
    "distractor": "the same, beside a brighter and larger mark that decides nothing",
    "and": "the class is whether both of two marks are there; explained where they are",
    "or": "the class is whether at least one of two marks is there; explained where one or both are",
    "mnist1d": "signals of MNIST-1D, where the template of the class lies somewhere in noise",
}
SOLVED = 0.99  # accuracy of a net that may be said to solve its task

METHODS = {
    "cam": {},
    "grad_cam": {},
    "grad_cam_plus_plus": {},
    "smooth_grad_cam_plus_plus": {"n_samples": 20},
    "hires_cam": {},
    "xgrad_cam": {},
    "layer_cam": {},
    "eigen_cam": {},
    "eigen_grad_cam": {},
    "score_cam": {},
    "ablation_cam": {},
    "relevance_cam": {},
    "full_grad": {},
    "gradient": {},
    "gradient_x_input": {},
    "integrated_gradients": {},
    "expected_gradients": {},
    "blur_ig": {},
    "guided_ig": {},
    "xrai": {},
    "smooth_grad": {},
    "smooth_grad_squared": {},
    "var_grad": {},
    "guided_backprop": {},
    "deconvnet": {},
    "guided_grad_cam": {},
    "deep_lift": {},
    "lrp, epsilon": {"method": "lrp", "rules": "epsilon"},
    "lrp, epsilon_plus": {"method": "lrp", "rules": "epsilon_plus"},
    "lrp, epsilon_gamma_box": {"method": "lrp", "rules": "epsilon_gamma_box"},
    "lrp, alpha1_beta0": {"method": "lrp", "rules": "alpha1_beta0"},
    "lrp, alpha2_beta1": {"method": "lrp", "rules": "alpha2_beta1"},
    "lrp, deep_taylor": {"method": "lrp", "rules": "deep_taylor"},
    "occlusion": {},
    "rise": {"n_masks": 2000},
    "sise": {},
    "lime": {},
    "kernel_shap": {},
}
CONTROLS = ("random", "smooth_random", "centre", "edges")
ROWS = (*METHODS, *CONTROLS)
LOCALIZATION = (
    "relevance_mass",
    "relevance_rank",
    "pointing_game",
    "localization_roc_auc",
    "localization_average_precision",
)
FAITHFULNESS = {
    "deletion": False,
    "insertion": True,
    "aopc_above_random": True,
    "abpc": True,
    "road": True,
    "drop_rate": False,
    "increase_rate": True,
}  # metric -> whether higher is better

BATCH = 64
LEARNING_RATE = 3e-3
BACKGROUND = 100  # training samples that expected gradients draws from
EXAMPLES = 2  # samples of a task that are drawn
DRAWN = ("grad_cam", "layer_cam", "gradient", "integrated_gradients", "guided_backprop", "lrp, epsilon_plus", "rise")


class Samples(NamedTuple):
    """Samples of a task.

    Attributes:
        x, y: Samples and classes.
        evidence: What decides the class, bool `(samples, *spatial)`; empty where that is an absence.
        marks: Every mark or template there is, whether it decides or not.
        bare: The same samples without them.
        parts: Masks of what else is asked about, by name.
    """

    x: np.ndarray
    y: np.ndarray
    evidence: np.ndarray
    marks: np.ndarray
    bare: np.ndarray
    parts: dict

    def take(self, chosen):
        """The chosen samples."""
        parts = {name: masks[chosen] for name, masks in self.parts.items()}
        return Samples(*(values[chosen] for values in self[:-1]), parts)


def run(work, report, settings):
    solved, scores, drawn = [], {}, {}
    for task in work.each("task", TASKS):
        train, test = load(task, settings)
        for number in work.each("net", range(settings.nets)):
            net = f"{task}/{number}"
            model = work.model(f"nets/{net}", lambda: trained(train, settings))
            facts = work.numbers(f"solved/{net}", lambda: intervened(model, test))
            solved.append({"task": task, "net": number + 1, **facts})
            samples = test.take(explained(model, test, settings))
            explainer = functools.partial(explainer_of, model=model, background=train.x[:BACKGROUND])
            scores[net] = {}
            for row in work.each("explainer", METHODS):
                compute = lambda: measured(model, samples, settings, explainer=explainer(row))
                scores[net][row] = work.numbers(f"scores/{net}/{row}", compute)
            scores[net] |= work.numbers(f"scores/{net}/controls", lambda: of_controls(model, samples, settings))
            if number == 0:
                few = samples.take(slice(EXAMPLES))
                drawn[task] = few, work.arrays(f"maps/{task}", lambda: maps_of(few, explainer))
    tell_nets(report, solved)
    tell_truth(report, scores)
    tell_parts(report, scores)
    tell_faithfulness(report, scores)
    tell_examples(report, drawn)


# Nets that solve their task


def load(task, settings):
    """Training and test samples."""
    if task == "mnist1d":
        data = mnist1d.load_data(samples=settings.signals)
        masks = mnist1d.template_masks(samples=settings.signals)
        return tuple(signals(x, y, evidence) for (x, y), evidence in zip(data, masks))
    return tuple(scenes(task, part) for part in planted.load_data(task, samples=settings.scenes))


def signals(x, y, evidence):
    return Samples(x, y, evidence, evidence, bridged(x, evidence), {})


def bridged(x, masks):
    """Signals whose masked values lie on the lines between their neighbours."""
    steps = np.arange(x.shape[1])
    rows = [np.interp(steps, steps[~mask], signal[~mask, 0]) for signal, mask in zip(x, masks)]
    return np.asarray(rows, x.dtype)[..., np.newaxis]


def scenes(task, data):
    parts = {}
    if task == "distractor":
        parts = {"distractor": data.distractor}
    if task == "and":
        parts = {"first mark": data.marks[..., 0], "second mark": data.marks[..., 1]}
    return Samples(data.x, data.y, data.evidence, data.marks.any(axis=-1), data.bare, parts)


def trained(train, settings):
    """A convolutional net with global average pooling and one Dense layer, which every explainer admits."""
    rank = train.x.ndim - 2
    convolution, pool = (layers.Conv1D, layers.MaxPooling1D) if rank == 1 else (layers.Conv2D, layers.MaxPooling2D)
    average = layers.GlobalAveragePooling1D if rank == 1 else layers.GlobalAveragePooling2D
    model = keras.Sequential([keras.Input(train.x.shape[1:])])
    for filters in (16, 32, 64):
        if filters > 16:
            model.add(pool())
        model.add(convolution(filters, 3, padding="same", activation="relu"))
        model.add(convolution(filters, 3, padding="same", activation="relu"))
    model.add(average())
    model.add(layers.Dense(int(train.y.max()) + 1, activation="softmax"))
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, settings.epochs * -(-len(train.x) // BATCH))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(train.x, train.y, batch_size=BATCH, epochs=settings.epochs, verbose=0)
    return model


def predicted(model, x):
    return model.predict(x, batch_size=256, verbose=0).argmax(axis=-1)


def intervened(model, test):
    """What a net predicts on test samples, and once their evidence is changed."""
    here = np.flatnonzero(test.evidence.any(axis=tuple(range(1, test.evidence.ndim))))
    other = np.roll(here, 1)
    marked = test.marks[..., np.newaxis]
    # Evidence of one sample, in another whose own has been taken out.
    moved = np.where(marked[here], test.x[here], test.bare[other])
    return {
        "accuracy": float((predicted(model, test.x) == test.y).mean()),
        "without evidence": float((predicted(model, test.bare[here]) == test.y[here]).mean()),
        "evidence moved": float((predicted(model, moved) == test.y[here]).mean()),
    }


def explained(model, test, settings):
    """Indices of the first test samples that have evidence and are predicted right."""
    has_evidence = test.evidence.any(axis=tuple(range(1, test.evidence.ndim)))
    return np.flatnonzero(has_evidence & (predicted(model, test.x) == test.y))[: settings.explained]


# Maps and their scores


def explainer_of(row, model, background):
    config = {"method": row, **METHODS[row]}
    if row == "expected_gradients":
        config["background"] = background
    if config.get("rules") == "epsilon_gamma_box":
        config["input_range"] = (float(background.min()), float(background.max()))
    return kerasxai.explainers.from_config(config, model)


def maps_of(samples, explainer):
    return {row: explainer(row)(samples.x, target=samples.y) for row in DRAWN}


def of_controls(model, samples, settings):
    """Scores of maps that know nothing of the model: dict control -> dict metric -> values."""
    controls = kerasxai.evaluators.control_maps(samples.x)
    return {name: measured(model, samples, settings, maps) for name, maps in controls.items()}


def measured(model, samples, settings, maps=None, explainer=None):
    """Dict metric -> value of each sample."""
    if maps is None:
        maps = explainer(samples.x, target=samples.y)
    values = {}
    for name in (*LOCALIZATION, *settings.faithfulness):
        evaluator = kerasxai.evaluators.get(name)(**settings.faithfulness.get(name, {}))
        result = evaluator(model, samples.x, maps, samples.y, explainer=explainer, masks=samples.evidence)
        values |= {metric: result[metric].tolist() for metric in (*LOCALIZATION, *FAITHFULNESS) if metric in result}
    mass = kerasxai.evaluators.RelevanceMass()
    for name, masks in samples.parts.items():
        result = mass(model, samples.x, maps, samples.y, explainer=explainer, masks=masks)
        values[name] = result["relevance_mass"].tolist()
    return values


# What is told


def tell_nets(report, solved):
    report.section(
        "Nets that use the evidence",
        "Where the evidence lies judges a map only if the net uses it. That is shown by intervention: marks and "
        "templates are taken out, and put into another sample.",
    )
    worst = min(row["accuracy"] for row in solved)
    report.table(
        "nets",
        solved,
        f"Share of test samples predicted right (all above {SOLVED:g} are said to solve their task; the lowest is "
        f"{worst:.4f}); of those with evidence, still predicted so with it taken out (by chance: 0.25 for four marks, "
        "0.1 for ten signals), and with it put into another sample, whose own was taken out.",
    )


def tell_truth(report, scores):
    means = {net: means_of(rows, LOCALIZATION) for net, rows in scores.items()}
    placed = np.mean([ranks(of_net, [True] * len(LOCALIZATION)).mean(axis=-1) for of_net in means.values()], axis=0)
    overall = np.mean(list(means.values()), axis=0)  # (draws, rows, metrics)
    rows = []
    for index, row in enumerate(ROWS):
        cells = {metric: interval(overall[:, index, place]) for place, metric in enumerate(LOCALIZATION)}
        rows.append({"explainer": label(row), "mean rank": interval(placed[:, index]), **cells})
    report.section(
        "Which explainer finds the evidence",
        "Maps of the class that is true and predicted, on nets that solve their task. Controls know nothing of the "
        "net: an explainer that is not above them finds nothing.",
    )
    report.table(
        "localization",
        sorted(rows, key=lambda row: row["mean rank"].mean),
        f"Means over {len(scores)} nets, with 95 % intervals over the samples explained. *mean rank*: among all "
        f"{len(ROWS)} rows, by each of the five metrics and on each net.",
        {"mean rank": "lower", **dict.fromkeys(LOCALIZATION, "higher")},
    )
    auc = LOCALIZATION.index("localization_roc_auc")
    by_task = {task: np.mean([of_net for net, of_net in means.items() if of_task(net, task)], axis=0) for task in TASKS}
    cells = [
        {"explainer": label(row), **{task: interval(by_task[task][:, index, auc]) for task in TASKS}}
        for index, row in enumerate(ROWS)
    ]
    report.table(
        "auc_by_task",
        cells,
        "Area under the ROC curve of positions inside the evidence against those outside, by task (0.5: chance). "
        + "; ".join(f"*{task}*: {what}" for task, what in TASKS.items())
        + ".",
        dict.fromkeys(TASKS, "higher"),
    )


def tell_parts(report, scores):
    rows = []
    for row in ROWS:
        on_distractor = pooled(scores, "distractor", row, "distractor")
        on_evidence = pooled(scores, "distractor", row, "relevance_mass")
        marks = np.stack([pooled(scores, "and", row, name) for name in ("first mark", "second mark")])
        with np.errstate(invalid="ignore"):
            weaker = marks.min(axis=0) / marks.sum(axis=0)
        rows.append(
            {
                "explainer": label(row),
                "mass on the mark": Interval.of(on_evidence),
                "mass on the distractor": Interval.of(on_distractor),
                "AND: share of the weaker mark": Interval.of(weaker),
            }
        )
    report.section(
        "Distraction, and two pieces of evidence",
        "A distractor is brighter and larger than the mark, and decides nothing. Where two marks decide together, an "
        "explanation must show both.",
    )
    report.table(
        "parts",
        rows,
        "Share of the map's positive part on the mark that decides and on the distractor; and, of what lies on the two "
        "marks of the AND task, the share of the one that got less (0.5: both alike, 0: one alone).",
        {
            "mass on the mark": "higher",
            "mass on the distractor": "lower",
            "AND: share of the weaker mark": "higher",
        },
    )


def tell_faithfulness(report, scores):
    methods = slice(len(METHODS))
    sides = np.array(list(FAITHFULNESS.values()))
    agreement, chosen = {}, {}
    for net, rows in scores.items():
        truth = ranks(means_of(rows, LOCALIZATION)[:, methods], [True] * len(LOCALIZATION)).mean(axis=-1)
        by_metric = ranks(means_of(rows, FAITHFULNESS)[:, methods], sides)  # (draws, methods, metrics)
        agreement[net] = np.stack([spearman(by_metric[..., place], truth) for place in range(len(sides))], axis=-1)
        places = truth[0].argsort().argsort() + 1
        chosen[net] = places[by_metric[0].argmin(axis=0)]
    table = []
    for place, metric in enumerate(FAITHFULNESS):
        by_task = {
            task: interval(np.mean([drawn[:, place] for net, drawn in agreement.items() if of_task(net, task)], axis=0))
            for task in TASKS
        }
        overall = interval(np.mean([drawn[:, place] for drawn in agreement.values()], axis=0))
        best = np.mean([places[place] for places in chosen.values()])
        table.append({"metric": metric, "all tasks": overall, **by_task, "place of its choice": float(best)})
    table.sort(key=lambda row: -row["all tasks"].mean)
    report.section(
        "Which faithfulness metric can tell",
        "Faithfulness metrics know the net only. Where the evidence is known, they can be judged themselves: do they "
        "rank the explainers as localization does?",
    )
    report.table(
        "faithfulness",
        table,
        f"Spearman's correlation, over {len(METHODS)} explainers, of their rank by a metric and their mean rank by the "
        "five metrics of localization; mean of the nets of a task. *place of its choice*: the place, by localization, "
        "of the explainer that the metric puts first, mean over the nets.",
        {"all tasks": "higher", **dict.fromkeys(TASKS, "higher"), "place of its choice": "lower"},
    )
    report.figure(
        "faithfulness",
        bars({row["metric"]: row["all tasks"] for row in table}),
        "Agreement of each faithfulness metric with the truth, mean over all nets, 95 % intervals over samples.",
    )


def bars(intervals):
    figure, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    names = list(intervals)[::-1]
    means, lows, highs = np.array([intervals[name] for name in names]).T
    axes.barh(names, means, xerr=[means - lows, highs - means], color="tab:blue", ecolor="black", capsize=3)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlim(-1, 1)
    axes.set_xlabel("Spearman's correlation with the truth")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def tell_examples(report, drawn):
    report.section("What the maps look like", "The first samples of each task, under the task's first net.")
    images = [task for task in TASKS if task != "mnist1d"]
    for name, tasks in (("images", images), ("signals", ["mnist1d"])):
        samples = np.concatenate([drawn[task][0].x for task in tasks])
        maps = {"evidence": np.concatenate([drawn[task][0].evidence.astype("float32") for task in tasks])}
        for row in DRAWN:
            raw = np.concatenate([drawn[task][1][row] for task in tasks])
            maps[row] = kerasxai.to_heatmap(raw, reduction(row)) if raw.ndim == samples.ndim else raw
        titles = np.repeat(tasks, EXAMPLES)
        figure = kerasxai.plots.grid(samples, maps, row_titles=titles)
        report.figure(f"maps_{name}", figure, "Samples, where their evidence lies, and what explainers say of them.")


def reduction(row):
    return kerasxai.explainers.get(METHODS[row].get("method", row)).reduce


def label(row):
    return f"{row} (control)" if row in CONTROLS else row


def of_task(net, task):
    return net.split("/")[0] == task


def pooled(scores, task, row, metric):
    """Values of all samples of a task's nets."""
    return np.concatenate([np.asarray(rows[row][metric], float) for net, rows in scores.items() if of_task(net, task)])


def means_of(rows, metrics):
    """Means of all rows of one net and their bootstrap draws: `(1 + draws, rows, metrics)`."""
    values = [[np.asarray(rows[row][metric], float) for metric in metrics] for row in ROWS]
    return drawn_means(values)


CURVES = {"steps": 16}
FAITHFULNESS_OPTIONS = {"deletion": CURVES, "insertion": CURVES, "aopc": CURVES, "road": {}, "drop_increase": {}}

STUDY = Study(
    title="Which explainer finds the evidence?",
    question="No faithfulness metric says whether a map is right, since none knows what is right. Here it is known: "
    "the data are made so that one place decides the class, and the nets are shown to use it. Every explainer "
    "is judged by whether its map points there, and every faithfulness metric by whether it says the same.",
    sources="",
    run=run,
    full={"nets": 3, "scenes": 10000, "signals": 40000, "epochs": 12, "explained": 120}
    | {"faithfulness": FAITHFULNESS_OPTIONS},
    quick={"nets": 1, "scenes": 2500, "signals": 4000, "epochs": 6, "explained": 16}
    | {"faithfulness": FAITHFULNESS_OPTIONS},
)
