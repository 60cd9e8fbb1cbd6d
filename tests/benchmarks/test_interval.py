"""Means with intervals, as they are told."""

import warnings

import numpy as np
import pytest

from benchmarks.study.interval import Interval, bounds, short


@pytest.mark.parametrize(
    ("number", "text"), [(0.12345, "0.123"), (12.345, "12.3"), (1036.4, "1036"), (-1036.4, "-1036"), (1e-9, "1e-09")]
)
def test_numbers_of_many_digits_have_no_exponent(number, text):
    assert short(number) == text


def test_an_interval_is_told_in_short():
    assert str(Interval(1036.4, 990.0, 1100.123)) == "1036 (990 to 1100)"


def test_draws_without_a_value_have_no_bounds_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(bounds(np.full(10, np.nan))).all()
