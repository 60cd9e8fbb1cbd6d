"""What is explained: nets with global average pooling, which CAM needs, and images."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

import kerasxai
from benchmarks.studies.subjects import fitted, of_imagenet, photos
from benchmarks.study import Refused
from benchmarks.study.digits import digits

SIZE = 32  # of the digits
LIME_PARTS = 8  # of a digit along each axis: superpixels of so few colours are one or two


class Subject(NamedTuple):
    """A net and the images it explains.

    Attributes:
        name: Of the images.
        net: Its number among the nets of these images.
        model: Keras model.
        x: Images as the model takes them.
        shown: Images to draw maps on.
        accuracy: Share of test images predicted right; NaN where labels are unknown.
        segmentation: LIME's.
    """

    name: str
    net: int
    model: Any
    x: np.ndarray
    shown: np.ndarray
    accuracy: float
    segmentation: Any = None

    def take(self, chosen):
        """The subject with the chosen images."""
        return self._replace(x=self.x[chosen], shown=self.shown[chosen])


def subjects(work, settings):
    """The subjects, one after another; nets that are trained here are steps."""
    if settings.weights:
        yield of_photos(settings)
        return
    train, (x, y) = digits(SIZE)
    for net in work.each("net", range(settings.nets)):
        model = work.model(f"nets/digits {net}", lambda: fitted(digits_net(), train, settings.epochs))
        x_explained = x[: settings.explained]
        yield Subject("digits", net, model, x_explained, x_explained, accuracy(model, x, y), LIME_PARTS)
    if settings.data is not None:
        yield of_tiles(settings)


def digits_net():
    def convolution(filters):
        return layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")

    blocks = [convolution(16), layers.MaxPooling2D(), convolution(32), convolution(32), layers.MaxPooling2D()]
    head = [convolution(64), layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((SIZE, SIZE, 1)), *blocks, *head])


def of_tiles(settings):
    folder = settings.data / "hmt"
    path = folder / "HMT.h5"
    if not path.is_file():
        raise Refused(f"--data: there is no {path}")
    model = kerasxai.load_model(path)
    x, y = kerasxai.datasets.hmt.load_data(folder, "test", as_arrays=True)
    chosen = np.concatenate([np.flatnonzero(y == label)[: settings.tiles] for label in np.unique(y)])
    return Subject("tiles", 0, model, x[chosen], x[chosen], accuracy(model, x, y))


def of_photos(settings):
    model = of_imagenet("VGG16", settings)
    x, shown = photos(model, settings)
    return Subject("photos", 0, model, x, shown, np.nan)


def accuracy(model, x, y):
    return float((model.predict(x, batch_size=32, verbose=0).argmax(axis=-1) == y).mean())
