"""Trains a small net on scikit-learn's digits and writes `digits.png`: eight digits under five explainers.

    python examples/digits.py [FILE.png]
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits

import kerasxai

METHODS = ("grad_cam", "layer_cam", "ablation_cam", "integrated_gradients", "smooth_grad")


def main(path="digits.png"):
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images, labels = digits.images[..., None].astype("float32") / 16, digits.target
    model = build_model()
    model.fit(images[:1500], labels[:1500], epochs=20, verbose=0)
    _, accuracy = model.evaluate(images[1500:], labels[1500:], verbose=0)
    print(f"Accuracy on the 297 test digits: {accuracy:.3f}")

    samples = images[1500:1508]
    maps = kerasxai.explain(model, samples, method=list(METHODS))
    heatmaps = [
        one if one.ndim == 3 else kerasxai.to_heatmap(one, kerasxai.explainers.get(name).reduce)
        for name, one in maps.items()
    ]
    titles = [name.replace("_", " ") if column == 0 else "" for name in METHODS for column in range(len(samples))]
    figure = kerasxai.plots.overlay(
        np.tile(samples, (len(METHODS), 1, 1, 1)), np.concatenate(heatmaps), titles=titles, columns=8, alpha=0.8
    )
    figure.savefig(path)
    print(f"Wrote {path}: each row one explainer, for the class predicted.")


def build_model():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


if __name__ == "__main__":
    main(*sys.argv[1:2])
