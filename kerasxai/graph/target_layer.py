"""Which layer a class activation map reads: the default, and the candidates."""

from __future__ import annotations

import keras

from kerasxai.graph.model_graph import ModelGraph
from kerasxai.graph.reading import Node

# What only moves, drops or pools positions adds nothing to the map of the layer before it. Subclasses are taken for
# their parents: this chooses which layer to look at, and says nothing of what it computes.
_PARTS = ("Pool", "Reshape", "Permute", "Padding", "Crop", "Flatten", "UpSampling", "Dropout")
_PASSED_OVER_LAYERS = tuple(
    getattr(keras.layers, name)
    for name in dir(keras.layers)
    if any(map(name.__contains__, _PARTS))
    or name in ("Identity", "InputLayer", "RepeatVector", "GaussianNoise", "ActivityRegularization", "Resizing")
)
_PASSED_OVER_KINDS = (
    *("Reshape", "Transpose", "Pad", "MaxPool", "AveragePool", "GetItem", "Squeeze", "ExpandDims"),
    *("Cast", "Resize", "Mean", "Max", "StochasticDepth", "InputLayer"),
)


def default_layer(graph: ModelGraph, output: int = 0) -> Node:
    """The node whose output a CAM reads unless told otherwise.

    The last one on the way to the output whose output has more than one position, and that is no pooling, reshaping,
    padding or dropout: its own output, after activation.

    Args:
        graph: A ModelGraph.
        output: Index of the explained output.

    Returns:
        A `Node`.

    Raises:
        ValueError: There is none, or several parallel branches end in one each.
    """
    ends, seen = [], set()
    wanted = [graph.output_node(output)]
    while wanted:
        node = wanted.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if is_candidate(node, graph):
            ends.append(node)
        else:
            wanted.extend(graph.producer(tensor) for tensor in node.inputs)
    ancestors = set().union(*(graph.ancestors(node) for node in ends))
    ends = [node for node in graph.nodes if node in ends and node not in ancestors]
    if len(ends) == 1:
        return ends[0]
    if not ends:
        raise ValueError(
            f"`layer` must name a layer with spatial axes. The model {graph.model.name!r} has none on the way to "
            f"{graph.output_names[output]!r}. Gradient methods (gradient, integrated_gradients) need no such layer."
        )
    raise ValueError(
        f"`layer` must be given: parallel branches of the model end in {', '.join(node.path for node in ends)}. "
        "Name one of them, or give the list."
    )


def is_candidate(node, graph):
    """Whether a node's output has positions worth a map of their own."""
    if isinstance(node.operation, _PASSED_OVER_LAYERS) or node.kind in _PASSED_OVER_KINDS:
        return False
    return has_positions(node.shape, _input_ranks(graph, node))


def has_positions(shape, ranks):
    """Whether a shape `(batch, *spatial, channels)` has more than one position and one of the given ranks."""
    return len(shape) > 2 and len(shape) in ranks and any(size != 1 for size in shape[1:-1])


def captured_default(model, calls, rank):
    """The layer of a subclassed model that answers to `default_layer`: the last such call of a run.

    Args:
        model: An OpaqueModel.
        calls: What `model.layer_calls` returned.
        rank: Rank of the input.
    """
    paths = [
        path
        for path, layer, shape in calls
        if not isinstance(layer, _PASSED_OVER_LAYERS) and has_positions(shape, {rank})
    ]
    if not paths:
        raise ValueError(
            f"`layer` must name a layer with spatial axes. {type(model.model).__name__} calls none whose output can be "
            "captured. Gradient methods (gradient, integrated_gradients) need no such layer."
        )
    return paths[-1]


def _input_ranks(graph, node):
    return {len(graph.input_shapes[index]) for index in graph.reached_inputs(node)}
