"""Which treatment each layer or operation without a kernel gets."""

import keras

from kerasxai.explainers.lrp.operations import (
    AveragePool,
    ConstantScale,
    Gate,
    Gradient,
    PassOn,
    Proportional,
    Treatment,
)
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import activation_of
from kerasxai.graph.operations import UNKNOWN, keeps_order, what_does

_PASS, _GRADIENT, _PROPORTIONAL = PassOn(), Gradient(), Proportional()
_SCALE, _AVERAGE = ConstantScale(), AveragePool()
_BY_NAME = {one.name: one for one in (_PASS, _GRADIENT, _PROPORTIONAL, _SCALE)}

MAX_POOL = ("winner", "average")


def get_treatment(config):
    """The treatment of a name, a config dict, or a treatment as it is."""
    if isinstance(config, Treatment):
        return config
    if isinstance(config, dict) and config.get("treatment") == "gate":
        return Gate(config.get("gate"))
    if isinstance(config, str) and config in _BY_NAME:
        return _BY_NAME[config]
    raise ValueError(f"A treatment must be one of {', '.join(_BY_NAME)}, or a Treatment. Received: {config!r}.")


def treatment_names():
    """Names of the treatments that need no options."""
    return list(_BY_NAME)


def treatment_of(graph, node, max_pool="winner"):
    """The treatment of a node that is no linear layer.

    Args:
        graph: The ModelGraph.
        node: A node.
        max_pool: `"winner"`: the maximum of a window takes all; `"average"`: as average pooling.

    Raises:
        ValueError: The operation is unknown, or a product whose gate cannot be told.
    """
    found = what_does(node.operation)
    if found.relevance is not None:
        pools = found.does == "maximum" and found.positions in ("pool", "pool_all")
        is_pooling_layer = pools and isinstance(node.operation, keras.Layer)
        return _AVERAGE if is_pooling_layer and max_pool == "average" else get_treatment(found.relevance)
    if is_product(node):
        return _product(graph, node)
    if kind_of(node.operation) == "Activation" and found == UNKNOWN:  # taken for a function of each value
        return _PASS
    raise ValueError(_unknown(node))


def is_product(node):
    """Whether a node multiplies or divides."""
    return what_does(node.operation).does in ("product", "divide")


def _product(graph, node):
    operands = node.inputs
    if len(operands) == 1 or len(set(operands)) == 1:
        return _PASS
    if len(operands) > 2:
        raise ValueError(_ask_for_gate(node, "more than two operands"))
    if what_does(node.operation).does == "divide":
        return Gate(1)
    sigmoid_like = [_is_sigmoid_like(graph, tensor) for tensor in operands]
    gates = [one or _has_one_position(graph, tensor) for one, tensor in zip(sigmoid_like, operands)]
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
        f"of its kind: kerasxai.register_operation({node.kind}, ...)."
    )


def _ask_for_gate(node, what):
    return (
        f"Product {node.path} ({node.kind}): {what}, so LRP cannot tell which one is held constant. Say so in the "
        f"rules: {{{node.path!r}: kerasxai.lrp.Gate(1)}} makes the second one the gate."
    )
