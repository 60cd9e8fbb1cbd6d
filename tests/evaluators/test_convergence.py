"""Convergence of relevance against matrix products by hand, and where theory says it is complete."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasxai import evaluators, lrp
from kerasxai.evaluators import CosineSimilarityConvergence
from kerasxai.explainers import LRP
from tests.support import nets

layers = keras.layers
DRAWS = 3


def dense_chain(depth, activation=None, units=6, seed=0):
    """Dense layers without biases; weights of both signs, positive where there is a ReLU."""
    model = keras.Sequential(
        [
            keras.Input((units,)),
            *(layers.Dense(units, use_bias=False, activation=activation, name=f"dense{i}") for i in range(depth)),
            layers.Dense(4, use_bias=False, name="head"),
        ]
    )
    draw = np.random.default_rng(seed)
    model.set_weights([draw.uniform(0, 1, w.shape) if activation else draw.normal(size=w.shape) for w in model.weights])
    return model


def drawn_pairs(units, seed=0):
    return np.stack([tf.random.stateless_normal([2, units], [seed, draw]).numpy() for draw in range(DRAWS)])


def test_a_linear_net_by_hand():
    model = dense_chain(2)
    x = np.random.default_rng(1).normal(size=(5, 6)).astype("float32")
    results = CosineSimilarityConvergence(n_samples=DRAWS)(model, x, explainer=LRP(model, rules=lrp.Zero()))

    matrices = [w.numpy().astype(np.float64) for w in model.weights]
    values = [x.astype(np.float64)]
    for matrix in matrices:
        values.append(values[-1] @ matrix)
    expected = np.empty((DRAWS, 5, 5))
    for draw, pair in enumerate(drawn_pairs(4)):
        relevance = np.broadcast_to(pair[:, np.newaxis], (2, 5, 4)).astype(np.float64)
        stops = [relevance]
        for matrix, below, above in reversed(list(zip(matrices, values, values[1:]))):
            relevance = below * ((relevance / above) @ matrix.T)
            stops.append(relevance)
        for stop, (first, second) in enumerate([*stops, stops[-1]]):
            sizes = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
            expected[draw, :, stop] = np.abs((first * second).sum(axis=1)) / sizes
    expected = np.median(expected, axis=0)
    assert results["layers"].tolist() == ["", "head", "dense1", "dense0"]
    np.testing.assert_allclose(results["cosine_curve"], expected[:, :-1], rtol=1e-4)
    np.testing.assert_allclose(results["cosine_similarity_convergence"], expected[:, -1], rtol=1e-4)
    assert np.ptp(expected) > 0.1


def test_z_plus_converges_to_one_direction_where_weights_are_positive():
    model = dense_chain(8, "relu")
    x = np.random.default_rng(1).uniform(0.1, 1, size=(4, 6)).astype("float32")
    found = CosineSimilarityConvergence(n_samples=DRAWS)(model, x, explainer=LRP(model, rules=lrp.ZPlus()))
    median = np.median(found["cosine_curve"], axis=0)
    assert median[0] < 0.9
    assert median[-1] > 1 - 1e-6
    assert (np.diff(median) > -1e-6).all()


@pytest.mark.parametrize("kind", ["sequential", "residual", "functional_in_sequential", "mixed_float16"])
def test_kinds_of_models_batches_and_one_trace(kind):
    model, x = nets.build(kind), nets.normals(5)
    before = [weight.numpy().copy() for weight in model.weights]
    evaluator = CosineSimilarityConvergence(n_samples=DRAWS)
    explainer = LRP(model, batch_size=2)
    found = evaluator(model, x, explainer=explainer)
    curve = found["cosine_curve"]
    assert curve.shape == (5, len(found["layers"]))
    assert np.isfinite(curve).all() and (curve >= 0).all() and (curve <= 1 + 1e-5).all()
    alone = evaluator(model, x[3:4], explainer=explainer)
    np.testing.assert_allclose(alone["cosine_curve"], curve[3:4], rtol=1e-3, atol=1e-4)
    assert explainer.trace_count == 1
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_relevance_of_several_inputs_counts_together():
    """Two dense branches of one sum are one dense layer over both inputs."""
    whole, x = dense_chain(1), np.random.default_rng(1).normal(size=(4, 6)).astype("float32")
    parts = [keras.Input((2,)), keras.Input((4,))]
    branches = [layers.Dense(6, use_bias=False, name=name)(part) for name, part in zip("ab", parts)]
    model = keras.Model(parts, layers.Dense(4, use_bias=False)(layers.Add()(branches)))
    kernel, head = whole.get_weights()
    model.set_weights([kernel[:2], kernel[2:], head])
    name = "cosine_similarity_convergence"
    found, expected = (
        CosineSimilarityConvergence(n_samples=DRAWS)(net, given, explainer=LRP(net, rules=lrp.Zero()))[name]
        for net, given in ((model, [x[:, :2], x[:, 2:]]), (whole, x))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_all_relevance_lost_is_no_number():
    model = dense_chain(1, "relu")
    x = np.ones((2, 6), "float32")
    model.weights[0].assign(-np.ones(model.weights[0].shape))  # every hidden unit is dead
    found = CosineSimilarityConvergence(n_samples=1)(model, x, explainer=LRP(model, rules=lrp.ZPlus()))
    assert np.isnan(found["cosine_similarity_convergence"]).all()
    assert found.summary()["cosine_similarity_convergence"].nan == 2


def test_refuses_what_has_no_rules():
    model = nets.build("sequential")
    with pytest.raises(ValueError, match="must be an LRP"):
        CosineSimilarityConvergence()(model, nets.normals(2), explainer="gradient")
    with pytest.raises(ValueError, match="n_samples"):
        evaluators.get("cosine_similarity_convergence")(n_samples=0)
