"""Explainer: the public call, batches, targets, and one compiled function; what a method computes is elsewhere."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import tensorflow as tf

from kerasxai.explainers.origin import Origin
from kerasxai.graph import ModelGraph, Score, view
from kerasxai.graph.reading import Node
from kerasxai.options import check_one_of, positive_integer
from kerasxai.pixel_range import warn_of_pixels
from kerasxai.precision import as_float
from kerasxai.registry import Called, Configurable
from kerasxai.running import Runner
from kerasxai.targets import Target, resolve, select
from kerasxai.typing import Labels, Maps, Model, Samples, ScoreKind, TargetLike, Verbose

# Lifts float16 gradients out of the range where they become 0; divided out again in float32.
_HALF_PRECISION_SCALE = 1024.0


class _Remembering(Called):
    """Makes explainers that remember what they were made from."""

    def __call__(cls, *arguments, **options):
        explainer = super().__call__(*arguments, **options)
        explainer._origin = Origin(explainer, arguments, options)
        return explainer


class RunOptions(TypedDict, total=False):
    """Options of `Explainer` that every explainer hands on."""

    batch_size: int
    verbose: Verbose


class ExplainerOptions(RunOptions, total=False):
    """Options of `Explainer`."""

    score: ScoreKind


class Explainer(Configurable, metaclass=_Remembering):
    """A method of explanation bound to a model.

    A subclass gives `explain_batch(inputs, target)` in pure TensorFlow operations. The base class checks the input,
    resolves the target, compiles once per shape of the input, runs batch by batch and returns NumPy arrays. Weights
    are read by reference, so an explainer made before `fit` explains the trained model. Where something else about
    the model's layers has changed since (see `refresh`), or an option of the explainer, it is compiled anew.

    Args:
        model: A built Keras model, never changed, or a function `x -> scores`, of TensorFlow operations or, for the
            methods that only perturb the input, in NumPy.
        score: The scalar explained: `"logit"` (default), a final softmax or sigmoid left out, or `"probability"`.
            Linear units are logits or values by the compiled loss; where there is none that tells, a target that speaks
            of classes means their softmax, and an index the value of its unit.
        batch_size: Number of samples, or of perturbed copies of them, the model runs on at once. Bounds the memory.
        verbose: Progress bar: `"auto"` (only when it takes longer than two seconds), 0 or 1.

    Attributes:
        name: Registry name.
        family: Which methods it belongs with.
        passes: What a batch costs: F a forward pass, B a backward pass to the input, b one to the layer only.
        reduce: How `to_heatmap` ranks this method's attributions; None for maps without channels.
        signed: Whether attributions may be negative, under the options given; the class's is that of the defaults.
        needs_graph: Whether the method needs a Sequential or functional model.
        takes_all_ranks: Whether `explain_batch` explains several classes of a sample in one pass: it then gets
            `target.classes` of shape `(batch, count)` and returns `(batch, count, ...)`.
        parts: The explainers it is made of.
    """

    config_key = "method"
    family: str | None = None
    passes: str | None = None
    reduce: str | None = None
    signed = True
    needs_graph = False
    takes_all_ranks = False
    parts: tuple[Explainer, ...] = ()
    _origin: Any = None  # until it is made

    def __init__(
        self, model: Model, *, score: ScoreKind = "logit", batch_size: int = 32, verbose: Verbose = "auto"
    ) -> None:
        check_one_of("verbose", verbose, ("auto", 0, 1))
        self.model = model
        self.batch_size = positive_integer("batch_size", batch_size)
        self.verbose = verbose
        # A `ModelGraph` where one is needed, else a `ModelGraph` or an `OpaqueModel`.
        self.graph: Any = ModelGraph(model) if self.needs_graph else view(model)
        self.scorer = Score(self.graph, score)
        self.score = score
        self.runner = Runner(self.scorer, self.was_run)

    def __call__(self, x: Samples, target: TargetLike = None, y: Labels | None = None) -> Maps:
        """Explains every sample of `x`.

        Args:
            x: Array or tensor `(samples, *input_shape)`, a list or dict of them for several inputs, a
                `tf.data.Dataset` or `keras.utils.PyDataset` of `x` or `(x, y)`. In the model's own input range.
            target: What is explained. None or `"predicted"`: the class predicted for each sample; `"true"`: its label
                in `y` or the dataset; an int; one int per sample; one-hot rows; `"top4"`: the four best classes, on a
                new axis after the samples; a callable, what `model(x)` returns -> `(batch,)`, whatever the `score`
                (`kerasxai.of_logits(callable)` gets the logits), or `(callable, array)` with per-sample data as its
                second argument; `(output_name, target)` for one output of several.
            y: Labels, used by `target="true"`.

        Returns:
            NumPy float32 array (see the class for its shape); for several inputs a list or dict of them.

        Raises:
            ValueError: `x` or `target` does not fit the model, is empty, or holds NaN.
        """
        return self.finish(*self.run(self.explain_batch, x, target, y, takes_all_ranks=self.takes_all_ranks))

    def run(
        self, function: Callable[..., Any], x: Samples, target: TargetLike = None, y: Labels | None = None, **how: Any
    ) -> tuple[Any, Any]:
        """Runs a function of this explainer over data, as `explain_batch` is run.

        Args:
            function: Function `(inputs, target)`, see `explain_batch`.
            x, target, y: See `Explainer.__call__`.
            **how: `one_class`, `takes_all_ranks`, `key`, see `Runner.run`.

        Returns:
            What the function returns, as arrays, and how several inputs were packed.
        """
        self.refresh()

        def prepare(inputs, structure, target):
            warn_of_pixels(self.model, self.graph, inputs)
            self.prepare(inputs, structure, target)

        ran = self.runner.run(
            function, x, target, y, batch_size=self.batch_size, verbose=self.verbose, prepare=prepare, **how
        )
        return ran.results, ran.structure

    def refresh(self) -> None:
        """Makes everything anew that was made from the model or from options, if these have changed since.

        Called whenever the explainer is. What is noticed is all that the layers of a Keras model hold besides the
        values of their weights: activations and other attributes, statistics of a `Normalization`, added or replaced
        weights (`enable_lora`, `quantize`), added or removed layers. Of a model that is a plain function, only
        what its closure and its global names hold is seen.
        """
        if self._origin is not None:
            self._origin.refresh(self)

    @property
    def generation(self) -> int:
        """How many times `refresh` made the explainer anew."""
        return 0 if self._origin is None else self._origin.generation

    def was_run(self) -> None:
        """Called after a compiled function first ran: what the model then wrote on its layers is no constant."""
        self._origin.was_run()

    @property
    def trace_count(self) -> int:
        """How many times the explainer's functions were traced so far."""
        return self.runner.trace_count

    @abc.abstractmethod
    def explain_batch(self, inputs: list[tf.Tensor], target: Target) -> Any:
        """Explains one batch, in TensorFlow operations only.

        Args:
            inputs: Flat list of tensors `(batch, *input_shape)`, one per model input.
            target: A `kerasxai.targets.Target`; pass it to `self.scores`.

        Returns:
            Tensor with a leading batch axis, or a structure of such tensors.
        """

    def prepare(self, inputs: list[tf.Tensor], structure: Any, target: Target) -> None:
        """Learns what can be known only with the first batch at hand, before anything is compiled.

        Args:
            inputs: Flat list of tensors.
            structure: How several inputs were packed.
            target: The `Target`, without a batch.
        """
        if not self.scorer.is_ready:
            self.scorer.inspect(inputs, structure)
        for part in self.parts:
            part.prepare(inputs, structure, target)

    def finish(self, arrays: Any, structure: Any) -> Any:
        """Turns the collected arrays into what the user gets; `structure` is how several inputs were packed."""
        return arrays

    def scores(
        self,
        inputs: list[tf.Tensor],
        target: Target,
        taps: Sequence[Any] = (),
        on_tap: Callable[[tf.Tensor], Any] | None = None,
        overrides: dict[Node, Callable[..., Any]] | None = None,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Runs the model: the explained scalar of each sample `(batch,)`, and the outputs of the layers in `taps`."""
        outputs, tapped = self.scorer.outputs(inputs, target, taps, on_tap, overrides)
        return select(self.scorer, outputs, target), tapped

    def resolve_target(self, inputs: list[tf.Tensor], target: Target) -> Target:
        """The target with the class predicted for the clean input in it, for methods that go on to change the input.

        Costs one forward pass, and only when a predicted class is asked for.
        """
        if target.function is not None:
            return target

        def predicted():
            outputs, _ = self.scorer.outputs(inputs, target)
            return resolve(self.scorer, outputs, target).classes

        # The pass that predicts runs only where a class is asked for that no index names.
        classes = tf.cond(tf.reduce_any(target.classes < 0), predicted, lambda: target.classes)
        # `tf.cond` loses the rank, which a gather further on must know.
        return target.of_batch(tf.ensure_shape(classes, [None]))

    def differentiate(
        self, tape: tf.GradientTape, scores: tf.Tensor, sources: list[tf.Tensor]
    ) -> list[tf.Tensor | None]:
        """Gradients of the scores with respect to `sources`, in float32 (float64 stays)."""
        half = any(tensor.dtype == tf.float16 for tensor in sources) or self._computes_in_half
        scale = _HALF_PRECISION_SCALE if half else 1.0
        seed = tf.fill(tf.shape(scores), tf.constant(scale, scores.dtype))
        gradients = tape.gradient(scores, sources, output_gradients=seed)
        wide = [gradient if gradient is None else as_float(tf.convert_to_tensor(gradient)) for gradient in gradients]
        return [gradient if gradient is None or scale == 1.0 else gradient / scale for gradient in wide]

    def chunk(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        """How many copies of the whole batch fit into one run of the model: a scalar int32 tensor, at least 1."""
        return tf.maximum(1, self.batch_size // tf.shape(inputs[0])[0])

    @property
    def _computes_in_half(self):
        layers = [node.operation for node in self.graph.nodes] or [self.model]
        return any(getattr(layer, "compute_dtype", None) == "float16" for layer in layers)
