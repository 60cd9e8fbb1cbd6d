"""The matrix of how alike the maps of several models are, with the tree of its clusters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from kerasxai.plots import checks, colours, drawing, layout
from kerasxai.plots.layout import LABEL_SIZE, TICK
from kerasxai.plots.names import AxisNames
from kerasxai.typing import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasxai.evaluators import Clusters

MATRIX_SIDE, TREE_WIDTH, TREE_GAP, TREE_LABELS, SCALE_GAP = 3.2, 1.6, 0.1, 0.45, 0.05  # inches
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
    texts = [[_text(value) for value in row] for row in shown]
    has_numbers = count <= MOST_NUMBERED
    least = layout.widest([text for row in texts for text in row], NUMBER_SIZE) / NUMBER_SHARE if has_numbers else 0
    side = max(MATRIX_SIDE, count * least, names.least_length, count * layout.line_height(LABEL_SIZE))
    headings = [title] * bool(title) + _heading(clusters)
    before = layout.MARGIN + names.width + TICK
    width = before + side + layout.MARGIN + (0 if clusters is None else TREE_GAP + TREE_WIDTH)
    width = max(width, layout.widest(headings, layout.TITLE_SIZE) + 2 * layout.MARGIN)
    above = layout.MARGIN + len(headings) * layout.line_height(layout.TITLE_SIZE) + layout.TITLE_GAP
    under_matrix = TICK + names.depth(side)
    scale = 0 if has_numbers else SCALE_GAP + drawing.scale_height()
    below = max(under_matrix + scale, 0 if clusters is None else TREE_LABELS) + layout.MARGIN
    figure = layout.new_figure(width, above + side + below)
    layout.add_text(figure, width / 2, layout.MARGIN, "\n".join(headings), ha="center", linespacing=1.2)
    axes = layout.add_axes(figure, before, above, side, side)
    low = min(0.0, *shown[np.isfinite(shown)])
    limits = colours.Limits(low, 1.0, False, low, 1.0)
    drawn = _draw_matrix(axes, shown, limits, texts if has_numbers else None)
    if not has_numbers:
        drawing.draw_scale_below(axes, drawn, limits, under_matrix + SCALE_GAP)
    names.mark(axes.yaxis)
    names.mark(axes.xaxis, side)
    if clusters is not None:
        tree = layout.add_axes(figure, before + side + TREE_GAP, above, TREE_WIDTH, side)
        _draw_tree(tree, clusters)
    return figure


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
        return ["no dendrogram: not all similarities exist"]
    found = len(set(np.asarray(clusters.labels).tolist())) if clusters.has_clusters else 0
    groups = f"{found} clusters" if found else "nothing groups"
    correlation = _text(clusters.cophenetic_correlation) or "undefined"  # of two models, or of equal distances
    return [f"cophenetic correlation {correlation}, {groups}"]


def _text(value):
    return "" if np.isnan(value) else f"{value:.2f}".replace("-", "\N{MINUS SIGN}")


def _draw_matrix(axes, shown, limits, texts):
    import matplotlib

    low, high, *_ = limits
    colormap = matplotlib.colormaps[COLORMAP].with_extremes(bad=NO_VALUE_GREY)
    drawn = axes.imshow(np.ma.masked_invalid(shown), cmap=colormap, vmin=low, vmax=high, interpolation="nearest")
    for (row, column), value in np.ndenumerate(shown if texts else np.empty((0, 0))):
        look = {"ha": "center", "va": "center_baseline", "fontsize": NUMBER_SIZE}
        shade = "white" if (value - low) / (high - low) > DARK else "black"  # not for NaN
        axes.text(column, row, texts[row][column], color=shade, **look)
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
