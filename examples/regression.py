"""Regression: which part of an image makes the predicted value large, and which makes it small."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasxai

layers = keras.layers


def main():
    """The value to predict: brightness of the left half minus that of the right half."""
    keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).uniform(size=(512, 24, 24, 1)).astype("float32")
    images *= np.random.default_rng(1).uniform(size=(512, 1, 24, 1)).astype("float32")
    values = images[:, :, :12].mean(axis=(1, 2, 3)) - images[:, :, 12:].mean(axis=(1, 2, 3))
    model = keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    model.fit(images, values, epochs=30, verbose=0)

    samples = images[:4]  # one linear unit: the value itself is explained
    explainer = kerasxai.explainers.IntegratedGradients(model)
    attributions = explainer(samples)
    left, right = attributions[:, :, :12].sum(axis=(1, 2, 3)), attributions[:, :, 12:].sum(axis=(1, 2, 3))
    print("Attribution of the left halves, which raise the value: ", np.round(left, 3))
    print("Attribution of the right halves, which lower it:", np.round(right, 3))
    kerasxai.plots.grid(samples, {"integrated_gradients": attributions}).savefig("regression.png")
    print("Wrote regression.png")


if __name__ == "__main__":
    main()
