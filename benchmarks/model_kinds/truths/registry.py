"""Methods and their truths: `(kind, explainer) -> (how, expected)` for each thing that is checked."""

import numpy as np

TRUTHS = {}


def truth(*methods, **options):
    """Registers a function that yields the checks of methods.

    The function takes `(kind, explainer, found)`, `found` being a flat list of what the explainer returned for each
    input, and yields `(how, found, expected)`.

    Args:
        methods: Registry names.
        options: What the explainers are built with.
    """

    def register(function):
        TRUTHS.update({method: (function, options) for method in methods})
        return function

    return register


def listed(kind, result):
    """Arrays of a result, one for each input that has one."""
    found = [result] if isinstance(result, np.ndarray) else kind.unpack(result)
    return [np.asarray(one, np.float64) for one in found if one is not None]


def per_sample(array):
    return np.asarray(array, np.float64).reshape(len(array), -1).sum(axis=1)
