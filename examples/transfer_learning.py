"""Transfer learning: a pretrained net nested in a new one, explained through both without taking it apart.

The base has learnt the digits 0 to 4. On its features, frozen, a new model finds 5 to 9, two of them in an image. Its
maps, read at a layer inside the base, go to the digit that is asked for.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits

import kerasxai

layers = keras.layers
HEIGHT, WIDTH, DIGIT = 20, 40, 16


def main():
    keras.utils.set_random_seed(0)
    base = keras.Sequential(
        [
            keras.Input((HEIGHT, WIDTH, 1)),
            # Without biases what is black stays 0.
            layers.Conv2D(16, 5, padding="same", activation="relu", use_bias=False, name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu", use_bias=False, name="conv2"),
            layers.MaxPooling2D(),
        ],
        name="base",
    )
    with_head(base, *pairs_of(range(5), 2000))
    base.trainable = False

    x, present = pairs_of(range(5, 10), 2500)
    model = with_head(base, x[:2000], present[:2000])
    right = (model.predict(x[2000:], verbose=0) > 0.5) == present[2000:]
    print(f"Digits 5 to 9 found, or found missing, in new pairs: {right.mean():.1%}")

    kerasxai.layer_table(model)  # names the layers inside the base: base/conv1 ...
    images = x[2000:2004]
    smaller, larger = np.array([np.flatnonzero(row) for row in present[2000:2004]]).T
    explainer = kerasxai.explainers.LayerCAM(model, layer="base/conv2")
    maps = {"smaller": explainer(images, target=smaller), "larger": explainer(images, target=larger)}
    kerasxai.plots.grid(
        images,
        maps,
        row_titles=[f"{one + 5} and {other + 5}" for one, other in zip(smaller, larger)],
        column_titles=["for the smaller digit", "for the larger"],
        alpha=0.8,
    ).savefig("transfer_learning.png")
    print("Wrote transfer_learning.png")


def with_head(base, x, present):
    """The base nested in a new model with a head of its own, trained: which of five digits are in the image."""
    inputs = keras.Input((HEIGHT, WIDTH, 1))
    features = layers.Conv2D(64, 4, activation="relu", padding="same", use_bias=False, name="head")(base(inputs))
    model = keras.Model(inputs, layers.Dense(5, activation="sigmoid")(layers.GlobalMaxPooling2D()(features)))
    model.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy")
    model.fit(x, present, epochs=10, batch_size=32, verbose=0)
    return model


def pairs_of(classes, count):
    """Images of two different digits side by side in random order `(N, 20, 40, 1)`, and which are there `(N, 5)`."""
    random = np.random.default_rng(0)
    digits = load_digits()
    images, present = np.zeros((count, HEIGHT, WIDTH, 1), "float32"), np.zeros((count, 5), "float32")
    for image, row in zip(images, present):
        for half, label in zip((0, WIDTH // 2), random.choice(classes, 2, replace=False)):
            digit = digits.images[random.choice(np.flatnonzero(digits.target == label))] / 16
            top, left = random.integers(HEIGHT - DIGIT + 1), half + random.integers(WIDTH // 2 - DIGIT + 1)
            image[top : top + DIGIT, left : left + DIGIT, 0] = np.kron(digit, np.ones((2, 2)))
            row[label - min(classes)] = 1
    return images, present


if __name__ == "__main__":
    main()
