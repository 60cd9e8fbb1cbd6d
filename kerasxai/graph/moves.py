"""What a layer or operation does with positions: windows that slide, and moves, which are run on positions to find out.

A slice, a flip, a permutation, a reshaping is never taken apart by its arguments: it is called on tensors whose values
tell where they stood. Only the layers that crop and pad, which stand in every other net, are read.
"""

import keras
import numpy as np

from kerasxai.graph.axes import Run, Window
from kerasxai.graph.kinds import kind_of
from kerasxai.graph.linear import CONVOLUTION
from kerasxai.graph.operations import UNKNOWN, what_does

_CODES = 3  # how often a position is written down, each time in another order: what mixes positions contradicts itself


def is_builtin(operation):
    """Whether what an operation computes is Keras' own; what `Lambda` does is the user's."""
    return kind_of(operation) not in (None, "Lambda")


def moves_surely(operation):
    """Whether an operation does nothing but move values."""
    known = what_does(operation)
    return known.does == "move" and known.positions in (None, "crop", "pad", "reshape")


def moves_perhaps(operation):
    """Whether an operation without weights may turn out to do nothing but move values."""
    known = what_does(operation)
    if known.does == "wrap":
        return not operation.weights
    if is_builtin(operation):
        return known.positions == "fit" or contracts(operation)
    return known == UNKNOWN and not getattr(operation, "weights", None)


def contracts(operation):
    """Whether an operation is a product that may mix positions, or turn axes round."""
    known = what_does(operation)
    return known.does == "contract" and known.positions is None


def moves_beyond_undoing(operation):
    """Whether an operation moves positions in a way no map can be put back through."""
    return what_does(operation).positions == "scatter"


def is_aspect_resizing(operation):
    """Whether an operation crops or pads to an aspect ratio before it resizes."""
    positions = what_does(operation).positions
    resizes = positions == "resize" and (operation.crop_to_aspect_ratio or operation.pad_to_aspect_ratio)
    return positions == "fit" or resizes


def border_runs(operation, size):
    """The `Run` along each spatial axis of a layer that crops or pads by fixed amounts; None for any other.

    Args:
        operation: A layer or operation.
        size: Spatial size of what it takes.
    """
    positions = what_does(operation).positions
    if positions == "crop":
        borders = np.reshape(operation.cropping, [-1, 2]).tolist()
        return [Run(0, length - before - after, before, 1) for length, (before, after) in zip(size, borders)]
    if positions == "pad" and isinstance(operation, keras.Layer):
        borders = np.reshape(operation.padding, [-1, 2]).tolist()
        return [Run(before, length, 0, 1) for length, (before, _) in zip(size, borders)]
    return None


def aspect_runs(operation, size):
    """The `Run` along height and width of an aspect-keeping resizing before it resizes, and the two lengths it leaves.

    Args:
        operation: One that `is_aspect_resizing`.
        size: Height and width of what it takes.

    Returns:
        Two `Run`, two ints.
    """
    is_layer = isinstance(operation, keras.Layer)
    height, width = (operation.height, operation.width) if is_layer else operation.size
    # As Keras computes them, in float32.
    wanted = [
        int(np.float32(size[1] * height) / np.float32(width)),
        int(np.float32(size[0] * width) / np.float32(height)),
    ]
    runs, lengths = [], []
    for length, other in zip(size, wanted):
        if getattr(operation, "pad_to_aspect_ratio", False):
            before = (max(length, other) - length) // 2
            runs.append(Run(before, length, 0, 1))
            lengths.append(length + 2 * before)
        else:
            kept = max(min(length, other), 1)
            runs.append(Run(0, kept, (length - kept) // 2, 1))
            lengths.append(kept)
    return runs, lengths


def windows(node, sizes, new_sizes):
    """The `Window` along each spatial axis of a convolution, pooling or upsampling; None for what is none of them.

    Args:
        node: A `Node`.
        sizes, new_sizes: Spatial sizes of its input and output.
    """
    operation = node.operation
    while what_does(operation).does == "wrap":
        operation = operation.layer
    positions = what_does(operation).positions
    if positions == "stretch":
        return [Window.stretch(*lengths) for lengths in zip(sizes, new_sizes)]
    if isinstance(operation, CONVOLUTION):
        reach = operation.kernel_size
    elif positions == "pool":
        reach = _declared(operation, "pool_size")
    elif positions == "convolve":
        reach = _kernel_size(node)
    else:
        return None
    if reach is None:
        return None
    rank = len(sizes)
    reach = _each_axis(reach, rank)
    strides = _each_axis(getattr(operation, "strides", None) or reach, rank)
    dilation = _each_axis(getattr(operation, "dilation_rate", 1), rank)
    reach = [(taps - 1) * apart + 1 for taps, apart in zip(reach, dilation)]
    if "Transpose" in type(operation).__name__:
        return list(map(Window.transposed, sizes, new_sizes, reach, strides))
    windows = list(map(Window.convolution, sizes, new_sizes, reach, strides, [_declared(operation, "padding")] * rank))
    return None if None in windows else windows


def coded_positions(shape):
    """Float32 array `(2 + codes, *shape)`: 0, 1, and codes that tell the positions along each axis but the last."""
    coded = np.empty((2 + _CODES * (len(shape) - 1), *shape), np.float32)
    coded[0], coded[1] = 0, 1
    for axis, length in enumerate(shape[:-1]):
        along = [1] * len(shape)
        along[axis] = length
        for code, order in enumerate(_orders(length)):
            coded[2 + axis * _CODES + code] = (order / length).reshape(along)
    return coded


def decoded_positions(coded, sizes):
    """What a move made of `coded_positions`.

    Args:
        coded: Array `(2 + codes, *shape)`.
        sizes: The lengths of the axes that were coded.

    Returns:
        Int array `(axes, *shape)` of the positions the values come from, and where they come from any, bool `shape`;
        None for what does more than move values.
    """
    zero, scale = coded[0], coded[1] - coded[0]
    if not np.isfinite(scale).all():
        return None
    # What a 0 and a 1 come out alike from is filled in, not moved.
    shown = np.abs(scale) > 1e-6 * np.abs(scale).max(initial=0)
    if not shown.any():
        return None
    scale = np.where(shown, scale, np.float32(1))
    positions = np.empty((len(sizes), *shown.shape), np.int32)
    for axis, length in enumerate(sizes):
        for code, order in enumerate(_orders(length)):
            value = (coded[2 + axis * _CODES + code] - zero) / scale * length
            if not np.isfinite(value).all():
                return None
            place = np.clip(np.rint(value), 0, length - 1).astype(np.int32)
            # A mean of several positions lies between two; what is read is a code, exact but for rounding.
            if (np.abs(value - place) > 0.1)[shown].any():
                return None
            read = np.argsort(order).astype(np.int32)[place]
            # Mixed positions may look like one under one order, hardly under several.
            if code and (read != positions[axis])[shown].any():
                return None
            positions[axis] = read
    return positions, shown


def _orders(length):
    draws = np.random.default_rng(length)
    return [draws.permutation(length) for _ in range(_CODES)]


def _declared(layer, name):
    """An attribute that a layer's `positions` promise."""
    if not hasattr(layer, name):
        raise ValueError(
            f"A layer registered with positions={what_does(layer).positions!r} must have the attribute `{name}`, as "
            f"Keras' own have. Received: {type(layer).__name__}, which has none."
        )
    return getattr(layer, name)


def _each_axis(value, rank):
    """One int for each spatial axis; a layer applied at every step of a sequence leaves the first axes as they are."""
    values = [value] * rank if isinstance(value, int) else list(value)
    return [1] * (rank - len(values)) + values


def _kernel_size(node):
    args, kwargs = node.arguments([None] * len(node.inputs))
    kernel = args[1] if len(args) > 1 else kwargs.get("kernel", kwargs.get("depthwise_kernel"))
    return None if kernel is None else tuple(kernel.shape[:-2])
