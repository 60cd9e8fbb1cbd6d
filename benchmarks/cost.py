"""What each explainer and evaluator costs, as a ratio to the forward and backward passes it cannot avoid.

    python benchmarks/cost.py          # VGG16, ResNet50, MobileNetV2 (batch 8, 224 x 224); HMT (32); MNIST-1D (512)
    python benchmarks/cost.py --nets MobileNetV2 --methods grad_cam gradient --rounds 15 --csv cost.csv
    python benchmarks/cost.py --nets HMT VGG16 --methods --evaluators drop_increase deletion

Floors are compiled once and interleaved with what is measured, so that a drift of the machine's speed hits both;
figures are medians over rounds. All is called as a user calls it: NumPy in, NumPy out.
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

NETS = ("VGG16", "ResNet50", "MobileNetV2", "HMT", "MNIST-1D")
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
    "blur_ig": ({"steps": REPEATS}, "forward+backward", REPEATS),
    "guided_ig": ({"steps": REPEATS}, "forward+backward", REPEATS),
    "xrai": ({"steps": REPEATS}, "forward+backward", 2 * REPEATS),
}


# row -> (options on images, model runs of a sample besides the unchanged one; the same on signals)
PERTURBATIONS = {
    "occlusion": ({"window": 28, "stride": 28}, 64, {"window": 5, "stride": 5}, 8),
    "rise": ({"n_masks": 200}, 200, {"n_masks": 200}, 200),
    "lime": ({"n_samples": 1000}, 1000, {"n_samples": 100}, 100),
    "kernel_shap": ({"segmentation": 5, "n_samples": 200}, 200, {"n_samples": 100}, 100),
}
PERTURBED_IMAGES, PERTURBED_SIGNALS = 1, 64

# row -> (options, forward passes of all samples it cannot avoid): curves score both ends once and each inner step
EVALUATORS = {
    "drop_increase": ({}, 2),
    "deletion": ({"steps": REPEATS}, REPEATS + 1),
    "insertion": ({"steps": REPEATS}, REPEATS + 1),
    "pixel_flipping": ({"steps": REPEATS}, REPEATS + 1),
    "aopc": ({"steps": REPEATS}, 3 * REPEATS + 1),  # most, least relevant first, and random
    "road": ({"percentages": (10, 30, 50, 70)}, 2 * 4 + 1),
}
CALLBACK, CALLBACK_SAMPLES = "DropIncrease callback", 256


def main(arguments=None):
    options = _parser().parse_args(arguments)
    rows = []
    for name in options.nets:
        net = _Net(name)
        table = Table("what", "floor", "floor s", "taken s", "ratio", "first call s", title=net.title)
        of_net = [*methods_of(net, options), *evaluators_of(net, options)]
        for row in of_net:
            cells = (row["floor"], f"{row['floor_seconds']:.4f}", f"{row['seconds']:.4f}", f"{row['ratio']:.2f}")
            table.add_row(row["what"], *cells, f"{row['first_call_seconds']:.1f}")
        Console(width=110).print(table)
        rows += of_net
    if options.csv and rows:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return rows


def methods_of(net, options):
    """A row for each method that the net admits."""
    rows = []
    for method in options.methods:
        if method in PERTURBATIONS:
            rows.append(_perturbation_cost(net, method, options.rounds))
            continue
        settings, floor, passes = METHODS[method]
        if method == "expected_gradients":
            settings = {**settings, "background": net.x[:4]}
        try:
            explainer = kerasxai.explainers.from_config(
                {"method": method, "batch_size": len(net.x), **settings}, net.model
            )
        except ValueError as error:  # e.g. CAM on a net that ends otherwise
            print(f"{method} is not for {net.name}: {str(error).split('.')[0]}.")
            continue
        if method == "score_cam":  # one pass a channel
            (layer,) = explainer.layers_for(0)
            passes = min(passes, explainer.graph.node(layer).shape[-1])
        rows.append(net.cost(method, lambda e=explainer: e(net.x), floor, passes, options.rounds))
    return rows


def evaluators_of(net, options):
    """A row for each evaluator, on random maps, and for the callback."""
    maps = np.random.default_rng(1).normal(size=net.x.shape[:-1])
    rows = []
    for name in options.evaluators:
        if name == CALLBACK:
            rows.append(_callback_cost(net, options.rounds))
            continue
        settings, passes = EVALUATORS[name]
        evaluator = kerasxai.evaluators.get(name)(batch_size=len(net.x), **settings)
        run = lambda e=evaluator: e(net.model, net.x, maps, target=0)
        rows.append(net.cost(name, run, "forward", passes, options.rounds))
    return rows


def _perturbation_cost(net, method, rounds):
    """A method that changes few samples many times; its floor runs as many changed samples, in whole batches."""
    on_images, images_runs, on_signals, signals_runs = PERTURBATIONS[method]
    is_signal = net.x.ndim == 3
    settings, runs = (on_signals, signals_runs) if is_signal else (on_images, images_runs)
    x = net.x[: PERTURBED_SIGNALS if is_signal else PERTURBED_IMAGES]
    batch = len(x) if is_signal else len(net.x)
    explainer = kerasxai.explainers.get(method)(net.model, batch_size=batch, verbose=0, **settings)
    tensor, passes = tf.constant(net.x[:batch]), -(-(runs + 1) * len(x) // batch)
    net.forward(tensor)

    def floor():
        for _ in range(passes):
            net.forward(tensor).numpy()

    label = f"{runs + 1} x forward of {len(x)}"
    return net.cost(method, lambda: explainer(x), floor, 1, rounds, label)


def _callback_cost(net, rounds):
    """The callback at the end of an epoch; its floor is the explainer and two forward passes."""
    x = np.concatenate([net.x] * -(-CALLBACK_SAMPLES // len(net.x)))[:CALLBACK_SAMPLES]
    callback = kerasxai.callbacks.DropIncrease(x, explainer="grad_cam", batch_size=len(net.x), verbose=0)
    explainer = kerasxai.explainers.GradCAM(net.model, batch_size=len(net.x), verbose=0)
    parts = [tf.constant(x[start : start + len(net.x)]) for start in range(0, len(x), len(net.x))]

    def floor():
        explainer(x)
        for part in parts + parts:
            net.forward(part).numpy()

    callback.set_model(net.model)
    callback.set_params({"steps": 1, "epochs": 1})
    callback.on_train_begin()
    floor()
    label = "explainer + 2 x forward"
    return net.cost(f"{CALLBACK}, {len(x)}", lambda: callback.on_epoch_end(0, {}), floor, 1, rounds, label)


class _Net:
    """A net, its batch, and the passes that costs are measured against."""

    def __init__(self, name):
        keras.utils.set_random_seed(0)
        random = np.random.default_rng(0)
        self.name = name
        if name == "MNIST-1D":
            self.model = kerasxai.models.mnist1d_cnn()
            self.x = random.normal(size=(512, 40, 1)).astype("float32")
        elif name == "HMT":
            self.model = kerasxai.models.hmt_cnn()
            self.x = random.uniform(0, 1, size=(32, 224, 224, 3)).astype("float32")
        else:
            self.model = getattr(keras.applications, name)(weights=None)
            self.x = random.uniform(-1, 1, size=(8, 224, 224, 3)).astype("float32")
        self.forward = _forward(self.model)
        tensor, forward_backward = tf.constant(self.x), _forward_backward(self.model)
        self.floors = {
            "forward": lambda: self.forward(tensor).numpy(),
            "forward+backward": lambda: forward_backward(tensor).numpy(),
        }
        for floor in self.floors.values():
            floor()

    @property
    def title(self):
        """Heading of its table."""
        versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {os.cpu_count()} cores"
        size = " x ".join(map(str, self.x.shape[1:]))
        return f"{self.name}, batch {len(self.x)}, input {size} ({versions}, {platform.machine()})"

    def cost(self, what, run, floor, passes, rounds, label=None):
        """A row: the time of `run()` against that many passes of a floor, a name of `floors` or a function."""
        first = _seconds(run)
        one_pass = self.floors.get(floor, floor)
        pairs = [(_seconds(one_pass), _seconds(run)) for _ in range(rounds)]
        unit, taken = (statistics.median(column) for column in zip(*pairs))
        label = label or floor
        return {
            "net": self.name,
            "batch": len(self.x),
            "what": what,
            "floor": label if passes == 1 else f"{passes} x {label}",
            "floor_seconds": round(unit * passes, 5),
            "seconds": round(taken, 5),
            "ratio": round(statistics.median(taken / (passes * unit) for unit, taken in pairs), 3),
            "first_call_seconds": round(first, 2),
        }


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
    function()
    return time.perf_counter() - start


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nets", nargs="+", default=list(NETS), help="Keras Applications, HMT, MNIST-1D")
    methods = [*METHODS, *PERTURBATIONS]
    parser.add_argument("--methods", nargs="*", default=methods, choices=methods, metavar="METHOD")
    measured = [*EVALUATORS, CALLBACK]
    parser.add_argument("--evaluators", nargs="*", default=measured, choices=measured, metavar="EVALUATOR")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--csv", help="also write the rows here")
    return parser


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
