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


def test_equal_to_the_package():
    package = pytest.importorskip("mnist1d.data")
    expected = package.make_dataset(package.get_dataset_args(as_dict=False))
    (x_train, y_train), (x_test, y_test) = mnist1d.load_data()
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
    first = mnist1d._generate()[0].copy()
    mnist1d._generate.cache_clear()
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.RandomState(5).uniform()
    second = mnist1d._generate()[0]
    np.testing.assert_array_equal(first, second)
    assert np.random.uniform() == expected  # noqa: NPY002


def test_generated_once_per_process():
    assert mnist1d._generate()[0] is mnist1d._generate()[0]
