"""ROAD against a dense solution, and against curves by hand."""

import keras
import numpy as np
import pytest

from kerasxai import evaluators
from kerasxai.evaluators.road import Imputation


def dense_imputation(x, gone):
    """The joint solution written position by position."""
    size, positions = gone.shape, list(np.ndindex(gone.shape))
    place = {position: index for index, position in enumerate(positions)}
    matrix, known = np.zeros((len(positions),) * 2), np.zeros((len(positions), x.shape[-1]))
    for position in positions:
        row = place[position]
        matrix[row, row] = 1
        if not gone[position]:
            known[row] = x[position]
            continue
        around = {}
        for step in np.ndindex((3,) * len(size)):
            step = np.array(step) - 1
            other = tuple(np.array(position) + step)
            if step.any() and other in place:
                weights = {1: 1 / 6, 2: 1 / 12} if len(size) == 2 else {1: 1 / 2}
                around[other] = weights[int(np.abs(step).sum())]
        for other, weight in around.items():
            matrix[row, place[other]] = -weight / sum(around.values())
    return np.linalg.solve(matrix, known).reshape(x.shape)


def first_value_model(shape):
    """p(class 1) grows with the sum over every value."""
    model = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax", name="head")]
    )
    count = int(np.prod(shape))
    model.layers[-1].set_weights([np.stack([np.zeros(count), np.ones(count)], axis=1), np.zeros(2)])
    return model


@pytest.mark.parametrize("shape, share", [((9, 7, 3), 0.9), ((9, 7, 3), 0.3), ((12, 12, 1), 0.6), ((20, 2), 0.7)])
def test_imputation_is_the_exact_joint_solution_in_every_channel(shape, share):
    draws = np.random.default_rng(1)
    x, gone = draws.normal(size=shape), draws.random(shape[:-1]) < share
    np.testing.assert_allclose(Imputation(shape[:-1]).impute(x, gone), dense_imputation(x, gone), atol=1e-9)


def test_a_gap_in_a_signal_becomes_a_straight_line():
    x = np.array([[1.0], [0], [0], [0], [5], [7]])
    filled = Imputation((6,)).impute(x, np.array([False, True, True, True, False, True]))
    np.testing.assert_allclose(filled[:, 0], [1, 2, 3, 4, 5, 5])


def test_nothing_gone_changes_nothing():
    x = np.ones((4, 4, 3))
    np.testing.assert_array_equal(Imputation((4, 4)).impute(x, np.zeros((4, 4), bool)), x)


def test_every_sample_of_every_batch_is_imputed_and_scored_as_by_hand():
    model = first_value_model((6, 5, 3))
    draws = np.random.default_rng(0)
    x = draws.normal(size=(7, 6, 5, 3)).astype("float32") / 10
    maps = draws.normal(size=(7, 6, 5))
    road = evaluators.ROAD(percentages=(20, 60), noise=0, batch_size=2)
    found = road(model, x, maps, target=1)
    for index in range(7):
        for order, sign in (("morf", -1), ("lerf", 1)):
            expected = [x[index]]
            for count in (6, 18):
                gone = np.zeros(30, bool)
                gone[np.argsort(sign * maps[index].ravel())[:count]] = True
                expected.append(dense_imputation(x[index], gone.reshape(6, 5)))
            scores = model(np.array(expected, "float32")).numpy()
            np.testing.assert_allclose(found[order][index], scores[:, 1], atol=1e-5)
            np.testing.assert_array_equal(found[order + "_accuracy"][index], scores.argmax(axis=1) == 1)
    np.testing.assert_array_equal(found["percentage"], [0, 20, 60])
    np.testing.assert_allclose(found["road"], (found["lerf"] - found["morf"])[:, 1:].mean(axis=1))


def test_noise_has_its_deviation_and_only_where_something_was_removed():
    x = np.zeros((1, 40, 40, 3), "float32")
    road = evaluators.ROAD()
    ranks = np.arange(1600).reshape(1, 40, 40)
    changed = road._removed(x, ranks, 50, 0, Imputation((40, 40)), np.array([True]))
    assert not changed[0, 20:].any()
    assert changed[0, :20].std() == pytest.approx(0.01, rel=0.05)


def test_result_does_not_depend_on_batch_mates_and_odd_maps_are_as_defined():
    model = first_value_model((5, 5, 1))
    draws = np.random.default_rng(3)
    x, maps = draws.normal(size=(4, 5, 5, 1)).astype("float32"), draws.normal(size=(4, 5, 5))
    maps[1], maps[2, 0, 0] = 1.0, np.nan
    together = evaluators.ROAD(seed=5)(model, x, maps)
    alone = evaluators.ROAD(seed=5, batch_size=1)(model, x[3:], maps[3:])
    np.testing.assert_allclose(together["road"][3], alone["road"][0], atol=1e-6)
    assert together["road"][1] == 0 and np.isnan(together["road"][2])
    summary = together.summary()["road"]
    assert (summary.nan, summary.constant) == (1, 1)


def test_options_and_shapes_are_checked():
    for wrong in ({"percentages": (0,)}, {"percentages": (100,)}, {"noise": -1}):
        with pytest.raises(ValueError, match="must"):
            evaluators.ROAD(**wrong)
    with pytest.raises(ValueError, match="3 spatial axes"):
        Imputation((2, 2, 2))
