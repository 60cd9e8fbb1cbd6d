"""Integrated and expected gradients against closed forms, NumPy loops and the completeness axiom."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images

CLASSES = np.array([0, 3, 1])
SHAPE = (8, 10, 3)


@pytest.fixture(scope="module")
def x():
    return images(3, SHAPE)


@pytest.fixture(scope="module")
def model():
    return conv_net()


@pytest.fixture(scope="module")
def linear_model():
    return truth.linear_net(SHAPE)


@pytest.fixture(scope="module")
def tanh_model():
    net = [keras.Input(SHAPE), layers.Conv2D(4, 3, activation="tanh"), layers.Flatten()]
    return truth.randomise(keras.Sequential([*net, layers.Dense(5, activation="tanh"), layers.Dense(4)]), seed=1)


# Linear models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("integrated_gradients", {"steps": 1}),
        ("integrated_gradients", {"steps": 7}),
        ("integrated_gradients", {"steps": 2, "quadrature": "trapezoid"}),
        ("expected_gradients", {"background": np.zeros((2, *SHAPE)), "n_samples": 3}),
    ],
)
def test_attributions_of_a_linear_model_are_weight_times_input(method, options, linear_model, x):
    maps = kerasxai.explain(linear_model, x, method, target=CLASSES, **options)
    assert_same(maps, truth.linear_weights(linear_model, CLASSES) * x)


def test_integrated_gradients_of_a_linear_model_from_another_baseline(linear_model, x):
    maps = kerasxai.explain(linear_model, x, "integrated_gradients", target=CLASSES, baseline=0.3, steps=4)
    assert_same(maps, truth.linear_weights(linear_model, CLASSES) * (x - 0.3))


def test_expectation_of_expected_gradients_of_a_linear_model(linear_model, x):
    """w (x - mean of the background), up to the chance of which rows are drawn."""
    background = images(5, SHAPE, seed=9)
    n_samples = 2000
    options = {"background": background, "n_samples": n_samples, "batch_size": 1000}
    maps = kerasxai.explain(linear_model, x, "expected_gradients", target=CLASSES, **options)
    weights = truth.linear_weights(linear_model, CLASSES)
    deviation = np.abs(weights) * background.std(axis=0) / np.sqrt(n_samples)
    assert (np.abs(maps - weights * (x - background.mean(axis=0))) < 5 * deviation + 1e-6).all()


# Integrated gradients -------------------------------------------------------------------------------------------------


def naive_integrated_gradients(model, x, classes, baseline, quadrature, steps):
    if quadrature == "trapezoid":
        positions = np.arange(steps) / (steps - 1)
        weights = np.r_[0.5, np.ones(steps - 2), 0.5] / (steps - 1)
    else:  # the roots of the Legendre polynomial on -1 ... 1, moved to 0 ... 1
        roots = np.polynomial.legendre.legroots(np.eye(steps + 1)[steps])
        slope = np.polynomial.legendre.legval(roots, np.polynomial.legendre.legder(np.eye(steps + 1)[steps]))
        positions, weights = (roots + 1) / 2, 1 / ((1 - roots**2) * slope**2)
    assert weights.sum() == pytest.approx(1)
    total = sum(
        weight * truth.input_gradients(model, np.float32(baseline + position * (x - baseline)), classes)
        for position, weight in zip(positions, weights)
    )
    return (x - baseline) * total


@pytest.mark.parametrize("quadrature", ["gauss_legendre", "trapezoid"])
def test_integrated_gradients_equal_the_naive_sum(quadrature, model, x):
    expected = naive_integrated_gradients(model, x, CLASSES, 0.2, quadrature, 6)
    options = {"baseline": 0.2, "quadrature": quadrature, "steps": 6}
    assert_same(kerasxai.explain(model, x, "integrated_gradients", target=CLASSES, **options), expected)


@pytest.mark.slow
def test_defaults_are_fifty_gauss_legendre_steps_from_zero(model, x):
    expected = naive_integrated_gradients(model, x, CLASSES, 0.0, "gauss_legendre", 50)
    assert_same(kerasxai.explain(model, x, "integrated_gradients", target=CLASSES), expected)


@pytest.mark.sweep
@pytest.mark.parametrize("net", ["linear_model", "tanh_model"])
@pytest.mark.parametrize(("quadrature", "steps"), [("gauss_legendre", 50), ("trapezoid", 400)])
def test_completeness(net, quadrature, steps, x, request):
    """Attributions sum to S(x) - S(0) to 1e-5 of it."""
    model = request.getfixturevalue(net)
    maps = kerasxai.explain(
        model, x, "integrated_gradients", target=CLASSES, quadrature=quadrature, steps=steps, batch_size=256
    )
    difference = truth.scores(model, x, CLASSES) - truth.scores(model, np.zeros_like(x), CLASSES)
    assert (np.abs(difference) > 0.02).all()
    residual = difference - maps.sum(axis=(1, 2, 3), dtype="float64")
    assert (np.abs(residual) < 1e-5 * np.maximum(np.abs(difference), 1)).all()


BASELINES = {
    "value": 0.4,
    "per_channel": np.array([0.1, 0.5, 0.9]),
    "column": np.linspace(0, 1, 8).reshape(8, 1, 1),
    "sample": images(1, SHAPE, seed=4)[0],
}


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_broadcasts_against_one_sample(name, model, x):
    expected = naive_integrated_gradients(model, x, CLASSES, np.float32(BASELINES[name]), "gauss_legendre", 4)
    options = {"baseline": BASELINES[name], "steps": 4}
    assert_same(kerasxai.explain(model, x, "integrated_gradients", target=CLASSES, **options), expected)


def test_blur_baseline(model, x):
    expected = naive_integrated_gradients(model, x, CLASSES, truth.blurred(x), "gauss_legendre", 4)
    options = {"baseline": "blur", "steps": 4}
    assert_same(kerasxai.explain(model, x, "integrated_gradients", target=CLASSES, **options), expected)


@pytest.mark.parametrize("extreme", ["min", "max"])
def test_baseline_of_a_samples_own_extreme(extreme, model, x):
    start = getattr(x, extreme)(axis=(1, 2, 3), keepdims=True)
    expected = naive_integrated_gradients(model, x, CLASSES, start, "gauss_legendre", 4)
    options = {"baseline": extreme, "steps": 4}
    assert_same(kerasxai.explain(model, x, "integrated_gradients", target=CLASSES, **options), expected)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_list_of_baselines_is_averaged(batch_size, model, x):
    """Chunks of the path (here of one, and of two points) do not respect where one baseline ends."""
    baselines = [0.0, BASELINES["per_channel"], truth.blurred(x)]
    single = [naive_integrated_gradients(model, x, CLASSES, one, "gauss_legendre", 3) for one in baselines]
    options = {"baseline": [0.0, BASELINES["per_channel"], "blur"], "steps": 3, "batch_size": batch_size}
    maps = kerasxai.explain(model, x, "integrated_gradients", target=CLASSES, **options)
    assert_same(maps, np.mean(single, axis=0))


def test_completeness_residual_is_what_is_missing(model, x):
    """Few steps, several baselines: the residual is far from 0 and exactly S(x) - mean S(baseline) - sum."""
    baselines = [0.0, BASELINES["sample"]]
    explainer = kerasxai.explainers.IntegratedGradients(
        model, baseline=baselines, steps=2, quadrature="trapezoid", batch_size=2
    )
    for target, classes in ((CLASSES, CLASSES), (None, truth.predictions(model, x).argmax(axis=1))):
        maps = explainer(x, target=target)
        starts = [truth.scores(model, np.zeros_like(x) + np.float32(one), classes) for one in baselines]
        expected = truth.scores(model, x, classes) - np.mean(starts, axis=0) - maps.sum(axis=(1, 2, 3))
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(explainer.completeness_residual(x, maps, target=target), expected, atol=1e-5)


def test_the_class_predicted_for_the_input_holds_on_the_whole_path(model, x):
    predicted = truth.predictions(model, x).argmax(axis=1)
    on_the_way = truth.predictions(model, 0.1 * x - 1.8).argmax(axis=1)
    assert (on_the_way != predicted).any()
    explainer = kerasxai.explainers.IntegratedGradients(model, baseline=-2.0, steps=6)
    assert_same(explainer(x), naive_integrated_gradients(model, x, predicted, -2.0, "gauss_legendre", 6))


@pytest.mark.parametrize(
    "options",
    [
        {"quadrature": "simpson"},
        {"steps": 0},
        {"steps": 1, "quadrature": "trapezoid"},
        {"baseline": "black"},
        {"baseline": np.zeros(4)},
        {"baseline": np.zeros((2, *SHAPE))},
        {"baseline": []},
    ],
    ids=str,
)
def test_options_that_make_no_path_are_refused(options, model):
    with pytest.raises(ValueError, match="Received"):
        kerasxai.explainers.IntegratedGradients(model, **options)


# Expected gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [2, 32])
def test_expected_gradients_equal_the_naive_mean_over_the_same_draws(batch_size, model, x):
    background = images(4, SHAPE, seed=9)
    draws = np.random.default_rng(5)
    rows, positions = draws.integers(4, size=7), draws.uniform(size=7)
    shares = []
    for row, position in zip(rows, positions):
        point = np.float32(background[row] + position * (x - background[row]))
        shares.append((x - background[row]) * truth.input_gradients(model, point, CLASSES))
    options = {"background": background, "n_samples": 7, "seed": 5, "batch_size": batch_size}
    maps = kerasxai.explain(model, x, "expected_gradients", target=CLASSES, **options)
    assert_same(maps, np.mean(shares, axis=0))


# Several inputs -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_integrated_gradients_of_several_inputs():
    """A dict gives each input its baseline, 0 where it names none."""
    model, inputs = truth.two_input_net(), [images(2, (6, 6, 2)), images(2, (3,), seed=1)]
    ages = np.array([0.2, 0.4, 0.6], "float32")
    explainer = kerasxai.explainers.IntegratedGradients(model, baseline={"age": ages}, steps=40)
    maps = explainer(inputs, target=1)
    positions, weights = np.polynomial.legendre.leggauss(40)
    start = [np.zeros_like(inputs[0]), np.zeros_like(inputs[1]) + ages]
    sums = [0.0, 0.0]
    for position, weight in zip((positions + 1) / 2, weights / 2):
        point = [np.float32(a + position * (b - a)) for a, b in zip(start, inputs)]
        sums = [total + weight * G for total, G in zip(sums, truth.gradients_at_inputs(model, point, [1, 1]))]
    for index in range(2):
        assert_same(maps[index], (inputs[index] - start[index]) * sums[index])
    difference = (model(inputs) - model(start)).numpy()[:, 1]
    assert np.abs(difference).min() > 0.01
    np.testing.assert_allclose(sum(one.reshape(2, -1).sum(axis=1) for one in maps), difference, atol=1e-5)
    np.testing.assert_allclose(explainer.completeness_residual(inputs, maps, target=1), 0, atol=1e-5)


def test_integer_input_gets_zeros_and_keeps_its_value_on_the_path():
    words, level = keras.Input((4,), dtype="int32", name="words"), keras.Input((5, 2), name="level")
    embedded = layers.GlobalAveragePooling1D()(layers.Embedding(10, 3)(words))
    flat = layers.Dense(3, activation="tanh")(layers.Flatten()(level))
    outputs = layers.Dense(2)(layers.Multiply()([embedded, flat]))
    model = truth.randomise(keras.Model([words, level], outputs), seed=3)
    x = [np.random.default_rng(0).integers(10, size=(2, 4)).astype("int32"), images(2, (5, 2))]
    explainer = kerasxai.explainers.IntegratedGradients(model, steps=30)
    zeros, maps = explainer(x, target=0)
    np.testing.assert_array_equal(zeros, np.zeros((2, 4)))
    difference = (model(x) - model([x[0], np.zeros_like(x[1])])).numpy()[:, 0]
    assert np.abs(difference).min() > 0.01
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), difference, atol=1e-5)


# The HMT net ----------------------------------------------------------------------------------------------------------


def relative_residuals(model, x, steps):
    explainer = kerasxai.explainers.IntegratedGradients(model, steps=steps)
    logits = truth.logits_of(model)
    predicted = truth.predictions(logits, x).argmax(axis=1)
    difference = truth.scores(logits, x, predicted) - truth.scores(logits, np.zeros_like(x), predicted)
    return np.abs(difference - explainer(x).sum(axis=(1, 2, 3), dtype="float64")) / np.abs(difference)


@pytest.fixture(scope="module")
def hmt_samples(hmt_images):
    return hmt_images(1)[[0, 1, 5, 6]]


@pytest.mark.slow
def test_hmt_is_complete_to_five_percent(hmt_model, hmt_samples):
    """ReLU kinks and pooling ties let the residual shrink slowly; these two samples are the hard ones of the four."""
    few, many = (relative_residuals(hmt_model, hmt_samples[[0, 3]], steps) for steps in (8, 50))
    assert (many <= 0.05).all()
    assert np.median(many) < np.median(few)


@pytest.mark.slow
def test_hmt_residual_shrinks_with_steps(hmt_model, hmt_samples):
    medians = [np.median(relative_residuals(hmt_model, hmt_samples, steps)) for steps in (12, 50, 200)]
    assert medians[0] > medians[1] > medians[2]
    assert medians[2] < 3e-3
