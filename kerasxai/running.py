"""Runner: the one way in which a function of a model runs over data."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kerasxai.batches import Batches, Collector
from kerasxai.compiled import Compiled
from kerasxai.graph.python_calls import own_errors
from kerasxai.progress import Progress
from kerasxai.targets import PREDICTED, TargetPlan, check_labels, of_logit_scale, ranked_classes


class Batch(NamedTuple):
    """Samples that run together.

    Attributes:
        tensors: Flat list of tensors `(batch, ...)`: the model's inputs, or what else a function takes.
        classes: The class of each sample as it was asked for, int32 `(batch,)`; None: the predicted one.
        data: Rows of the data that a target with data takes, `(batch, ...)`, or None.
    """

    tensors: list
    classes: Any = None
    data: Any = None


class Ran(NamedTuple):
    """What a run over a user's data gives.

    Attributes:
        results: What the function returns, as arrays with all samples along the first axis.
        structure: How several inputs were packed, see `Batches`.
        plan: The `TargetPlan`.
    """

    results: Any
    structure: Any
    plan: TargetPlan


class Runner:
    """Runs functions of a model over data: in batches, for a target, compiled once for each shape of the input.

    A function takes `(tensors, target, *constants)`: a flat list of tensors `(batch, ...)`, the `Target` of the batch,
    and what is the same for all batches. It is written in TensorFlow operations and returns any structure of tensors
    with a leading batch axis. It is kept, so it must not hold samples.

    Args:
        score: The `Score` of the model.
        after_first_run: Called once a compiled function has run for the first time.

    Attributes:
        trace_count: How many times functions were traced so far.
    """

    def __init__(self, score, after_first_run=None):
        self.score = score
        self.trace_count = 0
        self._after_first_run = after_first_run
        self._compiled = {}

    def run(self, function, x, target=None, y=None, *, batch_size=32, verbose=0, prepare=None, one_class=False, **how):
        """Runs a function over the samples of a user.

        Args:
            function: See the class.
            x, target, y: See `Explainer.__call__`.
            batch_size: Most samples of a batch.
            verbose: See `Progress`.
            prepare: None, or a function `(inputs, structure, target)` that is called with the first batch.
            one_class: Whether a target of several classes a sample is refused.
            **how: `constants`, `takes_all_ranks`, `key`, see `collect`.

        Returns:
            `Ran`.
        """
        check_labels(y, target)
        reading = _Reading(self.score, Batches(x, y, batch_size, self.score.model), target, prepare, one_class)
        results = self.collect(function, reading, Progress(reading.size, verbose), **how)
        return Ran(results, reading.structure, reading.plan)

    @own_errors()
    def collect(self, function, batches, progress=None, *, constants=(), takes_all_ranks=False, key=None):
        """Runs a function on batches and collects what it returns.

        Args:
            function: See the class.
            batches: Iterable of `Batch`es. Attributes: `plan`, a `TargetPlan`, there from the first batch on; `room`,
                the most samples there can be, or None.
            progress: A `Progress`, or None.
            constants: What the function takes besides, tensors of fixed shape.
            takes_all_ranks: Whether it explains several classes of a sample at once, `target.classes` being
                `(batch, count)` and the results `(batch, count, ...)`.
            key: What it is known by if it is another object every time; hashable.

        Returns:
            The results as arrays.
        """
        progress, collectors = progress or Progress(None, verbose=0), None
        for batch in batches:
            count = int(batch.tensors[0].shape[0])
            with progress.part(count):
                result = self._of_batch(function, batch, batches.plan, takes_all_ranks, constants, key)
            flat = keras.tree.flatten(result)
            collectors = collectors or [Collector(batches.room) for _ in flat]
            for collector, tensor in zip(collectors, flat):
                collector.add(tensor)
        progress.close()
        return keras.tree.pack_sequence_as(result, [collector.array() for collector in collectors])

    def call(self, function, batch, target, constants=(), key=None):
        """What a function returns for one `Batch`; batches of any size share a trace.

        Args:
            function, constants, key: See `collect`.
            batch: A `Batch`.
            target: The `Target` without a batch.
        """
        classes = np.full(len(batch.tensors[0]), PREDICTED, np.int32) if batch.classes is None else batch.classes
        parts = [
            list(batch.tensors),
            tf.convert_to_tensor(classes),
            [] if batch.data is None else [tf.convert_to_tensor(batch.data)],
            list(constants),
        ]
        shapes = tuple((tuple(tensor.shape[1:]), tensor.dtype.name) for tensor in keras.tree.flatten(parts))
        key = (key or function, target, shapes)
        if key not in self._compiled:
            self._compiled[key] = self._compile(function, parts, target)
        return self._compiled[key](*parts)

    def _of_batch(self, function, batch, plan, takes_all_ranks, constants, key):
        if plan.count is None:
            return self.call(function, batch, plan.target, constants, key)
        ranked = self.best_classes(batch, plan.target, plan.count)
        if takes_all_ranks:
            return self.call(function, batch._replace(classes=ranked), plan.target, constants, key)
        each, progress = [], Progress(plan.count, verbose=0)
        for rank in range(plan.count):
            with progress.part(1):
                of_rank = batch._replace(classes=ranked[:, rank])
                each.append(self.call(function, of_rank, plan.target, constants, key))
        return keras.tree.map_structure(lambda *results: tf.stack(results, axis=1), *each)

    def best_classes(self, batch, target, count):
        """The classes of the largest logits of each sample, the best first: int32 tensor `(batch, count)`."""

        def rank(inputs, target):
            self.trace_count -= 1  # one for all functions: no trace of theirs
            target = of_logit_scale(target)  # probabilities that underflow to 0 have no order
            outputs, _ = self.score.outputs(inputs, target)
            return ranked_classes(self.score, outputs, target, count)

        return self.call(rank, batch, target, key=("best classes", count))

    def _compile(self, function, parts, target):
        def run(tensors, classes, data, constants):
            self.trace_count += 1
            return function(list(tensors), target.of_batch(classes, *data), *constants)

        *batched, constants = parts
        signature = keras.tree.map_structure(_of_any_batch, batched)
        fixed = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in constants]
        return Compiled(run, [*signature, fixed], self._after_first_run)


class _Reading:
    """A user's data as `Batch`es, and the plan of their target."""

    def __init__(self, score, batches, target, prepare, one_class):
        self._score, self._batches, self._target = score, batches, target
        self._prepare, self._one_class = prepare, one_class
        self.plan = None

    size = property(lambda self: self._batches.size)
    room = property(lambda self: self._batches.room)
    structure = property(lambda self: self._batches.structure)

    def __iter__(self):
        start = 0
        for inputs, labels in self._batches:
            if self.plan is None:
                self._begin(inputs)
            count = int(inputs[0].shape[0])
            yield Batch(inputs, *self.plan.batch(start, count, labels))
            start += count
        self.plan.check_length(start)

    def _begin(self, inputs):
        if not self._score.is_ready:
            self._score.inspect(inputs, self.structure)
        self.plan = TargetPlan(self._target, self._score)
        if self._one_class and self.plan.count is not None:
            raise ValueError(
                f"`target` must ask for one class of a sample here. Received: target={self._target!r}. Give "
                '"predicted", or one class after the other.'
            )
        if self.size is not None:
            self.plan.check_length(self.size)
        if self._prepare is not None:
            self._prepare(inputs, self.structure, self.plan.target)


def _of_any_batch(tensor):
    return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
