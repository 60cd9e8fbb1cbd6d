"""Occlusion and RISE: against slow NumPy loops, closed forms, and models that read one value only."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from kerasxai.explainers import RISE, Occlusion, streaming
from tests import nets
from tests.truth import assert_same, blurred, conv_net, images, logits_of, predictions, randomise

SIZES = {1: (20,), 2: (8, 10)}
CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def models():
    """A net of either number of spatial axes, with probabilities that differ from position to position."""
    return {rank: conv_net(size, head="softmax") for rank, size in SIZES.items()}


def samples(rank):
    return images(3, (*SIZES[rank], 3))


def probabilities(model, x):
    return predictions(model, x)[np.arange(len(x)), CLASSES[: len(x)]]


def linear_model(shape, seed=1):
    """`score = sum of weight x input`, and the weights."""
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    randomise(model, seed)
    return model, model.get_weights()[0].reshape(shape)


# One value is read


def reads(position, shape):
    """`score = 3 x[position, channel 0]`."""
    model, weights = linear_model(shape)
    weights[:] = 0
    weights[(*position, 0)] = 3.0
    model.set_weights([weights.reshape(-1, 1)])
    return model


@pytest.mark.parametrize(("position", "shape"), [((4, 25), (12, 40, 3)), ((17,), (30, 2))], ids=["pixel", "time step"])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("occlusion", {"window": 1}),
        ("occlusion", {"window": 4, "stride": 1}),
        ("occlusion", {"window": 3, "stride": 1, "baseline": -1.0}),
        ("rise", {"n_masks": 4000}),
    ],
)
def test_one_value_is_located(method, options, position, shape):
    x = images(3, shape) + 0.5
    maps = kerasxai.explain(reads(position, shape), x, method, **options)
    assert maps.shape == x.shape[:-1]
    peaks = maps == maps.max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    assert [tuple(np.argwhere(peak).mean(axis=0)) for peak in peaks] == [position] * 3
    if method == "occlusion":
        assert not maps[(0, *(0 for _ in position))]


# Occlusion


def covered_by(size, window, stride):
    """The bool masks of all windows, by the words of the definition."""
    axes = []
    for side, width, step in zip(size, window, stride):
        axis = [0]
        while axis[-1] + width < side:
            axis.append(axis[-1] + step)
        axes.append([(start, start + width) for start in axis])
    for spans in itertools.product(*axes):
        mask = np.zeros(size, bool)
        mask[tuple(slice(*span) for span in spans)] = True
        yield mask


def assert_same_falls(maps, expected):
    """Falls of a probability: differences of numbers that are near 1 in float32."""
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=5e-7)


def naive_occlusion(model, x, window, stride, fill):
    clean, total, count = probabilities(model, x), np.zeros(x.shape[:-1]), np.zeros(x.shape[1:-1])
    for mask in covered_by(x.shape[1:-1], window, stride):
        fall = clean - probabilities(model, np.where(mask[..., None], fill, x).astype("float32"))
        total += fall.reshape(-1, *[1] * mask.ndim) * mask
        count += mask
    assert (count > 0).all()
    return total / count


@pytest.mark.parametrize(
    ("rank", "window", "stride", "full"),
    [
        (1, 4, 2, ((4,), (2,))),
        (1, 7, 3, ((7,), (3,))),  # the last window is cut
        (1, 6, 6, ((6,), (6,))),
        (1, 30, 5, ((30,), (5,))),  # one window covers all
        (1, None, None, ((2,), (1,))),
        (2, 3, 2, ((3, 3), (2, 2))),
        (2, (4, 3), (1, 3), ((4, 3), (1, 3))),
        (2, (8, 1), 1, ((8, 1), (1, 1))),
        (2, [3, 20], [3, 7], ((3, 20), (3, 7))),
        (2, None, None, ((1, 1), (1, 1))),
    ],
)
def test_occlusion_is_the_loop_over_windows(rank, window, stride, full, models):
    x = samples(rank)
    maps = Occlusion(models[rank], window=window, stride=stride, batch_size=7)(x, target=CLASSES)
    assert_same_falls(maps, naive_occlusion(models[rank], x, *full, fill=0.0))


def baselines(x, rank):
    return {
        "number": (0.5, 0.5),
        "per channel": ([0.1, 0.9, -1.0], np.array([0.1, 0.9, -1.0])),
        "array": (images(1, x.shape[1:], seed=5)[0], images(1, x.shape[1:], seed=5)[0]),
        "mean": ("mean", x.mean(axis=tuple(range(1, rank + 1)), keepdims=True)),
        "blur": ("blur", blurred(x)),
    }


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("kind", ["number", "per channel", "array", "mean", "blur"])
def test_occlusion_baseline(kind, rank, models):
    x = samples(rank)
    given, fill = baselines(x, rank)[kind]
    maps = Occlusion(models[rank], window=4, stride=3, baseline=given)(x, target=CLASSES)
    assert_same_falls(maps, naive_occlusion(models[rank], x, (4,) * rank, (3,) * rank, fill))


def test_default_windows_are_an_eighth_of_the_side():
    model, weights = linear_model((24, 50, 1))
    x = images(2, (24, 50, 1))
    maps = Occlusion(model)(x)
    contribution = (weights * x)[..., 0]
    expected, count = np.zeros_like(contribution), 0
    for mask in covered_by((24, 50), (3, 6), (1, 3)):
        expected += (contribution * mask).sum(axis=(1, 2))[:, None, None] * mask
        count = count + mask
    assert_same(maps, expected / count)


def test_occlusion_runs_once_per_window_and_once_for_the_whole():
    from tests.counting import Counting

    counting = Counting()
    model = keras.Sequential([keras.Input((8, 1)), counting, keras.layers.Flatten(), keras.layers.Dense(2)])
    counting.reset()
    Occlusion(model, window=2, stride=2, batch_size=8)(images(3, (8, 1)))
    assert counting.samples == 3 * (1 + 4)
    assert counting.runs == 1 + 2  # windows fill the batch, two at a time
    RISE(model, n_masks=10, batch_size=8)(images(3, (8, 1)), target=1)
    assert counting.samples == 3 * (1 + 4) + 3 * 10


# RISE


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


def test_rise_converges_to_the_expectation_as_one_over_the_root_of_masks(linear_errors):
    found, spread = linear_errors
    counts, errors = np.array(list(found)), np.array([true for true, _ in found.values()])
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.08
    assert errors[-1] < 0.15 * spread


def test_the_error_told_is_the_true_one(linear_errors):
    for true, told in linear_errors[0].values():
        assert abs(told / true - 1) < 0.35


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


def test_scores_whose_squares_float32_cannot_hold_are_not_taken_for_exact():
    model, weights = linear_model((16, 1))
    tiny = keras.Sequential([keras.Input((16, 1)), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    tiny.set_weights([weights.reshape(-1, 1) * 1e-25])
    x = images(2, (16, 1))
    expected, found = (RISE(one, n_masks=50).explain_with_error(x) for one in (model, tiny))
    assert_same(found.error, expected.error)
    assert_same(found.maps * 1e25, expected.maps)
    assert np.isnan(RISE(model, n_masks=1).explain_with_error(x).error).all()


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
    from tests.counting import Counting

    counting = Counting()
    model = keras.Sequential([keras.Input((8, 1)), counting, keras.layers.Flatten(), keras.layers.Dense(1)])
    explainer = RISE(model, n_masks=2000, tolerance=10.0, batch_size=64)
    x = images(2, (8, 1))
    counting.reset()
    explainer(x, target=0)
    assert counting.samples == 2 * 128


def test_seeds(models):
    x = samples(2)
    one, same, other = (RISE(models[2], n_masks=20, seed=seed)(x) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1 * np.ptp(one)


# Both


OPTIONS = {"occlusion": {"window": 3, "stride": 2}, "rise": {"n_masks": 12}}


def build(method, model, **options):
    return kerasxai.explainers.get(method)(model, **{**OPTIONS[method], **options})


@pytest.mark.parametrize("method", OPTIONS)
def test_one_axis_is_two_with_a_height_of_one(method, models):
    signal = models[1]
    inputs = keras.Input((1, 20, 3))
    image = keras.Model(inputs, signal(keras.layers.Reshape((20, 3))(inputs)))
    x = samples(1)
    assert_same(build(method, image)(x[:, None])[:, 0], build(method, signal)(x), rtol=1e-6)


def test_the_probability_is_the_default_and_the_logit_an_option(models):
    x, model = samples(2), models[2]
    logits = naive_occlusion(logits_of(model), x, (3, 3), (2, 2), 0.0)
    assert_same(build("occlusion", model, score="logit")(x, target=CLASSES), logits)
    explainer = build("rise", model, score="logit")
    expected = sum(
        probabilities(logits_of(model), (x * mask[..., None]).astype("float32")).reshape(-1, 1, 1) * mask
        for mask in masks_of(explainer, 12, SIZES[2])
    )
    assert_same(explainer(x, target=CLASSES), expected / 6)


@pytest.mark.parametrize("method", OPTIONS)
def test_each_input_with_positions_has_a_map_of_its_own(method):
    model = nets.build("two_inputs")
    image, numbers = nets.inputs_for(model, 3)
    explainer = build(method, model)
    maps, nothing = explainer([image, numbers], target=1)
    assert nothing is None
    for row in range(3):

        def alone(x, row=row):
            return model([x, tf.repeat(numbers[[row]], tf.shape(x)[0], axis=0)])

        assert_same(maps[[row]], build(method, alone)(image[[row]], target=1), rtol=1e-3)
    by_name = explainer({"numbers": numbers, "image": image}, target=1)
    assert by_name["numbers"] is None
    np.testing.assert_array_equal(by_name["image"], maps)


@pytest.mark.parametrize("method", OPTIONS)
def test_two_images_are_changed_one_at_a_time(method):
    model = nets.build("nested_called_twice")
    left, right = nets.inputs_for(model, 2)
    maps = build(method, model)([left, right], target=0)
    assert [one.shape for one in maps] == [(2, 8, 8)] * 2
    turned = keras.Model(model.inputs[::-1], model.outputs[0])
    for one, other in zip(maps, build(method, turned)([right, left], target=0)[::-1]):
        assert_same(one, other)
    assert not np.allclose(*maps)


def test_error_of_two_inputs_comes_as_the_maps_do():
    model = nets.build("nested_called_twice")
    left, right = nets.inputs_for(model, 2)
    maps, error, n_masks = build("rise", model).explain_with_error([left, right])
    assert [one.shape for one in maps] == [(2, 8, 8)] * 2
    assert [one.shape for one in error] == [one.shape for one in n_masks] == [(2,)] * 2


@pytest.mark.parametrize("method", OPTIONS)
def test_integer_images(method):
    inputs = keras.Input((6, 5, 1), dtype="int32")
    scaled = keras.layers.Rescaling(1 / 255)(inputs)
    flat = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(scaled)))
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 1))
    real = keras.Sequential([keras.Input((6, 5, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    real.set_weights([flat.get_weights()[0] / 255, flat.get_weights()[1]])
    maps = build(method, flat)(x)
    np.testing.assert_allclose(maps, build(method, real)(x), atol=0.02 * np.ptp(maps))


@pytest.mark.parametrize("method", OPTIONS)
def test_open_image_size(method):
    explainer = build(method, nets.build("free_size"))
    for size in ((8, 8), (6, 10), (8, 8)):
        assert explainer(nets.images(2, (*size, 2))).shape == (2, *size)
    assert explainer.trace_count == 2


@pytest.mark.parametrize("method", OPTIONS)
def test_half_precision_is_close(method):
    model = nets.build("mixed_float16")
    x = nets.images(3)
    with nets.dtype_policy("float32"):
        inputs = keras.Input(nets.IMAGE)
        twin = nets.head(nets.conv("late")(nets.feature_extractor()(inputs)), activation=None)
        twin = keras.Model(inputs, keras.layers.Softmax()(twin))
    twin.set_weights(model.get_weights())
    maps, expected = build(method, model)(x, target=1), build(method, twin)(x, target=1)
    assert maps.dtype == np.float32
    assert np.linalg.norm(maps - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("method", OPTIONS)
def test_no_positions(method):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"spatial axes.*\(None, 4\).*x\[\.\.\., None\]"):
        build(method, model)
    with pytest.raises(ValueError, match=r"spatial axes.*\(None, 4\)"):
        build(method, lambda x: tf.reduce_sum(x, axis=1))(images(3, (4,)))


def test_windows_that_cannot_be_are_refused(models):
    for options in ({"window": 2, "stride": 3}, {"window": (4, 2), "stride": (4, 4)}, {"stride": 2}):
        with pytest.raises(ValueError, match="`stride` must not be larger than the window"):
            Occlusion(models[2], **options)
    assert Occlusion(nets.build("free_size"), stride=9)(nets.images(1, (80, 80, 2))).shape == (1, 80, 80)
    with pytest.raises(ValueError, match="stride=9, window=1"):
        Occlusion(nets.build("free_size"), stride=9)(nets.images(1, (8, 8, 2)))
    with pytest.raises(ValueError, match="one entry per spatial axis, 2 here"):
        Occlusion(models[2], window=(3,))
    with pytest.raises(ValueError, match="one entry per spatial axis, 1 here"):
        Occlusion(lambda x: tf.reduce_sum(x, axis=[1, 2]), window=(3, 3))(samples(1))


@pytest.mark.parametrize("kind", sorted(set(nets.KINDS) - {"masked_words"}))
def test_every_kind_of_model(kind):
    model = nets.build(kind)
    x = nets.inputs_for(model, 2)
    # All channels of the shared layer speak against its predicted class, which SISE shows as a blank map.
    target = {"two_outputs": ("kind", None), "dict_outputs": ("zebra", 1), "shared_layer": 1}.get(kind)
    for method, options in (("occlusion", {"window": 4, "stride": 4}), ("rise", {"n_masks": 4}), ("sise", {})):
        maps = kerasxai.explain(model, x, method, target=target, **options)
        keras.tree.assert_same_structure(maps, x)
        for one, values in zip(keras.tree.flatten(maps), keras.tree.flatten(x)):
            if values.ndim > 2:
                assert one.shape == values.shape[:-1] and np.isfinite(one).all() and one.any()
            else:
                assert one is None


@pytest.mark.parametrize("value", [300, -1, 127.6])
def test_what_the_type_of_the_input_does_not_have_is_refused(value):
    inputs = keras.Input((6, 5, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 1)).astype("uint8")
    with pytest.raises(ValueError, match="`baseline` must be made of values that the input's type uint8 has"):
        Occlusion(model, baseline=value)(x)
    with pytest.raises(ValueError, match="`fill` must be made of values"):
        kerasxai.explain(model, x, "lime", fill=value, segmentation=2)
    assert Occlusion(model, baseline=255)(x).shape == (2, 6, 5)


@pytest.mark.parametrize("given", [[1.0, 2.0], np.zeros((2, 8, 8, 2))])
def test_a_baseline_that_fits_no_sample_of_a_function_is_refused(given):
    with pytest.raises(ValueError, match=r"broadcast against one sample of shape \(8, 8, 3\)"):
        Occlusion(lambda x: x.mean(axis=(1, 2, 3)), baseline=given)(images(2, (8, 8, 3)))


def test_scores_that_are_no_numbers_are_told():
    explainer = Occlusion(lambda x: np.where(x[:, 0, 0, 0] > 0, 1.0, np.nan), window=4, stride=4)
    with pytest.warns(UserWarning, match="2 of 2 occlusion maps are not a number"):
        maps = explainer(np.ones((2, 8, 8, 1), "float32"))
    assert np.isnan(maps[:, :4, :4]).all()
