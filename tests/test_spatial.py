"""Resizing, scaling and blurring against TensorFlow, NumPy and an explicit convolution."""

import numpy as np
import pytest
import tensorflow as tf

from kerasxai import spatial
from tests.support import truth
from tests.support.truth import assert_same


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("size", "new_size"),
    [
        ((3, 4), (6, 8)),
        ((3, 4), (7, 13)),
        ((14, 14), (224, 224)),
        ((1, 5), (4, 9)),
        ((2, 1), (9, 5)),
        ((9, 12), (4, 5)),
        ((10, 3), (4, 11)),
        ((5, 6), (5, 6)),
    ],
    ids=str,
)
def test_resize_is_that_of_tensorflow(size, new_size):
    maps = random(2, *size)
    assert_same(spatial.resize(tf.constant(maps), new_size), truth.resized(maps, new_size), rtol=1e-4)


def test_resize_of_a_signal_is_that_of_an_image_of_height_one():
    maps = random(2, 5)
    expected = truth.resized(maps[:, np.newaxis], (1, 17))[:, 0]
    assert_same(spatial.resize(tf.constant(maps), (17,)), expected)


def test_resize_by_hand():
    """0, 4 at centres 1 and 3 of four halves: the new centres 0.5, 1.5, 2.5, 3.5 are clamped outside 1 ... 3."""
    np.testing.assert_allclose(spatial.resize(tf.constant([[0.0, 4.0]]), (4,)), [[0, 1, 3, 4]])


def test_resize_of_a_volume_goes_axis_by_axis():
    maps = random(2, 3, 4, 5)
    first = np.stack([truth.resized(maps[..., k], (6, 7)) for k in range(5)], axis=-1)
    expected = np.stack([truth.resized(first[:, i], (7, 9)) for i in range(6)], axis=1)
    assert_same(spatial.resize(tf.constant(maps), (6, 7, 9)), expected)


def test_resize_keeps_the_batch_axis_free():
    traced = tf.function(lambda maps: spatial.resize(maps, (4, 6)), input_signature=[tf.TensorSpec([None, 2, 3])])
    for samples in (1, 5):
        assert traced(random(samples, 2, 3)).shape == (samples, 4, 6)


@pytest.mark.parametrize("shape", [(3, 7), (3, 4, 5), (3, 2, 4, 5)])
def test_min_max_scales_each_map(shape):
    maps = random(*shape) * np.array([1.0, 50.0, 1e-3]).reshape(3, *[1] * (len(shape) - 1))
    scaled = spatial.min_max(tf.constant(maps)).numpy()
    for one, values in zip(scaled, maps):
        assert_same(one, (values - values.min()) / (values.max() - values.min()))


def test_min_max_of_a_constant_map_is_zero():
    maps = np.stack([np.full((4, 5), 3.0), np.zeros((4, 5)), np.arange(20.0).reshape(4, 5)])
    scaled = spatial.min_max(tf.constant(maps)).numpy()
    np.testing.assert_array_equal(scaled[:2], 0)
    np.testing.assert_allclose(scaled[2], np.arange(20).reshape(4, 5) / 19)


@pytest.mark.parametrize("value", [0.1, -7.3, 1e6])
def test_min_max_makes_no_contrast_of_rounding(value):
    """A constant map is no longer quite constant once it is resized."""
    resized = spatial.resize(tf.fill((1, 3, 5), tf.constant(value)), (17, 23))
    rounded = resized.numpy() * (1 + 1e-7 * random(1, 17, 23))
    np.testing.assert_array_equal(spatial.min_max(tf.constant(rounded)), np.zeros((1, 17, 23)))


@pytest.mark.parametrize("shape", [(20, 2), (12, 17, 3), (6, 11, 1)])
def test_blur_is_the_explicit_convolution(shape):
    """11 taps of sigma 5, normalised; reflected at the border without repeating the edge."""
    x = random(2, *shape)
    assert_same(spatial.blur(tf.constant(x)), truth.blurred(x))


def test_blur_by_hand():
    """The middle of a line of 13 with one lit point sees the middle tap, its neighbours the next; the sum stays 1."""
    x = np.zeros((1, 13, 1), "float32")
    x[0, 6] = 1
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 5) ** 2)
    taps /= taps.sum()
    expected = np.zeros(13)
    expected[1:12] = taps
    expected[1] = expected[11] = taps[0]  # position 0 is out of reach; reflection adds nothing to 1 and 11
    np.testing.assert_allclose(spatial.blur(tf.constant(x))[0, :, 0], expected, atol=1e-7)


def test_blur_reflects_without_repeating_the_edge():
    """Lit at the edge: position 1 meets it once on either side of the border only by its own tap, not twice."""
    x = np.zeros((1, 13, 1), "float32")
    x[0, 0] = 1
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 5) ** 2)
    taps /= taps.sum()
    blurred = spatial.blur(tf.constant(x)).numpy()[0, :, 0]
    np.testing.assert_allclose(blurred[:6], taps[5:], atol=1e-7)
    x[0, 0], x[0, 1] = 0, 1  # seen from 0 twice: at +1, and reflected at -1
    blurred = spatial.blur(tf.constant(x)).numpy()[0, :, 0]
    assert blurred[0] == pytest.approx(2 * taps[6])


def test_blur_keeps_constants_and_channels_apart():
    x = np.full((1, 9, 8, 2), 3.0, "float32")
    x[..., 1] = 0
    np.testing.assert_allclose(spatial.blur(tf.constant(x)), x, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 4, 5])
def test_blur_of_an_axis_shorter_than_the_kernel(length):
    """Fewer taps; still a mean of values: constants stay, nothing leaves the range."""
    x = random(2, length, 3)
    blurred = spatial.blur(tf.constant(x)).numpy()
    assert (blurred <= x.max(axis=1, keepdims=True) + 1e-6).all()
    assert (blurred >= x.min(axis=1, keepdims=True) - 1e-6).all()
    np.testing.assert_allclose(spatial.blur(tf.ones((1, length, 1))), np.ones((1, length, 1)), atol=1e-6)
    if length == 1:
        np.testing.assert_array_equal(blurred, x)


def test_spatial_axes_and_size():
    tensor = tf.zeros((2, 3, 4, 5))
    assert spatial.spatial_axes(tensor) == [1, 2]
    assert spatial.spatial_size(tensor) == (3, 4)
