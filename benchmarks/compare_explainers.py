"""Which explainer is best on a model, by which metric, and how far the metrics agree.

    python benchmarks/compare_explainers.py MODEL INPUT... --out DIR
    python benchmarks/compare_explainers.py HMT.h5 hmt/test --preprocess 0-1 --samples 40 --seeds 3 --out hmt
    python benchmarks/compare_explainers.py MNIST1D.h5 mnist1d --explainers grad_cam lrp --out signals

INPUT is what `kerasxai explain` takes, or `mnist1d` for the built-in test signals. Every seed draws the noise of
methods, metrics and controls anew; the samples stay. Ranks are those of the mean over samples and seeds, with 95 %
intervals from bootstrap draws of the samples. Metrics agree as far as they rank the explainers alike (Spearman over the
rows, controls left out).
"""

import argparse
import csv
import itertools
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata, spearmanr

import kerasxai
from kerasxai import datasets
from kerasxai.cli import evaluate, gallery, session
from kerasxai.cli.options import name_and_value

EXPLAINERS = (
    "grad_cam",
    "layer_cam",
    "score_cam",
    "relevance_cam",
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "smooth_grad",
    "guided_backprop",
    "deep_lift",
    "lrp",
)
EVALUATORS = ("drop_increase", "aopc", "deletion", "insertion")
DRAWS = 1000


def main(arguments=None):
    options = _parser().parse_args(arguments)
    model, x = _model_and_samples(options)
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    values, directions, controls = {}, {}, []
    for seed in range(options.seeds):
        comparison = _comparison(model, x, options, seed)
        directions, controls = comparison.directions, comparison.controls
        for row, metric in itertools.product(comparison.rows, comparison.metrics):
            found = comparison.values(row, metric)
            if found is not None:
                values.setdefault((row, metric), []).append(np.asarray(found, float))
    comparison.plot().savefig(folder / "comparison.png", dpi=120)
    means = {cell: np.mean(of_seeds, axis=0) for cell, of_seeds in values.items()}  # (samples,)
    rows = _rows(means, values, directions, controls)
    agreement = _agreement(rows, directions, controls)
    _write(folder, rows, agreement, options, len(x))
    _show(rows, agreement, len(x), options.seeds)
    return rows


def _comparison(model, x, options, seed):
    given = dict(name_and_value("--option", text) for text in options.option or ())
    shared = {"batch_size": options.batch_size, "seed": seed, **given}
    classes = [kerasxai.explainers.get(name) for name in options.explainers]
    measures = [kerasxai.evaluators.get(name) for name in options.evaluators]
    known = {
        label for cls in classes + measures for name in cls.option_names() for label in (name, f"{cls.name}.{name}")
    }
    if unknown := sorted(set(shared) - known):
        raise SystemExit(f"No explainer or evaluator has the option {', '.join(unknown)}.")
    explainers = {cls.name: cls(model, verbose=0, **_of(cls, shared)) for cls in classes}
    evaluators = [cls(**_of(cls, shared)) for cls in measures]
    return kerasxai.evaluate(model, x, explainers, evaluators, seed=seed, batch_size=options.batch_size)


def _of(cls, shared):
    """The options that a class has; those that name it come before those that are for all."""
    given = {name: shared.get(f"{cls.name}.{name}", shared.get(name)) for name in cls.option_names()}
    return {name: value for name, value in given.items() if name in shared or f"{cls.name}.{name}" in shared}


def _rows(means, values, directions, controls):
    """One dict per explainer and metric: mean, its interval over samples, spread over seeds, rank and its interval."""
    found = []
    for metric, direction in directions.items():
        labels = [row for row, of_metric in means if of_metric == metric]
        table = np.stack([means[row, metric] for row in labels])  # (rows, samples)
        sign = -1 if direction == "higher" else 1
        picked = np.random.default_rng(0).integers(table.shape[1], size=(DRAWS, table.shape[1]))
        drawn = np.stack([np.nanmean(table[:, draw], axis=1) for draw in picked])  # (draws, rows)
        ranks = rankdata(sign * drawn, axis=1)
        rank = rankdata(sign * np.nanmean(table, axis=1))
        for index, row in enumerate(labels):
            low, high = np.percentile(drawn[:, index], [2.5, 97.5])
            rank_low, rank_high = np.percentile(ranks[:, index], [2.5, 97.5])
            of_seeds = [np.nanmean(one) for one in values[row, metric]]
            found.append(
                {
                    "explainer": row,
                    "control": row in controls,
                    "metric": metric,
                    "better": direction,
                    "mean": float(np.nanmean(table[index])),
                    "low": float(low),
                    "high": float(high),
                    "spread_over_seeds": float(np.std(of_seeds)),
                    "rank": float(rank[index]),
                    "rank_low": float(rank_low),
                    "rank_high": float(rank_high),
                    "nan": int(np.isnan(table[index]).sum()),
                }
            )
    return found


def _agreement(rows, directions, controls):
    """Spearman's correlation of the explainers' ranks between each two metrics: dict metric -> dict metric -> value."""
    ranks = {
        metric: {row["explainer"]: row["rank"] for row in rows if row["metric"] == metric and not row["control"]}
        for metric in directions
    }
    return {one: {other: _correlation(ranks[one], ranks[other]) for other in directions} for one in directions}


def _correlation(one, other):
    shared = [row for row in one if row in other]
    if len(shared) < 3:
        return None
    ranks = [[of_metric[row] for row in shared] for of_metric in (one, other)]
    if any(len(set(of_metric)) == 1 for of_metric in ranks):  # a metric that tells no explainers apart
        return None
    return float(spearmanr(*ranks).statistic)


def _model_and_samples(options):
    if options.input == ["mnist1d"]:
        model = kerasxai.load_model(options.model)
        (_, _), (x, _) = datasets.mnist1d.load_data()
        return model, x[: options.samples]
    model, inputs = session.open_model(options)
    samples = evaluate.samples_of(inputs, options.samples)
    return model, np.stack([sample.x for sample in samples])


def _write(folder, rows, agreement, options, samples):
    with open(folder / "comparison.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    content = {
        "model": options.model,
        "samples": samples,
        "seeds": options.seeds,
        "options": options.option or [],
        "versions": gallery.versions(),
        "rows": rows,
        "agreement": agreement,
    }
    (folder / "comparison.json").write_text(json.dumps(content, indent=1))


def _show(rows, agreement, samples, seeds):
    metrics = list(agreement)
    table = Table("", *metrics, title=f"Means (rank and its 95 % interval); {samples} samples, {seeds} seeds")
    for explainer in dict.fromkeys(row["explainer"] for row in rows):
        cells = {row["metric"]: row for row in rows if row["explainer"] == explainer}
        shown = [
            f"{c['mean']:.3g} ({c['rank']:g}, {c['rank_low']:g} to {c['rank_high']:g})" if (c := cells.get(m)) else ""
            for m in metrics
        ]
        table.add_row(f"[italic]{explainer}[/]" if next(iter(cells.values()))["control"] else explainer, *shown)
    Console(width=160).print(table)
    table = Table("", *metrics, title="Agreement of the metrics on the explainers' ranks (Spearman)")
    for one in metrics:
        table.add_row(
            one, *("" if agreement[one][other] is None else f"{agreement[one][other]:.2f}" for other in metrics)
        )
    Console(width=160).print(table)


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a .keras or .h5 file")
    parser.add_argument("input", nargs="+", help="images, folders, .npy/.npz, .csv, or mnist1d")
    parser.add_argument("--explainers", nargs="+", default=list(EXPLAINERS), metavar="NAME")
    parser.add_argument("--evaluators", nargs="+", default=list(EVALUATORS), metavar="NAME")
    parser.add_argument(
        "--option",
        action="append",
        metavar="NAME=VALUE",
        help="option of all explainers and evaluators that have it, or of one: steps=20, rise.n_masks=1000; repeatable",
    )
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preprocess", default="auto", help="as of `kerasxai explain`")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--out", required=True, metavar="DIR")
    parser.set_defaults(unsafe=False, strict=True)
    return parser


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
