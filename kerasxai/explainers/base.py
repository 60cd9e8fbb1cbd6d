"""Explainer: the public call, batches, targets, and one compiled function; what a method computes is elsewhere."""

import abc

import keras
import tensorflow as tf

from kerasxai.batches import Batches, Collector, Progress
from kerasxai.explainers.options import positive_integer
from kerasxai.graph import ModelGraph, Score, view
from kerasxai.graph.python_calls import own_errors
from kerasxai.graph.score import as_float
from kerasxai.pixel_range import warn_of_pixels
from kerasxai.registry import Configurable, refuse_unknown_options
from kerasxai.targets import Target, TargetPlan, ranked_classes, resolve, select

# Lifts float16 gradients out of the range where they become 0; divided out again in float32.
_HALF_PRECISION_SCALE = 1024.0


class Explainer(Configurable, abc.ABC):
    """A method of explanation bound to a model.

    A subclass gives `explain_batch(inputs, target)` in pure TensorFlow operations. The base class checks the input,
    resolves the target, compiles once per shape of the input, runs batch by batch and returns NumPy arrays. Weights
    are read by reference, so an explainer made before `fit` explains the trained model.

    Args:
        model: A built Keras model, never changed, or a function `x -> scores`, of TensorFlow operations or, for the
            methods that only perturb the input, in NumPy.
        score: The scalar explained: `"logit"` (default), a final softmax or sigmoid left out, or `"probability"`.
        batch_size: Number of samples, or of perturbed copies of them, the model runs on at once. Bounds the memory.
        verbose: Progress bar: `"auto"` (only when it takes longer than two seconds), 0 or 1.

    Attributes:
        name: Registry name.
        family: Which methods it belongs with.
        passes: What a batch costs: F a forward pass, B a backward pass to the input, b one to the layer only.
        reduce: How `to_heatmap` ranks this method's attributions; None for maps without channels.
        needs_graph: Whether the method needs a Sequential or functional model.
        takes_all_ranks: Whether `explain_batch` explains several classes of a sample in one pass: it then gets
            `target.classes` of shape `(batch, count)` and returns `(batch, count, ...)`.
        trace_count: How many times the method was traced so far.
    """

    config_key = "method"
    family = None
    passes = None
    reduce = None
    needs_graph = False
    takes_all_ranks = False

    def __init__(self, model, *, score="logit", batch_size=32, verbose="auto", **unknown):
        refuse_unknown_options(self, unknown)
        if verbose not in ("auto", 0, 1):
            raise ValueError(f'`verbose` must be "auto", 0 or 1. Received: verbose={verbose!r}.')
        self.model = model
        self.batch_size = positive_integer("batch_size", batch_size)
        self.verbose = verbose
        self.graph = ModelGraph(model) if self.needs_graph else view(model)
        self.scorer = Score(self.graph, score)
        self.score = score
        self.trace_count = 0
        self._compiled = {}

    def __call__(self, x, target=None, y=None):
        """Explains every sample of `x`.

        Args:
            x: Array or tensor `(samples, *input_shape)`, a list or dict of them for several inputs, a
                `tf.data.Dataset` or `keras.utils.PyDataset` of `x` or `(x, y)`. In the model's own input range.
            target: What is explained. None or `"predicted"`: the class predicted for each sample; `"true"`: its label
                in `y` or the dataset; an int; one int per sample; one-hot rows; `"top4"`: the four best classes, on a
                new axis after the samples; a callable, model outputs -> `(batch,)`, or `(callable, array)` with
                per-sample data as its second argument; `(output_name, target)` for one output of several.
            y: Labels, used by `target="true"`.

        Returns:
            NumPy float32 array (see the class for its shape); for several inputs a list or dict of them.

        Raises:
            ValueError: `x` or `target` does not fit the model, is empty, or holds NaN.
        """
        batches = Batches(x, y, self.batch_size, self.graph)
        plan, progress, collectors, start = None, Progress(batches.size, self.verbose), None, 0
        with own_errors():
            for inputs, labels in batches:
                if plan is None:
                    self._prepare(inputs, batches.structure)
                    warn_of_pixels(self.model, self.graph, inputs)
                    plan = TargetPlan(target, self.scorer)
                    if batches.size is not None:
                        plan.check_length(batches.size)
                count = int(inputs[0].shape[0])
                result = self._explain(inputs, plan, start, count, labels)
                flat = keras.tree.flatten(result)
                collectors = collectors or [Collector(batches.room) for _ in flat]
                for collector, tensor in zip(collectors, flat):
                    collector.add(tensor)
                start += count
                progress.add(count)
        progress.close()
        plan.check_length(start)
        arrays = keras.tree.pack_sequence_as(result, [collector.array() for collector in collectors])
        return self.finish(arrays, batches.structure)

    @abc.abstractmethod
    def explain_batch(self, inputs, target):
        """Explains one batch, in TensorFlow operations only.

        Args:
            inputs: Flat list of tensors `(batch, *input_shape)`, one per model input.
            target: A `kerasxai.targets.Target`; pass it to `self.scores`.

        Returns:
            Tensor with a leading batch axis, or a structure of such tensors.
        """

    def finish(self, arrays, structure):
        """Turns the collected arrays into what the user gets; `structure` is how several inputs were packed."""
        return arrays

    def scores(self, inputs, target, taps=(), on_tap=None, overrides=None):
        """Runs the model: the explained scalar of each sample `(batch,)`, and the outputs of the layers in `taps`."""
        outputs, tapped = self.scorer.outputs(inputs, taps, on_tap, overrides)
        return select(self.scorer, outputs, target), tapped

    def resolve_target(self, inputs, target):
        """The target with the class predicted for the clean input in it, for methods that go on to change the input.

        Costs one forward pass, and only when a predicted class is asked for.
        """
        if target.function is not None:
            return target

        def predicted():
            outputs, _ = self.scorer.outputs(inputs)
            return resolve(self.scorer, outputs, target).classes

        classes = tf.cond(tf.reduce_any(target.classes < 0), predicted, lambda: target.classes)
        return Target(target.output, None, tf.ensure_shape(classes, [None]))

    def differentiate(self, tape, scores, sources):
        """Gradients of the scores with respect to `sources`, in float32 (float64 stays)."""
        half = any(tensor.dtype == tf.float16 for tensor in sources) or self._computes_in_half
        scale = _HALF_PRECISION_SCALE if half else 1.0
        seed = tf.fill(tf.shape(scores), tf.constant(scale, scores.dtype))
        gradients = tape.gradient(scores, sources, output_gradients=seed)
        wide = [gradient if gradient is None else as_float(tf.convert_to_tensor(gradient)) for gradient in gradients]
        return [gradient if gradient is None or scale == 1.0 else gradient / scale for gradient in wide]

    def chunk(self, inputs):
        """How many copies of the whole batch fit into one run of the model: a scalar int32 tensor, at least 1."""
        return tf.maximum(1, self.batch_size // tf.shape(inputs[0])[0])

    @property
    def _computes_in_half(self):
        nodes = self.graph.nodes if isinstance(self.graph, ModelGraph) else ()
        layers = [node.operation for node in nodes] or [self.model]
        return any(getattr(layer, "compute_dtype", None) == "float16" for layer in layers)

    def _prepare(self, inputs, structure):
        """What can be known only with the first batch at hand: the outputs of an opaque model."""
        if not self.scorer.is_ready:
            self.scorer.inspect(inputs, structure)

    def _explain(self, inputs, plan, start, count, labels):
        classes, data = plan.batch(start, count, labels)
        if plan.count is None:
            return self._run(inputs, plan, classes, data)
        ranked = self._function(inputs, plan, [], "ranking")(inputs, classes)
        if self.takes_all_ranks:
            return self._run(inputs, plan, ranked, data)
        each = [self._run(inputs, plan, ranked[:, rank], data) for rank in range(plan.count)]
        return keras.tree.map_structure(lambda *maps: tf.stack(maps, axis=1), *each)

    def _run(self, inputs, plan, classes, data):
        rows = [] if data is None else [tf.convert_to_tensor(data)]
        return self._function(inputs, plan, rows, "explanation")(inputs, tf.convert_to_tensor(classes), *rows)

    def _function(self, inputs, plan, rows, purpose):
        """The compiled function for inputs of this shape; batches of any size share one."""
        shapes = tuple((tuple(tensor.shape[1:]), tensor.dtype.name) for tensor in [*inputs, *rows])
        key = (purpose, plan.count, plan.output, plan.function, shapes)
        if key not in self._compiled:
            self._compiled[key] = self._compile(inputs, plan, rows, purpose)
        return self._compiled[key]

    def _compile(self, inputs, plan, rows, purpose):
        def explain(inputs, classes, *rows):
            self.trace_count += 1
            return self.explain_batch(list(inputs), Target(plan.output, plan.function, classes, *rows))

        def rank(inputs, classes):
            outputs, _ = self.scorer.outputs(list(inputs))
            return ranked_classes(self.scorer, outputs[plan.output], plan.output, plan.count)

        all_ranks = purpose == "explanation" and self.takes_all_ranks and plan.count is not None
        signature = [
            [_free_batch(tensor) for tensor in inputs],
            tf.TensorSpec([None, plan.count] if all_ranks else [None], tf.int32),
            *map(_free_batch, rows),
        ]
        function = tf.function(rank if purpose == "ranking" else explain, autograph=False)
        return function.get_concrete_function(*signature)  # cannot retrace


def _free_batch(tensor):
    return tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
