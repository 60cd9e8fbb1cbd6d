"""Measured and wrapped texts, numbers as text, and tables of panels planned in inches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai.plots import layout

FONT = "small"


@pytest.mark.parametrize("text", ["integrated gradients", "iiiiii", "WWWW", "Übergröße_7", "-0.0031"])
def test_measured_width_is_that_of_the_rendered_text(text):
    figure = layout.new_figure(4, 1)
    FigureCanvasAgg(figure)
    rendered = figure.text(0, 0, text, fontsize=FONT).get_window_extent().width / figure.dpi
    assert rendered <= layout.text_width(text, FONT) <= 1.1 * rendered + 0.01


@pytest.mark.parametrize(
    "text, expected",
    [
        ("integrated_gradients", "integrated_\ngradients"),
        ("integrated gradients", "integrated\ngradients"),
        ("grad_cam", "grad_cam"),
        ("  grad \t cam ", "grad cam"),
        ("true: a\npredicted: b", "true: a\npredicted: b"),
        ("a\n\nb", "a\n\nb"),
        ("__", "__"),
        ("", ""),
    ],
)
def test_texts_break_at_spaces_and_after_underscores(text, expected):
    width = layout.text_width("predicted: b", FONT)
    assert layout.wrapped(text, width, FONT) == expected


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab_W i\n", max_size=60), st.floats(0.01, 1.0))
def test_wrapping_keeps_every_letter_within_the_width(text, width):
    lines = layout.wrapped(text, width, FONT).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) == 1 or layout.text_width(line, FONT) <= width for line in lines if line)


def test_a_word_is_cut_only_where_it_is_wider_than_the_line():
    width = layout.text_width("abcdef", FONT)
    assert layout.wrapped("ab abcdefabcdefab cd", width, FONT) == "ab\nabcdef\nabcdef\nab cd"


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0"),
        (0.5, "0.5"),
        (-1.234, "−1.2"),
        (123.4, "120"),
        (0.00123, "0.0012"),
        (-0.00099, "−9.9e−4"),
        (1.04e-5, "1e−5"),
        (99000.0, "99000"),
        (-2e12, "−2e12"),
        (1e300, "1e300"),
    ],
)
def test_numbers_are_short(value, text):
    assert layout.number_text(value) == text


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0.00"),
        (1e-9, "<0.01"),
        (0.005, "0.01"),
        (0.5, "0.50"),
        (0.9949, "0.99"),
        (0.9999, ">0.99"),
        (1.0, "1.00"),
    ],
)
def test_probabilities_are_0_or_1_only_when_they_are(value, text):
    assert layout.probability_text(value) == text


# Tables


def boxes(table):
    """Left, top, width and height of every panel, in inches from the figure's upper left corner."""
    figure = table.figure()
    full = figure.get_size_inches()
    places = [axes.get_position() for axes in table.axes(figure)]
    return np.array([(p.x0 * full[0], (1 - p.y1) * full[1], p.width * full[0], p.height * full[1]) for p in places])


def test_a_full_row_fills_the_page_and_more_columns_widen_it():
    half = layout.Table(["a"] * 8, 4, lambda width: width / 2)
    assert half.width == pytest.approx(7.0)
    np.testing.assert_allclose(boxes(half)[:, 3], half.panel_width / 2)
    assert layout.Table(["a"] * 3, 4, lambda width: width).width < 7.0
    wide = layout.Table(["a"] * 20, 20, lambda width: width)
    assert wide.panel_width == layout.SMALLEST_WIDTH and wide.width > 7.0


def test_rows_without_titles_give_them_no_room():
    titled, bare = (layout.Table([first] * 2 + [""] * 2, 2, lambda width: width) for first in ("a", ""))
    line = layout.line_height(layout.TITLE_SIZE) + layout.TITLE_GAP
    assert titled.height - bare.height == pytest.approx(line)
    two_lines = layout.Table(["a", "a\nb", "", ""], 2, lambda width: width)
    assert two_lines.height - titled.height == pytest.approx(layout.line_height(layout.TITLE_SIZE))


def test_panels_of_a_group_stand_closer_and_share_a_title():
    table = layout.Table(["first", "second"], 2, lambda width: width, group=2)
    left, _, width, _ = boxes(table).T
    gaps = left[1:] - left[:-1] - width[:-1]
    assert gaps[0] == pytest.approx(gaps[2]) and gaps[1] > 2 * gaps[0]
    axes = table.axes(table.figure())
    assert [one.get_title() for one in axes] == ["first", "", "second", ""]
    centre = axes[0].transAxes.transform(axes[0].title.get_position())[0]
    assert centre == pytest.approx((axes[0].bbox.x0 + axes[1].bbox.x1) / 2, abs=1)


def test_room_is_kept_where_it_is_asked_for():
    def spread(**room):
        table = layout.Table([""] * 4, 2, lambda width: 1.0, **room)
        (left, top, width, _), (right, *_), (_, second, *_) = boxes(table)[:3]
        return left, top, right - left - width, table.height - second - 1.0, second - top - 1.0

    plain = np.array(spread())
    for position, room in enumerate(["left", "above", "beside", "below"]):
        change = np.array(spread(**{room: 0.3})) - plain
        assert change[position] == pytest.approx(0.3), room
    np.testing.assert_allclose(np.array(spread(before=0.3)) - plain, [0.3, 0, 0.3, 0, 0], atol=1e-9)


@pytest.mark.parametrize("height, rotation", [(1.0, 90), (0.2, 0)])
def test_row_titles_stand_upright_unless_the_panels_are_too_flat(height, rotation):
    titles = ["adenoma", "mucosa, predicted as adenoma", ""]
    table = layout.Table([""] * 9, 3, lambda width: height, row_titles=titles)
    figure = table.figure()
    axes = table.axes(figure)
    for one in axes:
        one.set(xticks=[], yticks=[])
    FigureCanvasAgg(figure).draw()
    labels = [one.yaxis.label for one in axes[::3]]
    assert [label.get_text().replace("\n", " ") for label in labels] == titles
    assert all(label.get_rotation() == rotation for label in labels)
    extents = [label.get_window_extent() for label in labels[:2]]
    assert not extents[0].overlaps(extents[1])
    assert all(extent.x0 >= 0 and extent.x1 <= axes[0].bbox.x0 for extent in extents)
    assert not any(one.get_ylabel() for index, one in enumerate(axes) if index % 3)
