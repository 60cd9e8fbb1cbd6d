"""Checks of options that several classes and functions share."""

import math
import numbers
import operator

import numpy as np

from kerasxai.suggestions import did_you_mean

_LARGEST = 2**31 - 1  # of the integers that TensorFlow counts with
_HOLDS = {"above": operator.gt, "at least": operator.ge, "below": operator.lt, "at most": operator.le}


def flag(name, value):
    """`value`, which must be True or False: any other, a word as `"False"` too, would count as one of them."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={shown(value)}.")
    return bool(value)


def positive_integer(name, value):
    """`value` as an int of at least 1; an error that names the option otherwise."""
    if not _is_integer(value) or not 1 <= value <= _LARGEST:
        raise ValueError(f"`{name}` must be a positive integer, at most {_LARGEST}. Received: {name}={shown(value)}.")
    return int(value)


def count(name, value):
    """`value` as an int from 0 on; an error that names the option otherwise."""
    if not _is_integer(value) or not 0 <= value <= _LARGEST:
        raise ValueError(f"`{name}` must be an integer from 0 to {_LARGEST}. Received: {name}={shown(value)}.")
    return int(value)


def seed_number(value):
    """`value` as a seed that stateless random operations take."""
    return count("seed", value)


def is_number(value):
    """Whether this is one finite real number; True and False are none."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond the largest float
        return False


def number(name, value, *, above=None, least=None, below=None, most=None, alternative=""):
    """`value` as a float within bounds; an error that names the option otherwise.

    Args:
        name: Name of the option.
        value: What it was given.
        above, least, below, most: Bounds; None for none.
        alternative: What else the option takes, for the message.
    """
    bounds = _bounds(above, least, below, most)
    if not _is_within(value, bounds):
        other = f"{alternative} or " if alternative else ""
        raise ValueError(f"`{name}` must be {other}a number{_told(bounds)}. Received: {name}={shown(value)}.")
    return float(value)


def several_numbers(name, value, *, above=None, least=None, below=None, most=None):
    """One number, or a list or array of them, as a tuple of floats within bounds, at least one."""
    bounds = _bounds(above, least, below, most)
    if hasattr(value, "__array__"):
        value = np.atleast_1d(value)
    entries = list(value) if isinstance(value, (list, tuple, range, np.ndarray)) else [value]
    if not entries or not all(_is_within(entry, bounds) for entry in entries):
        raise ValueError(f"`{name}` must be one or more numbers{_told(bounds)}. Received: {name}={shown(value)}.")
    return tuple(map(float, entries))


def check_one_of(name, value, choices):
    """Refuses a value that is none of the choices."""
    if not any(value is choice or (isinstance(value, str) and value == choice) for choice in choices):
        words = [choice for choice in choices if isinstance(choice, str)]
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. Received: {name}={shown(value)}.{hint}"
        )


def shown(value):
    """What was received, short enough for a message."""
    if hasattr(value, "shape") and np.ndim(value) > 0:
        return f"an array of shape {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."


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
        array = np.asarray(values)
        are_numbers = array.size > 0 and array.dtype.kind not in "bcOSU"
        are_finite = are_numbers and np.isfinite(array.astype(np.float64)).all()
    except (TypeError, ValueError):
        are_numbers = False
    if not are_numbers:
        raise ValueError(f"`{option}` must be a number, or an array of numbers. Received: {shown(values)}.")
    if not are_finite:
        received = repr(values) if np.ndim(values) == 0 else "an array with NaN or infinite values"
        raise ValueError(f"`{option}` must be made of finite numbers. Received: {received}.")


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _bounds(above, least, below, most):
    words = {"above": above, "at least": least, "below": below, "at most": most}
    return {word: bound for word, bound in words.items() if bound is not None}


def _is_within(value, bounds):
    return is_number(value) and all(_HOLDS[word](value, bound) for word, bound in bounds.items())


def _told(bounds):
    return " " + " and ".join(f"{word} {bound}" for word, bound in bounds.items()) if bounds else ""
