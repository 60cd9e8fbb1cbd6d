"""Control rows: maps that know nothing of the model. A metric that does not tell an explainer from them says little."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kerasxai.spatial import resize
from kerasxai.typing import Array

SMOOTH_SIZE = 7  # positions along each axis of a smooth random map before it is resized


def control_maps(x: Array, seed: int = 0) -> dict[str, np.ndarray]:
    """Maps that know nothing of a model, for samples: what an explainer must beat.

    Args:
        x: Array `(samples, *spatial, channels)`.
        seed: Seed of the random ones, which are the same for every sample's place in `x`.

    Returns:
        Dict name -> float32 `(samples, *spatial)`: `random` (independent uniform values), `smooth_random` (the same on
        a coarse grid, resized), `centre` (nearness to the centre), `edges` (size of the input's own gradient).

    Example:

    ```python
    controls = kerasxai.evaluators.control_maps(images)
    kerasxai.evaluators.Deletion()(model, images, controls["random"]).summary()
    ```
    """
    samples = np.asarray(x)
    spatial = samples.shape[1:-1]
    return {
        "random": _draws(samples, spatial, seed),
        "smooth_random": _smooth(samples, seed),
        "centre": np.broadcast_to(_centre(spatial), samples.shape[:-1]).copy(),
        "edges": _edges(samples),
    }


def _draws(x, size, seed):
    # From (seed, sample) each, so that a sample's map does not depend on how many others there are.
    return np.stack([np.random.default_rng([seed, index]).random(size, np.float32) for index in range(len(x))])


def _smooth(x, seed):
    size = tuple(min(SMOOTH_SIZE, length) for length in x.shape[1:-1])
    return resize(tf.constant(_draws(x, size, seed)), x.shape[1:-1]).numpy()


def _centre(spatial):
    # By the side, so that the corners of an image of any shape are alike.
    distances = [np.abs(np.arange(length) - (length - 1) / 2) / max(length, 2) for length in spatial]
    grid = np.meshgrid(*distances, indexing="ij")
    return (1 - np.sqrt(sum(np.square(distance) for distance in grid))).astype(np.float32)


def _edges(x):
    total = np.zeros(x.shape[:-1], np.float32)
    for axis in range(1, x.ndim - 1):
        if x.shape[axis] > 1:
            total += np.square(np.gradient(x.astype(np.float32), axis=axis)).sum(axis=-1)
    return np.sqrt(total)
