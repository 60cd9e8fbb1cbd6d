"""Dropout layers: how much they drop, and along which axes together."""

from kerasxai.graph.kinds import kind_of, layers

_SPATIAL = layers("SpatialDropout*")


def dropped_share(operation):
    """The share of values a layer drops in training, 0 for what is no dropout."""
    return float(operation.rate) if kind_of(operation) in {"Dropout", *_SPATIAL} else 0.0


def mask_shape(operation, shape):
    """Shape of a dropout layer's mask for one sample of an output `(None, *shape)`."""
    if kind_of(operation) in _SPATIAL:
        return [*[1] * (len(shape) - 2), shape[-1]]
    noise_shape = operation.noise_shape or [None] * len(shape)
    return [size if wanted is None else wanted for size, wanted in zip(shape[1:], noise_shape[1:])]
