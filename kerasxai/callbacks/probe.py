"""Probe: the samples a callback explains, taken once from arrays or a dataset."""

import keras
import numpy as np
import tensorflow as tf

from kerasxai.batches import Batches
from kerasxai.options import positive_integer
from kerasxai.targets import check_labels, uses_labels


class Probe:
    """Fixed samples with their labels and targets.

    Args:
        x, y, target, max_samples: As given to a callback.

    Attributes:
        x, y: Arrays, once they are read; packed as the model takes them.
        target: One entry per sample, where it is per sample at all.
    """

    def __init__(self, x, y=None, target="predicted", max_samples=None):
        self.max_samples = None if max_samples is None else positive_integer("max_samples", max_samples)
        check_labels(y, target)
        self.target = target
        self.x, self.y = x, y
        self._is_read = False

    def read(self, graph, batch_size):
        """Takes the samples, the first time it is called.

        Args:
            graph: The ModelGraph or OpaqueModel they are for, which checks them.
            batch_size: Most samples taken at once.
        """
        if self._is_read:
            return
        x = self.x
        if isinstance(x, tf.data.Dataset) and self.max_samples is not None:
            x = x.take(self.max_samples)  # elements, of one sample or more; an endless dataset has an end now
        batches = Batches(x, self.y, batch_size, graph)
        inputs, labels, count = [], [], 0
        for tensors, of_batch in batches:
            room = len(tensors[0]) if self.max_samples is None else self.max_samples - count
            inputs.append([tensor.numpy()[:room] for tensor in tensors])
            if of_batch is not None:
                of_batch = keras.tree.map_structure(lambda part: part[:room], of_batch)
            labels.append(of_batch)
            count += len(inputs[-1][0])
            if count == self.max_samples:
                break
        flat = [np.concatenate(parts) for parts in zip(*inputs)]
        self.x = flat[0] if batches.structure is None else _packed(batches.structure, flat)
        self.y = None
        if labels[0] is not None and uses_labels(self.target):  # a dataset brings labels, wanted or not
            self.y = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *labels)
        if self.max_samples is not None:
            self.target = _first(self.target, count)
        self._is_read = True


def _packed(structure, flat):
    return keras.tree.map_structure(lambda index: flat[index], structure)


def _first(target, count):
    """A target cut to the first samples, if it has one entry for each."""
    if isinstance(target, tuple) and len(target) == 2 and (isinstance(target[0], str) or callable(target[0])):
        return target[0], _first(target[1], count)
    return target if isinstance(target, str) or np.ndim(target) == 0 else target[:count]
