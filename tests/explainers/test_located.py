"""A model that reads one value of its input: every method whose theory allows it has its maximum exactly there."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from kerasxai.explainers import CAM, LRP, ExpectedGradients, GradientExplainer, NoiseExplainer, PerturbationExplainer
from tests.support.truth import images

ROW, COLUMN, SHAPE = 4, 25, (12, 40, 3)
STEP, SIGNAL_SHAPE = 17, (30, 2)

# Position by position: the map is where the score is made, whatever else the input shows.
POSITIONWISE = [
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
    "hires_cam",
    "layer_cam",
    "lrp",
    "b_lrp",
    "deep_lift",
    "guided_ig",
    "blur_ig",
]
# One weight for a whole channel, or a sign taken from the activations: the map is where the channel is high, so the
# position read must stand out.
CHANNELWISE = [
    "grad_cam",
    "grad_cam_plus_plus",
    "smooth_grad_cam_plus_plus",
    "xgrad_cam",
    "score_cam",
    "ablation_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "relevance_cam",
    "sise",
]
ELSEWHERE = ["occlusion", "rise", "lime", "kernel_shap"]  # test_perturbation.py, test_surrogate.py
# One value for a region: `test_the_best_region_holds_the_position` below.
REGIONWISE = ["xrai"]
# Compared with its surroundings, a position must stand out of them to have a positive share.
LIT = {*CHANNELWISE, *REGIONWISE, "blur_ig"}
NEEDS_ANOTHER_HEAD = ["cam"]  # `test_cam_is_located` below


def reads_one_value(shape, position):
    """`score = 3 relu(x[position, channel 0])^2`, through two convolutions that keep positions apart.

    The square, made by a product of two branches, gives the gradient's noise something to vary with.
    """
    rank = len(shape) - 1
    convolution = getattr(layers, f"Conv{rank}D")
    inputs = keras.Input(shape)
    hidden = convolution(2, 3, padding="same", activation="relu", name="first")(inputs)
    hidden = convolution(2, 3, padding="same", activation="relu", name="second")(hidden)
    value = layers.Dense(1, use_bias=False)(layers.Flatten()(hidden))
    model = keras.Model(inputs, layers.Multiply()([value, value]))
    first, second = (np.zeros(model.get_layer(name).kernel.shape) for name in ("first", "second"))
    centre = (1,) * rank
    first[(*centre, 0, 0)] = 1.0  # channel 0 as it is
    first[(*centre, 1, 1)] = 1.0  # channel 1, which nothing reads
    second[(*centre, 0, 0)] = second[(*centre, 1, 1)] = 1.0
    read = np.zeros((*shape[:-1], 2))
    read[(*position, 0)] = np.sqrt(3.0)
    model.set_weights([first, np.zeros(2), second, np.zeros(2), read.reshape(-1, 1)])
    return model


@pytest.fixture(scope="module")
def image_model():
    return reads_one_value(SHAPE, (ROW, COLUMN))


@pytest.fixture(scope="module")
def signal_model():
    return reads_one_value(SIGNAL_SHAPE, (STEP,))


def samples(shape, position, lit):
    """Positive noise; `lit`: dark but for the position that is read."""
    x = 0.2 + images(3, shape)
    if lit:
        x *= 0.1
        x[(slice(None), *position)] = 1.0
    return x


def places(maps):
    """Index of the largest value of each map, which must be one alone."""
    flat = maps.reshape(len(maps), -1)
    ordered = np.sort(flat, axis=1)
    assert (ordered[:, -1] > ordered[:, -2]).all(), "the maximum is shared"
    return [np.unravel_index(index, maps.shape[1:]) for index in flat.argmax(axis=1)]


def explain(model, x, method):
    names = kerasxai.explainers.get(method).option_names()
    few = {"n_samples": 4, "steps": 5, "noise_level": 0.05, "background": np.zeros((1, *x.shape[1:]))}
    maps = kerasxai.explain(model, x, method, **{name: value for name, value in few.items() if name in names})
    if method in ("noise_percentiles", "b_lrp"):
        maps = maps[:, 2]  # the median
    if maps.ndim == x.ndim:
        assert places(np.abs(maps).max(axis=tuple(range(1, x.ndim - 1)))) == [(0,)] * len(x)  # the channel read
        reduce = kerasxai.explainers.get(method).reduce or "abs_sum"
        maps = kerasxai.to_heatmap(maps, reduce=reduce)
    return maps


@pytest.mark.slow
@pytest.mark.parametrize("method", POSITIONWISE + CHANNELWISE)
def test_one_pixel_of_an_image_is_located(method, image_model):
    x = samples(SHAPE, (ROW, COLUMN), lit=method in LIT)
    maps = explain(image_model, x, method)
    assert maps.shape == (3, 12, 40)
    assert places(maps) == [(ROW, COLUMN)] * 3


@pytest.mark.slow
@pytest.mark.parametrize("method", POSITIONWISE + CHANNELWISE)
def test_one_step_of_a_signal_is_located(method, signal_model):
    x = samples(SIGNAL_SHAPE, (STEP,), lit=method in LIT)
    maps = explain(signal_model, x, method)
    assert maps.shape == (3, 30)
    assert places(maps) == [(STEP,)] * 3


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in POSITIONWISE if name != "full_grad"])
def test_nothing_else_is_marked(method, image_model):
    """What the score does not read has the value 0."""
    maps = explain(image_model, samples(SHAPE, (ROW, COLUMN), lit=method in LIT), method)
    assert maps[:, ROW, COLUMN].min() > 1e-4
    maps[:, ROW, COLUMN] = 0
    np.testing.assert_allclose(maps, 0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", REGIONWISE)
def test_the_best_region_holds_the_position(method, image_model, signal_model):
    for model, shape, position in ((image_model, SHAPE, (ROW, COLUMN)), (signal_model, SIGNAL_SHAPE, (STEP,))):
        maps = explain(model, samples(shape, position, lit=True), method)
        assert maps.shape == (3, *shape[:-1])
        best = maps.reshape(3, -1).max(axis=1)
        np.testing.assert_array_equal(maps[(slice(None), *position)], best)
        regions = maps == best.reshape(3, *[1] * len(position))
        assert regions.mean() < 0.2  # and little else


def test_cam_is_located():
    """With a channel lit at one pixel, CAM shows that pixel."""
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(1, 1), layers.GlobalAveragePooling2D(), layers.Dense(1)]
    )
    model.set_weights([np.array([[[[1.0], [0.0], [0.0]]]]), np.zeros(1), np.full((1, 1), 3.0), np.zeros(1)])
    x = samples(SHAPE, (ROW, COLUMN), lit=True)
    assert places(kerasxai.explain(model, x, "cam")) == [(ROW, COLUMN)] * 3


def test_every_map_of_these_families_is_listed():
    """A new method belongs into one of the lists above."""
    families = (CAM, LRP, GradientExplainer, NoiseExplainer, ExpectedGradients, PerturbationExplainer)
    known = {name for name in kerasxai.explainers.names() if issubclass(kerasxai.explainers.get(name), families)}
    assert known - {*POSITIONWISE, *CHANNELWISE, *REGIONWISE, *ELSEWHERE, *NEEDS_ANOTHER_HEAD} == set()
