"""The probability of the target that evaluators score with, compiled once per model."""

import numpy as np
import tensorflow as tf

from kerasxai.batches import Batches
from kerasxai.graph import Score, view
from kerasxai.graph.fingerprint import Fingerprint
from kerasxai.graph.python_calls import own_errors
from kerasxai.running import Compiled
from kerasxai.targets import Classes, TargetPlan, check_labels, resolve, select

# How one says that linear units are logits of classes.
OF_CLASSES = (
    "If its linear units are logits of classes, compile it with its loss (from_logits=True), or give "
    'target="predicted", target="true" or one-hot rows: an index alone means the value of a unit.'
)


class ScoredModel:
    """A model as evaluators see it: the score of each sample's target.

    The score is the model's own probability, or that of linear units whose compiled loss takes them for logits. Where
    no loss tells, a target that speaks of classes gets the softmax of two or more linear units, an index the value of
    its unit. A loss of quantities makes them values. A function gets the model's own outputs.

    Args:
        model: A built Keras model.
    """

    def __init__(self, model):
        self.trace_count = 0
        self._look_at(model)

    def samples(self, x, y=None, target=None, batch_size=32):
        """The samples to evaluate on, their target fixed from the original input.

        Args:
            x: Array `(samples, *input_shape)`, a list or dict of several inputs, or a dataset, which is read once.
            y: Labels, for `target="true"`.
            target: See `Explainer.__call__`; one class a sample.
            batch_size: Most samples the model runs on at once.

        Returns:
            `Samples`.
        """
        check_labels(y, target)
        if self._fingerprint.has_changed():
            self._look_at(self.graph.model)
        batches = Batches(x, y, batch_size, self.graph)
        parts, classes, rows, originals, plan = [], [], [], [], None
        for inputs, labels in batches:
            if plan is None:
                if not self.score.is_ready:
                    self.score.inspect(inputs, batches.structure)
                plan = TargetPlan(target, self.score)
                if plan.count is not None:
                    raise ValueError(f"An evaluator scores one class of a sample. Received: target={target!r}.")
            given, data = plan.batch(sum(map(len, classes)), int(inputs[0].shape[0]), labels)
            if plan.target.function is None:
                given, scores = self._resolved(inputs, plan, given)
                originals.append(scores)
            parts.append([tensor.numpy() for tensor in inputs])
            classes.append(given)
            rows.append(data)
        plan.check_length(sum(map(len, classes)))
        inputs = [np.concatenate(of_input) for of_input in zip(*parts)]
        data = None if rows[0] is None else np.concatenate(rows)
        samples = Samples(self, inputs, np.concatenate(classes), data, plan, batch_size)
        if originals and batches.size is not None:  # a dataset's batches are not those that perturbed samples run in
            samples.keep("originals", lambda: np.concatenate(originals))
        return samples

    def values(self, inputs, target):
        """Scores `(batch,)` of a batch, in TensorFlow operations: float32."""
        outputs, _ = self.score.outputs(inputs, target)
        return select(self.score, outputs, target)

    def compiled(self, key, make, signature):
        """A compiled function made once per key: `make()` gives the Python function."""
        if key not in self._functions:
            function = make()

            def traced(*arguments):
                self.trace_count += 1
                return function(*arguments)

            self._functions[key] = Compiled(traced, signature, self._fingerprint.leave_out_what_a_run_writes)
        return self._functions[key]

    def _look_at(self, model):
        self.graph = view(model)
        self.score = Score(self.graph, "probability")
        self._fingerprint = Fingerprint(model)
        self._functions = {}

    @own_errors()
    def _resolved(self, inputs, plan, classes):
        """The classes of a batch, the predicted ones filled in, and their scores: one run of the model for both."""

        asked = plan.target  # what is compiled must not hold the plan, whose targets may be as many as the samples

        def make():
            def run(inputs, classes):
                outputs, _ = self.score.outputs(list(inputs), asked)
                target = resolve(self.score, outputs, asked.of_batch(classes))
                return target.classes, select(self.score, outputs, target)

            return run

        signature = ([free(tensor) for tensor in inputs], tf.TensorSpec([None], tf.int32))
        function = self.compiled(("classes", plan.target, shapes(inputs)), make, signature)
        return [found.numpy() for found in function(inputs, tf.constant(classes))]


class Samples:
    """Samples under evaluation with their fixed targets; what was once scored is kept.

    Attributes:
        inputs: Flat list of arrays.
        classes: int32 array `(samples,)`.
    """

    def __init__(self, scored, inputs, classes, data, plan, batch_size):
        self.scored, self.inputs, self.classes = scored, inputs, classes
        self.batch_size = batch_size
        self._data, self._plan = data, plan
        self._kept = {}

    def __len__(self):
        return len(self.classes)

    def first(self, count):
        """The first samples only, nothing kept."""
        data = None if self._data is None else self._data[:count]
        inputs = [array[:count] for array in self.inputs]
        return Samples(self.scored, inputs, self.classes[:count], data, self._plan, self.batch_size)

    @property
    def x(self):
        """The one input, of real numbers; most evaluators and callbacks need a model with one.

        What becomes of it is rounded where the model takes whole numbers only.
        """
        if len(self.inputs) != 1:
            raise ValueError(
                "Maps are compared, scored and drawn for models with one input. Received: a model with "
                f"{len(self.inputs)} inputs. Explain it with kerasxai.explain, which gives a map for each."
            )
        (x,) = self.inputs
        return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float32)

    def as_inputs(self, changed):
        """Changed samples as explainers take them: whole numbers, within their range, where the model declares such."""
        declared = np.dtype(getattr(self.scored.graph, "declared_dtypes", [changed.dtype])[0])
        if not np.issubdtype(declared, np.integer):
            return changed
        bounds = np.iinfo(declared)
        return np.clip(np.rint(changed), bounds.min, bounds.max).astype(changed.dtype)

    @property
    def target(self):
        """The target in the form explainers take: the classes of the original input, or the user's function."""
        function = self._plan.target.function
        if function is not None:
            return function if self._data is None else (function, self._data)
        return self.target_of(self.classes)

    def target_of(self, classes):
        """Other classes of the same output, or other indices of its values, in the form explainers take."""
        names, given = self.scored.graph.output_names, Classes(classes) if self._plan.of_classes else classes
        return given if len(names or ()) < 2 else (names[self._plan.target.output], given)

    @property
    def are_values(self):
        """Whether the scores are values, as those of a regression, rather than probabilities of classes."""
        target = self._plan.target
        return target.function is None and self.scored.score.is_value(target)

    @property
    def have_classes(self):
        """Whether what is scored is a class, so that a prediction can hold or not."""
        return self._plan.target.function is None and not self.are_values

    @property
    def class_count(self):
        """Number of classes of the scored output."""
        score, target = self.scored.score, self._plan.target
        return 2 if score.is_binary(target) else score.units(target.output)

    @property
    def originals(self):
        """Scores of the samples as they are, float32 `(samples,)`."""
        return self.keep("originals", lambda: self.scores(self.inputs))

    def keep(self, key, compute):
        """What `compute()` gave the first time it was asked for under this key."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]

    def scores(self, inputs):
        """Scores of other inputs of the same samples, see `run`, under the same targets, float32 `(samples,)`."""
        values = self.scored.values  # what is compiled must not hold the samples

        def make():
            return lambda inputs, target: values(list(inputs), target)

        return self.run("scores", make, inputs)

    @own_errors()
    def run(self, purpose, make, arrays):
        """Runs a compiled function batch by batch.

        Args:
            purpose: What the function is, hashable; it is compiled once per purpose and shape.
            make: Gives the function `(tensors, target) -> tensor with a leading batch axis`.
            arrays: List of arrays with a leading axis of samples, or of functions that give a slice of them.

        Returns:
            Array with a leading axis of samples.
        """
        plan, results = self._plan, []
        for start in range(0, len(self), self.batch_size):
            piece = slice(start, start + self.batch_size)
            parts = [array(piece) if callable(array) else array[piece] for array in arrays]
            tensors = [tf.convert_to_tensor(part) for part in parts]
            rows = [] if self._data is None else [tf.convert_to_tensor(self._data[piece])]
            classes = tf.constant(self.classes[piece])
            key = (purpose, plan.target, shapes([*tensors, *rows]))
            signature = ([free(t) for t in tensors], tf.TensorSpec([None], tf.int32), *map(free, rows))
            function = self.scored.compiled(key, lambda: _with_target(make(), plan.target), signature)
            results.append(function(tensors, classes, *rows).numpy())
        return np.concatenate(results)


def free(tensor):
    """The specification of a tensor with a free batch axis."""
    return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)


def shapes(tensors):
    """What tells two signatures apart."""
    return tuple((tuple(tensor.shape[1:]), tensor.dtype.name) for tensor in tensors)


def _with_target(function, target):
    def run(tensors, classes, *rows):
        return function(list(tensors), target.of_batch(classes, *rows))

    return run
