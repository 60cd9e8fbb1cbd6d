"""Scale space: a batch under Gaussian blurs of any width, on any number of spatial axes."""

import numpy as np
import tensorflow as tf

from kerasxai.precision import as_float
from kerasxai.spatial import spatial_size

# Where the two sums for a Gaussian's response change places: both are exact to float64 there.
_DIRECT_BELOW = 1.0


class ScaleSpace:
    """The Gaussian blurs of a batch.

    At the border the sample is reflected with its edge repeated (`b a | a b`), as often as the Gaussian reaches. That
    keeps the mean of every channel, which a very wide blur turns the whole channel into. Such a blur multiplies each
    wave of the cosine transform by a number (`responses`), so samples are transformed once and blurred many times.

    Args:
        x: Tensor `(batch, *spatial, channels)`.
    """

    def __init__(self, x):
        x = as_float(x)
        rank = x.shape.rank
        self._bases = [tf.constant(_cosine_basis(length), x.dtype) for length in spatial_size(x)]
        self._waves = tf.transpose(x, [0, rank - 1, *range(1, rank - 1)])  # (batch, channels, *spatial)
        for axis, basis in enumerate(self._bases):
            self._waves = _along(self._waves, axis - len(self._bases), basis)

    def blurred(self, weights):
        """The samples with every wave multiplied by a weight.

        Args:
            weights: Tensor `(scales, *spatial)`: a blur's responses, or what they differ by from one blur to another.

        Returns:
            Tensor `(scales, batch, *spatial, channels)`.
        """
        waves = tf.cast(weights, self._waves.dtype)[:, tf.newaxis, tf.newaxis] * self._waves
        for axis, basis in enumerate(self._bases):
            waves = _along(waves, axis - len(self._bases), tf.transpose(basis))
        rank = waves.shape.rank
        return tf.transpose(waves, [0, 1, *range(3, rank), 2])


def responses(size, sigmas):
    """What Gaussian blurs multiply each wave of the cosine transform by.

    The Gaussian has sampled taps of sum 1 and no end.

    Args:
        size: Lengths of the spatial axes.
        sigmas: Widths of the blurs, in positions; 0 is no blur.

    Returns:
        List of float64 arrays `(len(sigmas), length)`, one for each axis; `combined` makes them one.
    """
    return [_response(np.asarray(sigmas, np.float64), length) for length in size]


def combined(rows):
    """Responses along each axis `(scales, length)` as those of the whole blur `(scales, *size)`."""
    whole = rows[0]
    for row in rows[1:]:
        whole = whole[..., tf.newaxis] * tf.reshape(row, [-1, *[1] * (whole.shape.rank - 1), row.shape[1]])
    return whole


def _along(tensor, axis, matrix):
    """A matrix on the rows of one axis, counted from the end, as one or a batch of large products."""
    shape = tf.shape(tensor)
    length = tensor.shape[axis]
    after = tensor.shape[axis:].num_elements() // length
    if after == 1:
        product = tf.matmul(tf.reshape(tensor, [-1, length]), matrix, transpose_b=True)
    else:
        product = tf.matmul(matrix, tf.reshape(tensor, [-1, length, after]))
    return tf.ensure_shape(tf.reshape(product, shape), tensor.shape)


def _response(sigmas, length):
    """The Fourier transform of sampled Gaussians at the frequencies of a cosine transform `(sigmas, length)`."""
    frequencies = np.pi * np.arange(length) / length
    # Narrow: the sum over the taps. Wide: Poisson's sum over the periods of the frequency.
    narrow = np.clip(sigmas, 1e-3, _DIRECT_BELOW)[:, np.newaxis, np.newaxis]
    taps = np.arange(-9, 10)
    weights = np.exp(-0.5 * (taps / narrow) ** 2)
    direct = (weights * np.cos(frequencies[:, np.newaxis] * taps)).sum(axis=-1) / weights.sum(axis=-1)
    wide = np.maximum(sigmas, _DIRECT_BELOW)[:, np.newaxis, np.newaxis]
    periods = 2 * np.pi * np.arange(-2, 3)
    shifted = np.exp(-0.5 * (wide * (frequencies[:, np.newaxis] + periods)) ** 2).sum(axis=-1)
    poisson = shifted / np.exp(-0.5 * (wide * periods) ** 2).sum(axis=-1)
    return np.where(sigmas[:, np.newaxis] < _DIRECT_BELOW, direct, poisson)


def _cosine_basis(length):
    """Matrix `(wave, position)` of the orthonormal cosine transform (DCT-II)."""
    from scipy.fft import dct

    return dct(np.eye(length), axis=0, norm="ortho")
