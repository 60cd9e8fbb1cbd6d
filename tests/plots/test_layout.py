"""Sheets of panels: the size of a figure follows from what its panels want and from what stands around them."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai.plots import layout
from tests.plots.rendering import assert_texts_are_readable


def fitted(titles, columns, height=lambda width: width, row_titles=(), **options):
    """A figure of empty panels, and left, top, width and height of each in inches from its upper left corner."""
    sheet = layout.panels(titles, columns, height, **options)
    for axes in sheet.axes:
        axes.set(xticks=[], yticks=[])
    sheet.add_row_titles(sheet.axes[::columns], row_titles)
    figure = layout.fit(sheet)
    full = figure.get_size_inches()
    places = [axes.get_position() for axes in sheet.axes]
    boxes = [(p.x0 * full[0], (1 - p.y1) * full[1], p.width * full[0], p.height * full[1]) for p in places]
    return figure, np.array(boxes)


def test_a_full_row_fills_the_page_and_more_columns_widen_it():
    figure, boxes = fitted(["a"] * 8, 4, lambda width: width / 2)
    assert figure.get_figwidth() == pytest.approx(7.0)
    np.testing.assert_allclose(boxes[:, 3], boxes[:, 2] / 2, rtol=0.01)
    np.testing.assert_allclose(boxes[:, 2], boxes[0, 2], rtol=0.01)
    assert boxes[3, 0] + boxes[3, 2] > 6.9
    assert fitted(["a"] * 3, 4)[0].get_figwidth() < 7.0
    figure, boxes = fitted(["a"] * 20, 20)
    np.testing.assert_allclose(boxes[:, 2], layout.SMALLEST_WIDTH, rtol=0.01)
    assert figure.get_figwidth() > 7.0


def test_rows_without_titles_give_them_no_room():
    _, titled = fitted(["a", "a", "", ""], 2)
    _, bare = fitted([""] * 4, 2)
    _, two_lines = fitted(["a", "a\nb", "", ""], 2)
    assert bare[0, 1] + 0.1 < titled[0, 1] < two_lines[0, 1] - 0.1
    gaps = [boxes[2, 1] - boxes[0, 1] - boxes[0, 3] for boxes in (bare, titled, two_lines)]
    np.testing.assert_allclose(gaps, gaps[0], atol=0.01)


def test_panels_of_a_group_stand_closer_and_share_a_title():
    figure, boxes = fitted(["first", "a second title that is wrapped to the width of both its panels"], 2, group=2)
    left, _, width, _ = boxes.T
    gaps = left[1:] - left[:-1] - width[:-1]
    assert gaps[0] == pytest.approx(gaps[2], abs=0.01) and gaps[1] > 1.5 * gaps[0]
    first, partner, second, last = figure.axes
    assert first.get_title() == "first" and "\n" in second.get_title()
    assert partner.get_title() == last.get_title() == ""
    centre = first.transAxes.transform(first.title.get_position())[0]
    assert centre == pytest.approx((first.bbox.x0 + partner.bbox.x1) / 2, abs=1)
    assert_texts_are_readable(figure)


@pytest.mark.parametrize("height, rotation", [(1.0, 90), (0.2, 0)])
def test_row_titles_stand_upright_unless_the_panels_are_too_flat(height, rotation):
    titles = ["adenoma", "mucosa, predicted as adenoma", ""]
    figure, _ = fitted([""] * 9, 3, lambda width: height, titles)
    FigureCanvasAgg(figure).draw()
    labels = [axes.yaxis.label for axes in figure.axes[::3]]
    assert [label.get_text().replace("\n", " ") for label in labels] == titles
    assert all(label.get_rotation() == rotation for label in labels)
    assert_texts_are_readable(figure)
    assert all(label.get_window_extent().x1 <= figure.axes[0].bbox.x0 for label in labels[:2])
    assert not any(axes.get_ylabel() for index, axes in enumerate(figure.axes) if index % 3)


def test_the_shape_of_panels_does_not_depend_on_what_stands_around_them():
    sheet = layout.panels(["a long title of a panel"] * 2, 2, lambda width: width / 3)
    sheet.axes[0].imshow(np.zeros((10, 30)))
    sheet.axes[1].annotate("beside the panel", (1, 0.5), (4, 0), "axes fraction", "offset points")
    sheet.figure.supylabel("at the left")
    sheet.figure.suptitle("above")
    figure = layout.fit(sheet)
    assert_texts_are_readable(figure)
    for axes in figure.axes:
        box = axes.get_window_extent()
        assert box.width / box.height == pytest.approx(3, rel=0.02)


def test_a_figure_that_is_laid_out_stays_so():
    figure, _ = fitted(["a"] * 2, 2)
    places = [axes.get_position().bounds for axes in figure.axes]
    figure.axes[0].set_ylabel("one more label\nof two lines")
    FigureCanvasAgg(figure).draw()
    assert [axes.get_position().bounds for axes in figure.axes] == places
