"""What is known of Keras' layers and operations, each kind in one row; whoever asks what one does asks here.

All of it holds in inference, where dropout and augmentation hand on what they get.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Hashable
from typing import Any

import keras
import tensorflow as tf

from kerasxai.graph.kinds import computes_like, kind_of, layers, operations
from kerasxai.options import check_one_of, flag
from kerasxai.suggestions import did_you_mean, unknown_options


@dataclasses.dataclass(frozen=True)
class Operation:
    """What a kind of layer or operation does.

    Attributes:
        does: In one word:
            `"linear"`: the products of a kernel, as a convolution or Dense layer, perhaps with an activation;
            `"same"`: nothing; `"cast"`: nothing but to the type;
            `"function"`: one function for each value by itself;
            `"rectify"`: the function that is 0 below a threshold and the value itself above it, perhaps capped;
            `"scale"`: each value times a factor plus a shift, neither made of the sample;
            `"normalise"`: a scale made of the sample's own mean or size;
            `"move"`: it selects, repeats, joins or puts values elsewhere, 0 perhaps where none comes;
            `"resample"`: weighted means of neighbouring values;
            `"sum"`: sums, differences and means;
            `"maximum"`, `"minimum"`: of some values;
            `"product"`, `"divide"`: of two tensors, value by value;
            `"contract"`: sums of products of two tensors;
            `"softmax"`; `"attend"`; `"look_up"`: rows of a table; `"wrap"`: what the layer inside does;
            `"unknown"`.
        is_affine: Whether its output is affine in all its tensors taken together, apart from an activation.
        is_channelwise: Whether it works on each channel by itself and leaves the channels the fastest axis.
        keeps_sign: Whether it makes no negative value of values that are none.
        is_non_negative: Whether it makes no negative value at all.
        is_bounded: Whether its values run between two bounds.
        has_offset: Whether it adds something of its own whatever its input is.
        casts: Whether it makes real numbers of whole ones before anything else.
        relevance: How LRP hands relevance through it: the name of a treatment, or a `kerasxai.lrp.Treatment`; None:
            nobody knows.
        positions: What else there is to say of positions: `"crop"`, `"pad"`, `"fit"` (crops to a size, or resizes),
            `"resize"`, `"stretch"`, `"pool"`, `"pool_all"`, `"convolve"`, `"join"`, `"stack"`, `"reshape"` (values stay
            in their order), `"scatter"` (there is no way back).
    """

    does: str = "unknown"
    is_affine: bool = False
    is_channelwise: bool = False
    keeps_sign: bool = False
    is_non_negative: bool = False
    is_bounded: bool = False
    has_offset: bool = False
    casts: bool = False
    relevance: Any = None
    positions: str | None = None


UNKNOWN = Operation()

# What a word of `Operation.does` implies.
_MEANINGS = {
    "linear": {"is_affine": True},
    "same": {"is_affine": True, "is_channelwise": True, "keeps_sign": True, "relevance": "pass"},
    "cast": {"is_affine": True, "is_channelwise": True, "keeps_sign": True, "casts": True, "relevance": "pass"},
    "function": {"is_channelwise": True, "relevance": "pass"},
    "rectify": {"is_channelwise": True, "keeps_sign": True, "is_non_negative": True, "relevance": "pass"},
    "scale": {"is_affine": True, "is_channelwise": True, "has_offset": True},
    "normalise": {"relevance": "constant_scale"},
    "move": {"is_affine": True, "keeps_sign": True, "relevance": "gradient"},
    "resample": {"is_affine": True, "relevance": "proportional"},
    "sum": {"is_affine": True, "keeps_sign": True, "relevance": "proportional"},
    "maximum": {"keeps_sign": True, "relevance": "gradient"},
    "minimum": {"keeps_sign": True, "relevance": "gradient"},
    "product": {"keeps_sign": True},
    "divide": {},
    "contract": {},
    "softmax": {"keeps_sign": True, "is_non_negative": True, "is_bounded": True},
    "attend": {},
    "look_up": {},
    "wrap": {},
    "unknown": {},
}


def describe(does, **more):
    """The `Operation` that a word means, see its attribute `does`; `more` are attributes that differ.

    Raises:
        ValueError: Nothing is meant by the word.
    """
    if does not in _MEANINGS:
        raise ValueError(
            f"`does` must be one of {', '.join(_MEANINGS)}. Received: {does!r}.{did_you_mean(does, _MEANINGS)}"
        )
    return Operation(does, **{**_MEANINGS[does], **more})


_ROWS = [
    # Kernels.
    (layers("Dense", "EinsumDense"), describe("linear")),
    (layers("Conv*", "DepthwiseConv1D", "DepthwiseConv2D"), describe("linear", positions="convolve")),
    (layers("SeparableConv1D", "SeparableConv2D", "Conv*Transpose"), describe("linear", positions="convolve")),
    (
        operations("Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose"),  # the kernel is one of their tensors
        describe("contract", relevance="proportional", positions="convolve"),
    ),
    # Nothing.
    (layers("Identity", "ActivityRegularization", "StochasticDepth") | operations("Identity"), describe("same")),
    (layers("Dropout", "SpatialDropout*", "AlphaDropout", "GaussianDropout", "GaussianNoise"), describe("same")),
    (
        layers("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast", "RandomBrightness"),
        describe("same", casts=True),
    ),
    (operations("Cast"), describe("cast")),
    # Functions of one value.
    (layers("ReLU") | operations("Relu", "ReLU"), describe("rectify")),
    (operations("Relu6"), describe("rectify", is_bounded=True)),
    (layers("LeakyReLU", "PReLU", "ELU"), describe("function", keeps_sign=True)),
    (
        operations(
            *("LeakyRelu", "Elu", "Selu", "Celu", "Silu", "Swish", "HardSilu", "HardSwish", "Gelu", "Mish"),
            *("Tanh", "HardTanh", "Softsign"),
        ),
        describe("function", keeps_sign=True),
    ),
    (
        operations("Sigmoid", "HardSigmoid"),
        describe("function", keeps_sign=True, is_non_negative=True, is_bounded=True),
    ),
    (
        operations("Softplus", "Exp", "Square", "Absolute", "Sqrt"),
        describe("function", keeps_sign=True, is_non_negative=True),
    ),
    (operations("Log", "LogSigmoid", "Negative", "Clip"), describe("function")),
    (layers("Softmax") | operations("Softmax"), describe("softmax")),
    # Scales.
    (layers("BatchNormalization"), describe("scale")),
    (layers("Rescaling", "Normalization"), describe("scale", casts=True)),
    (layers("LayerScale"), describe("scale", has_offset=False, relevance="pass")),  # of Keras Applications
    (layers("LayerNormalization", "GroupNormalization"), describe("normalise", has_offset=True)),
    # With the scale held constant nothing is left of them.
    (layers("UnitNormalization", "RMSNormalization"), describe("normalise", relevance="pass")),
    # Sums and means. What an operation adds or subtracts may be a constant of any sign.
    (layers("Add", "Average") | operations("Mean", "Sum"), describe("sum")),
    (layers("Subtract", "CustomScaleLayer"), describe("sum", keeps_sign=False)),  # the second of Keras Applications
    (operations("Add", "Subtract"), describe("sum", keeps_sign=False, casts=True)),
    (layers("AveragePooling*") | operations("AveragePool"), describe("sum", positions="pool", is_channelwise=True)),
    (layers("GlobalAveragePooling*"), describe("sum", positions="pool_all", is_channelwise=True)),
    (layers("AdaptiveAveragePooling*"), describe("sum", is_channelwise=True)),
    (layers("Resizing") | operations("Resize"), describe("resample", positions="resize")),
    # The largest, the smallest.
    (layers("MaxPooling*") | operations("MaxPool"), describe("maximum", positions="pool", is_channelwise=True)),
    (layers("GlobalMaxPooling*"), describe("maximum", positions="pool_all", is_channelwise=True)),
    (layers("AdaptiveMaxPooling*"), describe("maximum", is_channelwise=True)),
    (layers("Maximum") | operations("Max", "Amax", "Maximum"), describe("maximum")),
    (layers("Minimum") | operations("Min", "Amin"), describe("minimum")),
    (operations("Minimum"), describe("minimum", keeps_sign=False)),
    # Products.
    (layers("Multiply"), describe("product")),
    (operations("Multiply"), describe("product", keeps_sign=False, casts=True)),
    (operations("Divide", "TrueDivide"), describe("divide", casts=True)),
    (layers("Dot") | operations("Matmul", "Einsum", "Dot", "Tensordot", "Inner", "Outer"), describe("contract")),
    (layers("MultiHeadAttention", "GroupedQueryAttention", "GroupQueryAttention"), describe("attend")),
    (layers("Attention", "AdditiveAttention") | operations("DotProductAttention"), describe("attend")),
    (layers("Embedding"), describe("look_up")),
    # Moves.
    (layers("Cropping*"), describe("move", positions="crop")),
    (layers("ZeroPadding*"), describe("move", positions="pad", is_channelwise=True)),
    (operations("Pad"), describe("move", positions="pad", keeps_sign=False)),  # with any constant
    (layers("CenterCrop"), describe("move", positions="fit")),
    (layers("RandomCrop"), describe("unknown", positions="fit")),  # by the sizes and by Keras' version
    (layers("Flatten"), describe("move", positions="reshape", is_channelwise=True)),
    (layers("Reshape"), describe("move", positions="reshape")),
    (operations("Reshape", "Ravel", "View", "Squeeze", "ExpandDims"), describe("move", positions="reshape")),
    (layers("UpSampling*"), describe("move", positions="stretch", is_channelwise=True)),
    (layers("Concatenate") | operations("Concatenate"), describe("move", positions="join")),
    (operations("Stack"), describe("move", positions="stack")),
    (layers("Permute", "RepeatVector"), describe("move")),
    (
        operations(
            *("GetItem", "Slice", "Split", "ArraySplit", "Hsplit", "Vsplit", "Dsplit", "Unstack"),
            *("CropImages", "PadImages", "Repeat", "Tile", "BroadcastTo", "DepthToSpace", "SpaceToDepth"),
            *("Transpose", "Moveaxis", "Swapaxes", "Rot90", "Flip", "Fliplr", "Flipud", "Roll"),
        ),
        describe("move"),
    ),
    # What it takes from may be a constant, and its tensor the places to take from there.
    (operations("Take"), describe("move", is_affine=False, keeps_sign=False)),
    (
        operations(
            *("AffineTransform", "PerspectiveTransform", "ElasticTransform", "ScaleAndTranslate", "MapCoordinates"),
            *("Sort", "TakeAlongAxis"),
        ),
        describe("unknown", positions="scatter"),
    ),
    (layers("SpectralNormalization", "TimeDistributed"), describe("wrap")),
]
_BY_KIND: dict[str, Operation] = {}
for _kinds, _operation in _ROWS:
    _BY_KIND.update(dict.fromkeys(_kinds, _operation))

# A function goes by the name of its operation; `keras.activations`, `keras.ops` and TensorFlow have one each.
_FUNCTIONS_BY_NAME = (
    *("relu", "relu6", "elu", "selu", "celu", "gelu", "mish", "leaky_relu", "hard_sigmoid", "hard_silu", "sigmoid"),
    *("silu", "tanh", "hard_tanh", "softplus", "softsign", "softmax", "log_sigmoid", "exp", "square", "identity"),
)


def _rows_of_functions():
    kinds = {name: name.title().replace("_", "") for name in _FUNCTIONS_BY_NAME}
    rows = {}
    for module in (keras.activations, keras.ops, tf.nn, tf.math, tf):
        for name, kind in {**kinds, "linear": "Identity"}.items():
            if hasattr(module, name):
                rows[getattr(module, name)] = _BY_KIND[f"ops.{kind}"]
    return rows


_FUNCTIONS = _rows_of_functions()

_REGISTERED: dict[type, Operation] = {}


def register_operation(kind: type, does: str = "unknown", **more: Any) -> None:
    """Says what a layer of the user's own does: to LRP, DeepLIFT, Guided Backpropagation and the CAMs at once.

    Args:
        kind: A layer class. A subclass that overrides what it computes is not meant.
        does: A word of `kerasxai.Operation.does`: `"function"` (of each value by itself), `"rectify"` (as ReLU does),
            `"sum"`, `"move"` (selections, permutations, flips), `"maximum"`, `"same"` ...; `"unknown"`: see `more`.
        **more: Attributes of `kerasxai.Operation` that differ from what the word implies, e.g. `keeps_sign=True` of a
            `"function"`, or `relevance`, a `kerasxai.lrp.Treatment` of one's own. `positions` are those of Keras' own
            layers: `"pool"` reads `pool_size`, `"convolve"` reads `kernel_size`.

    Raises:
        TypeError: `kind` is no layer class, or an attribute is none.
        ValueError: Nothing is meant by `does`, or an attribute cannot have this value.

    Example:

    ```python
    import keras


    class Shift(keras.layers.Layer):
        def call(self, x):
            return x + 1.0


    kerasxai.register_operation(Shift, "sum")
    ```
    """
    if not isinstance(kind, type):
        raise TypeError(f"`kind` must be a layer class. Received: {kind!r}.")
    known = [field.name for field in dataclasses.fields(Operation) if field.name != "does"]
    unknown = [name for name in more if name not in known]
    if unknown:
        raise TypeError(unknown_options("Operation", unknown, known))
    for name, value in more.items():
        _check_attribute(name, value)
    _REGISTERED[kind] = describe(does, **more)


def _check_attribute(name, value):
    rows = [row for _, row in _ROWS]
    if name == "relevance":
        if not hasattr(value, "propagate"):  # a treatment, of which this room knows no more
            check_one_of(name, value, [None, *sorted({row.relevance for row in rows if row.relevance})])
    elif name == "positions":
        check_one_of(name, value, [None, *sorted({row.positions for row in rows if row.positions})])
    else:
        flag(name, value)


@contextlib.contextmanager
def restored():
    """What is registered inside is forgotten afterwards."""
    before = dict(_REGISTERED)
    try:
        yield
    finally:
        _REGISTERED.clear()
        _REGISTERED.update(before)


def what_does(operation):
    """What a layer, an operation of `keras.ops` or an activation function does: an `Operation`.

    Of a layer with a fused activation: what it does before that. A subclass of a known layer is known if it overrides
    nothing that may have to do with what it computes.
    """
    registered = next((cls for cls in type(operation).__mro__ if cls in _REGISTERED), None)
    if registered is not None:
        return _REGISTERED[registered] if computes_like(operation, registered) else UNKNOWN
    if not isinstance(operation, keras.Operation):  # a function
        return _FUNCTIONS.get(operation, UNKNOWN) if isinstance(operation, Hashable) else UNKNOWN
    kind = kind_of(operation)
    if kind == "Activation":
        return what_does(operation.activation)
    known = _BY_KIND.get(kind, UNKNOWN)
    if kind in ("ReLU", "ops.ReLU"):
        return _relu(operation)
    if known.positions == "stretch" and operation.interpolation != "nearest":
        overshoots = operation.interpolation not in ("bilinear",)
        return dataclasses.replace(known, does="resample", relevance="proportional", keeps_sign=not overshoots)
    if kind == "LayerNormalization" and getattr(operation, "rms_scaling", False):
        return dataclasses.replace(known, relevance="pass")
    if kind == "GroupNormalization" and operation.axis != -1:
        return dataclasses.replace(known, relevance=None)
    return known


def is_linear(operation):
    """Whether an operation is a linear layer with a kernel, apart from its activation."""
    return what_does(operation).does == "linear"


def is_elementwise(operation):
    """Whether an operation or function without a kernel maps each value by itself, and is no mere scale."""
    return what_does(operation).does in ("same", "cast", "function", "rectify")


def is_scaling(operation):
    """Whether an operation is an elementwise affine layer: batch normalisation, or scaling of the input."""
    known = what_does(operation)
    return known.does == "scale" and known.has_offset


def keeps_order(operation):
    """Whether an operation hands on the very values it gets, in their order."""
    known = what_does(operation)
    return known.does in ("same", "cast") or known.positions == "reshape"


def _relu(operation):
    """ReLU by its options."""
    is_capped = operation.max_value is not None
    if operation.negative_slope:
        return describe("function", keeps_sign=not operation.threshold, is_bounded=False)
    never_negative = operation.threshold >= 0
    return describe("rectify", is_bounded=is_capped, is_non_negative=never_negative, keeps_sign=True)
