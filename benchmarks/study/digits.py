"""Handwritten digits of scikit-learn as images of any size: data that every machine has."""

import numpy as np

TRAINING = 1437  # of 1797, four fifths
MARGIN = 2  # pixels of background around the 8 x 8 of a digit, so that what moves is not cut


def digits(size, channels=1):
    """`(x, y), (x_test, y_test)`: float32 `(samples, size, size, channels)` in 0..1, and the digits."""
    import tensorflow as tf
    from sklearn.datasets import load_digits

    data = load_digits()
    framed = np.pad(data.images[..., np.newaxis] / 16, [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)])
    images = tf.image.resize(framed, (size, size)).numpy().astype("float32")
    images, labels = np.repeat(images, channels, axis=-1), data.target.astype("int64")
    return (images[:TRAINING], labels[:TRAINING]), (images[TRAINING:], labels[TRAINING:])
