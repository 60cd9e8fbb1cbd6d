"""The nets: one form with and without batch normalisation, trained on digits; or VGG-16 of ImageNet."""

import functools

import keras
from keras import layers

from benchmarks.studies.subjects import fitted, of_imagenet, photos
from benchmarks.study.digits import digits

SIZE = 32


def nets_of(settings):
    """Dict net -> function that builds and trains it."""
    if settings.weights:
        return {"plain": functools.partial(of_imagenet, "VGG16", settings)}
    return {
        "plain": functools.partial(trained, False, settings),
        "batch_norm": functools.partial(trained, True, settings),
    }


def explained(model, settings):
    """Images to explain and their classes; unknown classes are what is predicted."""
    if settings.weights:
        x, _ = photos(model, settings)
        return x, predictions(model, x).argmax(axis=-1)
    _, (x, y) = digits(SIZE)
    return x[: settings.explained], y[: settings.explained]


def predictions(model, x):
    return model.predict(x, batch_size=64, verbose=0)


def trained(is_normalised, settings):
    train, _ = digits(SIZE)
    return fitted(vgg_like(is_normalised), train, settings.epochs, rate=1e-3)


def vgg_like(is_normalised):
    """Blocks of two 3 x 3 convolutions and a pooling, two Dense layers: VGG's form, narrowed."""
    model = keras.Sequential([keras.Input((SIZE, SIZE, 1))])
    for filters in (16, 32, 64):
        for _ in range(2):
            model.add(layers.Conv2D(filters, 3, padding="same", use_bias=not is_normalised))
            if is_normalised:
                model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    return model
