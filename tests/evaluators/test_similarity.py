"""Similarity of maps against scikit-image, scipy and clusters by hand."""

import numpy as np
import pytest
from scipy import stats
from skimage.metrics import structural_similarity

from kerasxai.evaluators import architecture_clusters, cluster_stability, similarities, similarity_matrix
from kerasxai.evaluators.similarity import hog_correlation, mean_of_known, spearman, ssim


def maps(seed, size=(20, 24), samples=3):
    return np.random.default_rng(seed).normal(size=(samples, *size))


def test_ssim_is_two_dimensional_and_free_of_units():
    first, second = maps(0), maps(1)
    expected = [
        structural_similarity(one / np.abs(one).max(), other / np.abs(other).max(), data_range=1)
        for one, other in zip(first, second)
    ]
    np.testing.assert_allclose(ssim(7 * first, 0.1 * second), expected, atol=1e-12)
    turned = ssim(np.swapaxes(first, 1, 2), np.swapaxes(second, 1, 2))
    np.testing.assert_allclose(turned, expected, atol=1e-12)


@pytest.mark.parametrize("side, window", [(3, 3), (4, 3), (6, 5), (7, 7), (9, 7)])
def test_ssim_window_is_seven_or_the_largest_odd_that_fits(side, window):
    first, second = maps(0, (side, 12), 1), maps(1, (side, 12), 1)
    pair = [one[0] / np.abs(one).max() for one in (first, second)]
    assert ssim(first, second)[0] == pytest.approx(structural_similarity(*pair, data_range=1, win_size=window))


def test_maps_without_a_similarity_are_nan():
    good = maps(0, samples=1)
    for bad in (np.zeros_like(good), np.full_like(good, np.nan)):
        assert np.isnan(ssim(good, bad)[0]) and np.isnan(hog_correlation(good, bad)[0])
        assert np.isnan(spearman(good, bad)[0])
    assert np.isnan(spearman(good, np.ones_like(good))[0])
    assert np.isnan(ssim(maps(0, (20,)), maps(1, (20,)))).all()


def test_spearman_is_that_of_scipy_with_ties():
    first, second = np.rint(2 * maps(0)), np.rint(2 * maps(1))
    expected = [stats.spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(first, second)]
    np.testing.assert_allclose(spearman(first, second), expected)
    np.testing.assert_allclose(spearman(first, -first), -1)


def test_hog_sees_edges_not_brightness():
    first = maps(0, (48, 48))
    np.testing.assert_allclose(hog_correlation(first, 3 * first), 1)
    assert (hog_correlation(first, maps(1, (48, 48))) < 0.9).all()


def test_similarities_are_every_measure_pair_by_pair():
    first, second = maps(0), maps(1)
    found = similarities(first, second)
    expected = [stats.spearmanr(abs(one).ravel(), abs(other).ravel()).statistic for one, other in zip(first, second)]
    np.testing.assert_allclose(found["spearman_absolute"], expected)
    for name, measure in (("spearman", spearman), ("ssim", ssim), ("hog", hog_correlation)):
        np.testing.assert_array_equal(found[name], measure(first, second))
    for wrong in ((first, second[:2]), (first[0, 0], first[0, 0])):
        with pytest.raises(ValueError, match=r"maps \(samples, \*spatial\) of one shape. Received: \("):
            similarities(*wrong)


def test_mean_of_known():
    np.testing.assert_array_equal(mean_of_known(np.array([[1, np.nan, 3], [np.nan] * 3])), [2, np.nan])


def test_matrix_is_a_mean_over_inputs_that_have_maps():
    first, second = maps(0), maps(1)
    second[1] = 0
    matrix = similarity_matrix({"a": first, "b": second, "c": first})
    values = ssim(first, second)
    np.testing.assert_allclose(matrix[0, 1], (values[0] + values[2]) / 2)
    np.testing.assert_allclose(matrix[0, 2], 1)
    np.testing.assert_array_equal(matrix, matrix.T)
    with pytest.raises(ValueError, match="two or more"):
        similarity_matrix([first, second[:2]])


def test_clusters_by_hand():
    similarity = np.array([[1, 0.9, 0.2, 0.2], [0.9, 1, 0.2, 0.2], [0.2, 0.2, 1, 0.8], [0.2, 0.2, 0.8, 1]])
    found = architecture_clusters(similarity, method="average")
    np.testing.assert_allclose(found.linkage[:, 2], [0.1, 0.2, 0.8])
    assert found.labels[0] == found.labels[1] != found.labels[2] == found.labels[3]
    assert found.cophenetic_correlation == pytest.approx(1)
    assert found.has_clusters and sorted(found.order) == [0, 1, 2, 3]
    root = architecture_clusters(similarity, distance="square_root", method="average")
    np.testing.assert_allclose(root.linkage[:, 2], np.sqrt([0.1, 0.2, 0.8]))


def test_equal_distances_hold_no_clusters():
    found = architecture_clusters(0.5 * (np.eye(4) + 1), method="average")
    assert not found.has_clusters and len(set(found.labels)) == 4
    assert np.isnan(found.cophenetic_correlation)
    with pytest.raises(ValueError, match="symmetric"):
        architecture_clusters(np.array([[1, 0.2], [np.nan, 1]]))


def test_groups_are_what_each_merge_brings_together():
    near, far = 0.9, 0.1
    matrix = np.array([[1, near, far, far], [near, 1, far, far], [far, far, 1, 0.8], [far, far, 0.8, 1]])
    groups = architecture_clusters(matrix, method="average").groups
    assert groups == [frozenset({0, 1}), frozenset({2, 3}), frozenset({0, 1, 2, 3})]


def test_stability_tells_a_cluster_from_chance():
    own, shared = [maps(seed, samples=12) for seed in range(4)], maps(9, samples=12)
    alike = [shared + 0.1 * own[0], shared + 0.1 * own[1], own[2], own[3]]
    stability = cluster_stability(alike, n_samples=50)
    groups = architecture_clusters(similarity_matrix(alike)).groups
    assert groups[0] == {0, 1} and stability[0] == 1 and stability[-1] == 1
    by_chance = cluster_stability(own, n_samples=50)
    assert by_chance[-1] == 1 and by_chance[0] < 0.9
    np.testing.assert_array_equal(cluster_stability(own, n_samples=50), by_chance)
    assert not np.array_equal(cluster_stability(own, n_samples=50, seed=1), by_chance)


def test_stability_where_maps_are_missing():
    several = [maps(seed, samples=3) for seed in range(3)]
    several[0][:2] = 0  # one input alone has maps of all
    stability = cluster_stability(several, n_samples=60)
    assert 0 < stability[-1] < 1  # 19 of 27 draws have it
