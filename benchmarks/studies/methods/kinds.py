"""Eleven kinds of model, small and untrained, and what each method does with them."""

import re
import warnings

import keras
import numpy as np
from keras import layers

import kerasxai

IMAGE = (16, 16, 3)
SIGNAL = (40, 2)
SAMPLES = 2
RUNS = "runs"


def convolution(filters, activation="relu"):
    return layers.Conv2D(filters, 3, padding="same", activation=activation)


def chain(shape, *steps):
    return keras.Sequential([keras.Input(shape), *steps])


def backbone():
    return chain(IMAGE, convolution(4), layers.MaxPooling2D(), convolution(6))


def pooled(*steps):
    return chain(IMAGE, *steps, layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax"))


def sequential():
    return pooled(convolution(4), convolution(6)), images()


def residual():
    x = inputs = keras.Input(IMAGE)
    for _ in range(2):
        y = layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same", use_bias=False)(x))
        x = layers.ReLU()(layers.Add()([x, y]))
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, outputs), images()


def nested():
    inputs = keras.Input(IMAGE)
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(backbone()(inputs)))
    return keras.Model(inputs, outputs), images()


def flattened():
    head = [layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")]
    return chain(IMAGE, convolution(4), layers.MaxPooling2D(), convolution(4), *head), images()


def dense():
    return chain((12,), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")), random((12,))


def one_dimensional():
    convolutions = [layers.Conv1D(filters, 3, padding="same", activation="relu") for filters in (4, 6)]
    head = [layers.GlobalAveragePooling1D(), layers.Dense(3, activation="softmax")]
    return chain(SIGNAL, *convolutions, *head), random(SIGNAL)


def two_inputs():
    image, vector = keras.Input(IMAGE), keras.Input((5,))
    features = layers.GlobalAveragePooling2D()(backbone()(image))
    merged = layers.Concatenate()([features, layers.Dense(4, activation="relu")(vector)])
    return keras.Model([image, vector], layers.Dense(3, activation="softmax")(merged)), [images(), random((5,))]


def two_outputs():
    inputs = keras.Input(IMAGE)
    features = layers.GlobalAveragePooling2D()(backbone()(inputs))
    outputs = [layers.Dense(units, activation="softmax", name=f"of_{units}")(features) for units in (3, 4)]
    return keras.Model(inputs, outputs), images()


def half_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = pooled(convolution(4), convolution(6))
    finally:
        keras.config.set_dtype_policy(policy)
    return model, images()


class Subclassed(keras.Model):
    """A net whose operations show only when it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.second = convolution(4), convolution(6)
        self.pooling, self.head = layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.head(self.pooling(self.second(self.first(x))))


def subclassed():
    model = Subclassed()
    model(images())
    return model, images()


def function():
    model = pooled(convolution(4), convolution(6))
    return lambda x: model.predict_on_batch(x), images()


KINDS = {
    "Sequential": sequential,
    "residual, batch-normalised": residual,
    "nested": nested,
    "no global pooling": flattened,
    "dense layers only": dense,
    "1-D": one_dimensional,
    "two inputs": two_inputs,
    "two outputs": two_outputs,
    "mixed_float16": half_precision,
    "subclassed": subclassed,
    "NumPy function": function,
}
NO_CONVOLUTION = ("dense layers only",)
NO_NET = ("NumPy function",)
TARGETS = {"two outputs": ("of_3", None)}


def tried(kind, configs):
    """Dict method -> `RUNS`, or the first sentence of what was said instead."""
    model, x = KINDS[kind]()
    return {row: outcome(config, model, x, TARGETS.get(kind)) for row, config in configs.items()}


def outcome(config, model, x, target):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what untrained nets are explained by
        try:
            maps = kerasxai.explainers.from_config(config, model)(x, target=target)
        except Exception as error:  # whatever is said is the result
            return first_sentence(error)
    finite = all(np.isfinite(array).all() for array in keras.tree.flatten(maps))
    return RUNS if finite else "Gives values that are not finite."


def first_sentence(error):
    message = re.split(r"(?<=\.)\s", str(error).strip())[0]
    return message if isinstance(error, (TypeError, ValueError)) else f"{type(error).__name__}: {message}"


def images():
    return random(IMAGE)


def random(shape):
    return np.random.default_rng(0).random((SAMPLES, *shape), np.float32)
