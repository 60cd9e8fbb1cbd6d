"""The matrix of how alike the maps of several models are, with the tree of its clusters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from kerasxai.plots import checks, colours, layout, texts
from kerasxai.plots.names import AxisNames
from kerasxai.plots.texts import LABEL_SIZE, TITLE_SIZE
from kerasxai.typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasxai.evaluators import Clusters

MATRIX_SIDE, TREE_WIDTH, SCALE_THICKNESS = 3.2, 1.6, 0.08  # inches
NUMBER_SIZE = "xx-small"
MOST_NUMBERED = 40  # models; of more no numbers are written into the cells
NUMBER_SHARE = 0.85  # of a cell's width
COLORMAP, NO_VALUE_GREY = "Blues", "#E0E0E0"
DARK = 0.55  # share of the scale from which numbers are white
LEAF = 10  # distance of two leaves in scipy's coordinates


def similarity(
    matrix: Array, labels: Iterable[str] | None = None, clusters: Clusters | None = None, title: str | None = None
) -> Figure:
    """Draws how alike the maps of several models are: the matrix, its cells annotated, and its dendrogram beside it.

    Models stand in the order of the tree's leaves. The dotted line is where the tree is cut into clusters, whose
    branches have colours. The title has the cophenetic correlation: how well the tree's distances agree with those of
    the matrix. A matrix with NaN has no tree; its models keep their order.

    Args:
        matrix: Symmetric array `(models, models)`, of `kerasxai.evaluators.similarity_matrix`, or of another
            similarity that is 1 for equal maps.
        labels: A name for each model, or a dict of which these are the keys; None: numbers.
        clusters: `Clusters` of this matrix; None: those of `kerasxai.evaluators.architecture_clusters(matrix)`.
        title: A line above, or None.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If matrix, labels and clusters do not belong together.

    Example:

    ```python
    maps = {name: kerasxai.explain(model, images, method=name) for name in ("grad_cam", "layer_cam", "score_cam")}
    matrix = kerasxai.evaluators.similarity_matrix(maps)
    kerasxai.plots.similarity(matrix, labels=maps).savefig("similarity.png")
    ```
    """
    matrix = _checked(matrix)
    count = len(matrix)
    texts_of_models = checks.texts(range(count) if labels is None else labels, count, "labels", "model")
    if clusters is None and np.isfinite(matrix).all():
        from kerasxai.evaluators import architecture_clusters

        clusters = architecture_clusters(matrix)
    order = list(range(count)) if clusters is None else list(clusters.order)
    if sorted(order) != list(range(count)):
        raise ValueError(f"`clusters` must be those of `matrix`. Received: {len(order)} models, and {count}.")

    shown = matrix[np.ix_(order, order)]
    names = AxisNames([texts_of_models[index] for index in order], most=count)
    has_numbers = count <= MOST_NUMBERED
    cell = texts.line_height(LABEL_SIZE)
    if has_numbers:
        cell = max(cell, texts.widest(map(_text, shown.ravel()), NUMBER_SIZE) / NUMBER_SHARE)
    side = max(MATRIX_SIDE, count * cell, names.least_length)
    widths = [1.0]
    if clusters is not None:
        widths.append(TREE_WIDTH / side)
    heights = [side] if has_numbers else [side, SCALE_THICKNESS]
    sheet = layout.Sheet(widths, lambda width: heights, least_width=side, page=0)
    headings = [title] * bool(title) + [_heading(clusters)]
    room = side * sum(widths)
    heading = "\n".join(texts.wrapped(line, room, TITLE_SIZE) for line in headings)
    sheet.figure.suptitle(heading, fontsize=TITLE_SIZE, parse_math=False)
    axes = sheet.add(0, 0)
    low = min(0.0, *shown[np.isfinite(shown)])
    drawn = _draw_matrix(axes, shown, low, has_numbers)
    names.mark(axes.yaxis)
    names.mark(axes.xaxis, side)
    if not has_numbers:
        scale = sheet.figure.colorbar(drawn, cax=sheet.add(1, 0), orientation="horizontal")
        scale.ax.tick_params(labelsize=LABEL_SIZE)
    if clusters is not None:
        _draw_tree(sheet.add(0, 1), clusters)
    return layout.fit(sheet)


def _checked(matrix):
    matrix = checks.numbers(matrix, "matrix").astype("float64")
    is_square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] and len(matrix) > 1
    if not is_square or np.isinf(matrix).any() or not np.allclose(matrix, matrix.T, equal_nan=True):
        raise ValueError(
            "`matrix` must be symmetric, of two models or more, as `kerasxai.evaluators.similarity_matrix` gives it. "
            f"Received: shape {matrix.shape}."
        )
    return matrix


def _heading(clusters):
    if clusters is None:
        return "no dendrogram: not all similarities exist"
    groups = "nothing groups"
    if clusters.has_clusters:
        groups = f"{len(np.unique(clusters.labels))} clusters"
    correlation = _text(clusters.cophenetic_correlation) or "undefined"  # of two models, or of equal distances
    return f"cophenetic correlation {correlation}, {groups}"


def _text(value):
    return "" if np.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _draw_matrix(axes, shown, low, has_numbers):
    import matplotlib

    colormap = matplotlib.colormaps[COLORMAP].with_extremes(bad=NO_VALUE_GREY)
    drawn = axes.imshow(np.ma.masked_invalid(shown), cmap=colormap, vmin=low, vmax=1, interpolation="nearest")
    if has_numbers:
        look = {"ha": "center", "va": "center_baseline", "fontsize": NUMBER_SIZE}
        for (row, column), value in np.ndenumerate(shown):
            shade = "white" if (value - low) / (1 - low) > DARK else "black"  # not for NaN
            axes.text(column, row, _text(value), color=shade, **look)
    return drawn


def _draw_tree(axes, clusters):
    """The tree with its root at the right; leaf i at height i, as the rows of the matrix."""
    from scipy.cluster import hierarchy

    tree = hierarchy.dendrogram(clusters.linkage, no_plot=True)
    cut = clusters.linkage[-1, 2] / 2
    groups = np.asarray(clusters.labels)[clusters.order]  # along the leaves
    for leaves, distances in zip(tree["icoord"], tree["dcoord"]):
        places = (np.array(leaves) - LEAF / 2) / LEAF
        group = groups[int(np.clip(np.floor(places.mean()), 0, len(groups) - 1))]
        is_within = clusters.has_clusters and max(distances) <= cut
        colour = colours.LINE_COLOURS[1 + (group - 1) % (len(colours.LINE_COLOURS) - 1)] if is_within else "black"
        axes.plot(distances, places, color=colour, linewidth=1.2, solid_capstyle="butt")
    axes.axvline(cut, color=colours.PLAIN, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1.05 * clusters.linkage[-1, 2] or 1), ylim=(len(groups) - 0.5, -0.5), yticks=[])
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(labelsize=LABEL_SIZE)
    axes.set_xlabel("distance", fontsize=LABEL_SIZE, labelpad=1)
    axes.spines[["top", "right", "left"]].set_visible(False)
