"""The similarity matrix with its tree: cells in the order of the leaves, the tree's joints at scipy's distances."""

import matplotlib
import numpy as np
import pytest
from scipy.cluster import hierarchy

from kerasxai import plots
from kerasxai.evaluators import architecture_clusters
from tests.plots.rendering import assert_texts_are_readable


def similar(count, seed=0):
    places = np.random.default_rng(seed).normal(size=(count, 2))
    places[: count // 2] += 4
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return 1 - 1.1 * distances / distances.max()


def names(axis):
    return [label.get_text().replace("\n", "") for label in axis.get_ticklabels()]


def test_cells_labels_and_numbers_stand_in_the_order_of_the_leaves():
    matrix, labels = similar(6), [f"model_{index}" for index in range(6)]
    clusters = architecture_clusters(matrix, method="average")
    figure = plots.similarity(matrix, labels, clusters, title="SSIM")
    assert_texts_are_readable(figure)
    cells, _ = figure.axes
    order = clusters.order
    assert order != sorted(order)
    np.testing.assert_allclose(cells.images[0].get_array(), matrix[np.ix_(order, order)])
    assert names(cells.xaxis) == names(cells.yaxis) == [labels[index] for index in order]
    numbers = {text.get_position(): text.get_text() for text in cells.texts}
    assert len(numbers) == 36
    for (column, row), text in numbers.items():
        value = matrix[order[row], order[column]]
        assert float(text.replace("\N{MINUS SIGN}", "-")) == pytest.approx(value, abs=0.0051)
    (heading,) = figure.texts
    assert heading.get_text().startswith("SSIM\n")
    assert f"cophenetic correlation {clusters.cophenetic_correlation:.2f}" in heading.get_text()


@pytest.mark.parametrize("method", ["ward", "single"])
def test_tree_joins_at_the_distances_of_the_linkage_and_at_the_rows(method):
    matrix = similar(7)
    clusters = architecture_clusters(matrix, method=method)
    cells, tree = plots.similarity(matrix, clusters=clusters).axes
    joints = [line for line in tree.lines if len(line.get_xdata()) == 4]
    np.testing.assert_allclose(sorted(max(line.get_xdata()) for line in joints), np.sort(clusters.linkage[:, 2]))
    ends = [
        (place, distance)
        for line in joints
        for distance, place in [(line.get_xdata()[side], line.get_ydata()[side]) for side in (0, 3)]
        if distance == 0
    ]
    assert sorted(place for place, _ in ends) == list(range(7))
    assert tree.get_ylim() == cells.get_ylim()
    assert tree.get_position().y0 == pytest.approx(cells.get_position().y0)
    assert tree.get_position().height == pytest.approx(cells.get_position().height)
    (cut,) = [line for line in tree.lines if len(line.get_xdata()) == 2]
    assert cut.get_xdata()[0] == clusters.linkage[-1, 2] / 2


def test_colours_are_those_of_the_clusters():
    matrix = similar(8)
    clusters = architecture_clusters(matrix)
    assert clusters.has_clusters
    tree = plots.similarity(matrix).axes[1]
    seen = {}
    for line in tree.lines:
        leaves = [int(y) for x, y in zip(line.get_xdata(), line.get_ydata()) if x == 0 and y == int(y)]
        if len(line.get_xdata()) == 4 and max(line.get_xdata()) <= clusters.linkage[-1, 2] / 2:
            for leaf in leaves:
                group = clusters.labels[clusters.order[leaf]]
                assert seen.setdefault(group, line.get_color()) == line.get_color()
        elif len(line.get_xdata()) == 4:
            assert line.get_color() == "black"
    assert len(set(seen.values())) == len(seen) >= 2


def test_nothing_groups():
    tree = plots.similarity(np.eye(4)).axes[1]
    assert {line.get_color() for line in tree.lines if len(line.get_xdata()) == 4} == {"black"}
    assert "nothing groups" in tree.figure.texts[0].get_text()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [2, 30, 60])
def test_few_and_many_models(count):
    labels = {f"a_model_with_quite_a_long_name_{index}": None for index in range(count)}
    figure = plots.similarity(similar(count), labels)
    assert_texts_are_readable(figure)
    assert sorted(names(figure.axes[0].yaxis)) == sorted(labels)
    has_scale = len(figure.axes) == 3
    assert bool(figure.axes[0].texts) != has_scale == (count > 40)


@pytest.mark.filterwarnings("error")
def test_pairs_without_a_value_are_grey_and_there_is_no_tree():
    matrix = similar(4)
    matrix[1, 2] = matrix[2, 1] = np.nan
    figure = plots.similarity(matrix, list("abcd"))
    (cells,) = figure.axes
    assert names(cells.yaxis) == list("abcd")
    assert cells.images[0].get_array().mask.sum() == 2
    assert matplotlib.colors.to_hex(cells.images[0].get_cmap().get_bad()) == "#e0e0e0"
    assert "no dendrogram" in figure.texts[0].get_text()
    assert_texts_are_readable(figure)


@pytest.mark.parametrize(
    "matrix, options, parts",
    [
        (np.ones((2, 3)), {}, ["`matrix`", "(2, 3)", "similarity_matrix"]),
        (np.ones((1, 1)), {}, ["two models or more", "(1, 1)"]),
        (np.array([[1, 0.5], [0.2, 1]]), {}, ["symmetric"]),
        (np.full((2, 2), np.inf), {}, ["`matrix`"]),
        ("high", {}, ["`matrix`", "array of numbers"]),
        (np.eye(3), {"labels": ["a"]}, ["`labels`", "each model, 3 in all"]),
        (np.eye(3), {"clusters": architecture_clusters(np.eye(2))}, ["`clusters`", "2 models, and 3"]),
    ],
)
def test_refusals(matrix, options, parts):
    with pytest.raises(ValueError) as refusal:
        plots.similarity(matrix, **options)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


def test_scipy_draws_the_same_tree():
    clusters = architecture_clusters(similar(9, seed=3))
    tree = plots.similarity(similar(9, seed=3)).axes[1]
    own = hierarchy.dendrogram(clusters.linkage, no_plot=True, orientation="right")
    found = sorted(tuple(np.round(line.get_xdata(), 9)) for line in tree.lines if len(line.get_xdata()) == 4)
    assert found == sorted(tuple(np.round(one, 9)) for one in own["dcoord"])
