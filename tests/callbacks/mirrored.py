"""Run as a script: trains under MirroredStrategy on two virtual CPU devices with callbacks; prints what was logged."""

import json

import keras
import numpy as np
import tensorflow as tf

import kerasxai
from tests.callbacks import training


def main():
    (device,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    keras.utils.set_random_seed(0)
    x, y = training.data()
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = training.compiled(training.network())
    quality = kerasxai.callbacks.Evaluate(x[:8], explainers=["grad_cam", "lrp"], evaluators=["drop_increase", "aopc"])
    drift = kerasxai.callbacks.ExplanationDrift(x[:8], every_batches=2)
    history = model.fit(x, y, epochs=2, batch_size=16, verbose=0, callbacks=[quality, drift]).history
    with strategy.scope():  # a fit inside the scope
        again = model.fit(x, y, epochs=1, batch_size=16, verbose=0, callbacks=[quality]).history
    by_hand = kerasxai.evaluators.DropIncrease()(model, x[:8], explainer="grad_cam").summary()["drop_rate"].mean
    print(
        json.dumps(
            {
                "replicas": strategy.num_replicas_in_sync,
                "history": {**history, "again": again["val_grad_cam_drop_rate"]},
                "batches": drift.history["batch"],
                "by_hand": by_hand,
                "loss": [float(np.isfinite(loss)) for loss in history["loss"]],
            }
        )
    )


if __name__ == "__main__":
    main()
