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
    images = discs(512)
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
    model.fit(images[4:], values[4:], epochs=30, verbose=0)

    samples = images[:4]  # one linear unit: the value itself is explained
    explainer = kerasxai.explainers.IntegratedGradients(model)
    attributions = explainer(samples)
    left, right = attributions[:, :, :12].sum(axis=(1, 2, 3)), attributions[:, :, 12:].sum(axis=(1, 2, 3))
    print("Attribution of the left halves, which raise the value: ", np.round(left, 3))
    print("Attribution of the right halves, which lower it:", np.round(right, 3))
    titles = [
        f"{value:+.3f}, predicted {found:+.3f}" for value, (found,) in zip(values, model.predict(samples, verbose=0))
    ]
    figure = kerasxai.plots.grid(
        samples, {"integrated_gradients": attributions}, row_titles=titles, scale="column", alpha=0.9
    )
    figure.savefig("regression.png")
    print("Wrote regression.png")


def discs(count):
    """Images `(N, 24, 24, 1)` in 0..1: six discs each, of random size and brightness, wherever they fall."""
    random = np.random.default_rng(0)
    rows, columns = np.indices((24, 24))
    images = np.zeros((count, 24, 24, 1), "float32")
    for image in images:
        for row, column, radius, brightness in random.uniform((2, 2, 1, 0.3), (22, 22, 4, 1), size=(6, 4)):
            image[np.hypot(rows - row, columns - column) < radius] = brightness
    return images


if __name__ == "__main__":
    main()
