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


def check_broadcast(shape, input_shape, option="baseline"):
    """Refuses an array that does not broadcast against one sample; open sizes of the input fit any."""
    known = tuple(size or 1 for size in input_shape)
    try:
        fits = all(
            wanted is None or size == wanted
            for size, wanted in zip(np.broadcast_shapes(shape, known), input_shape)
            if len(shape) <= len(input_shape)
        ) and len(shape) <= len(input_shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"`{option}` must broadcast against one sample of shape {tuple(input_shape)}. Received: shape {shape}."
        )


def check_finite(option, values):
    """Refuses NaN, infinity and what is no number."""
    try:
        are_finite = np.isfinite(np.asarray(values, np.float64)).all()
    except (TypeError, ValueError):
        raise ValueError(f"`{option}` must be a number, or an array of numbers. Received: {values!r}.") from None
    if not are_finite:
        shown = repr(values) if np.ndim(values) == 0 else "an array with NaN or infinite values"
        raise ValueError(f"`{option}` must be made of finite numbers. Received: {shown}.")


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
