"""Guided integrated gradients against a slow version written from the paper, step by step and sample by sample."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from kerasxai.explainers import GuidedIG
from tests.support import nets, truth
from tests.support.truth import assert_same, images

SHAPE = (4, 5, 2)
CLASSES = [0, 2, 1]


@pytest.fixture(scope="module")
def model():
    """In float64: which gradient is the smallest is no matter of rounding."""
    return truth.randomise(
        keras.Sequential(
            [
                keras.Input(SHAPE, dtype="float64"),
                layers.Conv2D(3, 3, padding="same", activation="tanh", dtype="float64"),
                layers.AveragePooling2D(2, dtype="float64"),
                layers.Flatten(dtype="float64"),
                layers.Dense(5, activation="softplus", dtype="float64"),
                layers.Dense(3, dtype="float64"),
            ]
        )
    )


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(3, *SHAPE))


def naive_guided_ig(model, x, target, baseline, steps, fraction, max_distance):
    """One sample, as published, in the input's own units."""
    shape, count = x.shape, x.size
    x, point = x.ravel(), (np.zeros_like(x) + baseline).ravel()
    start, way = point.copy(), x - point
    length = np.abs(way).sum()
    total = np.zeros(count)
    for step in range(steps):
        gradient = truth.input_gradients(model, point.reshape(1, *shape), [target]).ravel()
        share = (step + 1) / steps
        nearest, farthest = (start + way * min(max(share + sign * max_distance, 0.0), 1.0) for sign in (-1, 1))
        before, size = point.copy(), np.abs(gradient)
        for i in range(count):
            if abs(x[i] - point[i]) > abs(x[i] - nearest[i]):
                point[i] = nearest[i]
            if np.isclose(point[i], farthest[i], rtol=0, atol=1e-12):
                size[i] = np.inf
        while True:
            to_go = np.abs(x - point).sum() - length * (1 - share)
            chosen = [i for i in range(count) if size[i] <= np.sort(size)[int(fraction * (count - 1))] < np.inf]
            if np.isinf(np.sort(size)[int(fraction * (count - 1))]):
                chosen = [i for i in range(count) if size[i] < np.inf]
            if to_go < 1e-12 * length or not chosen:
                break
            reach = sum(abs(farthest[i] - point[i]) for i in chosen)
            for i in chosen:
                point[i] += min(to_go / reach, 1.0) * (farthest[i] - point[i])
                size[i] = np.inf
            if reach >= to_go:
                break
        total += gradient * (point - before)
    np.testing.assert_allclose(point, x, atol=1e-9)
    return total.reshape(shape)


CASES = {
    "as published": (0.0, 30, 0.25, 0.02),
    "any path": (0.0, 9, 0.25, 1.0),
    "wide band": (0.3, 7, 0.33, 0.3),
    "one value at a time": (0.0, 5, 0.01, 0.2),
    "all values": (-0.5, 6, 1.0, 0.5),
    "a baseline for each value": (np.random.default_rng(1).normal(size=SHAPE), 8, 0.4, 0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_equals_the_published_algorithm(case, model, x):
    baseline, steps, fraction, max_distance = CASES[case]
    expected = [
        naive_guided_ig(model, one, target, baseline, steps, fraction, max_distance) for one, target in zip(x, CLASSES)
    ]
    options = {"steps": steps, "fraction": fraction, "max_distance": max_distance}
    maps = GuidedIG(model, baseline=baseline, **options)(x, target=CLASSES)
    assert_same(maps, expected, rtol=1e-7, atol=1e-7)


def test_defaults(model):
    explainer = GuidedIG(model)
    assert (explainer.steps, explainer.fraction, explainer.max_distance) == (200, 0.25, 0.02)
    np.testing.assert_array_equal(explainer.baseline, 0.0)


def crossing_model():
    """`S = a b + a` for a signal of the two steps a, b."""
    inputs = keras.Input((2, 1))
    flat = layers.Flatten()(inputs)
    return keras.Model(inputs, flat[:, :1] * flat[:, 1:] + flat[:, :1])


@pytest.mark.slow
def test_by_hand():
    """From (0, 0) the gradient is (1, 0), so b goes first, for nothing; then it is (2, 0), and b has arrived."""
    x = np.ones((1, 2, 1), "float32")
    maps = GuidedIG(crossing_model(), steps=2, fraction=0.25, max_distance=1.0)(x)
    np.testing.assert_allclose(maps[0, :, 0], [2.0, 0.0], atol=1e-6)
    # Within a quarter of the straight line: a 0 -> 1/4 -> 1, b 0 -> 3/4 -> 1, at gradients (1, 0), (7/4, 1/4).
    maps = GuidedIG(crossing_model(), steps=2, fraction=0.25, max_distance=0.25)(x)
    np.testing.assert_allclose(maps[0, :, 0], [1 / 4 + 3 / 4 * 7 / 4, 1 / 4 * 1 / 4], atol=1e-6)


def test_without_any_distance_the_path_is_straight(model, x):
    positions = np.arange(8) / 8
    gradients = [truth.input_gradients(model, 0.2 + position * (x - 0.2), CLASSES) for position in positions]
    maps = GuidedIG(model, baseline=0.2, steps=8, max_distance=0.0)(x, target=CLASSES)
    assert_same(maps, (x - 0.2) * np.mean(gradients, axis=0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 7])
def test_linear_model_is_exact_with_any_number_of_steps(steps):
    linear = truth.randomise(keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(3)]), seed=2)
    weights = linear.layers[-1].kernel.numpy().T[CLASSES].reshape(-1, *SHAPE)
    x = images(3, SHAPE)
    maps = GuidedIG(linear, baseline=0.3, steps=steps)(x, target=CLASSES)
    assert maps.dtype == np.float32
    assert_same(maps, weights * (x - 0.3))


@pytest.mark.slow
def test_completeness(model, x):
    """What is missing falls with the number of steps, and the residual tells it."""
    difference = truth.scores(model, x, CLASSES) - truth.scores(model, np.zeros_like(x), CLASSES)
    missing = {}
    for steps in (20, 200):
        explainer = GuidedIG(model, steps=steps)
        maps = explainer(x, target=CLASSES)
        expected = difference - maps.sum(axis=(1, 2, 3))
        np.testing.assert_allclose(explainer.completeness_residual(x, maps, target=CLASSES), expected, atol=1e-9)
        missing[steps] = np.abs(expected).max()
    assert missing[20] > 5 * missing[200] > 0
    assert missing[200] < 0.02 * np.abs(difference).max()


@pytest.mark.slow
def test_several_baselines_are_averaged(model, x):
    options = {"steps": 5, "fraction": 0.3, "max_distance": 0.2}
    single = [GuidedIG(model, baseline=one, **options)(x, target=CLASSES) for one in (0.0, 0.7)]
    assert_same(GuidedIG(model, baseline=[0.0, 0.7], **options)(x, target=CLASSES), np.mean(single, axis=0), rtol=1e-9)


def test_batches(model, x):
    explainer = GuidedIG(model, steps=6, max_distance=0.2)
    together = explainer(np.concatenate([x, 1000 * x]), target=[*CLASSES, *CLASSES])
    alone = [explainer(x[[row]], target=CLASSES[row])[0] for row in range(3)]
    assert_same(together[:3], alone, rtol=1e-9, atol=1e-12)
    assert_same(GuidedIG(model, steps=6, max_distance=0.2, batch_size=2)(x, target=CLASSES), alone, rtol=1e-9)


@pytest.mark.slow
def test_values_that_equal_the_baseline_get_nothing(model, x):
    baseline = np.where(np.arange(5)[:, None] < 2, x[0], 0.0)
    maps = GuidedIG(model, baseline=baseline, steps=5)(x[:1], target=0)
    np.testing.assert_array_equal(maps[:, :, :2], 0)
    assert np.abs(maps[:, :, 2:]).min() > 0
    np.testing.assert_array_equal(GuidedIG(model, baseline=x[0], steps=5)(x[:1], target=0), 0)


@pytest.mark.slow
def test_a_signal_is_an_image_of_height_one():
    signal = [keras.Input((12, 2)), layers.Conv1D(3, 5, activation="tanh"), layers.Flatten(), layers.Dense(3)]
    image = [keras.Input((1, 12, 2)), layers.Conv2D(3, (1, 5), activation="tanh"), layers.Flatten(), layers.Dense(3)]
    signal, image = truth.randomise(keras.Sequential(signal)), keras.Sequential(image)
    image.set_weights([w[None] if w.ndim == 3 else w for w in signal.get_weights()])
    x = images(2, (12, 2))
    maps = GuidedIG(signal, steps=10)(x, target=[1, 2])
    assert_same(GuidedIG(image, steps=10)(x[:, None], target=[1, 2])[:, 0], maps)
    naive = [naive_guided_ig(signal, one, target, 0.0, 10, 0.25, 0.02) for one, target in zip(np.float64(x), [1, 2])]
    np.testing.assert_allclose(maps, naive, atol=1e-3 * np.abs(naive).max())


def test_several_inputs_share_one_path():
    """The values of both inputs, without the integers, are one vector: a model of the joined input says the same."""
    words, left, right = keras.Input((4,), dtype="int32"), keras.Input((5, 2)), keras.Input((3, 2))
    embedded = layers.GlobalAveragePooling1D()(layers.Embedding(10, 3)(words))
    flat = layers.Flatten()(layers.Concatenate(axis=1)([left, right]))
    hidden = layers.Add()([embedded, layers.Dense(3)(flat)])
    outputs = layers.Dense(2)(layers.Activation("tanh")(hidden))
    several = truth.randomise(keras.Model([words, left, right], outputs), seed=3)
    table, kernel, bias, head, offset = several.get_weights()
    joined = [keras.Input((8, 2)), layers.Flatten(), layers.Dense(3, activation="tanh"), layers.Dense(2)]
    joined = keras.Sequential(joined)
    tokens = np.random.default_rng(0).integers(10, size=4).astype("int32")
    joined.set_weights([kernel, bias + table[tokens].mean(axis=0), head, offset])
    x = images(2, (8, 2))
    zeros, first, second = GuidedIG(several, steps=6)([np.stack([tokens] * 2), x[:, :5], x[:, 5:]], target=0)
    np.testing.assert_array_equal(zeros, np.zeros((2, 4)))
    assert_same(np.concatenate([first, second], axis=1), GuidedIG(joined, steps=6)(x, target=0))


def test_a_gradient_that_is_not_a_number_harms_no_other_sample(x):
    """The square root's gradient at 0 is infinite, times 0 not a number."""
    inputs = keras.Input((6, 1))
    outputs = layers.Dense(1)(layers.Flatten()(keras.ops.sqrt(keras.ops.square(inputs))))
    broken = truth.randomise(keras.Model(inputs, outputs))
    x = images(2, (6, 1)) + 0.1
    baseline = [np.where(np.arange(6)[:, None] < 1, 0.0, 0.5)]
    maps = GuidedIG(broken, baseline=baseline, steps=4)(x)
    assert np.isnan(maps[:, 0]).all() and np.isfinite(maps[:, 1:]).all()


@pytest.mark.parametrize(
    "options",
    [
        {"fraction": 0},
        {"fraction": 1.5},
        {"fraction": "quarter"},
        {"fraction": np.nan},
        {"max_distance": -0.1},
        {"max_distance": 2},
        {"max_distance": None},
        {"steps": 0},
        {"baseline": "black"},
    ],
    ids=str,
)
def test_options_that_make_no_path_are_refused(options, model):
    with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be.*Received"):
        GuidedIG(model, **options)


def test_mixed_float16():
    maps = kerasxai.explain(nets.build("mixed_float16"), nets.normals(2), "guided_ig", steps=4, target=0)
    assert np.isfinite(maps).all() and maps.dtype == np.float32 and np.ptp(maps) > 0
