"""Measured and wrapped texts, and numbers as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai.plots import layout, texts

FONT = "small"


@pytest.mark.parametrize("text", ["integrated gradients", "iiiiii", "WWWW", "Übergröße_7", "-0.0031"])
def test_measured_width_is_that_of_the_rendered_text(text):
    figure = layout.new_figure(4, 1)
    FigureCanvasAgg(figure)
    rendered = figure.text(0, 0, text, fontsize=FONT).get_window_extent().width / figure.dpi
    assert rendered <= texts.text_width(text, FONT) <= 1.1 * rendered + 0.01


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
    width = texts.text_width("predicted: b", FONT)
    assert texts.wrapped(text, width, FONT) == expected


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet="ab_W i\n", max_size=60), st.floats(0.01, 1.0))
def test_wrapping_keeps_every_letter_within_the_width(text, width):
    lines = texts.wrapped(text, width, FONT).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) == 1 or texts.text_width(line, FONT) <= width for line in lines if line)


def test_a_word_is_cut_only_where_it_is_wider_than_the_line():
    width = texts.text_width("abcdef", FONT)
    assert texts.wrapped("ab abcdefabcdefab cd", width, FONT) == "ab\nabcdef\nabcdef\nab cd"


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
    assert texts.number_text(value) == text


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
    assert texts.probability_text(value) == text
