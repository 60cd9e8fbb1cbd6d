"""What a rendered figure shows, and what it should show: for the tests of pictures. No recorded pictures anywhere."""

from unittest import mock

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

ROUNDING = 3 / 255  # image, colour, opacity and their blend are each held in 8 bits


def random_images(count=2, height=8, width=8):
    images = np.random.default_rng(0).random((count, height, width, 3))
    images[:, 0, 0], images[:, 0, 1] = 0.0, 1.0  # every channel of every image spans the whole range
    return images


def pixel(axes, row, column):
    """RGB within 0..1 of the rendered figure at data position (row, column)."""
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    rendered = np.asarray(canvas.buffer_rgba())
    x, y = axes.transData.transform((column, row))
    return rendered[rendered.shape[0] - 1 - int(y), int(x), :3] / 255


def all_pixels(axes):
    """RGB within 0..1 of the rendered figure at every pixel of the axes' picture: (H, W, 3)."""
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    rendered = np.asarray(canvas.buffer_rgba())
    rows, columns = np.indices(axes.images[0].get_array().shape[:2])
    places = axes.transData.transform(np.stack([columns.ravel(), rows.ravel()], axis=1)).astype(int)
    return rendered[len(rendered) - 1 - places[:, 1], places[:, 0], :3].reshape(*rows.shape, 3) / 255


def blend(below, colormap, position, opacity):
    return (1 - opacity) * np.asarray(below) + opacity * np.array(matplotlib.colormaps[colormap](position)[:3])


def pale_grey(image):
    return 0.4 + 0.6 * np.repeat(image @ np.array([[0.299], [0.587], [0.114]]), 3, axis=-1)


def scale_labels(axes):
    return [label.get_text() for label in axes.child_axes[0].get_yticklabels()]


def drawn_texts(figure):
    """Every text that a rendering of the figure draws, with its box in pixels."""
    drawn = []

    def draw(text, renderer, *args, **kwargs):
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_window_extent(renderer)))

    with mock.patch.object(Text, "draw", draw):
        FigureCanvasAgg(figure).draw()
    return drawn


def assert_texts_are_readable(figure):
    """All drawn texts lie within the figure and apart from each other, to a pixel."""
    texts, boxes = zip(*drawn_texts(figure))
    corners = np.array([box.extents for box in boxes])
    low, high = corners[:, :2], corners[:, 2:]
    outside = (low < -1).any(axis=1) | (high > figure.bbox.max + 1).any(axis=1)
    assert not outside.any(), [texts[index] for index in np.flatnonzero(outside)]
    overlap = (low[:, np.newaxis] + 2 < high).all(axis=-1)  # of one of each pair with the other
    pairs = np.argwhere(np.triu(overlap & overlap.T, k=1))
    assert not len(pairs), [(texts[index], texts[other]) for index, other in pairs]
