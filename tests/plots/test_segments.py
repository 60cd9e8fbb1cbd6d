"""Weights of segments: colours of rendered pixels, boundaries, the strongest segments, titles, refusals."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai import plots
from tests.plots.rendering import ROUNDING, all_pixels, assert_texts_are_readable, blend, pale_grey, random_images

QUARTERS = np.kron([[0, 1], [2, 3]], np.ones((4, 4), int))  # labels (8, 8)


def fitted(weights, labels=QUARTERS, quality=0.75):
    """What a surrogate would have found: one row of weights for each sample."""
    weights = np.atleast_2d(weights)
    return SimpleNamespace(
        maps=weights[:, labels].astype(float),
        segments=np.stack([labels] * len(weights)),
        quality=np.full(len(weights), quality),
    )


def lines(axes, kind=0):
    return [[tuple(point) for point in line] for line in axes.collections[kind].get_segments()]


INNER = (slice(1, 3), slice(1, 3))  # of the first quarter, away from its boundary


def test_weights_are_centred_at_zero_whatever_their_signs():
    image = random_images(1)
    whole = plots.segments(image, fitted([4.0, 2.0, 1.0, 0.0]), alpha=0.6).axes[0]
    found, below = all_pixels(whole), pale_grey(image[0])
    for row, column, position, alpha in [(1, 1, 1.0, 0.6), (1, 6, 0.75, 0.3), (6, 1, 0.625, 0.15), (6, 6, 0.5, 0.0)]:
        expected = blend(below[row, column], "coolwarm", position, alpha)
        np.testing.assert_allclose(found[row, column], expected, atol=ROUNDING)


def test_strongest_segments_stand_as_they_are_and_the_rest_is_dimmed():
    image = random_images(1)
    strongest = plots.segments(image, fitted([-4.0, 2.0, 3.0, 0.5]), top=2).axes[1]
    found = all_pixels(strongest)
    dimmed = 0.75 + 0.25 * pale_grey(image[0])
    np.testing.assert_allclose(found[INNER], image[0][INNER], atol=ROUNDING)
    np.testing.assert_allclose(found[5:7, 1:3], image[0, 5:7, 1:3], atol=ROUNDING)
    np.testing.assert_allclose(found[1:3, 5:7], dimmed[1:3, 5:7], atol=ROUNDING)
    np.testing.assert_allclose(found[5:7, 5:7], dimmed[5:7, 5:7], atol=ROUNDING)
    blue, red = (np.array(strongest.collections[index].get_colors()[0][:3]) for index in (0, 1))
    np.testing.assert_allclose(blue, blend(0, "coolwarm", 0.0, 1.0), atol=ROUNDING)
    np.testing.assert_allclose(red, blend(0, "coolwarm", 1.0, 1.0), atol=ROUNDING)
    assert {x for line in lines(strongest, 0) for x, _ in line} <= {-0.5, 0.5, 1.5, 2.5, 3.5}


def test_segments_of_weight_zero_are_never_among_the_strongest():
    image = random_images(1)
    found = all_pixels(plots.segments(image, fitted([1.0, 0.0, 0.0, 0.0]), top=3).axes[1])
    np.testing.assert_allclose(found[INNER], image[0][INNER], atol=ROUNDING)
    np.testing.assert_allclose(found[5:7, 1:3], 0.75 + 0.25 * pale_grey(image[0])[5:7, 1:3], atol=ROUNDING)


def test_boundaries_run_between_the_segments():
    whole = plots.segments(random_images(1), fitted([1.0, 2.0, 3.0, 4.0])).axes[0]
    expected = {((column - 0.5, 3.5), (column + 0.5, 3.5)) for column in range(8)}
    expected |= {((3.5, row - 0.5), (3.5, row + 0.5)) for row in range(8)}
    assert {tuple(line) for line in lines(whole)} == expected


def test_windows_of_signals_are_shaded_and_the_rest_covered():
    signals = np.random.default_rng(0).normal(size=(1, 12, 1))
    figure = plots.segments(signals, fitted([1.0, -3.0, 2.0], labels=np.repeat([0, 1, 2], 4)), top=2)
    whole, strongest = figure.axes[:2]
    np.testing.assert_array_equal(whole.images[0].get_array()[0], np.repeat([1.0, -3.0, 2.0], 4))
    assert [line[0][0] for line in lines(whole)] == [3.5, 7.5]
    np.testing.assert_array_equal(strongest.images[0].get_array()[0], np.repeat([0.0, -3.0, 2.0], 4))
    np.testing.assert_array_equal(strongest.images[1].get_array()[0, :, 3] > 0, np.repeat([True, False, False], 4))


@pytest.mark.parametrize(
    ("quality", "weights", "expected"),
    [(0.876, [1, 2, 3, 4], "cat R² = 0.88"), (-0.5, [1, 2, 3, 4], "cat R² = −0.50")]
    + [(np.nan, [0, 0, 0, 0], "cat R² undefined (all zero)")],
)
@pytest.mark.filterwarnings("error")
def test_title_gives_the_quality_of_the_fit(quality, weights, expected):
    figure = plots.segments(random_images(1), fitted(weights, quality=quality), titles="cat")
    assert figure.axes[0].get_title().replace("\n", " ") == expected


@pytest.mark.parametrize("size", [(8, 8), (12,)])
def test_texts_are_readable_and_every_sample_has_its_own_scale(size):
    labels = np.arange(np.prod(size)).reshape(size) // 4
    weights = np.random.default_rng(0).normal(size=(3, labels.max() + 1)) * [[1e-4], [1.0], [1e4]]
    figure = plots.segments(np.random.default_rng(1).random((3, *size, 1)), fitted(weights, labels), titles=list("abc"))
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 6
    for axes, row in zip(figure.axes[::2], weights):
        assert axes.images[-1].norm.vmax == pytest.approx(np.abs(row).max())
    assert_texts_are_readable(figure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fit": np.zeros((1, 8, 8))}, "`fit` must be what"),
        ({"fit": fitted([[1, 2, 3, 4]] * 2)}, "`fit.maps` must have shape"),
        ({"x": np.zeros((8, 8, 3))[..., :0]}, "`samples` must be"),
        ({"top": 0}, "`top` must be"),
        ({"columns": 1.5}, "`columns` must be"),
        ({"titles": ["a", "b"]}, "`titles` must give"),
        ({"alpha": 2}, "`alpha` must be"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        plots.segments(**{"x": random_images(1), "fit": fitted([1, 2, 3, 4]), **change})
