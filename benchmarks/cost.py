"""What each explainer costs, as a ratio to the forward and backward passes it cannot avoid.

    python benchmarks/cost.py          # VGG16, ResNet50, MobileNetV2 (batch 8, 224 x 224); MNIST-1D (batch 512)
    python benchmarks/cost.py --nets MobileNetV2 --methods grad_cam gradient --rounds 15 --csv cost.csv

Floors are compiled once and interleaved with the method, so that a drift of the machine's speed hits both; figures are
medians over rounds. The method is called as a user calls it: NumPy in, NumPy out.
"""

import argparse
import csv
import os
import platform
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

import kerasxai

IMAGE_NETS = ("VGG16", "ResNet50", "MobileNetV2")
SIGNAL_NET = "MNIST-1D"
REPEATS = 8  # path steps and noise draws, where a method repeats

# row -> (options, floor, passes of the floor); the row is the method unless the options name it
METHODS = {
    "grad_cam": ({}, "forward", 1),
    "grad_cam_plus_plus": ({}, "forward", 1),
    "layer_cam": ({}, "forward", 1),
    "hires_cam": ({}, "forward", 1),
    "xgrad_cam": ({}, "forward", 1),
    "eigen_cam": ({}, "forward", 1),
    "eigen_grad_cam": ({}, "forward", 1),
    "cam": ({}, "forward", 1),
    "ablation_cam": ({}, "forward", 1),
    "score_cam": ({"max_channels": 64}, "forward", 64),
    "gradient": ({}, "forward+backward", 1),
    "sensitivity": ({}, "forward+backward", 1),
    "gradient_x_input": ({}, "forward+backward", 1),
    "guided_backprop": ({}, "forward+backward", 1),
    "deconvnet": ({}, "forward+backward", 1),
    "guided_grad_cam": ({}, "forward+backward", 1),
    "full_grad": ({}, "forward+backward", 1),
    "integrated_gradients": ({"steps": REPEATS}, "forward+backward", REPEATS),
    "expected_gradients": ({"n_samples": REPEATS}, "forward+backward", REPEATS),
    "smooth_grad": ({"n_samples": REPEATS}, "forward+backward", REPEATS),
    "smooth_grad_squared": ({"n_samples": REPEATS}, "forward+backward", REPEATS),
    "var_grad": ({"n_samples": REPEATS}, "forward+backward", REPEATS),
    "noise_percentiles": ({"n_samples": REPEATS}, "forward+backward", REPEATS),
    "smooth_grad_cam_plus_plus": ({"n_samples": REPEATS}, "forward", REPEATS),
    **{
        f"lrp {rules}": ({"method": "lrp", "rules": rules}, "forward+backward", 1)
        for rules in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box")
    },
    "relevance_cam": ({}, "forward", 1),
    "deep_lift": ({}, "forward+backward", 1),
}


def main(arguments=None):
    options = _parser().parse_args(arguments)
    rows = [row for net in options.nets for row in cost_of_net(net, options.methods, options.rounds)]
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return rows


def cost_of_net(name, methods, rounds):
    """Measures the methods on one net; prints their table and returns its rows."""
    model, x = _net(name)
    batch = len(x)
    floors = {"forward": _forward(model), "forward+backward": _forward_backward(model)}
    tensor = tf.constant(x)
    for floor in floors.values():
        floor(tensor)
    table = Table("method", "floor", "floor s", "method s", "ratio", "first call s", title=_title(name, x))
    rows = []
    for method in methods:
        settings, floor, passes = METHODS[method]
        if method == "expected_gradients":
            settings = {**settings, "background": x[:4]}
        try:
            config = {"method": method, "batch_size": batch, **settings}
            explainer = kerasxai.explainers.from_config(config, model)
        except ValueError as error:  # e.g. CAM on a net that ends otherwise
            table.add_row(method, f"not for this net: {str(error).split('.')[0]}", "", "", "", "")
            continue
        if method == "score_cam":  # one pass a channel
            (layer,) = explainer.layers_for(0)
            passes = min(passes, explainer.graph.node(layer).shape[-1])
        first = _seconds(lambda: explainer(x))
        pairs = [(_seconds(lambda: floors[floor](tensor)), _seconds(lambda: explainer(x))) for _ in range(rounds)]
        floor_time, time_taken = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(taken / (passes * unit) for unit, taken in pairs)
        label = floor if passes == 1 else f"{passes} x {floor}"
        rows.append(
            {
                "net": name,
                "batch": batch,
                "method": method,
                "floor": label,
                "floor_seconds": round(floor_time * passes, 5),
                "method_seconds": round(time_taken, 5),
                "ratio": round(ratio, 3),
                "first_call_seconds": round(first, 2),
            }
        )
        table.add_row(method, label, f"{floor_time * passes:.4f}", f"{time_taken:.4f}", f"{ratio:.2f}", f"{first:.1f}")
    Console(width=110).print(table)
    return rows


def _net(name):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    if name == SIGNAL_NET:
        return _signal_net(), random.normal(size=(512, 40, 1)).astype("float32")
    model = getattr(keras.applications, name)(weights=None)
    return model, random.uniform(-1, 1, size=(8, 224, 224, 3)).astype("float32")


def _signal_net():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((40, 1)),
            layers.Conv1D(25, 5, padding="same", activation="relu"),
            layers.Conv1D(25, 3, padding="same", activation="relu"),
            layers.Conv1D(25, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _forward(model):
    return tf.function(lambda x: model(x, training=False))


def _forward_backward(model):
    @tf.function
    def run(x):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            score = model(x, training=False)[:, 0]
        return tape.gradient(score, x)

    return run


def _seconds(function):
    start = time.perf_counter()
    result = function()
    if isinstance(result, tf.Tensor):
        result.numpy()  # wait for it
    return time.perf_counter() - start


def _title(name, x):
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {os.cpu_count()} cores, {platform.machine()}"
    return f"{name}, batch {len(x)}, input {' x '.join(map(str, x.shape[1:]))} ({versions})"


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nets", nargs="+", default=[*IMAGE_NETS, SIGNAL_NET], help="Keras Applications, or MNIST-1D")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS), metavar="METHOD")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--csv", help="also write the rows here")
    return parser


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
