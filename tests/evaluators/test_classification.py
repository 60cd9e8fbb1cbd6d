"""The numbers of a report against slow definitions and scikit-learn, the classifier's probabilities, the examples."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics

from kerasxai.evaluators.classification import Classifier, Examples, results

CLASSES, SAMPLES = 4, 60
NAMES = ["cat", "dog", "cow", "hen"]


@pytest.fixture
def judged():
    """Labels and probabilities of a mediocre classifier, with many ties."""
    draws = np.random.default_rng(0)
    true = draws.integers(CLASSES, size=SAMPLES)
    scores = draws.normal(size=(SAMPLES, CLASSES)) + 1.5 * np.eye(CLASSES)[true]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return true, probabilities.round(1)


def network(*head, shape=(6, 6, 1)):
    """A small network; `head` stands after its flattened convolution."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input(shape)
    convolution = keras.layers.Conv2D if len(shape) == 3 else keras.layers.Conv1D
    x = keras.layers.Flatten()(convolution(3, 3, activation="relu")(inputs))
    for layer in head:
        x = layer(x)
    return keras.Model(inputs, x)


def images(count=10, shape=(6, 6, 1)):
    return np.random.default_rng(2).normal(size=(count, *shape)).astype("float32")


# Numbers


def test_numbers_agree_with_their_definitions(judged):
    true, probabilities = judged
    found = results(true, probabilities, NAMES)
    predicted = probabilities.argmax(axis=1)
    assert found["accuracy"] == pytest.approx(np.mean(true == predicted))
    assert found["samples"] == SAMPLES and found["class_names"] == NAMES and found["notes"] == []
    for one in range(CLASSES):
        hits = sum((true == one) & (predicted == one))
        recall, precision = hits / sum(true == one), hits / sum(predicted == one)
        assert found["support"][one] == sum(true == one)
        assert found["recall"][one] == found["per_class_accuracy"][one] == pytest.approx(recall)
        assert found["precision"][one] == pytest.approx(precision)
        assert found["f1"][one] == pytest.approx(2 * precision * recall / (precision + recall))
        for other in range(CLASSES):
            both = sum((true == one) & (predicted == other))
            assert found["confusion_matrix"][one][other] == both
            assert found["normalised_confusion_matrix"][one][other] == pytest.approx(both / sum(true == one))


def test_area_is_the_chance_that_a_positive_ranks_above_a_negative(judged):
    true, probabilities = judged
    found = results(true, probabilities, NAMES)
    for one in range(CLASSES):
        positive, negative = probabilities[true == one, one], probabilities[true != one, one]
        difference = positive[:, None] - negative[None]
        assert found["auc"][one] == pytest.approx(np.mean((difference > 0) + 0.5 * (difference == 0)))
        curve = found["roc"][one]
        assert curve["fpr"][0] == curve["tpr"][0] == 0 and curve["fpr"][-1] == curve["tpr"][-1] == 1
        for threshold in (0.3, 0.6):  # every reachable point lies on the curve
            point = np.mean(negative >= threshold), np.mean(positive >= threshold)
            assert np.interp(point[0], curve["fpr"], curve["tpr"], right=1) >= point[1] - 1e-9


def test_means_are_those_of_scikit_learn(judged):
    true, probabilities = judged
    macro = results(true, probabilities, NAMES)["macro"]
    expected = metrics.classification_report(true, probabilities.argmax(axis=1), output_dict=True)["macro avg"]
    assert macro["precision"] == pytest.approx(expected["precision"])
    assert macro["recall"] == pytest.approx(expected["recall"])
    assert macro["f1"] == pytest.approx(expected["f1-score"])
    normalised = probabilities / probabilities.sum(axis=1, keepdims=True)
    areas = [metrics.roc_auc_score(true == one, probabilities[:, one]) for one in range(CLASSES)]
    assert macro["auc"] == pytest.approx(np.mean(areas))
    assert macro["auc"] == pytest.approx(metrics.roc_auc_score(true, normalised, multi_class="ovr"), abs=0.02)


def test_a_class_without_samples_is_nan_and_leaves_the_means_alone():
    probabilities = np.eye(3)[[0, 0, 1, 2]]
    found = results(np.array([0, 0, 1, 1]), probabilities, ["a", "b", "c"])
    for name in ("precision", "recall", "per_class_accuracy", "f1", "auc"):
        assert math.isnan(found[name][2]) and not any(map(math.isnan, found[name][:2])), name
    assert found["recall"][:2] == [1.0, 0.5] and found["macro"]["recall"] == 0.75
    assert np.isnan(found["normalised_confusion_matrix"][2]).all()
    assert found["confusion_matrix"] == [[2, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert found["roc"][2] == {"fpr": [], "tpr": []}
    (note,) = found["notes"]
    assert "Without samples" in note and note.endswith(": c.")


def test_a_class_never_predicted_has_precision_0():
    found = results(np.array([0, 1, 1]), np.array([[0.9, 0.1]] * 3), ["a", "b"])
    assert found["precision"] == [pytest.approx(1 / 3), 0.0] and found["f1"][1] == 0.0
    assert found["auc"] == [0.5, 0.5]
    assert found["notes"] == ["Never predicted, so precision is set to 0: b."]


def test_samples_of_one_class_have_no_curve():
    found = results(np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]), ["a", "b"])
    assert found["accuracy"] == 0.5 and np.isnan(found["auc"]).all() and math.isnan(found["macro"]["auc"])
    assert any("one class" in note for note in found["notes"])


def test_notes_stay_short():
    found = results(np.zeros(3, int), np.eye(1000)[:3], [f"name {i}" for i in range(1000)])
    assert "name 8 and 991 more" in found["notes"][0]


def test_results_survive_json(judged):
    found = results(*judged, NAMES)
    assert json.loads(json.dumps(found)) == found


# Probabilities


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "head, expected",
    [
        ([keras.layers.Dense(3, activation="softmax")], lambda outputs: outputs),
        ([keras.layers.Dense(3)], softmax),
        ([keras.layers.Dense(3), keras.layers.Softmax()], lambda outputs: outputs),
        ([keras.layers.Dense(3, activation="sigmoid")], lambda outputs: outputs),
        ([keras.layers.Dense(1, activation="sigmoid")], lambda outputs: np.concatenate([1 - outputs, outputs], axis=1)),
    ],
    ids=["softmax", "linear", "softmax layer", "sigmoids", "one sigmoid"],
)
def test_probabilities_are_the_models_own(head, expected):
    model = network(*head)
    true, probabilities, _ = Classifier(model).judge(images(), np.zeros(10), batch_size=4)
    np.testing.assert_allclose(probabilities, expected(model.predict(images(), verbose=0)), atol=1e-6)
    np.testing.assert_array_equal(true, np.zeros(10))


def test_a_subclassed_model_is_judged_too():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Dense(3)

        def call(self, x):
            return keras.ops.softmax(self.layer(keras.layers.Flatten()(x)))

    model = Subclassed()
    expected = model(images()).numpy()
    _, probabilities, kept = Classifier(model).judge(images(), np.arange(10) % 3, batch_size=4, examples=2)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert len(kept.right) + len(kept.wrong) > 0


@pytest.mark.parametrize(
    "data",
    [
        lambda x, y: (x.tolist(), y.tolist()),
        lambda x, y: (x, np.eye(3)[y]),
        lambda x, y: (tf.constant(x), tf.constant(y[:, None])),
        lambda x, y: (tf.data.Dataset.from_tensor_slices((x, y)).batch(3), None),
        lambda x, y: (tf.data.Dataset.from_tensor_slices((x, y)), None),
        lambda x, y: (tf.data.Dataset.from_tensor_slices((x, np.eye(3)[y])).batch(100), None),
    ],
    ids=["lists", "one-hot", "tensors", "dataset", "unbatched dataset", "one-hot dataset"],
)
def test_data_of_any_form_is_judged_alike(data):
    model = network(keras.layers.Dense(3, activation="softmax"))
    x, y = images(), np.arange(10) % 3
    expected = Classifier(model).judge(x, y, batch_size=10, examples=3)
    found = Classifier(model).judge(*data(x, y), batch_size=4, examples=3)
    np.testing.assert_array_equal(found[0], y)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-6)
    for side in ("right", "wrong"):
        pairs = list(zip(getattr(found[2], side), getattr(expected[2], side), strict=True))
        assert [one.index for one, _ in pairs] == [other.index for _, other in pairs]
        for one, _ in pairs:
            np.testing.assert_allclose(one.sample, x[one.index])


def test_the_model_is_traced_once_and_left_alone(monkeypatch):
    traces, trace = [], Classifier._probabilities
    monkeypatch.setattr(Classifier, "_probabilities", lambda self, *given: traces.append(given) or trace(self, *given))
    model = network(keras.layers.Dense(3, activation="softmax"))
    before = [weight.copy() for weight in model.get_weights()]
    classifier = Classifier(model)
    for count in (4, 4, 3, 1, 2):
        classifier([tf.constant(images(count))], None)
    assert len(traces) == 1
    assert not model.compiled and all(len(layer._inbound_nodes) == 1 for layer in model.layers)
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


# Examples


def offer(examples, true, predicted, surest, batch):
    probabilities = np.full((len(true), 5), 0.0)
    probabilities[np.arange(len(true)), predicted] = surest
    samples = np.arange(len(true))[:, None] * 10
    for start in range(0, len(true), batch):
        piece = slice(start, start + batch)
        examples.offer(samples[piece], start, np.array(true)[piece], probabilities[piece])


def test_examples_take_turns_among_the_true_classes():
    examples = Examples(4)
    offer(examples, [0, 0, 0, 1, 2, 2, 1], [0, 0, 0, 1, 2, 1, 3], [0.5, 0.9, 0.8, 0.4, 0.6, 0.7, 0.8], batch=3)
    assert [one.index for one in examples.right] == [1, 4, 3, 2]  # the best of 0, 2 and 1, then the second of 0
    assert [(one.index, one.true, one.predicted, one.probability) for one in examples.wrong] == [
        (6, 1, 3, 0.8),
        (5, 2, 1, 0.7),
    ]
    assert [one.sample.tolist() for one in examples.right] == [[10], [40], [30], [20]]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_examples_do_not_depend_on_the_batches(count):
    draws = np.random.default_rng(count)
    for _ in range(20):
        true, predicted = draws.integers(5, size=(2, 40))
        predicted = np.where(draws.random(40) < 0.5, true, predicted)
        surest = draws.choice([0.3, 0.5, 0.7, 0.9], size=40)
        kept = [Examples(count) for _ in range(3)]
        for one, batch in zip(kept, (40, 7, 1)):
            offer(one, true, predicted, surest, batch)
        for side in ("right", "wrong"):
            chosen = [[one.index for one in getattr(examples, side)] for examples in kept]
            assert chosen[0] == chosen[1] == chosen[2] and len(chosen[0]) <= count


def test_no_examples_are_kept_when_none_are_wanted():
    examples = Examples(0)
    offer(examples, [0, 1], [0, 0], [0.5, 0.5], batch=2)
    assert examples.right == examples.wrong == []


def test_several_units_of_a_regression_are_no_classes():
    model = network(keras.layers.Dense(4))
    assert Classifier(model).classes == 4
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"must be a classifier.*4 linear outputs, as of a regression"):
        Classifier(model)


def test_units_of_labels_trained_from_logits_are_sigmoids():
    model = network(keras.layers.Dense(3))
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    _, probabilities, _ = Classifier(model).judge(images(), np.zeros(10), batch_size=4)
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-model.predict(images(), verbose=0))), atol=1e-6)
