"""Predicted probabilities as bars. How good the predictions are as a whole is in `reports`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kerasxai.classes import class_indices
from kerasxai.plots import checks, colours, layout
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
    if labels is not None:
        labels = class_indices(labels, classes)
        if len(labels) != count:
            raise ValueError(f"`labels` must give one class for each of {count} samples. Received: {len(labels)}.")

    shown = [_shown_classes(row, top, None if labels is None else labels[index]) for index, row in enumerate(rows)]
    names = [layout.wrapped(name, NAME_SHARE * layout.FIGURE_WIDTH / columns, layout.LABEL_SIZE) for name in names]
    drawn_names = [names[one] for classes_shown in shown for one in classes_shown]
    lines = max(name.count("\n") + 1 for name in drawn_names)
    pitch = max(BAR_PITCH, (lines + 0.3) * layout.line_height(layout.LABEL_SIZE))
    bars = max(map(len, shown))
    table = layout.Table(
        titles,
        columns,
        lambda width: bars * pitch,
        above=0.0 if labels is None else 1.25 * layout.line_height(layout.LABEL_SIZE),
        below=layout.TICK + 2.2 * layout.line_height(layout.LABEL_SIZE),
        before=layout.TICK + layout.widest(drawn_names, layout.LABEL_SIZE, "bold"),
        beside=layout.TICK + layout.text_width(">0.99", layout.LABEL_SIZE),
        row_gap=2 * layout.ROW_GAP,
    )
    figure = table.figure()
    for index, axes in enumerate(table.axes(figure)):
        true = None if labels is None else labels[index]
        _draw_bars(axes, rows[index], shown[index], names, true, bars)
        axes.tick_params(labelbottom=table.is_lowest(index))
        if table.is_lowest(index):
            axes.set_xlabel("probability", fontsize=layout.LABEL_SIZE, labelpad=1)
    if labels is not None:
        _draw_legend(figure)
    return figure


def _shown_classes(row, top, true):
    """Indices of the best classes, best first, and the true one below them if it is not among them."""
    best = list(np.argsort(-row, kind="stable")[:top])
    return best if true is None or true in best else [*best, true]


def _draw_bars(axes, row, shown, names, true, bars):
    """Draws the bars of one sample on `axes` with room for `bars` of them."""
    places = range(len(shown))
    fills = [colours.STRESSED if one == true else colours.PLAIN for one in shown]
    axes.barh(places, row[shown], height=0.7, color=fills)
    for place, one in zip(places, shown):
        text = layout.probability_text(row[one])
        axes.annotate(
            text,
            (row[one], place),
            (3, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=layout.LABEL_SIZE,
        )
    axes.set(xlim=(0, 1), ylim=(bars - 0.5, -0.5), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    axes.set_yticks(places, [names[one] for one in shown], parse_math=False)
    for label, one in zip(axes.get_yticklabels(), shown):
        if one == true:
            label.set(color=colours.STRESSED, fontweight="bold")
    axes.tick_params(labelsize=layout.LABEL_SIZE)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_legend(figure):
    from matplotlib.patches import Patch

    handles = [Patch(color=colours.STRESSED, label="true class"), Patch(color=colours.PLAIN, label="other classes")]
    figure.legend(
        handles=handles, loc="upper center", ncols=2, fontsize=layout.LABEL_SIZE, frameon=False, borderaxespad=0.1
    )
