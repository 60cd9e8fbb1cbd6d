"""Which tensors of a graph cannot be negative, told from the operations that make them."""

from kerasxai.graph.linear import activation_of
from kerasxai.graph.operations import what_does


def non_negative_tensors(graph):
    """Indices of the tensors whose values cannot be negative; the model's inputs may be anything."""
    tensors = set()
    for node in graph.nodes:
        does = what_does(node.operation)
        rectifies = does.is_non_negative or what_does(activation_of(node.operation)).is_non_negative
        if rectifies or (does.keeps_sign and tensors.issuperset(node.inputs)):
            tensors.update(node.outputs)
    return tensors
