"""Ways from pixels to a model's input: formulas by hand, and what a model's first layers ask for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasxai.models.pixel_scaling import find_pixel_scaling, first_layers

PIXELS = np.random.default_rng(0).integers(0, 256, size=(5, 4, 3)).astype("float32")
IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
FORMULAS = {
    "none": lambda x: x,
    "0-1": lambda x: x / 255,
    "-1-1": lambda x: x / 127.5 - 1,
    "0.5/0.25": lambda x: (x / 255 - 0.5) / 0.25,
    "-0.1,0,0.1/1": lambda x: x / 255 - [-0.1, 0, 0.1],
    "0.485,0.456,0.406/0.229,0.224,0.225": lambda x: (x / 255 - IMAGENET_MEAN) / IMAGENET_STD,
    "torch": lambda x: (x / 255 - IMAGENET_MEAN) / IMAGENET_STD,
    "caffe": lambda x: x[..., ::-1] - [103.939, 116.779, 123.68],
    "standardize": lambda x: (x - x.mean()) / x.std(),
    "vgg16": lambda x: x[..., ::-1] - [103.939, 116.779, 123.68],
    "mobilenet_v2": lambda x: x / 127.5 - 1,
    "ResNet50V2": lambda x: x / 127.5 - 1,
}


def net(*first, shape=(8, 8, 3), name="mine"):
    return keras.Sequential(
        [keras.Input(shape), *first, layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)], name=name
    )


@pytest.mark.parametrize("name", FORMULAS)
def test_named_ways(name):
    given = PIXELS.copy()
    x = find_pixel_scaling(name, net())(given)
    assert x.dtype == "float32"
    np.testing.assert_allclose(x, FORMULAS[name](PIXELS), atol=2e-5, rtol=1e-5)
    np.testing.assert_array_equal(given, PIXELS)


def test_standardized_as_tensorflow_does():
    flat = np.full((5, 4, 3), 7, "float32")  # deviation 0
    for pixels in (PIXELS, flat):
        expected = tf.image.per_image_standardization(pixels)
        np.testing.assert_allclose(find_pixel_scaling("standardize", net())(pixels), expected, atol=1e-5)


def test_a_function_of_ones_own():
    assert (find_pixel_scaling(lambda pixels: pixels + 1, net())(PIXELS) == PIXELS + 1).all()
    with pytest.raises(ValueError, match=r"keep an image's shape \(5, 4, 3\). Received: \(1, 5, 4, 3\)"):
        find_pixel_scaling(lambda pixels: pixels[None], net())(PIXELS)


@pytest.mark.parametrize("how", ["bgr", "0.5", "0.5/0.5/0.5", 7, ""])
def test_unknown_ways_name_those_there_are(how):
    with pytest.raises(ValueError) as raised:
        find_pixel_scaling(how, net(), option="--preprocess")
    for name in ("--preprocess", "`0-1`", "`-1-1`", "`none`", "`MEAN/STD`", "`vgg16`", repr(how)):
        assert name in str(raised.value)


@pytest.mark.parametrize("how", ["0.5/0", "a/b", "0.5/-1", "nan/1", "/1"])
def test_mean_and_deviation_must_be_numbers(how):
    with pytest.raises(ValueError, match="MEAN/STD"):
        find_pixel_scaling(how, net())


def test_channels_must_fit():
    grey = PIXELS[..., :1]
    with pytest.raises(ValueError, match="one for each of the model's 1 channels"):
        find_pixel_scaling("0.1,0.2,0.3/1", net())(grey)
    for name in ("caffe", "torch", "vgg16"):
        with pytest.raises(ValueError, match="is for RGB images"):
            find_pixel_scaling(name, net())(grey)


def adapted(low, high):
    """A Normalization that has seen values of this range."""
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(low, high, size=(64, 8, 8, 3)).astype("float32"))
    return layer


def scaled_by_operations():
    inputs = keras.Input((8, 8, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(inputs)
    return keras.Model(inputs, layers.Flatten()(layers.Conv2D(2, 3)(x)))


def of_any_size():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def bgr_less_means():
    inputs = keras.Input((8, 8, 3))
    x = keras.applications.vgg16.preprocess_input(inputs)
    return keras.Model(inputs, layers.Flatten()(layers.Conv2D(2, 3)(x)))


SCALED_INSIDE = {
    "rescaling to 0..1": (lambda: net(layers.Rescaling(1 / 255)), "none"),
    "rescaling to -1..1": (lambda: net(layers.Rescaling(1 / 127.5, offset=-1)), "none"),
    "augmented, then rescaled": (lambda: net(layers.RandomFlip(), layers.Rescaling(1 / 255)), "none"),
    "rescaled, then cropped": (lambda: net(layers.Rescaling(1 / 255), layers.CenterCrop(6, 6)), "none"),
    "normalization of pixels": (lambda: net(adapted(0, 255)), "none"),
    "rescaled and normalized": (lambda: net(layers.Rescaling(1 / 255), adapted(0, 1)), "none"),
    "of any size": (lambda: of_any_size(), "none"),
    "nested": (lambda: keras.Sequential([keras.Input((8, 8, 3)), net(layers.Rescaling(1 / 255))]), "none"),
    "operations": (scaled_by_operations, "none"),
    "caffe's way": (bgr_less_means, "none"),
    "of pixels / 255": (lambda: net(layers.Rescaling(2.0, offset=-1)), "0-1"),
    "normalization of pixels / 255": (lambda: net(adapted(0, 1)), "0-1"),
}


@pytest.mark.parametrize("kind", SCALED_INSIDE)
def test_a_model_that_scales_by_itself_tells(kind):
    build, expected = SCALED_INSIDE[kind]
    scaling = find_pixel_scaling("auto", build())
    assert scaling.name == expected
    assert "the model itself scales" in scaling.meaning


DO_NOT_TELL = {
    "nothing": lambda: net(),
    "augmentation": lambda: net(layers.RandomFlip()),
    "batch normalization": lambda: net(layers.BatchNormalization()),
    "not adapted": lambda: net(layers.Normalization(mean=0.0, variance=1.0)),
    "normalization of -1..1": lambda: net(adapted(-1, 1)),
    "identity": lambda: net(layers.Rescaling(1.0)),
    "twice": lambda: net(layers.Rescaling(1 / 255), layers.Rescaling(1 / 255)),
}


@pytest.mark.parametrize("kind", DO_NOT_TELL)
def test_a_model_that_does_not_tell_is_asked_about(kind):
    with pytest.raises(ValueError, match=r"`0-1` .*`-1-1` .*`none` .*a division by 255 is `0-1`.*Received: auto"):
        find_pixel_scaling("auto", DO_NOT_TELL[kind]())


def test_a_subclassed_model_is_asked_about():
    class Mine(keras.Model):
        def call(self, x):
            return x

    assert first_layers(Mine()) == ([], None)
    with pytest.raises(ValueError, match="the model does not tell"):
        find_pixel_scaling("auto", Mine())


@pytest.mark.slow
def test_applications_are_found():
    base = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))
    assert find_pixel_scaling("auto", base).name == "mobilenet_v2"
    inputs = keras.Input((96, 96, 3))
    own = keras.Model(inputs, base(layers.Rescaling(1 / 127.5, offset=-1)(inputs)))
    assert find_pixel_scaling("auto", own).name == "none"
    inside = keras.applications.MobileNetV3Small(weights=None, input_shape=(96, 96, 3))
    assert (find_pixel_scaling("auto", inside)(PIXELS) == PIXELS).all()
    bare = keras.applications.MobileNetV3Small(weights=None, input_shape=(96, 96, 3), include_preprocessing=False)
    with pytest.raises(ValueError, match="the model does not tell"):
        find_pixel_scaling("auto", bare)


def test_the_model_is_not_changed():
    model = net(layers.Rescaling(1 / 255))
    nodes = [len(layer._inbound_nodes) for layer in model.layers]
    find_pixel_scaling("auto", model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes
