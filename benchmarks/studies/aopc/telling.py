"""What the study tells: tables, figures and findings of the scores."""

import matplotlib.pyplot as plt
import numpy as np

import kerasxai
from benchmarks.studies.aopc.relations import MEASURES, correlations, shares_of
from benchmarks.study.ranks import drawn_means, interval, ranks
from benchmarks.study.verdicts import of_all, of_best, of_several

PAPERS = "uniform_noise"  # what regions are replaced by in the paper that the source follows
REPLACED = {PAPERS: "by noise", "zero": "by zero"}
BEST = "LRP-epsilon"
CONTROLS = ("random", "edges")
ORDERS = {"curve": "most relevant first", "lerf_curve": "least relevant first"}
SCORES = ("AOPC", "ABPC", "AOPC above random")
TWINS = ("gradient x input",)  # the same as LRP-epsilon in a net of ReLUs, but for the stabiliser
LEAST_NETS = 6  # of fewer a correlation over nets decides nothing


def tell_methods(report, by_replacement, net, settings):
    report.section(
        "Explainers under one net",
        f"The net: *{net}*. {settings.steps} regions are replaced, one after another; maps are of the class that the "
        "net predicts. The same score, the same net, the same images: only the maps differ. By what the regions are "
        "replaced decides, too. The source follows a paper that takes noise, which changes the dark background of a "
        "digit as much as its strokes; zero, black for digits, takes strokes away and leaves the background alone.",
    )
    verdicts, here = [], []
    for replace, scores in by_replacement.items():
        words = REPLACED[replace]
        draw_curves(report, scores, replace)
        drawn, placed = means_and_ranks(scores)
        rows = []
        for index, row in enumerate(scores):
            cells = {name: interval(drawn[:, index, place]) for place, name in enumerate(SCORES)}
            rows.append({"explainer": label(row), **cells, "rank by AOPC": interval(placed[:, index])})
        rows.sort(key=lambda row: -row["AOPC"].mean)
        report.table(
            f"methods_{replace}",
            rows,
            f"Replaced {words}. *AOPC*: mean fall of the probability over the steps, most relevant first. *ABPC*: "
            "that, less the same with the least relevant first. 95 % intervals over images. Controls are maps that "
            "know nothing of the net; the random one is the mean of several. In a net of ReLUs gradient x input is "
            "LRP-epsilon but for the stabiliser.",
            dict.fromkeys(SCORES, "higher"),
        )
        names = list(scores)
        best = names.index(BEST)
        others = [place for place, name in enumerate(names) if name not in (BEST, *TWINS)]
        verdicts.append(of_best([interval(drawn[:, best, 0] - drawn[:, other, 0]) for other in others]))
        here.append(
            f"{words}: {interval(drawn[:, best, 0])}, rank {interval(placed[:, best])} of {len(names)}; the first is "
            f"{rows[0]['explainer']} with {rows[0]['AOPC']}"
        )
    report.claim(
        "With the net fixed, LRP-epsilon is the best explainer.",
        "the largest AOPC (Inception V3)",
        ". ".join(here),
        of_several(verdicts),
    )


def draw_curves(report, scores, replace):
    fraction = scores[BEST]["fraction"]
    for name, order in ORDERS.items():
        curves = {label(row): {"curve": np.asarray(of[name]), "fraction": fraction} for row, of in scores.items()}
        report.figure(
            f"methods_{replace}_{name}",
            kerasxai.plots.curves(curves, controls=list(map(label, CONTROLS))),
            f"Probability of the predicted class as regions are replaced {REPLACED[replace]}, {order}: mean and 95 % "
            "band.",
        )


def means_and_ranks(scores):
    """Drawn means of the `SCORES` of all rows, and the rows' ranks by AOPC."""
    aopc, abpc = stack(scores, "aopc"), stack(scores, "abpc")
    drawn = drawn_means(np.stack([aopc, abpc, aopc - np.asarray(scores["random"]["aopc"])], axis=1))
    return drawn, ranks(drawn[..., :1], [True])[..., 0]


def tell_nets(report, by_replacement):
    drawn = {replace: measures(scores) for replace, scores in by_replacement.items()}
    nets = list(by_replacement[PAPERS])
    rows = [
        {"net": name, **{measure: interval(drawn[PAPERS][measure][:, index]) for measure in MEASURES}}
        for index, name in enumerate(nets)
    ]
    report.section(
        "Nets under one explainer",
        "This compares what can't be compared, as the source itself warns: each net has a curve of its own, which "
        "starts at its own confidence and falls by its own sensitivity to what is replaced, whatever the map says. A "
        "net whose score falls as *random* regions are replaced has a high AOPC under any map. AOPC above random takes "
        "that part away; the nets' confidence stays in it.",
    )
    report.table(
        "nets",
        sorted(rows, key=lambda row: -row["AOPC"].mean),
        f"LRP-epsilon under each net, the same images, replaced {REPLACED[PAPERS]}. *confidence*: mean probability of "
        "the class explained. *AOPC of a random order*: that of random maps, another for each image. 95 % intervals "
        "over images.",
        dict.fromkeys(MEASURES, "higher"),
    )
    report.figure(
        "nets",
        scatter(drawn[PAPERS]),
        f"Each point a net, replaced {REPLACED[PAPERS]}, with 95 % intervals over images; the darker, the more "
        "accurate.",
    )
    if len(nets) < 3:
        return
    related = {replace: correlations(of) for replace, of in drawn.items()}
    report.table(
        "correlations",
        [
            {"of": pair[0], "with": pair[1], **{REPLACED[replace]: of[pair] for replace, of in related.items()}}
            for pair in related[PAPERS]
        ],
        f"Spearman's correlation over the {len(nets)} nets; intervals of draws of images and of nets. The last row: "
        "what is left of accuracy and AOPC among nets that fall alike in a random order.",
    )
    shares = {replace: shares_of(of) for replace, of in drawn.items()}
    report.table(
        "shares",
        [
            {"explained by": name, **{REPLACED[replace]: of[name] for replace, of in shares.items()}}
            for name in shares[PAPERS]
        ],
        "How much of the ranking of nets is there without a map: the share of the variance of AOPC, over nets, that a "
        "straight line explains. Intervals of draws of images and of nets; it is biased upwards where nets are few.",
    )
    tell_claims_of_nets(report, related, shares, len(nets))


def tell_claims_of_nets(report, related, shares, count):
    def told(text):
        return ". ".join(f"{REPLACED[replace]}: {text(replace)}" for replace in related)

    report.claim(
        "With the explainer fixed, more accurate nets have larger AOPC.",
        "yes",
        told(
            lambda replace: (
                f"Spearman's correlation {related[replace]['accuracy', 'AOPC']}; with AOPC above random "
                f"{related[replace]['accuracy', 'AOPC above random']}"
            )
        ),
        of_several(decided(count, of["accuracy", "AOPC"]) for of in related.values()),
    )
    report.claim(
        "That second comparison is not valid: nets' AOPC differ without regard to the maps.",
        "argued, not measured",
        told(
            lambda replace: (
                f"the AOPC of a random order and the confidence explain {shares[replace]['both']} of the "
                f"variance of AOPC; correlation with the first {related[replace]['AOPC of a random order', 'AOPC']}"
            )
        ),
        of_several(decided(count, of["AOPC of a random order", "AOPC"]) for of in related.values()),
    )


def tell_cooled(report, scores, net):
    report.section(
        "One net, several temperatures",
        f"The logits of *{net}* divided by a temperature: every class it predicts, its accuracy and the order in which "
        "LRP ranks the pixels stay as they were; only its confidence changes.",
    )
    drawn = of_explained(scores)
    rows = [
        {
            "temperature": float(temperature),
            **{measure: interval(values[:, index]) for measure, values in drawn.items()},
        }
        for index, temperature in enumerate(scores)
    ]
    report.table("temperatures", rows, "The same accuracy, the same maps. 95 % intervals over images.")
    sure, *_, unsure = scores
    differences = {measure: interval(values[:, 0] - values[:, -1]) for measure, values in drawn.items()}
    report.claim(
        "The test compares explainers, not models.",
        "argued, not measured",
        f"the same net at temperature {sure} instead of {unsure} has an AOPC higher by {differences['AOPC']}, above "
        f"random by {differences['AOPC above random']}, with the same accuracy and the same order of pixels",
        of_all([differences["AOPC"]]),
    )


def decided(nets, correlation):
    """Whether a correlation over a number of nets is positive, if there are enough of them."""
    return of_all([correlation]) if nets >= LEAST_NETS else "open"


def label(row):
    return f"{row} map (control)" if row in CONTROLS else row


def stack(scores, name):
    return np.array([np.asarray(of[name], float) for of in scores.values()])


def measures(scores):
    """Dict measure -> means of the nets, of all images and of bootstrap draws: `(1 + draws, nets)`."""
    accuracy = drawn_means(stack(scores, "correct")[:, np.newaxis], seed=1)[..., 0]
    return {"accuracy": accuracy, **of_explained(scores)}


def of_explained(scores):
    """The measures that the images explained give."""
    confidence = stack(scores, "curve")[..., 0]  # the probability of the class before anything is replaced
    aopc, random = stack(scores, "aopc"), stack(scores, "random")
    means = drawn_means(np.stack([confidence, aopc, random, aopc - random], axis=1))
    return dict(zip(MEASURES[1:], np.moveaxis(means, -1, 0)))


def scatter(drawn):
    pairs = [
        ("accuracy", "AOPC"),
        ("confidence", "AOPC"),
        ("AOPC of a random order", "AOPC"),
        ("accuracy", "AOPC above random"),
    ]
    figure, panels = plt.subplots(2, 2, figsize=(7, 5.6), layout="constrained")
    accuracy = drawn["accuracy"][0]
    for axes, pair in zip(panels.flat, pairs):
        (x, x_errors), (y, y_errors) = (with_errors(drawn[measure]) for measure in pair)
        axes.errorbar(x, y, y_errors, x_errors, fmt="none", ecolor="0.7", linewidth=0.8)
        axes.scatter(x, y, c=accuracy, cmap="viridis_r", zorder=3, s=24)
        axes.set_xlabel(pair[0])
        axes.set_ylabel(pair[1])
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def with_errors(drawn):
    found = [interval(values) for values in drawn.T]
    means, lows, highs = np.array(found).T
    return means, [np.maximum(means - lows, 0), np.maximum(highs - means, 0)]
