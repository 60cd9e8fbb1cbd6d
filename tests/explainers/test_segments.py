"""Segments: labels without gaps, equal parts by the formula, superpixels of the sample alone."""

import numpy as np
import pytest
from skimage import data, segmentation, transform

from kerasxai.explainers.segments import check_segmentation, segment

IMAGE = transform.resize(data.astronaut(), (40, 48)).astype("float32")


def test_equal_windows_by_the_formula():
    labels = segment(np.zeros((2, 23, 1)), 5)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, [[i * 5 // 23 for i in range(23)]] * 2)
    np.testing.assert_array_equal(segment(np.zeros((1, 40, 1)))[0], np.arange(40) // 4)  # ten of them by default


@pytest.mark.parametrize(("parts", "expected"), [(3, (3, 3)), ((2, 5), (2, 5)), ((2, 9), (2, 7))])
def test_grids(parts, expected):
    (labels,) = segment(np.zeros((1, 6, 7, 2)), parts)
    rows, columns = expected
    for i, j in np.ndindex(6, 7):
        assert labels[i, j] == (i * rows // 6) * columns + j * columns // 7


@pytest.mark.parametrize("method", ["quickshift", "slic"])
def test_superpixels_are_those_of_scikit_image_and_of_the_sample_alone(method):
    x = np.stack([IMAGE * 255 - 30, IMAGE[::-1]])  # whatever the range of the input
    labels = segment(x, method, seed=3)
    scaled = (x[0].astype(float) - x[0].min()) / np.ptp(x[0].astype(float))
    if method == "quickshift":
        expected = segmentation.quickshift(scaled, kernel_size=4, max_dist=200, ratio=0.2, rng=3)
    else:
        expected = segmentation.slic(scaled, start_label=0)
    assert expected.max() > 1
    np.testing.assert_array_equal(labels[0], np.unique(expected, return_inverse=True)[1].reshape(expected.shape))
    np.testing.assert_array_equal(segment(x[:1], method, seed=3)[0], labels[0])
    for one in labels:
        np.testing.assert_array_equal(np.unique(one), np.arange(one.max() + 1))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_superpixels_of_any_number_of_channels(channels):
    x = np.repeat(IMAGE[np.newaxis, ..., :1], channels, axis=-1)
    assert segment(x, "quickshift").max() > 0
    assert segment(np.zeros_like(x), "quickshift").shape == x.shape[:-1]


def test_given_labels_are_compacted():
    given = np.array([[7, 7, -2], [100, 7, 7]])
    np.testing.assert_array_equal(segment(np.zeros((2, 2, 3, 1)), given), [[[1, 1, 0], [2, 1, 1]]] * 2)
    by_sample = segment(np.array([[[0.0], [5]], [[9], [3]]]), lambda x: (x[..., 0] > 4).astype(int))
    np.testing.assert_array_equal(by_sample, [[0, 1], [1, 0]])


@pytest.mark.parametrize("given", ["felzenszwalb", 0, -3, 2.5, (2, 0), [], np.zeros((4, 4)), True])
def test_what_is_no_segmentation_is_refused(given):
    with pytest.raises(ValueError, match="`segmentation` must be"):
        check_segmentation(given)


@pytest.mark.parametrize(
    ("size", "given", "message"),
    [
        ((20,), "slic", "Superpixels are parts of images"),
        ((6, 7), (2, 3, 4), "one entry per spatial axis, 2"),
        ((6, 7), np.zeros((7, 6), int), "must have the shape"),
        ((6, 7), lambda x: np.zeros((3, 3), int), "one integer label per position"),
        ((6, 7), lambda x: x[..., 0], "one integer label per position"),
    ],
)
def test_segmentations_of_other_samples_are_refused(size, given, message):
    with pytest.raises(ValueError, match=message):
        segment(np.zeros((1, *size, 1)), given)
