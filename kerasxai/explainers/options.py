"""Checks of options that several explainers share."""

import numpy as np


def positive_integer(name, value):
    """`value` as an int of at least 1; an error that names the option otherwise."""
    if not _is_integer(value) or value < 1:
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    return int(value)


def seed_number(value):
    """`value` as a seed that stateless random operations take."""
    if not _is_integer(value) or not 0 <= value < 2**31:
        raise ValueError(f"`seed` must be an integer from 0 to {2**31 - 1}. Received: seed={value!r}.")
    return int(value)


def check_one_of(name, value, choices):
    """Refuses a value that is none of the choices."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={value!r}.")


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
