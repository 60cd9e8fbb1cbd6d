"""Robustness metrics on models whose attributions are known at every point."""

import keras
import numpy as np
import pytest

from kerasxai import evaluators
from kerasxai.evaluators.robustness import rotated, valid_square
from tests.support.truth import conv_net, images


def linear_model(shape=(4, 5, 2), seed=0):
    """A regression `w . x + 0.3`; returns the model and w in the sample's shape."""
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(1)])
    weights = np.random.default_rng(seed).normal(size=(int(np.prod(shape)), 1)).astype("float32")
    model.layers[-1].set_weights([weights, np.array([0.3], "float32")])
    return model, weights.reshape(shape)


@pytest.mark.parametrize("factor", [1, -2, 100])
def test_the_weights_of_a_linear_model_are_faithful_in_any_unit(factor):
    model, weights = linear_model()
    x = images(3, weights.shape)
    found = evaluators.Infidelity(n_samples=20)(model, x, np.stack([factor * weights] * 3))
    np.testing.assert_allclose(found["infidelity"], 0, atol=1e-9)
    np.testing.assert_allclose(found["scale"], 1 / factor, rtol=1e-4)


def test_infidelity_of_a_map_without_channels_is_the_formula():
    model, weights = linear_model(shape=(6, 2))
    x, maps = images(2, (6, 2)), np.random.default_rng(1).normal(size=(2, 6))
    found = evaluators.Infidelity(n_samples=4000)(model, x, maps)
    for index in range(2):
        # For Gaussian noise E[(I.a)(I.b)] = s^2 a.b, so the residual of the best scale is s^2 (w.w - (w.e)^2 / e.e).
        e, w = np.repeat(maps[index][:, None], 2, axis=1).ravel(), weights.ravel()
        deviation = 0.1 * np.ptp(x[index])
        expected = deviation**2 * (w @ w - (w @ e) ** 2 / (e @ e))
        assert found["infidelity"][index] == pytest.approx(expected, rel=0.1)


def test_infidelity_draws_are_independent_and_free_of_batch_mates():
    model, weights = linear_model()
    x, maps = images(5, weights.shape), np.random.default_rng(1).normal(size=(5, 4, 5))
    few, many = (evaluators.Infidelity(n_samples=n)(model, x, maps)["infidelity"] for n in (1, 2))
    np.testing.assert_allclose(few, 0, atol=1e-9)  # one draw: the scale fits it
    assert (many > 1e-9).all()  # a second one that were the same would be fitted, too
    alone = evaluators.Infidelity(n_samples=2, batch_size=1)(model, x[4:], maps[4:])["infidelity"]
    np.testing.assert_allclose(alone, many[4:], rtol=1e-3)


def test_infidelity_of_odd_maps():
    model, weights = linear_model()
    maps = np.stack([np.zeros((4, 5)), np.full((4, 5), np.nan)])
    found = evaluators.Infidelity(n_samples=5)(model, images(2, weights.shape), maps)
    assert found["scale"][0] == 0 and found["infidelity"][0] > 0
    assert np.isnan(found["infidelity"][1])


def test_the_gradient_of_a_linear_model_does_not_move():
    model, weights = linear_model()
    for metric in ("max_sensitivity", "local_lipschitz"):
        found = evaluators.get(metric)()(model, images(3, weights.shape), explainer="gradient")
        np.testing.assert_allclose(found[metric], 0, atol=1e-6)


def test_gradient_x_input_of_a_linear_model_moves_as_by_hand():
    model, weights = linear_model()
    x = images(3, weights.shape)
    change, step = [], []
    for draw in range(10):
        noise = np.random.default_rng([0, draw]).uniform(-0.02, 0.02, weights.shape)
        delta = np.ptp(x, axis=(1, 2, 3), keepdims=True) * noise
        assert (np.abs(delta) <= 0.02).all()
        change.append(np.linalg.norm((weights * delta).reshape(3, -1), axis=1))
        step.append(np.linalg.norm(delta.reshape(3, -1), axis=1))
    size = np.linalg.norm((weights * x).reshape(3, -1), axis=1)
    expected = {"max_sensitivity": np.max(change, 0) / size, "local_lipschitz": np.max(np.divide(change, step), 0)}
    for metric, values in expected.items():
        found = evaluators.get(metric)(batch_size=2)(model, x, explainer="gradient_x_input")[metric]
        np.testing.assert_allclose(found, values, rtol=1e-3)


def test_no_noise_changes_nothing_and_noise_does_not_depend_on_batch_mates():
    model, x = conv_net(head="softmax"), images(4, (8, 10, 3))
    evaluator = evaluators.NoiseRobustness(levels=(0, 0.3))
    found = evaluator(model, x, explainer="gradient")
    np.testing.assert_allclose(found["rmse_curve"][:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found["spearman_curve"][:, 0], 1)
    np.testing.assert_allclose(found["ssim_curve"][:, 0], 1)
    assert (found["rmse_curve"][:, 1] > 0.01).all()
    assert (found["class_held"][:, 0] == 1).all()
    alone = evaluators.NoiseRobustness(levels=(0, 0.3))(model, x[2:3], explainer="gradient")
    np.testing.assert_allclose(alone["rmse_curve"], found["rmse_curve"][2:3], atol=1e-4)


@pytest.mark.parametrize("compare", ["forward", "back"])
def test_a_model_that_turns_with_its_input_is_robust_to_rotation(compare):
    # Gradient x input of the sum of all pixels is the image itself, which turns as the image does.
    model = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.layers[-1].set_weights([np.ones((81, 1)), np.zeros(1)])
    x = images(3, (9, 9, 1))
    evaluator = evaluators.RotationRobustness(levels=(0, 90, -90, 180), compare=compare)
    found = evaluator(model, x, explainer="gradient_x_input")
    np.testing.assert_allclose(found["rmse_curve"], 0, atol=1e-5)
    np.testing.assert_allclose(found["spearman_curve"], 1, atol=1e-3)
    assert np.isnan(found["class_held"]).all()  # a regression predicts no class


def test_rotated_maps_are_compared_inside_the_valid_area():
    model = keras.Sequential([keras.Input((21, 21, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.layers[-1].set_weights([np.ones((441, 1)), np.zeros(1)])
    rows, columns = np.mgrid[:21, :21]
    x = (1 + rows + columns).astype("float32")[None, ..., None]  # linear, so that interpolation is exact inside
    options = {"levels": (30,), "compare": "back"}
    cropped = evaluators.RotationRobustness(**options)(model, x, explainer="gradient_x_input")
    whole = evaluators.RotationRobustness(crop=False, **options)(model, x, explainer="gradient_x_input")
    assert cropped["rmse"][0] < 1e-3 < 0.1 < whole["rmse"][0]


@pytest.mark.parametrize("angle", [0, 10, 45, 90, 133, -60])
def test_nothing_from_outside_enters_the_valid_square(angle):
    ones = np.ones((1, 31, 25))
    inside = rotated(ones, angle)[(slice(None), *valid_square((31, 25), angle))]
    np.testing.assert_allclose(inside, 1)


def test_figures_over_the_samples_that_kept_their_class():
    model, x = conv_net(head="softmax"), images(6, (8, 10, 3), seed=4)
    found = evaluators.NoiseRobustness(levels=(2.0,))(model, x, explainer="gradient")
    held = found["class_held"][:, 0] == 1
    assert 0 < held.sum() < 6, "the test needs both kinds"
    assert found["held_share"][0] == pytest.approx(held.mean())
    assert found["rmse_held"][0] == pytest.approx(found["rmse"][held].mean())


def test_options_are_checked():
    model, x = conv_net(), images(1, (8, 10, 3))
    with pytest.raises(ValueError, match="needs `explainer`"):
        evaluators.MaxSensitivity()(model, x, np.ones((1, 8, 10)))
    with pytest.raises(ValueError, match="maps` must be those of"):
        evaluators.MaxSensitivity()(model, x, np.ones((1, 8, 10)), explainer="gradient")
    for metric, wrong in (
        ("noise_robustness", {"levels": (-1,)}),
        ("noise_robustness", {"units": "percent"}),
        ("rotation_robustness", {"levels": (np.nan,)}),
        ("rotation_robustness", {"compare": "sideways"}),
    ):
        with pytest.raises(ValueError, match="must"):
            evaluators.get(metric)(**wrong)
    for wrong in (0, -1, True):
        with pytest.raises(ValueError, match="radius"):
            evaluators.MaxSensitivity(radius=wrong)
