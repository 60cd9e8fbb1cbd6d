"""The charts of a classification report: confusion matrix, ROC curves, bars of each class."""

import numpy as np

from kerasxai.plots import colours, texts
from kerasxai.plots.layout import set_title
from kerasxai.plots.names import WIDEST_NAME, AxisNames
from kerasxai.plots.texts import LABEL_SIZE

MOST_CURVES = 10  # ROC curves told apart; of more only the lowest
LOWEST_CURVES = 5
NUMBER_SIZE = "xx-small"  # in the confusion matrix
SHARES_COLORMAP, NO_SHARE_GREY = "Blues", "#E0E0E0"
LINE_STYLES = ("-", "--", ":")
MEASURES = {"precision": "#0072B2", "recall": "#E69F00", "f1": "#009E73"}  # Okabe and Ito, 2008
BAR_SHARE = 0.8  # of a class's room
HALVES = {"ticks": [0, 0.5, 1], "labels": ["0", "0.5", "1"], "fontsize": LABEL_SIZE}


def draw_confusion_matrix(sheet, axes, names, shares):
    """Draws the shares of each true class that are predicted as each class.

    Args:
        sheet: The `Sheet` that the axes are in, as wide as high.
        axes: Where to draw.
        names: `AxisNames` of the classes.
        shares: `(classes, classes)`, rows that sum to 1; NaN in the row of a class without samples.
    """
    import matplotlib

    shares = np.array(shares)
    colormap = matplotlib.colormaps[SHARES_COLORMAP].with_extremes(bad=NO_SHARE_GREY)
    axes.imshow(np.ma.masked_invalid(shares), cmap=colormap, vmin=0, vmax=1, interpolation="nearest")
    look = {"ha": "center", "va": "center_baseline", "fontsize": NUMBER_SIZE}
    for row, column in np.argwhere(shares > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{shares[row, column]:.2f}", color=colour, **look)
    set_title(axes, "confusion matrix, share of true class")
    axes.set_xlabel("predicted class", fontsize=LABEL_SIZE, labelpad=1)
    axes.set_ylabel("true class", fontsize=LABEL_SIZE, labelpad=1)
    names.mark(axes.yaxis)

    def write(width, height):
        names.mark(axes.xaxis, width)
        for number in axes.texts:
            number.set_visible(texts.text_width("0.00", NUMBER_SIZE) <= width / len(shares))

    sheet.when_sized(write)


def draw_roc(axes, names, roc, auc):
    """Draws the ROC curve of each class against all others, with its area; of two classes that of class 1.

    Args:
        axes: Where to draw.
        names: Names of the classes.
        roc: Dict of "fpr" and "tpr" for each class.
        auc: Area for each class; NaN where there is no curve.
    """
    known = [index for index in range(len(names)) if not np.isnan(auc[index])]
    if len(names) == 2:
        known = known[-1:]
    told_apart, heading = known, "AUC"
    if len(known) > MOST_CURVES:
        told_apart, heading = sorted(known, key=lambda index: auc[index])[:LOWEST_CURVES], "lowest AUC"

    axes.plot([0, 1], [0, 1], color=colours.PLAIN, linewidth=0.8, linestyle=":")
    for index in set(known) - set(told_apart):
        axes.plot(roc[index]["fpr"], roc[index]["tpr"], color=colours.PLAIN, linewidth=0.6)
    for order, index in enumerate(told_apart):
        turn, colour = divmod(order, len(colours.LINE_COLOURS))
        look = {"color": colours.LINE_COLOURS[colour], "linestyle": LINE_STYLES[turn], "linewidth": 1.2}
        entry = f"{auc[index]:.3f} {texts.wrapped(names[index], WIDEST_NAME, LABEL_SIZE)}"
        axes.plot(roc[index]["fpr"], roc[index]["tpr"], label=entry, **look)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xticks(**HALVES)
    axes.set_yticks(**HALVES)
    set_title(axes, "ROC, each class against all others")
    axes.set_xlabel("false positive rate", fontsize=LABEL_SIZE, labelpad=1)
    axes.set_ylabel("true positive rate", fontsize=LABEL_SIZE, labelpad=1)
    if told_apart:
        place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.3, "frameon": False}
        legend = axes.legend(title=heading, fontsize=LABEL_SIZE, title_fontsize=LABEL_SIZE, **place)
        texts.write_plainly(legend)


def draw_class_bars(sheet, axes, names, support, measures):
    """Draws precision, recall and F1 of each class as bars, with its number of samples.

    Args:
        sheet: The `Sheet` that the axes are in.
        axes: Where to draw.
        names: Names of the classes.
        support: Number of samples of each class.
        measures: Dict "precision", "recall" and "f1" -> value of each class, NaN for none.
    """
    names = AxisNames([f"{name} ({count})" for name, count in zip(names, support)])
    thickness = BAR_SHARE / len(MEASURES)
    classes = np.arange(len(support))
    for order, (measure, colour) in enumerate(MEASURES.items()):
        places = classes + (order - (len(MEASURES) - 1) / 2) * thickness
        axes.bar(places, measures[measure], thickness, color=colour, label=measure.replace("f1", "F1"))
    axes.set(xlim=(-0.5, len(support) - 0.5), ylim=(0, 1))
    axes.set_yticks(**HALVES)
    label = "class (samples)" if names.are_shown else "class"
    axes.set_xlabel(label, fontsize=LABEL_SIZE, labelpad=1)
    axes.spines[["top", "right"]].set_visible(False)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 0.2, "frameon": False}
    axes.legend(ncols=len(MEASURES), fontsize=LABEL_SIZE, **place)
    sheet.when_sized(lambda width, height: names.mark(axes.xaxis, width))
