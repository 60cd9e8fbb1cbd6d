"""Verdicts on claims, from differences that must be positive."""

import pytest

from benchmarks.study import Interval
from benchmarks.study.verdicts import of_all, of_best, of_several

TRUE, FALSE, UNDECIDED = Interval(2.0, 1.0, 3.0), Interval(-2.0, -3.0, -1.0), Interval(0.5, -1.0, 2.0)
UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


@pytest.mark.parametrize(
    ("differences", "all_true", "best"),
    [
        ([TRUE, TRUE], "yes", "yes"),
        ([TRUE, FALSE], "in part", "no"),
        ([TRUE, UNDECIDED], "in part", "open"),
        ([FALSE, UNDECIDED], "no", "no"),
        ([UNDECIDED, UNKNOWN], "open", "open"),
        ([TRUE, UNKNOWN], "in part", "open"),
    ],
)
def test_verdicts(differences, all_true, best):
    assert of_all(differences) == all_true
    assert of_best(differences) == best


def test_verdicts_of_several_tests():
    assert of_several(["no", "no"]) == "no"
    assert of_several(["yes", "no"]) == of_several(["yes", "open"]) == "in part"
