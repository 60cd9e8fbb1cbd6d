"""`target="top<k>"` under evaluators: which classes, given maps, intervals, the grid with its controls, memory.

That each class is what it is alone is tested for every evaluator in `test_every_evaluator`.
"""

import json

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai.evaluators import (
    AOPC,
    Deletion,
    DropIncrease,
    NoiseRobustness,
    PixelFlipping,
    PointingGame,
    Randomization,
)
from kerasxai.evaluators.base import Results, bootstrap_interval
from kerasxai.evaluators.controls import control_maps
from tests.support.counting import Counting
from tests.support.truth import conv_net, images, predictions

SHAPE = (8, 10, 3)
X = images(5, SHAPE)


@pytest.fixture(scope="module")
def model():
    return conv_net(head="softmax")


def ranked(model, x=X):
    return np.argsort(-predictions(model, x), axis=1, kind="stable")


def test_given_maps_have_an_axis_of_classes(model):
    explainer = kerasxai.explainers.Gradient(model)
    maps = explainer(X, target="top3")
    found = Deletion(steps=3)(model, X, maps, "top3")
    assert found["deletion"].shape == (5, 3) and found["curve"].shape == (5, 3, 4)
    assert found["fraction"].shape == (4,)
    for rank in range(3):
        alone = Deletion(steps=3)(model, X, maps[:, rank], ranked(model)[:, rank])
        np.testing.assert_allclose(found["curve"][:, rank], alone["curve"], rtol=1e-5)
    reduced = np.abs(maps).sum(axis=-1)
    again = Deletion(steps=3)(model, X, reduced, "top3")
    expected = Deletion(steps=3)(model, X, explainer=explainer, target="top3")
    np.testing.assert_allclose(again["curve"], expected["curve"], rtol=1e-5)


def test_the_best_class_alone_keeps_its_axis(model):
    alone, first = (DropIncrease()(model, X, target=target, explainer="gradient") for target in (None, "top1"))
    np.testing.assert_allclose(first["drop_rate"], alone["drop_rate"][:, np.newaxis], rtol=1e-5)
    for name, summary in alone.summary().items():
        assert first.summary()[name] == pytest.approx(summary, rel=1e-5)


@pytest.mark.parametrize("shape", [(5, 8, 10), (5, 2, 8, 10), (4, 3, 8, 10), (5, 3, 4, 5), (5,)], ids=str)
def test_other_maps_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"`maps` must have the shape.*Received"):
        Deletion(steps=3)(model, X, np.zeros(shape), "top3")


def test_classes_are_ranked_by_logits_where_probabilities_vanish():
    """Of exp(-300) and exp(-400) nothing is left in float32: their order must be the one that explainers take."""
    dense = keras.layers.Dense(4, activation="softmax")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), dense])
    weights = np.arange(64, dtype="float32").reshape(16, 4) / 1e4
    dense.set_weights([weights, np.array([0, -300, 100, -200], "float32")])
    x = images(2, (4, 4, 1))
    assert (predictions(model, x)[:, [1, 3]] == 0).all()
    order = [2, 0, 3, 1]
    ranks = Deletion().scored_model(model).samples_by_rank(x, target="top4")
    assert [samples.classes.tolist() for samples in ranks] == [[index, index] for index in order]
    maps = kerasxai.explain(model, x, "gradient", target="top4")
    np.testing.assert_allclose(maps.reshape(2, 4, 16), np.stack([weights.T[order]] * 2), rtol=1e-5)


def test_one_sigmoid_unit_has_two_classes():
    model = conv_net(head="sigmoid")
    single = keras.Model(model.inputs[0], keras.layers.Dense(1, activation="sigmoid")(model.layers[-2].output))
    positive = predictions(single, X)[:, 0]
    found = Deletion(steps=2)(single, X, explainer="gradient", target="top2")
    best = np.maximum(positive, 1 - positive)
    np.testing.assert_allclose(found["curve"][:, :, 0], np.stack([best, 1 - best], axis=1), rtol=1e-5)


def test_an_output_of_several():
    inputs = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(inputs)
    outputs = [keras.layers.Dense(3, activation="softmax", name=name)(flat) for name in ("kind", "grade")]
    model = keras.Model(inputs, outputs)
    probabilities = np.sort(np.asarray(model(X)[1]), axis=1)[:, ::-1]
    found = Deletion(steps=2)(model, X, explainer="gradient", target=("grade", "top2"))
    np.testing.assert_allclose(found["curve"][:, :, 0], probabilities[:, :2], rtol=1e-5)


# Summaries


def test_samples_are_drawn_not_their_classes():
    values = np.random.default_rng(0).normal(size=40)
    measure = Deletion(seed=3)
    alone = Results(measure, {"deletion": values}, (40,)).summary()["deletion"]
    same = Results(measure, {"deletion": np.tile(values[:, np.newaxis], 4)}, (40, 4)).summary()["deletion"]
    assert same == pytest.approx(alone)  # four classes that say the same are no more evidence than one


def test_a_sample_counts_by_the_classes_that_have_a_value():
    values = np.array([[1.0, 3.0], [np.nan, 5.0], [np.nan, np.nan], [0.0, 8.0]])
    found = Results(Deletion(seed=3), {"deletion": values}, (4, 2), constant=1, tied=2).summary()["deletion"]
    means = np.array([2.0, 5.0, 4.0])
    assert found.mean == pytest.approx(means.mean())
    assert found.standard_error == pytest.approx(means.std(ddof=1) / np.sqrt(3))
    assert (found.low, found.high) == pytest.approx(bootstrap_interval(means, 3))
    assert (found.count, found.nan, found.constant, found.tied) == (3, 3, 1, 2)


def test_constant_maps_of_every_class_are_counted(model):
    maps = np.random.default_rng(0).normal(size=(5, 2, 8, 10))
    maps[0, 0] = maps[0, 1] = maps[3, 1] = 1
    summary = Deletion(steps=2)(model, X, maps, "top2").summary()["deletion"]
    assert (summary.constant, summary.tied, summary.count) == (3, 3, 5)


# The grid


def test_grid_with_controls(model, tmp_path):
    masks = np.zeros((5, 8, 10), bool)
    masks[:, 2:5, 3:6] = True
    measures = [Deletion(steps=3), DropIncrease(), PointingGame(), NoiseRobustness(levels=[0.1, 0.2])]
    found = kerasxai.evaluate(model, X, ["gradient", "lrp"], measures, "top3", masks=masks, seed=2)
    assert found.samples == 5 and found.values("gradient", "deletion").shape == (5, 3)
    for rank in range(3):
        classes = ranked(model)[:, rank]
        alone = kerasxai.evaluate(model, X, ["gradient", "lrp"], measures, classes, masks=masks, seed=2)
        assert alone.rows == found.rows and alone.metrics == found.metrics
        for row in found.rows:
            for metric in found.metrics:
                expected, values = alone.values(row, metric), found.values(row, metric)
                assert (values is None) == (expected is None)
                if values is not None:
                    np.testing.assert_allclose(values[:, rank], expected, rtol=1e-4, atol=1e-6, err_msg=metric)
    control = control_maps(X, seed=2)["random"]
    of_control = Deletion(steps=3)(model, X, control, ranked(model)[:, 2])
    np.testing.assert_allclose(found.values("random", "deletion")[:, 2], of_control["deletion"], rtol=1e-5)
    for row in found.rows:
        mean = found.values(row, "deletion").mean()
        assert found.summary(row, "deletion").mean == pytest.approx(mean)
    found.to_json(tmp_path / "found.json")
    written = json.loads((tmp_path / "found.json").read_text())["values"]["lrp"]["deletion"]["curve"]
    np.testing.assert_allclose(written, found.results["lrp"]["deletion"]["curve"])


def test_figures_show_means_over_classes(model):
    measures = [Deletion(steps=3), NoiseRobustness(levels=[0.2, 0.1]), Randomization(keep_maps=1)]
    found = kerasxai.evaluate(model, X, "gradient", measures, "top2", controls=False)
    figures = found.plot_curves(X)
    assert set(figures) == {"deletion", "noise_robustness", "randomization"}
    (line,) = figures["deletion"].axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), found.results["gradient"]["deletion"]["curve"].mean(axis=(0, 1)))
    curve = found.results["gradient"]["noise_robustness"]["rmse_curve"].mean(axis=(0, 1))
    np.testing.assert_allclose(figures["noise_robustness"].axes[0].lines[0].get_ydata(), curve[::-1])
    kept = found.results["gradient"]["randomization"]["maps"]
    pictures = [axes.images[-1].get_array() for axes in figures["randomization"].axes if axes.images]
    assert kept.shape == (1, 2, 6, 8, 10) and len(pictures) == 6
    for picture, map_of_step in zip(pictures, kept[0, 0]):  # of the best class
        np.testing.assert_allclose(np.asarray(picture, float), map_of_step, rtol=1e-5)


# Memory


def test_inputs_are_shared_and_at_most_batch_size_run_at_once():
    counting, largest = Counting(), []
    counting._count = lambda size: largest.append(int(size))
    layers = [keras.Input(SHAPE), counting, keras.layers.Flatten(), keras.layers.Dense(4, activation="softmax")]
    model = keras.Sequential(layers)
    largest.clear()
    measures = [AOPC(window=4, steps=2), PixelFlipping(batch_size=3)]
    kerasxai.evaluate(model, X, ["integrated_gradients", "gradient"], measures, "top3", batch_size=3)
    assert max(largest) == 3
    first, *others = measures[0].scored_model(model).samples_by_rank(X, target="top3")
    assert len(others) == 2 and all(other.inputs[0] is first.inputs[0] for other in others)


def test_another_class_costs_no_trace(model):
    evaluator = Deletion(steps=3)
    counts = []
    for target in ("top2", "top4", "top2"):
        evaluator(model, X, explainer="gradient", target=target)
        counts.append(evaluator.scored_model(model).trace_count)
    assert counts[2] == counts[1] <= counts[0] + 1  # what takes all ranks at once is traced for their number
