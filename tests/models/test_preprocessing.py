"""The `preprocess_input` of Keras Applications, found by layers or name, asked for otherwise."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasxai import models
from kerasxai.models.preprocessing import MODULES

# Constructor -> module, as Keras documents it.
QUICK = {
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "ResNet50": "resnet",
    "ResNet50V2": "resnet_v2",
    "Xception": "xception",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Small": "mobilenet_v3",
    "EfficientNetB0": "efficientnet",
    "EfficientNetV2B0": "efficientnet_v2",
    "ConvNeXtTiny": "convnext",
}
SLOW = {
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "DenseNet121": "densenet",
    "NASNetMobile": "nasnet",
    "MobileNetV3Large": "mobilenet_v3",
    "EfficientNetV2S": "efficientnet_v2",
}
NAMES = {
    "densenet121": "densenet",
    "densenet201": "densenet",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "mobilenet_1.00_224": "mobilenet",
    "mobilenet_0.25_128": "mobilenet",
    "mobilenetv2_1.00_224": "mobilenet_v2",
    "mobilenetv2_0.50_96": "mobilenet_v2",
    "NASNet": "nasnet",  # Keras 2
    "nasnet_mobile": "nasnet",
    "resnet50": "resnet",
    "resnet152": "resnet",
    "resnet101v2": "resnet_v2",
    "vgg16": "vgg16",
    "vgg19": "vgg19",
    "xception": "xception",
}
WITH_LAYERS_INSIDE = {
    "efficientnetb7": "efficientnet",
    "efficientnetv2-b3": "efficientnet_v2",
    "efficientnetv2-s": "efficientnet_v2",
    "MobileNetV3Large": "mobilenet_v3",
    "MobilenetV3small": "mobilenet_v3",  # Keras 2
    "convnext_tiny": "convnext",
    "convnext_xlarge": "convnext",
}


def function_of(module):
    return getattr(keras.applications, module).preprocess_input


def application(constructor, **options):
    options = {"weights": None, "include_top": False, "input_shape": (96, 96, 3), **options}
    return getattr(keras.applications, constructor)(**options)


def stub(name, *first):
    """A net without layers that anyone would know."""
    return keras.Sequential([keras.Input((8, 8, 3)), *first, layers.Conv2D(2, 3), layers.Flatten()], name=name)


def with_head(inputs, features):
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(features)))


def check_every_form(constructor, module):
    expected = function_of(module)
    net = application(constructor)
    base = keras.Model(net.inputs[0], net.outputs[0], name="renamed")
    assert models.find_preprocess_input(base) is expected
    assert models.find_preprocess_input(with_head(base.inputs[0], base.outputs[0])) is expected
    inputs = keras.Input((96, 96, 3))
    x = layers.RandomFlip()(inputs)
    assert models.find_preprocess_input(with_head(inputs, base(x))) is expected
    inputs = keras.Input((96, 96, 3))
    own = layers.Rescaling(1 / 127.5, offset=-1, name="my_rescaling")(inputs)
    with pytest.raises(ValueError, match=f"it prepares its input itself before the layers of {module}, by my_resc"):
        models.find_preprocess_input(with_head(inputs, base(own)))
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("constructor, module", QUICK.items())
def test_found_by_layers(constructor, module):
    check_every_form(constructor, module)


@pytest.mark.applications
@pytest.mark.parametrize("constructor, module", SLOW.items())
def test_found_by_layers_in_large_nets(constructor, module):
    check_every_form(constructor, module)


@pytest.mark.parametrize("name, module", NAMES.items())
def test_found_by_name(name, module):
    assert models.find_preprocess_input(stub(name)) is function_of(module)
    nested = keras.Sequential([keras.Input((8, 8, 3)), stub(name), layers.Dense(3)], name="mine")
    assert models.find_preprocess_input(nested) is function_of(module)
    assert models.find_preprocess_input(name) is function_of(module)


@pytest.mark.parametrize("name, module", WITH_LAYERS_INSIDE.items())
def test_found_by_name_where_the_layers_are_inside(name, module):
    assert models.find_preprocess_input(stub(name, layers.Rescaling(1 / 255))) is function_of(module)
    with pytest.raises(ValueError, match="include_preprocessing=False"):
        models.find_preprocess_input(stub(name))
    assert models.find_preprocess_input(name) is function_of(module)


@pytest.mark.parametrize("constructor", ["MobileNetV3Small", "ConvNeXtTiny"])
def test_nets_without_their_layers_are_asked_about(constructor):
    with pytest.raises(ValueError, match="include_preprocessing=False"):
        models.find_preprocess_input(application(constructor, include_preprocessing=False))


def test_every_module_and_constructor_of_keras_is_known():
    constructors = [name for name in dir(keras.applications) if name[0].isupper()]
    for constructor in constructors:
        assert models.find_preprocess_input(constructor) is not None
    modules = [
        name for name in dir(keras.applications) if hasattr(getattr(keras.applications, name), "preprocess_input")
    ]
    same_as_resnet = {"imagenet_utils", "resnet50"}
    assert set(modules) - same_as_resnet == set(MODULES)
    for module in MODULES:
        assert models.find_preprocess_input(module) is function_of(module)


@pytest.mark.slow
@pytest.mark.parametrize("build", ["vgg13", "vgg16_bn", "densenet161", "googlenet", "squeezenet"])
def test_nets_of_our_own_are_not_mistaken(build):
    net = getattr(models, build)(input_shape=(64, 64, 3), width=1 / 64)
    for name in (net.name, "functional"):
        renamed = keras.Model(net.inputs, net.outputs, name=name)
        with pytest.raises(ValueError, match=f"model '{name}' cannot be told: neither its layers nor its name.*vgg16,"):
            models.find_preprocess_input(renamed)


def test_preprocessing_written_into_the_model_is_seen():
    base = stub("mobilenetv2_1.00_224")
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, base(keras.applications.mobilenet_v2.preprocess_input(inputs)))
    with pytest.raises(ValueError, match="prepares its input itself"):
        models.find_preprocess_input(model)


def test_a_convolution_before_the_net_is_seen():
    base = application("MobileNetV2")
    inputs = keras.Input((96, 96, 1))
    model = with_head(inputs, base(layers.Conv2D(3, 1, name="grey_to_colour")(inputs)))
    with pytest.raises(ValueError, match="prepares its input itself before the layers of mobilenet_v2, by grey_to_co"):
        models.find_preprocess_input(model)


def test_two_nets_of_different_kinds():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Concatenate()([stub("vgg16")(inputs), stub("xception")(inputs)]))
    with pytest.raises(ValueError, match="nets of vgg16, xception"):
        models.find_preprocess_input(model)


def test_a_model_without_a_graph_is_asked_about():
    class Mine(keras.Model):
        def call(self, x):
            return x

    for model in (Mine(name="resnet50"), keras.Sequential([layers.Conv2D(2, 3)], name="resnet50")):
        with pytest.raises(ValueError, match=r"its input cannot be seen.*Give instead of the model"):
            models.find_preprocess_input(model)


def test_what_is_no_model():
    with pytest.raises(TypeError, match="`model` must be a keras"):
        models.find_preprocess_input(keras.applications.ResNet50)
    with pytest.raises(ValueError, match=r"like 'resnet50'.*convnext, densenet.*Received: 'resnet5'"):
        models.find_preprocess_input("resnet5")


def test_values_and_the_callers_array():
    pixels = np.random.default_rng(0).integers(0, 256, size=(2, 4, 4, 3)).astype("float32")
    kept = pixels.copy()
    caffe = models.preprocess_input(pixels, "resnet50")
    np.testing.assert_allclose(caffe, pixels[..., ::-1] - [103.939, 116.779, 123.68], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(models.preprocess_input(pixels, "mobilenet_v2"), pixels / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(models.preprocess_input(pixels, stub("efficientnetb0", layers.Rescaling(1))), pixels)
    np.testing.assert_array_equal(pixels, kept)
    whole = models.preprocess_input(kept.astype("uint8"), "resnet50")
    np.testing.assert_array_equal(whole, caffe)
    assert whole.dtype == np.float32


def test_images_that_are_scaled_already_are_refused():
    images = np.random.default_rng(0).uniform(size=(2, 4, 4, 3))
    for x in (images, 2 * images - 1):
        with pytest.raises(ValueError, match=r"`x` must hold values in 0..255"):
            models.preprocess_input(x, "vgg16")
    models.preprocess_input(np.zeros((1, 4, 4, 3)), "vgg16")  # black
    models.preprocess_input(np.ones((1, 4, 4, 3), "uint8"), "vgg16")


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"`x` must be RGB images.*\(2, 4, 4, 1\)"):
        models.preprocess_input(np.zeros((2, 4, 4, 1)), "vgg16")
