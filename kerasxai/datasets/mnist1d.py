"""MNIST-1D: 40-step signals of ten classes, each a distorted 12-point template; generated here, nothing is fetched.

Reference: Greydanus & Kobak, 2024, https://arxiv.org/abs/2011.14439; parameters and draws as in the package `mnist1d`.
"""

from __future__ import annotations

import functools

import numpy as np

SEED = 42
SAMPLES, TRAINING_SHARE = 5000, 0.8
LENGTH = 40
PADDING = (36, 60)  # zeros appended to a template, at least and at most
SCALE_SPREAD = 0.4
MAX_TRANSLATION = 48
CORRELATED_NOISE, WHITE_NOISE = 0.25, 0.02
NOISE_CORRELATION = 2  # sigma in steps
SHEAR = 0.75
OFFSET = 1e-8  # tells a template's own zeros from the padding's

# Height of each digit's stroke at twelve points.
TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The canonical MNIST-1D data set, the same at every call; takes about a second once per process.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32 signals `(4000, 40, 1)` and `(1000, 40, 1)`, mean 0 and
        standard deviation 1 over all, and int64 labels 0 to 9. Copies: change them as you like.

    Example:

    ```python
    (x_train, y_train), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    ```
    """
    signals, labels = _generate()
    split = int(SAMPLES * TRAINING_SHARE)
    x = signals[..., np.newaxis].astype("float32")
    return (x[:split], labels[:split].copy()), (x[split:], labels[split:].copy())


@functools.lru_cache(maxsize=1)
def _generate():
    """All signals `(5000, 40)` in float64 and their labels, shuffled."""
    random = np.random.RandomState(SEED)
    templates = np.array(TEMPLATES, dtype=float)
    templates -= templates.mean(axis=1, keepdims=True)
    templates /= templates.std(axis=1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6.0  # a stroke starts at 0
    labels = np.repeat(np.arange(len(templates)), SAMPLES // len(templates))
    signals = np.stack([_distorted(templates[label], random) for label in labels])
    order = random.permutation(len(labels))
    signals = signals[order]
    return (signals - signals.mean()) / signals.std(), labels[order]


def _distorted(template, random):
    """One sample. The order of the draws is part of the data set."""
    zeros = PADDING[0] + int(random.rand() * (PADDING[1] - PADDING[0] + 1))
    signal = _stretched(np.concatenate([template + OFFSET, np.zeros(zeros)]), len(template) + PADDING[1])
    signal *= 1.0 + SCALE_SPREAD * (random.rand() - 0.5)
    signal = np.roll(signal, random.choice(MAX_TRANSLATION))
    background = _smooth(CORRELATED_NOISE * random.randn(len(signal)))
    signal = np.where(signal != 0, signal, background) + WHITE_NOISE * random.randn(len(signal))
    signal -= SHEAR * (random.rand() - 0.5) * np.linspace(-0.5, 0.5, len(signal))
    return _stretched(signal, LENGTH)


def _stretched(signal, length):
    return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(signal)), signal)


def _smooth(noise):
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(noise, NOISE_CORRELATION)
