"""The tasks: samples whose evidence is known, nets that learn them, and what shows that these use it."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from kerasxai.datasets import mnist1d, planted

TASKS = {
    "mark": "one of four small marks decides the class; a digit and clutter do not",
    "distractor": "the same, beside a brighter and larger mark that decides nothing",
    "and": "the class is whether both of two marks are there; explained where they are",
    "or": "the class is whether at least one of two marks is there; explained where one or both are",
    "mnist1d": "signals of MNIST-1D, where the template of the class lies somewhere in noise",
}

BATCH = 64
LEARNING_RATE = 2e-3


class Samples(NamedTuple):
    """Samples of a task.

    Attributes:
        x, y: Samples and classes.
        evidence: What decides the class, bool `(samples, *spatial)`; empty where that is an absence.
        marks: Every mark or template there is, whether it decides or not.
        bare: The same samples without them.
        parts: Masks of what else is asked about, by name.
    """

    x: np.ndarray
    y: np.ndarray
    evidence: np.ndarray
    marks: np.ndarray
    bare: np.ndarray
    parts: dict

    def take(self, chosen):
        """The chosen samples."""
        parts = {name: masks[chosen] for name, masks in self.parts.items()}
        return Samples(*(values[chosen] for values in self[:-1]), parts)


def load(task, settings):
    """Training and test samples."""
    if task == "mnist1d":
        data = mnist1d.load_data(samples=settings.signals)
        masks = mnist1d.template_masks(samples=settings.signals)
        return tuple(signals(x, y, evidence) for (x, y), evidence in zip(data, masks))
    return tuple(scenes(task, part) for part in planted.load_data(task, samples=settings.scenes))


def signals(x, y, evidence):
    return Samples(x, y, evidence, evidence, bridged(x, evidence), {})


def bridged(x, masks):
    """Signals whose masked values lie on the lines between their neighbours."""
    steps = np.arange(x.shape[1])
    rows = [np.interp(steps, steps[~mask], signal[~mask, 0]) for signal, mask in zip(x, masks)]
    return np.asarray(rows, x.dtype)[..., np.newaxis]


def scenes(task, data):
    parts = {}
    if task == "distractor":
        parts = {"distractor": data.distractor}
    if task == "and":
        parts = {"first mark": data.marks[..., 0], "second mark": data.marks[..., 1]}
    return Samples(data.x, data.y, data.evidence, data.marks.any(axis=-1), data.bare, parts)


def trained(train, settings):
    """A convolutional net with global average pooling and one Dense layer, which every explainer admits."""
    build = signal_net if train.x.ndim == 3 else image_net
    epochs = settings.signal_epochs if train.x.ndim == 3 else settings.image_epochs
    model = build(train.x.shape[1:], classes=int(train.y.max()) + 1)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * -(-len(train.x) // BATCH))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(train.x, train.y, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def image_net(shape, classes):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def signal_net(shape, classes):
    filters = (32, 32, 64, 64, 64, 64)
    convolutions = [layers.Conv1D(count, 5, padding="same", activation="relu") for count in filters]
    head = [layers.GlobalAveragePooling1D(), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input(shape), *convolutions, *head])


def predicted(model, x):
    return model.predict(x, batch_size=256, verbose=0).argmax(axis=-1)


def intervened(model, test):
    """What a net predicts on test samples, and once their evidence is changed."""
    here = np.flatnonzero(test.evidence.any(axis=tuple(range(1, test.evidence.ndim))))
    other = np.roll(here, 1)
    marked = test.marks[..., np.newaxis]
    # Evidence of one sample, in another whose own has been taken out.
    moved = np.where(marked[here], test.x[here], test.bare[other])
    return {
        "accuracy": float((predicted(model, test.x) == test.y).mean()),
        "without evidence": float((predicted(model, test.bare[here]) == test.y[here]).mean()),
        "evidence moved": float((predicted(model, moved) == test.y[here]).mean()),
    }


def explained(model, test, settings):
    """Indices of the first test samples that have evidence and are predicted right."""
    has_evidence = test.evidence.any(axis=tuple(range(1, test.evidence.ndim)))
    return np.flatnonzero(has_evidence & (predicted(model, test.x) == test.y))[: settings.explained]
