"""Drop and increase: closed forms by hand, a plain NumPy twin, and the reference values of the public files."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasxai
from kerasxai.evaluators import AverageDrop, DropIncrease
from kerasxai.evaluators.scoring import ScoredModel
from tests.support.truth import conv_net, images, predictions

SHAPE = (8, 10, 3)


def weighted_sum(weights, bias=0.0):
    """A model of two classes, p = 1 / (1 + exp(-(weights . x + bias))) for the class 0."""
    weights = np.asarray(weights, "float32")
    head = keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([keras.Input((*weights.shape, 1)), keras.layers.Flatten(), head])
    head.set_weights([np.stack([weights.ravel(), 0 * weights.ravel()], axis=1), np.array([bias, 0.0])])
    return model


def p(logit):
    return 1 / (1 + np.exp(-logit))


def evaluate(weights, maps, x=None, bias=0.0, metric=DropIncrease, **options):
    x = np.ones(np.shape(maps), "float32") if x is None else np.asarray(x, "float32")
    return metric(**options)(weighted_sum(weights, bias), x[..., np.newaxis], np.asarray(maps, float), target=0)


# Closed forms


def test_one_pixel_model():
    weights = np.zeros((3, 4))
    weights[1, 2] = 3.0
    right, wrong = np.zeros((2, 3, 4))
    right[1, 2], wrong[0, 0] = 1, 1
    found = evaluate(weights, [right, wrong], fraction=0.1)  # k = 1: above the second largest value
    np.testing.assert_allclose(found["drop_rate"], [0, 100 * (p(3) - p(0)) / p(3)], rtol=1e-5)
    np.testing.assert_array_equal(found["increase_rate"], [0, 0])


def test_hiding_what_speaks_against_the_class_increases():
    found = evaluate([2.0, 1.0, -4.0, -1.0], [[4, 3, 2, 1], [1, 2, 3, 4]], fraction=0.5)
    before, shown, hidden = p(-2), p(3), p(-5)
    np.testing.assert_allclose(found["drop_rate"], [0, 100 * (before - hidden) / before], rtol=1e-5)
    np.testing.assert_array_equal(found["increase_rate"], [100, 0])
    assert shown > before


def test_soft_mask():
    weights, maps = [2.0, -1.0, 3.0, 1.0], [[-5, 1, 2, 4], [2, 4, 3, 3]]
    shares = np.array([[0, 0.25, 0.5, 1], [0, 1, 0.5, 0.5]])
    found = evaluate(weights, maps, bias=-4.0, metric=AverageDrop)
    before, after = p(1.0), p(shares @ weights - 4)
    np.testing.assert_allclose(found["average_drop"], 100 * np.maximum(before - after, 0) / before, rtol=1e-5)
    np.testing.assert_array_equal(found["average_increase"], 100 * (after > before))
    rising = evaluate(weights, maps, bias=-4.0, metric=AverageDrop, x=np.full((2, 4), -1.0))
    before, after = p(-9.0), p(-shares @ weights - 4)
    assert (after > before).all()
    np.testing.assert_allclose(rising["average_gain"], 100 * (after - before) / (1 - before), rtol=1e-4)
    np.testing.assert_array_equal(rising["average_drop"], 0)
    assert set(found) == {"average_drop", "average_increase", "average_gain"}


WEIGHTS = [1.0, 2.0, 4.0, 8.0, 16.0]  # the sum of what is shown tells which positions are


def shown(rows, **options):
    """Which positions are shown, read from the probability."""
    scale = 0.1
    found = evaluate(scale * np.array(WEIGHTS), rows, **options)
    before = p(scale * sum(WEIGHTS))
    after = before * (1 - found["drop_rate"] / 100)
    sums = np.round(np.log(after / (1 - after)) / scale).astype(int)
    return [[position for position in range(5) if total >> position & 1] for total in sums]


def test_strict_ties_drop_the_threshold():
    # k = int(5 * 0.4) = 2, the threshold is entry 2 of the descending sort
    assert shown([[5, 4, 3, 2, 1], [5, 4, 4, 4, 1], [5, 5, 5, 0, 0], [5, 4, 0, 0, 0]], fraction=0.4) == [
        [0, 1],
        [0],
        [],
        [0, 1],
    ]


@pytest.mark.slow
def test_first_and_random_ties_keep_exactly_k():
    rows = [[5, 4, 3, 2, 1], [1, 4, 4, 5, 4], [0, 0, 0, 0, 0]]
    assert shown(rows, fraction=0.4, ties="first") == [[0, 1], [1, 3], [0, 1]]
    seen = set()
    for seed in range(16):
        plain, tied, flat = shown(rows, fraction=0.4, ties="random", seed=seed)
        assert plain == [0, 1] and 3 in tied and len(tied) == 2 and len(flat) == 2 and 0 not in tied
        assert shown(rows, fraction=0.4, ties="random", seed=seed) == [plain, tied, flat]
        seen.add(tuple(tied))
    assert len(seen) > 1


@pytest.mark.parametrize("ties", ["strict", "first", "random"])
def test_fraction_one_keeps_everything(ties):
    found = evaluate(WEIGHTS, [[5, 4, 3, 2, 1], [0] * 5], fraction=1, ties=ties)
    np.testing.assert_array_equal([found["drop_rate"], found["increase_rate"]], 0)


@pytest.mark.parametrize("ties", ["strict", "first", "random"])
def test_a_fraction_below_one_position_keeps_nothing(ties):
    assert shown([[5, 4, 3, 2, 1]], fraction=0.1, ties=ties) == [[]]


@pytest.mark.parametrize("options", [{"fraction": 0.4}, {"metric": AverageDrop}])
def test_constant_map_shows_nothing_and_is_counted(options):
    found = evaluate([1.0, 1.0, 1.0], [[0] * 3, [7] * 3, [-2] * 3, [1, 2, 3]], **options)
    drop = next(iter(found))
    np.testing.assert_allclose(found[drop][:3], 100 * (p(3) - p(0)) / p(3), rtol=1e-5)
    assert found.summary()[drop].constant == 3


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize(
    "options",
    [
        {"fraction": 0.4},
        {"fraction": 0.4, "ties": "first"},
        {"fraction": 0.4, "ties": "random"},
        {"fraction": 1},
        {"metric": AverageDrop},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_map_that_is_not_finite_is_nan(options, wrong):
    found = evaluate([1.0, 1.0, 1.0], [[3, 2, 1], [3, wrong, 1]], **options)
    for name, values in found.items():
        np.testing.assert_array_equal(np.isnan(values), [False, True])
        assert found.summary()[name].nan == 1


@pytest.mark.filterwarnings("error")
def test_probabilities_of_zero_and_one():
    x = [[1, 1, 0], [-1, 1, 0]]  # logits 200 and -200: 1 and 0 in float32
    top = evaluate([200.0, 0, 0], [[0, 1, 0], [0, 1, 0]], x, fraction=0.4)
    np.testing.assert_allclose(top["drop_rate"], [50, 0])
    np.testing.assert_array_equal(top["increase_rate"], [0, 100])
    soft = evaluate([200.0, 0, 0], [[1, 0, 0], [0, 1, 0]], x, metric=AverageDrop)
    np.testing.assert_array_equal(soft["average_gain"], [0, 50])
    np.testing.assert_array_equal(soft["average_drop"], 0)


def test_fill():
    weights = np.array([1.0, 2.0, 3.0])
    found = evaluate(weights, [[3, 2, 1]], fraction=0.4, replace=0.25)  # the first is kept
    np.testing.assert_allclose(found["drop_rate"], 100 * (p(6) - p(2.25)) / p(6), rtol=1e-5)
    model = conv_net(head="softmax")
    x, maps, fill = images(3, SHAPE), np.random.default_rng(1).random((3, *SHAPE[:-1])), [0.2, 0.5, 0.9]
    found = DropIncrease(fraction=0.5, replace=fill)(model, x, maps)
    expected = twin(model, x, maps, k=40, fill=fill)
    np.testing.assert_allclose(found["drop_rate"], expected[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "options, part",
    [
        ({"ties": "last"}, "`ties`"),
        ({"fraction": 0}, "`fraction`"),
        ({"fraction": 1.1}, "`fraction`"),
        ({"fraction": "half"}, "`fraction`"),
        ({"replace": [[0.0]]}, "`replace`"),
        ({"replace": np.nan}, "`replace`"),
    ],
)
def test_options_are_refused_at_the_door(options, part):
    with pytest.raises(ValueError, match=part):
        DropIncrease(**options)


def test_fill_must_fit_the_channels():
    with pytest.raises(ValueError, match=r"`replace`.*each of 3 channels"):
        DropIncrease(replace=[0.1] * 10)(conv_net(head="softmax"), images(1, SHAPE), np.ones((1, 8, 10)))


# A plain twin


def twin(model, x, maps, k, fill=0.0):
    """Drop and increase of the strict mask, sample by sample."""
    drops, increases = [], []
    for sample, one in zip(x, maps):
        threshold = np.sort(one.ravel())[::-1][k]
        masked = np.where((one > threshold)[..., np.newaxis], sample, np.float32(fill))
        before = predictions(model, sample[np.newaxis])[0]
        target = before.argmax()
        before, after = np.float64(before[target]), np.float64(predictions(model, masked[np.newaxis])[0, target])
        drops.append(100 * max(0, (before - after) / before))
        increases.append(100 * (after > before))
    return drops, increases


@pytest.mark.parametrize("size", [(8, 10), (20,)])
def test_equals_the_plain_twin(size):
    model, x = conv_net(size, head="softmax"), images(20, (*size, 3), seed=5)
    maps = np.random.default_rng(1).normal(size=(20, *size))
    found = DropIncrease(fraction=0.5, batch_size=7)(model, x, maps)
    drops, increases = twin(model, x, maps, k=int(np.prod(size)) // 2)
    np.testing.assert_allclose(found["drop_rate"], drops, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found["increase_rate"], increases)
    assert found["increase_rate"].any() and found["drop_rate"].any()


ROWS = st.lists(st.lists(st.integers(-3, 3), min_size=5, max_size=5), min_size=1, max_size=4)


def rates_of(evaluator, rows):
    """The results of a small model on maps, all of which are shares."""
    model = MODELS.setdefault("five", weighted_sum([0.5, -0.3, 0.2, -0.6, 0.4]))
    results = evaluator(model, np.ones((len(rows), 5, 1), "float32"), np.array(rows))
    for values in results.values():
        assert (values >= 0).all() and (values <= 100).all()


@settings(deadline=None, max_examples=10)
@given(rows=ROWS, fraction=st.floats(0.05, 1), ties=st.sampled_from(["strict", "first", "random"]))
def test_ranges_and_sizes(rows, fraction, ties):
    evaluator = DropIncrease(fraction=fraction, ties=ties)
    rates_of(evaluator, rows)
    masks, k = evaluator.masks(np.array(rows, float)), int(5 * fraction)
    kept = masks.sum(axis=1)
    assert (kept <= k).all() if ties == "strict" and k < 5 else (kept == k).all()
    for row, shown in zip(np.array(rows), masks):
        if 0 < shown.sum() < 5:
            assert row[shown].min() >= row[~shown].max()


@settings(deadline=None, max_examples=5)
@given(rows=ROWS)
def test_ranges_of_what_is_veiled(rows):
    rates_of(AverageDrop(), rows)
    masks = AverageDrop().masks(np.array(rows, float))
    assert masks.min() >= 0 and masks.max() <= 1


@settings(deadline=None, max_examples=15)
@given(
    scores=st.lists(st.integers(-3, 3), min_size=5, max_size=5),
    fractions=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)),
    ties=st.sampled_from(["strict", "first", "random"]),
)
def test_more_of_the_evidence_drops_less(scores, fractions, ties):
    if "positive" not in MODELS:
        model = weighted_sum([0.5, 0.3, 0.2, 0.6, 0.4])
        MODELS["positive"] = model, ScoredModel(model).samples(np.ones((1, 5, 1), "float32"), target=0)
    case = kerasxai.evaluators.Case(*MODELS["positive"], np.array([scores]))
    less, more = (DropIncrease(fraction=one, ties=ties).evaluate(case) for one in sorted(fractions))
    assert more["drop_rate"] <= less["drop_rate"] + 1e-4
    assert not less["increase_rate"].any() and not more["increase_rate"].any()


MODELS = {}


# The public files


@pytest.mark.parametrize(
    "method, score, drop, increase",
    [
        ("grad_cam", "probability", 33.664, 36),
        ("grad_cam_plus_plus", "probability", 16.436, 44),
        ("ablation_cam", "probability", 14.080, 40),
        ("grad_cam", "logit", 10.358, 40),
        ("grad_cam_plus_plus", "logit", 18.011, 38),
    ],
)
def test_mnist1d_reference_values(mnist1d, method, score, drop, increase):
    model, x, _ = mnist1d
    explainer = kerasxai.explainers.get(method)(model, layer="conv1d_2", score=score)
    found = DropIncrease(fraction=0.3)(model, x[:100], explainer=explainer).summary()
    assert found["drop_rate"].mean == pytest.approx(drop, abs=1.5)
    assert found["increase_rate"].mean == pytest.approx(increase, abs=2)
