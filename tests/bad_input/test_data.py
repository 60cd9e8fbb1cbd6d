"""What wrong data is told: the type of the error, what was received, and what to do about it."""

import re

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

import kerasxai
from kerasxai.explainers import (
    Gradient,
)
from tests.bad_input.refusals import X, refused, rows, with_nan
from tests.support import nets


class EndlessData(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return X


with_infinity = X.copy()
with_infinity[2, 0, 0, 1] = -np.inf

BAD_DATA = {
    "no batch axis": (X[0], ValueError, r"\(8, 8, 2\)", r"'samples', 8, 8, 2", r"x\[None\]"),
    "no channel axis": (X[..., 0], ValueError, r"\(3, 8, 8\)", "Add the channel axis: 2 values at each position"),
    "wrong rank": (X[..., None], ValueError, r"\(3, 8, 8, 2, 1\)", r"'samples', 8, 8, 2"),
    "wrong channels": (nets.normals(3, (8, 8, 3)), ValueError, r"\(3, 8, 8, 3\)", r"'samples', 8, 8, 2"),
    "wrong size": (nets.normals(3, (8, 9, 2)), ValueError, r"\(3, 8, 9, 2\)", r"'samples', 8, 8, 2"),
    "flat": (X.reshape(3, -1), ValueError, r"\(3, 128\)"),
    "scalar": (5.0, ValueError, r"\(\)"),
    "empty": (X[:0], ValueError, "at least one sample", "empty"),
    "empty list": ([], ValueError, "`x`", "Received"),
    "nothing": (None, TypeError, "`x` must be an array", "NoneType"),
    "NaN": (with_nan, ValueError, "finite", "row 1 ", "nan_to_num"),
    "infinity": (with_infinity, ValueError, "finite", "row 2 "),
    "NaN in a dataset": (rows(with_nan).batch(2), ValueError, "finite", "nan_to_num"),
    "strings": (np.full(X.shape, "a"), TypeError, "`x` must be an array", "<U1"),
    "a string": ("images.npy", TypeError, "`x` must be an array", "str"),
    "objects": (X.astype(object), TypeError, "`x` must be an array", "object"),
    "ragged list": ([[1.0], [1.0, 2.0]], (TypeError, ValueError), "`x`"),
    "complex numbers": (X.astype("complex64"), TypeError, "`x` must be an array", "complex64"),
    "two inputs for one": ([X, X], ValueError, r"\(2, 3, 8, 8, 2\)", r"'samples', 8, 8, 2"),
    "unknown name": ({"picture": X}, ValueError, "picture"),
    "empty dataset": (rows(X).take(0).batch(2), ValueError, "at least one sample", "empty dataset"),
    "filtered to nothing": (rows(X).filter(lambda _: False).batch(2), ValueError, "at least one sample"),
    "infinite dataset": (rows(X).repeat(), ValueError, "infinite", r"\.take\(n\)"),
    "infinite batches": (rows(X).batch(2).repeat(), ValueError, "infinite", r"\.take\(n\)"),
    "dataset of strings": (rows(np.full(X.shape, "a")).batch(2), TypeError, "`x` must be an array", "string"),
    "dataset of another size": (rows(nets.normals(3, (4, 4, 2))).batch(2), ValueError, r"\(2, 4, 4, 2\)"),
    "endless PyDataset": (EndlessData(), ValueError, "PyDataset", "num_batches=None"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_data(case, grad_cam):
    x, error, *parts = BAD_DATA[case]
    with refused(error, *parts):
        grad_cam(x)


@pytest.mark.parametrize("case", ["NaN", "wrong channels", "objects", "empty"])
def test_data_through_explain(case, model):
    x, error, *parts = BAD_DATA[case]
    with refused(error, *parts):
        kerasxai.explain(model, x, method=["grad_cam", "hires_cam", "gradient"])


@pytest.mark.parametrize("case", ["NaN", "infinity", "strings", "objects", "empty", "nothing", "infinite dataset"])
def test_data_for_a_subclassed_model(case, subclassed):
    x, error, *parts = BAD_DATA[case]
    with refused(error, *parts):
        Gradient(subclassed)(x)


@pytest.mark.parametrize(
    ("sample", "given", "hint"),
    [
        ((8, 8, 1), (3, 8, 8), r"Add the channel axis: x[..., None]."),
        ((8, 8, 1), (8, 8), r"Add the batch and the channel axis: x[None, ..., None]."),
        ((8, 8, 1), (8, 8, 1), r"Add the batch axis: x[None]."),
        ((None, None, 3), (5, 32, 32), r"Add the channel axis: 3 values at each position."),
        ((None, None, 3), (32, 32, 3), r"Add the batch axis: x[None]."),
        ((40, 1), (5, 40), r"Add the channel axis: x[..., None]."),
        ((None, 1), (40, 1), r"Add the batch axis: x[None]."),
        ((40, 1), (40,), r"Add the batch and the channel axis: x[None, ..., None]."),
        ((4,), (4,), r"Add the batch axis: x[None]."),
    ],
)
def test_the_axis_that_is_missing(sample, given, hint):
    model = Sequential([Input(sample), layers.Dense(2), *([layers.Flatten()] if None not in sample else [])])
    with refused(ValueError, re.escape(hint)):
        Gradient(model)(np.zeros(given, "float32"))


def test_several_inputs():
    two = nets.build("two_inputs")
    image, numbers = nets.inputs_for(two, 3)
    explainer = Gradient(two)
    with refused(ValueError, "2 inputs", "image, numbers", "Received: 1"):
        explainer(image)
    with refused(ValueError, "2 inputs", "Received: 3"):
        explainer([image, numbers, numbers])
    with refused(ValueError, "image, numbers", "a dict with image, number"):
        explainer({"image": image, "number": numbers})
    with refused(ValueError, "same number of samples", r"\[2, 3\]"):
        explainer([image, numbers[:2]])
    with refused(ValueError, "'numbers'", r"\(3, 8, 8, 2\)"):
        explainer([image, image])


def test_numbers_after_a_good_batch_are_checked_too(grad_cam):
    x = nets.normals(40)
    x[39, 0, 0, 0] = np.nan
    with refused(ValueError, "finite"):
        grad_cam(x)
