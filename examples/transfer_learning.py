"""Transfer learning: a pretrained net nested in a new one, explained through both without taking it apart."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasxai


def main(weights=None):
    """`weights="imagenet"` fetches the pretrained base; None leaves it untrained, to run anywhere."""
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2(weights=weights, include_top=False, input_shape=(96, 96, 3))
    base.trainable = False
    inputs = keras.Input((96, 96, 3))
    features = base(keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs), training=False)
    outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.GlobalAveragePooling2D()(features))
    model = keras.Model(inputs, outputs)

    explainer = kerasxai.explainers.GradCAM(model)
    print("Grad-CAM reads", explainer.layers_for(0))  # inside the nested net
    images = np.random.default_rng(0).integers(0, 256, size=(2, 96, 96, 3)).astype("float32")
    maps = {
        "grad_cam": explainer(images),  # one sigmoid unit: target 1 explains its logit, 0 the negative of it
        "guided_backprop": kerasxai.explain(model, images, method="guided_backprop"),
    }
    kerasxai.plots.grid(images, maps).savefig("transfer_learning.png")
    print("Wrote transfer_learning.png")


if __name__ == "__main__":
    main()
