"""kerasxai.explain(): one method or several at once, as each would do alone."""

import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai.explainers import GradCAM
from tests.support import nets
from tests.support.truth import assert_same


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


class Counting(layers.Layer):
    """Counts how often it runs, in compiled functions too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.runs = 0

    def call(self, x):
        def count(values):
            self.runs += 1
            return values

        @tf.custom_gradient
        def counted(x):
            y = tf.numpy_function(count, [x], x.dtype)
            return tf.ensure_shape(y, x.shape), lambda upstream: upstream

        return counted(x)


@pytest.mark.slow
def test_explain_with_several_methods_is_each_alone():
    counting = Counting()
    model = nets.randomise(
        Sequential([Input(nets.IMAGE), nets.conv("conv"), counting, layers.GlobalAveragePooling2D(), layers.Dense(3)])
    )
    x = nets.normals(3)
    cams = ["grad_cam", "hires_cam", "layer_cam", "eigen_grad_cam"]
    alone = {method: kerasxai.explain(model, x, method=method, layer="conv") for method in cams}
    alone["integrated_gradients"] = kerasxai.explain(model, x, method="integrated_gradients")

    counting.runs = 0
    together = kerasxai.explain(model, x, method=cams, layer="conv")
    assert counting.runs == 1, "the CAMs did not share one run"
    assert list(together) == cams
    for method in cams:
        assert_same(together[method], alone[method], rtol=1e-5)

    together = kerasxai.explain(model, x, method=[*cams, "integrated_gradients"], layer="conv", steps=50)
    assert list(together) == [*cams, "integrated_gradients"]
    for method, maps in together.items():
        assert_same(maps, alone[method], rtol=1e-5)


def test_explain_gives_each_method_the_options_it_has(model):
    x = nets.normals(2)
    maps = kerasxai.explain(
        model, x, method=["grad_cam", {"method": "xgrad_cam", "relu": False}, "gradient"], upsample=False, target=1
    )
    assert list(maps) == ["grad_cam", "xgrad_cam", "gradient"]
    np.testing.assert_allclose(maps["grad_cam"], GradCAM(model, upsample=False)(x, target=1), rtol=1e-5, atol=1e-7)
    assert maps["xgrad_cam"].shape == (2, 4, 4) and (maps["xgrad_cam"] < 0).any()
    assert maps["gradient"].shape == x.shape


def test_explain_takes_one_method_in_any_form(model):
    x = nets.normals(2)
    expected = GradCAM(model)(x)
    for method in ("grad_cam", GradCAM, {"method": "grad_cam"}):
        np.testing.assert_array_equal(kerasxai.explain(model, x, method=method), expected)
    assert list(kerasxai.explain(model, x, method=["grad_cam"])) == ["grad_cam"]


def test_explain_passes_labels_on(model):
    x, y = nets.normals(3), np.array([2, 0, 1])
    expected = GradCAM(model)(x, target=y)
    np.testing.assert_array_equal(kerasxai.explain(model, x, target="true", y=y), expected)


def test_explain_reads_a_one_shot_dataset_for_every_method(model):
    x = nets.normals(4)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(2)
    maps = kerasxai.explain(model, dataset, method=["grad_cam", "hires_cam", "gradient"])
    assert {len(one) for one in maps.values()} == {4}
