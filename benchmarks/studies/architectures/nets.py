"""The nets of the report: narrowed and trained on digits, or whole, with the weights of ImageNet."""

import functools

import keras
import numpy as np

import kerasxai
from benchmarks.studies.subjects import fitted
from benchmarks.study import Refused
from benchmarks.study.digits import digits

FAMILIES = {
    "AlexNet": "AlexNet",
    "VGG-13": "VGG",
    "VGG-16": "VGG",
    "VGG-19": "VGG",
    "SqueezeNet 1.0": "SqueezeNet",
    "SqueezeNet 1.1": "SqueezeNet",
    "Inception V3": "Inception",
    "ResNet-50": "ResNet",
    "ResNet-101": "ResNet",
    "ResNet-152": "ResNet",
    "DenseNet-121": "DenseNet",
    "DenseNet-161": "DenseNet",
    "DenseNet-169": "DenseNet",
    "DenseNet-201": "DenseNet",
}
OURS = {
    "AlexNet": kerasxai.models.alexnet,
    "VGG-13": kerasxai.models.vgg13,
    "SqueezeNet 1.0": functools.partial(kerasxai.models.squeezenet, version="1.0"),
    "SqueezeNet 1.1": functools.partial(kerasxai.models.squeezenet, version="1.1"),
    "DenseNet-161": kerasxai.models.densenet161,
}
# Net -> constructor of Keras Applications, and its preprocessing.
APPLICATIONS = {
    "VGG-16": (keras.applications.VGG16, "vgg16"),
    "VGG-19": (keras.applications.VGG19, "vgg19"),
    "Inception V3": (keras.applications.InceptionV3, "inception_v3"),
    "ResNet-50": (keras.applications.ResNet50, "resnet"),
    "ResNet-101": (keras.applications.ResNet101, "resnet"),
    "ResNet-152": (keras.applications.ResNet152, "resnet"),
    "DenseNet-121": (keras.applications.DenseNet121, "densenet"),
    "DenseNet-169": (keras.applications.DenseNet169, "densenet"),
    "DenseNet-201": (keras.applications.DenseNet201, "densenet"),
}
CLASSES = 10
IMAGE_SIDE = 224  # of all whole nets, so that maps can be compared


def whole_nets(names):
    """Those that Keras has weights of."""
    return [name for name in names if name in APPLICATIONS]


def net_of(name, settings):
    if settings.weights:
        build, _ = APPLICATIONS[name]
        return build(weights=settings.weights, input_shape=(IMAGE_SIDE, IMAGE_SIDE, 3), include_top=True)
    train, _ = digits(settings.size, channels=3)
    return fitted(narrowed_net(name, settings), train, settings.epochs, rate=1e-3)


def narrowed_net(name, settings):
    shape = (settings.size, settings.size, 3)
    if name in OURS:
        return OURS[name](input_shape=shape, classes=CLASSES, width=settings.width)
    build, _ = APPLICATIONS[name]
    return narrowed(build(weights=None, input_shape=shape, classes=CLASSES), settings.width)


def narrowed(model, width):
    """The same net with a share of the channels of each layer, its classes apart."""

    def clone(layer):
        config = layer.get_config()
        for option in ("filters", "units"):
            if option in config and layer.name != model.layers[-1].name:
                config[option] = max(1, round(config[option] * width))
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=clone)


def images_of(name, model, settings):
    """The images explained, as the net takes them, and a function that gives its accuracy; None where unknown."""
    if settings.weights:
        if settings.images is None:
            raise Refused("--weights imagenet needs images to explain: give --images DIR.")
        images = kerasxai.load_images(settings.images, model, preprocess=APPLICATIONS[name][1])
        return images.x[: settings.explained], lambda: None
    _, (x, y) = digits(settings.size, channels=3)
    accuracy = lambda: float(np.mean(model.predict(x, batch_size=64, verbose=0).argmax(axis=-1) == y))
    return x[: settings.explained], accuracy
