"""The report of a classifier as one Figure: confusion matrix, ROC curves, bars of each class, explained examples.
The numbers are computed in `evaluators`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kerasxai.heatmap import is_signed
from kerasxai.plots import charts, checks, colours, drawing, layout, texts
from kerasxai.plots.names import AxisNames
from kerasxai.plots.texts import TITLE_SIZE
from kerasxai.typing import Array, ExplainerLike, Model, Samples, Texts, Verbose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_SIDE = 1.8  # inches, of the confusion matrix and the ROC curves
BARS_HEIGHT = 1.1  # inches
SECTION_GAP = 0.16  # inches
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
    report = results(true, probabilities, names)
    report["examples"] = {
        "right": [example.index for example in kept.right],
        "wrong": [example.index for example in kept.wrong],
    }
    return report, _draw(report, kept, explain)


def _check_that_examples_can_be_drawn(inputs):
    if len(inputs) > 1 or not checks.is_drawable(inputs[0].shape):
        shapes = ", ".join(str(tuple(samples.shape[1:])) for samples in inputs)
        raise ValueError(
            "Examples can be drawn of images (H, W, C) with C 1 or 3 and of signals (T, C). "
            f"Received: samples of shape {shapes}. Pass examples=0 for the report without them."
        )


def _draw(report, kept, explain):
    """The whole report as a Figure: its parts lie one below the other, each in a SubFigure of its own."""
    names = report["class_names"]
    blocks = _example_blocks(names, kept, explain)
    figure = layout.new_figure(4 * layout.PAGE_WIDTH, 10 + 10 * len(blocks))
    figure.get_layout_engine().set(h_pad=SECTION_GAP / 2)
    grid = figure.add_gridspec(2 + len(blocks), 1)
    charts_part, bars_part, *parts = map(figure.add_subfigure, grid)

    axis_names = AxisNames(names)
    side = max(SMALLEST_SIDE, axis_names.least_length)
    squares = layout.Sheet([1.0, 1.0], lambda width: [width], parent=charts_part, least_width=side)
    matrix, curves = squares.add(0, 0), squares.add(0, 1)
    charts.draw_confusion_matrix(squares, matrix, axis_names, report["normalised_confusion_matrix"])
    charts.draw_roc(curves, names, report["roc"], report["auc"])
    bars = layout.Sheet([1.0], lambda width: [BARS_HEIGHT], parent=bars_part)
    charts.draw_class_bars(bars, bars.add(0, 0), names, report["support"], report)
    examples = [_draw_examples(part, *block) for part, block in zip(parts, blocks)]

    place = {"ha": "left", "fontsize": TITLE_SIZE, "parse_math": False}
    head = figure.suptitle(_headlines(report), x=0.01, **place)
    for sheet, (heading, *_) in zip(examples, blocks):
        sheet.figure.suptitle(heading, x=0.005, weight="bold", **place)
    bars.when_sized(lambda width, height: head.set_text(texts.wrapped(_headlines(report), width, TITLE_SIZE)))
    return layout.fit(squares, bars, *examples, parts=grid)


def _headlines(report):
    macro = report["macro"]
    means = f"macro F1 {macro['f1']:.3f}, macro AUC {macro['auc']:.3f}"
    return "\n".join([f"accuracy {report['accuracy']:.3f} on {report['samples']} samples, {means}", *report["notes"]])


def _example_blocks(names, kept, explain):
    """The examples that there are, right and wrong: heading, titles, samples, maps, and whether these are signed."""
    shown = kept.right + kept.wrong
    if not shown:
        return []
    samples = np.stack([example.sample for example in shown])
    maps = explain(samples, target=np.array([example.predicted for example in shown]))
    maps = checks.map_batch(maps, samples, reduce=explain.reduce or "sum")
    signed = colours.is_signed(maps, is_signed(explain))
    method = (explain.name or type(explain).__name__).replace("_", " ")
    titles = [_example_title(names, example) for example in shown]
    count = len(kept.right)
    blocks = []
    for word, rows in (("right", slice(count)), ("wrong", slice(count, None))):
        heading = f"Predicted {word}, {method} of the predicted class"
        if titles[rows]:
            blocks.append((heading, titles[rows], samples[rows], maps[rows], signed))
    return blocks


def _draw_examples(part, heading, titles, samples, maps, signed):
    """Draws examples in a part of a figure: of images the bare one beside its map, of signals the map behind it."""
    batch = drawing.panels(samples, drawing.DEFAULT_ALPHA)
    group = 2 if samples.ndim == 4 else 1
    sheet = layout.panels(titles, EXAMPLES_IN_ROW, batch.height, parent=part, group=group)
    for index, values in enumerate(maps):
        *bare, panel = sheet.axes[index * group : (index + 1) * group]
        for axes in bare:
            batch.draw(axes, index)
        batch.draw_map(panel, index, values, batch.limits(values, signed))
        drawing.draw_note(panel, values)
    batch.finish(sheet, sheet.axes, EXAMPLES_IN_ROW * group)
    return sheet


def _example_title(names, example):
    title = f"{names[example.predicted]} ({texts.probability_text(example.probability)})"
    if example.predicted == example.true:
        return title
    return f"{title}\ntrue: {names[example.true]}"
