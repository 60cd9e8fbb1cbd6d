"""A layer that counts the samples a model really runs on, compiled or not."""

import keras
import tensorflow as tf


class Counting(keras.layers.Layer):
    """Passes its input on; `samples` and `runs` count what came by in inference."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.reset()

    def reset(self):
        self.samples = self.runs = 0

    def compute_output_shape(self, shape):
        return shape

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        with tf.control_dependencies([tf.numpy_function(self._count, [tf.shape(x)[0]], [])]):
            return tf.identity(x)

    def _count(self, size):
        self.samples += int(size)
        self.runs += 1
