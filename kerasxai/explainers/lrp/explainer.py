"""LRP: the explainer, its start at the output, and what it shows of itself."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from typing_extensions import Unpack

from kerasxai.explainers.base import Explainer, ExplainerOptions
from kerasxai.explainers.gradient import pack_inputs, zeros_of
from kerasxai.explainers.lrp.choice import MAX_POOL
from kerasxai.explainers.lrp.engine import repeat
from kerasxai.explainers.lrp.ledger import Entries, Ledger
from kerasxai.explainers.lrp.mapping import Mapping
from kerasxai.explainers.lrp.plan import BATCH_NORM, Plan
from kerasxai.explainers.lrp.propagation import Propagation
from kerasxai.explainers.lrp.rules import Rules
from kerasxai.explainers.registry import register
from kerasxai.graph.forward import Forward
from kerasxai.options import check_finite, check_one_of, shown
from kerasxai.precision import as_float
from kerasxai.tables import Table
from kerasxai.targets import resolve, select
from kerasxai.typing import Labels, Model, Numbers, Samples, TargetLike

STARTS = ("logit", "one")
SUMMARY = ("node", "type", "rule", "treatment")


@register("lrp")
class LRP(Explainer):
    """Layer-wise Relevance Propagation: the score handed back layer by layer, each by the rule it is given.

    Signed `(samples, *input_shape)`; at another node, that node's shape.

    Args:
        model: A built Sequential or functional Keras model; never changed.
        rules: Which layer gets which rule: a `Rule`, a preset's name (`kerasxai.lrp.preset_names()`),
            `kerasxai.lrp.by_depth(...)`, or an ordered dict whose first matching key wins. A key is a node's path, a
            glob on it, a layer class, `kerasxai.lrp.CONVOLUTION` or `LINEAR`, a tuple of keys, `"first"`, `"*"` or a
            function of the node; its value a rule or, for nodes without a kernel, a treatment.
        extends: A preset whose keys come after those of `rules`.
        batch_norm: What becomes of batch normalisation: `"fold"` into a linear neighbour where that is exact (elsewhere
            `"epsilon"`), `"epsilon"`, `"abs_z"` or `"pass"` everywhere.
        max_pool: `"winner"` takes all, or `"average"`: treated as average pooling.
        input_range: Bounds `(low, high)` of the model's input for box rules; numbers, or one per channel.
        start: What the target's unit starts with: its `"logit"`, or `"one"`.
        contrast: None, or `"others"`: the other classes start with minus the target's share, divided among them.
        relevance_at: Path of the node whose relevance is wanted; None: the input's.
        **kwargs: `batch_size`, `verbose`, see `Explainer`; the score is always the logit.

    Raises:
        ValueError: A layer without a rule, an operation without a treatment, an option out of range.

    Example:

    ```python
    lrp = kerasxai.explainers.LRP(model, rules="epsilon_gamma_box", input_range=(0, 1))
    relevance = lrp(images)
    ```

    Reference:
        Bach et al., 2015, https://doi.org/10.1371/journal.pone.0130140
    """

    passes = "F + B to 2 F + 2 B, by rules"
    reduce = "sum"

    family = "relevance"
    needs_graph = True
    takes_all_ranks = True
    drops = False  # whether dropout layers drop values

    def __init__(
        self,
        model: Model,
        rules: Rules = "epsilon_plus",
        extends: str | None = None,
        batch_norm: Literal["fold", "epsilon", "abs_z", "pass"] = "fold",
        max_pool: Literal["winner", "average"] = "winner",
        input_range: tuple[Numbers, Numbers] | list[Numbers] | None = None,
        start: Literal["logit", "one"] = "logit",
        contrast: Literal["others"] | None = None,
        relevance_at: str | None = None,
        **kwargs: Unpack[ExplainerOptions],
    ) -> None:
        super().__init__(model, **kwargs)
        check_one_of("score", self.score, ("logit",))
        check_one_of("batch_norm", batch_norm, tuple(BATCH_NORM))
        check_one_of("max_pool", max_pool, MAX_POOL)
        check_one_of("start", start, STARTS)
        check_one_of("contrast", contrast, (None, "others"))
        _check_range(input_range)
        mapping = Mapping(rules, extends, input_range)
        self.plan = Plan(self.graph, mapping, self.scorer.left_out(), batch_norm, max_pool, self.drops)
        self.rules = rules if isinstance(rules, str) else mapping.get_config()
        self.extends = extends
        self.batch_norm, self.max_pool, self.input_range = batch_norm, max_pool, input_range
        self.start, self.contrast = start, contrast
        self._ends = [] if relevance_at is None else [self.graph.node(relevance_at, "relevance_at")]
        self.relevance_at = self._ends[0].path if self._ends else None
        self._paths_of_entries: Any = None  # until `ledger` was traced
        if len(self.graph.output_names) == 1:
            self.plan.check(self.graph.output_node(), self._ends)

    def explain_batch(self, inputs, target):
        return self.attribute(inputs, target)

    def attribute(self, inputs, target, overrides=None):
        """Relevance of each input (or of `relevance_at`): a list of tensors; `overrides` as `relevance` takes them."""
        relevance, forward = self.relevance(inputs, target, self.start, self.contrast, self._ends, overrides=overrides)
        wanted = [node.outputs[0] for node in self._ends] or self.graph.inputs
        copies = _copies(target)
        return [_by_sample(_found(relevance, tensor, forward, copies), target) for tensor in wanted]

    def finish(self, arrays, structure):
        return arrays[0] if self._ends else pack_inputs(arrays, structure)

    def relevance(self, inputs, target, start="logit", contrast=None, until=(), ledger=None, overrides=None):
        """One walk back from the output.

        Args:
            inputs: Flat list of tensors.
            target: A `Target`, perhaps of several classes a sample.
            start, contrast: See the class.
            until: Nodes at whose outputs the walk may end; none: it goes on to the inputs.
            ledger: An `Entries`, or None.
            overrides: Dict node -> what runs in its place in the forward pass.

        Returns:
            Dict tensor index -> relevance `(copies * batch, ...)`, and the `Forward` that was kept.
        """
        forward = Forward(self.graph, inputs, {**self.scorer.overrides(target), **(overrides or {})})
        if forward.is_wider and target.classes.shape.rank == 1:
            target = self.resolve_target(inputs, target)  # the class the model itself predicts, rounding included
        copies = _copies(target)
        begin = self._start(forward, _one_after_the_other(target), start, contrast, copies)
        walk = Propagation(self.plan, forward, copies, ledger)
        return walk.back(begin, until), forward

    def _start(self, forward, target, start, contrast, copies):
        """Relevance of the explained outputs: the logit (or 1) at the target's unit, 0 elsewhere."""
        raw = [as_float(repeat(forward.values[tensor], copies)) for tensor in self.graph.outputs]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(raw)
            outputs = self.scorer.of_outputs(raw, target)
            scores = select(self.scorer, outputs, target)
        slopes = tape.gradient(scores, raw)
        if all(slope is None for slope in slopes):
            raise ValueError("`target` must depend on the model's outputs. Received: one without a gradient there.")
        self._refuse_probabilities(target, slopes)
        begins = {
            tensor: slope if start == "one" else slope * value
            for tensor, slope, value in zip(self.graph.outputs, slopes, raw)
            if slope is not None
        }
        if contrast is None:
            return begins
        begin = begins[self.graph.outputs[target.output]]
        units = begin.shape[-1]
        if target.function is not None or begin.shape.rank != 2 or units < 2:
            raise ValueError(
                f'contrast="others" needs a class target and an output of two classes or more. Received: output '
                f"{tuple(begin.shape)}."
            )
        chosen = tf.one_hot(resolve(self.scorer, outputs, target).classes, units, dtype=begin.dtype)
        against = tf.reduce_sum(begin, axis=-1, keepdims=True) * (chosen - (1 - chosen) / (units - 1))
        return {self.graph.outputs[target.output]: against}

    def _refuse_probabilities(self, target, slopes):
        """Relevance is handed back from logits; a function of the model's own outputs may read probabilities."""
        if target.scale.kind != "output":
            return
        for name, head, slope in zip(self.graph.output_names, self.scorer.heads, slopes):
            if slope is not None and head.kind in ("softmax", "sigmoid"):
                raise ValueError(
                    f"Relevance starts before a final softmax or sigmoid. Received: a callable `target`, which gets "
                    f"the model's own outputs, and reads the {head.kind} {name!r}. Give "
                    "target=kerasxai.of_logits(function) for a function of the logits."
                )

    def ledger(self, x: Samples, target: TargetLike = None, y: Labels | None = None) -> Ledger:
        """Where relevance goes: per node what it was given, handed on, and lost, and to what.

        Args:
            x, target, y: As when the explainer is called; one class a sample.

        Returns:
            A `kerasxai.lrp.Ledger`; `print` and a notebook show its means.
        """
        entries, _ = self.run(self._entries, x, target, y, one_class=True)
        return Ledger(self._paths_of_entries, entries)

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> Table:
        """Shows and returns a table of every node with its type, rule and treatment.

        Args:
            print_fn: What takes each line. None: a terminal gets text, a notebook HTML.

        Returns:
            A list of dicts with `node`, `type`, `rule` and `treatment` that prints as a table.
        """
        self.refresh()
        rows = [dict(zip(SUMMARY, row)) for row in self.plan.rows()]
        return Table(rows, {heading: operator.itemgetter(heading) for heading in SUMMARY}).show(print_fn)

    def _entries(self, inputs, target):
        """The entries of the ledger, `(samples, nodes, columns)`."""
        entries = Entries()
        self.relevance(inputs, target, self.start, self.contrast, self._ends, ledger=entries)
        self._paths_of_entries = [node.path for node, _ in entries.rows]  # known once it is traced
        return entries.tensor()


def _check_range(input_range):
    if input_range is None:
        return
    expected = "`input_range` must be (low, high), low < high, each a number or one per channel."
    if not isinstance(input_range, (list, tuple)) or len(input_range) != 2:
        raise ValueError(f"{expected} Received: input_range={shown(input_range)}.")
    for bound in input_range:
        check_finite("input_range", bound)
    shapes = {np.shape(bound) for bound in input_range} - {()}
    if len(shapes) > 1 or not np.all(np.less(*input_range)):
        raise ValueError(f"{expected} Received: input_range={shown(input_range)}.")


def _copies(target):
    return target.classes.shape[1] if target.classes.shape.rank == 2 else 1


def _one_after_the_other(target):
    """A target of several classes a sample as one of a batch that stands as many times."""
    if _copies(target) == 1 and target.classes.shape.rank == 1:
        return target
    return dataclasses.replace(target, classes=tf.reshape(tf.transpose(target.classes), [-1]))


def _by_sample(relevance, target):
    """`(copies * batch, ...)` as `(batch, copies, ...)` where several classes were asked for."""
    if target.classes.shape.rank == 1:
        return relevance
    copies = _copies(target)
    apart = tf.reshape(relevance, tf.concat([[copies, -1], tf.shape(relevance)[1:]], axis=0))
    # The reshape by a dynamic shape has lost what is known of it.
    apart = tf.ensure_shape(apart, [copies, None, *relevance.shape[1:]])
    return tf.transpose(apart, [1, 0, *range(2, apart.shape.rank)])


def _found(relevance, tensor, forward, copies):
    """Relevance of a tensor, zeros where none came."""
    if relevance.get(tensor) is not None:
        return relevance[tensor]
    value = repeat(forward.values[tensor], copies)
    return zeros_of(value)
