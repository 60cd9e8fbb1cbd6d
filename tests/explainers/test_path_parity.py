"""Parity of XRAI and Guided IG with their authors' package, saliency, on the same gradients and the same image.

What differs is convention: saliency takes one sample at a time, and the largest channel of XRAI's attributions.
"""

import keras
import numpy as np
import pytest
from keras import layers
from saliency.core import guided_ig, xrai
from scipy.ndimage import gaussian_filter

from kerasxai.explainers import GuidedIG
from kerasxai.explainers.regions import grow, segments
from tests.support import truth

SIZE = (224, 224)  # at any other one the two resize the image in different ways


@pytest.fixture(scope="module")
def image():
    """Blobs in 0 ... 1 on a slope of grey."""
    noise = np.random.default_rng(0).normal(size=(*SIZE, 3))
    blobs = gaussian_filter(noise, (6, 6, 0)) * 20 > 0.3
    return 0.6 * blobs + 0.4 * np.linspace(0, 1, SIZE[1])[:, np.newaxis]


@pytest.mark.slow
def test_the_segments_are_those_of_the_authors(image):
    theirs = xrai._get_segments_felzenszwalb(image)
    ours = segments(image)
    assert len(theirs) == ours.shape[0] > 100
    for index, mask in enumerate(theirs):
        assert np.array_equal(np.sort(ours[index].indices), np.flatnonzero(mask))


@pytest.mark.slow
def test_regions_come_in_the_order_of_the_authors(image):
    attribution = gaussian_filter(np.random.default_rng(1).normal(size=SIZE), 4)
    theirs, _ = xrai.XRAI._xrai(attribution, xrai._get_segments_felzenszwalb(image), area_perc_th=1.01)
    assert len(np.unique(theirs)) > 20
    np.testing.assert_allclose(grow(attribution, segments(image)), theirs, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("fraction", "max_distance"), [(0.25, 0.02), (0.1, 0.3), (0.5, 1.0)])
def test_guided_paths_are_those_of_the_authors(fraction, max_distance, monkeypatch):
    quantile = np.quantile  # saliency 0.2.1 calls it by an argument that NumPy 2.4 has renamed
    monkeypatch.setattr(
        np, "quantile", lambda values, share, interpolation: quantile(values, share, method=interpolation)
    )
    model = truth.randomise(
        keras.Sequential(
            [
                keras.Input((6, 5, 2), dtype="float64"),
                layers.Conv2D(3, 3, activation="tanh", dtype="float64"),
                layers.Flatten(dtype="float64"),
                layers.Dense(3, activation="softplus", dtype="float64"),
            ]
        )
    )
    x = np.random.default_rng(2).normal(size=(2, 6, 5, 2))
    baseline = np.random.default_rng(3).normal(size=(6, 5, 2))
    ours = GuidedIG(model, baseline=baseline, steps=12, fraction=fraction, max_distance=max_distance)(x, target=[1, 2])
    for sample, target, found in zip(x, [1, 2], ours):
        theirs = guided_ig.guided_ig_impl(
            sample,
            baseline,
            lambda point, target=target: truth.input_gradients(model, point[np.newaxis], [target])[0],
            steps=12,
            fraction=fraction,
            max_dist=max_distance,
        )
        np.testing.assert_allclose(found, theirs, rtol=1e-4, atol=1e-6 * np.abs(theirs).max())
