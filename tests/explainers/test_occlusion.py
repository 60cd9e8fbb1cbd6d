"""Occlusion against slow NumPy loops over windows."""

import itertools

import keras
import numpy as np
import pytest

from kerasxai.explainers import RISE, Occlusion
from tests.explainers.perturbed import CLASSES, nets_of_both_ranks, probabilities, samples
from tests.support.truth import assert_same, blurred, images, linear_model, logits_of


@pytest.fixture(scope="module")
def models():
    return nets_of_both_ranks()


def covered_by(size, window, stride):
    """The bool masks of all windows, by the words of the definition."""
    axes = []
    for side, width, step in zip(size, window, stride):
        axis = [0]
        while axis[-1] + width < side:
            axis.append(axis[-1] + step)
        axes.append([(start, start + width) for start in axis])
    for spans in itertools.product(*axes):
        mask = np.zeros(size, bool)
        mask[tuple(slice(*span) for span in spans)] = True
        yield mask


def assert_same_falls(maps, expected):
    """Falls of a probability: differences of numbers that are near 1 in float32."""
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=5e-7)


def naive_occlusion(model, x, window, stride, fill):
    clean, total, count = probabilities(model, x), np.zeros(x.shape[:-1]), np.zeros(x.shape[1:-1])
    for mask in covered_by(x.shape[1:-1], window, stride):
        fall = clean - probabilities(model, np.where(mask[..., None], fill, x).astype("float32"))
        total += fall.reshape(-1, *[1] * mask.ndim) * mask
        count += mask
    assert (count > 0).all()
    return total / count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "window", "stride", "full"),
    [
        (1, 4, 2, ((4,), (2,))),
        (1, 7, 3, ((7,), (3,))),  # the last window is cut
        (1, 6, 6, ((6,), (6,))),
        (1, 30, 5, ((30,), (5,))),  # one window covers all
        (1, None, None, ((2,), (1,))),
        (2, 3, 2, ((3, 3), (2, 2))),
        (2, (4, 3), (1, 3), ((4, 3), (1, 3))),
        (2, (8, 1), 1, ((8, 1), (1, 1))),
        (2, [3, 20], [3, 7], ((3, 20), (3, 7))),
        (2, None, None, ((1, 1), (1, 1))),
    ],
)
def test_occlusion_is_the_loop_over_windows(rank, window, stride, full, models):
    x = samples(rank)
    maps = Occlusion(models[rank], window=window, stride=stride, batch_size=7)(x, target=CLASSES)
    assert_same_falls(maps, naive_occlusion(models[rank], x, *full, fill=0.0))


def baselines(x, rank):
    return {
        "number": (0.5, 0.5),
        "per channel": ([0.1, 0.9, -1.0], np.array([0.1, 0.9, -1.0])),
        "array": (images(1, x.shape[1:], seed=5)[0], images(1, x.shape[1:], seed=5)[0]),
        "mean": ("mean", x.mean(axis=tuple(range(1, rank + 1)), keepdims=True)),
        "blur": ("blur", blurred(x)),
    }


@pytest.mark.sweep
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("kind", ["number", "per channel", "array", "mean", "blur"])
def test_occlusion_baseline(kind, rank, models):
    x = samples(rank)
    given, fill = baselines(x, rank)[kind]
    maps = Occlusion(models[rank], window=4, stride=3, baseline=given)(x, target=CLASSES)
    assert_same_falls(maps, naive_occlusion(models[rank], x, (4,) * rank, (3,) * rank, fill))


def test_default_windows_are_an_eighth_of_the_side():
    model, weights = linear_model((24, 50, 1))
    x = images(2, (24, 50, 1))
    maps = Occlusion(model)(x)
    contribution = (weights * x)[..., 0]
    expected, count = np.zeros_like(contribution), 0
    for mask in covered_by((24, 50), (3, 6), (1, 3)):
        expected += (contribution * mask).sum(axis=(1, 2))[:, None, None] * mask
        count = count + mask
    assert_same(maps, expected / count)


def test_occlusion_runs_once_per_window_and_once_for_the_whole():
    from tests.support.counting import Counting

    counting = Counting()
    model = keras.Sequential([keras.Input((8, 1)), counting, keras.layers.Flatten(), keras.layers.Dense(2)])
    counting.reset()
    Occlusion(model, window=2, stride=2, batch_size=8)(images(3, (8, 1)))
    assert counting.samples == 3 * (1 + 4)
    assert counting.runs == 1 + 2  # windows fill the batch, two at a time
    RISE(model, n_masks=10, batch_size=8)(images(3, (8, 1)), target=1)
    assert counting.samples == 3 * (1 + 4) + 3 * 10


def test_the_probability_is_the_default_and_the_logit_an_option(models):
    x, model = samples(2), models[2]
    logits = naive_occlusion(logits_of(model), x, (3, 3), (2, 2), 0.0)
    assert_same(Occlusion(model, window=3, stride=2, score="logit")(x, target=CLASSES), logits)
