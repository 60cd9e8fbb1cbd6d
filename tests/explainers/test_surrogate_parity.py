"""Parity with the packages lime 0.2.0.1 and shap 0.51, on the same samples and segments. What differs is convention:

- lime draws its own coalitions; here its random state hands out those of kerasxai;
- lime returns (segment, weight) pairs in the order of their magnitude, kerasxai one value per segment;
- shap explains a function of rows of bits: which segments are there, the others at their mean.
"""

import keras
import numpy as np
import pytest
import shap
from keras import layers
from lime import lime_base, lime_image

from kerasxai.explainers import LIME, KernelSHAP
from tests.support.truth import images

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")

SIZE = (8, 10)
TARGET = 1
DRAWS = 300


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(4)
    wide = keras.initializers.RandomNormal(stddev=0.5)  # far from linear in the segments
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            layers.Conv2D(6, 3, activation="tanh", kernel_initializer=wide),
            layers.Flatten(),
            layers.Dense(4, activation="softmax", kernel_initializer=wide),
        ]
    )


@pytest.fixture(scope="module")
def image():
    return images(1, (*SIZE, 3), seed=3)[0]


def grid(rows, columns):
    """Labels (8, 10) of equal parts, row by row."""
    row, column = np.indices(SIZE)
    return row // (SIZE[0] // rows) * columns + column // (SIZE[1] // columns)


def score_of_bits(model, image, labels):
    """The function shap and lime_base explain: probabilities of copies whose missing segments are their means."""
    means = np.stack([image[labels == label].mean(axis=0) for label in range(labels.max() + 1)])

    def score(bits):
        there = np.asarray(bits)[:, labels, np.newaxis] > 0.5  # (copies, H, W, 1)
        return model.predict(np.where(there, image, means[labels]).astype("float32"), batch_size=512, verbose=0)

    return score


def kernel(distance):
    return np.sqrt(np.exp(-(distance**2) / 0.25**2))


def cosine_distances(bits):
    from sklearn.metrics import pairwise_distances

    return pairwise_distances(bits, bits[:1], metric="cosine").ravel()


def drawn(explainer, count):
    """The coalitions of an explainer as rows of 0 and 1."""
    return explainer.coalitions(np.arange(DRAWS), np.array([count]))[0][:, 0].astype(float)


@pytest.mark.parametrize("num_features", [None, 3])
def test_lime_base_fits_the_same_linear_model(model, image, num_features):
    labels = grid(4, 5)
    ours = LIME(model, segmentation=labels, n_samples=DRAWS, num_features=num_features)
    fit = ours.fit(image[np.newaxis], target=TARGET)
    bits = drawn(ours, 20)
    intercept, pairs, quality, _ = lime_base.LimeBase(kernel).explain_instance_with_data(
        bits,
        score_of_bits(model, image, labels)(bits),
        cosine_distances(bits),
        TARGET,
        num_features or 20,
        feature_selection="highest_weights",
    )
    expected = np.zeros(20)
    for segment, weight in pairs:
        expected[segment] = weight
    assert np.abs(expected).max() > 0.02 and (expected != 0).sum() == (num_features or 20)
    np.testing.assert_allclose(fit.weights[0], expected, atol=1e-5)
    np.testing.assert_allclose(fit.maps[0], expected[labels], atol=1e-5)
    np.testing.assert_allclose([fit.intercept[0], fit.quality[0]], [intercept, quality], atol=1e-4)


def test_lime_weighs_the_coalitions_as_lime_does(model):
    ours = LIME(model, segmentation=(4, 5), n_samples=DRAWS)
    weights = ours.coalitions(np.arange(DRAWS), np.array([20]))[1][:, 0]
    np.testing.assert_allclose(weights, kernel(cosine_distances(drawn(ours, 20))), atol=1e-12)


class HandedOut(np.random.RandomState):
    """A random state whose whole numbers are given ones."""

    def __init__(self, bits):
        super().__init__(0)
        self._bits = bits

    def randint(self, low, high=None, size=None, dtype=int):
        return self._bits.astype(int).ravel() if size == self._bits.size else super().randint(low, high, size, dtype)


@pytest.mark.slow
def test_lime_image_finds_the_same_weights(model, image):
    labels = grid(4, 5)
    ours = LIME(model, segmentation=labels, n_samples=DRAWS)
    theirs = lime_image.LimeImageExplainer(random_state=HandedOut(drawn(ours, 20))).explain_instance(
        image.astype("float64"),
        lambda copies: model.predict(np.asarray(copies, "float32"), verbose=0),
        labels=(TARGET,),
        top_labels=None,
        num_samples=DRAWS,
        segmentation_fn=lambda _: labels,
    )
    expected = np.array([weight for _, weight in sorted(theirs.local_exp[TARGET])])
    assert len(expected) == 20 and np.abs(expected).max() > 0.02
    np.testing.assert_allclose(ours.fit(image[np.newaxis], target=TARGET).weights[0], expected, atol=1e-5)


def shap_values(model, image, labels, samples, seed=0):
    count = labels.max() + 1
    score = score_of_bits(model, image, labels)
    explainer = shap.KernelExplainer(lambda bits: score(bits)[:, TARGET], np.zeros((1, count)), seed=seed)
    np.random.seed(seed)  # noqa: NPY002 - older shap draws from the global state
    return explainer.shap_values(np.ones((1, count)), nsamples=samples, l1_reg=0, silent=True)[0]


def test_kernel_shap_is_exact_for_few_segments(model, image):
    labels = grid(4, 2)
    fit = KernelSHAP(model, segmentation=labels).fit(image[np.newaxis], target=TARGET)
    expected = shap_values(model, image, labels, samples=2**8)
    assert np.abs(expected).max() > 0.02
    np.testing.assert_allclose(fit.weights[0], expected, atol=1e-5)


@pytest.mark.slow
def test_kernel_shap_agrees_within_sampling_error_for_many_segments(model, image):
    labels = grid(4, 5)
    theirs = np.stack([shap_values(model, image, labels, samples=2048, seed=seed) for seed in range(4)])
    ours = np.stack(
        [
            KernelSHAP(model, segmentation=labels, n_samples=2048, seed=seed)
            .fit(image[np.newaxis], target=TARGET)
            .weights[0]
            for seed in range(4)
        ]
    )
    error = np.sqrt((theirs.var(axis=0, ddof=1) + ours.var(axis=0, ddof=1)).mean() / 4)
    difference = ours.mean(axis=0) - theirs.mean(axis=0)
    assert np.abs(difference).max() < 5 * error
    assert 5 * error < 0.2 * np.abs(theirs).max()
