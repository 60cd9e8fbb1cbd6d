"""Which treatment each kind of layer or operation without a kernel gets, and where users add theirs."""

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
from kerasxai.graph.kinds import kind_of, layers, operations
from kerasxai.graph.linear import SIGMOID, SOFTMAX, activation_of

_PASS, _GRADIENT, _PROPORTIONAL = PassOn(), Gradient(), Proportional()
_SCALE, _AVERAGE = ConstantScale(), AveragePool()
_BY_NAME = {one.name: one for one in (_PASS, _GRADIENT, _PROPORTIONAL, _SCALE)}

MAX_POOL = ("winner", "average")


_MAX_POOLING = layers("MaxPooling*", "GlobalMaxPooling*")
_BY_KIND = {
    **dict.fromkeys(
        layers(
            *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Identity", "ActivityRegularization"),
            *("Dropout", "SpatialDropout*", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
            *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast", "RandomBrightness"),
            *("UnitNormalization", "RMSNormalization"),  # with the scale held constant nothing else is left of them
            *("LayerScale", "StochasticDepth"),  # of Keras Applications
        ),
        _PASS,
    ),
    **dict.fromkeys(
        operations(
            *("Cast", "Identity", "Relu", "Relu6", "ReLU", "LeakyRelu", "Elu", "Selu", "Celu", "Silu", "Swish", "Gelu"),
            *("Mish", "Tanh", "Sigmoid", "LogSigmoid", "HardSigmoid", "HardSilu", "HardSwish", "HardTanh", "Softplus"),
            *("Softsign", "Exp", "Log", "Sqrt", "Square", "Absolute", "Negative", "Clip"),
        ),
        _PASS,
    ),
    **dict.fromkeys(
        _MAX_POOLING
        | layers(
            *("Flatten", "Reshape", "Permute", "RepeatVector", "Concatenate", "Maximum", "Minimum"),
            *("ZeroPadding*", "Cropping*", "CenterCrop", "UpSampling*"),
        )
        | operations(
            *("Reshape", "Transpose", "Squeeze", "ExpandDims", "Concatenate", "Stack", "GetItem", "Split", "Pad"),
            *("Flip", "Repeat", "Tile", "BroadcastTo", "Slice", "Roll", "Ravel", "Swapaxes", "Moveaxis", "Take"),
            *("MaxPool", "Max", "Amax", "Maximum", "Minimum"),
        ),
        _GRADIENT,
    ),
    **dict.fromkeys(
        layers(
            *("AveragePooling*", "GlobalAveragePooling*", "Add", "Average", "Subtract", "Resizing"),
            "CustomScaleLayer",  # of Keras Applications
        )
        | operations("Add", "Subtract", "Mean", "Sum", "AveragePool", "Resize")
        | operations("Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose"),
        _PROPORTIONAL,
    ),
    **dict.fromkeys(layers("LayerNormalization", "GroupNormalization"), _SCALE),
}
_DIVISIONS = operations("Divide", "TrueDivide")
_PRODUCTS = layers("Multiply") | operations("Multiply") | _DIVISIONS

# What makes a gate.
_BOUNDED = (*SIGMOID, *SOFTMAX, keras.activations.hard_sigmoid, keras.ops.hard_sigmoid, keras.ops.relu6)
_BOUNDED_KINDS = layers("Softmax") | operations("Sigmoid", "HardSigmoid", "Softmax", "Relu6")
_RESHAPES = layers("Reshape", "Flatten") | operations("Reshape", "Cast")

_REGISTERED = {}


def register_operation(kind, treatment):
    """Says how relevance passes a layer or operation this package does not know.

    Args:
        kind: A layer class; its subclasses count too.
        treatment: `"pass"` (to the same place: elementwise functions), `"gradient"` (selections and moves),
            `"proportional"` (sums and means) or an instance of a `kerasxai.lrp.Treatment` of one's own.

    Example:

    ```python
    import keras


    class Shift(keras.layers.Layer):
        def call(self, x):
            return x + 1.0


    kerasxai.lrp.register_operation(Shift, "proportional")
    ```
    """
    if not isinstance(kind, type):
        raise TypeError(f"`kind` must be a class. Received: {kind!r}.")
    _REGISTERED[kind] = get_treatment(treatment)


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
    operation = node.operation
    for kind in type(operation).__mro__:
        if kind in _REGISTERED:
            return _REGISTERED[kind]
    if is_product(node):
        return _product(graph, node)
    kind = kind_of(operation)
    if kind not in _BY_KIND or activation_of(operation) in SOFTMAX:
        raise ValueError(_unknown(node))
    if kind == "GroupNormalization" and operation.axis != -1:
        raise ValueError(_unknown(node))
    if kind == "LayerNormalization" and operation.rms_scaling:
        return _PASS
    if kind in _MAX_POOLING and max_pool == "average":
        return _AVERAGE
    blends = getattr(operation, "interpolation", "nearest") != "nearest"
    if _BY_KIND[kind] is _GRADIENT and blends:
        return _PROPORTIONAL
    return _BY_KIND[kind]


def is_product(node):
    """Whether a node multiplies or divides."""
    return kind_of(node.operation) in _PRODUCTS


def _product(graph, node):
    operands = node.inputs
    if len(operands) == 1 or len(set(operands)) == 1:
        return _PASS
    if len(operands) > 2:
        raise ValueError(_ask_for_gate(node, "more than two operands"))
    if kind_of(node.operation) in _DIVISIONS:
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
    while node is not None and len(node.inputs) == 1 and (is_product(node) or kind_of(node.operation) in _RESHAPES):
        node = graph.producer(node.inputs[0])
    if node is None:
        return False
    operation = node.operation
    capped = kind_of(operation) in ("ReLU", "ops.ReLU") and operation.max_value is not None
    return capped or kind_of(operation) in _BOUNDED_KINDS or activation_of(operation) in _BOUNDED


def _unknown(node):
    return (
        f'LRP has no treatment for {node.path} ({node.kind}). Name one in the rules, {{{node.path!r}: "pass"}} '
        '("pass" for elementwise functions, "gradient" for selections and moves, "proportional" for sums), or for all '
        f"of its kind: kerasxai.lrp.register_operation({node.kind}, ...)."
    )


def _ask_for_gate(node, what):
    return (
        f"Product {node.path} ({node.kind}): {what}, so LRP cannot tell which one is held constant. Say so in the "
        f"rules: {{{node.path!r}: kerasxai.lrp.Gate(1)}} makes the second one the gate."
    )
