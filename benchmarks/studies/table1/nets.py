"""The nets: MNIST-1D trained by several recipes; with the project's files, its own two and one trained on tiles."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import kerasxai
from benchmarks.study import Refused

BATCH = 32
CLASSES = [str(digit) for digit in range(10)]
TILE, SMALL_TILE = 224, 64


class Net(NamedTuple):
    """A net and the test samples it is judged on.

    Attributes:
        build: Function that gives it.
        x, y, class_names: Test samples.
        rated: Which of them drop and increase are measured on.
        fraction: Share of the positions that is kept.
    """

    build: Callable
    x: np.ndarray
    y: np.ndarray
    class_names: list
    rated: np.ndarray
    fraction: float


def nets_of(settings):
    """Dict name -> `Net`."""
    (x, y), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    signals = functools.partial(Net, x=x_test, y=y_test, class_names=CLASSES, fraction=0.3)
    signals = functools.partial(signals, rated=np.arange(settings.signals))
    nets = {
        name: signals(functools.partial(trained, kerasxai.models.mnist1d_cnn, x, y, **recipe))
        for name, recipe in settings.recipes.items()
    }
    if settings.data is not None:
        data = Path(settings.data)
        nets["MNIST-1D, the project's net"] = signals(loaded(data / "mnist1d" / "MNIST1D.h5"))
        nets["HMT, the project's net"] = tiles(data / "hmt", TILE, loaded(data / "hmt" / "HMT.h5"), settings)
        if settings.tile_epochs:
            build = functools.partial(trained_on_tiles, data / "hmt", settings.tile_epochs)
            nets["HMT, trained here"] = tiles(data / "hmt", SMALL_TILE, build, settings)
    return nets


def loaded(path):
    if not path.exists():
        raise Refused(f"--data: no {path.name} in {path.parent}.")
    return lambda: kerasxai.load_model(path)


def tiles(folder, side, build, settings):
    x, y = kerasxai.datasets.hmt.load_data(folder, "test", image_size=(side, side), as_arrays=True)
    each = settings.tiles // len(kerasxai.datasets.hmt.CLASS_NAMES)
    rated = [np.flatnonzero(y == label)[: max(1, each)] for label in np.unique(y)]
    names = [name.split("_")[1].lower() for name in kerasxai.datasets.hmt.CLASS_NAMES]
    return Net(build, x, y, names, np.concatenate(rated), 0.9)


def trained(build, x, y, optimizer, epochs):
    model = build()
    steps = epochs * -(-len(x) // BATCH)
    cosine = keras.optimizers.schedules.CosineDecay
    optimizers = {
        "sgd": lambda: keras.optimizers.SGD(0.01),
        "adam": lambda: keras.optimizers.Adam(cosine(2e-3, steps)),
        "nesterov": lambda: keras.optimizers.SGD(cosine(0.05, steps), momentum=0.9, nesterov=True),
    }
    model.compile(optimizers[optimizer](), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def trained_on_tiles(folder, epochs):
    size = (SMALL_TILE, SMALL_TILE)
    x, y = kerasxai.datasets.hmt.load_data(folder, "train", image_size=size, as_arrays=True)
    return trained(functools.partial(kerasxai.models.hmt_cnn, (*size, 3)), x, y, "adam", epochs)
