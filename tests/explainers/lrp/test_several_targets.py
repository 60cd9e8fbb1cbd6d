"""Several classes of a sample in one pass, under every preset and the rules that do not look at the input."""

import keras
import numpy as np
import pytest

from kerasxai import lrp

layers = keras.layers
X = np.random.default_rng(0).normal(size=(5, 12, 12, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.ZeroPadding2D(1),
            layers.Conv2D(4, 3, activation="relu"),
            layers.ZeroPadding2D(1),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "rules",
    [
        *lrp.preset_names(),
        lrp.Flat(),
        lrp.WSquare(),
        lrp.ZBox(-1, 1),
        lrp.ZBox(),
        {"first": lrp.ZBox(-3, 3), "*": lrp.Flat()},
    ],
    ids=str,
)
def test_each_class_as_if_alone(rules, model):
    explainer = lrp.LRP(model, rules=rules)
    together = explainer(X, target="top3")
    ranked = np.argsort(-model.predict(X, verbose=0), axis=1, kind="stable")[:, :3]
    close = {"rtol": 1e-4, "atol": 1e-6 * np.abs(together).max()}
    for rank in range(3):
        np.testing.assert_allclose(together[:, rank], explainer(X, target=ranked[:, rank]), **close)
    np.testing.assert_allclose(explainer(X[2:3], target=ranked[2:3, 1])[0], together[2, 1], **close)
