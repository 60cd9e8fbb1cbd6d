"""What the study tells: tables and figures of accuracies by group and of the maps' scores."""

import matplotlib.pyplot as plt
import numpy as np

import kerasxai
from benchmarks.studies.bias.counting import LEVEL, MOST, POWER, maps_needed
from benchmarks.study import Interval
from benchmarks.study.verdicts import partly
from kerasxai.datasets.planted import SHORTCUT_DIGITS

CONTROLS = ("random", "smooth_random", "centre", "edges")
GROUPS = {(1, True): False, (1, False): True, (0, True): True, (0, False): False}  # class, mark -> disadvantaged
CHANCE = (0.4, 0.6)  # accuracy that counts as "about chance" of two classes
CLAIMED = ("grad_cam", "smooth_grad")  # the source's methods


def tell_accuracy(report, accuracies, test, settings):
    groups = groups_of(test)
    rows = []
    for share in settings.shares:
        right = over_nets(accuracies, share, settings.nets)
        cells = {f"{name(*group)}": Interval.of(right[chosen]) for group, chosen in groups.items()}
        rows.append({"mark with 8, in training": f"{share:.0%}", **cells, "all": Interval.of(right)})
    report.section(
        "Accuracy by group",
        "The mark goes with the 8 in the share of training images given, and with the 3 in the rest of them: with 50 % "
        "it says nothing. Each group has about as many test images as the others.",
    )
    disadvantaged = " and ".join(name(*group) for group, suffers in GROUPS.items() if suffers)
    report.table(
        "accuracy",
        rows,
        f"Share of test images predicted right (nets: {settings.nets}), with 95 % intervals over "
        f"images. A net that follows the mark is wrong on {disadvantaged}.",
    )
    of_nets = {
        share: [Interval.of(accuracies[share, number][disadvantage(test)]) for number in range(settings.nets)]
        for share in (settings.before, settings.after)
    }
    before, after = of_nets.values()
    report.claim(
        "The disadvantaged group is predicted about as well as by chance.",
        "56 %",
        f"With {settings.before:.0%}, net by net: {'; '.join(map(str, before))}",
        partly([CHANCE[0] <= net.low and net.high <= CHANCE[1] for net in before]),
    )
    best_before = max(net.high for net in before)
    report.claim(
        "Trained on balanced data, the net predicts it well.",
        "81 %",
        f"Net by net: {'; '.join(map(str, after))}",
        partly([net.low > max(best_before, CHANCE[1]) for net in after]),
    )


def tell_nets(report, learned, accuracies, scores, test):
    suffering = disadvantage(test)
    rows = []
    for (share, number), facts in learned.items():
        right = accuracies[share, number]
        masses = {f"{row}, mark": floats(scores[row][share, number]["mark"]["mass"]) for row in CLAIMED}
        rows.append(
            {"mark with 8, in training": f"{share:.0%}", "net": number + 1, **facts}
            | {"advantaged": Interval.of(right[~suffering]), "disadvantaged": Interval.of(right[suffering])}
            | {head: Interval.of(values) for head, values in masses.items()}
        )
    report.table(
        "nets",
        rows,
        "Net by net: accuracy on the training images; on test images whose class the mark, or its absence, speaks for "
        "(*advantaged*) or against; and mass on the mark. Intervals are over images. *starts*: a net that learned "
        "nothing, neither digit nor mark, and calls every image the same, was trained again from another start.",
    )


def tell_maps(report, scores, areas, settings):
    report.section(
        "Where the maps point",
        f"Maps of the class predicted, of {settings.explained} test images with the mark, under nets that "
        f"learned it as a shortcut (before: {settings.before:.0%}) and others that did not (after: "
        f"{settings.after:.0%}). Controls know no net.",
    )
    for metric, told, by_chance in (
        ("mass", "Share of the map's positive part that lies on the mark's box and on the digit's", areas.values()),
        ("auc", "Area under the ROC curve of the map as a detector of the mark's box and of the digit's", (0.5, 0.5)),
    ):
        of_mark, of_digit = by_chance
        rows = []
        for row in scores:
            cells = {}
            for part in ("mark", "digit"):
                for when, share in (("before", settings.before), ("after", settings.after)):
                    cells[f"{part}, {when}"] = Interval.of(values_of(scores, row, share, settings.nets, part, metric))
            rows.append({"explainer": label(row), **cells})
        report.table(
            f"maps_{metric}",
            sorted(rows, key=lambda cells: -cells["mark, before"].mean),
            f"{told}, with 95 % intervals over images; by chance {of_mark:.3g} and {of_digit:.3g}.",
            {"mark, before": "higher", "mark, after": "lower", "digit, after": "higher"},
        )
    claim_maps(report, scores, settings, areas)


def claim_maps(report, scores, settings, areas):
    told, sides = {"mark": [], "digit": []}, {"mark": [], "digit": []}
    for row in CLAIMED:
        for part, shares, area in (
            ("mark", (settings.before, settings.after), areas["mark"]),
            ("digit", (settings.after, settings.before), areas["digit"]),
        ):
            of_nets = [values_of_all(scores, row, share, settings.nets, part) for share in shares]
            lowest, highest = np.nanmean(of_nets[0], axis=1).min(), np.nanmean(of_nets[1], axis=1).max()
            there, elsewhere = (mean_of_nets(values) for values in of_nets)
            told[part].append(f"{row} {Interval.of(there)}, against {Interval.of(elsewhere)}")
            clear = Interval.of(there).low > area and Interval.of(there - elsewhere).low > 0
            sides[part].append(clear and lowest > max(area, highest))  # of every net
    report.claim(
        "Maps of the biased net show the spurious feature.",
        "faces and hair",
        f"Mass on the mark before, against after; by area {areas['mark']:.3g}: {'; '.join(told['mark'])}",
        partly(sides["mark"]),
    )
    report.claim(
        "Maps of the balanced net show the object.",
        "keyboard and hands",
        f"Mass on the digit after, against before; by area {areas['digit']:.3g}: {'; '.join(told['digit'])}",
        partly(sides["digit"]),
    )


def tell_counts(report, scores, areas, settings):
    report.section(
        "How many maps must one look at?",
        "Someone who suspects the mark counts, over n maps, those with more of their positive part on it than it would "
        f"have by chance. If these are more than a coin would give (one-sided sign test at {LEVEL:.0%}), the shortcut "
        f"is found. *Maps needed*: the smallest n with which it is found in {POWER:.0%} of all draws of n maps; no "
        "test of this kind needs fewer than five. What is chance? The mark's share of the area is one answer, but a "
        "map that shows nothing but strokes has more than that on a mark. The other is what the image's own edges have "
        "on it, image by image.",
    )
    edges = np.array(scores["edges"][settings.after, 0]["mark"]["mass"], np.float64)
    for against, chance, words in (
        ("area", areas["mark"], f"its share of the area, {areas['mark']:.1%}"),
        ("edges", edges, f"the image's edges have on it, {np.mean(edges):.1%} in the mean"),
    ):
        rows = [counted(row, scores, chance, settings) for row in scores]
        report.table(
            f"counts_{against}",
            sorted(rows, key=ease),
            f"Chance is *{words}*. *above*: share of the maps with more than that, with 95 % intervals over images. "
            f"*at most*: maps needed at the lower end of that interval. –: not within {MOST}. *tells*: *yes* if the "
            "shortcut is found before and nothing after; *always* if the mark is found after too; *no* if it is not "
            "found before.",
            {"maps needed": "lower"},
        )
    by_verdict = {told: [row["explainer"] for row in rows if row["tells"] == told] for told in ("yes", "always", "no")}
    report.text(
        f"Against the edges, the shortcut is found, and only where there is one, by {listed(by_verdict['yes'])}; the "
        f"mark is found whether the net follows it or not by {listed(by_verdict['always'])}; it is not found by "
        f"{listed(by_verdict['no'])}."
    )


def ease(cells):
    """Sorts rows: first what needs few maps before, then what needs many after."""
    before, after = np.nan_to_num([cells["maps needed"], cells["needed, after"]], nan=MOST + 1)
    return before, -after


def counted(row, scores, chance, settings):
    """A row of the table of maps needed."""
    above, needed = {}, {}
    for when, share in (("before", settings.before), ("after", settings.after)):
        above[when] = Interval.of(above_chance(values_of_all(scores, row, share, settings.nets), chance))
        needed[when] = maps_needed(above[when].mean)
    return {
        "explainer": label(row),
        "above, before": above["before"],
        "maps needed": needed["before"],
        "at most": maps_needed(above["before"].low),
        "above, after": above["after"],
        "needed, after": needed["after"],
        "tells": verdict(needed["before"], needed["after"]),
    }


def tell_strengths(report, scores, accuracies, areas, test, settings):
    report.section("How strong must the shortcut be?")
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    at = np.array(settings.shares)
    suffering = disadvantage(test)
    for chosen, text in ((suffering, "mark speaks against the class"), (~suffering, "mark speaks for the class")):
        values = [Interval.of(over_nets(accuracies, share, settings.nets)[chosen]) for share in at]
        drawn(left, at, values, text)
    left.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
    left.set_ylabel("accuracy")
    shown = [row for row in ("grad_cam", "smooth_grad", "gradient_x_input", "guided_backprop") if row in scores]
    for row in (*shown, "edges"):
        values = [Interval.of(values_of(scores, row, share, settings.nets, "mark", "mass")) for share in at]
        drawn(right, at, values, label(row))
    right.axhline(areas["mark"], color="black", linewidth=0.8, linestyle=":")
    right.set_ylabel("mass on the mark")
    for axes in (left, right):
        axes.set_xticks(at, [f"{share:.0%}" for share in at])
        axes.set_xlabel("mark with 8, in training")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize="x-small", frameon=False)
    report.figure(
        "strengths",
        figure,
        "Accuracy of the test images by what the mark, or its absence, says of their class, and relevance on the mark, "
        "against how often the mark goes with the 8 in training; 95 % intervals over images. Dotted: chance, and the "
        "mark's share of the area.",
    )


def tell_examples(report, examples):
    samples, maps, titles = [], {}, []
    for share, found in sorted(examples.items(), reverse=True):
        samples.append(found["x"])
        titles += [
            f"{share:.0%}: {SHORTCUT_DIGITS[label]} taken for {SHORTCUT_DIGITS[told]}"
            for label, told in enumerate(found["predicted"])
        ]
        for column in found:
            if column not in ("x", "predicted"):
                maps.setdefault(column, []).append(found[column].astype("float32"))
    maps = {column: np.concatenate(parts) for column, parts in maps.items()}
    figure = kerasxai.plots.grid(np.concatenate(samples), maps, row_titles=titles)
    report.section("What the maps look like")
    report.figure(
        "maps",
        figure,
        "A 3 and an 8, both with the mark, where mark and digit are, and maps of the class predicted: above by a net "
        "that learned the shortcut, below by one that did not.",
    )


def name(label, is_marked):
    return f"{SHORTCUT_DIGITS[label]} {'with' if is_marked else 'without'} mark"


def groups_of(test):
    """Dict (class, whether there is a mark) -> which test samples."""
    is_marked = test.marks.any(axis=(1, 2, 3))
    return {(label, mark): (test.y == label) & (is_marked == mark) for label, mark in GROUPS}


def disadvantage(test):
    """Which test samples are of a class that the mark, or its absence, speaks against."""
    return np.any([chosen for group, chosen in groups_of(test).items() if GROUPS[group]], axis=0)


def over_nets(accuracies, share, nets):
    """Share of nets that are right on each test sample."""
    return np.mean([accuracies[share, number] for number in range(nets)], axis=0)


def values_of_all(scores, row, share, nets, part="mark", metric="mass"):
    """Values `(nets, samples)`, NaN where there is none."""
    return np.stack([floats(scores[row][share, number][part][metric]) for number in range(nets)])


def values_of(scores, row, share, nets, part, metric):
    return mean_of_nets(values_of_all(scores, row, share, nets, part, metric))


def mean_of_nets(values):
    """Mean over nets of each sample's value, of the nets that have one."""
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def floats(values):
    return np.asarray(values, np.float64)


def above_chance(values, chance):
    """Share of nets whose map of each sample has more on the mark than by chance; one with nothing positive has not."""
    return (np.nan_to_num(values, nan=0.0) > chance).mean(axis=0)


def verdict(before, after):
    if np.isnan(before):
        return "no"
    return "yes" if np.isnan(after) else "always"


def label(row):
    return f"{row} (control)" if row in CONTROLS else row


def listed(names):
    return ", ".join(f"`{name}`" for name in names) or "none"


def drawn(axes, at, intervals, text):
    mean, low, high = np.array(intervals).T
    axes.errorbar(at, mean, [mean - low, high - mean], marker="o", markersize=4, capsize=3, label=text)
