"""Run as a script: 20 epochs with or without callbacks; prints a digest of the weights, traces and memory per epoch."""

import hashlib
import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import func_graph

import kerasxai
from tests.callbacks import training

EPOCHS = 20


class Meter(keras.callbacks.Callback):
    """Traces, of whatever function, and resident memory (bytes) at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.count, self.traces, self.memory = 0, [], []
        begin = func_graph.FuncGraph.__init__

        def counted(graph, *args, **kwargs):
            self.count += 1
            begin(graph, *args, **kwargs)

        func_graph.FuncGraph.__init__ = counted

    def on_epoch_end(self, epoch, logs=None):
        self.traces.append(self.count)
        with open("/proc/self/statm") as file:
            self.memory.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))


def main(with_callbacks, folder):
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    x, y = training.data(samples=64)
    model = training.compiled(training.network(dropout=0.3))
    callbacks = []
    if with_callbacks:
        callbacks = [
            kerasxai.callbacks.DropIncrease(x[:16], explainer="grad_cam", every_batches=3),
            kerasxai.callbacks.AOPC(x[:8], explainer="lrp", window=4),
            kerasxai.callbacks.DeletionInsertion(x[:8], y[:8], explainer="smooth_grad", steps=4, target="true"),
            kerasxai.callbacks.ExplanationDrift(x[:8], explainer="integrated_gradients"),
            kerasxai.callbacks.Heatmaps(x[:2], explainer="layer_cam", directory=folder, log_dir=folder),
        ]
    meter = Meter()
    history = model.fit(
        x, y, validation_data=(x, y), epochs=EPOCHS, batch_size=16, verbose=0, callbacks=[*callbacks, meter]
    ).history
    weights = b"".join(np.asarray(variable).tobytes() for variable in [*model.weights, *model.optimizer.variables])
    print(
        json.dumps(
            {
                "weights": hashlib.sha256(weights).hexdigest(),
                "losses": [history["loss"], history["val_loss"], history["accuracy"]],
                "traces": meter.traces,
                "memory": meter.memory,
                "draws": [float(np.random.random()), float(tf.random.uniform([]))],  # noqa: NPY002
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1] == "with", sys.argv[2])
