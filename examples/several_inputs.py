"""Several inputs and outputs: an image and a signal in, two heads out; attributions to each input for one head."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasxai

layers = keras.layers


def main():
    keras.utils.set_random_seed(0)
    model = build_model()
    random = np.random.default_rng(0)
    x = {
        "image": random.uniform(size=(4, 32, 32, 3)).astype("float32"),
        "signal": random.normal(size=(4, 50, 1)).astype("float32"),
    }
    attributions = kerasxai.explain(model, x, method="integrated_gradients", target=("kind", None), steps=20)
    share = np.abs(attributions["image"]).sum() / sum(np.abs(one).sum() for one in attributions.values())
    print(f"The image has {share:.0%} of the attribution to the head `kind`, the signal the rest.")
    maps = kerasxai.explain(model, x, method="grad_cam", target=("value", None), layer="image_features")
    figure = kerasxai.plots.overlay(x["image"], maps, titles=[f"sample {index}" for index in range(4)])
    figure.savefig("several_inputs.png")
    print("Wrote several_inputs.png: Grad-CAM of the head `value` on the image branch")


def build_model():
    image, signal = keras.Input((32, 32, 3), name="image"), keras.Input((50, 1), name="signal")
    from_image = layers.Conv2D(8, 3, activation="relu", name="image_features")(image)
    from_signal = layers.Conv1D(8, 5, activation="relu", name="signal_features")(signal)
    pooled = [layers.GlobalAveragePooling2D()(from_image), layers.GlobalAveragePooling1D()(from_signal)]
    both = layers.Dense(16, activation="relu")(layers.Concatenate()(pooled))
    kind = layers.Dense(3, activation="softmax", name="kind")(both)
    value = layers.Dense(1, name="value")(both)
    return keras.Model({"image": image, "signal": signal}, {"kind": kind, "value": value})


if __name__ == "__main__":
    main()
