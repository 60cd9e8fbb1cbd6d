"""Drop and increase rates of the CAMs on the public HMT and MNIST-1D nets, beside reference values and control rows.

    python benchmarks/table1.py DATA                    # DATA holds hmt/ (HMT.h5, test/) and mnist1d/ (MNIST1D.h5, ...)
    python benchmarks/table1.py DATA --nets MNIST-1D --csv table1.csv

The procedure is that of Table I of the course project the nets come from: maps of one layer, resized to the input, the
most relevant share of positions kept, the rest 0; HMT keeps 0.9 on its first 480 test images, MNIST-1D 0.3 on its first
100 signals. `explained on` is the score the map explains; the rates are always those of the softmax.
"""

import argparse
import csv
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from rich.console import Console
from rich.table import Table

import kerasxai
from kerasxai.evaluators import AverageDrop, DropIncrease

CAMS = (
    "grad_cam",
    "grad_cam_plus_plus",
    "ablation_cam",
    "smooth_grad_cam_plus_plus",
    "hires_cam",
    "xgrad_cam",
    "layer_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "score_cam",
    "relevance_cam",
)
ONE_SCORE = ("eigen_cam", "relevance_cam")  # needs no score, or the logit only

# (net, explained on, mask, method) -> drop, increase: computed independently of this package, for the same files
REFERENCE = {
    ("HMT", "probability", "strict", "grad_cam"): (72.575, 14.375),
    ("HMT", "probability", "strict", "grad_cam_plus_plus"): (64.090, 22.292),
    ("HMT", "probability", "strict", "ablation_cam"): (63.039, 17.083),
    ("HMT", "probability", "first", "grad_cam"): (57.896, 18.542),
    ("HMT", "logit", "strict", "grad_cam"): (62.473, 23.333),
    ("HMT", "logit", "strict", "grad_cam_plus_plus"): (64.240, 23.333),
    ("HMT", "probability", "soft", "grad_cam"): (85.165, 11.875),
    ("HMT", "probability", "soft", "grad_cam_plus_plus"): (86.392, 12.083),
    ("HMT", "probability", "soft", "ablation_cam"): (68.569, 13.125),
    ("HMT", "logit", "soft", "grad_cam"): (79.214, 11.667),
    ("HMT", "logit", "soft", "grad_cam_plus_plus"): (87.253, 11.458),
    ("MNIST-1D", "probability", "strict", "grad_cam"): (33.664, 36),
    ("MNIST-1D", "probability", "strict", "grad_cam_plus_plus"): (16.436, 44),
    ("MNIST-1D", "probability", "strict", "ablation_cam"): (14.080, 40),
    ("MNIST-1D", "logit", "strict", "grad_cam"): (10.358, 40),
    ("MNIST-1D", "logit", "strict", "grad_cam_plus_plus"): (18.011, 38),
}
TOLERANCE = {"HMT": (1.0, 1.0), "MNIST-1D": (1.5, 2.0)}  # points of drop, of increase


def main(arguments=None):
    options = _parser().parse_args(arguments)
    rows = [row for net in options.nets for row in rates_of_net(net, Path(options.data), options.methods)]
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    wrong = [row for row in rows if row["agrees"] is False]
    print(
        f"{sum(row['agrees'] is not None for row in rows)} cells have a reference, {len(wrong)} are out of tolerance."
    )
    return 1 if wrong else 0


def rates_of_net(net, data, methods):
    """Measures a net; prints its table and returns the rows."""
    model, x, fraction, layers = _net(net, data)
    masks = {
        "strict": DropIncrease(fraction=fraction),
        "first": DropIncrease(fraction=fraction, ties="first"),
        "soft": AverageDrop(),
    }
    rows = []
    for explained_on in ("probability", "logit"):
        explainers = {}
        for method in methods:
            if method in ONE_SCORE and explained_on == "probability":
                continue
            layer = layers.get(method, layers["other"])
            explainers[method] = kerasxai.explainers.get(method)(model, layer=layer, score=explained_on)
        comparison = kerasxai.evaluate(model, x, explainers, masks, controls=explained_on == "logit")
        for row, of_row in comparison.results.items():
            explained = "nothing" if row in comparison.controls else explained_on
            rows += [_row(net, explained, mask, row, found) for mask, found in of_row.items()]
    _show(net, rows)
    return rows


def _net(net, data):
    """The model, its samples, the share kept, and the layers that maps are read at."""
    if net == "HMT":
        model = kerasxai.load_model(data / "hmt" / "HMT.h5")
        x, _ = kerasxai.datasets.hmt.load_data(data / "hmt", "test", as_arrays=True)
        return model, x[:480], 0.9, {"ablation_cam": "conv2d_3", "other": "max_pooling2d_1"}
    model = kerasxai.load_model(data / "mnist1d" / "MNIST1D.h5")
    x = np.load(data / "mnist1d" / "mnist1d.npz")["x_test"].astype("float32").reshape(-1, 40, 1)
    return model, x[:100], 0.3, {"other": "conv1d_2"}


def _row(net, explained_on, mask, row, results):
    drop, increase = (results.summary()[metric].mean for metric in results.per_sample[:2])
    reference = REFERENCE.get((net, explained_on, mask, row))
    agrees = None
    if reference is not None:
        gaps = np.abs(np.subtract((drop, increase), reference))
        agrees = bool((gaps <= TOLERANCE[net]).all())
    return {
        "net": net,
        "explained_on": explained_on,
        "mask": mask,
        "method": row,
        "drop": round(drop, 3),
        "increase": round(increase, 3),
        "reference_drop": reference and reference[0],
        "reference_increase": reference and reference[1],
        "agrees": agrees,
    }


def _show(net, rows):
    table = Table("method", "explained on", "mask", "drop", "increase", "reference", title=net)
    for row in rows:
        reference = "" if row["agrees"] is None else f"{row['reference_drop']:.3f} / {row['reference_increase']:.3f}"
        cells = (row["method"], row["explained_on"], row["mask"], f"{row['drop']:.3f}", f"{row['increase']:.3f}")
        table.add_row(*cells, reference)
    Console(width=100).print(table)


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="folder with hmt/ and mnist1d/")
    parser.add_argument("--nets", nargs="+", default=["HMT", "MNIST-1D"], choices=["HMT", "MNIST-1D"])
    parser.add_argument("--methods", nargs="+", default=list(CAMS), choices=list(CAMS), metavar="METHOD")
    parser.add_argument("--csv", help="also write the rows here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
