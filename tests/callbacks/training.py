"""Small nets and data that train in a second, and what callbacks are tested with."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kerasxai import explainers

ROOT = Path(__file__).resolve().parents[2]
SHAPE, CLASSES = (12, 12, 3), 3


def data(samples=32, shape=SHAPE):
    """Noise with a bright stripe whose place is the class: `(x, y)`."""
    draws = np.random.default_rng(0)
    y = np.arange(samples) % CLASSES
    x = draws.normal(size=(samples, *shape)).astype("float32")
    for image, label in zip(x, y):
        image[4 * label : 4 * label + 4] += 1
    return x, y


def network(dropout=0.0, shape=SHAPE):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(dropout, name="drop"),
            layers.AveragePooling2D(4, name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(CLASSES, activation="softmax", name="head"),
        ]
    )


class Subclassed(keras.Model):
    """A model without a graph, not built before its first batch."""

    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(4, 3, activation="relu", name="conv")
        self.gap = layers.GlobalAveragePooling2D()
        self.units = layers.Dense(CLASSES, activation="softmax")

    def call(self, x):
        return self.units(self.gap(self.conv(x)))


def fresh():
    """The compiled network as it was made: one for all tests of a process, so that its training is traced once."""
    model, variables, values = _made_once()
    for variable, value in zip(variables, values):
        variable.assign(value)
    return model


@functools.cache
def _made_once():
    model = compiled(network())
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    return model, variables, [variable.numpy() for variable in variables]


def compiled(model, **options):
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def fit(*callbacks, model=None, epochs=2, **options):
    """A History of a short training with these callbacks."""
    x, y = data()
    options = {"validation_data": (x, y), "batch_size": 16, "verbose": 0, **options}
    return (model or fresh()).fit(x, y, epochs=epochs, callbacks=list(callbacks), **options)


def failing_at(call, error=None):
    """A function of the model: Grad-CAM that raises the error at this call of it, counted from 0."""

    class Failing(explainers.GradCAM):
        name = "failing"
        calls = -1

        def __call__(self, *args, **kwargs):
            self.calls += 1
            if self.calls == call:
                raise error or RuntimeError("no map today")
            return super().__call__(*args, **kwargs)

    return Failing


def run_script(name, *arguments, timeout=600):
    """What a script beside this file prints as JSON, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.callbacks.{name}", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def events(folder):
    """Dict tag -> list of (step, value) in TensorBoard's event files."""
    found = {}
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
    return found
