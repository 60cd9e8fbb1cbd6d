"""Labels in every form they come in, and their refusals."""

import numpy as np
import pytest

from kerasxai.classes import class_indices


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
    indices = class_indices(labels, 3)
    np.testing.assert_array_equal(indices, [2, 0, 1])
    assert indices.dtype == "int64"


def test_one_label_and_truth_values_are_labels_too():
    np.testing.assert_array_equal(class_indices(1, 2), [1])
    np.testing.assert_array_equal(class_indices([True, False], 2), [1, 0])


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
        class_indices(labels, 3, "y")
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)
