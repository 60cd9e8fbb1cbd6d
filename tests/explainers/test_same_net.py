"""One net written in several ways has the same maps: over signals and images of height 1, over volumes, nested."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.explainers.cam_formulas import FORMULAS, rectified
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images

CLASSES = np.array([0, 3, 1])
ALL_CAMS = [*FORMULAS, "ablation_cam", "score_cam", "smooth_grad_cam_plus_plus"]
GRADIENT_FAMILY = [
    "gradient",
    "sensitivity",
    "gradient_x_input",
    "integrated_gradients",
    "expected_gradients",
    "smooth_grad",
    "smooth_grad_squared",
    "var_grad",
    "noise_percentiles",
    "guided_backprop",
    "deconvnet",
    "guided_grad_cam",
    "full_grad",
]
FEW = {"n_samples": 3, "steps": 4}


@pytest.fixture(scope="module")
def signal_models():
    """A 1-D net and the same net over images of height 1."""
    signal = conv_net(size=(20,), kernel=3, pool=2)
    image = conv_net(size=(1, 20), kernel=(1, 3), pool=(1, 2))
    image.set_weights([value.reshape(w.shape) for value, w in zip(signal.get_weights(), image.weights)])
    return signal, image


def test_twin_nets_agree(signal_models):
    signal, image = signal_models
    x = images(2, (20, 3))
    assert_same(truth.predictions(signal, x), truth.predictions(image, x[:, np.newaxis]))


@pytest.mark.slow
@pytest.mark.parametrize("method", ALL_CAMS + GRADIENT_FAMILY)
def test_one_dimension_equals_two_of_height_one(method, signal_models):
    signal, image = signal_models
    x = images(2, (20, 3))
    names = kerasxai.explainers.get(method).option_names()
    options = {name: value for name, value in FEW.items() if name in names}
    if "layer" in names:
        options["layer"] = "middle"
    if "relu" in names:
        options["relu"] = False
    backgrounds = [{"background": one} for one in (x, x[:, np.newaxis])] if "background" in names else [{}, {}]
    flat = kerasxai.explain(signal, x, method, target=[0, 3], **options, **backgrounds[0])
    tall = kerasxai.explain(image, x[:, np.newaxis], method, target=[0, 3], **options, **backgrounds[1])
    height_axis = 2 if method == "noise_percentiles" else 1
    assert tall.shape[height_axis] == 1
    assert_same(flat, np.squeeze(tall, axis=height_axis), rtol=1e-3)


def test_cam_in_one_dimension():
    def net(shape, convolution, pooling, kernel):
        parts = [keras.Input(shape), convolution(4, kernel, activation="relu"), pooling(), layers.Dense(3)]
        return keras.Sequential(parts)

    signal = truth.randomise(net((20, 3), layers.Conv1D, layers.GlobalAveragePooling1D, 3))
    image = net((1, 20, 3), layers.Conv2D, layers.GlobalAveragePooling2D, (1, 3))
    image.set_weights([value.reshape(w.shape) for value, w in zip(signal.get_weights(), image.weights)])
    x = images(2, (20, 3))
    assert_same(
        kerasxai.explain(signal, x, "cam", target=1), kerasxai.explain(image, x[:, np.newaxis], "cam", target=1)[:, 0]
    )


def test_volumes():
    """Three spatial axes go through the same code."""
    model, x = conv_net(size=(4, 6, 4)), images(2, (4, 6, 4, 3))
    A, G = truth.activations_and_gradients(model, "middle", x, [0, 3])
    maps = kerasxai.explain(model, x, list(FORMULAS), target=[0, 3], layer="middle", upsample=False)
    for method, formula in FORMULAS.items():
        assert_same(maps[method], rectified(method, formula(A, G)), rtol=1e-3, atol=1e-4)
    assert kerasxai.explain(model, x, "score_cam", target=[0, 3], relu=False).shape == (2, 4, 6, 4)


def test_blur_baseline_in_one_dimension_equals_two_of_height_one(signal_models):
    signal, image = signal_models
    x = images(2, (20, 3))
    options = {"target": 1, "baseline": "blur", "steps": 3}
    flat = kerasxai.explain(signal, x, "integrated_gradients", **options)
    tall = kerasxai.explain(image, x[:, np.newaxis], "integrated_gradients", **options)
    assert_same(flat, tall[:, 0], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "ablation_cam", "guided_grad_cam", "full_grad"])
def test_nested_equals_flat(method):
    """The layers up to `late` inside a model of their own; its path is the layer's name with the model's before it."""
    model, x = conv_net(), images(3, (8, 10, 3))
    flat = truth.clone(model)
    late = [layer.name for layer in flat.layers].index("late")
    inner = keras.Sequential([keras.Input((8, 10, 3)), *flat.layers[: late + 1]], name="backbone")
    nested = keras.Sequential([keras.Input((8, 10, 3)), inner, *flat.layers[late + 1 :]])
    options = {"layer": "late"} if "layer" in kerasxai.explainers.get(method).option_names() else {}
    expected = kerasxai.explain(model, x, method, target=CLASSES, **options)
    options = {"layer": "backbone/late"} if options else {}
    assert_same(kerasxai.explain(nested, x, method, target=CLASSES, **options), expected)
    assert_same(kerasxai.explain(nested, x, method, target=CLASSES), expected)  # the default layer
