"""MNIST-1D against the package that defines it, and against the canonical file."""

import numpy as np
import pytest

from kerasxai.datasets import mnist1d
from tests.conftest import SHARED_DATA


def test_shapes_types_and_scale():
    (x_train, y_train), (x_test, y_test) = mnist1d.load_data()
    assert x_train.shape == (4000, 40, 1) and x_test.shape == (1000, 40, 1)
    assert y_train.shape == (4000,) and y_test.shape == (1000,)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    np.testing.assert_array_equal(np.bincount(np.concatenate([y_train, y_test])), [500] * 10)
    everything = np.concatenate([x_train, x_test]).astype("float64")
    np.testing.assert_allclose([everything.mean(), everything.std()], [0, 1], atol=1e-6)


@pytest.mark.parametrize("samples", [5000, 1230])
def test_equal_to_the_package(samples):
    package = pytest.importorskip("mnist1d.data")
    options = package.get_dataset_args(as_dict=False)
    options.num_samples = samples
    expected = package.make_dataset(options)
    (x_train, y_train), (x_test, y_test) = mnist1d.load_data(samples)
    np.testing.assert_array_equal(x_train[..., 0], expected["x"].astype("float32"))
    np.testing.assert_array_equal(x_test[..., 0], expected["x_test"].astype("float32"))
    np.testing.assert_array_equal(y_train, expected["y"])
    np.testing.assert_array_equal(y_test, expected["y_test"])


def test_equal_to_the_canonical_file():
    path = SHARED_DATA / "mnist1d" / "mnist1d.npz"
    if not path.exists():
        pytest.skip("the MNIST-1D data is not here")
    expected = np.load(path)
    (x_train, y_train), (x_test, y_test) = mnist1d.load_data()
    np.testing.assert_array_equal(x_train[..., 0], expected["x_train"].astype("float32"))
    np.testing.assert_array_equal(x_test[..., 0], expected["x_test"].astype("float32"))
    np.testing.assert_array_equal(y_train, expected["y_train"])
    np.testing.assert_array_equal(y_test, expected["y_test"])


def test_a_change_of_what_was_returned_stays_outside():
    before = mnist1d.load_data()
    kept = [array.copy() for pair in before for array in pair]
    for pair in before:
        for array in pair:
            array[...] = 7
    after = [array for pair in mnist1d.load_data() for array in pair]
    for expected, array in zip(kept, after):
        np.testing.assert_array_equal(array, expected)


def test_the_random_state_of_the_program_is_left_alone_and_has_no_say():
    first = mnist1d._generate(5000)[0].copy()
    mnist1d._generate.cache_clear()
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.RandomState(5).uniform()
    second = mnist1d._generate(5000)[0]
    np.testing.assert_array_equal(first, second)
    assert np.random.uniform() == expected  # noqa: NPY002


def test_generated_once_per_process():
    assert mnist1d._generate(5000)[0] is mnist1d._generate(5000)[0]


@pytest.mark.parametrize("samples", [10, 270, np.int64(6000)])
def test_any_number_of_signals(samples):
    (x_train, y_train), (x_test, y_test) = mnist1d.load_data(samples)
    assert (len(x_train), len(x_test)) == (samples * 4 // 5, samples // 5)
    assert x_train.shape[1:] == x_test.shape[1:] == (40, 1) and x_train.dtype == x_test.dtype == np.float32
    np.testing.assert_array_equal(np.bincount(np.concatenate([y_train, y_test])), [samples // 10] * 10)
    everything = np.concatenate([x_train, x_test]).astype("float64")
    np.testing.assert_allclose([everything.mean(), everything.std()], [0, 1], atol=1e-6)
    assert len(np.unique(everything, axis=0)) == samples
    assert [len(mask) for mask in mnist1d.template_masks(samples)] == [len(x_train), len(x_test)]


@pytest.mark.parametrize("read", [mnist1d.load_data, mnist1d.template_masks])
@pytest.mark.parametrize(
    "samples, message",
    [
        (4999, "`samples` must be a multiple of 10. Received: samples=4999"),
        (0, "`samples` must be a positive integer"),
        (5000.0, "`samples` must be a positive integer"),
        (None, "`samples` must be a positive integer"),
    ],
)
def test_a_wrong_number_of_signals(read, samples, message):
    with pytest.raises(ValueError, match=message):
        read(samples)


def test_masks_are_where_another_template_changes_the_signal():
    """The same draws twice, once of templates that are higher at each of their points."""
    heights = np.array(mnist1d.TEMPLATES)
    heights = (heights - heights.mean(axis=1, keepdims=True)) / heights.std(axis=1, keepdims=True)
    heights = (heights - heights[:, :1]) / 6
    random, again = np.random.RandomState(42), np.random.RandomState(42)
    labels = np.repeat(np.arange(10), 50)
    signals = np.array([mnist1d._distorted(heights[label], random)[0] for label in labels])
    changed = np.array([mnist1d._distorted(heights[label] + 1, again)[0] for label in labels])
    order = random.permutation(500)

    (x_train, _), (x_test, _) = mnist1d.load_data(500)
    expected = (signals - signals.mean()) / signals.std()
    np.testing.assert_allclose(np.concatenate([x_train, x_test])[..., 0], expected[order], atol=1e-6)
    masks = mnist1d.template_masks(500)
    assert [mask.shape for mask in masks] == [(400, 40), (100, 40)] and masks[0].dtype == bool
    np.testing.assert_array_equal(np.concatenate(masks), (signals != changed)[order])


def test_masks_are_one_stretch_of_the_signal_each():
    for masks in mnist1d.template_masks():
        edges = np.abs(np.diff(np.pad(masks.astype(int), ((0, 0), (1, 1))), axis=1))
        np.testing.assert_array_equal(edges.sum(axis=1), 2)
        # 12 of 48 to 72 points of 40 steps, and what is interpolated at either end.
        lengths = masks.sum(axis=1)
        assert lengths.min() >= 40 * 11 / 72 and lengths.max() <= 40 * 12 / 48 + 3


def test_a_change_of_the_masks_stays_outside():
    before = [masks.copy() for masks in mnist1d.template_masks()]
    for masks in mnist1d.template_masks():
        masks[...] = False
    for expected, masks in zip(before, mnist1d.template_masks()):
        np.testing.assert_array_equal(masks, expected)
