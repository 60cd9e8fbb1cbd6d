"""Predicted probabilities as bars. How good the predictions are as a whole is in `reports`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasxai.classes import class_indices
from kerasxai.plots import checks, colours, layout, texts
from kerasxai.plots.texts import LABEL_SIZE
from kerasxai.typing import Array, Texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAR_PITCH = 0.17  # inches from bar to bar
NAME_SHARE = 0.4  # of a sample's width, at most, for class names; longer ones are wrapped


def prediction_bars(
    probabilities: Array,
    class_names: Texts | None = None,
    labels: Array | None = None,
    top: int = 5,
    titles: Texts | None = None,
    columns: int = 2,
) -> Figure:
    """Draws the best classes of each sample as bars, the most probable on top, and marks the true class.

    The bar and name of the true class are blue and bold, all others grey. A true class that is not among the best is
    added below them. Without labels all bars are grey.

    Args:
        probabilities: Array `(N, classes)` within 0..1, or `(N, 1)` of a sigmoid unit, which is the probability of
            class 1 of two; `(classes,)` for one sample.
        class_names: Names of all classes. None: "class 0", "class 1" ...
        labels: True classes: N indices or one-hot rows `(N, classes)`, or None.
        top: How many classes to draw for each sample.
        titles: N titles, one for each sample, or None.
        columns: Samples in a row.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If probabilities are out of range, or labels, names or titles do not belong to them.

    Example:

    ```python
    probabilities = model.predict(images, verbose=0)
    figure = kerasxai.plots.prediction_bars(probabilities, ["cat", "dog", "cow", "hen", "pig"], labels=[0, 1, 0, 2])
    ```
    """
    checks.check_count(top, "top")
    checks.check_count(columns, "columns")
    rows = checks.probability_rows(probabilities)
    count, classes = rows.shape
    names = checks.names_of_classes(class_names, classes)
    titles = checks.texts(titles, count, "titles", "sample")
    has_labels = labels is not None
    if has_labels:
        labels = class_indices(labels, classes)
        if len(labels) != count:
            raise ValueError(f"`labels` must give one class for each of {count} samples. Received: {len(labels)}.")

    else:
        labels = [None] * count

    shown = list(map(_shown_classes, rows, [top] * count, labels))
    names = [texts.wrapped(name, NAME_SHARE * layout.PAGE_WIDTH / columns, LABEL_SIZE) for name in names]
    drawn_names = [names[index] for index in np.unique(np.concatenate(shown))]
    lines = max(name.count("\n") + 1 for name in drawn_names)
    pitch = max(BAR_PITCH, (lines + 0.3) * texts.line_height(LABEL_SIZE))
    bars = max(map(len, shown))
    sheet = layout.panels(titles, columns, lambda width: bars * pitch)
    for index, axes in enumerate(sheet.axes):
        _draw_bars(axes, rows[index], shown[index], names, labels[index], bars)
        is_lowest = index + columns >= count
        axes.tick_params(labelbottom=is_lowest)
        if is_lowest:
            axes.set_xlabel("probability", fontsize=LABEL_SIZE, labelpad=1)
    if has_labels:
        _draw_legend(sheet.figure)
    return layout.fit(sheet)


def _shown_classes(row, top, true):
    """Indices of the best classes, best first, and the true one below them if it is not among them."""
    best = list(np.argsort(-row, kind="stable")[:top])
    return best if true is None or true in best else [*best, true]


def _draw_bars(axes, row, shown, names, true, bars):
    """Draws the bars of one sample on `axes` with room for `bars` of them."""
    is_true = [index == true for index in shown]
    fills = np.where(is_true, colours.STRESSED, colours.PLAIN)
    axes.barh(range(len(shown)), row[shown], height=0.7, color=fills)
    beside = {"xytext": (3, 0), "textcoords": "offset points", "va": "center_baseline", "fontsize": LABEL_SIZE}
    for place, index in enumerate(shown):
        axes.annotate(texts.probability_text(row[index]), (row[index], place), **beside)
    axes.set(xlim=(0, 1), ylim=(bars - 0.5, -0.5), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    axes.set_yticks(range(len(shown)), [names[index] for index in shown], parse_math=False)
    if true in shown:
        axes.get_yticklabels()[shown.index(true)].set(color=colours.STRESSED, fontweight="bold")
    axes.tick_params(labelsize=LABEL_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_legend(figure):
    from matplotlib.patches import Patch

    handles = [Patch(color=colours.STRESSED, label="true class"), Patch(color=colours.PLAIN, label="other classes")]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=LABEL_SIZE, frameon=False)
