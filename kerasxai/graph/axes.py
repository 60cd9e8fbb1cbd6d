"""Where the units along an axis of a tensor lie on the model's input: exact arithmetic, which knows no layers.

Two descriptions travel side by side. The place a map is shown at follows the field's convention: what a convolution or
pooling makes is stretched over what it was made of. The centres of the receptive fields are where it truly belongs.
"""

import dataclasses
from fractions import Fraction

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axis:
    """The units along one axis of a tensor, in pixels of an axis of the input, whose first pixel is 0 ... 1.

    Attributes:
        source: Index of the input's spatial axis.
        length: Number of units.
        start, stop: Where the first unit begins and the last one ends; start > stop where the axis is turned round.
        low, high: The part of the input that was not cropped away.
        first, stride: Centre of the first unit's receptive field, and from one centre to the next.
    """

    source: int
    length: int
    start: Fraction
    stop: Fraction
    low: Fraction
    high: Fraction
    first: Fraction
    stride: Fraction

    @classmethod
    def of_input(cls, source, length):
        """The axis of the input itself."""
        zero, end = Fraction(0), Fraction(length)
        return cls(source, length, zero, end, zero, end, Fraction(1, 2), Fraction(1))

    @property
    def unit(self):
        """Width of a unit in pixels, negative where the axis is turned round."""
        return (self.stop - self.start) / self.length

    @property
    def last(self):
        """Centre of the last unit's receptive field."""
        return self.first + (self.length - 1) * self.stride

    def covers(self, size):
        """Whether the units are stretched over all pixels of an axis of this size, in order."""
        return self.start == 0 and self.stop == size and self.low <= 0 and self.high >= size

    def under(self, window, length):
        """The axis of what a layer makes by sliding a window over this one."""
        start, stop = self._less_padding(window.border)
        first = self.first + window.offset * self.stride
        stride = window.step * self.stride
        return dataclasses.replace(self, length=length, start=start, stop=stop, first=first, stride=stride)

    def stretched(self, length):
        """The axis of what a layer of another size makes of which no more is known."""
        return self if length == self.length else self.under(Window.stretch(self.length, length), length)

    def moved(self, run, length):
        """The axis of what a crop, a padding, a slice or a flip makes."""
        step, unit = Fraction(run.step), self.unit
        edge = self.start + unit * (run.source + Fraction(1, 2) - step / 2)  # where the first unit of the run begins
        ends = sorted([edge, edge + unit * step * run.length])
        start = edge - unit * step * run.begin
        return dataclasses.replace(
            self,
            length=length,
            start=start,
            stop=start + unit * step * length,
            low=max(self.low, ends[0]),
            high=min(self.high, ends[1]),
            first=self.first + self.stride * (run.source - step * run.begin),
            stride=self.stride * step,
        )

    def _less_padding(self, border):
        """Start and stop without the padding that a window takes up at the borders, as much on either side as it can.

        Padding before a window without padding of its own is how "same" is often written: it belongs to the window.
        """
        sign = 1 if self.unit > 0 else -1
        lead, trail = (self.low, self.high) if sign > 0 else (self.high, self.low)
        before, after = max(0, sign * (lead - self.start)), max(0, sign * (self.stop - trail))
        border = border * abs(self.unit)
        from_start = min(before, border - min(after, border / 2))
        from_stop = min(after, border - min(before, border / 2))
        return self.start + sign * from_start, self.stop - sign * from_stop


@dataclasses.dataclass(frozen=True)
class Window:
    """How a layer slides along an axis, in units of its input.

    Attributes:
        offset: Centre of the first window, from the centre of the first unit.
        step: From one window to the next.
        border: How many units at the two ends together overlapping windows use up.
    """

    offset: Fraction
    step: Fraction
    border: int = 0

    @classmethod
    def stretch(cls, length, new_length):
        """Of a layer of which only the sizes are known."""
        step = Fraction(length, new_length)
        return cls((step - 1) / 2, step)

    @classmethod
    def convolution(cls, length, new_length, reach, stride, padding):
        """Of a convolution or pooling whose window reaches over `reach` units; None where its size is another."""
        if padding == "same":
            needed, added = -(-length // stride), max((new_length - 1) * stride + reach - length, 0)
            before, border = added // 2, 0
        elif padding == "causal":
            needed, before, border = (length - 1) // stride + 1, reach - 1, 0
        else:
            needed, before = (length - reach) // stride + 1, 0
            border = reach - 1 if reach > stride else 0  # windows that do not overlap lie in a row without one
        return cls(Fraction(reach - 1, 2) - before, Fraction(stride), border) if needed == new_length else None

    @classmethod
    def transposed(cls, length, new_length, reach, stride):
        """Of a transposed convolution."""
        cut = max((length - 1) * stride + reach - new_length, 0)
        return cls((cut // 2 - Fraction(reach - 1, 2)) / stride, Fraction(1, stride))


@dataclasses.dataclass(frozen=True)
class Run:
    """The units of a moved axis that show units of the axis before, evenly; the others are padding.

    Attributes:
        begin, length: The first of them and their number.
        source: What the first of them shows: the position of a unit of the axis before.
        step: From one to the next, in units of the axis before.
    """

    begin: int
    length: int
    source: Fraction
    step: Fraction

    @classmethod
    def find(cls, positions):
        """The run in the positions that the units of a moved axis show, NaN for padding; None where there is no one.

        Padding that repeats or mirrors what the run shows is padding too.
        """
        repeats = _repeats(positions)
        if repeats > 1:
            run = cls.find(positions[::repeats])
            if run is None:
                return None
            step = run.step / repeats
            source = run.source - (repeats - 1) * step / 2
            return cls(run.begin * repeats, run.length * repeats, source, step)
        begin, end = _longest_even(positions)
        shown = positions[begin:end]
        beside = np.concatenate([positions[:begin], positions[end:]])
        beside = beside[~np.isnan(beside)]
        if len(beside) and (beside.min() < shown.min() or beside.max() > shown.max() or len(beside) >= len(shown)):
            return None
        step = _fraction(shown[1] - shown[0]) if len(shown) > 1 else Fraction(1)
        return cls(begin, len(shown), _fraction(shown[0]), step)


def joined(axes):
    """The axis of what several paths make together, None where they disagree.

    Paths agree whose units are shown within one unit of one another: then the one counts that comes nearest to being
    stretched over all that is seen. Failing that, those agree whose receptive fields do, as a cropped skip connection
    and the unpadded convolutions beside it: then the one counts that is shown nearest to them.
    """
    first = axes[0]
    if all(other == first for other in axes[1:]):
        return first
    if len({(other.source, other.unit > 0) for other in axes}) > 1:
        return None
    shown = [(other.start, other.stop) for other in axes]
    fields = [(other.first - other.stride / 2, other.last + other.stride / 2) for other in axes]
    largest = max(abs(other.unit) for other in axes)
    low, high = min(other.low for other in axes), max(other.high for other in axes)
    if _spread(shown) <= largest:
        wanted = (low, high) if first.unit > 0 else (high, low)
    elif _spread(fields) <= largest:
        wanted = [sum(ends) / len(axes) for ends in zip(*fields)]
    else:
        return None
    nearest = min(axes, key=lambda other: abs(other.start - wanted[0]) + abs(other.stop - wanted[1]))
    return dataclasses.replace(
        nearest,
        low=low,
        high=high,
        first=sum(other.first for other in axes) / len(axes),
        stride=sum(other.stride for other in axes) / len(axes),
    )


def side_by_side(parts):
    """The axis of parts put one after the other, each an Axis or the number of units that show nothing of the input.

    None where they do not lie side by side on the input in this order.
    """
    lengths = [part.length if isinstance(part, Axis) else part for part in parts]
    begins = [sum(lengths[:index]) for index in range(len(parts))]
    known = [(begin, part) for begin, part in zip(begins, parts) if isinstance(part, Axis)]
    begin, first = known[0]
    start = first.start - first.unit * begin
    for place, part in known:
        if (part.source, part.unit, part.start) != (first.source, first.unit, start + first.unit * place):
            return None
    return dataclasses.replace(
        first,
        length=sum(lengths),
        start=start,
        stop=start + first.unit * sum(lengths),
        low=min(part.low for _, part in known),
        high=max(part.high for _, part in known),
        first=first.first - first.stride * begin,
    )


def _spread(ends):
    return max(max(values) - min(values) for values in zip(*ends))


def _repeats(positions):
    """How often each position is repeated in a row, 1 where that differs."""
    changes = np.flatnonzero(~np.isclose(positions[1:], positions[:-1], equal_nan=True)) + 1
    if not len(changes) or np.isnan(positions).any():
        return 1
    counts = np.diff([0, *changes, len(positions)])
    return int(counts[0]) if (counts == counts[0]).all() else 1


def _longest_even(positions):
    """Begin and end of the longest piece whose positions are evenly spaced and not all one."""
    known = np.flatnonzero(~np.isnan(positions))
    best = (int(known[0]), int(known[0]) + 1)
    steps = np.diff(positions)
    begin = 0
    for index in range(1, len(steps) + 1):
        if index == len(steps) or not np.isclose(steps[index], steps[begin]):
            if not np.isnan(steps[begin]) and steps[begin] != 0 and index - begin + 1 > best[1] - best[0]:
                best = (begin, index + 1)
            begin = index
    return best


def _fraction(value):
    # Positions are exact fractions, so that equal places compare equal; a float is one near it.
    return Fraction(float(value)).limit_denominator(1 << 20)
