"""The charts of a classification report: confusion matrix, ROC curves, bars of each class.
Each says what room it needs, in inches, and draws itself on axes; where they stand is in `reports`."""

import numpy as np

from kerasxai.plots import colours, layout
from kerasxai.plots.layout import LABEL_SIZE, TICK
from kerasxai.plots.names import WIDEST_NAME, AxisNames

MOST_CURVES = 10  # ROC curves told apart; of more only the lowest
LOWEST_CURVES = 5
LEGEND_LINE_WIDTH = 0.42  # inches, of a line in a legend and the gaps around it
NUMBER_SIZE = "xx-small"  # in the confusion matrix
SHARES_COLORMAP, NO_SHARE_GREY = "Blues", "#E0E0E0"
LINE_STYLES = ("-", "--", ":")
MEASURES = {"precision": "#0072B2", "recall": "#E69F00", "f1": "#009E73"}  # Okabe and Ito, 2008
BAR_SHARE = 0.8  # of a class's room


class ConfusionMatrix:
    """Shares of each true class that are predicted as each class.

    Args:
        names: Names of the classes.
        shares: Array `(classes, classes)`, rows that sum to 1; NaN in the row of a class without samples.
    """

    def __init__(self, names, shares):
        self._names = AxisNames(names)
        self._shares = np.array(shares)
        self.before = _line() + TICK + self._names.width
        self.least_side = self._names.least_length

    def below(self, side):
        """Room under a matrix of this side."""
        return TICK + self._names.depth(side) + 1.5 * _line()

    def draw(self, axes, side):
        """Draws the matrix on axes of this side."""
        import matplotlib

        count = len(self._shares)
        colormap = matplotlib.colormaps[SHARES_COLORMAP].with_extremes(bad=NO_SHARE_GREY)
        axes.imshow(np.ma.masked_invalid(self._shares), cmap=colormap, vmin=0, vmax=1, interpolation="nearest")
        if layout.text_width("0.00", NUMBER_SIZE) <= side / count:
            self._write_numbers(axes)
        self._names.mark(axes.xaxis, side)
        self._names.mark(axes.yaxis)
        axes.set_title("confusion matrix, share of true class", fontsize=layout.TITLE_SIZE, pad=72 * layout.TITLE_GAP)
        axes.set_xlabel("predicted class", fontsize=LABEL_SIZE, labelpad=1)
        axes.set_ylabel("true class", fontsize=LABEL_SIZE, labelpad=1)

    def _write_numbers(self, axes):
        for (row, column), share in np.ndenumerate(self._shares):
            if share > 0:
                colour = "white" if share > 0.5 else "black"
                style = {"ha": "center", "va": "center_baseline", "fontsize": NUMBER_SIZE, "color": colour}
                axes.text(column, row, f"{share:.2f}", **style)


class Curves:
    """ROC curve of each class against all others, with its area; of two classes that of class 1.

    Args:
        names: Names of the classes.
        roc: Dict of "fpr" and "tpr" for each class.
        auc: Area for each class; NaN where there is no curve.
    """

    def __init__(self, names, roc, auc):
        self._roc = roc
        known = [index for index in range(len(names)) if not np.isnan(auc[index])]
        self._drawn = known[-1:] if len(names) == 2 else known
        self._told_apart = self._drawn
        if len(self._drawn) > MOST_CURVES:
            self._told_apart = sorted(self._drawn, key=lambda index: auc[index])[:LOWEST_CURVES]
        wrapped = [layout.wrapped(name, WIDEST_NAME, LABEL_SIZE) for name in names]
        self._entries = [f"{auc[index]:.3f} {wrapped[index]}" for index in self._told_apart]
        self.before = _line() + TICK + layout.text_width("0.5", LABEL_SIZE)
        self.beside = LEGEND_LINE_WIDTH + layout.widest([*self._entries, "lowest AUC"], LABEL_SIZE)

    def draw(self, axes):
        """Draws the curves on square axes, and the legend at their right."""
        axes.plot([0, 1], [0, 1], color=colours.PLAIN, linewidth=0.8, linestyle=":")
        for index in self._drawn:
            if index not in self._told_apart:
                axes.plot(self._roc[index]["fpr"], self._roc[index]["tpr"], color=colours.PLAIN, linewidth=0.6)
        for order, (index, entry) in enumerate(zip(self._told_apart, self._entries)):
            turn, colour = divmod(order, len(colours.LINE_COLOURS))
            look = {"color": colours.LINE_COLOURS[colour], "linestyle": LINE_STYLES[turn], "linewidth": 1.2}
            axes.plot(self._roc[index]["fpr"], self._roc[index]["tpr"], label=entry, **look)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
        axes.set_xticklabels(["0", "0.5", "1"])
        axes.set_yticklabels(["0", "0.5", "1"])
        axes.tick_params(labelsize=LABEL_SIZE)
        axes.set_title("ROC, each class against all others", fontsize=layout.TITLE_SIZE, pad=72 * layout.TITLE_GAP)
        axes.set_xlabel("false positive rate", fontsize=LABEL_SIZE, labelpad=1)
        axes.set_ylabel("true positive rate", fontsize=LABEL_SIZE, labelpad=1)
        if self._entries:
            heading = "AUC" if self._told_apart is self._drawn else "lowest AUC"
            place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.3, "frameon": False}
            legend = axes.legend(title=heading, fontsize=LABEL_SIZE, title_fontsize=LABEL_SIZE, **place)
            for text in legend.get_texts():
                text.set_parse_math(False)


class ClassBars:
    """Precision, recall and F1 of each class as bars, with its number of samples.

    Args:
        names: Names of the classes.
        support: Number of samples of each class.
        measures: Dict "precision", "recall" and "f1" -> value of each class, NaN for none.
    """

    def __init__(self, names, support, measures):
        self._names = AxisNames([f"{name} ({count})" for name, count in zip(names, support)])
        self._measures = measures
        self.before = TICK + layout.text_width("0.5", LABEL_SIZE)

    def below(self, width):
        """Room under bars of this total width."""
        return TICK + self._names.depth(width) + 1.5 * _line()

    def draw(self, axes, width):
        """Draws the bars on axes of this width."""
        thickness = BAR_SHARE / len(MEASURES)
        for order, (measure, colour) in enumerate(MEASURES.items()):
            values = np.array(self._measures[measure])
            places = np.arange(len(values)) + (order - (len(MEASURES) - 1) / 2) * thickness
            label = "F1" if measure == "f1" else measure
            axes.bar(places, values, thickness, color=colour, label=label)
        axes.set(xlim=(-0.5, len(values) - 0.5), ylim=(0, 1), yticks=[0, 0.5, 1])
        axes.set_yticklabels(["0", "0.5", "1"])
        axes.tick_params(labelsize=LABEL_SIZE)
        self._names.mark(axes.xaxis, width)
        axes.set_xlabel("class (samples)" if self._names.are_shown else "class", fontsize=LABEL_SIZE, labelpad=1)
        axes.spines[["top", "right"]].set_visible(False)
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "borderaxespad": 0.2, "frameon": False}
        axes.legend(ncols=len(MEASURES), fontsize=LABEL_SIZE, **place)


def _line():
    return layout.line_height(LABEL_SIZE)
