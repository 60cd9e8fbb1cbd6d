"""Independent truth for the tests of methods: small nets, and their activations and gradients by sub-model and tape.

Nothing here calls the package.
"""

import keras
import numpy as np
import tensorflow as tf


def assert_same(actual, expected, rtol=1e-4, atol=1e-5):
    """Equal up to float32 rounding; `atol` is in units of the largest value. Refuses an expectation of one value."""
    expected = np.asarray(expected)
    assert np.ptp(expected) > 0, "an expectation of one value cannot tell right from wrong"
    assert np.shape(actual) == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol * np.abs(expected).max())


def images(samples, shape, seed=0):
    """Random inputs in 0 ... 1."""
    return np.random.default_rng(seed).uniform(size=(samples, *shape)).astype("float32")


def randomise(model, seed=0):
    """Gives every weight a random value, those of batch normalisation as after training; returns the model."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        if "variance" in weight.name or weight.name == "gamma":
            value = draw.uniform(0.5, 2.0, weight.shape)
        elif weight.name in ("bias", "beta", "moving_mean", "mean"):
            value = draw.normal(0.0, 0.3, weight.shape)
        elif weight.name == "count":
            continue
        else:
            value = draw.normal(0.0, np.sqrt(2.0 / np.prod(weight.shape[:-1])), weight.shape)
        weight.assign(value)
    return model


def conv_net(size=(8, 10), kernel=3, pool=2, head=None, seed=219):
    """A net with the layers `early` (4 channels), `middle` (6) and `late` (8, signed, the default layer of a CAM).

    For the size (8, 10) `late` has 6 positions, fewer than channels; the others have more. With this seed the Grad-CAM
    maps of the classes 0, 3, 1 have both signs everywhere, and `images(3, ...)` is predicted 3, 3, 2.
    """
    rank = len(size)
    convolution, max_pooling = getattr(keras.layers, f"Conv{rank}D"), getattr(keras.layers, f"MaxPooling{rank}D")
    model = keras.Sequential(
        [
            keras.Input((*size, 3)),
            convolution(4, kernel, padding="same", activation="relu", name="early"),
            max_pooling(pool),
            convolution(6, kernel, padding="same", activation="relu", name="middle"),
            convolution(8, kernel, strides=pool, padding="same", activation="tanh", name="late"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(4, activation=head, name="classes"),
        ]
    )
    return randomise(model, seed)


def pooled_net(head=None, seed=3):
    """Two convolutions (the last is named `last`), global average pooling and one Dense layer."""
    model = keras.Sequential(
        [
            keras.Input((8, 10, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Conv2D(6, 3, activation="tanh", name="last"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation=head, name="classes"),
        ]
    )
    return randomise(model, seed)


def linear_net(shape):
    """`S_c = w_c x + b_c`, of 4 classes."""
    return randomise(keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(4)]), seed=2)


def linear_weights(model, classes):
    """`w` of each class of a `linear_net`, `(classes, *shape)`."""
    return model.layers[-1].kernel.numpy().T[classes].reshape(-1, *model.input_shape[1:])


def two_input_net():
    """Inputs `scan` (6, 6, 2) and `age` (3,), not in alphabetical order, joined by a product; 3 classes."""
    scan, age = keras.Input((6, 6, 2), name="scan"), keras.Input((3,), name="age")
    left = keras.layers.Dense(4, activation="tanh")(keras.layers.Flatten()(scan))
    right = keras.layers.Dense(4, activation="tanh")(age)
    joined = keras.layers.Concatenate()([keras.layers.Multiply()([left, right]), left, right])
    return randomise(keras.Model([scan, age], keras.layers.Dense(3)(joined)), seed=4)


def clone(model):
    """A copy with the same weights."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def logits_of(model):
    """A copy whose last layer has no softmax or sigmoid."""
    copy = clone(model)
    copy.layers[-1].activation = keras.activations.linear
    return copy


def predictions(model, x):
    """The model's outputs for `x` as an array."""
    return model(x, training=False).numpy()


def scores(model, x, classes):
    """The output of each sample's class."""
    return predictions(model, x)[np.arange(len(x)), classes]


def activations(model, layer, x):
    """A of a layer, from the sub-model that ends there."""
    return keras.Model(model.inputs[0], model.get_layer(layer).output)(x, training=False).numpy()


def activations_and_gradients(model, layer, x, classes):
    """A and G of a layer: the sub-model's output, and the gradient of each sample's class there."""
    both = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        activations, outputs = both(x, training=False)
        score = tf.gather(outputs, classes, batch_dims=1)
    return activations.numpy(), tape.gradient(score, activations).numpy()


def input_gradients(model, x, classes):
    """dS/dx of each sample's class."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        score = tf.gather(model(x, training=False), classes, batch_dims=1)
    return tape.gradient(score, x).numpy()


def gradients_at_inputs(model, inputs, classes):
    """dS/dx of each sample's class, for every one of several inputs."""
    tensors = [tf.constant(one) for one in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        score = tf.gather(model(tensors), classes, batch_dims=1)
    return [gradient.numpy() for gradient in tape.gradient(score, tensors)]


def resized(maps, size):
    """Maps `(samples, height, width)` through tf.image.resize (bilinear, half-pixel centres)."""
    return tf.image.resize(np.asarray(maps)[..., np.newaxis], size, method="bilinear").numpy()[..., 0]


def min_max(maps):
    """Each map scaled to 0 ... 1, a constant one 0."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)


def noise(shape, seed, draw, stream=0):
    """The documented draw number `draw` of the noise on input number `stream`."""
    return tf.random.stateless_normal(shape, [seed, draw * 16 + stream]).numpy()


def noisy(x, level, seed, draw, stream=0):
    """`x` plus its noise, whose deviation is `level` of each sample's range."""
    axes = tuple(range(1, x.ndim))
    spread = x.max(axis=axes, keepdims=True) - x.min(axis=axes, keepdims=True)
    return x + level * spread * noise(x.shape[1:], seed, draw, stream)


def blurred(x):
    """`(samples, *spatial, channels)` blurred: 11 taps of sigma 5, normalised, reflected without repeating the edge."""
    offsets = np.arange(-5, 6)
    taps = np.exp(-(offsets**2) / (2 * 5.0**2))
    taps /= taps.sum()
    for axis in range(1, x.ndim - 1):
        rows = np.moveaxis(x.astype("float64"), axis, -1)
        length = rows.shape[-1]
        out = np.zeros_like(rows)
        for position in range(length):
            for offset, tap in zip(offsets, taps):
                source = abs(position + offset)
                source = 2 * (length - 1) - source if source >= length else source
                out[..., position] += tap * rows[..., source]
        x = np.moveaxis(out, -1, axis)
    return x


def linear_model(shape, seed=1):
    """`score = sum of weight x input`, and the weights."""
    model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    randomise(model, seed)
    return model, model.get_weights()[0].reshape(shape)


def reads(position, shape):
    """`score = 3 x[position, channel 0]`."""
    model, weights = linear_model(shape)
    weights[:] = 0
    weights[(*position, 0)] = 3.0
    model.set_weights([weights.reshape(-1, 1)])
    return model
