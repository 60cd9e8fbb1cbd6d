"""A saved model and images: which class, which layer, which pixels.

    python examples/saved_model.py [MODEL IMAGE ...]

Without arguments it first makes files to work on: a net trained to read a digit that lies somewhere on a photograph,
saved as `digits_on_photographs.keras`, and images that it has not seen.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits, load_sample_images

import kerasxai

SIDE, DIGIT = 48, 16  # pixels of an image, of the digit on it


def main(model_file=None, *image_files):
    if model_file is None:
        model_file, image_files = make_files()
    model = kerasxai.load_model(model_file)
    kerasxai.layer_table(model)
    images = kerasxai.load_images(image_files, model, preprocess="0-1")  # the range this model was trained on
    probabilities = model.predict(images.x, verbose=0)
    maps = kerasxai.explain(model, images.x, method=["grad_cam", "layer_cam", "guided_grad_cam"])
    titles = [f"class {row.argmax()} ({row.max():.2f})" for row in probabilities]
    kerasxai.plots.grid(images.pixels, maps, row_titles=titles).savefig("saved_model.png")
    print("Wrote saved_model.png")


def make_files():
    """Stand-ins for your own."""
    keras.utils.set_random_seed(0)
    digits = load_digits()
    x = on_photographs(digits.images)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Conv2D(16, 5, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1500], digits.target[:1500], epochs=12, batch_size=32, verbose=0)
    print(f"Accuracy on images not seen: {model.evaluate(x[1500:], digits.target[1500:], verbose=0)[1]:.2f}")
    model.save("digits_on_photographs.keras")
    files = []
    for index in range(1500, 1504):
        files.append(f"image_{index - 1500}.png")
        keras.utils.save_img(files[-1], x[index] * 255, scale=False)
    return "digits_on_photographs.keras", files


def on_photographs(digits):
    """Each digit at a random place of a piece of scikit-learn's photographs, `(N, 48, 48, 3)` in 0..1."""
    random = np.random.default_rng(0)
    photographs = [photograph[::3, ::3] / 255 for photograph in load_sample_images().images]
    images = np.empty((len(digits), SIDE, SIDE, 3), "float32")
    for image, digit in zip(images, digits):
        photograph = photographs[random.integers(len(photographs))]
        top, left = (random.integers(length - SIDE) for length in photograph.shape[:2])
        image[:] = 0.7 * photograph[top : top + SIDE, left : left + SIDE]
        top, left = random.integers(SIDE - DIGIT, size=2)
        ink = np.kron(digit / 16, np.ones((2, 2)))[..., np.newaxis]
        place = image[top : top + DIGIT, left : left + DIGIT]
        place[:] = (1 - ink) * place + ink
    return images


if __name__ == "__main__":
    main(*sys.argv[1:])
