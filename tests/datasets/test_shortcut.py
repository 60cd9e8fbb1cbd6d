"""The shortcut: the digit is the class, the mark goes with it in training alone, the masks say where they are."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerasxai.datasets import planted


def marked(data):
    return data.marks.any(axis=(1, 2, 3))


@pytest.fixture(scope="module")
def data():
    return planted.load_shortcut(0.9, samples=500)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.75, 0.9, 1.0])
def test_the_mark_goes_with_class_1_in_training_alone(share):
    train, test = planted.load_shortcut(share, samples=500)
    for part, shares in ((train, (1 - share, share)), (test, (0.5, 0.5))):
        for label, expected in enumerate(shares):
            of_class = marked(part)[part.y == label]
            assert len(of_class) > 0.4 * len(part.y)
            assert of_class.sum() == round(expected * len(of_class))


def test_scenes_do_not_depend_on_the_share():
    for one, other in zip(planted.load_shortcut(0.9, samples=60), planted.load_shortcut(0.5, samples=60)):
        for name in ("bare", "y", "evidence"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_digit_in_its_box_is_of_the_class(data):
    """Read without the generator: the scene's box against every 3 and every 8, each enlarged by repetition."""
    images, labels = load_digits(return_X_y=True)
    templates = np.kron(images.reshape(-1, 8, 8), np.ones((3, 3)))  # 24 x 24
    templates = templates[np.isin(labels, (3, 8))].reshape(-1, 576)
    of_template = labels[np.isin(labels, (3, 8))] == 8
    boxes = data[1].bare[..., 0][data[1].evidence].reshape(-1, 12, 12)
    boxes = np.kron(boxes, np.ones((2, 2))).reshape(-1, 576)
    nearest = np.corrcoef(boxes, templates)[: len(boxes), len(boxes) :].argmax(axis=1)
    assert (of_template[nearest] == data[1].y).mean() > 0.9  # clutter lies across some


def test_boxes_are_whole_and_apart(data):
    for part in data:
        assert (part.evidence.sum(axis=(1, 2)) == 144).all()
        np.testing.assert_array_equal(part.marks.sum(axis=(1, 2, 3)), 49 * marked(part))
        np.testing.assert_array_equal(part.distractor, part.marks[..., 0])
        assert not (part.evidence & part.distractor).any()


def test_nothing_outside_the_mark_changes_with_it(data):
    for part in data:
        np.testing.assert_array_equal(part.x[~part.marks], part.bare[~part.marks])
        assert (np.abs(part.x - part.bare)[marked(part)].max(axis=(1, 2, 3)) > 0.2).all()


def test_the_seed_decides_all():
    first, again, other = (planted.load_shortcut(samples=60, seed=seed)[0] for seed in (4, 4, 5))
    for array, same in zip(first, again):
        np.testing.assert_array_equal(array, same)
    assert (first.x != other.x).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"share": 1.1}, "`share` must be a number"),
        ({"share": None}, "`share` must be a number"),
        ({"samples": 29}, "`samples` must be at least 30. Received: samples=29"),
        ({"size": 23}, "`size` must be at least 24. Received: size=23"),
        ({"seed": -1}, "`seed` must be an integer from 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        planted.load_shortcut(**options)
