"""RISE against slow NumPy loops over masks, and the expectation that it converges to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasxai.explainers import RISE, streaming
from tests.explainers.perturbed import CLASSES, SIZES, nets_of_both_ranks, probabilities, samples
from tests.support.truth import assert_same, images, linear_model, logits_of


@pytest.fixture(scope="module")
def models():
    return nets_of_both_ranks()


def masks_of(explainer, count, size):
    return explainer.masks(tf.range(count), size).numpy().astype("float64")


def test_masks_are_enlarged_and_shifted_grids():
    """Cells and shifts from the documented draws, enlarged by tf.image.resize."""
    size, grid, count = (12, 40), 5, 6
    explainer = RISE(linear_model((*size, 1))[0], grid=grid, probability=0.4, seed=3)
    factors = [-(-side // grid) for side in size]
    assert factors == [3, 8]
    cells = streaming.uniform(3, 0, tf.range(count), (grid + 1) ** 2).numpy().reshape(count, grid + 1, grid + 1) < 0.4
    shifts = (streaming.uniform(3, 1, tf.range(count), 2).numpy() * factors).astype(int)
    assert len(np.unique(shifts[:, 1])) > 2
    enlarged = tf.image.resize(
        cells[..., None].astype("float32"), [(grid + 1) * factor for factor in factors], "bilinear"
    ).numpy()[..., 0]
    expected = [one[top : top + 12, left : left + 40] for one, (top, left) in zip(enlarged, shifts)]
    np.testing.assert_allclose(masks_of(explainer, count, size), expected, atol=1e-6)


def test_every_shift_and_both_cells_come_up_as_often():
    shifts = (streaming.uniform(0, 1, tf.range(6000), 2).numpy() * [3, 8]).astype(int)
    for axis, factor in enumerate((3, 8)):
        counts = np.bincount(shifts[:, axis], minlength=factor)
        assert np.abs(counts - 6000 / factor).max() < 5 * np.sqrt(6000 / factor)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.07


def test_draws_depend_on_their_own_index_alone():
    whole = streaming.uniform(7, 0, tf.range(5000), 9).numpy()
    for start, stop in ((0, 1), (17, 49), (4999, 5000)):
        np.testing.assert_array_equal(streaming.uniform(7, 0, tf.range(start, stop), 9), whole[start:stop])
    assert len(np.unique(whole)) > 0.99 * whole.size
    assert abs(np.corrcoef(whole[:-1].ravel(), whole[1:].ravel())[0, 1]) < 0.03
    assert not (whole == streaming.uniform(7, 1, tf.range(5000), 9).numpy()).any(axis=1).all()
    assert not np.array_equal(whole, streaming.uniform(8, 0, tf.range(5000), 9))


@pytest.mark.parametrize("probability", [0.2, 0.5, 1.0])
def test_mean_of_the_masks_is_the_probability(probability):
    explainer = RISE(linear_model((9, 11, 1))[0], grid=4, probability=probability)
    masks = masks_of(explainer, 6000, (9, 11))
    assert masks.min() >= 0 and masks.max() <= 1 + 1e-6
    assert np.abs(masks.mean(axis=0) - probability).max() <= 5 * 0.5 / np.sqrt(6000) * (probability < 1) + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("options", [{}, {"grid": 3, "probability": 0.3, "seed": 5}])
def test_rise_is_the_loop_over_masks(rank, options, models):
    x, count = samples(rank), 50
    explainer = RISE(models[rank], n_masks=count, batch_size=7, **options)
    expected = np.zeros(x.shape[:-1])
    for mask in masks_of(explainer, count, SIZES[rank]):
        scores = probabilities(models[rank], (x * mask[..., None]).astype("float32"))
        expected += scores.reshape(-1, *[1] * rank) * mask
    assert_same(explainer(x, target=CLASSES), expected / (count * options.get("probability", 0.5)))


def expected_of_linear(weights, x, grid, probability):
    """`sum_v w_v x_v E[M(u) M(v)] / p`, where `E[M(u) M(v)] = p^2 + p (1 - p) K(u, v)`, K a product of the axes'."""
    kernel = np.ones((1, 1))
    for side in x.shape[1:-1]:
        factor = -(-side // grid)
        of_axis = np.zeros((side, side))
        for shift in range(factor):
            centres = np.clip((shift + np.arange(side) + 0.5) / factor - 0.5, 0, grid)
            rows = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(grid + 1)))  # linear interpolation
            of_axis += rows @ rows.T / factor
        kernel = np.kron(kernel, of_axis)
    contribution = (weights * x).sum(axis=-1).reshape(len(x), -1)
    second = probability**2 + probability * (1 - probability) * kernel
    return (contribution @ second / probability).reshape(x.shape[:-1])


@pytest.fixture(scope="module")
def linear_errors():
    """Root mean square error of RISE on a linear model for several numbers of masks, over seeds, and the estimates."""
    shape, grid, probability = (12, 16, 1), 8, 0.4
    model, weights = linear_model(shape)
    x = images(16, shape, seed=2) - 0.5
    expected = expected_of_linear(weights, x, grid, probability)
    found = {}
    for count in (100, 400, 1600, 6400):
        pairs = []
        for seed in range(4):
            explainer = RISE(model, n_masks=count, grid=grid, probability=probability, seed=seed, batch_size=512)
            maps, error, _ = explainer.explain_with_error(x)
            true = np.sqrt(np.mean((maps - expected) ** 2, axis=(1, 2)))
            pairs.append((true, error * np.ptp(maps, axis=(1, 2))))
        found[count] = np.sqrt(np.mean(np.square(pairs), axis=(0, 2)))
    return found, np.std(expected)


@pytest.mark.slow
def test_rise_converges_to_the_expectation_as_one_over_the_root_of_masks(linear_errors):
    found, spread = linear_errors
    counts, errors = np.array(list(found)), np.array([true for true, _ in found.values()])
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.08
    assert errors[-1] < 0.15 * spread


@pytest.mark.slow
def test_the_error_told_is_the_true_one(linear_errors):
    for true, told in linear_errors[0].values():
        assert abs(told / true - 1) < 0.35


@pytest.mark.slow
def test_error_told_in_numbers(models):
    x, count = samples(2), 40
    explainer = RISE(models[2], n_masks=count, probability=0.3)
    terms = []
    for mask in masks_of(explainer, count, SIZES[2]):
        scores = probabilities(models[2], (x * mask[..., None]).astype("float32"))
        terms.append(scores.reshape(-1, 1, 1) * mask / 0.3)
    maps, error, n_masks = explainer.explain_with_error(x, target=CLASSES)
    assert_same(maps, np.mean(terms, axis=0))
    standard_error = np.sqrt(np.var(terms, axis=0, ddof=1).mean(axis=(1, 2)) / count)
    np.testing.assert_allclose(error, standard_error / np.ptp(np.mean(terms, axis=0), axis=(1, 2)), rtol=1e-3)
    np.testing.assert_array_equal(n_masks, [count] * 3)
    np.testing.assert_array_equal(explainer(x, target=CLASSES), maps)


@pytest.mark.slow
def test_scores_whose_squares_float32_cannot_hold_are_not_taken_for_exact():
    model, weights = linear_model((16, 1))
    tiny = keras.Sequential([keras.Input((16, 1)), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    tiny.set_weights([weights.reshape(-1, 1) * 1e-25])
    x = images(2, (16, 1))
    expected, found = (RISE(one, n_masks=50).explain_with_error(x) for one in (model, tiny))
    assert_same(found.error, expected.error)
    assert_same(found.maps * 1e25, expected.maps)
    assert np.isnan(RISE(model, n_masks=1).explain_with_error(x).error).all()


@pytest.mark.slow
def test_rise_stops_early_sample_by_sample():
    """Of two samples one converges at once; neither's result depends on the other, nor on the batch size."""
    model, weights = linear_model((16, 1))
    x = np.zeros((2, 16, 1), "float32")
    x[0, 5] = np.sign(weights[5])  # one value decides
    x[1] = 1.0  # many do
    options = {"grid": 16, "n_masks": 5000, "tolerance": 0.03}
    explainer = RISE(model, **options)
    maps, error, n_masks = explainer.explain_with_error(x)
    assert n_masks[0] < n_masks[1] < 5000 and (n_masks % 128 == 0).all()
    assert (error <= 0.03).all()
    for row in (0, 1):
        alone = explainer.explain_with_error(x[[row]])
        assert alone.n_masks[0] == n_masks[row]
        np.testing.assert_allclose(alone.maps[0], maps[row], rtol=1e-4, atol=1e-5)
        whole = RISE(model, grid=16, n_masks=int(n_masks[row]), batch_size=5)(x[[row]])
        np.testing.assert_allclose(whole[0], maps[row], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(explainer(x), maps)


def test_rise_stops_running_the_model_once_all_samples_are_done():
    from tests.support.counting import Counting

    counting = Counting()
    model = keras.Sequential([keras.Input((8, 1)), counting, keras.layers.Flatten(), keras.layers.Dense(1)])
    explainer = RISE(model, n_masks=2000, tolerance=10.0, batch_size=64)
    x = images(2, (8, 1))
    counting.reset()
    explainer(x, target=0)
    assert counting.samples == 2 * 128


@pytest.mark.slow
def test_seeds(models):
    x = samples(2)
    one, same, other = (RISE(models[2], n_masks=20, seed=seed)(x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1 * np.ptp(one)


@pytest.mark.slow
def test_the_logit_is_an_option(models):
    x, model = samples(2), models[2]
    explainer = RISE(model, n_masks=12, score="logit")
    expected = sum(
        probabilities(logits_of(model), (x * mask[..., None]).astype("float32")).reshape(-1, 1, 1) * mask
        for mask in masks_of(explainer, 12, SIZES[2])
    )
    assert_same(explainer(x, target=CLASSES), expected / 6)


@pytest.mark.slow
def test_maps_of_noise_are_told(models, recwarn):
    x = samples(2)
    with pytest.warns(UserWarning, match=r"[1-3] of 3 rise maps may be noise") as told:
        RISE(models[2], n_masks=3)(x)
    assert told[0].filename == __file__
    recwarn.clear()
    RISE(linear_model(x.shape[1:])[0], n_masks=3000, probability=0.3)(x)
    assert not [one for one in recwarn if "noise" in str(one.message)]
