"""An input that the model accepts, data sets of it, a model without a graph, and how a refusal is read."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from tests.support import nets

X = nets.normals(3)
with_nan = X.copy()
with_nan[1, 2, 3, 0] = np.nan


def refused(error, *parts):
    """Context in which `error` must be raised, with every one of the regular expressions in its message."""
    return pytest.raises(error, match="(?s)" + "".join(f"(?=.*{part})" for part in parts))


def rows(x, y=None):
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.conv = nets.conv("conv")
        self.gap = layers.GlobalAveragePooling2D(name="gap")
        self.head = layers.Dense(3, activation="softmax", name="head")

    def call(self, x):
        return self.head(self.gap(self.conv(x)))
