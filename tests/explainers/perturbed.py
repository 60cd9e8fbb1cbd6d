"""What occlusion and RISE are tested on."""

import numpy as np

from tests.support.truth import conv_net, images, predictions

SIZES = {1: (20,), 2: (8, 10)}
CLASSES = np.array([0, 3, 1])


def nets_of_both_ranks():
    """A net of either number of spatial axes, with probabilities that differ from position to position."""
    return {rank: conv_net(size, head="softmax") for rank, size in SIZES.items()}


def samples(rank):
    return images(3, (*SIZES[rank], 3))


def probabilities(model, x):
    return predictions(model, x)[np.arange(len(x)), CLASSES[: len(x)]]
