"""A saved model and images: which layer, which class, which pixels.

    python examples/saved_model.py [MODEL.h5 IMAGE ...]

Without arguments it first makes a model file and two images to work on.
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from PIL import Image

import kerasxai


def main(model_file=None, *image_files):
    if model_file is None:
        model_file, image_files = make_files()
    model = kerasxai.load_model(model_file)
    kerasxai.layer_table(model)
    size = model.input_shape[2], model.input_shape[1]
    pixels = [Image.open(file).convert("RGB").resize(size, Image.Resampling.BILINEAR) for file in image_files]
    images = np.stack([np.asarray(image, "float32") for image in pixels]) / 255  # the range this model was trained on
    predicted = model.predict(images, verbose=0).argmax(axis=1)
    maps = kerasxai.explain(model, images, method=["grad_cam", "layer_cam", "guided_grad_cam"], target=predicted)
    titles = [f"{os.path.basename(file)}: class {label}" for file, label in zip(image_files, predicted)]
    kerasxai.plots.grid(images, maps, row_titles=titles).savefig("saved_model.png")
    print("Wrote saved_model.png")


def make_files():
    """Stand-ins for your own: an untrained net as legacy HDF5, and two images of noise with a bright square."""
    keras.utils.set_random_seed(0)
    kerasxai.models.hmt_cnn(input_shape=(96, 96, 3)).save("net.h5")
    files = []
    for index, corner in enumerate([(10, 10), (50, 60)]):
        image = np.random.default_rng(index).integers(0, 120, size=(96, 96, 3), dtype="uint8")
        image[corner[0] : corner[0] + 24, corner[1] : corner[1] + 24] = 255
        files.append(f"image_{index}.png")
        Image.fromarray(image).save(files[-1])
    return "net.h5", files


if __name__ == "__main__":
    main(*sys.argv[1:])
