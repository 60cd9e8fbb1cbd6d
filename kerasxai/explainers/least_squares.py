"""Weighted least squares of scores on bits, from sums that are gathered chunk by chunk."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

# The rounding of a score in float32, relative to it.
_ROUNDING = 2.0**-22


class Sums(NamedTuple):
    """What a weighted least-squares fit of `y` to bits `z` needs, summed over the coalitions: float64, per sample.

    Attributes:
        zz, z, zy: Sums of `w z z'`, `w z`, `w z y`.
        w, y, yy: Sums of `w`, `w y`, `w y^2`.
    """

    zz: Any
    z: Any
    zy: Any
    w: Any
    y: Any
    yy: Any

    @classmethod
    def zeros(cls, counts):
        """Sums over nothing, for samples with so many segments."""
        batch, width = tf.shape(counts)[0], tf.reduce_max(counts)
        matrix, rows, numbers = (
            tf.zeros(shape, tf.float64) for shape in ([batch, width, width], [batch, width], [batch])
        )
        return cls(matrix, rows, rows, numbers, numbers, numbers)

    def plus(self, z, w, y):
        """The sums with more coalitions: `z` `(coalitions, batch, segments)`, `w` and `y` `(coalitions, batch)`."""
        z, weighted = tf.transpose(z, [1, 0, 2]), tf.transpose(z * w[..., tf.newaxis], [1, 2, 0])
        more = (
            tf.matmul(weighted, z),
            tf.reduce_sum(weighted, axis=2),
            tf.linalg.matvec(weighted, tf.transpose(y)),
            tf.reduce_sum(w, axis=0),
            tf.reduce_sum(w * y, axis=0),
            tf.reduce_sum(w * y * y, axis=0),
        )
        return [total + new for total, new in zip(self, more)]

    def ridge(self, alpha, chosen=None):
        """Weights and intercept of a ridge regression, the intercept not penalised.

        Args:
            alpha: The penalty.
            chosen: bool `(batch, segments)`: the segments that take part; None: all.
        """
        means = self.z / self.w[:, tf.newaxis]
        # Centred, the intercept drops out of the system and goes without a penalty.
        left = self.zz - means[:, :, tf.newaxis] * self.z[:, tf.newaxis]
        right = self.zy - means * self.y[:, tf.newaxis]
        if chosen is not None:
            # An equation `penalty * weight = 0` for a segment that takes no part: the size of the system stays.
            right = tf.where(chosen, right, 0.0)
            left = tf.where(chosen[:, :, tf.newaxis] & chosen[:, tf.newaxis], left, tf.cast(0.0, left.dtype))
        weights = solved(tf.linalg.set_diag(left, tf.linalg.diag_part(left) + alpha), right)
        return weights, self.y / self.w - tf.reduce_sum(weights * means, axis=1)

    def quality(self, weights, intercept, size):
        """Weighted R^2 of a linear model; NaN where the scores, of the magnitude `size`, vary by rounding only."""
        with_intercept = self.yy - 2 * intercept * self.y + intercept**2 * self.w
        linear = tf.reduce_sum(weights * (2 * intercept[:, tf.newaxis] * self.z - 2 * self.zy), axis=1)
        square = tf.reduce_sum(weights * tf.linalg.matvec(self.zz, weights), axis=1)
        # R^2 from the sums: no second pass over the coalitions. It is float64, since its terms cancel.
        total = self.yy - self.y**2 / self.w
        varies = total > self.w * (_ROUNDING * size) ** 2
        return tf.where(varies, 1 - (with_intercept + linear + square) / tf.where(varies, total, 1.0), np.nan)


def solved(left, right):
    """Solution of one linear system per sample: `left` `(batch, n, n)`, `right` `(batch, n)`."""
    return tf.linalg.solve(left, right[..., tf.newaxis])[..., 0]
