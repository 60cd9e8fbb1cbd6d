"""Images that several studies explain: digits that are at hand, and the user's own under a net of ImageNet."""

import numpy as np

from benchmarks.study import Refused

DIGITS_TRAINED = 1297  # of 1797; the others are for tests
BATCH = 32


def digits(size=32):
    """scikit-learn's digits, resized bilinearly: `(x, y)` to train, `(x, y)` to test, values 0..1."""
    import tensorflow as tf
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = tf.image.resize(x.reshape(-1, 8, 8, 1).astype("float32") / 16, (size, size)).numpy()
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:DIGITS_TRAINED], order[DIGITS_TRAINED:]
    return (x[train], y[train]), (x[test], y[test])


def fitted(model, train, epochs, rate=4e-3):
    """The model, trained by Adam with a cosine schedule."""
    import keras

    x, y = train
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def photos(settings, model, most):
    """The first of the user's images, as the net takes them, and as they are shown."""
    import kerasxai

    if settings.images is None:
        raise Refused("--weights imagenet explains your images. Give their folder: --images DIR.")
    images = kerasxai.load_images(settings.images, model)
    return images.x[:most], images.pixels[:most]


def of_imagenet(name):
    """The net of Keras Applications with its weights."""
    import keras

    try:
        return getattr(keras.applications, name)(weights="imagenet")
    except Exception as error:  # Keras raises a bare one where there is no internet
        raise Refused(f"The weights of {name} could not be had: {error}") from error
