"""B-LRP against percentiles over nets whose dropout is written into the weights by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai.explainers import LRP, BayesianLRP
from tests.support import nets
from tests.support.truth import assert_same, noisy

IMAGE, UNITS = (6, 5, 2), 4
X = nets.normals(3, IMAGE)
DRAWS, SEED = 7, 3


def kept(index, shape, share, stream=0):
    """The documented mask of a draw, scaled to keep the mean."""
    uniform = tf.random.stateless_uniform(shape, [SEED, index * 1024 + stream]).numpy()
    return (uniform >= share) / (1 - share)


def net(*dropouts):
    """Convolution, pooling, Dense; `dropouts` stand after the pooling."""
    model = Sequential(
        [
            Input(IMAGE),
            layers.Conv2D(UNITS, 3, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(name="gap"),
            *dropouts,
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )
    return nets.randomise(model)


def of_draws(model, masks, rules="zero", percentiles=(5, 25, 50, 75, 95)):
    """Percentiles of LRP maps of a net whose head has its rows scaled by each draw's mask."""
    plain = net()
    explainer, maps = LRP(plain, rules=rules), []
    for mask in masks:
        *features, kernel, bias = model.get_weights()
        plain.set_weights([*features, kernel * mask[:, None], bias])
        maps.append(explainer(X, target=1))
    assert np.std(maps, axis=0).max() > 0
    return np.moveaxis(np.percentile(maps, percentiles, axis=0), 0, 1)


def b_lrp(model, rules="zero", **options):
    return BayesianLRP(model, rules=rules, **{"n_samples": DRAWS, "seed": SEED, **options})


def test_draws_of_a_dropout_layer():
    model = net(layers.Dropout(0.4))
    expected = of_draws(model, [kept(index, [UNITS], 0.4) for index in range(DRAWS)])
    maps = b_lrp(model)(X, target=1)
    assert maps.shape == (3, 5, *IMAGE)
    assert_same(maps, expected, rtol=1e-3)
    assert (np.diff(maps, axis=1) >= 0).all()


def test_two_layers_draw_apart():
    model = net(layers.Dropout(0.4), layers.Dropout(0.2))
    masks = [kept(index, [UNITS], 0.4) * kept(index, [UNITS], 0.2, stream=1) for index in range(DRAWS)]
    assert_same(
        b_lrp(model, percentiles=[0, 50, 100])(X, target=1), of_draws(model, masks, percentiles=[0, 50, 100]), 1e-3
    )


@pytest.mark.parametrize("layer", [layers.SpatialDropout2D, layers.Dropout])
def test_whole_channels_are_dropped(layer):
    """By the layer, or by a noise shape."""
    options = {"noise_shape": (None, 1, 1, UNITS)} if layer is layers.Dropout else {}
    model = nets.randomise(
        Sequential(
            [
                Input(IMAGE),
                layers.Conv2D(UNITS, 3, activation="relu", name="conv"),
                layer(0.4, **options),
                layers.GlobalAveragePooling2D(name="gap"),
                layers.Dense(3, activation="softmax", name="head"),
            ]
        )
    )
    masks = [kept(index, [1, 1, UNITS], 0.4)[0, 0] for index in range(DRAWS)]
    assert_same(b_lrp(model)(X, target=1), of_draws(model, masks), rtol=1e-3)


@pytest.mark.slow
def test_a_rate_of_nothing_draws_the_same_again_and_again():
    model = net(layers.Dropout(1e-9))
    maps = b_lrp(model, rules="epsilon_plus")(X)
    for percentile in range(5):
        assert_same(maps[:, percentile], LRP(model)(X))


@pytest.mark.slow
def test_noise_where_there_is_no_dropout():
    for model in (net(), net(layers.Dropout(0.0))):
        explainer = LRP(model, rules="epsilon")
        maps = [explainer(noisy(X, 0.2, SEED, index).astype("float32"), target=1) for index in range(DRAWS)]
        expected = np.moveaxis(np.percentile(maps, (5, 25, 50, 75, 95), axis=0), 0, 1)
        assert_same(b_lrp(model, rules="epsilon", noise_level=0.2)(X, target=1), expected, rtol=1e-3)


@pytest.mark.slow
def test_seeds_and_batches():
    model = net(layers.Dropout(0.4))
    explainer = b_lrp(model)
    maps = explainer(X)
    np.testing.assert_array_equal(explainer(X), maps)
    np.testing.assert_array_equal(b_lrp(model)(X), maps)
    assert not np.allclose(b_lrp(model, seed=SEED + 1)(X), maps)
    for batch_size in (1, 2):
        assert_same(b_lrp(model, batch_size=batch_size)(X), maps)
    assert_same(explainer(X[1:2]), maps[1:2])
    assert explainer.trace_count == 1


def test_the_class_is_predicted_without_dropout():
    model = net(layers.Dropout(0.9))
    explainer = b_lrp(model)
    assert_same(explainer(X), explainer(X, target=model(X, training=False).numpy().argmax(axis=1)))


@pytest.mark.slow
def test_targets_and_configs():
    model = net(layers.Dropout(0.4))
    explainer = b_lrp(model, rules="epsilon_plus")
    ranked = np.argsort(-model(X, training=False).numpy(), axis=1)
    top = explainer(X, target="top2")
    assert top.shape == (3, 2, 5, *IMAGE)
    assert_same(top[:, 1], explainer(X, target=ranked[:, 1]))
    rebuilt = kerasxai.explainers.from_config(explainer.get_config(), model)
    np.testing.assert_array_equal(rebuilt(X), explainer(X))
    given = BayesianLRP(model, explainer=LRP(model, rules="epsilon_plus"), n_samples=DRAWS, seed=SEED)
    np.testing.assert_array_equal(given(X), explainer(X))
    with pytest.raises(ValueError, match=r"`explainer` must be an LRP.*Gradient"):
        BayesianLRP(model, explainer="gradient")


def test_a_normalisation_before_the_dropout():
    """Its folding into the head would be right only without masks between the two."""
    model = net(layers.BatchNormalization(), layers.Dropout(0.4))
    norm = model.layers[2]
    scale = norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    shift = norm.beta.numpy() - scale * norm.moving_mean.numpy()
    gap = keras.Model(model.inputs, model.get_layer("gap").output)(X).numpy()
    assert (np.abs(scale * gap + shift) > 1e-3).all()
    head, bias = model.layers[-1].get_weights()
    plain = net()
    explainer, maps = LRP(plain, rules="zero"), []
    for index in range(DRAWS):
        masked = head * kept(index, [UNITS], 0.4)[:, None]
        plain.set_weights([*model.get_weights()[:2], masked * scale[:, None], shift @ masked + bias])
        maps.append(explainer(X, target=1))
    expected = np.moveaxis(np.percentile(maps, (5, 25, 50, 75, 95), axis=0), 0, 1)
    assert_same(b_lrp(model)(X, target=1), expected, rtol=1e-2, atol=1e-3)
