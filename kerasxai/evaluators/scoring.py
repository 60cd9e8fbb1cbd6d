"""The probability of the target that evaluators score with, compiled once per model."""

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph import Score, view
from kerasxai.graph.fingerprint import Fingerprint
from kerasxai.running import Batch, Runner
from kerasxai.targets import Classes, resolve, select

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
        self._traced_before = 0
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
        (samples,) = self._samples(x, y, target, batch_size, one_class=True)
        return samples

    def samples_by_rank(self, x, y=None, target=None, batch_size=32):
        """The samples to evaluate on, once for each class that is asked for.

        Args:
            x, y, batch_size: See `samples`.
            target: See `Explainer.__call__`.

        Returns:
            List of `Samples` of the same inputs: for `"top<k>"` k of them, the best class first, else one.
        """
        return self._samples(x, y, target, batch_size)

    def _samples(self, x, y, target, batch_size, **how):
        if self._fingerprint.has_changed():
            self._traced_before = self.trace_count
            self._look_at(self.graph.model)
        ran = self.runner.run(self._resolved, x, target, y, batch_size=batch_size, takes_all_ranks=True, **how)
        results, several = ran.results, []
        is_array = not isinstance(x, (tf.data.Dataset, keras.utils.PyDataset))
        for rank, classes in enumerate(results["classes"].T):
            samples = Samples(self, results["inputs"], classes, results.get("data"), ran.plan, batch_size)
            if "scores" in results and is_array:  # a dataset's batches are not those that perturbed samples run in
                scores = results["scores"][:, rank]
                samples.keep("originals", lambda scores=scores: scores)
            several.append(samples)
        return several

    def values(self, inputs, target):
        """Scores `(batch,)` of a batch, in TensorFlow operations: float32."""
        outputs, _ = self.score.outputs(inputs, target)
        return select(self.score, outputs, target)

    @property
    def trace_count(self):
        """How many times functions of the model were traced so far."""
        return self._traced_before + self.runner.trace_count

    def _look_at(self, model):
        self.graph = view(model)
        self._fingerprint = Fingerprint(model)
        self.score = Score(self.graph, "probability")
        self.runner = Runner(self.score, self._fingerprint.leave_out_what_a_run_writes)

    def _resolved(self, inputs, target):
        """The samples with their classes `(batch, ranks)`, and the scores of these where they need no data."""
        if target.function is not None:
            data = {} if target.data is None else {"data": target.data}
            return {"inputs": list(inputs), "classes": target.classes[:, tf.newaxis], **data}
        outputs, _ = self.score.outputs(inputs, target)
        classes = target.classes
        if classes.shape.rank == 1:
            classes = resolve(self.score, outputs, target).classes[:, tf.newaxis]
        scores = [select(self.score, outputs, target.of_batch(of_rank)) for of_rank in tf.unstack(classes, axis=1)]
        return {"inputs": list(inputs), "classes": classes, "scores": tf.stack(scores, axis=1)}


class Samples:
    """Samples under evaluation with their fixed targets; what was once scored is kept.

    Attributes:
        inputs: Flat list of arrays.
        classes: int32 array `(samples,)`.
        plan: The `TargetPlan`.
    """

    def __init__(self, scored, inputs, classes, data, plan, batch_size):
        self.scored, self.inputs, self.classes = scored, inputs, classes
        self.batch_size = batch_size
        self.plan, self._data = plan, data
        self._kept = {}

    def __len__(self):
        return len(self.classes)

    def first(self, count):
        """The first samples only, nothing kept."""
        data = None if self._data is None else self._data[:count]
        inputs = [array[:count] for array in self.inputs]
        return Samples(self.scored, inputs, self.classes[:count], data, self.plan, self.batch_size)

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
        declared = np.dtype((self.scored.graph.declared_dtypes or [changed.dtype])[0])
        if not np.issubdtype(declared, np.integer):
            return changed
        bounds = np.iinfo(declared)
        # In the type of real numbers still, which noise and ranges are computed in.
        return np.clip(np.rint(changed), bounds.min, bounds.max).astype(changed.dtype)

    @property
    def target(self):
        """The target in the form explainers take: the classes of the original input, or the user's function."""
        function = self.plan.target.function
        if function is not None:
            return function if self._data is None else (function, self._data)
        return self.target_of(self.classes)

    def target_of(self, classes):
        """Other classes of the same output, or other indices of its values, in the form explainers take."""
        names = self.scored.graph.output_names
        target = Classes(classes) if self.plan.of_classes else classes
        return target if len(names or ()) < 2 else (names[self.plan.target.output], target)

    @property
    def are_values(self):
        """Whether the scores are values, as those of a regression, rather than probabilities of classes."""
        target = self.plan.target
        return target.function is None and self.scored.score.is_value(target)

    @property
    def have_classes(self):
        """Whether what is scored is a class, so that a prediction can hold or not."""
        return self.plan.target.function is None and not self.are_values

    @property
    def class_count(self):
        """Number of classes of the scored output."""
        score, target = self.scored.score, self.plan.target
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
        return self.run("scores", self.scored.values, inputs)

    def run(self, purpose, function, arrays):
        """Runs a function over the samples, under their targets.

        Args:
            purpose: What the function is, hashable; it is compiled once per purpose and shape.
            function: Function `(tensors, target)`, see `Runner`; it must not hold the samples.
            arrays: List of arrays with a leading axis of samples, or of functions that give a slice of them.

        Returns:
            Array with a leading axis of samples.
        """
        return self.scored.runner.collect(function, _Slices(self, arrays), key=purpose)

    def batch(self, piece, arrays):
        """The samples of a slice, with these arrays in the place of their inputs, as a `Batch`."""
        parts = [array(piece) if callable(array) else array[piece] for array in arrays]
        data = None if self._data is None else self._data[piece]
        return Batch([tf.convert_to_tensor(part) for part in parts], self.classes[piece], data)


def as_input(inputs):
    """A flat list of inputs as explainers take it: one input by itself."""
    return inputs[0] if len(inputs) == 1 else inputs


class _Slices:
    """Arrays, one entry for each of `Samples`, batch by batch."""

    def __init__(self, samples, arrays):
        self._samples, self._arrays = samples, arrays
        self.plan, self.room = samples.plan.of_one_class(), len(samples)

    def __iter__(self):
        size = self._samples.batch_size
        for start in range(0, len(self._samples), size):
            yield self._samples.batch(slice(start, start + size), self._arrays)
