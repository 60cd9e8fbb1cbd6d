"""Names along an axis: of classes, models, layers."""

from kerasxai.plots import texts
from kerasxai.plots.texts import LABEL_SIZE

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
        least_length: Inches that a vertical axis needs.
    """

    def __init__(self, names, most=MOST_NAMED):
        self._names = names
        self._wrapped = [texts.wrapped(name, WIDEST_NAME, LABEL_SIZE) for name in names]
        self.are_shown = len(names) <= most
        self.least_length = 0.0
        if self.are_shown:
            lines = max(name.count("\n") + 1 for name in self._wrapped)
            self.least_length = len(names) * lines * texts.line_height(LABEL_SIZE)

    def mark(self, axis, length=None):
        """Writes the names to a vertical axis, or to a horizontal one of this length, at 0, 1, ..."""
        from matplotlib.ticker import MaxNLocator

        axis.set_tick_params(labelsize=LABEL_SIZE)
        if not self.are_shown:
            axis.set_major_locator(MaxNLocator(integer=True))
            return
        names, rotation = self._wrapped, 0
        if length is not None:
            room = NAME_SHARE * length / len(names)
            if texts.widest(texts.words("\n".join(self._names)), LABEL_SIZE) > room:
                rotation = 90
            else:
                names = [texts.wrapped(name, room, LABEL_SIZE) for name in self._names]
        axis.set_ticks(range(len(names)), names, parse_math=False)
        axis.set_tick_params(labelrotation=rotation)
