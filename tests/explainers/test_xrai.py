"""XRAI's greedy cover by hand and against a naive one, its segments, and the whole against the parts."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy import sparse

import kerasxai
from kerasxai.explainers import XRAI, IntegratedGradients
from kerasxai.explainers.regions import grow, segments
from tests.support import nets, truth
from tests.support.truth import assert_same, images

SHAPE = (18, 26, 3)


@pytest.fixture(scope="module")
def x():
    """Two plain halves and a little noise."""
    x = 0.02 * images(3, SHAPE)
    x[:, :, 13:] += 0.8
    return x


@pytest.fixture(scope="module")
def model():
    return truth.conv_net(size=SHAPE[:2])


@pytest.fixture(scope="module")
def maps(model, x):
    return XRAI(model, steps=5)(x, target=[0, 3, 1])


def members(*lists, size):
    rows = sparse.lil_matrix((len(lists), size))
    for row, places in enumerate(lists):
        rows[row, places] = 1
    return rows.tocsr()


# The order of the regions --------------------------------------------------------------------------------------------


def test_cover_by_hand():
    """{0, 1} comes first with mean 3; then {1, 2}, whose new position alone has mean 2, then {3, 4, 5} with 1."""
    attribution = np.array([4.0, 2.0, 2.0, -1.0, 3.0, 1.0, 0.5, -2.5])
    given = members([3, 4, 5], [0, 1, 2], [1, 2], [0, 1], [2, 3], size=8)
    expected = [3, 3, 2, 1, 1, 1, -1, -1]  # no segment covers the last two: their own mean
    np.testing.assert_allclose(grow(attribution, given), expected)
    np.testing.assert_allclose(grow(attribution.reshape(2, 4), given), np.reshape(expected, (2, 4)))


def naive_cover(attribution, masks, least):
    covered = np.zeros(attribution.shape, bool)
    result = np.zeros(attribution.shape)
    while True:
        gains = [attribution[mask & ~covered].mean() if (mask & ~covered).sum() >= least else -np.inf for mask in masks]
        if max(gains) == -np.inf:
            break
        new = masks[int(np.argmax(gains))] & ~covered
        result[new] = max(gains)
        covered |= new
    if not covered.all():
        result[~covered] = attribution[~covered].mean()
    return result


@pytest.mark.parametrize(("size", "least"), [((9, 13), 1), ((40, 50), 2), ((60, 90), 5)], ids=str)
def test_cover_is_the_naive_one(size, least):
    """Overlapping boxes that leave some positions out; segments of fewer new positions than 0.1 % are passed over."""
    draws = np.random.default_rng(0)
    masks = np.zeros((25, *size), bool)
    for mask in masks:
        top, left = (draws.integers(length - 1) for length in size)
        mask[top : top + draws.integers(1, 9), left : left + draws.integers(1, 9)] = True
    attribution = draws.normal(size=size)
    found = grow(attribution, sparse.csr_matrix(masks.reshape(25, -1).astype(float)))
    assert_same(found, naive_cover(attribution, masks, least), rtol=1e-9)
    assert found.sum() == pytest.approx(attribution.sum())


# The segments --------------------------------------------------------------------------------------------------------


def test_segments_of_an_image_follow_its_edges():
    """Two plain halves, dilated by two positions (5 of 224); the edge, 44 and 45, is a segment of its own."""
    image = 0.02 * images(1, (60, 90, 3))[0]
    image[:, 45:] += 0.8
    found = segments(image).toarray().reshape(-1, 60, 90).astype(bool)
    assert found.any(axis=0).all()
    left, right = np.zeros((2, 60, 90), bool)
    left[:, :46], right[:, 44:] = True, True
    for half in (left, right):
        assert any((half == one).all() for one in found)


def test_dilation_is_that_of_a_disk():
    from kerasxai.explainers.regions import _dilated

    labels = np.random.default_rng(0).integers(4, size=(90, 80)) * (np.arange(90)[:, None] > 40)
    rows, columns = np.indices(labels.shape)
    places = list(_dilated(labels))
    assert len(places) == 4
    for label, one in enumerate(places):
        expected = np.zeros(labels.shape, bool)
        for row, column in zip(*np.nonzero(labels == label)):
            expected |= (rows - row) ** 2 + (columns - column) ** 2 <= 2**2  # 5 sqrt(90 x 80) / 224 = 1.9
        np.testing.assert_array_equal(np.sort(one), np.flatnonzero(expected))


def test_segments_of_a_signal_are_windows():
    """Of 40 steps: windows of 1, then 1 or 2, 2 or 3, 4, 6 or 7, and 10 steps, with a step more at either side."""
    found = segments(np.zeros((40, 2))).toarray().astype(bool)
    assert len(found) == 40 + 25 + 16 + 10 + 6 + 4
    np.testing.assert_array_equal(np.flatnonzero(found[0]), [0, 1])
    np.testing.assert_array_equal(np.flatnonzero(found[17]), [16, 17, 18])
    np.testing.assert_array_equal(np.flatnonzero(found[40 + 25 + 16 + 1]), [3, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(np.flatnonzero(found[-1]), np.arange(29, 40))


@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (1, 1, 3), (2, 2, 1), (5, 300, 2)], ids=str)
def test_small_and_long_samples_are_covered(shape):
    found = segments(images(1, shape)[0])
    assert found.shape[1] == np.prod(shape[:-1])
    assert (found.sum(axis=0) > 0).all()


# The whole -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_maps_are_integrated_gradients_collected_by_segments(model, x, maps):
    low, high = x.min(axis=(1, 2, 3)), x.max(axis=(1, 2, 3))
    assert maps.shape == (3, *SHAPE[:2]) and maps.dtype == np.float32
    for row, target in enumerate((0, 3, 1)):
        both = [
            IntegratedGradients(model, baseline=float(one[row]), steps=5)(x[[row]], target=target)[0]
            for one in (low, high)
        ]
        attribution = np.mean(both, axis=0).sum(axis=-1)
        masks = segments(x[row]).toarray().reshape(-1, *SHAPE[:2]).astype(bool)
        assert_same(maps[row], naive_cover(attribution, masks, 1), rtol=1e-3)
        np.testing.assert_allclose(maps[row].sum(), attribution.sum(), rtol=1e-4)


@pytest.mark.slow
def test_completeness(model, x):
    """A map sums to what integrated gradients sum to."""
    explainer = XRAI(model, baseline=[0.0, 1.0], steps=40)
    maps = explainer(x, target=0)
    starts = [truth.scores(model, np.full_like(x, one), [0, 0, 0]) for one in (0.0, 1.0)]
    difference = truth.scores(model, x, [0, 0, 0]) - np.mean(starts, axis=0)
    assert np.abs(difference).max() > 0.05
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), difference, atol=0.02 * np.abs(difference).max())
    np.testing.assert_allclose(
        explainer.completeness_residual(x, maps, target=0), difference - maps.sum(axis=(1, 2)), atol=1e-5
    )


@pytest.mark.slow
def test_samples_do_not_know_of_one_another(model, x, maps):
    explainer = XRAI(model, steps=5)
    alone = [explainer(x[[row]], target=target)[0] for row, target in enumerate((0, 3, 1))]
    np.testing.assert_allclose(maps, alone, atol=1e-5 * np.abs(maps).max())


def test_a_signal_is_an_image_of_height_one():
    signal = [keras.Input((40, 2)), layers.Conv1D(3, 5, activation="tanh"), layers.Flatten(), layers.Dense(3)]
    image = [keras.Input((1, 40, 2)), layers.Conv2D(3, (1, 5), activation="tanh"), layers.Flatten(), layers.Dense(3)]
    signal, image = truth.randomise(keras.Sequential(signal)), keras.Sequential(image)
    image.set_weights([w[None] if w.ndim == 3 else w for w in signal.get_weights()])
    x = images(2, (40, 2))
    maps = XRAI(signal, steps=5)(x, target=[1, 2])
    assert maps.shape == (2, 40)
    assert_same(XRAI(image, steps=5)(x[:, None], target=[1, 2])[:, 0], maps, rtol=1e-3)


@pytest.mark.slow
def test_several_inputs_have_a_map_each():
    scan, age = keras.Input((6, 9, 2), name="scan"), keras.Input((3,), name="age")
    left, right = layers.Dense(4, activation="tanh")(layers.Flatten()(scan)), layers.Dense(4, activation="tanh")(age)
    model = truth.randomise(keras.Model([scan, age], layers.Dense(3)(layers.Multiply()([left, right]))), seed=4)
    x = [images(2, (6, 9, 2)), images(2, (3,), seed=1)]
    options = {"baseline": [0.0, 1.0], "steps": 8}
    regions, numbers = XRAI(model, **options)(x, target=1)
    parts = IntegratedGradients(model, **options)(x, target=1)
    assert regions.shape == (2, 6, 9)
    np.testing.assert_allclose(regions.sum(axis=(1, 2)), parts[0].sum(axis=(1, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numbers, parts[1].sum(axis=1), rtol=1e-4, atol=1e-5)


def test_volumes_are_refused():
    model = keras.Sequential([keras.Input((4, 4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"signals .* and images .*Received: an input of shape \(None, 4, 4, 4, 1\)"):
        XRAI(model, steps=1)(np.zeros((1, 4, 4, 4, 1), "float32"))


def test_mixed_float16():
    maps = kerasxai.explain(nets.build("mixed_float16"), nets.normals(2), "xrai", steps=3, target=0)
    assert np.isfinite(maps).all() and maps.dtype == np.float32 and np.ptp(maps) > 0


def test_config_round_trip(model):
    config = XRAI(model).get_config()
    assert config["baseline"] == ["min", "max"]
    assert kerasxai.explainers.from_config(config, model).baseline == ["min", "max"]
