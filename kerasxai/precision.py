"""The type that sums are held in."""

import tensorflow as tf


def as_float(tensor):
    """A tensor in the type sums are held in: float32; float64 stays."""
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)
