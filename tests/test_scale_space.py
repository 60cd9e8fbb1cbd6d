"""Blurs of any width against scipy's Gaussian filter."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from kerasxai.scale_space import ScaleSpace, combined, responses


def blurred(x, sigmas):
    size = x.shape[1:-1]
    rows = [tf.constant(axis) for axis in responses(size, sigmas)]
    return ScaleSpace(tf.constant(x)).blurred(combined(rows)).numpy()


@pytest.mark.parametrize("shape", [(2, 40, 1), (2, 12, 17, 3), (1, 1, 9, 2), (1, 3, 4, 5, 2)], ids=str)
def test_blur_is_that_of_scipy(shape):
    """Narrow, about the width where one sum takes over from the other, and far wider than the axes."""
    x = np.random.default_rng(0).normal(size=shape)
    sigmas = [0.0, 0.1, 0.31, 0.7, 0.999, 1.0, 1.7, 6.0, 50.0]
    found = blurred(x, sigmas)
    for sigma, one in zip(sigmas, found):
        widths = [0, *[sigma] * (len(shape) - 2), 0]
        expected = gaussian_filter(x, widths, mode="reflect", truncate=12) if sigma else x
        np.testing.assert_allclose(one, expected, atol=1e-12)


def test_a_blur_keeps_the_mean_and_a_wide_one_leaves_nothing_else():
    x = np.random.default_rng(1).uniform(size=(2, 40, 3))
    for one in blurred(x, [0.5, 3.0, 50.0]):
        np.testing.assert_allclose(one.mean(axis=1), x.mean(axis=1), atol=1e-12)
    widest = blurred(x, [1000.0])[0]
    np.testing.assert_allclose(widest, np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape), atol=1e-12)


def test_float32_stays_within_rounding():
    x = np.random.default_rng(2).uniform(size=(2, 30, 50, 3)).astype("float32")
    unblurred = blurred(x, [0.0])[0]
    assert unblurred.dtype == np.float32
    np.testing.assert_allclose(unblurred, x, atol=3e-6)
