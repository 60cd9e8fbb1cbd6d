"""LIME and Kernel SHAP: closed forms, brute force over all coalitions, and scikit-learn's ridge on the same samples."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

import kerasxai
from kerasxai.explainers import LIME, KernelSHAP, sp_lime
from tests.explainers.segmented import SIGNALS, signal_net
from tests.support import nets
from tests.support.truth import assert_same, conv_net, images, linear_model, reads

SEGMENTS = 8


@pytest.fixture(scope="module")
def model():
    return signal_net()


def segment_means(x, labels):
    """The sample with each of its segments replaced by the segment's mean."""
    return np.stack([x[labels == label].mean(axis=0) for label in range(labels.max() + 1)])[labels]


def set_function(weights, singles, pairs):
    """v(S) = singles + products of pairs of segments, as a model in NumPy that reads which segments are 1."""

    def model(x):
        present = np.asarray(x)[:, ::3, 0].astype(np.float64)  # segments of three steps
        together = np.einsum("ni,ij,nj->n", present, pairs, present)
        triple = present[:, 0] * present[:, 3] * present[:, 5] * weights
        return present @ singles + together + triple

    return model


def shapley_values(value, segments):
    """The definition: mean gain over all orders, as a sum over coalitions."""
    found = np.zeros(segments)
    values = {s: value(s) for size in range(segments + 1) for s in itertools.combinations(range(segments), size)}
    for segment in range(segments):
        for coalition in values:
            if segment not in coalition:
                rest = math.factorial(len(coalition)) * math.factorial(segments - len(coalition) - 1)
                gain = values[tuple(sorted((*coalition, segment)))] - values[coalition]
                found[segment] += rest / math.factorial(segments) * gain
    return found


# One value, linear models


@pytest.mark.parametrize(("position", "shape"), [((4, 25), (12, 40, 3)), ((17,), (30, 2))], ids=["pixel", "time step"])
@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_one_value_is_in_the_segment_of_the_maximum(method, position, shape):
    x = images(3, shape) + 0.5
    x[(slice(None), *position)] += 1
    parts = 6 if len(shape) == 2 else (3, 5)
    maps = kerasxai.explain(reads(position, shape), x, method, segmentation=parts, n_samples=300, baseline=0.0)
    assert maps.shape == x.shape[:-1]
    for one in maps:
        assert one[position] == one.max() > 0
        others = np.abs(one[one != one.max()])
        assert others.max() < 0.05 * one.max()


@pytest.mark.parametrize("shape, parts", [((24, 2), 6), ((6, 8, 1), (3, 4))])
def test_linear_models_are_recovered(shape, parts):
    """Filled with 0, a segment is worth the sum of weight x input over it."""
    model, weights = linear_model(shape)
    x = images(2, shape) + 0.5
    exact = KernelSHAP(model, segmentation=parts, baseline=0.0).fit(x)
    lime = LIME(model, segmentation=parts, n_samples=2000, baseline=0.0).fit(x)
    for sample, labels, found, fitted in zip(x, exact.segments, exact.weights, lime.weights):
        shares = (weights * sample).sum(axis=-1)
        expected = np.array([shares[labels == label].sum() for label in range(labels.max() + 1)])
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.corrcoef(fitted, expected)[0, 1] ** 2 > 0.99
    assert (lime.quality > 0.99).all()
    np.testing.assert_allclose(exact.quality, 1, atol=1e-6)


# Shapley values


def test_kernel_shap_is_brute_force_on_random_set_functions():
    draw = np.random.default_rng(7)
    for _ in range(3):
        singles, pairs = draw.normal(size=SEGMENTS), np.triu(draw.normal(size=(SEGMENTS, SEGMENTS)), 1)
        function = set_function(draw.normal(), singles, pairs)

        def value(coalition):
            present = np.zeros((1, 24, 2))
            present[0, np.isin(np.arange(24) // 3, coalition)] = 1
            return np.float32(function(present)[0])  # scores reach TensorFlow in float32

        fit = KernelSHAP(function, segmentation=SEGMENTS, baseline=0.0, score="logit").fit(
            np.ones((1, 24, 2), "float32")
        )
        np.testing.assert_allclose(fit.weights[0], shapley_values(value, SEGMENTS), atol=1e-6)


def test_kernel_shap_is_brute_force_on_a_net_filled_with_means(model):
    fit = KernelSHAP(model, segmentation=7).fit(SIGNALS, target=1)
    for sample, labels, found in zip(SIGNALS, fit.segments, fit.weights):
        filled = segment_means(sample, labels)
        by_size = [c for size in range(8) for c in itertools.combinations(range(7), size)]
        changed = np.stack([np.where(np.isin(labels, c)[:, np.newaxis], sample, filled) for c in by_size])
        values = dict(zip(by_size, model(changed.astype("float32")).numpy()[:, 1].astype(np.float64)))
        np.testing.assert_allclose(found, shapley_values(values.get, 7), atol=1e-6)


@pytest.mark.slow
def test_drawn_coalitions_come_near_the_exact_values_and_always_sum_up(model):
    exact = KernelSHAP(model, segmentation=10).fit(SIGNALS, target=1)
    errors = []
    for count in (40, 160, 640):
        drawn = [KernelSHAP(model, segmentation=10, n_samples=count, seed=s).fit(SIGNALS, target=1) for s in range(3)]
        errors.append(np.mean([np.abs(one.maps - exact.maps).mean() for one in drawn]))
        for one in drawn:
            change = model(SIGNALS).numpy()[:, 1] - one.intercept
            np.testing.assert_allclose([weights.sum() for weights in one.weights], change, atol=1e-6)
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * np.abs(exact.maps).max()


@pytest.mark.parametrize("parts", [1, 2, 13, 24])
def test_kernel_shap_of_any_number_of_segments_sums_to_the_change(parts, model):
    fit = KernelSHAP(model, segmentation=parts, n_samples=20).fit(SIGNALS, target=0)
    assert [len(weights) for weights in fit.weights] == [parts] * 3
    change = model(SIGNALS).numpy()[:, 0] - fit.intercept
    np.testing.assert_allclose([weights.sum() for weights in fit.weights], change, atol=1e-6)


# LIME's regression


def coalitions_of(explainer, segments):
    indices = np.arange(explainer.n_samples)
    kept, weights = explainer.coalitions(indices, np.array([segments]))
    return kept[:, 0].astype(float), weights[:, 0]


@pytest.mark.parametrize("num_features", [None, 3])
def test_lime_is_scikit_learns_ridge_on_the_same_samples(num_features, model):
    explainer = LIME(model, segmentation=9, n_samples=150, num_features=num_features)
    fit = explainer.fit(SIGNALS, target=2)
    bits, weights = coalitions_of(explainer, 9)
    for index, (sample, labels) in enumerate(zip(SIGNALS, fit.segments)):
        changed = np.where((bits[:, labels] > 0)[..., np.newaxis], sample, segment_means(sample, labels))
        scores = model(changed.astype("float32")).numpy()[:, 2].astype(np.float64)
        chosen = np.arange(9)
        if num_features:
            first = Ridge(alpha=0.01).fit(bits, scores, weights)
            chosen = np.argsort(-np.abs(first.coef_))[:num_features]
        ridge = Ridge(alpha=1.0).fit(bits[:, chosen], scores, weights)
        expected = np.zeros(9)
        expected[chosen] = ridge.coef_
        np.testing.assert_allclose(fit.weights[index], expected, atol=1e-6)
        np.testing.assert_allclose(fit.intercept[index], ridge.intercept_, atol=1e-6)
        np.testing.assert_allclose(fit.quality[index], ridge.score(bits[:, chosen], scores, weights), atol=1e-5)


# Seeds, batches, kinds of models


@pytest.mark.slow
@pytest.mark.parametrize("cls", [LIME, KernelSHAP])
def test_the_same_seed_gives_the_same_map_whatever_the_batch(cls):
    model = conv_net(head="softmax")
    x = images(5, (8, 10, 3))
    labels = [np.arange(80).reshape(8, 10) // size for size in (10, 40, 5, 8, 16)]  # 8, 2, 16, 10, 5 segments
    by_content = {one.tobytes(): label for one, label in zip(x, labels)}
    options = {"segmentation": lambda one: by_content[np.asarray(one, "float32").tobytes()], "n_samples": 40}
    maps = cls(model, **options)(x, target=1)
    explainer = cls(model, batch_size=2, **options)
    assert_same(explainer(x, target=1), maps, atol=1e-5)
    alone = np.concatenate([explainer(x[i : i + 1], target=1) for i in range(5)])
    assert_same(alone, maps, atol=1e-5)
    assert explainer.trace_count == 1
    other = cls(model, seed=1, **options)(x, target=1)
    assert np.abs(other - maps)[2].max() > 1e-4  # 16 segments are drawn


@pytest.mark.sweep
@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
@pytest.mark.parametrize("kind", ["sequential", "two_inputs", "mixed_float16", "functional_in_sequential"])
def test_kinds_of_models(method, kind):
    model = nets.build(kind)
    x = nets.inputs_for(model, samples=2)
    maps = kerasxai.explain(model, x, method, segmentation=2, n_samples=12, target=1)
    parts = [part for part in keras.tree.flatten(maps) if part is not None]
    for one, given in zip(parts, keras.tree.flatten(x), strict=False):  # the first input is the one with positions
        assert one.shape == given.shape[:-1]
        assert np.isfinite(one).all() and one.any()
    assert parts


def test_a_function_in_numpy():
    def scores(x):
        return np.asarray(x)[:, 3:6].mean(axis=(1, 2))

    maps = kerasxai.explain(scores, SIGNALS, "kernel_shap", segmentation=8, baseline=0.0, score="logit")
    assert (maps.argmax(axis=1) == 3).all()
    np.testing.assert_allclose(maps[:, 3], scores(SIGNALS), rtol=1e-5)


def test_height_one_is_a_signal(model):
    image_net = keras.Sequential(
        [keras.Input((1, 24, 2)), keras.layers.Reshape((24, 2)), *model.layers], name="of_height_one"
    )
    options = {"n_samples": 50, "target": 1}
    as_signal = kerasxai.explain(model, SIGNALS, "lime", segmentation=6, **options)
    as_image = kerasxai.explain(image_net, SIGNALS[:, np.newaxis], "lime", segmentation=(1, 6), **options)
    assert_same(as_image[:, 0], as_signal)


# What the fit says of itself


def test_a_poor_fit_is_told():
    def parity(x):
        present = np.asarray(x)[:, ::3, 0] > 0.5
        return (present.sum(axis=1) % 2).astype(np.float32)

    x = np.ones((2, 24, 2), "float32")
    lime = LIME(parity, segmentation=SEGMENTS, baseline=0.0, n_samples=400, score="logit")
    for explain in (lime, lime.fit):
        with pytest.warns(UserWarning, match="2 of 2 lime maps are of scores that a linear model"):
            explain(x)


def test_a_fit_to_noise_is_told():
    """Twenty weights follow thirty random scores well; the adjusted R^2 is not taken in."""

    def noise(x):
        bits = np.asarray(x)[:, :20, 0] @ 2.0 ** np.arange(20)
        return np.modf(np.sin(bits) * 1e4)[0]

    x = np.ones((2, 20, 1), "float32")
    with pytest.warns(UserWarning, match="2 of 2 lime maps are of scores that a linear model"):
        fit = LIME(noise, segmentation=20, baseline=0.0, n_samples=30, score="logit").fit(x)
    assert (fit.quality > 0.5).all()


@pytest.mark.parametrize("make", [LIME, KernelSHAP])
def test_more_segments_than_coalitions_tell_apart_are_told(model, make, recwarn):
    make(model, segmentation=24, n_samples=50)(SIGNALS)
    assert not [one for one in recwarn if "tell apart" in str(one.message)]
    for explain in (make(model, segmentation=24, n_samples=20), make(model, segmentation=24, n_samples=20).fit):
        with pytest.warns(UserWarning, match=r"3 of 3 \w+ maps have more segments, up to 24, than 20 coalitions"):
            explain(SIGNALS)


def test_a_sample_of_one_segment_does_not_disturb_its_mates(model):
    """Its value is the whole change of the score."""

    def parts(sample):
        return np.zeros(24, int) if sample[0, 0] == SIGNALS[1, 0, 0] else np.arange(24) // 6

    shap = KernelSHAP(model, segmentation=parts)
    with pytest.warns(UserWarning, match="1 of 3 kernel_shap maps have a single segment"):
        maps = shap(SIGNALS, target=1)
    for index, x in enumerate(SIGNALS):
        np.testing.assert_allclose(shap(x[np.newaxis], target=1)[0], maps[index], rtol=1e-4, atol=1e-6)
    means = np.broadcast_to(SIGNALS[1].mean(axis=0), SIGNALS[1].shape)
    whole, none = np.asarray(model(np.stack([SIGNALS[1], means])))[:, 1]
    np.testing.assert_allclose(maps[1], whole - none, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("make", [LIME, KernelSHAP])
def test_several_classes_have_weights_each(model, make):
    explainer = make(model, segmentation=4, n_samples=60)
    fit = explainer.fit(SIGNALS, target="top2")
    stability = explainer.stability(SIGNALS, target="top2", seeds=2)
    ranked = np.argsort(-np.asarray(model(SIGNALS)), axis=1)
    assert stability.spearman.shape == (3, 2) and stability.deviation.shape == (3, 2, 24)
    for rank in range(2):
        of_class = explainer.fit(SIGNALS, target=ranked[:, rank])
        for both, one in zip(fit.weights, of_class.weights):
            assert both.shape == (2, 4)
            np.testing.assert_allclose(both[rank], one)
        alone = explainer.stability(SIGNALS, target=ranked[:, rank], seeds=2)
        np.testing.assert_allclose(stability.spearman[:, rank], alone.spearman)
    if make is LIME:
        with pytest.raises(ValueError, match="one class per sample"):
            sp_lime(LIME(model, segmentation=4, n_samples=60, num_features=2), SIGNALS, target="top2")


@pytest.mark.slow
def test_labels_of_a_signal_survive_the_config(model):
    lime = LIME(model, segmentation=np.arange(24) // 6, n_samples=40)
    twin = LIME.from_config(lime.get_config(), model)
    np.testing.assert_array_equal(twin(SIGNALS), lime(SIGNALS))
    assert lime.stability(SIGNALS, seeds=2).spearman.shape == (3,)


def test_a_segmentation_that_works_in_place_changes_only_what_it_is_given(model):
    def parts(sample):
        sample -= 7.0
        return np.arange(24) // 6

    maps = KernelSHAP(model, segmentation=parts)(SIGNALS, target=1)
    np.testing.assert_array_equal(maps, KernelSHAP(model, segmentation=4)(SIGNALS, target=1))


def test_a_segmentation_that_fails_is_told_as_it_is(model):
    with pytest.raises(ValueError, match=r"one integer label per position, \(24,\)\. Received: shape \(3,\)"):
        LIME(model, segmentation=lambda sample: np.arange(3))(SIGNALS)


def test_a_constant_score_has_no_quality_and_no_warning(recwarn):
    fit = LIME(lambda x: np.full(len(x), 0.25), segmentation=4, n_samples=30).fit(SIGNALS)
    assert np.isnan(fit.quality).all()
    np.testing.assert_allclose(fit.maps, 0, atol=1e-12)
    np.testing.assert_allclose(fit.intercept, 0.25)
    assert not [one for one in recwarn if "linear model" in str(one.message)]
    rounding = LIME(lambda x: 0.25 + 1e-8 * x[:, ::6, 0].sum(axis=1), segmentation=4, n_samples=30, score="logit")
    assert np.isnan(rounding.fit(SIGNALS).quality).all()


@pytest.mark.slow
def test_stability_is_that_of_fits_under_other_seeds(model):
    lime = LIME(model, segmentation=6, n_samples=30, seed=2)
    found = lime.stability(SIGNALS, target=1, seeds=3)
    fits = [LIME(model, segmentation=6, n_samples=30, seed=seed).fit(SIGNALS, target=1) for seed in (2, 3, 4)]
    np.testing.assert_allclose(found.deviation, np.std([fit.maps for fit in fits], axis=0, ddof=1))
    pairs = itertools.combinations([fit.weights[0] for fit in fits], 2)
    np.testing.assert_allclose(found.spearman[0], np.mean([spearmanr(*pair).statistic for pair in pairs]))
    assert (found.deviation > 0).all()
    exact = KernelSHAP(model, segmentation=6).stability(SIGNALS, target=1, seeds=2)
    np.testing.assert_allclose(exact.deviation, 0, atol=1e-12)
    np.testing.assert_allclose(exact.spearman, 1)
    with pytest.raises(ValueError, match="2 or more"):
        lime.stability(SIGNALS, seeds=1)
    with pytest.raises(ValueError, match=r"must be an array.*BatchDataset"):
        lime.stability(tf.data.Dataset.from_tensor_slices(SIGNALS).batch(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segmentation": "quickshift"}, "Superpixels are parts of images"),
        ({"segmentation": (2, 2)}, "one entry per spatial axis, 1"),
        ({"segmentation": np.zeros(5, int)}, "must have the shape"),
        ({"n_samples": 0}, "n_samples"),
        ({"num_features": 0}, "num_features"),
        ({"baseline": "median"}, "`baseline` must be"),
        ({"baseline": np.nan}, "finite"),
        ({"baseline": (1.0, 2.0, 3.0)}, "broadcast"),
    ],
)
def test_bad_options(options, message, model):
    with pytest.raises(ValueError, match=message):
        LIME(model, **options)
