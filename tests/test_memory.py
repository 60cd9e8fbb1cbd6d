"""Peak memory is bounded by the batch size and the returned array: a process of its own measures it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ALLOWANCE = 48.0  # MB of noise in the peak: allocator, thread pools

MEASURE = """
import json, keras, numpy as np, tensorflow as tf, kerasxai

keras.utils.set_random_seed(0)
layers = keras.layers

def net(channels):
    return keras.Sequential([
        keras.Input((64, 64, 3)),
        layers.Conv2D(channels, 3, padding="same", activation="relu"),
        layers.Conv2D(channels, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(4), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(5),
    ])

def peak_of(function):
    "Peak of the resident memory up to the end of a call, without the array it returns, in MB."
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # forget the peak so far
    result = function()
    return status("VmHWM") - result.nbytes / 2**20

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(key))

def images(count):
    images = tf.data.Dataset.range(count).map(lambda index: tf.random.stateless_uniform((64, 64, 3), [0, index]))
    return images.batch(16)

model, wide = net(16), net(64)
x = np.random.default_rng(0).uniform(size=(8, 64, 64, 3)).astype("float32")
make = kerasxai.explainers.get
few_many = {
    "images, gradient": (lambda e: (lambda: e(images(10)), lambda: e(images(1000))))(make("gradient")(model)),
    "images, grad_cam": (lambda e: (lambda: e(images(10)), lambda: e(images(1000))))(make("grad_cam")(model)),
}
for name, option, few, many in (
    ("integrated_gradients", "steps", 8, 64),
    ("blur_ig", "steps", 8, 64),
    ("smooth_grad", "n_samples", 8, 64),
    ("var_grad", "n_samples", 8, 64),
    ("smooth_grad_cam_plus_plus", "n_samples", 8, 64),
    ("score_cam", "max_channels", 8, 64),
):
    explainers = [make(name)(wide, batch_size=16, **{option: value}) for value in (few, many)]
    few_many[f"{option}, {name}"] = [lambda e=e: e(x) for e in explainers]
# RISE on images this small spends its time on masks, so a light model does.
light = keras.Sequential([keras.Input((64, 64, 3)), layers.GlobalAveragePooling2D(), layers.Dense(5)])
rise = [make("rise")(light, batch_size=16, n_masks=value) for value in (100, 8000)]
few_many["n_masks, rise"] = [lambda e=e: e(x) for e in rise]
# Ablating 64 channels, against one backward pass of a batch through the same model.
ablation, gradient = make("ablation_cam")(wide, batch_size=16, layer="conv2d_3"), make("gradient")(wide, batch_size=16)
few_many["channels, ablation_cam"] = [lambda: gradient(np.tile(x, (2, 1, 1, 1))), lambda: ablation(x)]
growth = {}
for key, (few, many) in few_many.items():
    few()  # traced, thread pools filled; the allocator keeps what it got, so the second run shows the level
    growth[key] = -peak_of(few) + peak_of(many)
print(json.dumps(growth))
"""


@pytest.fixture(scope="module")
def growth():
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of a process's memory is read from Linux's /proc")
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [
        "images, gradient",
        "images, grad_cam",
        "steps, integrated_gradients",
        "steps, blur_ig",
        "n_samples, smooth_grad",
        "n_samples, var_grad",
        "n_samples, smooth_grad_cam_plus_plus",
        "max_channels, score_cam",
        "n_masks, rise",
        "channels, ablation_cam",
    ],
)
def test_peak_does_not_grow_with(growth, what):
    assert growth[what] < ALLOWANCE
