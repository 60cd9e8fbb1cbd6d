"""What is explained: the predicted class, given labels, the best classes, an output of several, or a function.

Targets are checked here, at the door, and become one int32 tensor per batch, so that no class costs a new trace.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph.fingerprint import Held
from kerasxai.graph.score import LOGITS, OWN_OUTPUTS, Scale
from kerasxai.precision import as_float

PREDICTED = -1  # stands in the class tensor for "the class this sample is predicted to be"


class Classes(np.ndarray):
    """Class indices that are classes beyond doubt, int32 `(samples,)`.

    A plain int may also count the values of a regression, so that of linear units which nothing declares to be logits
    it means the value. `target=Classes([2, 0, 1])` means the probability, as one-hot rows do.

    Args:
        indices: One class index per sample.
    """

    def __new__(cls, indices):
        return np.asarray(indices, np.int32).view(cls)


def of_logits(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the model's logits as `target`, where a plain function gets the model's own outputs.

    A final softmax or sigmoid is left out of every output; linear units stay what they are.

    Args:
        function: Logits, packed as the model packs its outputs -> `(batch,)`; with `(of_logits(function), array)` it
            takes per-sample data besides.

    Example:

    ```python
    margin = kerasxai.of_logits(lambda logits: logits[:, 0] - logits[:, 1])
    maps = kerasxai.explain(model, images, "gradient", target=margin)
    ```
    """
    if not callable(function):
        raise TypeError(f"`function` must be callable. Received: {function!r}.")
    return _OfLogits(function)


@dataclass(frozen=True)
class _OfLogits:
    function: Callable

    def __call__(self, *arguments):
        return self.function(*arguments)


@dataclass(frozen=True)
class Target:
    """What a batch is explained for, inside a compiled function.

    Attributes:
        output: Index of the model's output.
        function: None, or what makes the explained value of the outputs: `outputs -> (batch,)`.
        scale: The `Scale` on which it reads the outputs.
        classes: int32 tensor `(batch,)`; `PREDICTED` where the predicted class is meant. None before there is a batch.
        data: None, or the rows of per-sample data that `function` takes besides.
        held: What `function` computes with besides: where that has changed, the target is another one.
    """

    output: int
    function: Callable | None
    scale: Scale
    classes: Any = None
    data: Any = None
    held: Held | None = None

    def of_batch(self, classes, data=None):
        """The target of a batch: its classes and its rows of data."""
        return replace(self, classes=classes, data=data)

    def repeat(self, times):
        """The target of a batch in which every sample stands `times` times in a row."""
        data = None if self.data is None else tf.repeat(self.data, times, axis=0)
        return replace(self, classes=tf.repeat(self.classes, times), data=data)

    def tile(self, times):
        """The target of a batch that stands `times` times, one whole batch after the other."""
        data = self.data
        if data is not None:
            data = tf.tile(data, tf.concat([[times], tf.ones(tf.rank(data) - 1, tf.int32)], axis=0))
        return replace(self, classes=tf.tile(self.classes, [times]), data=data)

    def rows(self, indices):
        """The target of a batch made of the samples `indices`."""
        data = None if self.data is None else tf.gather(self.data, indices)
        return replace(self, classes=tf.gather(self.classes, indices), data=data)


def select(score, outputs, target):
    """The explained scalar of each sample.

    Args:
        score: The `Score` that made `outputs`.
        outputs: Flat list of outputs on the target's scale.
        target: A `Target`.

    Returns:
        Tensor `(batch,)`.
    """
    if target.function is not None:
        return _call_function(score, outputs, target)
    values = outputs[target.output]
    if values.shape.rank != 2:
        raise ValueError(
            f"A class target needs an output of shape (batch, classes). Received: output {tuple(values.shape)}. "
            "Give a callable `target`, outputs -> (batch,), that says which value of it to explain."
        )
    if values.shape[-1] > 1:
        classes = resolve(score, outputs, target).classes
        # `tf.gather(values, classes, batch_dims=1)`, whose gradient takes a quarter of the time that a trace takes.
        return tf.gather_nd(values, tf.stack([tf.range(tf.shape(classes)[0]), classes], axis=1))
    value = values[:, 0]
    if not score.is_binary(target):
        return value
    other = -value if target.scale.kind == "logit" else 1.0 - value
    return tf.where(resolve(score, outputs, target).classes == 1, value, other)


def resolve(score, outputs, target):
    """The same target with every `PREDICTED` replaced by the class that `outputs` predict."""
    if target.function is not None:
        return target
    predicted = tf.stop_gradient(ranked_classes(score, outputs, target, 1)[:, 0])
    return replace(target, classes=tf.where(target.classes == PREDICTED, predicted, target.classes))


def ranked_classes(score, outputs, target, count):
    """The `count` best classes of each sample, best first, int32 `(batch, count)`."""
    values = outputs[target.output]
    if values.shape[-1] > 1:
        return tf.math.top_k(values, count).indices
    threshold = 0.0 if target.scale.kind == "logit" else 0.5
    positive = tf.cast(values > threshold, tf.int32) if score.is_binary(target) else tf.zeros_like(values, tf.int32)
    return tf.concat([positive, 1 - positive], axis=1)[:, :count]


def of_logit_scale(target):
    """The same target, its classes scored by their logits."""
    return replace(target, scale=target.scale._replace(kind="logit"))


def uses_labels(target):
    """Whether a target takes the labels of the samples."""
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], str):
        target = target[1]  # of one output of several
    return isinstance(target, str) and target == "true"


def check_labels(y, target):
    """Refuses labels beside arrays that the target does not use; a dataset may bring some along."""
    if y is not None and not uses_labels(target):
        raise ValueError(
            f'`y` is used by target="true" only. Received: y and target={_shown(target)}. Add target="true", or give '
            "the classes to explain as `target`."
        )


class TargetPlan:
    """A user's `target` checked against a model, and handed out batch by batch.

    Args:
        target: See `Explainer.__call__`.
        score: A `Score` that knows its heads.

    Attributes:
        target: The `Target`, without a batch; hashable.
        of_classes: Whether it speaks of classes, as all do but functions and plain indices.
        count: Number of classes asked for by `"top<count>"`, else None.
    """

    def __init__(self, target, score):
        self.count, self._data, self._classes = None, None, PREDICTED
        self._score = score
        output, target = _split_output(target, score.model.output_names)
        self._is_true = isinstance(target, str) and target == "true"
        if callable(target) or _has_data(target):
            function, self._data = (target, None) if callable(target) else (target[0], np.asarray(target[1]))
            self.of_classes = False
            scale = LOGITS if isinstance(function, _OfLogits) else OWN_OUTPUTS
            self.target = Target(output, function, scale, held=Held(function))
        else:
            self.of_classes = _speaks_of_classes(target)
            self.target = Target(output, None, score.scale(output, self.of_classes))
            self._read_classes(target)
        self._say_what_is_taken_for_granted(target)

    def check_length(self, samples):
        """Refuses per-sample targets that are not one per sample."""
        entries = self._data if self._data is not None else self._classes
        if np.ndim(entries) > 0 and len(entries) != samples:
            raise ValueError(
                f"`target` must have one entry per sample. Received: {len(entries)} targets for {samples} samples."
            )

    def batch(self, start, size, labels):
        """Classes and data of the samples `start ... start + size`.

        Args:
            start: Index of the first sample.
            size: Number of samples.
            labels: Their labels, where the input has labels.

        Returns:
            int32 array `(size,)`, data array `(size, ...)` or None.
        """
        stop = start + size
        if self._is_true:
            return self._true_classes(labels), None
        if self._data is not None:
            self._check_reach(self._data, stop)
            return np.full(size, PREDICTED, np.int32), self._data[start:stop]
        if np.ndim(self._classes) == 0:
            return np.full(size, self._classes, np.int32), None
        self._check_reach(self._classes, stop)
        return self._classes[start:stop], None

    def of_one_class(self):
        """The same plan for samples with one class each, which is known."""
        plan = copy.copy(self)
        plan.count = None
        return plan

    @property
    def _limit(self):
        """Number of classes, None where it is not known."""
        return 2 if self._score.is_binary(self.target) else self._score.units(self.target.output)

    def _read_classes(self, target):
        units = self._score.units(self.target.output)
        if units is None:
            raise ValueError(
                "A class target needs an output of shape (batch, classes), which this model has not. "
                "Give a callable `target`, outputs -> (batch,), that says which value of it to explain."
            )
        if self.of_classes and self.target.scale.linear == "values" and (units > 1 or self._is_true):
            raise ValueError(
                f"The loss this model is compiled with is one of quantities, so its units ({units}) are values and "
                f"none of them is a class. Received: target={_shown(target)}. Give the index of the unit to explain, "
                "such as target=0, or a callable, outputs -> (batch,)."
            )
        if isinstance(target, str):
            self._read_word(target)
        elif target is not None:
            self._classes = _as_classes(target, self._limit, _LIMIT_NOUN.get(units))

    def _read_word(self, word):
        best = re.fullmatch(r"top([1-9]\d*)", word)
        if best:
            self.count = int(best.group(1))
            if self._limit is not None and self.count > self._limit:
                raise ValueError(f"The model has {self._limit} classes. Received: target={word!r}.")
        elif word not in ("predicted", "true"):
            raise ValueError(
                '`target` must be "predicted", "true", "top<k>", class indices, one-hot rows or a callable. '
                f"Received: target={word!r}."
            )

    def _say_what_is_taken_for_granted(self, asked):
        score, target = self._score, self.target
        heads = score.heads if target.function is not None else [score.heads[target.output]]
        if target.scale.kind == "logit" and any(head.kind == "distribution" for head in heads):
            score.say_once(
                "log p",
                'The model returns probabilities whose logits are out of reach, so score="logit" means log p here.',
            )
        is_guess = target.scale.linear == "softmax" and not score.is_declared(target.output)
        if is_guess and not isinstance(asked, Classes):
            score.say_once(
                "softmax",
                f"The model ends in {score.units(target.output)} linear units, and no compiled loss says whether they "
                f"are logits or values. `target`, {_shown(asked)}, speaks of classes, so the probability is their "
                "softmax. If they are values, give the index of one as an int, or a callable; a model compiled with "
                'its loss tells by itself (from_logits=True, or one of quantities such as "mse").',
            )

    def _true_classes(self, labels):
        if isinstance(labels, dict):
            labels = labels.get(self._score.model.output_names[self.target.output])
        elif isinstance(labels, (list, tuple)) and len(self._score.model.output_names) > 1:
            labels = labels[self.target.output]
        if labels is None:
            raise ValueError(
                'target="true" needs labels. Received: x without labels; give `y=` or a dataset of (x, y).'
            )
        return np.atleast_1d(_as_classes(np.asarray(labels), self._limit))

    def _check_reach(self, entries, stop):
        if stop > len(entries):
            raise ValueError(
                "`target` must have one entry per sample. "
                f"Received: {len(entries)} targets for at least {stop} samples."
            )


_LIMIT_NOUN = {1: "one unit"}


def _speaks_of_classes(target):
    """Whether a target means classes: all but plain indices, which may count values."""
    if target is None or isinstance(target, (str, Classes)):
        return True
    return np.ndim(target) == 2 and np.shape(target)[1] > 1


def _split_output(target, names):
    """Index of the output a target names, and the rest of the target."""
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], str):
        name, target = target
        if name not in names:
            raise ValueError(f"The model has the outputs {', '.join(names)}. Received: target=({name!r}, ...).")
        return names.index(name), target
    takes_all = callable(target) or _has_data(target)
    if len(names) > 1 and not takes_all:
        raise ValueError(
            f"The model has the outputs {', '.join(names)}: `target` must be (output name, target). "
            f"Received: target={target!r}. Example: target=({names[0]!r}, None) for its predicted class."
        )
    return 0, target


def _has_data(target):
    """Whether a target is a function with per-sample data."""
    return isinstance(target, tuple) and len(target) == 2 and callable(target[0])


def _as_classes(target, limit, noun=None):
    """Class indices as int32, one-hot rows turned into indices."""
    classes = np.asarray(target)
    if classes.ndim == 2 and classes.shape[1] == 1:
        classes = classes[:, 0]
    if classes.ndim == 2:
        classes = _from_one_hot(classes, limit)
    if classes.ndim > 1 or classes.dtype == bool or not np.issubdtype(classes.dtype, np.number):
        raise ValueError(
            "`target` must be a class index, one index per sample, or one-hot rows. "
            f"Received: an array of shape {classes.shape} and type {classes.dtype}."
        )
    if not np.all(classes == np.floor(classes)):
        raise ValueError(f"`target` must be whole class indices. Received: {classes!r}.")
    if classes.size and limit is not None and (classes.min() < 0 or classes.max() >= limit):
        wrong = classes.min() if classes.min() < 0 else classes.max()
        units = f"{noun}, so 0 is its only class" if noun and limit == 1 else f"classes 0 to {limit - 1}"
        raise ValueError(f"`target` is out of range: the output has {units}. Received: {int(wrong)}.")
    return classes.astype(np.int32)


def _from_one_hot(rows, limit):
    one_hot = ((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()
    if not one_hot or (limit is not None and rows.shape[1] != limit):
        fault = "" if one_hot else ", rows that are not one-hot"
        raise ValueError(
            f"A two-dimensional `target` must hold one-hot rows of {limit} classes. "
            f"Received: shape {rows.shape}{fault}."
        )
    return rows.argmax(axis=1)


def _call_function(score, outputs, target):
    packed = keras.tree.pack_sequence_as(score.model.output_structure, outputs)
    data = () if target.data is None else (target.data,)
    values = tf.convert_to_tensor(target.function(packed, *data))
    if values.shape.rank != 1:
        raise ValueError(
            "A callable `target` must return one value per sample, shape (batch,). "
            f"Received: shape {tuple(values.shape)} from {getattr(target.function, '__name__', target.function)!r}."
        )
    return as_float(values)


def _shown(target):
    if isinstance(target, str) or target is None or np.ndim(target) == 0:
        return repr(target)
    return f"a {type(target).__name__}"
