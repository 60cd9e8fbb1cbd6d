"""Eigen-CAM and Eigen-Grad-CAM against a singular value decomposition, sample by sample."""

import numpy as np
import pytest

import kerasxai
from tests.explainers.cam_formulas import FORMULAS, eigen_cam
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images

LAYERS = ["early", "middle", "late"]
CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def model():
    return conv_net()


@pytest.fixture(scope="module")
def x():
    return images(3, (8, 10, 3))


@pytest.fixture(scope="module")
def pieces(model, x):
    """Layer -> (A, G)."""
    return {layer: truth.activations_and_gradients(model, layer, x, CLASSES) for layer in LAYERS}


@pytest.mark.parametrize("method", ["eigen_cam", "eigen_grad_cam"])
def test_formula_at_every_layer(method, model, x, pieces):
    """A list of layers gives a dict; `late` has fewer positions than channels, the others more."""
    maps = kerasxai.explain(model, x, method, target=CLASSES, layer=LAYERS, upsample=False)
    assert list(maps) == LAYERS
    for layer in LAYERS:
        assert_same(maps[layer], FORMULAS[method](*pieces[layer]), rtol=1e-3, atol=1e-4)


def test_eigen_maps_can_be_rectified(model, x, pieces):
    maps = kerasxai.explain(model, x, "eigen_cam", target=CLASSES, layer="middle", upsample=False, relu=True)
    assert_same(maps, np.maximum(eigen_cam(*pieces["middle"]), 0), atol=1e-4)
