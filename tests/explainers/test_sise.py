"""SISE against a slow version written from its definition, and on models where the answer is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage.filters import threshold_otsu

import kerasxai
from kerasxai.explainers import SISE
from kerasxai.explainers.sise import otsu
from tests.support import nets, truth
from tests.support.truth import assert_same, conv_net, images, predictions, randomise

LAYERS = ("early", "middle", "late")  # the ends of the three blocks of `conv_net`
SIZES = {1: (24,), 2: (8, 10)}
CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def models():
    return {rank: conv_net(size, head="softmax", seed=229) for rank, size in SIZES.items()}


def samples(rank):
    return images(3, (*SIZES[rank], 3))


def resized(feature_map, size):
    """One map through tf.image.resize, a signal as an image of height one."""
    if len(size) == 1:
        return truth.resized(feature_map[None, None], (1, *size))[0, 0]
    return truth.resized(feature_map[None], size)[0]


def scaled(values):
    return (values - values.min()) / (np.ptp(values) or 1.0)


def naive_block(model, layer, x, target, is_selected):
    activations, gradients = truth.activations_and_gradients(model, layer, x[None], [target])
    means = gradients[0].reshape(-1, gradients.shape[-1]).mean(axis=0)
    total, count = np.zeros(x.shape[:-1]), 0
    for channel in np.flatnonzero(is_selected(means)):
        mask = scaled(resized(activations[0, ..., channel], x.shape[:-1]))
        if mask.any():
            score = predictions(model, (x * mask[..., None])[None].astype("float32"))[0, target]
            total += score * mask / mask.sum()
            count += 1
    return scaled(total), count


def naive_sise(model, x, target, is_selected):
    fused, *deeper = [naive_block(model, layer, x, target, is_selected)[0] for layer in LAYERS]
    for one in deeper:
        fused = (fused + one) * (one > threshold_otsu(one) if np.ptp(one) else 0.0)
    return fused


SELECTIONS = {
    0.0: lambda means: means > 0,
    0.4: lambda means: means > 0.4 * means.max(),
    "otsu": lambda means: means > (threshold_otsu(means[means > 0]) if (means > 0).sum() > 1 else 0),
}


@pytest.mark.slow
@pytest.mark.parametrize("mu", SELECTIONS)
@pytest.mark.parametrize("rank", [1, 2])
def test_the_definition(rank, mu, models):
    model, x = models[rank], samples(rank)
    explainer = SISE(model, mu=mu, batch_size=7)
    maps = explainer(x, target=CLASSES)
    assert maps.shape == x.shape[:-1] and maps.dtype == np.float32
    for row, target in enumerate(CLASSES):
        expected = naive_sise(model, x[row], target, SELECTIONS[mu])
        assert_same(maps[row], expected, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 2])
def test_selections_differ(rank, models):
    """Otherwise the test above could not tell them apart."""
    x = samples(rank)
    counts = [
        [naive_block(models[rank], layer, x[row], CLASSES[row], rule)[1] for row in range(3) for layer in LAYERS]
        for rule in SELECTIONS.values()
    ]
    assert len({tuple(count) for count in counts}) == 3
    assert np.mean(counts) > 1


def test_each_selected_feature_map_is_one_run():
    from tests.support.counting import Counting

    counting = Counting()
    model = keras.Sequential(
        [
            keras.Input((8, 10, 3)),
            counting,
            keras.layers.Conv2D(5, 3, activation="relu", name="only"),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    randomise(model, 4)
    x = samples(2)
    explainer = SISE(model, score="logit")
    explainer(x, target=1)
    counting.reset()
    explainer(x, target=1)
    runs = counting.samples
    _, gradients = truth.activations_and_gradients(model, "only", x, [1, 1, 1])
    selected = int((gradients.mean(axis=(1, 2)) > 0).sum())
    assert 0 < selected < 15
    assert runs == 3 + selected


def test_a_saturated_probability_blanks_nothing(models):
    """The gradient that chooses is that of the log-odds: where p is 1, of the logit's lead over the next best."""
    model, x = models[2], samples(2)
    sure = truth.clone(model)
    kernel, bias = sure.layers[-1].get_weights()
    sure.layers[-1].set_weights([kernel * 1e3, bias * 1e3])
    target = predictions(sure, x).argmax(axis=1)
    assert (predictions(sure, x).max(axis=1) == 1.0).all()
    maps = SISE(sure)(x)
    assert np.isfinite(maps).all() and (maps.reshape(3, -1).max(axis=1) > 0).all()
    logits = truth.logits_of(model)
    rivals = np.argsort(-predictions(logits, x), axis=1)[:, 1]
    explainer = SISE(sure, mu=0.5)
    _, gradients, _ = explainer._features([tf.constant(x)], 0, _target(target, explainer.scorer))
    for row in range(3):
        of_target, of_rival = (
            truth.activations_and_gradients(logits, "late", x[[row]], [one])[1].mean(axis=(1, 2))[0]
            for one in (target[row], rivals[row])
        )
        assert_same(gradients[-1][row] / 1e3, of_target - of_rival, rtol=1e-3, atol=1e-3)


def _target(classes, score):
    from kerasxai.targets import Target

    return Target(0, None, score.scale(), tf.constant(classes, tf.int32))


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_heads_of_one_unit(activation):
    """One sigmoid unit has two classes; one linear unit is its value."""
    model = keras.Sequential(
        [
            keras.Input((8, 10, 3)),
            keras.layers.Conv2D(5, 3, activation="tanh", name="only"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation=activation),
        ]
    )
    randomise(model, 4)
    x = samples(2)
    for target in (0, 1) if activation else (0,):
        maps = SISE(model)(x, target=target)
        sign = -1.0 if activation and target == 0 else 1.0
        for row in range(3):
            activations, gradients = truth.activations_and_gradients(model, "only", x[[row]], [0])
            expected = 0.0
            for channel in np.flatnonzero(sign * gradients.mean(axis=(0, 1, 2)) > 0):
                mask = scaled(resized(activations[0, ..., channel], (8, 10)))
                value = predictions(model, (x[row] * mask[..., None])[None].astype("float32"))[0, 0]
                expected = expected + (1 - value if sign < 0 else value) * mask / mask.sum()
            assert_same(maps[row], scaled(expected), atol=1e-4)


@pytest.mark.slow
def test_a_target_that_is_a_function(models):
    x = samples(2)
    by_function = SISE(models[2])(x, target=lambda outputs: outputs[:, 2])
    assert_same(by_function, SISE(models[2])(x, target=2), atol=1e-4)


def test_several_outputs_and_a_target_the_blocks_do_not_reach():
    inputs = keras.Input((8, 8, 2))
    first = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(inputs)
    outputs = [nets.head(first, name="kind"), keras.layers.Dense(1, name="raw")(keras.layers.Flatten()(inputs))]
    model = nets.randomise(keras.Model(inputs, outputs))
    x = nets.normals(2)
    alone = keras.Model(inputs, outputs[0])
    assert_same(SISE(model)(x, target=("kind", 1)), SISE(alone)(x, target=1))
    with pytest.raises(ValueError, match="no influence"):
        SISE(model)(x, target=lambda outputs: outputs[1][:, 0])
    with pytest.raises(ValueError, match="layer with spatial axes"):
        SISE(model)(x, target=("raw", None))


@pytest.mark.slow
def test_one_axis_is_two_with_a_height_of_one(models):
    signal = models[1]
    layers = [
        keras.Input((1, 24, 3)),
        keras.layers.Conv2D(4, (1, 3), padding="same", activation="relu"),
        keras.layers.MaxPooling2D((1, 2)),
        keras.layers.Conv2D(6, (1, 3), padding="same", activation="relu"),
        keras.layers.Conv2D(8, (1, 3), strides=(1, 2), padding="same", activation="tanh"),
        *[
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(4, activation="softmax"),
        ],
    ]
    image = keras.Sequential(layers)
    image.set_weights([one[None] if one.ndim == 3 else one for one in signal.get_weights()])
    x = samples(1)
    assert_same(SISE(image)(x[:, None])[:, 0], SISE(signal)(x), atol=1e-4)


def test_open_image_size():
    explainer = SISE(nets.build("free_size"))
    for size in ((8, 8), (6, 10)):
        maps = explainer(nets.normals(2, (*size, 2)))
        assert maps.shape == (2, *size) and maps.any()


def test_blank_maps_warn():
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()]
    )
    randomise(model)
    with pytest.warns(UserWarning, match="2 of 2 sise maps are all zero: no feature map"):
        maps = SISE(model)(images(2, (6, 6, 1)), target=lambda outputs: -tf.reduce_sum(outputs, axis=1))
    assert not maps.any()


def test_a_model_that_is_no_graph_is_refused():
    with pytest.raises(TypeError, match=r"Sequential or functional.*scores only \(occlusion"):
        SISE(lambda x: x)


@pytest.mark.slow
@pytest.mark.parametrize("given, own", [("float64", "float32"), ("float32", "float64"), ("float16", "float32")])
def test_an_input_of_another_precision_than_the_layers(given, own):
    def net(input_type, layer_type):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((8, 9, 2), dtype=input_type)
        x = keras.layers.Conv2D(4, 3, activation="relu", dtype=layer_type)(inputs)
        x = keras.layers.GlobalAveragePooling2D(dtype=layer_type)(x)
        return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", dtype=layer_type)(x))

    model, expected = net(given, own), net("float32", "float32")
    expected.set_weights(model.get_weights())
    x = images(2, (8, 9, 2)).astype("float16")
    for method in ("sise", "xrai", "integrated_gradients"):
        maps, wanted = (nets.quick(method, one)(x, target=1) for one in (model, expected))
        np.testing.assert_allclose(maps, wanted, rtol=0.02, atol=0.02 * np.abs(wanted).max())


# Otsu's threshold


@pytest.mark.parametrize("count", [12, 500])
def test_otsu_is_that_of_scikit_image(count):
    draws = np.random.default_rng(0)
    values = draws.normal(size=(6, count)) * draws.uniform(0.1, 5, (6, 1)) + 3 * (draws.uniform(size=(6, count)) > 0.6)
    values = values.astype("float32")
    np.testing.assert_allclose(otsu(tf.constant(values)), [threshold_otsu(row) for row in values], rtol=1e-5)
    counted = values > 0.1
    expected = [threshold_otsu(row[kept]) for row, kept in zip(values, counted)]
    np.testing.assert_allclose(otsu(tf.constant(values), tf.constant(counted)), expected, rtol=1e-5)


def test_otsu_of_equal_values_and_of_none():
    values = tf.constant([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]])
    assert otsu(values)[0] == 0
    assert otsu(values, tf.zeros_like(values, tf.bool)).numpy().tolist() == [0, 0]


# Real nets


def test_mnist1d(mnist1d):
    model, x, _ = mnist1d
    for mu in (0.0, "otsu"):
        maps = SISE(model, mu=mu)(x[:4])
        assert maps.shape == (4, 40) and np.isfinite(maps).all() and (maps.max(axis=1) > 0).all()


@pytest.mark.slow
def test_hmt(hmt_model, hmt_images):
    x = hmt_images(1)[:2]
    maps = SISE(hmt_model, mu="otsu")(x)
    assert maps.shape == (2, 224, 224) and np.isfinite(maps).all() and (maps.max(axis=(1, 2)) > 0).all()


@pytest.mark.applications
def test_resnet50():
    model = keras.applications.ResNet50(weights=None, input_shape=(96, 96, 3))
    x = images(2, (96, 96, 3))
    maps = kerasxai.explain(model, x, "sise", mu=0.7)
    assert maps.shape == (2, 96, 96) and np.isfinite(maps).all() and (maps.max(axis=(1, 2)) > 0).all()
