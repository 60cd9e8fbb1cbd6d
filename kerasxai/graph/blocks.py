"""Where the blocks of a convolutional network end: the last layers before its maps shrink."""

from __future__ import annotations

from kerasxai.graph.linear import LINEAR
from kerasxai.graph.model_graph import ModelGraph
from kerasxai.graph.reading import Node
from kerasxai.graph.target_layer import default_layer, is_candidate

# A side this many times smaller is a reduction; a border cut off by an unpadded convolution is not.
_REDUCTION = 1.5


def block_ends(
    graph: ModelGraph, index: int = 0, output: int = 0, shapes: dict[int, tuple[int | None, ...]] | None = None
) -> list[Node]:
    """The last node before each reduction of the spatial size, and the last of all, shallow to deep.

    Only nodes that all that is made of the input passes through count, no layer inside a branch; where there is none,
    the one node that a CAM reads by default.

    Args:
        graph: A ModelGraph.
        index: Index of the input.
        output: Index of the explained output.
        shapes: Dict tensor index -> shape `(batch, *spatial, channels)` where the model leaves sizes open.

    Returns:
        List of `Node`.

    Raises:
        ValueError: No layer on the way to the output has spatial axes.
    """
    rank = len(graph.input_shapes[index])
    cuts = [node for node in _cuts(graph, index, output) if is_candidate(node, graph) and len(node.shape) == rank]
    if not cuts:
        last = default_layer(graph, output)
        if index not in graph.reached_inputs(last) or len(last.shape) != rank:
            raise ValueError(
                f"The model must make feature maps of its input {graph.input_names[index]!r}. Received: a model whose "
                f"last feature maps, those of {last.path}, are of another input."
            )
        return [last]
    sizes = [(node.shape if shapes is None else shapes[node.outputs[0]])[1:-1] for node in cuts]
    ends = [node for node, size, after in zip(cuts, sizes, sizes[1:]) if _is_reduced(size, after)]
    return [*ends, cuts[-1]]


def _cuts(graph, index, output):
    """Nodes on the way to an output whose first output is all that the nodes after them have of an input.

    Those before the first linear layer prepare the input and are left out.
    """
    last = graph.output_node(output)
    way = set() if last is None else {*graph.ancestors(last), last}
    seen, nodes = {graph.inputs[index]}, []  # tensors and nodes that depend on the input
    for node in graph.nodes:
        if node in way and seen.intersection(node.inputs):
            seen.update(node.outputs)
            nodes.append(node)
    last_use = {}
    for place, node in enumerate(nodes):
        last_use.update(dict.fromkeys(node.inputs, place))
    # A convolution in anything but name, such as one of standardised weights, makes features too.
    first = next((place for place, node in enumerate(nodes) if isinstance(node.operation, LINEAR)), 0)
    live, cuts = {graph.inputs[index]}, []
    for place, node in enumerate(nodes):
        live = {tensor for tensor in live.union(node.outputs) if last_use.get(tensor, -1) > place}
        if live == {node.outputs[0]} and place >= first:
            cuts.append(node)
    return cuts


def _is_reduced(size, after):
    known = [(length, new) for length, new in zip(size, after) if length is not None and new is not None]
    return any(length >= _REDUCTION * new for length, new in known)
