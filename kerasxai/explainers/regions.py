"""The regions XRAI works with: overlapping segments of a sample, and the order in which they cover it."""

import itertools

import numpy as np

# Felzenszwalb's parameters in Kapishnikov et al., 2019; they hold for images of 224 x 224.
_SCALES = (50, 100, 150, 250, 500, 1200)
_SIGMA = 0.8
_LEAST_SIZE = 150
_RADIUS = 5
_SIDE = 224

# A signal's windows: as many of them as there are scales of an image, from the finest.
_WINDOWS = (40, 25, 16, 10, 6, 4)

# A segment that adds a smaller share of all positions is passed over: 50 positions of 224 x 224.
_LEAST_SHARE = 50 / _SIDE**2


def segments(sample):
    """Segments of one sample at six scales, dilated so that they take in their edges.

    Args:
        sample: Array `(*spatial, channels)` with one or two spatial axes. An axis of length 1 is none.

    Returns:
        Sparse matrix `(segments, positions)` of ones, scipy's CSR.
    """
    from scipy import sparse

    size = [length for length in sample.shape[:-1] if length > 1]
    if len(size) < 2:
        members = _windows(int(np.prod(size)))
    else:
        members = list(itertools.chain.from_iterable(map(_dilated, _felzenszwalb(sample))))
    ends = np.cumsum([0, *map(len, members)])
    shape = (len(members), int(np.prod(size)))
    return sparse.csr_matrix((np.ones(ends[-1]), np.concatenate(members), ends), shape=shape)


def grow(attribution, members):
    """Covers the positions segment by segment, always the one whose new positions have the highest mean.

    Args:
        attribution: Array `(*spatial)`.
        members: Sparse matrix `(segments, positions)` of ones.

    Returns:
        Array `(*spatial)`: at each position the mean with which the segment that first covered it came in; where none
        did, the mean of the rest.
    """
    values = attribution.ravel().astype(np.float64)
    least = max(1, round(_LEAST_SHARE * values.size))
    by_position = members.tocsc()
    counts, sums = np.diff(members.indptr).astype(np.float64), members @ values
    covered, result = np.zeros(values.size, bool), np.empty(values.size)
    while (counts >= least).any():
        # A segment with next to nothing new left is out of the running.
        means = np.where(counts >= least, sums / np.maximum(counts, 1), -np.inf)
        best = means.argmax()
        places = members.indices[members.indptr[best] : members.indptr[best + 1]]
        new = places[~covered[places]]
        # The mean is taken anew: differences of sums would keep the rounding of all that came before.
        result[new] = values[new].mean()
        covered[new] = True
        taken = by_position[:, new]
        counts -= np.bincount(taken.indices, minlength=len(counts))
        sums -= taken @ values[new]
    if not covered.all():
        result[~covered] = values[~covered].mean()
    return result.reshape(attribution.shape)


def _windows(length):
    """The positions of equal windows of a signal."""
    radius = round(_RADIUS * length / _SIDE)
    windows = []
    for count in _WINDOWS:
        ends = np.arange(min(count, length) + 1) * length // min(count, length)
        for start, end in itertools.pairwise(ends):
            windows.append(np.arange(max(0, start - radius), min(length, end + radius)))
    return windows


def _felzenszwalb(sample):
    """Label images `(height, width)` of an image, one for every scale."""
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    image = np.reshape(sample, [length for length in sample.shape[:-1] if length > 1] + [-1]).astype(np.float64)
    low, high = image.min(), image.max()
    image = 2.0 * (image - low) / (high - low if high > low else 1.0) - 1.0  # the range the scales are made for
    height, width = image.shape[:2]
    # At as many positions as the parameters are made for, and back by the nearest position.
    zoom = _SIDE / np.sqrt(height * width)
    work = resize(image, (max(1, round(height * zoom)), max(1, round(width * zoom))), order=1, anti_aliasing=zoom < 1)
    rows = ((np.arange(height) + 0.5) * work.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * work.shape[1] / width).astype(int)
    for scale in _SCALES:
        labels = felzenszwalb(work, scale=scale, sigma=_SIGMA, min_size=_LEAST_SIZE, channel_axis=-1)
        yield labels[np.ix_(rows, columns)]


def _dilated(labels):
    """The positions of each segment of a label image and of a disk around each of them."""
    from scipy import ndimage

    height, width = labels.shape
    radius = round(_RADIUS * np.sqrt(height * width) / _SIDE)
    away = np.arange(-radius, radius + 1)
    disk = away[:, np.newaxis] ** 2 + away**2 <= radius**2
    for label, box in enumerate(ndimage.find_objects(labels + 1)):
        if box is None:  # a small segment may have got lost on the way back to the image's own positions
            continue
        top, left = (max(0, part.start - radius) for part in box)
        window = labels[top : box[0].stop + radius, left : box[1].stop + radius] == label
        rows, columns = np.nonzero(ndimage.binary_dilation(window, disk))
        yield (top + rows) * width + left + columns
