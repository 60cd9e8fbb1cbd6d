"""A model that is a plain Python function: whether it computes in TensorFlow, and if not, as a TensorFlow operation."""

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph.python_calls import numpy_call


def run_once(function, inputs):
    """Runs a function once, eagerly, to see what it computes in.

    Args:
        function: `inputs -> scores`.
        inputs: Tensor, or structure of tensors.

    Returns:
        What it returned, as tensors; a `NumPyFunction` to run it by from now on, None where it computes in TensorFlow.
    """
    try:
        outputs, failure = function(inputs), None
        if all(tf.is_tensor(leaf) for leaf in keras.tree.flatten(outputs)):
            return outputs, None
    except Exception as error:  # tensors lack methods that arrays have
        failure = error
    arrays = keras.tree.map_structure(lambda tensor: tensor.numpy(), inputs)
    try:
        outputs = _as_arrays(function(arrays), arrays)
    except Exception as error:
        raise error from failure
    return keras.tree.map_structure(tf.constant, outputs), NumPyFunction(function, outputs)


class NumPyFunction:
    """A function that computes outside TensorFlow, inside a compiled function: it has no gradient.

    Args:
        function: Takes arrays in the structure of the model's inputs, returns arrays with a leading axis of samples.
        outputs: What it returned once.
        takes_tensors: Whether it wants eager tensors instead.
    """

    def __init__(self, function, outputs, takes_tensors=False):
        self._function = function
        self._outputs = outputs
        self._takes_tensors = takes_tensors

    def __call__(self, inputs):
        def compute(*arrays):
            packed = keras.tree.pack_sequence_as(inputs, arrays)
            if not self._takes_tensors:
                return keras.tree.flatten(_as_arrays(self._function(packed), packed))
            outputs = self._function(keras.tree.map_structure(tf.constant, packed))
            return keras.tree.flatten(_as_arrays(keras.tree.map_structure(np.asarray, outputs), packed))

        seen = keras.tree.flatten(self._outputs)
        tensors = tf.nest.flatten(numpy_call(compute, keras.tree.flatten(inputs), [tf.float32] * len(seen)))
        shaped = [tf.ensure_shape(tensor, [None, *array.shape[1:]]) for tensor, array in zip(tensors, seen)]
        return keras.tree.pack_sequence_as(self._outputs, shaped)


def _as_arrays(outputs, inputs):
    """Outputs as float32 arrays with one row per sample; a dict, or a list of arrays, is several outputs."""
    several = isinstance(outputs, dict) or (
        isinstance(outputs, (list, tuple)) and all(isinstance(part, np.ndarray) and part.ndim for part in outputs)
    )
    samples = len(keras.tree.flatten(inputs)[0])
    return keras.tree.map_structure(lambda part: _rows(part, samples), outputs) if several else _rows(outputs, samples)


def _rows(output, samples):
    array = np.asarray(output)
    if array.dtype.kind not in "biuf" or array.shape[:1] != (samples,):
        received = f"shape {array.shape}" if array.dtype.kind in "biuf" else type(output).__name__
        raise ValueError(
            "`model` must return scores of shape (samples,) or (samples, classes), one row per sample; a list of "
            f"arrays is several outputs (numpy.stack makes rows one array). Received: {received} for {samples} samples."
        )
    return array.astype(np.float32)
