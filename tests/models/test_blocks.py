"""Averaging to a size, and pooling that rounds up, against their definitions written out."""

import inspect

import keras
import numpy as np
import pytest

from kerasxai import models
from kerasxai.models.blocks import average_to, pool_rounding_up, scaled


def area_weights(side, size):
    """Row i: the share of each position in the i-th of `size` equal parts of the map."""
    starts = np.arange(size) * side / size
    ends = starts + side / size
    positions = np.arange(side)
    shares = np.minimum(ends[:, None], positions + 1) - np.maximum(starts[:, None], positions)
    return np.clip(shares, 0, None) * size / side


def adaptive_weights(side, size):
    """Row i: PyTorch's adaptive average pooling, from floor(i side / size) to ceil((i + 1) side / size)."""
    weights = np.zeros((size, side))
    for index in range(size):
        window = slice(index * side // size, -(-(index + 1) * side // size))
        weights[index, window] = 1 / len(range(*window.indices(side)))
    return weights


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("height, width", [(1, 1), (2, 3), (5, 4), (6, 7), (12, 14), (9, 8)])
def test_average_to(height, width, size):
    inputs = keras.Input((height, width, 2))
    model = keras.Model(inputs, average_to(inputs, size, name="average"))
    x = np.random.default_rng(0).normal(size=(3, height, width, 2)).astype("float32")
    expected = np.einsum("ih,jw,nhwc->nijc", area_weights(height, size), area_weights(width, size), x)
    np.testing.assert_allclose(model(x), expected, atol=1e-5)


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("factor", [2, 3])
def test_same_as_adaptive_pooling_where_one_size_is_a_multiple(size, factor):
    np.testing.assert_allclose(area_weights(size * factor, size), adaptive_weights(size * factor, size))
    np.testing.assert_allclose(area_weights(size, size * factor), adaptive_weights(size, size * factor))
    np.testing.assert_allclose(area_weights(1, size), adaptive_weights(1, size))


def test_vgg_at_64_pixels_is_the_same_too():
    np.testing.assert_allclose(area_weights(2, 7), adaptive_weights(2, 7))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("height, width", [(7, 7), (8, 8), (7, 8), (2, 3)])
def test_pooling_rounds_up(height, width, size):
    inputs = keras.Input((height, width, 2))
    model = keras.Model(inputs, pool_rounding_up(inputs, size, name="pool"))
    x = np.random.default_rng(0).uniform(size=(3, height, width, 2)).astype("float32")
    # A window begins at every second position, as long as it reaches one that no window before it has.
    rows, columns = (range(0, max(side - size + 2, 1), 2) for side in (height, width))
    expected = np.stack(
        [np.stack([x[:, i : i + size, j : j + size].max(axis=(1, 2)) for j in columns], axis=1) for i in rows], axis=1
    )
    np.testing.assert_array_equal(model(x), expected)
    assert model.output_shape[1:3] == tuple(-(-(side - size) // 2) + 1 for side in (height, width))


def test_scaled():
    assert [scaled(64, width) for width in (1.0, 0.5, 1 / 64, 1e-9, 2)] == [64, 32, 1, 1, 128]


def test_the_docstring_of_a_net_names_all_its_options():
    for name in ("googlenet", "lenet5", "squeezenet", "vgg16_bn"):
        build = getattr(models, name)
        for option in inspect.signature(build).parameters:
            assert f"\n    {option}: " in build.__doc__
        assert "{" not in build.__doc__
    assert "sides of at least 32." in models.vgg11.__doc__
    assert "`(steps, channels)`" in models.mnist1d_cnn.__doc__ and "sides" not in models.mnist1d_cnn.__doc__
