"""What is said of classes, checked and brought to one shape: the labels of samples, the probabilities of a model."""

import numpy as np

SLACK = 1e-3  # of probabilities in half precision


def class_indices(labels, classes, name="labels"):
    """Labels as whole indices (N,) below the number of classes; given so, as (N, 1), or as one-hot rows."""
    labels = np.asarray(labels)
    shape = labels.shape
    if labels.dtype.kind not in "biuf":
        raise ValueError(
            f"`{name}` must be class indices or one-hot rows. Received: values of type {labels.dtype}. "
            "Turn names into indices: [class_names.index(name) for name in ...]."
        )
    if labels.ndim == 2 and shape[1] == 1:
        labels = labels[:, 0]
    elif labels.ndim == 2 and shape[1] == classes and ((labels == 0) | (labels == 1)).all():
        if not (labels.sum(axis=1) == 1).all():
            raise ValueError(
                f"`{name}` must give one class for each sample. Received: rows with several or no classes."
            )
        labels = labels.argmax(axis=1)
    labels = np.atleast_1d(labels)
    if labels.ndim != 1:
        raise ValueError(
            f"`{name}` must be class indices (N,) or one-hot rows (N, {classes}). Received: shape {shape}."
        )
    wrong = labels[~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))]
    if wrong.size:
        raise ValueError(f"`{name}` must be whole numbers from 0 to {classes - 1}. Received: {wrong[0]}.")
    return labels.astype("int64")


def of_every_class(rows):
    """Probabilities (N, classes) within 0..1; one column, of a sigmoid unit, becomes two classes.

    Args:
        rows: Float array (N, classes).
    """
    if not ((rows >= -SLACK) & (rows <= 1 + SLACK)).all():  # not for NaN either
        raise ValueError(
            f"`probabilities` must lie within 0..1. Received: values from {rows.min():.4g} to {rows.max():.4g}. "
            "Of logits take keras.ops.softmax(logits) first."
        )
    rows = rows.clip(0.0, 1.0)
    return np.concatenate([1.0 - rows, rows], axis=1) if rows.shape[1] == 1 else rows
