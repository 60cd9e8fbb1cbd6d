"""Where relevance went: what each node was given, handed on, and lost to what."""

from __future__ import annotations

import operator

import numpy as np
import tensorflow as tf

from kerasxai.tables import Table

LOSSES = ("bias", "stabiliser", "padding", "dead")
COLUMNS = ("relevance_in", "relevance_out", *LOSSES, "size")


class Entries:
    """Collects the entries of one walk inside a compiled function; sums are per sample, `(copies * batch,)`.

    Layers may compute in different types, so sums are held in float64.
    """

    def __init__(self):
        self.rows = []
        self._open = None

    def open(self, node, arriving):
        """Starts the row of a node from the relevance that arrives at its outputs."""
        arriving = [relevance for relevance in arriving if relevance is not None]
        zeros = tf.zeros(tf.shape(arriving[0])[:1], tf.float64)
        self._open = dict.fromkeys(COLUMNS, zeros)
        self._open["relevance_in"] = sum(_total(relevance) for relevance in arriving)
        self._open["size"] = sum(_total(tf.abs(relevance)) for relevance in arriving)
        self.rows.append((node, self._open))

    def enter(self, loss, relevance):
        """Adds lost relevance to the open row."""
        self._open[loss] += _total(relevance)

    def close(self, handed):
        """Completes the open row by what the node handed on."""
        handed = [relevance for relevance in handed if relevance is not None]
        self._open["relevance_out"] = sum(_total(relevance) for relevance in handed)
        size = sum(_total(tf.abs(relevance)) for relevance in handed)
        self._open["size"] = tf.maximum(self._open["size"], size)

    def tensor(self):
        """All rows, `(batch, nodes, columns)`."""
        pick = operator.itemgetter(*COLUMNS)
        return tf.stack([tf.stack(pick(row), axis=-1) for _, row in self.rows], axis=1)


class Ledger:
    """What became of the relevance at each node, from the output back to the input.

    `relevance_in = relevance_out + bias + stabiliser + padding + dead` at every node: `bias` fell to biases,
    `stabiliser` to the stabiliser, `padding` to padded positions, `dead` to units without any term.

    Attributes:
        paths: Path of each node, in the order of the walk.
        values: Dict column -> array `(samples, nodes)`; `size` is the sum of absolute relevance at the node.
    """

    def __init__(self, paths: list[str], values: np.ndarray) -> None:
        self.paths = paths
        self.values = dict(zip(COLUMNS, np.moveaxis(values, -1, 0)))

    @property
    def residual(self) -> np.ndarray:
        """What no column accounts for, as a share of the node's sum of absolute relevance, `(samples, nodes)`."""
        lost = sum(self.values[loss] for loss in LOSSES)
        rest = self.values["relevance_in"] - self.values["relevance_out"] - lost
        # A node that nothing reached has 0 of 0 left over: none.
        return np.abs(rest) / np.maximum(self.values["size"], np.finfo(np.float32).tiny)

    def __str__(self):
        return str(self._table())

    __repr__ = __str__

    def _repr_html_(self):
        return self._table()._repr_html_()

    def _table(self):
        """Means over samples."""
        columns = [column for column in COLUMNS if column != "size"]
        means = {column: self.values[column].mean(axis=0) for column in columns}
        rows = []
        for index, path in enumerate(self.paths):
            texts = {column: f"{means[column][index]:.6g}" for column in columns}
            rows.append({"node (means over samples)": path, **texts})
        headings = {heading: operator.itemgetter(heading) for heading in ["node (means over samples)", *columns]}
        return Table(rows, headings, numbers=columns)


def _total(tensor):
    summed = tf.reduce_sum(tensor, axis=list(range(1, tensor.shape.rank))) if tensor.shape.rank else tensor
    return tf.cast(summed, tf.float64)
