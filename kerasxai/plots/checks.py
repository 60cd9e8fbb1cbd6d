"""What may be drawn: images, signals, maps, titles and probabilities, checked and brought to one shape."""

import numpy as np

from kerasxai.classes import of_every_class
from kerasxai.heatmap import to_heatmap
from kerasxai.options import is_number, shown


def image_batch(images):
    """Images as (N, H, W, C) in their own type, and whether one image without a batch axis was given."""
    images = numbers(images, "images")
    shape = images.shape
    if images.ndim == 2 or (images.ndim == 3 and shape[-1] not in (1, 3)):
        images = images[..., np.newaxis]
    is_single = images.ndim == 3
    if is_single:
        images = images[np.newaxis]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in shape:
        raise ValueError(
            "`images` must have shape (N, H, W, C) with C 1 or 3, (N, H, W), or (H, W, C) for one image, "
            f"and must not be empty. Received: images of shape {shape}. Put channels last and pick one or three."
        )
    return images, is_single


def signal_batch(signals, maps):
    """Signals as (N, T, C), and whether one signal without a batch axis was given."""
    signals = numbers(signals, "signals")
    shape = signals.shape
    is_single = signals.ndim == 1 or (
        signals.ndim == 2 and (shape[1] == 1 or np.shape(maps) in [shape[:1], (1, shape[0])])
    )
    if signals.ndim == 1 or (signals.ndim == 2 and not is_single):
        signals = signals[..., np.newaxis]
    if is_single:
        signals = signals[np.newaxis]
    if signals.ndim != 3 or signals.shape[1] < 2 or 0 in shape:
        raise ValueError(
            "`signals` must have shape (N, T, C) or (N, T), or (T, C) or (T,) for one signal, with T of at least 2, "
            f"and must not be empty. Received: signals of shape {shape}. Put the channels last."
        )
    return signals, is_single


def sample_batch(samples):
    """Images (N, H, W, C) or signals (N, T, C), as they are."""
    samples = numbers(samples, "samples")
    if not is_drawable(samples.shape):
        raise ValueError(
            "`samples` must be images (N, H, W, C) with C 1 or 3, or signals (N, T, C) with T of at least 2, and must "
            f"not be empty. Received: samples of shape {samples.shape}. Add a channel axis to what has none: "
            "samples[..., None]."
        )
    return samples


def is_drawable(shape):
    """Whether an array of this shape holds images with one or three channels, or signals."""
    if len(shape) == 4:
        return shape[-1] in (1, 3) and 0 not in shape
    return len(shape) == 3 and shape[1] > 1 and 0 not in shape


def map_batch(maps, samples, samples_name="samples", is_single=False, reduce="sum", name="maps"):
    """Maps as float64 (N, *spatial), matched with the samples (N, *spatial, C)."""
    maps = numbers(maps, name).astype("float64")
    shape, expected = maps.shape, samples.shape[:-1]
    if is_single and shape != expected and shape[:-1] != expected:
        maps = maps[np.newaxis]
    if maps.shape != expected and maps.shape[:-1] != expected:
        raise ValueError(
            f"`{name}` must have shape {expected}, or that and a channel axis, to match `{samples_name}` of shape "
            f"{samples.shape}. Received: maps of shape {shape}. Pass one map for each sample; compute maps that have "
            "their layer's resolution with `upsample=True`, or resize them; of several targets pass one at a time."
        )
    if maps.shape != expected:
        maps = to_heatmap(maps, reduce=reduce)
    return maps


def probability_rows(probabilities):
    """Probabilities as float64 (N, classes); one column, of a sigmoid unit, becomes two classes."""
    rows = np.atleast_2d(numbers(probabilities, "probabilities").astype("float64"))
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(
            "`probabilities` must have shape (N, classes), (N, 1) of a sigmoid unit, or (classes,) for one sample, "
            f"and must not be empty. Received: shape {np.shape(probabilities)}."
        )
    return of_every_class(rows)


def texts(values, count, name, each):
    """A list of `count` texts, empty ones for None."""
    if values is None:
        return [""] * count
    if isinstance(values, str):
        values = [values]
    if len(values := list(map(str, values))) != count:
        raise ValueError(
            f"`{name}` must give one text for each {each}, {count} in all. Received: {len(values)}. "
            "Pass a list of this length, or None."
        )
    return values


def names_of_classes(class_names, classes):
    """A name for each class: the given one, or "class 3"."""
    if class_names is None:
        return [f"class {index}" for index in range(classes)]
    return texts(class_names, classes, "class_names", "class")


def numbers(values, name):
    """An array of real numbers in its own type."""
    try:
        values = np.asarray(values)
        values.astype("float64")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be one array of numbers, all samples of one shape. Received: {type(values).__name__} "
            f"({error}). Stack equal shapes with np.stack, or draw them one at a time."
        ) from error
    return values


def check_count(value, name, least=1):
    """Refuses what is no whole number of at least `least`."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}. Received: {name}={shown(value)}.")


def check_opacity(alpha):
    """Refuses what is no opacity."""
    if not is_number(alpha) or not 0 <= alpha <= 1:
        raise ValueError(
            f"`alpha` must be an opacity, from 0 (bare image) to 1. Received: alpha={shown(alpha)}. Try 0.5."
        )
