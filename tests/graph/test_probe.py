"""Maps behind moves that no graph shows: refused where gradients say that they would lie elsewhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from tests.support import nets

SIZE = (16, 20, 2)
MOVES = {
    "crop": lambda x: x[:, 8:],
    "crop the end": lambda x: x[:, :, :12],
    "centre crop": lambda x: x[:, 4:-4, 5:-5],
    "flip": lambda x: tf.reverse(x, [1]),
    "transpose": lambda x: tf.transpose(x, [0, 2, 1, 3]),
    "pad": lambda x: tf.pad(x, [[0, 0], [8, 8], [8, 8], [0, 0]]),
    "roll": lambda x: tf.roll(x, 7, axis=2),
}
STILL = {
    "nothing": lambda x: x,
    "resize": lambda x: tf.image.resize(x, (9, 30)),
    "rolled and back": lambda x: tf.roll(x, 7, axis=2) * tf.roll(tf.roll(x, 7, axis=2), -7, axis=2),
    "less the mean": lambda x: x - tf.reduce_mean(x, axis=[1, 2], keepdims=True),
    "black border": lambda x: tf.pad(x[:, 1:-1, 1:-1], [[0, 0], [1, 1], [1, 1], [0, 0]]),
}


class Own(layers.Layer):
    """Does more than move, so that no run on positions tells what."""

    def __init__(self, move):
        super().__init__()
        self.move = move
        self.conv = layers.Conv2D(2, 3, padding="same")

    def call(self, x):
        return self.conv(self.move(x))


class Subclassed(keras.Model):
    def __init__(self, move, *rest):
        super().__init__()
        self.move, self.rest = move, rest

    def call(self, x):
        x = self.move(x)
        for layer in self.rest:
            x = layer(x)
        return x


def rest(*convolutions):
    return [*convolutions, layers.Conv2D(3, 3, activation="relu", name="late"), layers.GlobalAveragePooling2D()]


def functional(move, *convolutions):
    x = inputs = keras.Input(SIZE)
    for layer in [Own(move), *rest(*convolutions), layers.Dense(2)]:
        x = layer(x)
    return nets.randomise(keras.Model(inputs, x))


def subclassed(move, *convolutions):
    model = Subclassed(move, *rest(*convolutions), layers.Dense(2))
    model(data(1))
    return nets.randomise(model)


def data(samples=2):
    return np.random.default_rng(0).uniform(0, 1, (samples, *SIZE)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("build", [functional, subclassed])
def test_a_move_that_no_graph_shows_is_refused(build, move):
    model = build(MOVES[move])
    for method in ("grad_cam", "score_cam"):
        with pytest.raises(ValueError, match="look elsewhere"):
            kerasxai.explain(model, data(), method, layer="late")
    maps = kerasxai.explain(model, data(), "grad_cam", layer="late", upsample=False)
    assert maps.shape[0] == 2


@pytest.mark.sweep
@pytest.mark.parametrize("move", STILL)
@pytest.mark.parametrize("build", [functional, subclassed])
def test_what_moves_nothing_is_stretched_as_ever(build, move):
    model = build(STILL[move])
    own = kerasxai.explain(model, data(), "grad_cam", layer="late", upsample=False)
    maps = kerasxai.explain(model, data(), "grad_cam", layer="late")
    np.testing.assert_allclose(maps, tf.image.resize(own[..., None], SIZE[:2])[..., 0], atol=1e-5 * own.max())


DEEP = {
    "no padding": lambda: [layers.Conv2D(3, 3, activation="relu") for _ in range(5)],
    "strides": lambda: [layers.Conv2D(3, 5, strides=2, activation="relu"), layers.MaxPooling2D(2, padding="same")],
    "global context": lambda: [layers.Conv2D(3, 3, padding="same"), layers.LayerNormalization(axis=(1, 2, 3))],
    "wide": lambda: [layers.Conv2D(3, 3, padding="same", dilation_rate=3, activation="relu") for _ in range(3)],
}


@pytest.mark.sweep
@pytest.mark.parametrize("steps", DEEP)
@pytest.mark.parametrize("build", [functional, subclassed])
def test_ordinary_layers_pass(build, steps):
    maps = kerasxai.explain(build(STILL["nothing"], *DEEP[steps]()), data(), "grad_cam", layer="late", relu=False)
    assert maps.shape == (2, *SIZE[:2]) and np.abs(maps).max() > 0
