"""The contract every evaluator keeps: targets, maps, errors, summaries, batches, and the model left as it was."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import kerasxai
from kerasxai import evaluators
from kerasxai.evaluators import AOPC, AverageDrop, Case, Deletion, DropIncrease, Evaluator, Insertion, PixelFlipping
from kerasxai.evaluators.base import ranks
from tests.support import nets
from tests.support.truth import conv_net, images, predictions, randomise
from tests.test_untouched import BUILDERS, assert_untouched, fitted, state_before

SHAPE = (8, 10, 3)
PRESETS = {
    "drop_increase": DropIncrease(fraction=0.4),
    "average_drop": AverageDrop(),
    "aopc": AOPC(window=4, steps=3),
    "deletion": Deletion(steps=4),
    "insertion": Insertion(steps=4),
    "pixel_flipping": PixelFlipping(steps=3),
}


class FirstScore(Evaluator):
    """The score of the samples as they are, and the largest value of a map."""

    name = "first_score"
    directions = {"score": "higher", "largest": None}

    def measure(self, case):
        return {
            "score": case.samples.originals,
            "largest": case.heatmaps.max(axis=(1, 2)),
            "classes": case.samples.classes,
        }


@pytest.fixture(scope="module")
def model():
    return conv_net(head="softmax")


def random_maps(samples, shape=SHAPE[:-1], seed=1):
    return np.random.default_rng(seed).normal(size=(samples, *shape)).astype("float32")


# Targets


@pytest.mark.parametrize(
    "target, expected",
    [
        (None, "predicted"),
        ("predicted", "predicted"),
        ("true", [0, 1, 2, 3]),
        (2, [2, 2, 2, 2]),
        (np.array([3, 0, 1, 2]), [3, 0, 1, 2]),
        (np.eye(4)[[1, 1, 0, 3]], [1, 1, 0, 3]),
    ],
)
def test_targets(model, target, expected):
    x = images(4, SHAPE)
    rows = predictions(model, x)
    expected = rows.argmax(axis=1) if isinstance(expected, str) else np.array(expected)
    labels = [0, 1, 2, 3] if isinstance(target, str) and target == "true" else None
    found = FirstScore(batch_size=3)(model, x, random_maps(4), target, y=labels)
    np.testing.assert_array_equal(found["classes"], expected)
    np.testing.assert_allclose(found["score"], rows[np.arange(4), expected], rtol=1e-5)


def test_target_may_be_a_function_with_data_per_sample(model):
    x = images(5, SHAPE)
    rows = predictions(model, x)
    plain = FirstScore(batch_size=2)(model, x, random_maps(5), lambda outputs: outputs[:, 0] - outputs[:, 3])
    np.testing.assert_allclose(plain["score"], rows[:, 0] - rows[:, 3], rtol=1e-4, atol=1e-6)
    weights = np.random.default_rng(2).random((5, 4)).astype("float32")

    def weighted(outputs, weights):
        return tf.reduce_sum(outputs * weights, axis=-1)

    for evaluator in (FirstScore(batch_size=2), FirstScore(batch_size=5)):
        found = evaluator(model, x, random_maps(5), (weighted, weights))
        np.testing.assert_allclose(found["score"], (rows * weights).sum(axis=1), rtol=1e-4)
    curve = Deletion(steps=4, batch_size=8)(model, x, random_maps(5), (weighted, weights))["curve"]
    np.testing.assert_allclose(curve[:, 0], (rows * weights).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(curve[:, -1], weights @ predictions(model, np.zeros_like(x[:1]))[0], rtol=1e-4)


def test_target_is_that_of_the_original_even_when_the_prediction_changes(model):
    x = images(40, SHAPE)
    before = predictions(model, x)
    classes, blank = before.argmax(axis=1), predictions(model, np.zeros_like(x[:1]))[0]
    assert (classes != blank.argmax()).any(), "the case to test must occur"
    curve = Deletion(steps=4)(model, x, random_maps(40))["curve"]
    np.testing.assert_allclose(curve[:, -1], blank[classes], rtol=1e-5)


def test_labels_come_from_a_dataset_that_is_read_once(model):
    x, y, reads = images(5, SHAPE), np.array([3, 2, 1, 0, 1]), []

    def samples():
        reads.append(1)
        yield from zip(x, y)

    signature = (tf.TensorSpec(SHAPE, tf.float32), tf.TensorSpec([], tf.int64))
    dataset = tf.data.Dataset.from_generator(samples, output_signature=signature).batch(2)
    found = FirstScore()(model, dataset, random_maps(5), "true")
    assert len(reads) == 1
    np.testing.assert_array_equal(found["classes"], y)
    np.testing.assert_allclose(found["score"], predictions(model, x)[np.arange(5), y], rtol=1e-5)


def test_one_output_of_several():
    model = nets.build("two_outputs")
    x = nets.normals(3)
    expected = model(x, training=False)[1].numpy()
    found = FirstScore()(model, x, random_maps(3, (8, 8)), ("tags", 1))
    np.testing.assert_allclose(found["score"], expected[:, 1], rtol=1e-5)
    with pytest.raises(ValueError, match=r"kind, tags.*`target` must be"):
        FirstScore()(model, x, random_maps(3, (8, 8)))


# Heads, as decision 3 says


def flat_net(units, activation, shape=(4, 5, 1)):
    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(units, activation=activation)]
    return randomise(keras.Sequential(layers), seed=4)


def test_one_sigmoid_unit_scores_the_probability_of_either_class():
    model, x = flat_net(1, "sigmoid"), images(6, (4, 5, 1))
    p = predictions(model, x)[:, 0]
    maps = random_maps(6, (4, 5))
    np.testing.assert_allclose(FirstScore()(model, x, maps, 1)["score"], p, rtol=1e-5)
    np.testing.assert_allclose(FirstScore()(model, x, maps, 0)["score"], 1 - p, rtol=1e-5)
    predicted = FirstScore()(model, x, maps)
    np.testing.assert_array_equal(predicted["classes"], p > 0.5)
    assert set(predicted["classes"]) == {0, 1}
    np.testing.assert_allclose(predicted["score"], np.maximum(p, 1 - p), rtol=1e-5)


def test_multi_label_scores_the_class_s_own_probability():
    model, x = flat_net(3, "sigmoid"), images(4, (4, 5, 1))
    found = FirstScore()(model, x, random_maps(4, (4, 5)), [0, 1, 2, 0])
    np.testing.assert_allclose(found["score"], predictions(model, x)[np.arange(4), [0, 1, 2, 0]], rtol=1e-5)


def test_linear_units_get_a_softmax():
    model, x = flat_net(3, None), images(4, (4, 5, 1))
    found = FirstScore()(model, x, random_maps(4, (4, 5)))
    np.testing.assert_allclose(found["score"], tf.nn.softmax(predictions(model, x)).numpy().max(axis=1), rtol=1e-5)


def test_regression_scores_its_value_and_refuses_percentages():
    model, x, maps = flat_net(1, None), images(4, (4, 5, 1)), random_maps(4, (4, 5))
    value = predictions(model, x)[:, 0]
    np.testing.assert_allclose(FirstScore()(model, x, maps)["score"], value, rtol=1e-5)
    np.testing.assert_allclose(Deletion(steps=2)(model, x, maps)["curve"][:, 0], value, rtol=1e-5)
    with pytest.raises(ValueError, match=r"share.*values of linear units.*sigmoid"):
        DropIncrease()(model, x, maps)
    asked = DropIncrease(fraction=1)(model, x, maps, lambda outputs: tf.sigmoid(outputs[:, 0]))
    np.testing.assert_array_equal(asked["drop_rate"], 0)


@pytest.mark.slow
def test_mixed_precision_scores_in_float32():
    model = nets.build("mixed_float16")
    x = nets.normals(5)
    found = FirstScore()(model, x, random_maps(5, (8, 8)))
    assert found["score"].dtype == np.float32
    np.testing.assert_allclose(found["score"], predictions(model, x).max(axis=1), rtol=2e-3)
    for evaluator in PRESETS.values():
        for values in evaluator(model, x, random_maps(5, (8, 8))).values():
            assert np.isfinite(values).all()


@pytest.mark.slow
def test_subclassed_model_gives_what_its_functional_twin_gives():
    subclassed = BUILDERS["subclassed"]()
    x, maps = nets.normals(5), random_maps(5, (8, 8))
    subclassed(x[:1])
    nets.randomise(subclassed)
    inputs = keras.Input(nets.IMAGE)
    twin = keras.Model(inputs, subclassed.units(subclassed.gap(subclassed.conv(subclassed.features(inputs)))))
    for evaluator in PRESETS.values():
        found, expected = evaluator(subclassed, x, maps), evaluator(twin, x, maps)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)


# Maps


def test_channels_are_reduced_as_the_explainer_declares(model):
    x = images(3, SHAPE)
    attributions = np.random.default_rng(0).normal(size=x.shape)
    absolute = FirstScore()(model, x, attributions, explainer="gradient")
    summed = FirstScore()(model, x, attributions, explainer="gradient_x_input")
    alone = FirstScore()(model, x, attributions)
    np.testing.assert_allclose(absolute["largest"], np.abs(attributions).sum(-1).max(axis=(1, 2)))
    np.testing.assert_allclose(summed["largest"], attributions.sum(-1).max(axis=(1, 2)))
    np.testing.assert_allclose(alone["largest"], summed["largest"])


@pytest.mark.slow
def test_explainer_in_place_of_maps(model):
    x = images(3, SHAPE)
    explainer = kerasxai.explainers.GradCAM(model)
    expected = Deletion(steps=4)(model, x, explainer(x, target=1), 1)["curve"]
    for given_as in ("grad_cam", {"method": "grad_cam"}, kerasxai.explainers.GradCAM, explainer):
        np.testing.assert_array_equal(Deletion(steps=4)(model, x, target=1, explainer=given_as)["curve"], expected)


def test_ranks_are_stable_and_put_nan_last():
    np.testing.assert_array_equal(ranks(np.array([[2.0, 1.0, 2.0, 1.0, np.nan]])), [[2, 0, 3, 1, 4]])


# Errors


@pytest.mark.parametrize(
    "change, parts",
    [
        ({"maps": None}, ["needs `maps`", "`explainer`", "neither"]),
        ({"maps": np.zeros((2, 8, 10))}, ["`maps`", "one entry per sample", "(2, 8, 10)", "3 samples"]),
        ({"maps": np.zeros((3, 4, 5))}, ["`maps`", "(3, 8, 10)", "(3, 4, 5)", "upsample=True"]),
        ({"maps": np.zeros((3, 8, 10, 7))}, ["`maps`", "(3, 8, 10, 3)", "(3, 8, 10, 7)"]),
        ({"maps": np.float32(1)}, ["`maps`", "one entry per sample"]),
        ({"maps": np.full((3, 8, 10), "a")}, ["`maps`", "real numbers"]),
        ({"x": images(3, (8, 9, 3))}, ["`x`", "8, 10, 3", "8, 9, 3"]),
        ({"x": images(3, SHAPE) * np.nan}, ["`x` must be finite"]),
        ({"target": 4}, ["`target`", "0 to 3", "4"]),
        ({"target": [0, 1]}, ["`target`", "one entry per sample", "2 targets"]),
        ({"target": "top2"}, ["`maps` must have the shape (3, 2) + positions", "top2", "(3, 8, 10)"]),
        ({"target": "top5"}, ["The model has 4 classes", "top5"]),
        ({"target": "true"}, ["needs labels"]),
        ({"masks": np.ones((3, 4, 5))}, ["`masks`", "(3, 8, 10)", "(3, 4, 5)"]),
        ({"explainer": kerasxai.explainers.names()[0] + "x"}, ["method", "Did you mean"]),
    ],
)
def test_errors_speak(model, change, parts):
    arguments = {"x": images(3, SHAPE), "maps": random_maps(3), **change}
    with pytest.raises(ValueError) as error:
        FirstScore()(model, **arguments)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("need", ["explainer", "masks", "reference_model"])
def test_what_is_needed_is_asked_for_before_any_work(model, need):
    evaluator = FirstScore()
    evaluator.needs = (need,)
    with pytest.raises(ValueError, match=f"first_score needs `{need}`"):
        evaluator(model, "not even data", random_maps(3))


def test_several_inputs_are_refused_where_they_are_perturbed():
    model = nets.build("two_inputs")
    with pytest.raises(ValueError, match=r"one input.*2 inputs"):
        Deletion()(model, nets.inputs_for(model), random_maps(4, (8, 8)))


def test_options_are_checked_at_the_door():
    for wrong in ({"batch_size": 0}, {"seed": -1}, {"seed": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            FirstScore(**wrong)
    with pytest.raises(TypeError, match=r"Deletion has the options steps, order.*stepz"):
        Deletion(stepz=3)
    with pytest.raises(ValueError, match="Did you mean deletion"):
        evaluators.get("deletoin")
    for wrong in (3, {"steps": 2}):
        with pytest.raises((TypeError, ValueError), match="Received"):
            evaluators.build(wrong)


# Independence


@pytest.mark.slow
@settings(deadline=None, max_examples=6)
@given(data=st.data(), name=st.sampled_from(list(PRESETS)))
def test_results_depend_on_neither_batch_mates_nor_order(model, data, name):
    samples = 7
    x = images(samples, SHAPE)
    maps = np.maximum(np.round(random_maps(samples), 1), 0)
    maps[2] = 0.5
    maps[3, 0, 0] = np.nan
    chosen = data.draw(st.lists(st.integers(0, samples - 1), min_size=1, max_size=samples, unique=True))
    config = PRESETS[name].get_config() | {"batch_size": data.draw(st.integers(1, 9))}
    whole = PRESETS[name](model, x, maps)
    part = evaluators.build(config)(model, x[chosen], maps[chosen])
    assert list(part) == list(whole)
    for key in set(part) - {"fraction"}:
        np.testing.assert_allclose(part[key], whole[key][chosen], rtol=1e-4, atol=2e-4, err_msg=key)
    np.testing.assert_array_equal(np.isnan(whole[whole.per_sample[0]]), np.arange(samples) == 3)


@pytest.mark.slow
def test_trace_count_does_not_grow(model):
    def weighted(outputs, weights):
        return tf.reduce_sum(outputs * weights, axis=-1)

    for evaluator in (PRESETS["drop_increase"], PRESETS["aopc"], PRESETS["insertion"]):
        counts = []
        for samples in (3, 40, 1, 33):
            evaluator(model, images(samples, SHAPE), random_maps(samples))
            evaluator(model, images(samples, SHAPE), random_maps(samples), target=1)
            evaluator(model, images(samples, SHAPE), random_maps(samples), (weighted, np.ones((samples, 4), "float32")))
            counts.append(evaluator.scored_model(model).trace_count)
        assert len(set(counts)) == 1


@pytest.mark.slow
def test_compiled_functions_do_not_keep_the_samples_alive(model):
    import gc
    import weakref

    evaluator = Deletion(steps=3)
    samples = evaluator.scored_model(model).samples(images(3, SHAPE))
    evaluator.evaluate(Case(model, samples, random_maps(3)))
    DropIncrease().evaluate(Case(model, samples, random_maps(3)))
    gone = weakref.ref(samples)
    del samples
    gc.collect()
    assert gone() is None


def test_updated_weights_are_used():
    model = conv_net(head="softmax")
    x, maps, evaluator = images(3, SHAPE), random_maps(3), Deletion(steps=2)
    evaluator(model, x, maps)
    randomise(model, seed=11)
    np.testing.assert_array_equal(evaluator(model, x, maps)["curve"], Deletion(steps=2)(model, x, maps)["curve"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_evaluating_leaves_the_model_as_it_was(kind):
    model = fitted(BUILDERS[kind])
    before, explainer = state_before(model), kerasxai.explainers.get("gradient")(model)
    for evaluator in PRESETS.values():
        evaluator(model, nets.normals(3), explainer=explainer)
    assert_untouched(model, before)


# Configs and summaries


@pytest.mark.parametrize(
    "evaluator",
    [
        *PRESETS.values(),
        DropIncrease(replace=np.array([0.1, 0.2, 0.3]), ties="random", seed=4),
        AOPC(replace=0.5, n_samples=3),
    ],
)
def test_configs_round_trip_through_json(evaluator):
    config = json.loads(json.dumps(evaluator.get_config()))
    again = evaluators.build(config)
    assert type(again) is type(evaluator)
    assert again.get_config() == config == evaluator.get_config()


def test_summary_is_that_of_numpy_and_scipy():
    class Given(Evaluator):
        name, directions = "given", {"value": "higher", "other": None}

        def measure(self, case):
            values = np.random.default_rng(0).exponential(size=60)
            return {"value": np.where(np.arange(60) < 4, np.nan, values), "other": np.full(60, np.nan)}

    model = flat_net(2, "softmax")
    maps = random_maps(60, (4, 5))
    maps[:3] = [[[0.0]], [[-2.0]], [[1.0]]]  # constant
    maps[5, 0, 0] = maps[5, 3, 3]  # tied
    maps[6, 1, 1] = np.nan
    results = Given(seed=1)(model, images(60, (4, 5, 1)), maps)
    found = results.summary()["value"]
    kept = results["value"][4:]
    assert found.mean == pytest.approx(kept.mean())
    assert found.standard_error == pytest.approx(stats.sem(kept))
    bootstrap = stats.bootstrap((kept,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(5))
    expected = bootstrap.confidence_interval
    assert (found.low, found.high) == pytest.approx(expected, abs=0.2 * found.standard_error)
    assert (found.count, found.nan, found.constant, found.tied) == (56, 4, 3, 4)
    assert found == results.summary()["value"]
    empty = results.summary()["other"]
    assert np.isnan([empty.mean, empty.standard_error, empty.low, empty.high]).all()
    assert (empty.count, empty.nan) == (0, 60)


def test_summary_of_one_sample_and_of_equal_values():
    model = flat_net(2, "softmax")
    one = FirstScore()(model, images(1, (4, 5, 1)), random_maps(1, (4, 5))).summary()["score"]
    assert np.isnan(one.standard_error) and one.low == one.mean == one.high and one.count == 1
    assert set(FirstScore()(model, images(2, (4, 5, 1)), random_maps(2, (4, 5))).summary()) == {"score", "largest"}
