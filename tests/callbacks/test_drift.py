"""ExplanationDrift: similarities by hand."""

import keras
import numpy as np
import pytest
from scipy import stats

import kerasxai
from kerasxai.callbacks import ExplanationDrift, drift
from tests.callbacks import training

X, Y = training.data()
NAMES = [f"val_grad_cam_{kind}_to_{other}" for other in ("previous", "first") for kind in ("spearman", "cosine")]


@pytest.mark.slow
def test_values_by_hand():
    model = training.fresh()
    explainer = kerasxai.explainers.GradCAM(model, relu=False)
    maps = [explainer(X[:5], target=1)]
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: maps.append(explainer(X[:5], target=1)))
    given = {"method": "grad_cam", "relu": False}
    history = training.fit(ExplanationDrift(X[:5], explainer=given, target=1), keep, model=model, epochs=3).history
    rows = [one.reshape(5, -1) for one in maps]
    for epoch in range(3):
        for other, reference in (("previous", rows[epoch]), ("first", rows[1])):
            pairs = list(zip(rows[epoch + 1], reference))
            spearman = np.mean([stats.spearmanr(*pair).statistic for pair in pairs])
            cosine = np.mean([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
            assert history[f"val_grad_cam_spearman_to_{other}"][epoch] == pytest.approx(spearman, abs=1e-6)
            assert history[f"val_grad_cam_cosine_to_{other}"][epoch] == pytest.approx(cosine, abs=1e-6)


def test_a_model_that_does_not_learn_does_not_drift():
    model = training.network()
    model.trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    history = training.fit(ExplanationDrift(X[:4]), model=model).history
    for name in NAMES:
        assert history[name] == pytest.approx([1, 1])


def test_ties_and_rows_without_a_similarity():
    one = np.array([[1.0, 2, 2, 5], [0, 0, 0, 0], [3, 3, 3, 3], [1, np.nan, 2, 3], [1, 2, 3, 4]])
    other = np.array([[4.0, 1, 1, 0], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [4, 3, 2, 1]])
    spearman, cosine = drift.spearman(one, other), drift.cosine(one, other)
    np.testing.assert_allclose(spearman, [-1, np.nan, np.nan, np.nan, -1], atol=1e-12)
    assert np.isnan(cosine).tolist() == [False, True, False, True, False]
    assert cosine[4] == pytest.approx(20 / 30)


def test_batches_are_compared_with_epochs():
    callback = ExplanationDrift(X[:4], every_batches=2)  # two batches make an epoch
    history = training.fit(callback, epochs=3).history
    for name in NAMES[:2]:
        assert callback.history[name][1] == pytest.approx(history[name][1])


@pytest.mark.slow
def test_a_second_training_begins_anew():
    model = training.fresh()
    callback = ExplanationDrift(X[:4])
    training.fit(callback, model=model, epochs=3)
    history = training.fit(callback, model=model, epochs=2).history
    assert history["val_grad_cam_cosine_to_first"][0] == pytest.approx(1)
    model.evaluate(X, Y, verbose=0, callbacks=[callback])
    assert callback.results["val_grad_cam_cosine_to_previous"] == pytest.approx(1)
