"""What the study tells: tables, figures and findings of the scores."""

import matplotlib.pyplot as plt
import numpy as np

import kerasxai
from benchmarks.study.ranks import drawn_means, interval, ranks, spearman
from benchmarks.study.verdicts import of_all, of_best

BEST = "LRP-epsilon"
CONTROLS = ("random", "edges")
ORDERS = {"curve": "most relevant first", "lerf_curve": "least relevant first"}
SCORES = ("AOPC", "ABPC", "AOPC above random")
TWINS = ("gradient x input",)  # the same as LRP-epsilon in a net of ReLUs, but for the stabiliser
LEAST_NETS = 6  # of fewer a correlation over nets decides nothing
MEASURES = ("accuracy", "confidence", "AOPC", "AOPC of a random order", "AOPC above random")


def tell_methods(report, scores, net, settings):
    report.section(
        "Explainers under one net",
        f"The net: *{net}*. {settings.steps} regions are replaced, one after another, by uniform noise; maps are of "
        "the class that the net predicts. The same score, the same net, the same images: only the maps differ.",
    )
    fraction = scores[BEST]["fraction"]
    for name, order in ORDERS.items():
        curves = {label(row): {"curve": np.asarray(of[name]), "fraction": fraction} for row, of in scores.items()}
        controls = list(map(label, CONTROLS))
        report.figure(
            f"methods_{name}",
            kerasxai.plots.curves(curves, controls=controls),
            f"Probability of the predicted class as regions are replaced, {order}: mean and 95 % band.",
        )
    aopc, abpc = stack(scores, "aopc"), stack(scores, "abpc")
    drawn = drawn_means(np.stack([aopc, abpc, aopc - np.asarray(scores["random"]["aopc"])], axis=1))
    placed = ranks(drawn, [True] * len(SCORES))
    rows = []
    for index, row in enumerate(scores):
        cells = {words: interval(drawn[:, index, place]) for place, words in enumerate(SCORES)}
        rows.append({"explainer": label(row), **cells, "rank by AOPC": interval(placed[:, index, 0])})
    rows.sort(key=lambda row: -row["AOPC"].mean)
    report.table(
        "methods",
        rows,
        "*AOPC*: mean fall of the probability over the steps, most relevant first. *ABPC*: that, less the same with "
        "the least relevant first. 95 % intervals over images. Controls are maps that know nothing of the net; the "
        "random one is the mean of several. In a net of ReLUs gradient x input is LRP-epsilon but for the stabiliser.",
        dict.fromkeys(SCORES, "higher"),
    )
    names = list(scores)
    best = names.index(BEST)
    others = [place for place, name in enumerate(names) if name not in (BEST, *TWINS)]
    differences = [interval(drawn[:, best, 0] - drawn[:, other, 0]) for other in others]
    first = rows[0]
    report.claim(
        "With the net fixed, LRP-epsilon is the best explainer.",
        "the largest AOPC (Inception V3)",
        f"LRP-epsilon {interval(drawn[:, best, 0])}, rank {interval(placed[:, best, 0])} of {len(names)}; the first is "
        f"{first['explainer']} with {first['AOPC']}",
        of_best(differences),
    )


def tell_nets(report, scores):
    drawn = measures(scores)
    rows = [
        {"net": name, **{measure: interval(drawn[measure][:, index]) for measure in MEASURES}}
        for index, name in enumerate(scores)
    ]
    report.section(
        "Nets under one explainer",
        "This compares what can't be compared, as the source itself warns: each net has a curve of its own, which "
        "starts at its own confidence and falls by its own sensitivity to noise, whatever the map says. A net whose "
        "score falls as *random* regions are replaced has a high AOPC under any map. AOPC above random takes that part "
        "away.",
    )
    report.table(
        "nets",
        sorted(rows, key=lambda row: -row["AOPC"].mean),
        "LRP-epsilon under each net, the same images. *confidence*: mean probability of the class explained. *AOPC of "
        "a random order*: that of random maps, another for each image. 95 % intervals over images.",
        dict.fromkeys(MEASURES, "higher"),
    )
    report.figure(
        "nets",
        scatter(drawn),
        "Each point a net, with 95 % intervals over images; the darker, the more accurate.",
    )
    if len(scores) < 3:
        return
    related = correlations(drawn)
    table = [{"of": first, "with": second, "correlation": found} for (first, second), found in related.items()]
    shares = {
        "the confidence": share(drawn["confidence"], drawn["AOPC"]),
        "the AOPC of a random order": share(drawn["AOPC of a random order"], drawn["AOPC"]),
        "both": share_of_two(drawn["confidence"], drawn["AOPC of a random order"], drawn["AOPC"]),
        "the accuracy": share(drawn["accuracy"], drawn["AOPC"]),
    }
    report.table(
        "correlations",
        table,
        f"Spearman's correlation over the {len(scores)} nets; intervals of draws of images and of nets. The last row: "
        "what is left of accuracy and AOPC among nets that fall alike in a random order.",
    )
    report.table(
        "shares",
        [{"explained by": name, "share of the variance of AOPC": interval(found)} for name, found in shares.items()],
        "How much of the ranking of nets is there without a map: the share of the variance of AOPC, over nets, that a "
        "straight line explains. Intervals of draws of images and of nets; it is biased upwards where nets are few.",
    )
    claimed, alone = related["accuracy", "AOPC"], related["AOPC of a random order", "AOPC"]
    report.claim(
        "With the explainer fixed, more accurate nets have larger AOPC.",
        "yes",
        f"Spearman's correlation {claimed}; with AOPC above random {related['accuracy', 'AOPC above random']}",
        decided(scores, claimed),
    )
    report.claim(
        "That second comparison is not valid: nets' AOPC differ without regard to the maps.",
        "argued, not measured",
        f"AOPC goes with that of a random order, correlation {alone}, and with confidence, "
        f"{related['confidence', 'AOPC']}; the two explain {interval(shares['both'])} of its variance",
        decided(scores, alone),
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


def decided(scores, correlation):
    """Whether a correlation over the nets is positive, if there are enough of them."""
    return of_all([correlation]) if len(scores) >= LEAST_NETS else "open"


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


def correlations(drawn):
    """Dict pair of measures -> `Interval` of their rank correlation, over draws of images and of nets."""
    drawn = with_drawn_nets(drawn)
    accuracy, confidence, aopc, random, above = (drawn[measure] for measure in MEASURES)
    pairs = {
        ("accuracy", "AOPC"): spearman(accuracy, aopc),
        ("confidence", "AOPC"): spearman(confidence, aopc),
        ("AOPC of a random order", "AOPC"): spearman(random, aopc),
        ("accuracy", "AOPC above random"): spearman(accuracy, above),
        ("confidence", "AOPC above random"): spearman(confidence, above),
        ("AOPC", "AOPC above random"): spearman(aopc, above),
        ("accuracy, random order held", "AOPC"): partial(
            spearman(accuracy, aopc), spearman(accuracy, random), spearman(random, aopc)
        ),
    }
    return {pair: interval(values) for pair, values in pairs.items()}


def with_drawn_nets(drawn):
    """Every draw of images with a draw of nets; all nets in the first."""
    draws, nets = next(iter(drawn.values())).shape
    chosen = np.random.default_rng(2).integers(nets, size=(draws, nets))
    chosen[0] = np.arange(nets)
    return {measure: np.take_along_axis(values, chosen, axis=1) for measure, values in drawn.items()}


def partial(correlation, with_first, with_second):
    """Correlation of two rows with a third one held, from the correlations of all three."""
    scale = np.sqrt((1 - with_first**2) * (1 - with_second**2))
    left = correlation - with_first * with_second
    return np.divide(left, scale, out=np.full_like(left, np.nan), where=scale > 1e-9)


def share(known, explained):
    """Share of the variance over nets that a straight line explains, of every draw."""
    return share_of_two(known, known, explained)


def share_of_two(first, second, explained):
    """Share of the variance over nets that a plane explains, of every draw."""
    drawn = with_drawn_nets({"first": first, "second": second, "explained": explained})
    known = np.stack([drawn["first"], drawn["second"], np.ones_like(drawn["first"])], axis=-1)  # (draws, nets, 3)
    fitted = (known @ (np.linalg.pinv(known) @ drawn["explained"][..., np.newaxis]))[..., 0]
    spread = drawn["explained"].var(axis=1)
    left = (drawn["explained"] - fitted).var(axis=1)
    return np.divide(spread - left, spread, out=np.full_like(spread, np.nan), where=spread > 0)


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
