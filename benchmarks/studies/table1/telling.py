"""What the study tells: each net as a classifier, the table of rates, and the project's claims."""

import numpy as np

from benchmarks.study import Interval
from benchmarks.study.verdicts import of_best

# The project's cells: data -> CAM -> drop rate, increase rate.
REPORTED = {
    "MNIST-1D": {
        "grad_cam": (36.980, 33.000),
        "grad_cam_plus_plus": (21.964, 27.000),
        "ablation_cam": (19.715, 32.000),
    },
    "HMT": {
        "grad_cam": (47.436, 22.083),
        "grad_cam_plus_plus": (50.921, 19.792),
        "ablation_cam": (43.341, 30.469),
    },
}
ACCURACY = {"MNIST-1D": 0.919, "HMT": 0.8306}
CLAIMED = "probability"  # the score that the project explains


def tell_nets(report, name, net, results, figure):
    accuracy = results["accuracy"]
    report.section(name, f"Accuracy {accuracy:.4f} on {results['samples']} test samples.")
    rows = [
        {"class": label, **{measure: results[measure][place] for measure in ("precision", "recall", "f1", "auc")}}
        for place, label in enumerate(results["class_names"])
    ]
    slug = slug_of(name)
    report.table(
        f"classes_{slug}",
        rows,
        "By class: precision, recall (the accuracy within the class), F1 and area under the ROC curve (one class "
        "against all others).",
        dict.fromkeys(("precision", "recall", "f1", "auc"), "higher"),
    )
    report.figure(
        f"classified_{slug}",
        figure,
        "ROC curves, normalised confusion matrix, and signals or tiles that are predicted right and wrong with their "
        "Grad-CAM map for the class predicted.",
    )


def tell_rates(report, nets, rates):
    report.section(
        "Drop and increase",
        "Maps explain the logit or the probability; the rates are always those of the probability. Removed positions "
        "are 0.",
    )
    for name, net in nets.items():
        rows = [row_of(*key[1:], values, data_of(name)) for key, values in rates.items() if key[0] == name]
        report.table(
            f"rates_{slug_of(name)}",
            rows,
            f"{name}: {len(net.rated)} samples, {net.fraction:g} of the positions kept; 95 % intervals over samples. "
            "*project*: the drop and increase rates it reports of its own net.",
            {"drop %": "lower", "increase %": "higher"},
        )


def row_of(score, row, values, data):
    drop, increase = (Interval.of(np.asarray(values[metric], float)) for metric in ("drop_rate", "increase_rate"))
    reported = ""
    if score == CLAIMED and row in REPORTED[data]:
        reported = "{:.1f} / {:.1f}".format(*REPORTED[data][row])
    explained = "a control" if score == "none" else score
    return {"map": row, "explained": explained, "drop %": drop, "increase %": increase, "project": reported}


def tell_claims(report, results, rates):
    for name, of_net in results.items():
        data = data_of(name)
        accuracy, samples = of_net["accuracy"], of_net["samples"]
        error = 1.96 * np.sqrt(accuracy * (1 - accuracy) / samples)
        low, high = accuracy - error, accuracy + error
        held = "yes" if low <= ACCURACY[data] <= high else "no"
        report.claim(
            f"{name}: its accuracy.", f"{ACCURACY[data]:.3f}", f"{accuracy:.3f} ({low:.3f} to {high:.3f})", held
        )
        drops = {cam: np.asarray(rates[name, CLAIMED, cam]["drop_rate"], float) for cam in REPORTED[data]}
        gaps = {cam: Interval.of(drop - drops["ablation_cam"]) for cam, drop in drops.items() if cam != "ablation_cam"}
        cells = ", ".join(f"{cam} {cell[0]:.1f}" for cam, cell in REPORTED[data].items())
        report.claim(
            f"{name}: Ablation-CAM drops least of the project's three CAMs.",
            cells,
            "drop above Ablation-CAM's: " + "; ".join(f"{cam} {gap}" for cam, gap in gaps.items()),
            of_best(list(gaps.values())),
        )


def data_of(name):
    return name.split(",")[0]


def slug_of(name):
    return "".join(letter if letter.isalnum() else "_" for letter in name).lower()
