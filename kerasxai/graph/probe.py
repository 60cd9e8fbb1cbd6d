"""Whether the units of a layer see the input where their maps would be put: asked of gradients.

Only for what cannot be read off a graph: models without one, and layers of the user's.
"""

import functools

import numpy as np
import tensorflow as tf

from kerasxai.graph.keras_internals import run_at_once

_PROBES = 5  # slabs of units along each axis
_SAMPLES = 2
_NOTHING = 1e-6  # a share of the largest gradient
_LARGEST_SLOPE, _SMALLEST_SLOPE = 1.25, -0.25  # of where units look over where they lie: 1 less what borders take
_LARGEST_ACROSS = 0.25  # of where units look along another axis


def check_places(activations_of, inputs, index, axes, name):
    """Refuses maps that would be put elsewhere than where the layer looks.

    Slabs of units along each axis are traced back to the input: each must see its own place, all together the whole of
    the part that is shown, and where they look must follow where they lie. What unpadded borders do to the centres
    passes, and mixing over all positions.

    Args:
        activations_of: Function of the flat list of inputs -> the layer's output.
        inputs: Flat list of tensors, of which shapes and types count.
        index: Which of them the maps are put on.
        axes: Function of the maps' spatial shape -> the `Axis` of each axis, None where it is none of the input's.
        name: The layer's, for the error.

    Raises:
        ValueError: It looks elsewhere.
    """
    with run_at_once():
        seen = _traced_back(activations_of, inputs, index, axes)
    for axis, places, masses in seen:
        if not _looks_at(axis, places, masses):
            raise ValueError(
                f"The maps of {name} cannot be put on the input: gradients show that its units look elsewhere than "
                "where they would be put, since what lies between moves positions (a crop, a flip, padding) inside a "
                "layer or model of your own. Name a layer before it with `layer=`, do the moving in layers of Keras in "
                "a functional model, use upsample=False for the layer's own resolution where the method has it, or "
                "use a gradient method (gradient_x_input, integrated_gradients)."
            )


def _traced_back(activations_of, inputs, index, axes):
    """For each axis of the maps: its `Axis`, the units probed, and the gradients of each, `(probes, *size)`."""
    shape = tuple(activations_of(_noise(inputs, 1)).shape)
    if len(shape) < 3:
        return []
    known = [(place, axis) for place, axis in enumerate(axes(shape[1:-1])) if axis is not None]
    units = {place: np.unique(np.linspace(0, shape[1 + place] - 1, _PROBES).round().astype(int)) for place, _ in known}
    masks = []
    for place, _ in known:
        for unit in units[place]:
            mask = np.zeros((*shape[1:-1], 1), np.float32)
            mask[(slice(None),) * place + (unit,)] = 1
            masks.append(mask)
    samples = [tf.tile(x, [len(masks), *[1] * (x.shape.rank - 1)]) for x in _noise(inputs, _SAMPLES)]

    @functools.partial(tf.function, autograph=False)
    def gradients_of(samples):  # by no tape, which would not record while what is compiled is being traced
        made = activations_of(samples)
        return tf.gradients(made * tf.cast(np.repeat(masks, _SAMPLES, axis=0), made.dtype), samples[index])[0]

    gradients = gradients_of(samples)
    if gradients is None:
        return []
    # Gradients of either sign look at a pixel alike; summed plainly they would cancel.
    gradients = np.abs(tf.cast(gradients, tf.float64).numpy()).sum(axis=-1)
    gradients = gradients.reshape(len(masks), _SAMPLES, *gradients.shape[1:]).sum(axis=1)
    ends = np.cumsum([len(units[place]) for place, _ in known])[:-1]
    return [(axis, units[place], part) for (place, axis), part in zip(known, np.split(gradients, ends))]


def _noise(inputs, samples):
    draws = np.random.default_rng(0)
    arrays = [draws.uniform(0, 1, (samples, *tensor.shape[1:])) for tensor in inputs]
    return [tf.cast(array, tensor.dtype) for array, tensor in zip(arrays, inputs)]


def _looks_at(axis, units, masses):
    """Whether units along an axis look at their own places; `masses` is what each of them sees, `(units, *size)`."""
    begin, width = float(axis.start), float(axis.unit)
    places = begin + width * (units + 0.5)
    others = tuple(place for place in range(1, masses.ndim) if place != axis.source + 1)
    along = masses.sum(axis=others)
    sees = along > _NOTHING * along.max(initial=0)
    alive = sees.any(axis=1) & (places >= float(axis.low)) & (places <= float(axis.high))
    if alive.sum() < 2:
        return True
    slack = abs(width) + 1
    pixels = np.arange(along.shape[1]) + 0.5
    seen = np.where(sees, pixels, np.nan)
    first, last = np.full(len(seen), np.nan), np.full(len(seen), np.nan)
    has_any = sees.any(axis=1)  # of nothing there is no smallest
    first[has_any], last[has_any] = np.nanmin(seen[has_any], axis=1), np.nanmax(seen[has_any], axis=1)
    if ((places < first - slack) | (places > last + slack))[alive].any():
        return False
    nearest, farthest = np.argmin(places), np.argmax(places)
    if alive[nearest] and np.nanmin(first) > float(axis.low) + slack:
        return False
    if alive[farthest] and np.nanmax(last) < float(axis.high) - slack:
        return False
    slopes = [_slope(places[alive], masses[alive], source) for source in range(masses.ndim - 1)]
    across = [abs(slope) for source, slope in enumerate(slopes) if source != axis.source]
    own = slopes[axis.source]
    return _SMALLEST_SLOPE <= own <= _LARGEST_SLOPE and max(across, default=0) < max(own, _LARGEST_ACROSS)


def _slope(places, masses, source):
    """How far the centre of what units see moves along an axis of the input while they move by one pixel."""
    along = masses.sum(axis=tuple(place for place in range(1, masses.ndim) if place != source + 1))
    centres = along @ np.arange(along.shape[1]) / along.sum(axis=1)
    return np.polyfit(places, centres, 1)[0]
