"""A model judged as a classifier on labelled data: its probabilities, the numbers of a report, telling examples.
How they are drawn is in `reports`."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from kerasxai.plots import checks

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
        from kerasxai.graph import Score, view
        from kerasxai.running import Runner

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
        from kerasxai.running import Batch

        if not self.scorer.is_ready:
            self.scorer.inspect(inputs, structure)
            self._check_output()
        outputs = self._runner.call(self._probabilities, Batch(inputs), self._target)
        if outputs.shape.rank != 2:
            raise ValueError(NO_CLASSES.format(tuple(outputs.shape)))
        return checks.probability_rows(outputs.numpy())

    @property
    def _target(self):
        from kerasxai.targets import Target

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
            raise ValueError(
                "The model must be a classifier: two or more units, or one sigmoid unit. "
                f"Received: a model with {units} linear output{'s' if units > 1 else ''}, as of a regression."
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
        seen = [
            Prediction(start + row, np.array(samples[row]), int(true[row]), int(predicted[row]), float(surest[row]))
            for row in range(len(true))
        ]
        self.right = self._best(self.right + [one for one in seen if one.true == one.predicted])
        self.wrong = self._best(self.wrong + [one for one in seen if one.true != one.predicted])

    def _best(self, predictions):
        turns, ranked = Counter(), []
        for one in sorted(predictions, key=lambda one: (-one.probability, one.index)):
            ranked.append((turns[one.true], len(ranked), one))
            turns[one.true] += 1
        return [one for _, _, one in sorted(ranked, key=lambda entry: entry[:2])[: self._count]]


def judge(model, x, y, class_names, batch_size, examples, verbose):
    """Runs the model on labelled data once.

    Returns:
        Labels `(N,)`, probabilities `(N, classes)` and the `Examples`.
    """
    from kerasxai.batches import Batches
    from kerasxai.progress import Progress

    classifier = Classifier(model)
    if classifier.classes is not None:  # refused before any work
        checks.names_of_classes(class_names, classifier.classes)
        y = y if y is None else checks.class_indices(y, classifier.classes, "y")
    batches = Batches(x, y, batch_size, classifier.graph)
    progress = Progress(batches.size, verbose)
    kept, all_true, all_probabilities, start = Examples(examples), [], [], 0
    for inputs, labels in batches:
        if labels is None:
            raise ValueError(
                "`y` must give a label for each sample. Received: data without labels. Give `y`, or (x, y) data."
            )
        if examples and (len(inputs) > 1 or not checks.is_drawable(inputs[0].shape)):
            shapes = ", ".join(str(tuple(one.shape[1:])) for one in inputs)
            raise ValueError(
                "Examples can be drawn of images (H, W, C) with C 1 or 3 and of signals (T, C). "
                f"Received: samples of shape {shapes}. Pass examples=0 for the report without them."
            )
        probabilities = classifier(inputs, batches.structure)
        true = checks.class_indices(labels, classifier.classes, "y")
        kept.offer(inputs[0].numpy(), start, true, probabilities)
        all_true.append(true)
        all_probabilities.append(probabilities)
        start += len(true)
        progress.add(len(true))
    progress.close()
    return np.concatenate(all_true), np.concatenate(all_probabilities), kept


def results(true, probabilities, class_names):
    """The numbers of a report as plain Python values; what they are stands in `classification_report`."""
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
