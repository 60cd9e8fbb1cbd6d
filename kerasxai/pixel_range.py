"""Whether a net is evidently given pixels 0..255 where it was trained on smaller values: said once for each model."""

import warnings
import weakref

import keras
import numpy as np
import tensorflow as tf

_LOOKED_AT = 8  # samples
_SURE = 0.95  # mean probability of the predicted class, above which a net is saturated
# Share of the probability that divided samples move from where black puts it, of what guessing leaves to be moved:
# 1 - 1/classes. In 100 small nets on digits and tiles it was below 0.14 where they were trained on pixels 0..255, and
# mostly above 0.4 where they were trained on values in 0..1 or -1..1.
_FAR = 0.4
_told: weakref.WeakSet = weakref.WeakSet()


def warn_of_pixels(model, graph, inputs):
    """Warns if a classifier of images is sure of every sample, and if its samples / 255 are not all black to it.

    To a net for pixels 0..255, or one with its own rescaling, an image divided by 255 is black. One that tells such
    images apart was trained on them, and what it says of 0..255 is saturated, and its maps with it.

    Args:
        model: The user's model; nothing is said of a function.
        graph: Its ModelGraph or OpaqueModel.
        inputs: Flat list of tensors, the first batch.
    """
    if len(inputs) != 1 or not isinstance(model, keras.Model) or model in _told or not _are_pixels(inputs[0]):
        return
    _told.add(model)
    x = tf.cast(inputs[0][:_LOOKED_AT], tf.float32)
    plain, divided, black = (_probabilities(graph, values) for values in (x, x / 255, tf.zeros_like(x[:1])))
    if plain is None or divided is None or black is None:
        return
    moved = np.abs(divided - black).sum(axis=-1).mean() / 2
    if plain.max(axis=-1).mean() > _SURE and moved > _FAR * (1 - 1 / plain.shape[-1]):
        warnings.warn(
            f"`x` holds values up to {float(tf.reduce_max(x)):.0f}, of which the model {model.name!r} is "
            f"{plain.max(axis=-1).mean():.1%} sure on average, and it tells them apart when divided by 255. Was it "
            "trained on values in 0..1 or -1..1? Then scale `x` likewise; "
            "kerasxai.load_images(paths, model, preprocess) does.",
            stacklevel=4,
        )


def _are_pixels(tensor):
    """Whether a tensor looks like images 0..255, one or three channels deep."""
    if tensor.shape.rank != 4 or tensor.shape[-1] not in (1, 3):
        return False
    x = tf.cast(tensor[:_LOOKED_AT], tf.float32)
    low, high = float(tf.reduce_min(x)), float(tf.reduce_max(x))
    return low >= 0 and 100 < high <= 255


def _probabilities(graph, x):
    """Probabilities of the classes `(samples, classes)`; None where the model returns none."""
    outputs, _ = graph.run([x])
    if len(outputs) != 1 or outputs[0].shape.rank != 2:
        return None
    values = np.asarray(tf.cast(outputs[0], tf.float32))
    if values.min() < 0 or values.max() > 1:
        return None
    if values.shape[-1] == 1:
        return np.concatenate([1 - values, values], axis=-1)
    return values if np.allclose(values.sum(axis=-1), 1, atol=1e-2) else None
