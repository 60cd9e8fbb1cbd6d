"""Which inputs of whole numbers a model may be given real numbers at: those its first layers turn into such at once."""

import tensorflow as tf

from kerasxai.graph.operations import what_does


def accepted_dtypes(graph, declared):
    """The types a graph's inputs are run in: the declared ones, float32 where whole numbers become real at once.

    What a method puts in the place of a pixel of such an input need then not be rounded, and it has a gradient. For
    whole numbers the model gives exactly what it gives for the declared type.

    Args:
        graph: A ModelGraph.
        declared: Types that the model declares for its inputs.

    Returns:
        List of names of types.
    """
    return [
        "float32" if tf.as_dtype(dtype).is_integer and _becomes_real(graph, tensor) else dtype
        for tensor, dtype in zip(graph.inputs, declared)
    ]


def _becomes_real(graph, tensor):
    takers = [node for node in graph.nodes if tensor in node.inputs]
    return bool(takers) and tensor not in graph.outputs and all(_casts(graph, node) for node in takers)


def _casts(graph, node):
    known = what_does(node.operation)
    if known.casts:
        return tf.as_dtype(node.dtype).is_floating
    only_moves = known.does in ("same", "move") and known.is_affine and len(node.inputs) == 1
    return only_moves and all(_becomes_real(graph, made) for made in node.outputs)
