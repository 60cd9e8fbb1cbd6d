"""What every registered evaluator keeps to: its config, its seed, each sample by itself, the model as it was."""

import json

import keras
import numpy as np
import pytest

from kerasxai import evaluators
from tests.support import nets
from tests.test_untouched import assert_untouched, fitted, state_before

layers = keras.layers
OPTIONS = {  # few steps and draws
    "aopc": {"window": 4, "steps": 2},
    "cosine_similarity_convergence": {"n_samples": 2},
    "deletion": {"steps": 3},
    "infidelity": {"n_samples": 3},
    "input_shift_invariance": {"shift": 0.5},
    "insertion": {"steps": 3},
    "local_lipschitz": {"n_samples": 2},
    "max_sensitivity": {"n_samples": 2},
    "noise_robustness": {"levels": [0.1]},
    "pixel_flipping": {"steps": 2},
    "road": {"percentages": (20, 60)},
    "rotation_robustness": {"levels": [10]},
}
X = nets.normals(4)
MASKS = np.zeros(X.shape[:-1], bool)
MASKS[:, 2:5, 1:4] = True


def net():
    """The first layer does not pad, so that its bias can absorb a shift."""
    return keras.Sequential(
        [
            keras.Input(nets.IMAGE),
            layers.Conv2D(3, 3, activation="relu"),
            layers.Conv2D(4, 3, activity_regularizer="l2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(nets.CLASSES, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def models():
    return fitted(net), fitted(net)


def results_of(evaluator, models, rows=slice(None), target=1):
    model, twin = models
    options = {"explainer": "lrp"} if evaluator.name == "cosine_similarity_convergence" else {"explainer": "gradient"}
    return evaluator(model, X[rows], target=target, masks=MASKS[rows], reference_model=twin, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", evaluators.names())
def test_config_seed_batch_mates_and_the_model(name, models):
    evaluator = evaluators.get(name)(**OPTIONS.get(name, {}), seed=5)
    before = [state_before(model) for model in models]
    found = results_of(evaluator, models)
    for model, state in zip(models, before):
        assert_untouched(model, state)

    config = json.loads(json.dumps(evaluator.get_config()))
    again = evaluators.build(config)
    assert again.get_config() == config
    repeated = results_of(again, models)
    assert set(repeated) == set(found) >= set(evaluator.directions)
    for key, values in found.items():
        np.testing.assert_array_equal(repeated[key], values, err_msg=key)

    alone = results_of(again, models, slice(2, 3))
    for key in found.per_sample:
        np.testing.assert_allclose(alone[key], found[key][2:3], rtol=1e-3, atol=1e-5, err_msg=key)
        assert np.isfinite(found[key]).any() or key == "reference_accuracy", key


@pytest.mark.slow
@pytest.mark.parametrize("name", evaluators.names())
def test_the_best_classes_are_what_each_is_alone(name, models):
    evaluator = evaluators.get(name)(**OPTIONS.get(name, {}), seed=5, batch_size=3)
    if not evaluator.needs_class:
        with pytest.raises(ValueError, match=f'{name} is the same whatever class.*target="top2".*Leave'):
            results_of(evaluator, models, target="top2")
        return
    ranked = np.argsort(-np.asarray(models[0](X, training=False)), axis=1)
    found = results_of(evaluator, models, target="top2")
    for rank in range(2):
        alone = results_of(evaluator, models, target=ranked[:, rank])
        assert set(found) == set(alone) and found.per_sample == alone.per_sample
        for key, values in alone.items():
            of_rank = found[key] if key in evaluator.abscissae else np.take(found[key], rank, axis=1)
            assert of_rank.shape == np.shape(values), key
            if values.dtype.kind in "if":
                np.testing.assert_allclose(of_rank, values, rtol=1e-5, atol=1e-6, err_msg=key)
            else:
                np.testing.assert_array_equal(of_rank, values, err_msg=key)


def test_every_option_named_here_is_one_of_the_evaluator():
    assert set(OPTIONS) <= set(evaluators.names())
