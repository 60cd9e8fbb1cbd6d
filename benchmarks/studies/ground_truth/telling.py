"""What the study tells: tables and figures of the scores."""

import warnings

import matplotlib.pyplot as plt
import numpy as np

import kerasxai
from benchmarks.studies.ground_truth.methods import (
    CONTROLS,
    DRAWN,
    EXAMPLES,
    FAITHFULNESS,
    LOCALIZATION,
    reduction,
)
from benchmarks.studies.ground_truth.tasks import TASKS
from benchmarks.study import Interval
from benchmarks.study.ranks import drawn_means, interval, ranks, spearman

SOLVED = 0.99  # accuracy of a net that may be said to solve its task


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
    report.section(
        "Which explainer finds the evidence",
        "Maps of the class that is true and predicted. Controls know nothing of the net: an explainer that is not "
        "above them finds nothing.",
    )
    rows, tasks = rows_of(scores), tasks_of(scores)
    means = {net: means_of(of_net, rows, LOCALIZATION) for net, of_net in scores.items()}
    placed = np.mean([ranks(of_net, [True] * len(LOCALIZATION)).mean(axis=-1) for of_net in means.values()], axis=0)
    overall = over_nets(means.values())
    table = []
    for index, row in enumerate(rows):
        cells = {head: interval(overall[:, index, place]) for place, head in enumerate(LOCALIZATION.values())}
        table.append({"explainer": label(row), "mean rank": interval(placed[:, index]), **cells})
    report.table(
        "localization",
        sorted(table, key=lambda row: row["mean rank"].mean),
        f"Means over {len(scores)} nets, with 95 % intervals over the samples explained. *mean rank*: among all "
        f"{len(rows)} rows, by each of the five metrics and on each net. *mass*: share of the positive relevance that "
        "lies on the evidence; *rank*: share of the most relevant positions, as many as the evidence has, that lie on "
        "it; *pointing*: how often the maximum does; *AUC*, *AP*: area under the ROC curve and average precision of "
        "all positions. Where a method has no value on a net (nothing is positive), it ranks last there and the mean "
        "is of the other nets.",
        {"mean rank": "lower", **dict.fromkeys(LOCALIZATION.values(), "higher")},
    )
    auc = list(LOCALIZATION).index("localization_roc_auc")
    by_task = {task: over_nets(of_net for net, of_net in means.items() if task_of(net) == task) for task in tasks}
    cells = [
        {"explainer": label(row), **{task: interval(by_task[task][:, index, auc]) for task in tasks}}
        for index, row in enumerate(rows)
    ]
    what = "; ".join(f"*{task}*: {TASKS[task]}" for task in tasks)
    report.table(
        "auc_by_task",
        cells,
        f"Area under the ROC curve by task; by chance it is 0.5. {what}.",
        dict.fromkeys(tasks, "higher"),
    )


def tell_parts(report, scores):
    """What lies on a distractor, and on each of two marks, where there are such tasks."""
    report.section(
        "Distraction, and two pieces of evidence",
        "A distractor is brighter and larger than the mark, and decides nothing. Where two marks decide together, an "
        "explanation must show both.",
    )
    heads = {"mass on the mark": "higher", "mass on the distractor": "lower", "share of the weaker mark": "higher"}
    table = []
    for row in rows_of(scores):
        first, second = (pooled(scores, "and", row, name) for name in ("first mark", "second mark"))
        with np.errstate(invalid="ignore"):
            weaker = np.minimum(first, second) / (first + second)
        masses = [pooled(scores, "distractor", row, name) for name in ("relevance_mass", "distractor")]
        cells = dict(zip(heads, map(Interval.of, (*masses, weaker))))
        table.append({"explainer": label(row), **cells})
    report.table(
        "parts",
        table,
        "Share of the map's positive part on the mark that decides and on the distractor; and, of what lies on the two "
        "marks of the AND task, the share of the one that got less (0.5: both alike, 0: one alone).",
        heads,
    )


def tell_faithfulness(report, scores):
    rows, tasks = rows_of(scores), tasks_of(scores)
    methods = [row for row in rows if row not in CONTROLS]
    sides = np.array(list(FAITHFULNESS.values()))
    agreement, chosen = {}, {}
    for net, of_net in scores.items():
        truth = ranks(means_of(of_net, methods, LOCALIZATION), [True] * len(LOCALIZATION)).mean(axis=-1)
        by_metric = ranks(means_of(of_net, methods, FAITHFULNESS), sides)  # (draws, methods, metrics)
        agreement[net] = np.stack([spearman(by_metric[..., place], truth) for place in range(len(sides))], axis=-1)
        places = truth[0].argsort().argsort() + 1
        chosen[net] = places[by_metric[0].argmin(axis=0)]
    table = []
    for place, metric in enumerate(FAITHFULNESS):
        by_task = {
            task: interval(over_nets(drawn[:, place] for net, drawn in agreement.items() if task_of(net) == task))
            for task in tasks
        }
        overall = interval(over_nets(drawn[:, place] for drawn in agreement.values()))
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
        f"Spearman's correlation, over {len(methods)} explainers, of their rank by a metric and their mean rank by the "
        "five metrics of localization; mean of the nets of a task. *place of its choice*: the place, by localization, "
        "of the explainer that the metric puts first, mean over the nets.",
        {"all tasks": "higher", **dict.fromkeys(tasks, "higher"), "place of its choice": "lower"},
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
    images = [task for task in drawn if task != "mnist1d"]
    for name, tasks in (("images", images), ("signals", ["mnist1d"])):
        samples = np.concatenate([drawn[task][0].x for task in tasks])
        maps = {"evidence": np.concatenate([drawn[task][0].evidence.astype("float32") for task in tasks])}
        for row in DRAWN:
            raw = np.concatenate([drawn[task][1][row] for task in tasks])
            maps[row] = kerasxai.to_heatmap(raw, reduction(row)) if raw.ndim == samples.ndim else raw
        figure = kerasxai.plots.grid(samples, maps, row_titles=np.repeat(tasks, EXAMPLES))
        report.figure(f"maps_{name}", figure, "Samples, where their evidence lies, and what explainers say of them.")


def label(row):
    return f"{row} (control)" if row in CONTROLS else row


def rows_of(scores):
    return list(next(iter(scores.values())))


def tasks_of(scores):
    return list(dict.fromkeys(map(task_of, scores)))


def task_of(net):
    return net.split("/")[0]


def pooled(scores, task, row, metric):
    """Values of all samples of a task's nets."""
    return np.concatenate(
        [np.asarray(rows[row][metric], float) for net, rows in scores.items() if task_of(net) == task]
    )


def means_of(of_net, rows, metrics):
    """Means of rows of one net and their bootstrap draws: `(1 + draws, rows, metrics)`."""
    return drawn_means([[np.asarray(of_net[row][metric], float) for metric in metrics] for row in rows])


def over_nets(values):
    """Mean over nets, of those that have a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # none has one
        return np.nanmean(list(values), axis=0)
