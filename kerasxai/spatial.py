"""What is written once over the spatial axes of `(batch, *spatial, channels)`: 1-D signals, 2-D images, 3-D volumes."""

import numpy as np
import tensorflow as tf

BLUR_TAPS = 11
BLUR_SIGMA = 5.0

# Contrast below this share of a map's largest value is rounding, e.g. of a constant map that was resized.
_ROUNDING = 1e-6


def spatial_axes(tensor):
    """The axes between batch and channels."""
    return list(range(1, tensor.shape.rank - 1))


def spatial_size(tensor):
    """Static size of the spatial axes of `(batch, *spatial, channels)`."""
    return tuple(tensor.shape[1:-1])


def resize(maps, size):
    """Maps `(batch, *spatial)` at another size: linear interpolation between half-pixel centres, as in tf.image.resize.

    Args:
        maps: Float tensor.
        size: One int per spatial axis.

    Returns:
        Tensor `(batch, *size)`.
    """
    for axis, length in enumerate(size, start=1):
        if maps.shape[axis] != length:
            maps = resample(maps, axis, interpolation(maps.shape[axis], length))
    return maps


def resample(tensor, axis, matrix):
    """A tensor with a matrix `(new_length, length)` applied along one of its axes."""
    weights = tf.constant(matrix, tensor.dtype)
    return _along(tensor, axis, lambda rows: tf.matmul(rows, weights, transpose_b=True))


def interpolation(length, new_length, start=0.0, stop=None):
    """Matrix `(new_length, length)` of linear interpolation between half-pixel centres, clamped at the ends.

    Args:
        length: Number of values.
        new_length: Number of positions wanted.
        start, stop: Where the first value begins and the last one ends among the positions; by default at their ends.
    """
    stop = new_length if stop is None else stop
    centres = np.clip((np.arange(new_length) + 0.5 - start) * length / (stop - start) - 0.5, 0, length - 1)
    lower = np.floor(centres).astype(int)
    upper = np.minimum(lower + 1, length - 1)
    matrix = np.zeros((new_length, length))
    rows = np.arange(new_length)
    matrix[rows, lower] += 1.0 - (centres - lower)
    matrix[rows, upper] += centres - lower
    return matrix


def min_max(maps):
    """Maps `(batch, ...)` scaled to 0 ... 1 each; a map that is constant up to rounding becomes 0."""
    axes = list(range(1, maps.shape.rank))
    low = tf.reduce_min(maps, axis=axes, keepdims=True)
    high = tf.reduce_max(maps, axis=axes, keepdims=True)
    contrast = high - low
    contrast = tf.where(contrast > _ROUNDING * tf.maximum(-low, high), contrast, 0.0)
    return tf.math.divide_no_nan(maps - low, contrast)


def blur(x):
    """Gaussian blur of `(batch, *spatial, channels)`, each channel by itself, reflected at the border.

    The kernel has 11 taps of sigma 5, fewer on an axis too short to reflect so far.
    """
    from scipy.ndimage import gaussian_filter1d

    for axis in spatial_axes(x):
        length = x.shape[axis]
        reach = min(BLUR_TAPS // 2, length - 1)
        x = resample(x, axis, gaussian_filter1d(np.eye(length), BLUR_SIGMA, axis=0, mode="mirror", radius=reach))
    return x


def _along(tensor, axis, function):
    """Applies `function` to the rows of one axis, moved to the end."""
    last = tensor.shape.rank - 1
    if axis == last:
        return function(tensor)
    order = [index for index in range(tensor.shape.rank) if index != axis] + [axis]
    inverse = [order.index(index) for index in range(tensor.shape.rank)]
    return tf.transpose(function(tf.transpose(tensor, order)), inverse)
