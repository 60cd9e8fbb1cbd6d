"""The data that explainers take, in batches, and the bar that shows how far they are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasxai import progress
from kerasxai.explainers import GradCAM
from tests.support import nets
from tests.support.truth import assert_same


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


@pytest.fixture(scope="module", params=["grad_cam", "integrated_gradients"])
def explainer(request, model):
    return nets.quick(request.param, model, verbose=0)


# Data


class LabelledBatches(keras.utils.PyDataset):
    """`(x, y)` in batches of 3."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 3)

    def __getitem__(self, index):
        piece = slice(3 * index, 3 * index + 3)
        return self.x[piece], self.y[piece]


def test_all_kinds_of_data_agree(explainer):
    x = nets.normals(7)
    y = np.array([0, 1, 2, 0, 1, 2, 0])
    expected, of_labels = explainer(x), explainer(x, target=y)
    from_slices = tf.data.Dataset.from_tensor_slices
    for data in (
        tf.constant(x),
        x.tolist(),
        x.astype("float64"),
        from_slices(x),
        from_slices(x).batch(3),
        from_slices(x).batch(64),
        from_slices((x, y)),
        from_slices((x, y, y)).batch(2),
        from_slices(x).filter(lambda _: True).batch(3),  # a dataset that does not know its size
        LabelledBatches(x, y),
    ):
        assert_same(explainer(data), expected, rtol=1e-5)
    for labelled in (from_slices((x, y)), from_slices((x, y)).batch(3), LabelledBatches(x, y)):
        assert_same(explainer(labelled, target="true"), of_labels, rtol=1e-5)
        assert_same(explainer(labelled, target=list(y)), of_labels, rtol=1e-5)
    assert explainer.trace_count == 1


def test_integer_pixels(explainer):
    pixels = np.random.default_rng(0).integers(0, 255, (3, *nets.IMAGE), dtype="uint8")
    assert_same(explainer(pixels), explainer(pixels.astype("float32")), rtol=1e-5)


def test_a_large_dataset_is_read_once_batch_by_batch(model):
    reads = []

    def rows():
        for row in nets.normals(9):
            reads.append(1)
            yield row

    dataset = tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec(nets.IMAGE))
    assert GradCAM(model, batch_size=4)(dataset).shape == (9, 8, 8)
    assert len(reads) == 9


# Progress


def test_no_bar_when_it_is_quick(model, capsys):
    GradCAM(model)(nets.normals(3))
    assert capsys.readouterr().out == ""


def test_a_bar_when_it_takes_long(model, capsys, monkeypatch):
    monkeypatch.setattr(progress.Progress, "PATIENCE", 0.0)
    GradCAM(model, batch_size=2)(nets.normals(6))
    assert "6/6" in capsys.readouterr().out
    GradCAM(model, batch_size=2, verbose=0)(nets.normals(6))
    assert capsys.readouterr().out == ""


def test_a_bar_on_request(model, capsys):
    GradCAM(model, batch_size=2, verbose=1)(nets.normals(6))
    assert "6/6" in capsys.readouterr().out
    GradCAM(model, verbose=1)(tf.data.Dataset.from_tensor_slices(nets.normals(6)).batch(2).filter(lambda _: True))
    assert "6" in capsys.readouterr().out


def test_a_bar_ends_once(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_interval", lambda: 0.0)
    bar = progress.Progress(3, verbose=1)
    with bar.part(3):
        for share in (0.0, 0.5, 1.0, 1.0, 1.0):  # what is under way looks at its end, and goes on
            progress.reported_to()(share)
    drawn = capsys.readouterr().out
    assert drawn.count("1/3") == 1 and drawn.count("3/3") == 1


def test_what_goes_wrong_is_told_on_a_line_of_its_own(capsys):
    bar = progress.Progress(3, verbose=1)
    with pytest.raises(KeyboardInterrupt), bar.part(3):
        raise KeyboardInterrupt
    assert capsys.readouterr().out.endswith("\n")
