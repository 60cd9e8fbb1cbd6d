"""What may be drawn: labels, probabilities and names in every form they come in, and their refusals."""

import numpy as np
import pytest

from kerasxai.plots import checks


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0, 1],
        np.array([2, 0, 1], "uint8"),
        np.array([2.0, 0.0, 1.0]),
        np.array([[2], [0], [1]]),
        np.eye(3)[[2, 0, 1]],
        np.eye(3, dtype=bool)[[2, 0, 1]],
    ],
)
def test_labels_become_indices(labels):
    indices = checks.class_indices(labels, 3)
    np.testing.assert_array_equal(indices, [2, 0, 1])
    assert indices.dtype == "int64"


def test_one_label_and_truth_values_are_labels_too():
    np.testing.assert_array_equal(checks.class_indices(1, 2), [1])
    np.testing.assert_array_equal(checks.class_indices([True, False], 2), [1, 0])


@pytest.mark.parametrize(
    "labels, parts",
    [
        ([0, 3], ["`y`", "0 to 2", "3"]),
        ([-1], ["0 to 2", "-1"]),
        ([0.5], ["whole", "0.5"]),
        ([np.nan], ["whole", "nan"]),
        (["tumor"], ["class indices", "index(name)"]),
        ([None], ["object"]),
        ([[1, 1, 0]], ["one class for each sample"]),
        ([[0, 0, 0]], ["one class for each sample"]),
        (np.eye(4), ["(N, 3)", "(4, 4)"]),
        (np.full((2, 3), 0.3), ["(N, 3)", "(2, 3)"]),
    ],
)
def test_wrong_labels_are_refused(labels, parts):
    with pytest.raises(ValueError) as refusal:
        checks.class_indices(labels, 3, "y")
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


@pytest.mark.parametrize(
    "given, rows",
    [
        ([0.25, 0.75], [[0.25, 0.75]]),
        ([[0.25, 0.75], [1, 0]], [[0.25, 0.75], [1, 0]]),
        ([[0.25], [1.0]], [[0.75, 0.25], [0, 1]]),
        ([0.25], [[0.75, 0.25]]),
        ([[1.0004, -0.0004]], [[1, 0]]),
    ],
)
def test_probabilities_become_rows(given, rows):
    np.testing.assert_allclose(checks.probability_rows(given), rows)


@pytest.mark.parametrize(
    "given, parts",
    [
        ([[3.2, -1.0]], ["0..1", "from -1 to 3.2", "softmax"]),
        ([[np.nan, 0.5]], ["0..1", "nan"]),
        (np.ones((2, 3, 4)), ["(N, classes)", "(2, 3, 4)"]),
        (np.ones((0, 3)), ["(0, 3)"]),
        ("high", ["array of numbers"]),
    ],
)
def test_wrong_probabilities_are_refused(given, parts):
    with pytest.raises(ValueError) as refusal:
        checks.probability_rows(given)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


def test_names_of_classes():
    assert checks.names_of_classes(None, 2) == ["class 0", "class 1"]
    assert checks.names_of_classes(["a", 7], 2) == ["a", "7"]
    with pytest.raises(ValueError, match=r"`class_names` .* each class, 3 in all. Received: 2"):
        checks.names_of_classes(["a", "b"], 3)
