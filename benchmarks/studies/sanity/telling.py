"""What the study tells: tables and figures of what was measured of each net."""

import matplotlib.pyplot as plt
import numpy as np

import kerasxai
from benchmarks.studies.sanity.nets import ARCHITECTURES
from benchmarks.study import Interval
from benchmarks.study.verdicts import of_all, partly

COMPARED = {
    "same labels": "same labels",
    "permuted labels": "permuted",
    "permuted labels, own class": "permuted, own class",
    "untrained": "untrained",
    "the input's edges": "edges",
}
MEASURES = {"spearman_absolute": "Spearman of |map|", "spearman": "Spearman", "ssim": "SSIM"}
NEAR_ZERO = 0.2  # similarity below which maps are called unlike
ABOUT = (0.7, 0.9)  # what counts as the source's "about 0.8"
COLOURS = ("tab:blue", "tab:orange", "tab:gray")


def tell_nets(report, nets, settings):
    rows = [
        {"net": ARCHITECTURES[architecture], "pair": number, **of_net["learned"]}
        for architecture, several in nets.items()
        for number, of_net in enumerate(several, 1)
    ]
    report.section(
        "Nets that have learned, and what",
        "AlexNet and VGG-11 for images of 64 x 64, narrowed, without dropout, trained by Adam until the train accuracy "
        f"reaches {settings.learned:.0%}: once under the true labels, again under the same from another start, and "
        "under permuted labels, which must be learned by heart. A fourth net is as it starts. Digits are those of "
        "scikit-learn, enlarged from 8 x 8; the source took MNIST's.",
    )
    report.table(
        "nets",
        rows,
        "Accuracy on the digits that were learned, each net by the labels it was given (*untrained*: by the true "
        "ones; chance is 0.1). *labels left*: share of samples whose label the permutation left as it was.",
    )


def tell_labels(report, nets, x):
    report.section(
        "Labels permuted",
        "Maps of the class that the net predicts, beside those of its twins for the same class. Two nets of the same "
        "labels say what similarity means where nothing but the start differs: a method whose maps of the net of "
        "permuted labels are as alike as that does not tell what was learned. *own class*: the twin's map is of the "
        "class it predicts itself. *edges*: similarity of the map and the size of the image's own gradient, which "
        "knows no net.",
    )
    found = {architecture: labels_of(several) for architecture, several in nets.items()}
    for architecture, of_net in found.items():
        rows = [
            {"explainer": row, **{head: of_row[twin]["spearman_absolute"] for twin, head in COMPARED.items()}}
            for row, of_row in intervals_of(of_net).items()
        ]
        report.table(
            f"labels_{architecture}",
            rows,
            f"{ARCHITECTURES[architecture]}: Spearman's correlation of absolute maps, mean over {len(x)} digits ("
            f"pairs of nets: {len(nets[architecture])}), with 95 % intervals over digits.",
        )
    rows = [
        {"net": ARCHITECTURES[architecture], "explainer": row}
        | {head: of_row["permuted labels"][measure] for measure, head in MEASURES.items()}
        | {"lowest and highest pair": between_nets(nets[architecture], row)}
        for architecture, of_net in found.items()
        for row, of_row in intervals_of(of_net).items()
    ]
    report.table(
        "permuted",
        rows,
        "The same net under permuted labels, by three measures; and the Spearman correlations of absolute maps of the "
        "pairs of nets that are least and most alike.",
    )
    report.figure(
        "labels",
        bars({architecture: intervals_of(of_net) for architecture, of_net in found.items()}),
        "Similarity of a net's maps and its twins', with 95 % intervals over digits. A method that reads what was "
        "learned has a short orange bar beside a long blue one.",
    )
    for architecture, several in nets.items():
        maps = several[0]["maps"]
        columns = {name: np.concatenate([maps[row][name] for row in maps]) for name in next(iter(maps.values()))}
        samples = np.concatenate([x[: len(next(iter(of_row.values())))] for of_row in maps.values()])
        titles = [row for row, of_row in maps.items() for _ in next(iter(of_row.values()))]
        figure = kerasxai.plots.grid(samples, columns, row_titles=titles)
        report.figure(
            f"maps_{architecture}",
            figure,
            f"{ARCHITECTURES[architecture]}: maps of one digit, of the class that the net of true labels predicts, by "
            "this net and its twins.",
        )
    claim_labels(report, found)


def claim_labels(report, found):
    smooth = {architecture: of_net["smooth_grad"]["permuted labels"] for architecture, of_net in found.items()}
    smooth = {architecture: measures["spearman_absolute"] for architecture, measures in smooth.items()}
    cams = {
        architecture: Interval.of(of_net["grad_cam"]["permuted labels"]["spearman_absolute"])
        for architecture, of_net in found.items()
    }
    alexnet, vgg = smooth["alexnet"], smooth["vgg11"]
    interval = Interval.of(alexnet)
    report.claim(
        "SmoothGrad's maps hardly change where labels are permuted (AlexNet).",
        "Spearman about 0.8",
        str(interval),
        partly([interval.low >= ABOUT[0] and interval.high <= ABOUT[1]]),
    )
    report.claim(
        "Grad-CAM's maps have nothing in common where labels are permuted.",
        "Spearman near 0",
        "; ".join(f"{ARCHITECTURES[name]} {value}" for name, value in cams.items()),
        partly([max(-value.low, value.high) < NEAR_ZERO for value in cams.values()]),
    )
    difference = Interval.of(alexnet - vgg)
    report.claim(
        "SmoothGrad's similarity under permuted labels is lower for VGG-11 than for AlexNet.",
        "lower",
        f"AlexNet's minus VGG-11's: {difference}",
        of_all([difference]),
    )


def tell_cascade(report, nets, x, settings):
    report.section(
        "Weights randomised, from the output down",
        "Layer after layer is drawn anew and stays so; the class explained stays that of the trained net. *normal*: "
        "N(0, 0.01²) for every weight, as in the source; *layer*: as the layer's weights were first drawn.",
    )
    finals = {}
    for start in settings.starts:
        rows = []
        for architecture, several in nets.items():
            joined = {
                row: joined_cascade([of_net["cascade"][row][start] for of_net in several]) for row in rows_of(nets)
            }
            finals |= {(start, architecture, row): cascade_step(values, -1) for row, values in joined.items()}
            rows += [cascade_row(ARCHITECTURES[architecture], row, values) for row, values in joined.items()]
            figure = kerasxai.plots.randomization(joined, x if start == "normal" else None)
            report.figure(
                f"cascade_{start}_{architecture}",
                figure,
                f"{ARCHITECTURES[architecture]}, *{start}*: similarity to the maps of the trained net, mean over "
                "digits and nets with 95 % bands, after each layer that was randomised"
                + (", and the maps of one digit." if start == "normal" else "."),
            )
        report.table(
            f"cascade_{start}",
            rows,
            f"*{start}*: Spearman's correlation of absolute maps with those of the trained net, once the output layer, "
            "half of the layers, and all are randomised; 95 % intervals over digits. *without value*: share of maps "
            "that are constant in the end, which no correlation counts.",
        )
    source = {key: value for key, value in finals.items() if key[0] == "normal"}
    alike = [
        f"{row} on {ARCHITECTURES[architecture]} {value}"
        for (_, architecture, row), value in source.items()
        if not value.high < NEAR_ZERO
    ]
    report.claim(
        "Under cascading randomisation the maps deteriorate until nothing is left of them.",
        "Spearman towards 0",
        f"Every weight randomised, below {NEAR_ZERO:g} for {len(source) - len(alike)} of {len(source)}"
        + (f"; not {', '.join(alike)}" if alike else ""),
        partly([value.high < NEAR_ZERO for value in source.values()]),
    )


def tell_others(report, nets):
    report.section("Two other checks")
    rows = []
    for architecture, several in nets.items():
        for row in rows_of(nets):
            values = {
                name: Interval.of(mean_over_nets([of_net["others"][row][name] for of_net in several]))
                for name in ("efficient_randomization", "spearman_absolute")
            }
            heads = dict(zip(("rise of entropy", "map of another class"), values.values()))
            rows.append({"net": ARCHITECTURES[architecture], "explainer": row, **heads})
    report.table(
        "others",
        rows,
        "*rise of entropy*: of the map's histogram once all weights are randomised as they were first drawn, relative "
        "to the trained net's; a map that hangs on the weights becomes more complex. *map of another class*: "
        "Spearman's correlation of absolute maps of the class predicted and of another.",
        {"rise of entropy": "higher"},
    )


def rows_of(nets):
    return list(next(iter(nets.values()))[0]["labels"])


def labels_of(several):
    """Dict explainer -> twin -> measure -> values of the samples, the mean over pairs of nets."""
    first = several[0]["labels"]
    return {
        row: {
            twin: {
                measure: mean_over_nets([of_net["labels"][row][twin][measure] for of_net in several])
                for measure in measures
            }
            for twin, measures in of_row.items()
        }
        for row, of_row in first.items()
    }


def intervals_of(of_net):
    return {
        row: {
            twin: {measure: Interval.of(values) for measure, values in measures.items()}
            for twin, measures in of_row.items()
        }
        for row, of_row in of_net.items()
    }


def between_nets(several, row):
    means = [np.nanmean(floats(of_net["labels"][row]["permuted labels"]["spearman_absolute"])) for of_net in several]
    return f"{min(means):.3g} to {max(means):.3g}"


def joined_cascade(several):
    """Results of several nets as those of one: their samples one after another, the first net's maps."""
    curves = {name: np.concatenate([of_net[name] for of_net in several]) for name in several[0] if "_curve" in name}
    return {"layers": several[0]["layers"], "maps": several[0]["maps"], **curves, "nets": len(several)}


def cascade_step(values, step):
    curve = values["spearman_absolute_curve"]
    return Interval.of(mean_over_nets(np.split(curve[:, step], values["nets"])))


def cascade_row(net, row, values):
    layers = len(values["layers"]) - 1
    steps = {"output layer": 1, "half": -(-layers // 2), "all": layers}
    heads = {head: cascade_step(values, step) for head, step in steps.items()}
    missing = float(np.isnan(values["spearman_absolute_curve"][:, -1]).mean())
    return {"net": net, "explainer": row, **heads, "without value": missing}


def mean_over_nets(values):
    """Mean over nets of each sample's value, of the nets that have one."""
    values = np.stack([floats(of_net) for of_net in values])
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)


def floats(values):
    return np.asarray(values, np.float64)


def bars(found):
    """Grouped bars with intervals, a panel for each net."""
    figure, panels = plt.subplots(1, len(found), figsize=(8, 3.4), sharey=True, layout="constrained")
    for axes, (architecture, of_net) in zip(panels, found.items()):
        names = list(of_net)
        for place, (twin, colour) in enumerate(zip(("same labels", "permuted labels", "untrained"), COLOURS)):
            values = np.array([of_net[name][twin]["spearman_absolute"] for name in names])
            mean, low, high = np.nan_to_num(values).T
            axes.bar(
                np.arange(len(names)) + (place - 1) * 0.27,
                mean,
                0.25,
                yerr=[mean - low, high - mean],
                capsize=2,
                color=colour,
                label=twin,
            )
        axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names], rotation=35, ha="right")
        axes.set_title(ARCHITECTURES[architecture])
        axes.axhline(0, color="black", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("Spearman of |map|")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure
