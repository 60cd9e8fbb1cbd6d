"""The classes of a model on the command line: its probabilities, and what the classes are called."""

import json

import numpy as np


class Predictor:
    """The model's probabilities, compiled once."""

    def __init__(self, model):
        from kerasxai.graph import Score, view
        from kerasxai.images import number_of_classes
        from kerasxai.running import Runner
        from kerasxai.targets import Target

        self._score = score = Score(view(model), "probability")
        self._target = Target(0, None, score.scale())
        self._binary = score.is_binary(self._target)
        self.classes = number_of_classes(score)
        self._runner = Runner(score)

    def __call__(self, x):
        """Probabilities `(samples, classes)` of `x`; the value itself for a regression unit."""
        import tensorflow as tf

        from kerasxai.running import Batch

        values = self._runner.call(self._outputs, Batch([tf.constant(x)]), self._target).numpy()
        return np.concatenate([1 - values, values], axis=1) if self._binary else values

    def _outputs(self, inputs, target):
        return self._score.outputs(inputs, target)[0][0]


class ClassNames:
    """Names of the classes: from a file, from the class sub-folders, or their numbers."""

    def __init__(self, file, inputs, classes):
        self._folders = inputs.class_folders(classes)
        self.names = self._folders or [str(index) for index in range(classes or 0)]
        if file:
            self.names = _read_names(file)
            if len(self.names) != classes:
                raise ValueError(f"--classes must name {classes} classes. Received: {len(self.names)} in {file}.")

    def label(self, folder):
        """The class a sub-folder stands for, None if sub-folders are no classes."""
        return self._folders.index(folder) if self._folders and folder in self._folders else None

    def index(self, name):
        """The class of a name, of a unique part of it, or of a number."""
        found = [index for index, one in enumerate(self.names) if one == name] or [
            index for index, one in enumerate(self.names) if name.lower() in one.lower()
        ]
        if len(found) != 1:
            raise ValueError(f"--target must name one of the classes {', '.join(self.names)}. Received: {name!r}.")
        return found[0]


def _read_names(file):
    with open(file, encoding="utf-8") as stream:
        text = stream.read()
    if str(file).endswith(".json"):
        return [str(name) for name in json.loads(text)]
    return [line.strip() for line in text.splitlines() if line.strip()]
