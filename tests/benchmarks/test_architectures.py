"""Questions that the study of architectures asks a tree, and its claims."""

import numpy as np
import pytest

from benchmarks.studies.architectures.nets import narrowed
from benchmarks.studies.architectures.telling import Tree, claim_of
from kerasxai.evaluators import architecture_clusters

FAMILIES = ["A", "B", "B", "C"]


def tree(pairs, rest=0.1):
    matrix = np.full((4, 4), rest)
    np.fill_diagonal(matrix, 1)
    for (first, second), value in pairs.items():
        matrix[first, second] = matrix[second, first] = value
    return Tree(architecture_clusters(matrix, method="average"), FAMILIES)


def test_a_family_apart():
    # B's two nets and C merge, A comes last.
    found = tree({(1, 2): 0.9, (1, 3): 0.6, (2, 3): 0.6})
    assert found.stands_apart("A") and not found.stands_apart("B") and not found.stands_apart("C")
    assert found.holds_together(["B"]) and found.holds_together(["B", "C"])
    assert not found.holds_together(["A", "C"])
    assert found.has_clusters


def test_no_clusters_where_the_first_merge_is_late():
    assert not tree({(0, 1): 0.15}).has_clusters


@pytest.mark.parametrize(
    ("kind", "families", "count"), [("apart", ["A"], 2), ("together", ["B", "C"], 2), ("no clusters", [], 1)]
)
def test_claims_count_images(kind, families, count):
    close = {(1, 2): 0.9, (1, 3): 0.6, (2, 3): 0.6}
    trees = [tree(close), tree(close), tree({(0, 1): 0.15})]
    claim, source, here, held = claim_of("grad_cam", kind, families, 7, trees)
    assert here == f"{count} of 3 images" and held == ("yes" if count == 2 else "no")
    assert source == "7 of 12 images" and claim.startswith("grad_cam: ")


def test_narrowing_keeps_layers_and_classes():
    import keras

    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, activation="relu")(inputs)
    x = layers.Add()([layers.Conv2D(16, 1)(x), x])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    small = narrowed(model, 0.25)
    assert [type(layer) for layer in small.layers] == [type(layer) for layer in model.layers]
    assert small.layers[1].filters == 4 and small.output_shape == (None, 10)
