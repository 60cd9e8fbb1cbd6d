"""How good explanations are, in pictures: an MNIST-1D net, its explainers evaluated, and the figure of every curve.

Writes comparison.png, deletion.png, road.png, noise.png, randomization.png and similarity.png.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasxai
from kerasxai import evaluators, plots
from kerasxai.evaluators.similarity import spearman

METHODS = ["grad_cam", "gradient_x_input", "lrp"]
MORE_METHODS = ["layer_cam", "hires_cam", "integrated_gradients"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100)
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    model = kerasxai.models.mnist1d_cnn()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=options.epochs, batch_size=64, verbose=0)
    print(f"Accuracy: {model.evaluate(x_test, y_test, verbose=0)[1]:.3f}")
    x = x_test[: options.samples]

    measures = {
        "deletion": evaluators.Deletion(steps=20),
        "road": evaluators.ROAD(),
        "noise": evaluators.NoiseRobustness(levels=(0.02, 0.05, 0.1, 0.2)),
        "randomization": evaluators.Randomization(keep_maps=1),
    }
    comparison = kerasxai.evaluate(model, x, METHODS, measures)
    print(comparison)
    comparison.plot().savefig("comparison.png")
    for name, figure in comparison.plot_curves(x).items():
        figure.savefig(f"{name}.png")

    maps = kerasxai.explain(model, x, method=METHODS + MORE_METHODS)
    maps = {name: kerasxai.to_heatmap(one) if one.ndim == x.ndim else one for name, one in maps.items()}
    alike = [[np.nanmean(spearman(one, other)) for other in maps.values()] for one in maps.values()]
    plots.similarity(alike, labels=maps, title="mean Spearman correlation of the maps").savefig("similarity.png")


if __name__ == "__main__":
    main()
