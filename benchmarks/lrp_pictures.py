"""The pictures and the table of docs/lrp.md: tiles of HMT and signals of MNIST-1D under presets of LRP.

    python benchmarks/lrp_pictures.py DATA [--out docs]

DATA holds `hmt/HMT.h5`, `hmt/test/<class>/*` and `mnist1d/MNIST1D.h5`; the signals are generated. The table tells how
alike the maps of the best and of the second class are: Spearman's rank correlation, mean over the samples.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image
from scipy.stats import spearmanr

import kerasxai
from kerasxai import lrp
from kerasxai.datasets import hmt, mnist1d

PICTURED = ("epsilon", "epsilon_plus", "epsilon_gamma_box", "gamma_epsilon_zero")
TILES_PER_CLASS, SIGNALS = 5, 100
SIGNAL_ROWS = 6
DOTS_PER_INCH, COLOURS = 110, 192  # of the committed pictures: small files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="directory of the data")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="where the pictures go")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    correlations = {"HMT": tiles(args.data / "hmt", args.out), "MNIST-1D": signals(args.data / "mnist1d", args.out)}
    print("| preset | " + " | ".join(correlations) + " |")
    print("|---" * (len(correlations) + 1) + "|")
    for rules in lrp.preset_names():
        print(f"| `{rules}` | " + " | ".join(f"{of_net[rules]:.2f}" for of_net in correlations.values()) + " |")


def tiles(data, out):
    """Draws one tile of each class, and returns preset -> correlation over the first five of each."""
    model = kerasxai.load_model(data / "HMT.h5")
    names = hmt.CLASS_NAMES
    x, y = hmt.load_data(data, "test", as_arrays=True)
    chosen = np.concatenate([np.flatnonzero(y == label)[:TILES_PER_CLASS] for label in range(len(names))])
    x, y = x[chosen], y[chosen]
    classes = best_two(model, x)
    predicted = classes[0]
    relevance = of_classes(model, x, classes, input_range=(0, 1))

    # The first tile of each class that the net gets right, else the first.
    rows = [int(np.argmax((y == label) * (1 + (predicted == y)))) for label in range(len(names))]
    titles = [_short(names[y[row]]) for row in rows]
    titles = [
        title if predicted[row] == y[row] else f"{title}, taken for {_short(names[predicted[row]])}"
        for title, row in zip(titles, rows)
    ]
    maps = {rules: relevance[rules][0, rows] for rules in PICTURED}
    figure = kerasxai.plots.grid(x[rows], maps, row_titles=titles, column_titles=PICTURED, alpha=0.9, signed=True)
    save(figure, out / "lrp-hmt.png")
    return correlations_of(relevance)


def signals(data, out):
    """Draws signals of the first classes, and returns preset -> correlation over the first hundred."""
    model = kerasxai.load_model(data / "MNIST1D.h5")
    _, (x, y) = mnist1d.load_data()
    x, y = x[:SIGNALS], y[:SIGNALS]
    classes = best_two(model, x)
    predicted = classes[0]
    relevance = of_classes(model, x, classes)

    rows = [int(np.argmax((y == label) & (predicted == y))) for label in range(SIGNAL_ROWS)]
    maps = {rules: relevance[rules][0, rows] for rules in PICTURED}
    titles = [str(y[row]) for row in rows]
    figure = kerasxai.plots.grid(x[rows], maps, row_titles=titles, column_titles=PICTURED, signed=True)
    save(figure, out / "lrp-mnist-1d.png")
    return correlations_of(relevance)


def best_two(model, x):
    """The best and the second class of every sample, `(2, N)`."""
    return np.argsort(-model.predict(x, verbose=0), axis=1)[:, :2].T


def of_classes(model, x, classes, **options):
    """Preset -> relevance for each row of `classes`, summed over channels, `(classes, N, *spatial)`."""
    relevance = {}
    for rules in lrp.preset_names():
        explainer = kerasxai.explainers.LRP(model, rules=rules, batch_size=20, verbose=0, **options)
        relevance[rules] = np.stack([explainer(x, target=one).sum(axis=-1) for one in classes])
    return relevance


def correlations_of(relevance):
    """Preset -> rank correlation of the two classes' maps, mean over samples."""
    return {
        rules: np.mean([spearmanr(best.ravel(), second.ravel()).statistic for best, second in zip(*maps)])
        for rules, maps in relevance.items()
    }


def save(figure, path):
    figure.savefig(path, dpi=DOTS_PER_INCH)
    # By its default method Pillow greys the rare blues.
    palette = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 3}
    Image.open(path).convert("RGB").quantize(COLOURS, **palette).save(path, optimize=True)
    print(f"Wrote {path}, {path.stat().st_size // 1024} KB")


def _short(name):
    return name.split("_")[1].lower()


if __name__ == "__main__":
    main()
