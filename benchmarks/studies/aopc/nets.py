"""The nets that are compared: of several widths, depths and lengths of training, or of ImageNet."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from benchmarks.studies.subjects import fitted, of_imagenet, photos
from benchmarks.study.digits import digits

SIZE = 32  # of the digits
# Top-1 accuracy on ImageNet's validation images, https://keras.io/api/applications
IMAGENET = {"VGG16": 0.713, "MobileNetV2": 0.713, "ResNet50": 0.749, "DenseNet121": 0.750, "InceptionV3": 0.779}


class Net(NamedTuple):
    """A net, and what it explains.

    Attributes:
        name: str.
        model: Keras model.
        x: Images as it takes them, the same ones for all nets.
        correct: For each test image whether it is predicted right; of ImageNet one number, the accuracy.
    """

    name: str
    model: Any
    x: np.ndarray
    correct: np.ndarray


def nets(work, settings):
    """The nets, one after another; the last is the one that explainers are compared under."""
    if settings.weights:
        for name, accuracy in work.each("net", IMAGENET.items()):
            model = of_imagenet(name, settings)
            x, _ = photos(model, settings)
            yield Net(name, model, x, np.array([accuracy]))
        return
    train, (x, y) = digits(SIZE)
    for blocks, width, epochs in work.each("net", settings.nets):
        for seed in work.each("seed", range(settings.seeds)):
            name = f"{blocks} blocks from {width}, {epochs} epochs, {seed + 1}"
            model = work.model(f"nets/{name}", lambda: fitted(digits_net(blocks, width), train, epochs))
            correct = np.argmax(model(x), axis=-1) == y
            yield Net(name, model, x[: settings.explained], correct)


def digits_net(blocks, width):
    """Blocks of a convolution and a pooling, each with twice the channels of the one before, and global pooling."""
    steps = [keras.Input((SIZE, SIZE, 1))]
    for filters in (width * 2**block for block in range(blocks)):
        steps.append(layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"))
        steps.append(layers.MaxPooling2D())
    return keras.Sequential([*steps[:-1], layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax")])


def cooled(model, temperature):
    """The same net with its logits divided by a temperature: its classes and their order stay, its confidence not.

    Args:
        model: Ends in a Dense layer with softmax.
        temperature: Above 1 less confident, below 1 more.
    """
    made = keras.models.clone_model(model)
    made.set_weights(model.get_weights())
    head = made.layers[-1]
    head.set_weights([weights / temperature for weights in head.get_weights()])
    return made
