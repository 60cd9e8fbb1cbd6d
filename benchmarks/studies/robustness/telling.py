"""What the study tells: the nets' own robustness, the maps', and what batch normalisation does."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

import kerasxai
from benchmarks.study import Interval
from benchmarks.study.verdicts import of_all, partly

METRICS = {"rmse_curve": "RMSE", "spearman_curve": "Spearman", "ssim_curve": "SSIM"}
BETTER = {"rmse_curve": "lower", "spearman_curve": "higher", "ssim_curve": "higher"}


def tell_scores(report, facts, scores, changes):
    report.section(
        "The nets themselves", "What the nets make of the changed images, beside which the maps are to be read."
    )
    report.table("nets", facts, "The nets, and the share of the explained images that they predict right.")
    rows = []
    for change in ("rotation", "noise"):
        for place, level in enumerate(changes[change].levels):
            row = {"change": change, "level": level}
            for net in nets_in(scores):
                of_net = scores[net, change]
                row[f"{net}: class held"] = Interval.of(of_net["label"][:, place] == of_net["before"])
                row[f"{net}: probability"] = Interval.of(of_net["probability"][:, place])
            rows.append(row)
    report.table(
        "scores",
        rows,
        "Share of images whose predicted class stayed, and the probability of the class predicted before, by level: "
        "degrees of rotation, or standard deviation of the noise as a share of the image's range.",
    )


def tell_curves(report, curves, changes):
    report.section(
        "The maps",
        "The map of the changed image beside the map of the image, which is turned with it; maps are divided by their "
        "largest absolute value. RMSE is the root of the mean squared difference.",
    )
    for change, evaluator in changes.items():
        rows = []
        for (net, row, of_change), values in curves.items():
            if of_change == change:
                cells = {label: Interval.of(over_levels(values[name])) for name, label in METRICS.items()}
                rows.append({"net": net, "explainer": row, **cells})
        report.table(
            change.replace(", ", "_").replace(" ", "_"),
            rows,
            f"{change.capitalize()}: mean over all levels ({', '.join(f'{level:g}' for level in evaluator.levels)}) "
            "and over the best classes of each image; 95 % intervals over images.",
            {label: BETTER[name] for name, label in METRICS.items()},
        )
    for change in ("rotation", "noise"):
        report.figure(
            change,
            lines(curves, changes[change], change),
            f"Maps under {change}, level by level; bands are 95 % intervals over images.",
        )


def lines(curves, evaluator, change):
    """One panel for each net and metric."""
    nets = list(dict.fromkeys(net for net, _, _ in curves))
    figure, panels = plt.subplots(
        len(METRICS),
        len(nets),
        figsize=(3.6 * len(nets), 6.4),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    colours = {row: f"C{place}" for place, row in enumerate(dict.fromkeys(row for _, row, _ in curves))}
    legend = {}
    for (name, label), row_of_panels in zip(METRICS.items(), panels):
        row_of_panels[0].set_ylabel(label)
        for (net, row, of_change), values in curves.items():
            if of_change == change:
                axes = row_of_panels[nets.index(net)]
                means, lows, highs = np.array([Interval.of(of_level) for of_level in over_classes(values[name]).T]).T
                (legend[row],) = axes.plot(evaluator.levels, means, marker=".", color=colours[row])
                axes.fill_between(evaluator.levels, lows, highs, alpha=0.15, color=colours[row])
                axes.set_xscale("log")
    for net, top, bottom in zip(nets, panels[0], panels[-1]):
        top.set_title(net)
        bottom.set_xlabel(evaluator.level_unit)
    figure.legend(legend.values(), legend, loc="outside lower center", ncols=4)
    return figure


def tell_batch_norm(report, ink, curves, ways):
    report.section(
        "Past batch normalisation",
        "LRP on the normalised net: the normalisation folded into the convolution before it, treated as a layer of its "
        "own by the rules abs_z or epsilon, or passed as if it were not there.",
    )
    rows = []
    for (net, row), values in ink.items():
        if row.startswith("lrp"):
            held = Interval.of(over_levels(curves[net, row, "noise"]["spearman_curve"]))
            rows.append(
                {"net": net, "explainer": row, "mass on strokes": Interval.of(values), "Spearman under noise": held}
            )
    report.table(
        "batch_norm",
        rows,
        "Share of the positive relevance that lies on the digit's strokes, and how well the map keeps its order under "
        "noise.",
        {"mass on strokes": "higher", "Spearman under noise": "higher"},
    )


def tell_claims(report, curves, scores, ink, settings):
    net = "plain"
    lrp, lime = (over_levels(curves[net, row, "rotation"]["spearman_curve"]) for row in ("lrp", "lime"))
    noisy_lrp, noisy_lime = (over_levels(curves[net, row, "noise"]["spearman_curve"]) for row in ("lrp", "lime"))
    turned, noisy = Interval.of(lrp - lime), Interval.of(noisy_lrp - noisy_lime)
    report.claim(
        "LIME on superpixels is far less robust than LRP.",
        "pictures",
        f"Spearman of LRP less that of LIME: {turned} under rotation, {noisy} under noise",
        of_all([turned, noisy]),
    )
    follows = follows_the_model(curves, scores, net)
    values = "; ".join(f"{row}: {value:.2f}" for row, value in follows.items())
    report.claim(
        "The robustness of the explanation follows the model's, but not always.",
        "pictures",
        f"rank correlation, over images and levels of noise, of the class's probability and of Spearman's correlation "
        f"of the maps: {values}",
        partly([value > 0 for value in follows.values()]),
    )
    if ("batch_norm", "lrp, fold") in ink:
        fold = np.asarray(ink["batch_norm", "lrp, fold"], float)
        gains = {
            way: Interval.of(fold - np.asarray(ink["batch_norm", f"lrp, {way}"], float)) for way in ("epsilon", "pass")
        }
        report.claim(
            "Folding batch normalisation gives good maps; treating it by epsilon or passing it gives poor ones.",
            "pictures",
            "mass on strokes with folding less that with " + "; ".join(f"{way}: {gain}" for way, gain in gains.items()),
            of_all(list(gains.values())),
        )
        plain = np.asarray(ink["plain", "lrp"], float)
        gain = Interval.of(fold - plain)
        report.claim(
            "With batch normalisation (folded) maps separate the object better than without.",
            "pictures",
            f"mass on strokes less that of the plain net: {gain}",
            of_all([gain]),
        )


def follows_the_model(curves, scores, net):
    """Dict explainer -> rank correlation, over images and levels of noise, of the score that is left and the map."""
    kept = scores[net, "noise"]["probability"].ravel()
    correlations = {}
    for of_net, row, change in curves:
        if of_net == net and change == "noise":
            alike = curves[net, row, change]["spearman_curve"][:, 0].ravel()  # of the class predicted
            known = ~np.isnan(alike)
            correlations[row] = float(spearmanr(kept[known], alike[known]).statistic)
    return correlations


def tell_examples(report, drawn, scores, image, changes):
    report.section("What it looks like", "One image, unchanged and at every level, and its maps under each explainer.")
    for net in nets_in(scores):
        for change in ("rotation", "noise"):
            evaluator = changes[change]
            levels = [evaluator.change(image, level, place) for place, level in enumerate(evaluator.levels)]
            x = np.concatenate([image, *levels])
            x = (x - x.min(axis=(1, 2, 3), keepdims=True)) / np.ptp(x, axis=(1, 2, 3), keepdims=True)
            maps = {}
            for (of_net, row), of_row in drawn.items():
                if of_net == net:
                    raw = of_row[change]
                    name = row.split(",")[0]
                    reduce = kerasxai.explainers.get(name).reduce
                    maps[row] = kerasxai.to_heatmap(raw, reduce) if raw.ndim == x.ndim else raw
            titles = ["0", *(f"{level:g}" for level in evaluator.levels)]
            of_net = scores[net, change]
            titles = ["0"] + [
                f"{level:g}\n{label}, {probability:.2f}"
                for level, label, probability in zip(evaluator.levels, of_net["label"][0], of_net["probability"][0])
            ]
            figure = kerasxai.plots.grid(x, maps, row_titles=titles)
            report.figure(
                f"{change}_{net}",
                figure,
                f"{net}, {change}: level, label predicted and probability of the class predicted of the unchanged "
                "image (left), and the maps of that class.",
            )


def nets_in(scores):
    return list(dict.fromkeys(net for net, _ in scores))


def over_classes(curve):
    """Curves `(images, classes, levels)` as means over classes `(images, levels)`."""
    return mean_known(curve, axis=1)


def over_levels(curve):
    """The mean over classes and levels of each image."""
    return mean_known(over_classes(curve), axis=1)


def mean_known(values, axis):
    """Mean of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=axis)
    totals = np.where(known, values, 0).sum(axis=axis)
    return np.divide(totals, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
