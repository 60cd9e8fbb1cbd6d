"""What explainers share that change the input and watch the score, and need nothing else of a model."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import Explainer, RunOptions
from kerasxai.explainers.streaming import merge, split
from kerasxai.options import check_broadcast
from kerasxai.targets import Target
from kerasxai.typing import Model, ScoreKind


class PerturbationExplainer(Explainer):
    """Base of the methods that need no more than the scores of changed inputs: `(samples, *spatial)`.

    They take any model, a Python function `x -> scores` that computes in NumPy too. Of several inputs, each that has
    spatial axes is changed by itself, the others staying as they are; the maps then come packed like the inputs, None
    for an input without spatial axes. Whole numbers that the model makes real ones of at once (`Rescaling`), and what a
    function is given as uint8, are changed as real numbers; elsewhere what replaces whole numbers is rounded. Scores
    are held in float32.

    Args:
        model: A built Keras model, or a function `x -> scores`.
        score: The scalar explained: `"probability"` (default) or `"logit"`.
        **kwargs: `batch_size`, `verbose`, see `Explainer`.
    """

    family = "perturbation"

    def __init__(self, model: Model, *, score: ScoreKind = "probability", **kwargs: Unpack[RunOptions]) -> None:
        super().__init__(model, score=score, **kwargs)
        for size in self._known_sizes():
            self.check_size(size)

    def explain_batch(self, inputs, target):
        places = spatial_inputs([x.shape for x in inputs])
        return {index: self.map(inputs, index, target) for index in places}

    @abc.abstractmethod
    def map(self, inputs: list[tf.Tensor], index: int, target: Target) -> tf.Tensor:
        """The map `(batch, *spatial)` of the input number `index`."""

    def check_size(self, size: Sequence[int | None]) -> None:
        """Refuses options that do not fit the spatial size of an input; None stands for an open side."""

    def perturbed_scores(self, inputs: list[tf.Tensor], index: int, perturbed: tf.Tensor, target: Target) -> tf.Tensor:
        """Scores `(chunk, batch)` with `perturbed`, `(chunk, batch, *input)`, for the input number `index`."""
        count = tf.shape(perturbed)[0]
        copies = [
            merge(perturbed)
            if place == index
            else tf.tile(x, tf.concat([[count], tf.ones(x.shape.rank - 1, tf.int32)], axis=0))
            for place, x in enumerate(inputs)
        ]
        scores, _ = self.scores(copies, target.tile(count))
        return split(scores, count)

    def finish(self, arrays, structure):
        for maps in arrays.values():
            lost = int(np.isnan(maps).reshape(len(maps), -1).any(axis=1).sum())
            if lost:
                warnings.warn(
                    f"{lost} of {len(maps)} {self.name} maps are not a number: the model's scores are not, for some of "
                    "the changed inputs.",
                    stacklevel=3,
                )
        return packed(arrays, structure)

    def _known_sizes(self):
        """Spatial sizes of the inputs with spatial axes, as far as the model tells them."""
        shapes = self.graph.input_shapes
        return [] if shapes is None else [shapes[index][1:-1] for index in spatial_inputs(shapes)]


def packed(arrays, structure):
    """Arrays of the inputs, by index, as the inputs were packed; None for an input that has none."""
    return arrays[0] if structure is None else keras.tree.map_structure(arrays.get, structure)


def spatial_inputs(shapes):
    """Indices of the inputs `(samples, *spatial, channels)` that have spatial axes."""
    places = [index for index, shape in enumerate(shapes) if len(shape) > 2]
    if shapes and not places:
        raise ValueError(
            "Perturbation needs an input with spatial axes, (samples, *spatial, channels). Received: inputs of shape "
            f"{', '.join(str(tuple(shape)) for shape in shapes)}. Add a channel axis (x[..., None]) if positions are "
            "what the last axis holds, or use a gradient method."
        )
    return places


def in_type_of_input(x, values):
    """Values in the type of an input; rounded where it holds integers."""
    if values.dtype == x.dtype:
        return values
    if not x.dtype.is_floating:
        values = tf.round(values)  # a cast alone would cut off what is behind the point
    return tf.cast(values, x.dtype)


def replacement(option, values, x):
    """What an option puts in the place of values of an input `x`, in its type."""
    values = np.asarray(values)
    check_broadcast(values.shape, x.shape[1:], option)
    # A value that the type lacks is told by the comparison below, not by NumPy's warning.
    with np.errstate(invalid="ignore"):
        held = values.astype(x.dtype.as_numpy_dtype)
    if not x.dtype.is_floating and not (values == held).all():
        raise ValueError(
            f"`{option}` must be made of values that the input's type {x.dtype.name} has. Received: {values!r}. Give "
            "the samples as float32 if the model takes them so."
        )
    return tf.constant(held)
