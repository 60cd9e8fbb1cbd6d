"""When to stop a training: by its validation loss, or by how good its explanations are.

    python benchmarks/early_stopping.py                     # ten seeds
    python benchmarks/early_stopping.py --seeds 3 --training 500 --csv curves.csv

MNIST-1D with few training samples. For each seed the net is trained once, without stopping, and everything is measured
after every epoch; `keras.callbacks.EarlyStopping` then reads these curves by each rule, so that rules differ in nothing
else. Rules see validation samples, the table is of test samples.
"""

import argparse
import csv
import os
import types
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasxai

VALIDATION, PROBE = 500, 100  # samples that the loss and that explanations are measured on

ACCURACY = "test_accuracy"
DROP, AOPC = "grad_cam_drop_rate", "lrp_aopc"
ABOVE_RANDOM, DRIFT = "lrp_aopc_above_random", "grad_cam_spearman_to_previous"


class Rule(NamedTuple):
    """What stops a training, and which of its weights are kept.

    Attributes:
        monitor, mode, patience: Of `EarlyStopping`.
        restores: Whether the best epoch's weights are kept, or the last one's.
        margin: Of the epochs whose monitored value is less than this share above the best, the one with the highest
            AOPC above random is kept.
    """

    monitor: str
    mode: str
    patience: int
    restores: bool = True
    margin: float = 0.0


RULES = {
    "validation loss": Rule("val_loss", "min", 5),
    "validation loss, patience 8": Rule("val_loss", "min", 8),
    "validation accuracy": Rule("val_accuracy", "max", 5),
    "drop rate": Rule(f"val_{DROP}", "min", 5),
    "drop rate, patience 3, last weights": Rule(f"val_{DROP}", "min", 3, restores=False),
    "AOPC": Rule(f"val_{AOPC}", "max", 5),
    "AOPC above random": Rule(f"val_{ABOVE_RANDOM}", "max", 5),
    "maps settled, last weights": Rule(f"val_{DRIFT}", "max", 5, restores=False),
    "validation loss, AOPC above random among the best 2 %": Rule("val_loss", "min", 5, margin=0.02),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="number of trainings")
    parser.add_argument("--epochs", type=int, default=40, help="length of a training that nothing stops")
    parser.add_argument("--training", type=int, default=1000, help="number of training samples")
    parser.add_argument("--csv", help="file for the curves")
    options = parser.parse_args()
    curves = []
    for seed in range(options.seeds):
        curves.append(trained(seed, options.epochs, options.training))
        print(f"seed {seed}: accuracy {curves[-1][ACCURACY][-1]:.3f} after the last epoch", flush=True)
    if options.csv:
        write_csv(curves, options.csv)
    print(table(curves))


def trained(seed, epochs, training):
    """The curves of one training: name -> a value for every epoch."""
    (x, y), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    order = np.random.default_rng(seed).permutation(len(x))
    chosen, validation = order[:training], order[-VALIDATION:]
    probe, labels = x[validation[:PROBE]], y[validation[:PROBE]]
    keras.utils.set_random_seed(seed)
    model = kerasxai.models.mnist1d_cnn()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x[chosen],
        y[chosen],
        batch_size=64,
        epochs=epochs,
        validation_data=(x[validation], y[validation]),
        verbose=0,
        callbacks=[
            kerasxai.callbacks.DropIncrease(probe, explainer="grad_cam", fraction=0.3),
            kerasxai.callbacks.AOPC(probe, explainer="lrp", steps=10),
            kerasxai.callbacks.ExplanationDrift(probe, labels, explainer="grad_cam", target="true"),
            kerasxai.callbacks.DropIncrease(x_test[:PROBE], explainer="grad_cam", fraction=0.3, prefix="test_"),
            kerasxai.callbacks.AOPC(x_test[:PROBE], explainer="lrp", steps=10, prefix="test_"),
            TestAccuracy(x_test, y_test),
        ],
    )
    return history.history


class TestAccuracy(keras.callbacks.Callback):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def on_epoch_end(self, epoch, logs):
        predicted = np.argmax(self.model(self.x), axis=-1)
        logs[ACCURACY] = float(np.mean(predicted == self.y))


def replayed(rule, curves):
    """Number of epochs that are trained, and index of the one whose weights are kept."""
    model = types.SimpleNamespace(stop_training=False)
    stopping = keras.callbacks.EarlyStopping(rule.monitor, mode=rule.mode, patience=rule.patience)
    stopping.set_model(model)
    stopping.on_train_begin()
    for epoch, value in enumerate(curves[rule.monitor]):
        stopping.on_epoch_end(epoch, {rule.monitor: value})
        if model.stop_training:
            break
    if not rule.restores:
        return epoch + 1, epoch
    monitored = np.array(curves[rule.monitor][: epoch + 1])
    if not rule.margin:
        return epoch + 1, stopping.best_epoch
    alike = np.flatnonzero(monitored <= (1 + rule.margin) * stopping.best)
    return epoch + 1, alike[np.argmax(np.array(curves[f"val_{ABOVE_RANDOM}"])[alike])]


def table(curves):
    """Markdown: a line for each rule."""
    lines = [
        "| stopped by | accuracy | its range | epochs | AOPC above random | drop rate |",
        "|---|---|---|---|---|---|",
    ]
    for name, rule in RULES.items():
        epochs, kept = np.transpose([replayed(rule, one) for one in curves])
        accuracy, above, drop = (
            np.array([one[column][epoch] for one, epoch in zip(curves, kept)])
            for column in (ACCURACY, f"test_{ABOVE_RANDOM}", f"test_{DROP}")
        )
        lines.append(
            f"| {name} | {accuracy.mean():.3f} ± {accuracy.std(ddof=1):.3f} | {accuracy.min():.3f} to "
            f"{accuracy.max():.3f} | {epochs.mean():.0f} ({epochs.min()} to {epochs.max()}) | {above.mean():.3f} | "
            f"{drop.mean():.1f} |"
        )
    lines.append("")
    for name in ("val_loss", *(f"val_{one}" for one in (DROP, AOPC, ABOVE_RANDOM, DRIFT))):
        correlations = [np.corrcoef(one[name], one["val_accuracy"])[0, 1] for one in curves]
        lines.append(
            f"Correlation of {name} with the validation accuracy over epochs: {np.mean(correlations):.2f} "
            f"({min(correlations):.2f} to {max(correlations):.2f})"
        )
    return "\n".join(lines)


def write_csv(curves, path):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["seed", "epoch", *curves[0]])
        writer.writeheader()
        for seed, of_seed in enumerate(curves):
            for epoch, values in enumerate(zip(*of_seed.values())):
                writer.writerow({"seed": seed, "epoch": epoch, **dict(zip(of_seed, values))})


if __name__ == "__main__":
    main()
