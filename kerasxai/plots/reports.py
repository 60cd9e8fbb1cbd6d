"""The report of a classifier as one Figure: confusion matrix, ROC curves, bars of each class, explained examples.
The numbers are computed in `evaluators`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasxai.heatmap import is_signed
from kerasxai.plots import charts, checks, colours, drawing, layout
from kerasxai.plots.layout import FIGURE_WIDTH, MARGIN, TITLE_SIZE
from kerasxai.typing import Array, ExplainerLike, Model, Samples, Texts, Verbose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_SIDE = 1.8  # inches, of the confusion matrix and the ROC curves
BARS_HEIGHT = 1.1  # inches
CHART_GAP, SECTION_GAP = 0.2, 0.12  # inches
EXAMPLES_IN_ROW = 4


def classification_report(
    model: Model,
    x: Samples,
    y: Array | None = None,
    class_names: Texts | None = None,
    batch_size: int = 32,
    explainer: ExplainerLike = "grad_cam",
    examples: int = 4,
    verbose: Verbose = "auto",
) -> tuple[dict[str, Any], Figure]:
    """Measures a classifier on labelled data and draws a report, with explained examples of what is right and wrong.

    The model runs once over the data, batch by batch. The predicted class is the most probable one. Probabilities are
    the model's own; of two or more linear units their softmax; one sigmoid unit is the probability of class 1 of two.

    The examples are one of each true class in turn, the most probable prediction first, each beside its map for the
    class that was *predicted*.

    Args:
        model: A built Keras model with one output; never changed.
        x: Array or tensor `(N, *input_shape)` in the model's own range, or a finite `tf.data.Dataset` or
            `keras.utils.PyDataset` of `(x, y)`.
        y: True classes of an array `x`: N indices or one-hot rows `(N, classes)`.
        class_names: Names of all classes. None: "class 0", "class 1" ...
        batch_size: Number of samples the model runs on at once.
        explainer: What explains the examples: a registry name, a config dict, a function `model -> explainer`, or an
            explainer bound to the model.
        examples: How many right and how many wrong predictions to show; 0: none.
        verbose: Progress bar: `"auto"` (only when it takes longer than two seconds), 0 or 1.

    Returns:
        `(results, figure)`. `results` is a dict of plain Python values; lists have one entry for each class:

        - `"class_names"`, `"samples"`, `"support"` (samples of each class);
        - `"accuracy"`, and `"per_class_accuracy"`, the share of a class's samples that is predicted right (its recall);
        - `"precision"`, `"recall"`, `"f1"`, `"auc"` (one class against all others), and `"macro"`, a dict of their
          unweighted means;
        - `"roc"`: a dict of the lists `"fpr"` and `"tpr"` for each class;
        - `"confusion_matrix"` (row: true class, column: predicted class), and `"normalised_confusion_matrix"`, whose
          rows sum to 1;
        - `"examples"`: dict of `"right"` and `"wrong"`, the places in the data of the samples shown;
        - `"notes"`: sentences on what is not defined. A class without samples has NaN and does not count in the means;
          a class that is never predicted has precision 0.

        `json.dumps(results)` works, with NaN written as `NaN`. `figure` is a `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the model is no classifier (one linear unit, several outputs), data and labels do not fit, or
            examples are wanted of samples that are neither images nor signals.

    Example:

    ```python
    results, figure = kerasxai.plots.classification_report(model, images, [0, 1, 4, 1], examples=1)
    figure.savefig("report.png")
    print(results["accuracy"], results["macro"]["f1"])
    ```
    """
    from kerasxai.evaluators.classification import Classifier, results
    from kerasxai.explainers import build

    checks.check_count(batch_size, "batch_size")
    checks.check_count(examples, "examples", least=0)
    explain = build(explainer, model) if examples else None
    classifier = Classifier(model)
    if classifier.classes is not None:  # refused before any work
        checks.names_of_classes(class_names, classifier.classes)
    prepare = _check_that_examples_can_be_drawn if examples else None
    true, probabilities, kept = classifier.judge(x, y, batch_size, examples, verbose, prepare)
    names = checks.names_of_classes(class_names, probabilities.shape[1])
    found = results(true, probabilities, names)
    found["examples"] = {"right": [one.index for one in kept.right], "wrong": [one.index for one in kept.wrong]}
    return found, _draw(found, kept, explain)


def _check_that_examples_can_be_drawn(inputs):
    if len(inputs) > 1 or not checks.is_drawable(inputs[0].shape):
        shapes = ", ".join(str(tuple(samples.shape[1:])) for samples in inputs)
        raise ValueError(
            "Examples can be drawn of images (H, W, C) with C 1 or 3 and of signals (T, C). "
            f"Received: samples of shape {shapes}. Pass examples=0 for the report without them."
        )


def _draw(found, kept, explain):
    """The whole report as a Figure: every part is planned first, since the figure's size follows from them."""
    names = found["class_names"]
    matrix = charts.ConfusionMatrix(names, found["normalised_confusion_matrix"])
    curves = charts.Curves(names, found["roc"], found["auc"])
    bars = charts.ClassBars(names, found["support"], found)
    blocks = _example_blocks(names, kept, explain)

    free = FIGURE_WIDTH - 2 * MARGIN - matrix.before - curves.before - curves.beside - CHART_GAP
    side = max(free / 2, SMALLEST_SIDE, matrix.least_side)
    width = FIGURE_WIDTH + max(2 * side - free, 0.0)
    bars_width = width - 2 * MARGIN - bars.before
    head = _headlines(found, width - 2 * MARGIN)
    title_height = layout.line_height(TITLE_SIZE) + layout.TITLE_GAP
    squares_top = MARGIN + _height(head) + title_height
    bars_top = squares_top + side + matrix.below(side) + SECTION_GAP + title_height
    top = bars_top + BARS_HEIGHT + bars.below(bars_width)
    height = top + sum(SECTION_GAP + block.height for block in blocks) + MARGIN

    figure = layout.new_figure(width, height)
    layout.add_text(figure, MARGIN, MARGIN, head)
    matrix_left = MARGIN + matrix.before
    curves_left = matrix_left + side + CHART_GAP + curves.before
    matrix.draw(layout.add_axes(figure, matrix_left, squares_top, side, side), side)
    curves.draw(layout.add_axes(figure, curves_left, squares_top, side, side))
    bars.draw(layout.add_axes(figure, MARGIN + bars.before, bars_top, bars_width, BARS_HEIGHT), bars_width)
    for block in blocks:
        block.draw(figure, top + SECTION_GAP)
        top += SECTION_GAP + block.height
    return figure


def _headlines(found, width):
    macro = found["macro"]
    means = ", ".join(f"macro {label} {macro[name]:.3f}" for label, name in (("F1", "f1"), ("AUC", "auc")))
    head = f"accuracy {found['accuracy']:.3f} on {found['samples']} samples, {means}"
    return "\n".join(layout.wrapped(line, width, TITLE_SIZE) for line in [head, *found["notes"]])


def _height(text):
    return (text.count("\n") + 1) * layout.line_height(TITLE_SIZE)


def _example_blocks(names, kept, explain):
    """The examples that there are, as blocks to draw."""
    if not kept.right + kept.wrong:
        return []
    shown = kept.right + kept.wrong
    samples = np.stack([one.sample for one in shown])
    maps = explain(samples, target=np.array([one.predicted for one in shown]))
    maps = checks.map_batch(maps, samples, reduce=explain.reduce or "sum")
    signed = colours.is_signed(maps, is_signed(explain))
    method = (explain.name or type(explain).__name__).replace("_", " ")
    count = len(kept.right)
    parts = (("right", kept.right, slice(count)), ("wrong", kept.wrong, slice(count, None)))
    return [
        _ExampleBlock(
            f"Predicted {word}, {method} of the predicted class", names, examples, samples[rows], maps[rows], signed
        )
        for word, examples, rows in parts
        if examples
    ]


class _ExampleBlock:
    """Some examples under a heading: of images the bare one beside its map, of signals the map behind the line."""

    def __init__(self, heading, names, examples, samples, maps, signed):
        self._heading = heading
        self._maps, self._signed = maps, signed
        self._panels = drawing.panels(samples, drawing.DEFAULT_ALPHA)
        self._table = layout.Table(
            [_example_title(names, one) for one in examples],
            EXAMPLES_IN_ROW,
            self._panels.height,
            group=2 if samples.ndim == 4 else 1,
            above=self._panels.above,
            below=self._panels.below,
            before=self._panels.ticks_width,
        )
        self.height = layout.line_height(TITLE_SIZE) + self._table.height

    def draw(self, figure, top):
        """Draws heading and panels, `top` inches down the figure."""
        layout.add_text(figure, MARGIN, top, self._heading, weight="bold")
        top += layout.line_height(TITLE_SIZE)
        axes = self._table.axes(figure, top)
        group = self._table.group
        for index, values in enumerate(self._maps):
            *bare, panel = axes[index * group : (index + 1) * group]
            for one in bare:
                self._panels.draw(one, index)
            self._panels.draw_map(panel, index, values, self._panels.limits(values, self._signed))
            drawing.draw_note(panel, values)
        self._panels.finish(self._table, axes, top)


def _example_title(names, one):
    title = f"{names[one.predicted]} ({layout.probability_text(one.probability)})"
    return title if one.predicted == one.true else f"{title}\ntrue: {names[one.true]}"
