"""Signals: colours behind the line, shapes, scales, legend."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai import plots
from kerasxai.plots import drawing
from tests.plots.rendering import (
    ROUNDING,
    assert_texts_are_readable,
    blend,
    drawn_texts,
    pixel,
    random_images,
    scale_labels,
)


def test_signed_signal_is_neutral_at_zero():
    values = np.zeros(10)
    values[2], values[7] = 4.0, -1.0
    axes = plots.signal(np.linspace(0.0, 0.1, 10), values).axes[0]
    axes.set_ylim(-1, 1)  # the line away from the pixels that are read
    axes.images[0].set_extent((-0.5, 9.5, -1, 1))

    for step, position in [(4, 0.5), (2, 1.0), (7, 0.375)]:
        expected = blend(np.ones(3), "coolwarm", position, drawing.SIGNAL_OPACITY)
        np.testing.assert_allclose(pixel(axes, -0.5, step), expected, atol=ROUNDING)


def test_signal_background_spans_height_and_runs_from_0_to_maximum():
    values = np.linspace(0.0, 6.0, 11)
    axes = plots.signal(np.zeros(11), values).axes[0]
    bottom, top = axes.get_ylim()
    assert axes.images[0].get_extent() == [-0.5, 10.5, bottom, top]

    for height in (0.95 * bottom, 0.95 * top):
        for step, position in [(0, 0.0), (5, 0.5), (10, 1.0)]:
            expected = blend(np.ones(3), "Oranges", position, drawing.SIGNAL_OPACITY)
            np.testing.assert_allclose(pixel(axes, height, step), expected, atol=ROUNDING)


@pytest.mark.parametrize(
    "signals_shape, maps_shape, count, channels",
    [
        ((3, 4, 2), (3, 4), 3, 2),
        ((3, 4, 2), (3, 4, 2), 3, 2),
        ((3, 4), (3, 4), 3, 1),
        ((3, 4), (3, 4, 1), 3, 1),
        ((4,), (4,), 1, 1),
        ((4,), (1, 4), 1, 1),
        ((4, 2), (4,), 1, 2),
        ((4, 2), (1, 4), 1, 2),
        ((4, 1), (4, 1), 1, 1),
        ((1, 4, 2), (1, 4, 2), 1, 2),
        ((4, 4), (4, 4), 4, 1),
    ],
)
def test_signal_shapes(signals_shape, maps_shape, count, channels):
    signals, maps = np.random.default_rng(0).random((2, 1000))
    signals, maps = np.resize(signals, signals_shape), np.resize(maps, maps_shape)
    figure = plots.signal(signals, maps)

    heatmaps = maps.sum(axis=-1) if maps.size != count * 4 else maps
    assert len(figure.axes) == count
    for axes, lines, heatmap in zip(
        figure.axes, signals.reshape(count, 4, channels), heatmaps.reshape(count, 1, 4), strict=True
    ):
        np.testing.assert_array_equal(np.transpose([line.get_ydata() for line in axes.lines]), lines)
        np.testing.assert_allclose(axes.images[0].get_array(), heatmap)


def test_scales_give_raw_values():
    rising = np.linspace(0.5, 2.0, 16)
    for shift, labels in ((0.0, ["0", "0.5", "2"]), (1.7, ["−1.2", "0", "1.2"])):
        assert scale_labels(plots.signal(np.zeros(16), rising - shift).axes[0]) == labels
    assert all(not axes.child_axes for axes in plots.overlay(random_images(), np.zeros((2, 8, 8))).axes)


def test_channels_are_told_apart():
    figure = plots.signal(np.random.default_rng(0).random((2, 20, 3)), np.ones((2, 20)))
    assert len({line.get_color() for line in figure.axes[0].lines}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["channel 0", "channel 1", "channel 2"]
    assert not plots.signal(np.zeros((2, 20)), np.ones((2, 20))).legends


def test_broken_signal_is_drawn():
    signals = np.linspace(0, 1, 20)[np.newaxis].copy()
    signals[0, 4] = np.nan
    figure = plots.signal(np.concatenate([signals, np.full((1, 20), np.nan)]), np.ones((2, 20)))
    FigureCanvasAgg(figure).draw()
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[4])


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "columns"), [(1.0, 1), (1e-5, 2), (1e-5, 3), (12345.0, 3)])
def test_numbers_and_labels_do_not_overlap(factor, columns):
    draws = np.random.default_rng(0)
    signals, maps = factor * draws.normal(size=(5, 20, 3)), factor * draws.normal(size=(5, 20))
    figure = plots.signal(signals, maps, titles=["a_title of a signal"] * 5, columns=columns)
    assert_texts_are_readable(figure)
    texts = [text for text, _ in drawn_texts(figure)]
    assert texts.count("step") == columns and texts.count("signal") == 1
    assert texts.count("attribution") == 5 // columns
    assert figure.get_figwidth() == pytest.approx(7.0) or columns == 3
