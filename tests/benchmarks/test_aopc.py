"""The study `aopc`: its nets and the statistics it tells."""

import keras
import numpy as np
import pytest
from scipy.stats import linregress, rankdata

import kerasxai
from benchmarks.studies.aopc.nets import cooled, digits_net
from benchmarks.studies.aopc.telling import partial, share, share_of_two
from benchmarks.study.ranks import spearman


def test_a_cooled_net_has_its_logits_divided_and_its_maps_in_order():
    keras.utils.set_random_seed(0)
    model = digits_net(blocks=2, width=4)
    x = np.random.default_rng(0).random((3, 32, 32, 1), np.float32)
    warm = cooled(model, 4.0)
    expected = keras.ops.softmax(np.log(model(x)) / 4)
    np.testing.assert_allclose(warm(x), expected, rtol=1e-4)
    maps = [kerasxai.explain(net, x, "lrp", rules="epsilon", verbose=0) for net in (model, warm)]
    np.testing.assert_allclose(maps[1] * 4, maps[0], rtol=1e-3, atol=1e-5 * np.abs(maps[0]).max())


def test_share_of_variance_is_that_of_a_line():
    random = np.random.default_rng(0)
    known, explained = random.normal(size=(2, 1, 12))
    expected = linregress(known[0], explained[0]).rvalue ** 2
    assert share(known, explained)[0] == pytest.approx(expected)
    other = random.normal(size=(1, 12))
    assert share_of_two(known, other, 2 * known - 3 * other + 1)[0] == pytest.approx(1)
    assert np.isnan(share(known, np.ones((1, 12)))[0])


def test_partial_correlation_is_that_of_the_residuals_of_ranks():
    random = np.random.default_rng(0)
    third = random.normal(size=20)
    first, second = third + random.normal(size=(2, 20))
    ranks = [rankdata(values) for values in (first, second, third)]
    residuals = [values - np.polyval(np.polyfit(ranks[2], values, 1), ranks[2]) for values in ranks[:2]]
    expected = np.corrcoef(residuals)[0, 1]
    pairs = [(first, second), (first, third), (second, third)]
    found = partial(*(spearman(one[np.newaxis], other[np.newaxis]) for one, other in pairs))
    assert found[0] == pytest.approx(expected)
    assert np.isnan(partial(np.ones(1), np.ones(1), np.ones(1))[0])
