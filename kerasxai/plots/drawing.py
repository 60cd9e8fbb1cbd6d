"""Images and signals on Matplotlib axes, bare or with their maps, and the scales beside them.
One class for each kind of sample: how large its panels are, what stands around them and how they are drawn."""

import numpy as np

from kerasxai.plots import checks, colours, layout

CLIPPED_PERCENTILE = 99.5  # of a map's magnitudes over an image
SIGNAL_HEIGHT = 1.0  # inches
SIGNAL_OPACITY = 0.7
SIGNAL_TICKS = {"nbins": 4, "steps": [1, 2, 2.5, 5, 10]}
MAX_CHANNELS_IN_LEGEND = 12
LEGEND_ENTRY_WIDTH = 1.0  # inches
SCALE_GAP, SCALE_THICKNESS, SCALE_LABEL_GAP = 0.05, 0.08, 0.09  # inches
SHADES = 16  # of the picture below the colours of a scale
KEY_STEPS, KEY_SHADES = 17, 5  # 0 is one of the steps of a signed scale
RANGE_PLACE = -0.3  # of the line that shows which values occur, in thicknesses of the scale
RANGE_WIDTH = 1.0  # points
DEFAULT_ALPHA = 0.5


class Images:
    """Images `(N, H, W, C)` of any range, and how a panel of one is drawn.

    Attributes:
        batch: The images.
        ticks_width, above, below: Room, in inches, for what stands around a panel or all panels.
    """

    ticks_width = above = below = 0.0

    def __init__(self, batch, alpha=DEFAULT_ALPHA):
        self.batch = batch
        self.alpha = alpha

    def height(self, width):
        """Inches of a panel of this width."""
        return width * self.batch.shape[1] / self.batch.shape[2]

    def limits(self, maps, signed):
        """The `Limits` of one map, or of several that share a scale."""
        return colours.limits(maps, signed, CLIPPED_PERCENTILE)

    def draw(self, axes, index):
        """Draws one image, bare."""
        self._draw_picture(axes, colours.displayable(self.batch[index]))

    def draw_map(self, axes, index, values, limits, colormap=None):
        """Draws one image and its map (H, W); returns the map's AxesImage."""
        picture, values, look = self._layers(index, values, limits, colormap)
        self._draw_picture(axes, picture)
        return axes.imshow(values, **look)

    def map_pixels(self, index, values, limits, colormap=None):
        """What `draw_map` draws as pixels of the image's own size: RGB in uint8, (H, W, 3)."""
        picture, values, look = self._layers(index, values, limits, colormap)
        colour, opacity = np.split(look["cmap"](look["norm"](values)), [3], axis=-1)
        return np.rint(255 * (picture + opacity * (colour - picture))).astype("uint8")

    def key(self, index, values, limits, colormap=None):
        """The `Key` of what `draw_map` and `map_pixels` draw."""
        picture, _, look = self._layers(index, values, limits, colormap)
        return colours.Key(limits, look["cmap"](np.linspace(0, 1, KEY_STEPS)), colours.shades([picture], KEY_SHADES))

    def finish(self, table, grid, top=0.0):
        """Images have no ticks and no legend."""

    def _layers(self, index, values, limits, colormap):
        """One image as RGB within 0..1, its map with what has no colour masked, and the map's colormap and norm."""
        picture = colours.displayable(self.batch[index])
        strength = np.linspace(0, 1, colours.COLORMAP_STEPS)
        if limits.signed:
            picture = colours.pale_grey(picture)
            strength = np.abs(2 * strength - 1)
        look = colours.colours(limits, colormap, colours.IMAGE_SEQUENTIAL, opacity=self.alpha * strength)
        return picture, np.ma.masked_invalid(values).clip(*limits[:2]), look

    def _draw_picture(self, axes, picture):
        axes.imshow(picture)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


class Signals:
    """Signals `(N, T, C)`, and how a panel of one is drawn; attributes and methods as those of `Images`."""

    def __init__(self, batch):
        self.batch = batch
        self.ticks_width = layout.TICK + max(map(self._tick_width, batch))
        self.below = layout.TICK + 2.2 * layout.line_height(layout.LABEL_SIZE)  # numbers, and what they count
        self._has_legend = 1 < batch.shape[-1] <= MAX_CHANNELS_IN_LEGEND
        rows = -(-batch.shape[-1] // int(layout.FIGURE_WIDTH / LEGEND_ENTRY_WIDTH))
        self.above = 1.25 * rows * layout.line_height(layout.LABEL_SIZE) if self._has_legend else 0.0

    def height(self, width):
        """Inches of a panel, the same for any width."""
        return SIGNAL_HEIGHT

    def limits(self, maps, signed):
        """The `Limits` of one map, or of several that share a scale."""
        return colours.limits(maps, signed)

    def draw(self, axes, index):
        """Draws one signal, a line for each channel, with ticks."""
        from matplotlib import patheffects, ticker

        lines = self.batch[index]
        halo = [patheffects.withStroke(linewidth=2.2, foreground="white")]
        axes.set_prop_cycle(color=colours.LINE_COLOURS)
        names = [f"channel {channel}" for channel in range(lines.shape[-1])]
        axes.plot(lines, linewidth=1.0, path_effects=halo, label=names)
        axes.set_xlim(-0.5, len(lines) - 0.5)
        axes.set_ylim(axes.get_ylim())
        axes.xaxis.set_major_locator(
            ticker.MaxNLocator(max(int(5 * _inches_wide(axes)), 2), steps=[1, 2, 5, 10], integer=True)
        )
        axes.yaxis.set_major_locator(ticker.MaxNLocator(**SIGNAL_TICKS))
        axes.yaxis.set_major_formatter(lambda value, _: _tick_text(value))
        axes.tick_params(labelsize=layout.LABEL_SIZE)

    def draw_map(self, axes, index, values, limits, colormap=None):
        """Draws one signal before its map (T,), stretched over the panel's height; returns the map's AxesImage."""
        self.draw(axes, index)
        look = colours.colours(limits, colormap, colours.SIGNAL_SEQUENTIAL, opacity=SIGNAL_OPACITY)
        row = np.ma.masked_invalid(values)[np.newaxis]  # (1, T), stretched over the height of the axes
        return axes.imshow(row, extent=(*axes.get_xlim(), *axes.get_ylim()), aspect="auto", **look)

    def finish(self, table, grid, top=0.0):
        """Numbers of the steps only under the lowest panels, and one legend above all, `top` inches down the figure."""
        for index, axes in enumerate(grid):
            axes.tick_params(labelbottom=table.is_lowest(index))
            if table.is_lowest(index):
                axes.set_xlabel("step", fontsize=layout.LABEL_SIZE, labelpad=1)
        if self._has_legend:
            grid[0].figure.legend(
                handles=grid[0].get_lines(),
                loc="upper center",
                bbox_to_anchor=(0.5, 1 - top / grid[0].figure.get_figheight()),
                ncols=int(layout.FIGURE_WIDTH / LEGEND_ENTRY_WIDTH),
                fontsize=layout.LABEL_SIZE,
                frameon=False,
                borderaxespad=0.1,
            )

    def _tick_width(self, lines):
        from matplotlib.ticker import MaxNLocator

        finite = lines[np.isfinite(lines)]
        ends = (finite.min(), finite.max()) if finite.size else (0, 1)
        ticks = MaxNLocator(**SIGNAL_TICKS).tick_values(*ends)
        return layout.widest(map(_tick_text, ticks), layout.LABEL_SIZE)


def panels(batch, alpha):
    """Images or Signals, whichever a batch of samples is."""
    batch = checks.sample_batch(batch)
    checks.check_opacity(alpha)
    return Images(batch, alpha) if batch.ndim == 4 else Signals(batch)


def draw_scale(axes, drawn, limits):
    """Draws a colourbar as high as `axes` at its right, with the raw values at its ends, and more where there is room.

    Its colours are those of the map over the picture's own shades, the darkest at the left. The line along it shows
    which values occur.
    """
    width, height = _inches_wide(axes), _inches_high(axes)
    place = axes.inset_axes([1 + SCALE_GAP / width, 0, SCALE_THICKNESS / width, 1])
    scale = axes.figure.colorbar(drawn, cax=place)
    _draw_shades(scale, [axes])
    _draw_range(scale, limits)
    ticks = _ticks_with_room(limits, height / (1.2 * layout.line_height(layout.LABEL_SIZE)))
    scale.set_ticks(ticks, labels=[scale_text(tick, limits) for tick in ticks], fontsize=layout.LABEL_SIZE)
    scale.outline.set_linewidth(0.5)
    return scale


def draw_scale_below(axes, drawn, limits, offset=0.0, sharing=None):
    """Draws a colourbar as wide as `axes`, `offset` inches below it; its numbers stay within its width.

    Its colours are those of the map over the shades of its picture, or of all panels in `sharing`, the darkest at the
    bottom.
    """
    height = _inches_high(axes)
    bottom = -(offset + SCALE_GAP + SCALE_THICKNESS) / height
    place = axes.inset_axes([0, bottom, 1, SCALE_THICKNESS / height])
    scale = axes.figure.colorbar(drawn, cax=place, orientation="horizontal")
    _draw_shades(scale, [axes] if sharing is None else sharing)
    _draw_range(scale, limits)
    ends = _texts_below(limits)
    has_room = _width_side_by_side(ends) <= _inches_wide(axes)
    if not has_room and limits.signed:
        scale.set_ticks([0], labels=[_text_of_both_ends(limits)], fontsize=layout.LABEL_SIZE)
        scale.ax.tick_params(length=0, pad=3)
    else:
        scale.set_ticks(sorted(set(limits[:2])), labels=ends, fontsize=layout.LABEL_SIZE)
        for label, side in zip(scale.ax.get_xticklabels(), ("left", "right")):
            label.set_horizontalalignment(side)
        scale.ax.tick_params(length=2, pad=2)
    scale.outline.set_linewidth(0.5)
    return scale


def least_width_above_scales(all_limits):
    """Inches that the panels must have for the numbers of the scales below them."""
    widths = [
        layout.text_width(_text_of_both_ends(limits), layout.LABEL_SIZE)
        if limits.signed
        else _width_side_by_side(_texts_below(limits))
        for limits in all_limits
    ]
    return max(layout.SMALLEST_WIDTH, *widths)


def scale_text(value, limits):
    """A value on a scale; at an end that larger values share, it says so."""
    sign = ""
    if value == limits.high < limits.greatest:
        sign = "\N{GREATER-THAN OR EQUAL TO}"
    if value == limits.low > limits.least:
        sign = "\N{LESS-THAN OR EQUAL TO}"
    return sign + layout.number_text(value)


def draw_note(axes, values):
    """Writes into a panel what its map does not show, if so."""
    text = colours.note(values).strip("()")
    if text:
        frame = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        place = {"ha": "center", "va": "bottom", "transform": axes.transAxes}
        axes.text(0.5, 0.04, text, fontsize=layout.LABEL_SIZE, bbox=frame, **place)


def scale_width(all_limits):
    """Inches that the widest of several vertical scales takes beside its panel."""
    labels = [scale_text(tick, limits) for limits in all_limits for tick in _ticks_with_room(limits, np.inf)]
    return SCALE_GAP + SCALE_THICKNESS + SCALE_LABEL_GAP + layout.widest(labels, layout.LABEL_SIZE)


def scale_height():
    """Inches that a horizontal scale takes below its panel."""
    return SCALE_GAP + SCALE_THICKNESS + SCALE_LABEL_GAP + layout.line_height(layout.LABEL_SIZE)


def _draw_shades(scale, panels):
    """Lays the shades of the pictures that maps are drawn over below the colours of their scale."""
    pictures = [axes.images[0].get_array() for axes in panels if len(axes.images) > 1]
    if not pictures:  # a signal's map is drawn over white
        return
    shades = colours.shades(pictures, SHADES)
    ends = scale.ax.get_xlim(), scale.ax.get_ylim()
    rows = shades[np.newaxis] if scale.orientation == "vertical" else shades[::-1, np.newaxis]
    scale.ax.imshow(rows, extent=(0, 1, 0, 1), transform=scale.ax.transAxes, aspect="auto", zorder=-1)
    scale.ax.set(xlim=ends[0], ylim=ends[1])


def _draw_range(scale, limits):
    """Draws a line beside a scale, over the values that occur."""
    across = [RANGE_PLACE, RANGE_PLACE]
    occur = np.clip(limits[-2:], *limits[:2])
    is_vertical = scale.orientation == "vertical"
    place = (across, occur) if is_vertical else (occur, 1 - np.array(across))
    transform = scale.ax.get_yaxis_transform() if is_vertical else scale.ax.get_xaxis_transform()
    scale.ax.plot(*place, color="black", linewidth=RANGE_WIDTH, transform=transform, clip_on=False)


def _ticks_with_room(limits, most):
    """Values that a scale with room for so many lines of text names: its ends, 0, and the ends of what occurs."""
    low, high, _, least, greatest = limits
    ticks = [low, high]
    for value in (0.0, least, greatest):
        if low < value < high and min(abs(value - tick) for tick in ticks) >= (high - low) / most:
            ticks.append(value)
    return sorted(set(ticks))


def _texts_below(limits):
    return [scale_text(end, limits) for end in sorted(set(limits[:2]))]


def _text_of_both_ends(limits):
    is_clipped = limits.least < limits.low or limits.greatest > limits.high
    sign = "±\N{GREATER-THAN OR EQUAL TO}" if is_clipped else "±"
    return sign + layout.number_text(limits.high)


def _width_side_by_side(texts):
    return sum(layout.text_width(text, layout.LABEL_SIZE) for text in texts) + 2 * SCALE_GAP


def _tick_text(value):
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def _inches_wide(axes):
    return axes.bbox.width / axes.figure.dpi


def _inches_high(axes):
    return axes.bbox.height / axes.figure.dpi
