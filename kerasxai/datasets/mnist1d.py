"""MNIST-1D: 40-step signals of ten classes, each a distorted 12-point template; generated here, nothing is fetched.

Reference: Greydanus & Kobak, 2024, https://arxiv.org/abs/2011.14439; parameters and draws as in the package `mnist1d`.
"""

from __future__ import annotations

import functools

import numpy as np

from kerasxai.options import positive_integer

SEED = 42
TRAINING_SHARE = 0.8
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


def load_data(samples: int = 5000) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """MNIST-1D, by default the canonical data set, the same at every call; takes about a second once per process.

    Args:
        samples: Number of signals, as many of each class, four fifths of them for training; a multiple of 10. More
            are drawn by the same generator from the same seed: a larger set is another one, which holds some signals
            of the canonical set. Test on its own test part.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: float32 signals `(4000, 40, 1)` and `(1000, 40, 1)`, mean 0 and
        standard deviation 1 over all, and int64 labels 0 to 9. Copies: change them as you like.

    Raises:
        ValueError: `samples` is no positive multiple of 10.

    Example:

    ```python
    (x_train, y_train), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    ```
    """
    signals, labels, _ = _generate(_whole_classes(samples))
    train, test = _split(signals[..., np.newaxis].astype("float32"))
    train_labels, test_labels = _split(labels.copy())
    return (train, train_labels), (test, test_labels)


def template_masks(samples: int = 5000) -> tuple[np.ndarray, np.ndarray]:
    """Where the template lies in the signals of `load_data(samples)`: the positions whose value depends on it.

    All else is noise that says nothing of the class. What decides between classes may be a part of the template only.

    Args:
        samples: As given to `load_data`.

    Returns:
        `(train, test)`: bool `(4000, 40)` and `(1000, 40)`, in the order of the signals.

    Raises:
        ValueError: `samples` is no positive multiple of 10.

    Example:

    ```python
    _, (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    _, masks = kerasxai.datasets.mnist1d.template_masks()
    print(kerasxai.evaluators.RelevanceMass()(
        kerasxai.models.mnist1d_cnn(), x_test[:9], explainer="gradient", masks=masks[:9]
    ).summary())
    ```
    """
    *_, masks = _generate(_whole_classes(samples))
    return _split(masks.copy())


def _whole_classes(samples):
    if positive_integer("samples", samples) % len(TEMPLATES):
        raise ValueError(f"`samples` must be a multiple of {len(TEMPLATES)}. Received: samples={samples}.")
    return int(samples)


def _split(array):
    count = int(len(array) * TRAINING_SHARE)
    return array[:count], array[count:]


@functools.lru_cache(maxsize=1)
def _generate(samples):
    """All signals `(samples, 40)` in float64, their labels and where their templates lie, shuffled."""
    random = np.random.RandomState(SEED)
    templates = np.array(TEMPLATES, dtype=float)
    templates -= templates.mean(axis=1, keepdims=True)
    templates /= templates.std(axis=1, keepdims=True)
    templates = (templates - templates[:, :1]) / 6.0  # a stroke starts at 0
    labels = np.repeat(np.arange(len(templates)), samples // len(templates))
    signals, masks = map(np.stack, zip(*[_distorted(templates[label], random) for label in labels]))
    order = random.permutation(len(labels))
    signals = signals[order]
    return (signals - signals.mean()) / signals.std(), labels[order], masks[order]


def _distorted(template, random):
    """One sample, and where its template lies. The order of the draws is part of the data set."""
    zeros = PADDING[0] + int(random.rand() * (PADDING[1] - PADDING[0] + 1))
    signal = _stretched(np.concatenate([template + OFFSET, np.zeros(zeros)]), len(template) + PADDING[1])
    signal *= 1.0 + SCALE_SPREAD * (random.rand() - 0.5)
    signal = np.roll(signal, random.choice(MAX_TRANSLATION))
    is_template = signal != 0
    background = _smooth(CORRELATED_NOISE * random.randn(len(signal)))
    signal = np.where(is_template, signal, background) + WHITE_NOISE * random.randn(len(signal))
    signal -= SHEAR * (random.rand() - 0.5) * np.linspace(-0.5, 0.5, len(signal))
    return _stretched(signal, LENGTH), _stretched(is_template.astype(float), LENGTH) > 0


def _stretched(signal, length):
    return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(signal)), signal)


def _smooth(noise):
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(noise, NOISE_CORRELATION)
