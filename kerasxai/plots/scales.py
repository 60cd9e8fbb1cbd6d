"""The scales beside panels: which raw values the colours of a map stand for, over the shades of its picture."""

import numpy as np

from kerasxai.plots import colours
from kerasxai.plots.layout import SMALLEST_WIDTH
from kerasxai.plots.texts import LABEL_SIZE, line_height, number_text, widest

SCALE_GAP, SCALE_THICKNESS = 0.05, 0.08  # inches
SHADES = 16  # of the picture below the colours of a scale
RANGE_PLACE = -0.3  # of the line that shows which values occur, in thicknesses of the scale
RANGE_WIDTH = 1.0  # points


def draw_scale(sheet, axes, drawn, limits):
    """Draws a colourbar as high as `axes` at its right, with the raw values at its ends, and more where there is room.

    Its colours are those of the map over the picture's own shades, the darkest at the left. The line along it shows
    which values occur.
    """
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    inches = axes.figure.dpi_scale_trans + ScaledTranslation(1, 0, axes.transAxes)  # from the lower right corner
    across = blended_transform_factory(inches, axes.transAxes)
    place = axes.inset_axes([SCALE_GAP, 0, SCALE_THICKNESS, 1], transform=across)
    scale = axes.figure.colorbar(drawn, cax=place)
    _finish(scale, [axes], limits)

    def write(width, height):
        ticks = _ticks_with_room(limits, height / (1.2 * line_height(LABEL_SIZE)))
        scale.set_ticks(ticks, labels=[scale_text(tick, limits) for tick in ticks], fontsize=LABEL_SIZE)

    sheet.when_sized(write)
    return scale


def draw_scale_below(sheet, axes, drawn, limits, offset=0.0, sharing=None):
    """Draws a colourbar as wide as `axes`, `offset` inches below it; its numbers stay within its width.

    Its colours are those of the map over the shades of its picture, or of all panels in `sharing`, the darkest at the
    bottom.
    """
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    inches = axes.figure.dpi_scale_trans + ScaledTranslation(0, 0, axes.transAxes)  # from the lower left corner
    along = blended_transform_factory(axes.transAxes, inches)
    bottom = -(offset + SCALE_GAP + SCALE_THICKNESS)
    place = axes.inset_axes([0, bottom, 1, SCALE_THICKNESS], transform=along)
    scale = axes.figure.colorbar(drawn, cax=place, orientation="horizontal")
    _finish(scale, sharing or [axes], limits)

    def write(width, height):
        if limits.signed and _width_side_by_side(limits) > width:
            scale.set_ticks([0], labels=[_text_of_both_ends(limits)], fontsize=LABEL_SIZE)
            scale.ax.tick_params(length=0, pad=3)
            scale.ax.get_xticklabels()[0].set_horizontalalignment("center")
            return
        scale.set_ticks(sorted(set(limits[:2])), labels=_texts_of_ends(limits), fontsize=LABEL_SIZE)
        for label, side in zip(scale.ax.get_xticklabels(), ("left", "right")):
            label.set_horizontalalignment(side)
        scale.ax.tick_params(length=2, pad=2)

    sheet.when_sized(write)
    return scale


def least_width(all_limits):
    """Inches that panels must have for the numbers of the scales below them."""
    widths = [SMALLEST_WIDTH]
    for limits in all_limits:
        if limits.signed:
            widths.append(widest([_text_of_both_ends(limits)], LABEL_SIZE))
        else:
            widths.append(_width_side_by_side(limits))
    return max(widths)


def scale_text(value, limits):
    """A value on a scale; at an end that larger values share, it says so."""
    sign = ""
    if value == limits.high < limits.greatest:
        sign = "\N{GREATER-THAN OR EQUAL TO}"
    if value == limits.low > limits.least:
        sign = "\N{LESS-THAN OR EQUAL TO}"
    return sign + number_text(value)


def _finish(scale, panels, limits):
    """Lays the shades of pictures below the colours of their scale, and draws a line along the values that occur."""
    is_vertical = scale.orientation == "vertical"
    pictures = [axes.images[0].get_array() for axes in panels if len(axes.images) > 1]
    if pictures:  # a signal's map is drawn over white
        shades = colours.shades(pictures, SHADES)[np.newaxis]
        if not is_vertical:
            shades = shades.swapaxes(0, 1)[::-1]
        ends = scale.ax.get_xlim(), scale.ax.get_ylim()
        scale.ax.imshow(shades, extent=(0, 1, 0, 1), transform=scale.ax.transAxes, aspect="auto", zorder=-1)
        scale.ax.set(xlim=ends[0], ylim=ends[1])
    occurring = np.clip(limits[-2:], *limits[:2])
    look = {"color": "black", "linewidth": RANGE_WIDTH, "clip_on": False}
    if is_vertical:
        scale.ax.plot([RANGE_PLACE] * 2, occurring, transform=scale.ax.get_yaxis_transform(), **look)
    else:
        scale.ax.plot(occurring, [1 - RANGE_PLACE] * 2, transform=scale.ax.get_xaxis_transform(), **look)
    scale.outline.set_linewidth(0.5)


def _ticks_with_room(limits, most):
    """Values that a scale with room for so many lines of text names: its ends, 0, and the ends of what occurs."""
    low, high, _, least, greatest = limits
    ticks = [low, high]
    for value in (0.0, least, greatest):
        if low < value < high and min(abs(value - tick) for tick in ticks) >= (high - low) / most:
            ticks.append(value)
    return sorted(set(ticks))


def _texts_of_ends(limits):
    return [scale_text(end, limits) for end in sorted(set(limits[:2]))]


def _text_of_both_ends(limits):
    sign = "±"
    if limits.least < limits.low or limits.greatest > limits.high:
        sign = "±\N{GREATER-THAN OR EQUAL TO}"
    return sign + number_text(limits.high)


def _width_side_by_side(limits):
    return sum(widest([text], LABEL_SIZE) for text in _texts_of_ends(limits)) + 2 * SCALE_GAP
