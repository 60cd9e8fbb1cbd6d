"""What the study tells: tables, figures and findings of the scores."""

import numpy as np

import kerasxai
from benchmarks.studies.methods.kinds import NO_CONVOLUTION, NO_NET, RUNS
from benchmarks.study.ranks import drawn_means, interval, ranks
from benchmarks.study.verdicts import of_all, of_best, of_several

METRICS = {"pixel_flipping": "area", "histogram_entropy": "entropy", "compressed_size": "bytes"}
STEEPEST, SECOND, THIRD, POOR = "LRP α2β1", "Guided Backprop", "LRP α1β0", "SA"
CLAIMED = (STEEPEST, SECOND, THIRD, POOR)
FIGURES = {"claimed": "the methods that the claims are about", "others": "the other methods"}
LRP = ("LRP α1β0", "LRP α2β1")


def tell_subjects(report, nets, found, settings):
    report.section("Nets and images")
    of = {
        "digits": "digits of scikit-learn, resized to 32 x 32, under nets with global average pooling trained here",
        "tiles": "histology tiles of eight classes, 224 x 224, under the pretrained HMT net",
        "photos": "your images under VGG16 with the weights of ImageNet",
    }
    for images, scores in found.items():
        count = len(scores[0][POOR]["pixel_flipping"])
        report.text(f"*{images}*: {count} {of[images]}. What is explained is the class that the net predicts.")
    if not settings.data and not settings.weights:
        report.text("The histology tiles are left out: they need `--data`.")
    report.table("nets", nets, "Share of test images that each net predicts right (–: labels are not known).")


def tell_maps(report, drawn):
    report.section("What the maps look like")
    for images, (few, maps) in drawn.items():
        figure = kerasxai.plots.grid(few.shown, maps)
        report.figure(
            f"maps_{images}",
            figure,
            f"Maps of {len(few.shown)} {images}, each on a scale of its own. Maps with negative values run from blue "
            "(against the class) to red (for it), the others from nothing to yellow.",
        )


def tell_curves(report, found, control):
    report.section(
        "Pixel flipping",
        "Patches of 4 x 4 pixels turn black one after another, those that a map marks most first. The faster the "
        "probability of the class falls, the more the map marks what the net uses. *area*: the mean of the curve.",
    )
    drawn = {images: means_of(scores) for images, scores in found.items()}
    for images, scores in found.items():
        rows = rows_of(scores)
        for name, shown in (("claimed", CLAIMED), ("others", [row for row in rows if row not in CLAIMED])):
            curves = {
                row: {"curve": stacked(scores, row, "curve"), "fraction": scores[0][row]["fraction"]}
                for row in (*shown, *{control}.difference(shown))
            }
            report.figure(
                f"curves_{images}_{name}",
                kerasxai.plots.curves(curves, controls=[control]),
                f"Probability of the predicted class of {images} as patches turn black, mean and 95 % band: "
                f"{FIGURES[name]}, beside a random map.",
            )
        table(report, f"pixel_flipping_{images}", rows, drawn[images], ["pixel_flipping"], control)
        tell_refused(report, scores)
    area = {images: areas(found[images], drawn[images], control) for images in found}
    say(
        report,
        area,
        "LRP α2β1 has the steepest curve.",
        "the steepest (figure 10)",
        lambda of: of_best([interval(of[row] - of[STEEPEST]) for row in of if row != STEEPEST]),
        lambda of: f"{placed(of, STEEPEST)}; steeper: {', '.join(before(of, STEEPEST)) or 'none'}",
    )
    say(
        report,
        area,
        "Then come Guided Backpropagation and LRP α1β0, in this order.",
        "in this order (figure 10)",
        lambda of: of_all([interval(of[SECOND] - of[STEEPEST]), interval(of[THIRD] - of[SECOND])]),
        lambda of: ", ".join(f"{row} {interval(of[row])}" for row in (STEEPEST, SECOND, THIRD)),
    )
    say(
        report,
        area,
        "Sensitivity analysis is poor: less steep than these three.",
        "poor (figure 10)",
        lambda of: of_all([interval(of[POOR] - of[row]) for row in (STEEPEST, SECOND, THIRD)]),
        lambda of: f"{placed(of, POOR)}, area {interval(of[POOR])}",
    )


def tell_simplicity(report, found, control):
    report.section(
        "How simple the maps are",
        "Entropy of the histogram of a map's values (nats, 256 bins), and bytes of the map as 8-bit values, "
        "compressed. Neither says whether a map is right: an empty one would be the simplest of all, and LIME's are "
        "simple because a segment has one value.",
    )
    metrics = {"histogram_entropy": "entropy", "compressed_size": "compressed size"}
    drawn = {images: means_of(scores) for images, scores in found.items()}
    for images, scores in found.items():
        table(report, f"simplicity_{images}", rows_of(scores), drawn[images], list(metrics), control)
    for metric, words in metrics.items():
        of_metric = {images: areas(found[images], drawn[images], control, metric) for images in found}
        say(
            report,
            of_metric,
            f"LRP's maps have the least {words}: less than those of every method that is not LRP.",
            "the smallest (figure 11)",
            lambda of: of_all([interval(of[other] - of[row]) for row in LRP for other in rest(of)]),
            lambda of: "; ".join(placed(of, row) for row in LRP),
        )


def tell_applicability(report, outcomes, methods):
    report.section(
        "What each method can explain",
        "Small untrained nets, two samples each. *needs*: what the explainer declares: the graph of a Sequential or "
        "functional model; gradients; or nothing but scores.",
    )
    rows = [{"model": "(needs)", **{row: needs(config) for row, config in methods.items()}}]
    for kind, of_kind in outcomes.items():
        rows.append({"model": kind, **{row: "runs" if said == RUNS else "no" for row, said in of_kind.items()}})
    report.table("applicability", rows, "What the explainer declares that it needs, and on which models it really ran.")
    refusals = {}
    for kind, of_kind in outcomes.items():
        for row, said in of_kind.items():
            if said != RUNS:
                refusals.setdefault((kind, said), []).append(row)
    said = [
        {"model": kind, "methods": ", ".join(rows), "what is said": sentence}
        for (kind, sentence), rows in refusals.items()
    ]
    report.table(
        "refusals", said or [{"model": "none"}], "What was said where a method did not run: its first sentence."
    )
    nets = [kind for kind in outcomes if kind not in NO_NET]
    convolutional = [kind for kind in nets if kind not in NO_CONVOLUTION]
    claim(report, outcomes, "Sensitivity analysis and LIME", "any model", ("SA", "LIME"), list(outcomes))
    claim(report, outcomes, "Deep Taylor and LRP", "any deep net", ("Deep Taylor", *LRP), nets)
    claim(report, outcomes, "DeconvNet and Grad-CAM", "any CNN", ("DeconvNet", "Grad-CAM"), convolutional)


def needs(config):
    explainer = kerasxai.explainers.get(config["method"])
    if explainer.needs_graph:
        return "graph"
    return "gradients" if "b" in explainer.passes.lower() else "scores"


def claim(report, outcomes, methods, models, rows, kinds):
    """A claim that methods explain all models of some kinds."""
    ran = [(row, kind) for row in rows for kind in kinds if outcomes[kind][row] == RUNS]
    missing = [f"{row}: {kind}" for row in rows for kind in kinds if outcomes[kind][row] != RUNS]
    held = "in part"
    if not missing:
        held = "yes"
    elif not ran:
        held = "no"
    here = f"{len(ran)} of {len(rows) * len(kinds)} ran" + f"; not {'; '.join(missing)}" * bool(missing)
    report.claim(f"{methods} explain {models}.", models, here, held)


def table(report, name, rows, drawn, metrics, control):
    heads = [METRICS[metric] for metric in metrics]
    places = [list(METRICS).index(metric) for metric in metrics]
    ranked = ranks(drawn[..., places], [False] * len(places))
    lines = []
    for index, row in enumerate(rows):
        line = {"method": f"{row} (control)" if row == control else row}
        for column, (head, place) in enumerate(zip(heads, places)):
            line |= {head: interval(drawn[:, index, place]), f"rank by {head}": interval(ranked[:, index, column])}
        lines.append(line)
    caption = f"Means with 95 % intervals over images; ranks among {len(rows)}, 1 the lowest."
    lines.sort(key=lambda line: line[heads[0]].mean)
    report.table(name, lines, caption, dict.fromkeys(heads, "lower"))


def tell_refused(report, scores):
    for row, of_row in scores[0].items():
        if "refused" in of_row:
            report.text(f"{row} is left out: {of_row['refused']}")


def say(report, by_images, words, source, verdict, here):
    """A claim tested on every set of images; a method that is left out leaves it open."""
    verdicts, said = [], []
    for images, of in by_images.items():
        verdicts.append(verdict(of))
        said.append(f"{images}: {here(of)}")
    report.claim(words, source, ". ".join(said), of_several(verdicts))


def placed(of, row):
    """Place of a row, in words."""
    drawn = np.stack(list(of.values()), axis=1)[..., np.newaxis]
    place = interval(ranks(drawn, [False])[:, list(of).index(row), 0])
    return f"{row} at {place} of {len(of)}"


def before(of, row):
    return [other for other in of if of[other][0] < of[row][0]]


def rest(of):
    """Methods that are not LRP; Deep Taylor is a rule of it."""
    return [row for row in of if row not in (*LRP, "Deep Taylor")]


def areas(scores, drawn, control, metric="pixel_flipping"):
    """Dict method -> drawn means of a metric, the control left out."""
    place = list(METRICS).index(metric)
    return {row: drawn[:, index, place] for index, row in enumerate(rows_of(scores)) if row != control}


def rows_of(scores):
    """Rows that have scores."""
    return [row for row, of_row in scores[0].items() if "refused" not in of_row]


def means_of(scores):
    """Means over images and their bootstrap draws, then over nets: `(1 + draws, rows, metrics)`."""
    rows = rows_of(scores)
    of_nets = [
        drawn_means([[np.asarray(of[row][metric], float) for metric in METRICS] for row in rows]) for of in scores
    ]
    return np.mean(of_nets, axis=0)


def stacked(scores, row, name):
    """A row's arrays of all nets, one under another."""
    return np.concatenate([np.asarray(of[row][name], float) for of in scores])
