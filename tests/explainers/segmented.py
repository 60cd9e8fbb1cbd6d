"""What the surrogates are tested on."""

import keras

from tests.support.truth import images

SIGNALS = images(3, (24, 2), seed=4)


def signal_net():
    """Probabilities that hang on products of segments."""
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [
            keras.Input((24, 2)),
            keras.layers.Conv1D(6, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(3, activation="softmax", kernel_initializer="random_normal"),
        ]
    )
