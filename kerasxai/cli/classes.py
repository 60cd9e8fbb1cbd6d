"""The classes of a model on the command line: its probabilities, and what the classes are called."""

import json
import re
from pathlib import Path

import numpy as np

from kerasxai.suggestions import did_you_mean

TOP = re.compile(r"top([1-9]\d*)")


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

    def best(self, x, count):
        """The classes that explainers take for `"top<count>"`, `(samples, count)`."""
        import tensorflow as tf

        from kerasxai.running import Batch

        return self._runner.best_classes(Batch([tf.constant(x)]), self._target, count).numpy()

    def _outputs(self, inputs, target):
        return self._score.outputs(inputs, target)[0][0]


class ClassNames:
    """Names of the classes: those given, or of the class sub-folders, or their numbers.

    Args:
        listed: The names that `--classes` holds, or none.
        inputs: The `Inputs`.
        count: Number of the model's classes, or None.
    """

    def __init__(self, listed, inputs, count):
        self._folders = inputs.class_folders(count)
        self.count = count
        self.names = listed or self._folders or [str(index) for index in range(count or 0)]
        if listed and len(listed) != count:
            raise ValueError(f"--classes must name {count or 1} classes. Received: {len(listed)}, {_some(listed)}.")

    def label(self, folder):
        """The class a sub-folder stands for, None if sub-folders are no classes."""
        return self._folders.index(folder) if self._folders and folder in self._folders else None


def class_names(file):
    """The names in the file that `--classes` names; none where there is no file.

    Raises:
        FileNotFoundError, ValueError: The file is missing, or no list of names.
    """
    if file is None:
        return []
    if not Path(file).is_file():
        raise FileNotFoundError(f"--classes {file} is no file. Give one with class names, one a line or a JSON list.")
    try:
        text = Path(file).read_text(encoding="utf-8")
        names = json.loads(text) if Path(file).suffix.lower() == ".json" else text.splitlines()
    except ValueError as error:  # of either coding
        raise ValueError(f"--classes {file} is no text, or no JSON: {error}.") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"--classes {file} must be a JSON list of names. Received: {type(names).__name__} {str(names)[:60]}."
        )
    names = [name.strip() for name in names if name.strip()]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"--classes {file} must hold different names. Received: {_some(names) or 'none'}.")
    return names


def check_target(text, names):
    """Refuses a `--target` that cannot be right, whatever the model is; `names` are those that its classes may have."""
    if not (text == "predicted" or TOP.fullmatch(text) or text.isdecimal()):
        _index(text, names)


def read_target(text, names):
    """`"predicted"`, `"top4"`, or the index of a class: what `--target` means for a model with these `ClassNames`."""
    count = names.count
    if text == "predicted":
        return text
    if best := TOP.fullmatch(text):
        if count is None or int(best.group(1)) > count or count < 2:
            raise ValueError(f"--target {text}: the model has {count or 1} classes.")
        return text
    if text.isdecimal():
        if count is None or int(text) >= count:
            raise ValueError(f"--target {text}: the model has the classes 0 to {(count or 1) - 1}.")
        return int(text)
    return _index(text, names.names)


def in_words(target):
    """What `--target` asks for."""
    return "the class predicted" if target == "predicted" else target


def _index(name, names):
    """The class of a name, or of a unique part of it."""
    indices = [index for index, known in enumerate(names) if known == name]
    if not indices:
        indices = [index for index, known in enumerate(names) if name.lower() in known.lower()]
    if len(indices) != 1:
        known = f", or the name of a class: {', '.join(names)}" if names else ""
        raise ValueError(
            f"--target must be `predicted`, `top4` for the four best, the number of a class{known}. "
            f"Received: {name!r}.{did_you_mean(name, names)}"
        )
    return indices[0]


def _some(names):
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
