"""NumPy inside compiled functions, on copies, with errors that reach the user as they were raised."""

import contextlib
import itertools

import numpy as np
import tensorflow as tf

from kerasxai.compiled import Stopped, in_turn, stop_check

# TensorFlow reports an error in a Python function as a text; the number in it tells which error that was.
_numbers = itertools.count()
_raised: dict[str, BaseException] = {}


def numpy_call(function, tensors, types):
    """`tf.numpy_function` whose function may change its arguments, which else are TensorFlow's own memory.

    Args:
        function: Arrays -> array, or list of arrays.
        tensors: List of tensors.
        types: The type, or types, of what it returns.
    """

    refuse_if_stopped = stop_check()

    def call(*arrays):
        refuse_if_stopped()
        try:
            return function(*map(np.array, arrays))
        except Stopped:
            raise
        except Exception as error:
            mark = f"<python call {next(_numbers)}>"
            _raised[mark] = error
            raise RuntimeError(mark) from error

    return in_turn(lambda: tf.numpy_function(call, tensors, types))


@contextlib.contextmanager
def own_errors():
    """Inside, or in a function decorated so, an error raised in a `numpy_call` is raised as it was."""
    try:
        yield
    except tf.errors.OpError as failure:
        for mark in [mark for mark in _raised if mark in failure.message]:
            raise _raised.pop(mark) from None
        raise
