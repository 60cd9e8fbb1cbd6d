"""Names along an axis - of classes, models, layers - and the room that they take."""

from kerasxai.plots import layout
from kerasxai.plots.layout import LABEL_SIZE

MOST_NAMED = 25  # of more only indices are written
WIDEST_NAME = 1.4  # inches; longer names are wrapped
NAME_SHARE = 0.94  # of the room of one


class AxisNames:
    """Names along an axis: wrapped, upright where they do not fit side by side, indices where they are too many.

    Args:
        names: The names.
        most: Number of names that are written; of more only indices.

    Attributes:
        are_shown: Whether the names, not indices, are written.
        width: Inches of the widest.
        least_length: Inches that a vertical axis needs.
    """

    def __init__(self, names, most=MOST_NAMED):
        self._names = names
        self.are_shown = len(names) <= most
        self._wrapped = [layout.wrapped(name, WIDEST_NAME, LABEL_SIZE) for name in names]
        self.width = layout.widest(self._wrapped if self.are_shown else [str(len(names))], LABEL_SIZE)
        lines = max(name.count("\n") + 1 for name in self._wrapped)
        self.least_length = len(names) * lines * _line() if self.are_shown else 0.0

    def depth(self, length):
        """Room that the names take under a horizontal axis of this length."""
        if not self.are_shown:
            return _line()
        if self._is_upright(length):
            return self.width
        return _line() * max(name.count("\n") + 1 for name in self._side_by_side(length))

    def mark(self, axis, length=None, places=None):
        """Writes the names to a vertical axis, or to a horizontal one of this length, at `places` or at 0, 1, ..."""
        from matplotlib.ticker import MaxNLocator

        axis.set_tick_params(labelsize=LABEL_SIZE)
        if not self.are_shown:
            axis.set_major_locator(MaxNLocator(integer=True))
            return
        if length is None or self._is_upright(length):
            texts = self._wrapped
        else:
            texts = self._side_by_side(length)
        axis.set_ticks(range(len(texts)) if places is None else places, texts, parse_math=False)
        if length is not None and self._is_upright(length):
            axis.set_tick_params(labelrotation=90)

    def _side_by_side(self, length):
        return [layout.wrapped(name, self._room(length), LABEL_SIZE) for name in self._names]

    def _is_upright(self, length):
        words = [word for name in self._names for word in layout.words(name)]
        return layout.widest(words, LABEL_SIZE) > self._room(length)

    def _room(self, length):
        return NAME_SHARE * length / len(self._names)


def _line():
    return layout.line_height(LABEL_SIZE)
