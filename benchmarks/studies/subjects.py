"""What several studies explain: small nets that are trained here, and nets of ImageNet with the user's images."""

from benchmarks.study import Refused

BATCH = 32


def fitted(model, train, epochs, rate=4e-3):
    """The model, trained by Adam with a cosine schedule."""
    import keras

    x, y = train
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * -(-len(x) // BATCH))
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
    return model


def of_imagenet(name, settings):
    """The net of Keras Applications, for the images that the user gave."""
    import keras

    if settings.images is None:
        raise Refused("--weights imagenet explains your images. Give their folder: --images DIR.")
    try:
        return getattr(keras.applications, name)(weights=settings.weights)
    except Exception as error:  # Keras raises a bare one where there is no internet
        raise Refused(f"The weights of {name} could not be had: {error}") from error


def photos(model, settings):
    """The first of the user's images, as the net takes them, and as they are shown."""
    import kerasxai

    images = kerasxai.load_images(settings.images, model)
    return images.x[: settings.explained], images.pixels[: settings.explained]
