"""Which node of a model is treated how: rules for linear layers, treatments for the others, normalisations folded."""

from typing import NamedTuple

from kerasxai.explainers.lrp.choice import treatment_of
from kerasxai.explainers.lrp.linear import LinearTreatment, ScaleTreatment
from kerasxai.explainers.lrp.rules import AbsZ, Epsilon, Pass, Rule
from kerasxai.explainers.lrp.treatments import PASS, Gate, Treatment
from kerasxai.graph.batch_norm import Folds
from kerasxai.graph.linear import mixes_values
from kerasxai.graph.linear_parts import refuse_quantised
from kerasxai.graph.operations import is_linear, is_scaling
from kerasxai.graph.signs import non_negative_tensors

BATCH_NORM = {"fold": Epsilon(), "epsilon": Epsilon(), "abs_z": AbsZ(), "pass": Pass()}


class Step(NamedTuple):
    """How one node hands relevance on.

    Attributes:
        treatment: A `Treatment`.
        note: What else there is to know, for the summary.
    """

    treatment: Treatment
    note: str = ""


class Plan:
    """How relevance passes every node of a graph.

    Args:
        graph: A ModelGraph.
        mapping: A `Mapping`.
        stripped: Nodes whose activation the score leaves out.
        batch_norm: What becomes of batch normalisation, a key of `BATCH_NORM`.
        max_pool: See `treatment_of`.
        drops: Whether dropout layers drop values in the walks to come.

    Attributes:
        steps: Dict node -> `Step`. A node that LRP cannot treat has none; `refusals` says why.
        folds: The `Folds` in force.
        first: The first linear nodes: those reachable from an input without crossing another.
        non_negative: Indices of the tensors that cannot be negative.
    """

    def __init__(self, graph, mapping, stripped=(), batch_norm="fold", max_pool="winner", drops=False):
        self.graph = graph
        self.linear = [node for node in graph.nodes if is_linear(node.operation)]
        self.first = _first(graph, self.linear)
        self._chosen = chosen = mapping.resolve(graph, self.linear, self.first)
        affine = [node for node in graph.nodes if is_scaling(node.operation)]
        kept = affine if batch_norm != "fold" else [node for node in affine if node in chosen]
        self.folds = Folds(graph, kept, across_dropout=not drops)
        self.non_negative = non_negative_tensors(graph)
        self.refusals = {}
        self.steps = {}
        for node in graph.nodes:
            try:
                self.steps[node] = self._step(node, chosen.get(node), stripped, BATCH_NORM[batch_norm], max_pool)
            except ValueError as refusal:
                self.refusals[node] = refusal

    def treatment(self, node):
        """The `Treatment` of a node; the error that says why where there is none."""
        if node in self.refusals:
            raise self.refusals[node]
        return self.steps[node].treatment

    def nodes_after(self, ends=()):
        """The nodes a walk back to the outputs of `ends` crosses, in execution order; all where there are no ends."""
        if not ends:
            return list(self.graph.nodes)
        after = set().union(*(self.graph.suffix_nodes(end) for end in ends))
        return [node for node in self.graph.nodes if node in after]

    def check(self, output, ends=()):
        """Raises what would stop a walk from the node `output` back to `ends`, or to the inputs."""
        on_the_way = self.nodes_after(ends)
        reached = {output}
        for node in reversed(self.graph.nodes):
            if node in reached and node in on_the_way:
                treatment = self.treatment(node)
                gate = treatment.gate if isinstance(treatment, Gate) else None
                operands = [tensor for index, tensor in enumerate(node.inputs) if index != gate]
                reached.update(self.graph.producer(tensor) for tensor in operands)

    def rows(self):
        """What the summary shows: (path, kind, rule or "", treatment) of every node."""
        for node in self.graph.nodes:
            if node in self.refusals:
                yield node.path, node.kind, "", "none"
                continue
            treatment, note = self.steps[node]
            rule, remark = ("", "") if treatment.rule is None else (repr(treatment.rule), treatment.rule.remark)
            yield node.path, node.kind, rule, ", ".join(filter(None, (repr(treatment), note, remark)))

    def _step(self, node, choice, stripped, batch_norm_rule, max_pool):
        if isinstance(choice, Treatment):
            return Step(choice)
        if node in self.folds.folded:
            return Step(PASS, f"folded into {self.folds.folded[node].path}")
        if node in self.linear:
            note = "first layer" if node in self.first else ""
            return Step(self._of_linear(node, choice, node in stripped), note)
        if is_scaling(node.operation):
            if choice is None and self._feeds_only_fixed_shares(node):
                return Step(ScaleTreatment(Pass()), "input scaling")
            return Step(ScaleTreatment(choice or batch_norm_rule), "scale and shift")
        if isinstance(choice, Pass):
            return Step(PASS)
        if choice is not None:
            raise ValueError(f"Rule {choice!r} is for linear layers. Received: {node.path} ({node.kind}).")
        if node in stripped:
            return Step(PASS, "left out for the logit")
        return Step(treatment_of(self.graph, node, max_pool))

    def _of_linear(self, node, rule, is_left_out):
        refuse_quantised(node.operation)
        if not is_left_out and mixes_values(node):
            raise ValueError(_mixing_inside(node))
        tensor = self.folds.before.get(node, node).inputs[0]
        return LinearTreatment(rule, self.graph, node, self.folds, node in self.first, tensor in self.non_negative)

    def _feeds_only_fixed_shares(self, node):
        """Whether a scaling of the input leads to rules that share out relevance whatever the input is.

        Such a rule gives a scaled pixel of value 0 its part too, which a share in proportion would blow up.
        """
        followers = [self._chosen[after] for after in self.graph.suffix_nodes(node) if after in self.first]
        return bool(followers) and not any(isinstance(rule, Rule) and rule.scales_with_input for rule in followers)


def _mixing_inside(node):
    name = getattr(node.operation.activation, "__name__", "activation")
    return (
        f"LRP has no treatment for the {name} of {node.path} ({node.kind}), which mixes values, and which the score "
        "does not leave out. Make it a layer of its own, keras.layers.Activation(...), and name a treatment for it in "
        'the rules ("pass"), or use a gradient method (gradient_x_input, integrated_gradients).'
    )


def _first(graph, linear):
    return [node for node in linear if not graph.ancestors(node).intersection(linear) and graph.reached_inputs(node)]
