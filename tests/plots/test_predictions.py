"""Prediction bars: which classes are shown in which order, and how the true one is told."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from kerasxai import plots
from kerasxai.plots.colours import PLAIN, STRESSED
from tests.plots.rendering import assert_texts_are_readable, drawn_texts

ROWS = np.array([[0.1, 0.6, 0.05, 0.25], [0.7, 0.0, 0.3, 0.0], [0.02, 0.03, 0.05, 0.9]])
NAMES = ["cat", "dog", "cow", "hen"]


def shown(axes):
    """Name, bar length and colour of every class in a panel, from the top down."""
    bars = sorted(axes.patches, key=lambda bar: bar.get_y() if axes.yaxis_inverted() else -bar.get_y())
    names = [label.get_text() for label in axes.get_yticklabels()]
    return [(name, bar.get_width(), to_hex(bar.get_facecolor()).upper()) for name, bar in zip(names, bars, strict=True)]


def bold(axes):
    return [label.get_text() for label in axes.get_yticklabels() if label.get_fontweight() == "bold"]


def test_the_most_probable_class_is_on_top():
    figure = plots.prediction_bars(ROWS, NAMES, top=3)
    assert [(name, length) for name, length, _ in shown(figure.axes[0])] == [("dog", 0.6), ("hen", 0.25), ("cat", 0.1)]
    assert [name for name, _, _ in shown(figure.axes[1])] == ["cat", "cow", "dog"]  # ties: the first class
    for axes in figure.axes:
        assert {colour for _, _, colour in shown(axes)} == {PLAIN}
        assert axes.get_xlim() == (0, 1) and not bold(axes)
    assert not figure.legends


def test_the_true_class_is_marked_and_added_if_it_is_not_among_the_best():
    figure = plots.prediction_bars(ROWS, NAMES, labels=[1, 2, 0], top=2)
    first, second, third = figure.axes
    assert [(name, colour) for name, _, colour in shown(first)] == [("dog", STRESSED), ("hen", PLAIN)]
    assert [(name, colour) for name, _, colour in shown(second)] == [("cat", PLAIN), ("cow", STRESSED)]
    assert shown(third)[-1] == ("cat", 0.02, STRESSED) and len(shown(third)) == 3
    assert [bold(axes) for axes in figure.axes] == [["dog"], ["cow"], ["cat"]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["true class", "other classes"]


@pytest.mark.parametrize("labels", [[1, 2, 0], np.eye(4)[[1, 2, 0]], np.array([[1], [2], [0]])])
def test_labels_of_any_form(labels):
    assert [bold(axes) for axes in plots.prediction_bars(ROWS, NAMES, labels).axes] == [["dog"], ["cow"], ["cat"]]


def test_a_sigmoid_unit_is_two_classes():
    axes = plots.prediction_bars([[0.3], [1.0]], labels=[1, 1]).axes
    assert [(name, round(length, 6)) for name, length, _ in shown(axes[0])] == [("class 0", 0.7), ("class 1", 0.3)]
    assert [(name, length) for name, length, _ in shown(axes[1])] == [("class 1", 1.0), ("class 0", 0.0)]
    assert [bold(one) for one in axes] == [["class 1"], ["class 1"]]


def test_numbers_stand_at_the_bars():
    (axes,) = plots.prediction_bars([0.0, 0.001, 0.499, 0.5], top=9).axes
    assert [text.get_text() for text in axes.texts] == ["0.50", "0.50", "<0.01", "0.00"]
    assert [text.xy for text in axes.texts] == [(0.5, 0), (0.499, 1), (0.001, 2), (0.0, 3)]


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_texts_are_readable(columns):
    names = ["healthy mucosa without any finding", "invasive_adenocarcinoma", "$x$", "Übergang"]
    titles = ["a rather long title of a sample", "", "b"]
    figure = plots.prediction_bars(ROWS, names, labels=[0, 3, 1], titles=titles, columns=columns)
    assert_texts_are_readable(figure)
    assert [axes.get_title().replace("\n", " ") for axes in figure.axes] == titles
    assert "$x$" in [text for text, _ in drawn_texts(figure)]
    assert figure.get_figwidth() <= 7.001


@pytest.mark.parametrize(
    "probabilities, options, parts",
    [
        ([[2.0, -1.0]], {}, ["`probabilities`", "0..1", "softmax"]),
        (ROWS, {"labels": [0, 1]}, ["`labels`", "3 samples", "2"]),
        (ROWS, {"labels": [0, 1, 4]}, ["`labels`", "0 to 3", "4"]),
        (ROWS, {"labels": ["cat", "dog", "cow"]}, ["`labels`", "indices"]),
        (ROWS, {"class_names": ["cat"]}, ["`class_names`", "each class, 4 in all", "1"]),
        (ROWS, {"titles": ["a"]}, ["`titles`", "each sample, 3 in all"]),
        (ROWS, {"top": 0}, ["`top`", "at least 1", "0"]),
        (ROWS, {"columns": 1.5}, ["`columns`", "1.5"]),
    ],
)
def test_refusals_say_what_and_what_to_do(probabilities, options, parts):
    with pytest.raises(ValueError) as refusal:
        plots.prediction_bars(probabilities, **options)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)
