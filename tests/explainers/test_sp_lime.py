"""SP-LIME: its pick by hand, and what it refuses."""

import numpy as np
import pytest

import kerasxai
from kerasxai.explainers import LIME, KernelSHAP, sp_lime
from tests.explainers.segmented import SIGNALS, signal_net
from tests.support.truth import images


@pytest.fixture(scope="module")
def model():
    return signal_net()


def test_sp_lime_picks_by_hand(model, monkeypatch):
    """Gains by the definition: sample 1 covers most, then what it left open decides."""
    weights = np.array([[4.0, 0, 0, 0], [0, 3, -3, 0], [0, 0, 1, 0], [0.5, 0, 0, 2]])
    importance = np.sqrt([4.5, 3, 4, 2])
    labels = np.tile(np.arange(24) // 6, (4, 1))
    lime = LIME(model, segmentation=4, num_features=2, n_samples=10)
    fit = kerasxai.explainers.surrogate.Fit(weights[np.arange(4)[:, None], labels], labels, np.zeros(4), np.ones(4))
    monkeypatch.setattr(lime, "fit", lambda *_: fit)
    pick = sp_lime(lime, None, budget=3)
    np.testing.assert_allclose(pick.importance, importance)
    assert pick.indices.tolist() == [1, 3, 0]
    np.testing.assert_allclose(pick.coverage, [importance[1:3].sum() / importance.sum(), 1, 1])


def test_sp_lime_on_a_net(model):
    lime = LIME(model, segmentation=6, n_samples=60, num_features=2)
    pick = sp_lime(lime, images(12, (24, 2)), budget=20)
    assert sorted(pick.indices.tolist()) == list(range(12))
    assert (np.diff(pick.coverage) >= 0).all() and pick.coverage[-1] == pytest.approx(1)
    assert ((pick.weights != 0).sum(axis=1) == 2).all()


def test_sp_lime_refuses_what_covers_everything_or_has_nothing_in_common(model):
    with pytest.raises(ValueError, match="num_features"):
        sp_lime(LIME(model), SIGNALS)
    with pytest.raises(ValueError, match="Received: KernelSHAP"):
        sp_lime(KernelSHAP(model), SIGNALS)
    count = iter((2, 3, 2))
    differs = LIME(model, segmentation=lambda x: np.arange(24) // (24 // next(count)), num_features=1, n_samples=10)
    with pytest.raises(ValueError, match="different segments"):
        sp_lime(differs, SIGNALS)
