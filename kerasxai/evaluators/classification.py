"""A model judged as a classifier on labelled data: its probabilities, the numbers of a report, telling examples.
Drawing them is not its job."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from kerasxai.batches import Batches
from kerasxai.classes import class_indices, of_every_class
from kerasxai.graph import Score, view
from kerasxai.progress import Progress
from kerasxai.running import Batch, Runner
from kerasxai.targets import Target

MOST_LISTED = 8  # class names in a note
NO_CLASSES = "The model must have an output of shape (batch, classes). Received: {}."


@dataclass(frozen=True)
class Prediction:
    """One sample and what the model says of it.

    Attributes:
        index: Its place in the data.
        sample: Array `(*input_shape)`; None where the model has several inputs.
        true, predicted: Classes.
        probability: Of the predicted class.
    """

    index: int
    sample: np.ndarray
    true: int
    predicted: int
    probability: float


class Classifier:
    """A model with one output of classes, as a compiled function from batches to probabilities.

    Args:
        model: A built Keras model; never changed.
    """

    def __init__(self, model):
        self.graph = view(model)
        self.scorer = Score(self.graph, "probability")
        self._runner = Runner(self.scorer)
        if self.scorer.is_ready:
            self._check_output()

    @property
    def classes(self):
        """Number of classes; None before the first batch of a model without a graph."""
        if not self.scorer.is_ready:
            return None
        return 2 if self.scorer.is_binary(self._target) else self.scorer.units(0)

    def __call__(self, inputs, structure):
        """Probabilities `(batch, classes)` in float64 of a flat list of input tensors."""
        if not self.scorer.is_ready:
            self.scorer.inspect(inputs, structure)
            self._check_output()
        outputs = self._runner.call(self._probabilities, Batch(inputs), self._target)
        if outputs.shape.rank != 2:
            raise ValueError(NO_CLASSES.format(tuple(outputs.shape)))
        return of_every_class(outputs.numpy().astype(np.float64))

    def judge(self, x, y=None, batch_size=32, examples=0, verbose=0, prepare=None):
        """Runs the model on labelled data once.

        Args:
            x: Samples, or a dataset of `(x, y)`.
            y: Labels of an array `x`.
            batch_size: Most samples of a batch.
            examples: How many right and how many wrong predictions to keep.
            verbose: See `Progress`.
            prepare: None, or a function of the flat list of inputs, called before the model runs on a batch.

        Returns:
            Labels `(N,)`, probabilities `(N, classes)` and the `Examples`.
        """
        if y is not None and self.classes is not None:  # refused before any work
            y = class_indices(y, self.classes, "y")
        batches = Batches(x, y, batch_size, self.graph)
        progress = Progress(batches.size, verbose)
        kept, all_true, all_probabilities, start = Examples(examples), [], [], 0
        for inputs, labels in batches:
            if labels is None:
                raise ValueError(
                    "`y` must give a label for each sample. Received: data without labels. Give `y`, or (x, y) data."
                )
            if prepare is not None:
                prepare(inputs)
            with progress.part(len(inputs[0])):
                probabilities = self(inputs, batches.structure)
            true = class_indices(labels, self.classes, "y")
            kept.offer(inputs[0].numpy(), start, true, probabilities)
            all_true.append(true)
            all_probabilities.append(probabilities)
            start += len(true)
        progress.close()
        return np.concatenate(all_true), np.concatenate(all_probabilities), kept

    @property
    def _target(self):
        return Target(0, None, self.scorer.scale())

    def _probabilities(self, inputs, target):
        return self.scorer.outputs(inputs, target)[0][0]

    def _check_output(self):
        names = self.graph.output_names
        if len(names) > 1:
            raise ValueError(
                f"The model must have one output. Received: a model with {', '.join(names)}. "
                "Report one at a time: keras.Model(model.inputs, model.outputs[0])."
            )
        units = self.scorer.units(0)
        if units is None:
            raise ValueError(NO_CLASSES.format("another one"))
        if self.scorer.is_value(self._target):
            outputs = "1 linear output" if units == 1 else f"{units} linear outputs"
            raise ValueError(
                "The model must be a classifier: two or more units, or one sigmoid unit. "
                f"Received: a model with {outputs}, as of a regression."
            )


class Examples:
    """The samples that tell most, kept while batches pass by: never more than wanted are held.

    Of right and of wrong predictions: one of each true class in turn, the most probable prediction of each first.

    Args:
        count: How many of each to keep.

    Attributes:
        right, wrong: Lists of `Prediction`, the first the most telling.
    """

    def __init__(self, count):
        self._count = count
        self.right, self.wrong = [], []

    def offer(self, samples, start, true, probabilities):
        """Takes note of a batch whose first sample stands at `start` in the data."""
        if not self._count:
            return
        predicted = probabilities.argmax(axis=1)
        surest = probabilities.max(axis=1)
        for row, sample in enumerate(samples):
            sample = np.array(sample)  # a copy, or a view would hold the whole batch
            prediction = Prediction(start + row, sample, int(true[row]), int(predicted[row]), float(surest[row]))
            side = self.right if prediction.true == prediction.predicted else self.wrong
            side.append(prediction)
        self.right, self.wrong = self._best(self.right), self._best(self.wrong)

    def _best(self, predictions):
        turns, turn_of = Counter(), {}
        ranked = sorted(predictions, key=lambda prediction: (-prediction.probability, prediction.index))
        for prediction in ranked:
            turn_of[prediction.index] = turns[prediction.true]
            turns[prediction.true] += 1
        ranked.sort(key=lambda prediction: turn_of[prediction.index])  # stable: the surest first within a turn
        return ranked[: self._count]


def results(true, probabilities, class_names):
    """The numbers of a report as plain Python values; what they are stands in `plots.classification_report`."""
    from sklearn import metrics

    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    every = range(classes)
    confusion = metrics.confusion_matrix(true, predicted, labels=every)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        true, predicted, labels=every, zero_division=0
    )
    present = support > 0
    curves = [_roc(true == index, probabilities[:, index]) for index in every]
    per_class = {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "auc": np.array([curve["auc"] for curve in curves]),
    }
    per_class = {name: np.where(present, values, np.nan) for name, values in per_class.items()}
    with np.errstate(invalid="ignore"):
        normalised = confusion / support[:, np.newaxis]
    return {
        "class_names": list(class_names),
        "samples": len(true),
        "support": support.tolist(),
        "accuracy": float(np.mean(true == predicted)),
        "per_class_accuracy": per_class["recall"].tolist(),
        **{name: values.tolist() for name, values in per_class.items()},
        "macro": {name: _mean(values) for name, values in per_class.items()},
        "roc": [{"fpr": curve["fpr"], "tpr": curve["tpr"]} for curve in curves],
        "confusion_matrix": confusion.tolist(),
        "normalised_confusion_matrix": normalised.tolist(),
        "notes": _notes(class_names, support, np.bincount(predicted, minlength=classes)),
    }


def _roc(positive, probability):
    from sklearn import metrics

    if positive.all() or not positive.any():
        return {"fpr": [], "tpr": [], "auc": math.nan}
    fpr, tpr, _ = metrics.roc_curve(positive, probability)
    return {"fpr": fpr.tolist(), "tpr": tpr.tolist(), "auc": float(metrics.auc(fpr, tpr))}


def _mean(values):
    """Mean over the classes that have a value."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _notes(class_names, support, predictions):
    """Why numbers are NaN or 0 by definition, in words."""
    notes = []
    absent = [name for name, count in zip(class_names, support) if count == 0]
    if absent:
        notes.append(f"Without samples, so left out of the means and NaN: {_listed(absent)}.")
    if np.count_nonzero(support) == 1:
        notes.append("All samples are of one class, so there is no ROC curve.")
    never = [name for name, count, guesses in zip(class_names, support, predictions) if count and not guesses]
    if never:
        notes.append(f"Never predicted, so precision is set to 0: {_listed(never)}.")
    return notes


def _listed(names):
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
