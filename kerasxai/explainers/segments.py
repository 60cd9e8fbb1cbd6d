"""Segments: the parts of an input that a surrogate switches on and off together."""

import numpy as np

SUPERPIXELS = ("quickshift", "slic")
DEFAULT_WINDOWS = 10
MOST_AXES = 3


def check_segmentation(segmentation):
    """Refuses what `segment` does not take; returns it in a form a config can hold."""
    if segmentation is None or callable(segmentation):
        return segmentation
    if isinstance(segmentation, str):
        if segmentation in SUPERPIXELS:
            return segmentation
    elif isinstance(segmentation, (list, tuple)) and np.ndim(segmentation) == 1 and len(segmentation) > MOST_AXES:
        return check_segmentation(np.asarray(segmentation))  # labels of a signal, as a config holds them
    elif np.ndim(segmentation) == 0 or (np.ndim(segmentation) == 1 and isinstance(segmentation, (list, tuple))):
        counts = np.asarray(segmentation)
        if counts.dtype.kind in "iu" and counts.size and (counts > 0).all():
            return int(counts) if counts.ndim == 0 else tuple(counts.tolist())
    elif np.asarray(segmentation).dtype.kind in "iu":
        return np.asarray(segmentation)
    raise ValueError(
        "`segmentation` must be None, 'quickshift', 'slic', a number of equal parts (or one per spatial axis), an "
        f"integer array of labels, or a function sample -> labels. Received: segmentation={segmentation!r}."
    )


def check_fits(segmentation, size):
    """Refuses a segmentation of other samples than those of a spatial size, None for an open side."""
    if isinstance(segmentation, str) and len(size) != 2:
        raise ValueError(
            f"Superpixels are parts of images. Received: segmentation={segmentation!r} for samples with {len(size)} "
            "spatial axes; give a number of equal parts."
        )
    if isinstance(segmentation, tuple) and len(segmentation) != len(size):
        raise ValueError(
            f"`segmentation` must have one entry per spatial axis, {len(size)} here. Received: {segmentation!r}."
        )
    if isinstance(segmentation, np.ndarray):
        shape = segmentation.shape
        if len(shape) != len(size) or any(side not in (None, own) for side, own in zip(size, shape)):
            raise ValueError(f"`segmentation` must have the shape {tuple(size)} of a sample. Received: {shape}.")


def segment(x, segmentation=None, seed=0):
    """Labels of the segments of each sample.

    Args:
        x: Array `(samples, *spatial, channels)`.
        segmentation: What makes the segments. None: quickshift superpixels of an image, 10 equal windows of a signal.
            `"quickshift"` (kernel 4, largest distance 200, ratio 0.2) or `"slic"`, of images scaled to 0 ... 1; an int
            or one per spatial axis: equal parts; an int array `(*spatial)`: labels, the same for all samples; a
            function of one sample `(*spatial, channels)` that returns labels.
        seed: Seed of quickshift.

    Returns:
        int32 array `(samples, *spatial)`; the labels of each sample are 0 ... its number of segments - 1.

    Raises:
        ValueError: The segmentation does not fit the samples.
    """
    size = x.shape[1:-1]
    if segmentation is None:
        segmentation = DEFAULT_WINDOWS if len(size) == 1 else "quickshift"
    check_fits(segmentation, size)
    if isinstance(segmentation, str):
        return np.stack([_compacted(_superpixels(image, segmentation, seed)) for image in x])
    if callable(segmentation):
        return np.stack([_compacted(_of_shape(segmentation(sample), size)) for sample in x])
    labels = segmentation if isinstance(segmentation, np.ndarray) else _grid(size, segmentation)
    return np.broadcast_to(_compacted(labels), (len(x), *size))


def _grid(size, counts):
    """Equal parts: position i of an axis of n in L parts belongs to part floor(i L / n)."""
    counts = [counts] * len(size) if np.ndim(counts) == 0 else counts
    labels = np.zeros(size, np.int64)
    for axis, (side, count) in enumerate(zip(size, counts)):
        parts = np.arange(side) * min(count, side) // side
        labels = labels * count + np.expand_dims(parts, [other for other in range(len(size)) if other != axis])
    return labels


def _superpixels(image, method, seed):
    from skimage import segmentation

    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    # What the parameters below are made for, whatever range the model takes.
    scaled = (image - low) / (high - low if high > low else 1.0)
    if method == "slic":
        return segmentation.slic(scaled, start_label=0, channel_axis=-1)
    if scaled.shape[-1] == 1:
        scaled = np.repeat(scaled, 3, axis=-1)
    in_colour = scaled.shape[-1] == 3
    return segmentation.quickshift(
        scaled, kernel_size=4, max_dist=200, ratio=0.2, convert2lab=in_colour, rng=seed, channel_axis=-1
    )


def _of_shape(labels, size):
    labels = np.asarray(labels)
    if labels.shape != tuple(size) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"A function as `segmentation` must return one integer label per position, {tuple(size)}. Received: shape "
            f"{labels.shape} of type {labels.dtype}."
        )
    return labels


def _compacted(labels):
    """Labels 0 ... M-1, in the order of the given ones."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
