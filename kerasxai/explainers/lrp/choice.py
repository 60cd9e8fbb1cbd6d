"""Which treatment a node without a kernel gets: by what its operation does, products by which operand is a gate."""

import keras

from kerasxai.explainers.lrp.treatments import AVERAGE_POOL, PASS, Gate, get_treatment
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import activation_of, mixes_values
from kerasxai.graph.operations import keeps_order, what_does

MAX_POOL = ("winner", "average")


def treatment_of(graph, node, max_pool="winner"):
    """The treatment of a node that is no linear layer.

    Args:
        graph: The ModelGraph.
        node: A node.
        max_pool: `"winner"`: the maximum of a window takes all; `"average"`: as average pooling.

    Raises:
        ValueError: The operation is unknown, or a product whose gate cannot be told.
    """
    operation = what_does(node.operation)
    if operation.relevance is not None:
        pools = operation.does == "maximum" and operation.positions in ("pool", "pool_all")
        is_pooling_layer = pools and isinstance(node.operation, keras.Layer)
        return AVERAGE_POOL if is_pooling_layer and max_pool == "average" else get_treatment(operation.relevance)
    if is_product(node):
        return _product(graph, node)
    if kind_of(node.operation) == "Activation" and not mixes_values(node):
        return PASS
    raise ValueError(_unknown(node))


def is_product(node):
    """Whether a node multiplies or divides."""
    return what_does(node.operation).does in ("product", "divide")


def _product(graph, node):
    operands = node.inputs
    if len(operands) == 1 or len(set(operands)) == 1:
        return PASS
    if len(operands) > 2:
        raise ValueError(_ask_for_gate(node, "more than two operands"))
    if what_does(node.operation).does == "divide":
        return Gate(1)
    sigmoid_like = [_is_sigmoid_like(graph, tensor) for tensor in operands]
    gates = [bounded or _has_one_position(graph, tensor) for bounded, tensor in zip(sigmoid_like, operands)]
    for signs in (gates, sigmoid_like):
        if sum(signs) == 1:
            return Gate(signs.index(True))
    which = "both operands look" if all(gates) else "neither operand looks"
    raise ValueError(_ask_for_gate(node, f"{which} like a gate (one position, or made by a sigmoid)"))


def _has_one_position(graph, tensor):
    producer = graph.producer(tensor)
    shape = producer.shape if producer is not None else graph.input_shapes[graph.inputs.index(tensor)]
    return all(size == 1 for size in shape[1:-1])


def _is_sigmoid_like(graph, tensor):
    """Whether a tensor is made by a function that runs between two bounds, reshaped or scaled at most."""
    node = graph.producer(tensor)
    while node is not None and len(node.inputs) == 1 and (is_product(node) or keeps_order(node.operation)):
        node = graph.producer(node.inputs[0])
    if node is None:
        return False
    return what_does(node.operation).is_bounded or what_does(activation_of(node.operation)).is_bounded


def _unknown(node):
    return (
        f'LRP has no treatment for {node.path} ({node.kind}). Name one in the rules, {{{node.path!r}: "pass"}} '
        '("pass" for elementwise functions, "gradient" for selections and moves, "proportional" for sums), or for all '
        f'of its kind: kerasxai.register_operation({node.kind}, "function"), or "move", "sum".'
    )


def _ask_for_gate(node, what):
    return (
        f"Product {node.path} ({node.kind}): {what}, so LRP cannot tell which one is held constant. Say so in the "
        f"rules: {{{node.path!r}: kerasxai.lrp.Gate(1)}} makes the second one the gate."
    )
