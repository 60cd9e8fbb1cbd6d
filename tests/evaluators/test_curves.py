"""Perturbation curves against a plain loop, one `predict` a step, and against closed forms."""

import functools
import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasxai.evaluators import AOPC, Deletion, Insertion, PixelFlipping
from tests.evaluators.test_drop_increase import p, weighted_sum
from tests.support.counting import Counting
from tests.support.truth import blurred, conv_net, images

SEED, CLASSES = 3, [2, 0, 3]
REPLACEMENTS = ["zero", "mean", "blur", "uniform_noise", 0.7]


# A plain loop


def replaced(sample, how, draw=0):
    """One sample when every position is changed."""
    if how == "mean":
        return np.broadcast_to(sample.mean(axis=tuple(range(sample.ndim - 1))), sample.shape)
    if how == "blur":
        return blurred(sample[np.newaxis])[0]
    if how == "uniform_noise":
        uniform = np.random.default_rng([SEED, draw]).random(sample.shape, np.float32)
        return sample.min() + uniform * (sample.max() - sample.min())
    return np.full_like(sample, 0 if how == "zero" else how)


def ordered(relevance, order):
    """Indices of the units in the order of change."""
    if order == "random":
        # `place[i]` is when unit i changes
        return np.argsort(np.random.default_rng([SEED, 1 << 20]).permutation(len(relevance)))
    sign = -1 if order == "morf" else 1
    return sorted(range(len(relevance)), key=lambda unit: (sign * relevance[unit], unit))


def patches(shape, side):
    """Boolean masks of the regions, row-major."""
    masks = []
    for corner in itertools.product(*[range(0, length, side) for length in shape]):
        mask = np.zeros(shape, bool)
        mask[tuple(slice(start, start + side) for start in corner)] = True
        masks.append(mask)
    return masks


def loop(model, x, maps, units, order, how, counts, draws=1, insert=False):
    """The curve, one `predict` for every sample, draw and step."""
    curves = np.zeros((len(x), len(counts)))
    for index, (sample, one) in enumerate(zip(x, maps)):
        ranking = ordered([one[unit].sum() for unit in units], order)
        for draw in range(draws):
            other = replaced(sample, how, draw).astype("float32")
            start, end = (other, sample) if insert else (sample, other)
            for step, count in enumerate(counts):
                changed = np.zeros(one.shape, bool)
                for unit in ranking[:count]:
                    changed |= units[unit]
                mixed = np.where(changed[..., np.newaxis], end, start)
                curves[index, step] += model.predict_on_batch(mixed[np.newaxis])[0, CLASSES[index]] / draws
    return curves


@functools.cache
def softmax_net(size):
    return conv_net(size, head="softmax")


def compare(evaluator, units, counts, size, insert=False, order="morf", how="zero"):
    model, x = softmax_net(size), images(3, (*size, 3), seed=4)
    maps = np.maximum(np.random.default_rng(6).normal(size=(3, *size)), 0)  # with ties at 0
    found = evaluator(model, x, maps, CLASSES)
    expected = loop(model, x, maps, units, order, how, counts, evaluator.n_samples, insert)
    np.testing.assert_allclose(found["curve"], expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected, axis=1).min() > 1e-4
    return found, expected, lambda other: loop(model, x, maps, units, other, how, counts, evaluator.n_samples)


def pixels(size):
    return patches(size, 1)


@pytest.mark.sweep
@pytest.mark.parametrize("size", [(6, 7), (23,)], ids=["2d", "1d"])
@pytest.mark.parametrize(
    "cls, order, how",
    [(Deletion, order, "zero") for order in ("morf", "lerf", "random")]
    + [(Insertion, order, "blur") for order in ("morf", "lerf", "random")]
    + [(Deletion, "morf", how) for how in REPLACEMENTS[1:]]
    + [(Insertion, "morf", "mean")],
)
def test_deletion_and_insertion(cls, order, how, size):
    evaluator = cls(steps=5, order=order, replace=how, seed=SEED, batch_size=4)
    n = int(np.prod(size))
    counts = [round(k * n / 5) for k in range(6)]
    found, expected, _ = compare(evaluator, pixels(size), counts, size, cls is Insertion, order, how)
    area = np.trapezoid(expected, np.array(counts) / n, axis=1)
    np.testing.assert_allclose(found[evaluator.name], area, rtol=1e-4)
    np.testing.assert_allclose(found["fraction"], np.array(counts) / n)


@pytest.mark.sweep
@pytest.mark.parametrize("size", [(6, 7), (23,)], ids=["2d", "1d"])
@pytest.mark.parametrize("order", ["morf", "lerf", "random"])
@pytest.mark.parametrize("how, draws", [("uniform_noise", 2), ("zero", 1)])
def test_aopc_with_regions_cut_at_the_border(order, how, draws, size):
    evaluator = AOPC(window=4, order=order, replace=how, n_samples=draws, seed=SEED, batch_size=5)
    units = patches(size, 4)
    assert len(units) == (4 if len(size) == 2 else 6) and units[-1].sum() == (6 if len(size) == 2 else 3)
    found, expected, other = compare(evaluator, units, range(len(units) + 1), size, order=order, how=how)
    area = {name: (c[:, :1] - c).mean(axis=1) for name in ("morf", "lerf", "random") for c in [other(name)]}
    np.testing.assert_allclose(found["aopc"], (expected[:, :1] - expected).mean(axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["abpc"], area["morf"] - area["lerf"], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["aopc_above_random"], area[order] - area["random"], rtol=1e-3, atol=1e-5)
    for name in ("random", "lerf"):
        np.testing.assert_allclose(found[f"{name}_curve"], other(name), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["fraction"], np.arange(len(units) + 1) / len(units))


@pytest.mark.slow
@pytest.mark.parametrize("steps, last", [(3, 3), (50, 4)])
def test_steps_limit_the_regions(steps, last):
    units = patches((6, 7), 4)
    found, expected, _ = compare(PixelFlipping(steps=steps, seed=SEED), units, range(last + 1), (6, 7))
    np.testing.assert_allclose(found["pixel_flipping"], expected.mean(axis=1), rtol=1e-4)
    assert found["fraction"][-1] == last / 4
    limited = AOPC(window=4, steps=steps, replace="zero")
    compare(limited, units, range(last + 1), (6, 7))


def test_default_patches():
    x = images(1, (30, 52, 3))
    model = softmax_net((30, 52))
    for steps, count in (({}, 100), ({"steps": None}, 15 * 26)):  # 52 // 25 = 2
        curve = AOPC(replace="zero", **steps)(model, x, np.ones((1, 30, 52)))["curve"]
        assert curve.shape == (1, 1 + count)
    assert PixelFlipping()(model, x, np.ones((1, 30, 52)))["curve"].shape == (1, 1 + 8 * 13)


@pytest.mark.parametrize("cls", [Deletion, Insertion])
def test_more_steps_than_positions(cls):
    size = (2, 4)
    counts = [round(k * 8 / 30) for k in range(31)]
    insert = cls is Insertion
    found, expected, _ = compare(cls(steps=30, replace="mean"), pixels(size), counts, size, insert, how="mean")
    assert found["curve"].shape == (3, 31) and found["fraction"][[0, -1]].tolist() == [0, 1]
    np.testing.assert_allclose(
        found[found.evaluator.name], np.trapezoid(expected, np.array(counts) / 8, axis=1), rtol=1e-4
    )


# Closed forms


def test_one_pixel_model():
    weights = np.zeros((2, 5))
    weights[1, 2] = 3.0
    model, x = weighted_sum(weights), np.ones((10, 2, 5, 1), "float32")
    maps = np.eye(10).reshape(10, 2, 5)  # the pixel is position 7; ties are row-major
    place = np.array([8] * 7 + [1] + [9] * 2)  # the step at which it changes
    found = Deletion(steps=10)(model, x, maps, 0)
    expected = np.where(np.arange(11) < place[:, np.newaxis], p(3), p(0))
    np.testing.assert_allclose(found["curve"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["deletion"], (p(3) * (place - 0.5) + p(0) * (10.5 - place)) / 10, rtol=1e-5)
    inserted = Insertion(steps=10, replace="zero")(model, x, maps, 0)
    np.testing.assert_allclose(inserted["curve"], np.where(np.arange(11) < place[:, np.newaxis], p(0), p(3)), rtol=1e-5)
    aopc = AOPC(window=1, replace="zero")(model, x, maps, 0)["aopc"]
    np.testing.assert_allclose(aopc, (p(3) - p(0)) * (11 - place) / 11, rtol=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_and_the_worst_ranking_are_the_extremes(sign):
    weights = sign * np.array([0.5, -0.8, 1.7, 0.1, -2.0])
    maps = np.array(list(itertools.permutations(range(5))), float)
    model, x = weighted_sum(weights), np.ones((121, 5, 1), "float32")
    everything = np.concatenate([weights[np.newaxis], maps])
    aopc = AOPC(window=1, replace="zero")(model, x, everything, 0)
    deletion = Deletion(steps=5)(model, x, everything, 0)["deletion"]
    insertion = Insertion(steps=5, replace="zero")(model, x, everything, 0)["insertion"]
    assert aopc["aopc"][0] == aopc["aopc"].max() > aopc["aopc"][1:].min()
    assert aopc["abpc"][0] == aopc["abpc"].max() and insertion[0] == insertion.max()
    assert deletion[0] == deletion.min()
    least = AOPC(window=1, replace="zero", order="lerf")(model, x[:1], weights[np.newaxis], 0)["aopc"]
    np.testing.assert_allclose(least, aopc["aopc"].min())
    np.testing.assert_allclose(aopc["abpc"][0], np.ptp(aopc["aopc"]), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("value", [0.0, 2.5, -1.3])
def test_constant_map_has_no_preference(value):
    model, x = softmax_net((6, 7)), images(2, (6, 7, 3))
    maps = np.full((2, 6, 7), value)
    results = AOPC(window=4)(model, x, maps)  # with regions cut at the border, whose sums are smaller
    np.testing.assert_array_equal(results["abpc"], 0)
    assert results.summary()["abpc"].constant == 2
    for cls in (Deletion, PixelFlipping):
        np.testing.assert_array_equal(cls()(model, x, maps)["curve"], cls(order="lerf")(model, x, maps)["curve"])


@pytest.mark.parametrize("cls", [Deletion, Insertion])
def test_area_does_not_depend_on_the_size_of_the_image(cls):
    def net(size):
        layers = [keras.Input((*size, 3)), keras.layers.GlobalAveragePooling2D(), head]
        return keras.Sequential(layers)

    head = keras.layers.Dense(3, activation="softmax", kernel_initializer="random_normal")
    x, maps = images(4, (4, 5, 3)), np.random.default_rng(0).random((4, 4, 5))
    evaluator = cls(steps=20, replace="zero")
    small = evaluator(net((4, 5)), x, maps, 1)
    large = evaluator(net((12, 15)), np.kron(x, np.ones((1, 3, 3, 1), "float32")), np.kron(maps, np.ones((3, 3))), 1)
    np.testing.assert_allclose(large["curve"], small["curve"], rtol=1e-5)
    np.testing.assert_allclose(large[evaluator.name], small[evaluator.name], rtol=1e-5)


def test_positions_are_ranked_not_channels():
    model, x = softmax_net((6, 7)), images(2, (6, 7, 3))
    attributions = np.random.default_rng(1).normal(size=x.shape)
    found = Deletion(steps=42)(model, x, attributions)["curve"]
    np.testing.assert_array_equal(found, Deletion(steps=42)(model, x, attributions.sum(axis=-1))["curve"])
    assert found.shape == (2, 43)


@pytest.mark.slow
def test_draws_are_seeded_and_averaged():
    model, x = softmax_net((6, 7)), images(2, (6, 7, 3))
    maps = np.random.default_rng(1).random((2, 6, 7))

    def curve(**options):
        return AOPC(window=3, **options)(model, x, maps)["curve"]

    np.testing.assert_array_equal(curve(seed=1), curve(seed=1))
    assert (curve(seed=1)[:, 1:] != curve(seed=2)[:, 1:]).any()
    many = curve(n_samples=30)
    spread = np.std([curve(seed=seed) for seed in range(8)], axis=0)
    assert (np.abs(many - curve(seed=77, n_samples=30)) < 6 * spread / np.sqrt(30) + 1e-6).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("evaluator", [AOPC(window=3), Deletion(steps=3), Insertion(steps=3), PixelFlipping()])
def test_map_that_is_not_finite_is_nan_and_counted(evaluator):
    model, x = softmax_net((6, 7)), images(3, (6, 7, 3))
    maps = np.random.default_rng(1).random((3, 6, 7))
    whole = evaluator(model, x, maps)
    maps[1, 2, 2] = np.nan
    found = evaluator(model, x, maps)
    for name in found.per_sample:
        np.testing.assert_array_equal(np.isnan(found[name]), [False, True, False])
        np.testing.assert_allclose(found[name][[0, 2]], whole[name][[0, 2]], rtol=1e-5)
    assert np.isnan(found["curve"][1]).all()


# What is computed


@pytest.mark.slow
def test_first_and_last_steps_are_scored_once():
    counting = Counting()
    layers = [keras.Input((4, 5, 1)), counting, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    x, maps = images(6, (4, 5, 1)), np.random.default_rng(0).random((6, 4, 5))

    def runs(evaluator):
        evaluator(model, x, maps)
        counting.reset()
        evaluator(model, x, maps)
        return counting.samples // 6

    assert runs(Deletion(steps=4)) == 5  # the predicted class and the unchanged score are one run
    assert runs(Insertion(steps=4)) == 5
    assert runs(Deletion(steps=100)) == 21  # equal steps are one
    assert runs(PixelFlipping(window=2)) == 7
    assert runs(AOPC(window=2)) == 2 + 3 * 5
    assert runs(AOPC(window=2, steps=3)) == 1 + 3 * 3  # the wholly changed sample is no part of it
    assert runs(AOPC(window=2, n_samples=3)) == 1 + 3 * (1 + 3 * 5)


def test_never_more_than_the_batch_size_at_once():
    counting = Counting()
    layers = [keras.Input((20, 1)), counting, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    for samples, batch_size in [(3, 8), (20, 8), (1, 8), (5, 1)]:
        counting.reset()
        Deletion(steps=10, batch_size=batch_size)(model, images(samples, (20, 1)), images(samples, (20,)))
        assert counting.samples == 11 * samples
        at_most = counting.samples / counting.runs
        assert at_most <= batch_size and counting.runs <= np.ceil(samples / batch_size) * 11


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(steps=st.integers(1, 9), order=st.sampled_from(["morf", "lerf", "random"]))
def test_ranges(steps, order):
    model, x = softmax_net((6, 7)), images(2, (6, 7, 3))
    maps = np.random.default_rng(steps).integers(-1, 2, size=(2, 6, 7))
    found = Deletion(steps=steps, order=order)(model, x, maps)
    assert (found["curve"] >= 0).all() and (found["curve"] <= 1).all() and (np.diff(found["fraction"]) >= 0).all()
    assert (found["deletion"] >= found["curve"].min(axis=1) - 1e-9).all()
    assert (found["deletion"] <= found["curve"].max(axis=1) + 1e-9).all()


POSITIVE = weighted_sum([0.2, 0.9, 0.4, 0.1, 0.6, 0.3])
PROPERTIES = {  # one evaluator each, so that nothing is traced twice
    "deletion": Deletion(steps=6),
    "insertion": Insertion(steps=6, replace="zero"),
    "aopc": AOPC(window=1, replace="zero"),
}
SCORES = st.lists(st.integers(-3, 3), min_size=6, max_size=6)


@pytest.mark.parametrize("name", PROPERTIES)
@settings(deadline=None, max_examples=15)
@given(scores=SCORES)
def test_curves_of_a_model_of_positive_evidence_are_monotone_and_within_the_extremes(name, scores):
    x, weights = np.ones((3, 6, 1), "float32"), POSITIVE.layers[-1].kernel.numpy()[:, 0]
    found = PROPERTIES[name](POSITIVE, x, np.stack([scores, weights, -weights]), 0)
    rising = name == "insertion"
    assert (np.diff(found["curve"], axis=1) * (1 if rising else -1) > 0).all()
    any_map, best, worst = found[name] if name != "deletion" else -found[name]
    assert worst - 1e-6 <= any_map <= best + 1e-6
    np.testing.assert_allclose(found["curve"][:, 0], p(0) if rising else p(2.5), rtol=1e-5)
    np.testing.assert_allclose(found["curve"][:, -1], p(2.5) if rising else p(0), rtol=1e-5)


@pytest.mark.parametrize("name", PROPERTIES)
@settings(deadline=None, max_examples=15)
@given(scores=SCORES, factor=st.floats(0.1, 10), shift=st.integers(-5, 5))
def test_only_the_order_of_positions_counts_and_ties_are_row_major(name, scores, factor, shift):
    scores = np.array(scores, float)
    places = np.argsort(np.argsort(-scores, kind="stable"))  # ranks without a tie
    maps = np.stack([scores, factor * scores + shift, np.exp(scores), -places])
    curves = PROPERTIES[name](POSITIVE, np.ones((4, 6, 1), "float32"), maps, 0)["curve"]
    np.testing.assert_allclose(curves, curves[:1].repeat(4, axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    "options", [{"order": "up"}, {"replace": "black"}, {"replace": True}, {"n_samples": 0}, {"steps": 0}], ids=str
)
def test_options_are_refused_at_the_door(options):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}`.*Received"):
        Deletion(**options)


def test_replace_must_be_finite():
    with pytest.raises(ValueError, match="`replace`"):
        Deletion(replace=np.nan)
