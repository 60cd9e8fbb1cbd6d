"""The nets of the literature that Keras Applications lacks, untrained, and the preprocessing of those it has."""

from kerasxai.models.alexnet import alexnet, alexnet_64
from kerasxai.models.densenet import densenet161
from kerasxai.models.googlenet import googlenet
from kerasxai.models.preprocessing import find_preprocess_input, preprocess_input
from kerasxai.models.small import hmt_cnn, lenet5, mnist1d_cnn
from kerasxai.models.squeezenet import squeezenet
from kerasxai.models.vgg import vgg11, vgg13, vgg16_bn

__all__ = [
    "alexnet",
    "alexnet_64",
    "densenet161",
    "find_preprocess_input",
    "googlenet",
    "hmt_cnn",
    "lenet5",
    "mnist1d_cnn",
    "preprocess_input",
    "squeezenet",
    "vgg11",
    "vgg13",
    "vgg16_bn",
]


def __dir__():
    return __all__
