"""Models of float64 keep their accuracy, and those of mixed precision are explained as their float32 twins."""

import numpy as np
import pytest
from keras import Input, Sequential, layers

from kerasxai import explainers
from kerasxai.explainers import Gradient, IntegratedGradients
from tests.support import nets

DIFFERENT = [name for name in explainers.names() if name not in nets.ALIKE]
STREAMING = [name for name in DIFFERENT if set(explainers.get(name).option_names()) & set(nets.FEW)]


def test_float64_models_keep_their_accuracy(float64):
    model = nets.randomise(
        Sequential([Input((5, 4, 1)), nets.conv("conv", activation="tanh"), layers.Flatten(), layers.Dense(2)])
    )
    x = nets.inputs_for(model, 2)
    gradient = Gradient(model)(x, target=1)
    assert gradient.dtype == np.float64
    step = 1e-6
    numeric = np.zeros_like(x)
    for index in np.ndindex(x.shape[1:]):
        shift = np.zeros_like(x)
        shift[(slice(None), *index)] = step
        difference = np.asarray(model(x + shift))[:, 1] - np.asarray(model(x - shift))[:, 1]
        numeric[(slice(None), *index)] = difference / (2 * step)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-9)


def test_integrated_gradients_are_complete_in_float64(float64):
    model = nets.randomise(
        Sequential([Input((5, 4, 1)), nets.conv("conv", activation="tanh"), layers.Flatten(), layers.Dense(2)])
    )
    x = nets.inputs_for(model, 2)
    explainer = IntegratedGradients(model, steps=50)
    residual = explainer.completeness_residual(x, explainer(x, target=1), target=1)
    assert np.abs(residual).max() < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("method", [*DIFFERENT, "eigen_grad_cam", "grad_cam_plus_plus", "xgrad_cam"])
def test_float64_models_are_explained_in_float64(method, float64):
    model = nets.build("sequential")
    x = nets.inputs_for(model, 2)
    explainer = nets.quick(method, model)
    maps = explainer(x, target=1)
    assert maps.dtype == np.float64
    assert (maps != maps.astype("float32")).any(), "a float32 on the way"


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted({*DIFFERENT, "eigen_cam"} - {*STREAMING, "cam", "guided_backprop"}))
def test_mixed_float16_is_close_to_float32(method):
    model = nets.build("mixed_float16")
    x = nets.normals(3)
    maps = nets.quick(method, model)(x, target=1)
    assert maps.dtype == np.float32
    expected = nets.quick(method, nets.in_float32(model))(x, target=1)
    assert np.linalg.norm(maps - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.slow
def test_mixed_float16_gradients_do_not_underflow():
    """A score whose gradient float16 cannot hold: below 6e-8."""
    model = nets.build("mixed_float16")
    kernel = model.get_layer("head").kernel
    kernel.assign(1e-6 * kernel)
    x = nets.normals(3)
    for method in ("grad_cam", "integrated_gradients"):
        maps = nets.quick(method, model)(x, target=1)
        expected = nets.quick(method, nets.in_float32(model))(x, target=1)
        assert np.linalg.norm(maps - expected) < 0.1 * np.linalg.norm(expected)


def two_types(body, head):
    """A net whose features and whose classes are computed in different types."""
    stack = [
        layers.Conv2D(4, 3, activation="relu", dtype=body),
        layers.GlobalAveragePooling2D(dtype=body),
        layers.Dense(3, activation="softmax", dtype=head),
    ]
    return nets.randomise(Sequential([Input((8, 10, 3)), *stack]))


@pytest.mark.slow
@pytest.mark.parametrize("types", [("float32", "float64"), ("float64", "float32")], ids="-".join)
@pytest.mark.parametrize("method", explainers.names())
def test_features_and_classes_of_different_types(method, types):
    x = nets.normals(2, (8, 10, 3))
    expected = nets.quick(method, two_types("float32", "float32"))(x, target=1)
    maps = nets.quick(method, two_types(*types))(x, target=1)
    np.testing.assert_allclose(maps, expected, atol=1e-4 * np.abs(expected).max())
