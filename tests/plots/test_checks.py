"""What may be drawn: probabilities and names in every form they come in, and their refusals."""

import numpy as np
import pytest

from kerasxai.plots import checks


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
