"""How alike maps are: SSIM, rank correlation, HOG; and the matrix and clusters of models whose maps are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from kerasxai.options import check_one_of, positive_integer, seed_number
from kerasxai.typing import Array

SSIM_WINDOW = 7
HOG_CELL = 16
HOG_BLOCK = 3
DISTANCES = {
    "one_minus": lambda similarity: 1 - similarity,
    "square_root": lambda similarity: np.sqrt(1 - similarity),
}
LINKAGES = ("ward", "average", "complete", "single")


def similarity_matrix(maps: dict[str, Array] | Sequence[Array]) -> np.ndarray:
    """Mean SSIM between the maps of several models (or explainers) for the same inputs.

    Each map is divided by its largest absolute value first. An input for which one of the two maps is all zero or not
    finite is left out of their mean.

    Args:
        maps: Dict name -> array `(samples, height, width)`, or a list of such arrays.

    Returns:
        Symmetric float64 array `(models, models)` with 1 on the diagonal; NaN where no input is left.

    Example:

    ```python
    models = {"net": model, "twin": keras.models.clone_model(model)}
    maps = {name: kerasxai.explain(net, images, method="gradient_x_input").sum(axis=-1) for name, net in models.items()}
    clusters = kerasxai.evaluators.architecture_clusters(kerasxai.evaluators.similarity_matrix(maps))
    ```
    """
    arrays = _arrays(maps)
    matrix = np.eye(len(arrays))
    for row in range(len(arrays)):
        for column in range(row):
            values = ssim(arrays[row], arrays[column])
            mean = np.mean(values[~np.isnan(values)]) if not np.isnan(values).all() else np.nan
            matrix[row, column] = matrix[column, row] = mean
    return matrix


class Clusters(NamedTuple):
    """Models grouped by the similarity of their maps.

    Attributes:
        linkage: Merges, as `scipy.cluster.hierarchy.linkage` gives them.
        cophenetic_correlation: Correlation of the tree's distances with the given ones.
        order: Models in the order of the dendrogram's leaves.
        labels: Flat cluster of each model, from 1, when the tree is cut at half of its last merge.
        has_clusters: Whether the first merge lies at or below half of the last one; if not, nothing groups.
    """

    linkage: np.ndarray
    cophenetic_correlation: float
    order: list
    labels: np.ndarray
    has_clusters: bool

    @property
    def groups(self) -> list[frozenset[int]]:
        """The models that each merge brings together, in the order of the merges."""
        count = len(self.linkage) + 1
        nodes = [frozenset([model]) for model in range(count)]
        for first, second in self.linkage[:, :2].astype(int):
            nodes.append(nodes[first] | nodes[second])
        return nodes[count:]


def architecture_clusters(
    similarity: Array,
    distance: Literal["one_minus", "square_root"] = "one_minus",
    method: Literal["ward", "average", "complete", "single"] = "ward",
) -> Clusters:
    """Hierarchical clusters of models from a similarity matrix.

    Args:
        similarity: Symmetric array `(models, models)`, 1 on the diagonal, as `similarity_matrix` gives it.
        distance: `"one_minus"`: 1 - similarity; `"square_root"`: its root, a metric, as Ward's method wants one.
        method: `"ward"`, `"average"`, `"complete"` or `"single"`.

    Returns:
        `Clusters`.
    """
    check_one_of("distance", distance, tuple(DISTANCES))
    check_one_of("method", method, LINKAGES)
    similarity = np.asarray(similarity, np.float64)
    square = similarity.ndim == 2 and similarity.shape[0] == similarity.shape[1] and len(similarity) > 1
    if not square or not np.isfinite(similarity).all() or not np.allclose(similarity, similarity.T):
        raise ValueError(
            "`similarity` must be a symmetric matrix of finite values for two models or more. "
            f"Received: shape {similarity.shape}."
        )
    # Rounding may make the matrix uneven, or lift a similarity above 1, whose distance has no root.
    distances = DISTANCES[distance](np.minimum((similarity + similarity.T) / 2, 1))
    np.fill_diagonal(distances, 0)
    condensed = squareform(distances, checks=False)
    linkage = hierarchy.linkage(condensed, method)
    first, last = linkage[0, 2], linkage[-1, 2]
    correlation = np.nan
    if len(condensed) > 1 and np.ptp(condensed) > 0:
        correlation = float(hierarchy.cophenet(linkage, condensed)[0])
    return Clusters(
        linkage=linkage,
        cophenetic_correlation=correlation,
        order=hierarchy.leaves_list(linkage).tolist(),
        labels=hierarchy.fcluster(linkage, last / 2, criterion="distance"),
        has_clusters=bool(first <= last / 2),
    )


def cluster_stability(
    maps: dict[str, Array] | Sequence[Array],
    distance: Literal["one_minus", "square_root"] = "one_minus",
    method: Literal["ward", "average", "complete", "single"] = "ward",
    n_samples: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """How often each cluster of models comes back where other inputs might have been drawn.

    Inputs are drawn with replacement, and their tree is made anew.

    Args:
        maps: As for `similarity_matrix`.
        distance, method: As for `architecture_clusters`.
        n_samples: Number of draws.
        seed: Seed of the draws.

    Returns:
        float64 `(models - 1,)`: for each merge of the tree of all inputs (`Clusters.groups`), the share of draws whose
        tree has a merge of exactly these models. The last one is of all models: 1, unless maps are missing.

    Example:

    ```python
    maps = {name: kerasxai.explain(model, images, method=name) for name in ("grad_cam", "layer_cam", "score_cam")}
    stability = kerasxai.evaluators.cluster_stability(maps)
    ```

    Reference:
        Felsenstein, 1985, https://doi.org/10.1111/j.1558-5646.1985.tb00420.x
    """
    n_samples, seed = positive_integer("n_samples", n_samples), seed_number(seed)
    arrays = _arrays(maps)
    samples = len(arrays[0])
    each = np.stack([similarity_matrix([array[index : index + 1] for array in arrays]) for index in range(samples)])
    groups = architecture_clusters(_mean(each), distance, method).groups
    random, found = np.random.default_rng(seed), np.zeros(len(groups))
    for _ in range(n_samples):
        matrix = _mean(each[random.integers(samples, size=samples)])
        if np.isfinite(matrix).all():  # two models may have no map in common among those drawn
            drawn = architecture_clusters(matrix, distance, method).groups
            found += [group in drawn for group in groups]
    return found / n_samples


def _arrays(maps):
    several = maps.values() if isinstance(maps, dict) else maps
    arrays = [np.asarray(of_model) for of_model in several]
    if len(arrays) < 2 or arrays[0].ndim != 3 or any(array.shape != arrays[0].shape for array in arrays):
        raise ValueError(
            "`maps` must be two or more arrays of one shape (samples, height, width). "
            f"Received: {[array.shape for array in arrays]}."
        )
    return arrays


def _mean(matrices):
    """Mean of matrices `(samples, models, models)`, where a value is missing of the others."""
    return mean_of_known(np.moveaxis(matrices, 0, -1))


def similarities(first: Array, second: Array) -> dict[str, np.ndarray]:
    """How alike two sets of maps are, pair by pair, by every measure.

    Args:
        first, second: Maps `(samples, *spatial)`, both of one shape.

    Returns:
        Dict `spearman`, `spearman_absolute` (of the absolute maps), `ssim`, `hog` -> float64 `(samples,)`, NaN where
        the measure does not exist: constant or non-finite maps; SSIM and HOG away from two dimensions.

    Raises:
        ValueError: The maps are not of one shape, or have no positions.

    Example:

    ```python
    first, second = (kerasxai.explain(model, images, method=name) for name in ("grad_cam", "layer_cam"))
    print(kerasxai.evaluators.similarities(first, second)["spearman"].mean())
    ```
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim < 2:
        raise ValueError(
            "`first` and `second` must be maps (samples, *spatial) of one shape. "
            f"Received: {first.shape} and {second.shape}."
        )
    return {
        "spearman": spearman(first, second),
        "spearman_absolute": spearman(np.abs(first), np.abs(second)),
        "ssim": ssim(first, second),
        "hog": hog_correlation(first, second),
    }


def spearman(first, second):
    """Spearman's rank correlation of maps, pair by pair; NaN for a constant or non-finite map."""
    first, second = _rows(first), _rows(second)
    known = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    correlations = np.full(len(first), np.nan)
    if known.any():
        ranks = [stats.rankdata(rows[known], axis=1) for rows in (first, second)]
        correlations[known] = _pearson(*ranks)
    return correlations


def ssim(first, second):
    """Structural similarity of maps `(samples, height, width)`, pair by pair.

    Maps are divided by their largest absolute value; data range 1, uniform window of 7 positions or the largest odd
    number that fits, sample covariance. NaN for an all-zero or non-finite map, for sides below 3, and for maps that
    are not two-dimensional.
    """
    return _pairwise(first, second, _ssim)


def hog_correlation(first, second):
    """Pearson correlation of histograms of oriented gradients, pair by pair.

    Cells of 16 positions, or as small as it takes for a block of 3 x 3 cells to fit. NaN as for `ssim`, and where a
    histogram is constant.
    """
    return _pairwise(first, second, _hog_correlation)


def scaled(maps):
    """Maps divided by their largest absolute value each; an all-zero or non-finite map becomes NaN."""
    maps = np.asarray(maps, np.float64)
    highest = np.abs(maps).max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    # Dividing by NaN marks the map as one that has no value, without a warning.
    return maps / np.where((highest > 0) & np.isfinite(highest), highest, np.nan)


def mean_of_known(values):
    """Mean along the last axis of the values that are not NaN; NaN where none is."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0).sum(axis=-1)
    return total / np.where(known.any(axis=-1), known.sum(axis=-1), np.nan)


def _pairwise(first, second, measure):
    first, second = scaled(first), scaled(second)
    values = np.full(len(first), np.nan)
    if first.ndim == 3 and min(first.shape[1:]) >= HOG_BLOCK:
        for index in range(len(first)):
            if not np.isnan(first[index]).any() and not np.isnan(second[index]).any():
                values[index] = measure(first[index], second[index])
    return values


def _ssim(first, second):
    from skimage.metrics import structural_similarity

    side = min(first.shape)
    window = min(SSIM_WINDOW, side - 1 + side % 2)
    return structural_similarity(first, second, win_size=window, data_range=1.0, use_sample_covariance=True)


def _hog_correlation(first, second):
    from skimage.feature import hog

    cell = min(HOG_CELL, min(first.shape) // HOG_BLOCK)
    options = {"pixels_per_cell": (cell, cell), "cells_per_block": (HOG_BLOCK, HOG_BLOCK)}
    return _pearson(hog(first, **options)[np.newaxis], hog(second, **options)[np.newaxis])[0]


def _pearson(first, second):
    """Correlation row by row, NaN where a row is constant."""
    centred = []
    for rows in (first, second):
        rows = rows - rows.mean(axis=1, keepdims=True)
        size = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
        is_constant = np.abs(rows).max(axis=1, keepdims=True) < 1e-12  # but for the rounding of its mean
        centred.append(rows / np.where(is_constant, np.nan, size))
    return np.clip((centred[0] * centred[1]).sum(axis=1), -1, 1)  # rounding may go beyond


def _rows(maps):
    maps = np.asarray(maps, np.float64)
    return maps.reshape(len(maps), -1)
