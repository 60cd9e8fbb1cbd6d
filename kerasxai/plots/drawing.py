"""Images and signals on Matplotlib axes, bare or with their maps, each kind of sample a class.
The scales beside them are in `scales`."""

import numpy as np

from kerasxai.plots import bands, checks, colours, layout, scales
from kerasxai.plots.texts import LABEL_SIZE, line_height

CLIPPED_PERCENTILE = 99.5  # of a map's magnitudes over an image
SIGNAL_HEIGHT = 1.0  # inches
SIGNAL_OPACITY = 0.7
SIGNAL_TICKS = {"nbins": 4, "steps": [1, 2, 2.5, 5, 10]}
STEP_TICKS = {"nbins": "auto", "steps": [1, 2, 5, 10], "integer": True}
MAX_CHANNELS_IN_LEGEND = 12
KEY_STEPS, KEY_SHADES = 17, 5  # 0 is one of the steps of a signed scale
DEFAULT_ALPHA = 0.5


class Images:
    """Images `(N, H, W, C)` of any range, and how a panel of one is drawn.

    Attributes:
        batch: The images.
        below: Inches of the numbers and words under a lowest panel.
    """

    below = 0.0

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

    def finish(self, sheet, axes, columns):
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
        self.below = 0.1 + 2.2 * line_height(LABEL_SIZE)  # ticks, numbers, and what they count

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
        axes.xaxis.set_major_locator(ticker.MaxNLocator(**STEP_TICKS))
        axes.yaxis.set_major_locator(ticker.MaxNLocator(**SIGNAL_TICKS))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", "\N{MINUS SIGN}"))
        axes.tick_params(labelsize=LABEL_SIZE)

    def draw_map(self, axes, index, values, limits, colormap=None):
        """Draws one signal before its map (T,), stretched over the panel's height; returns the map's AxesImage."""
        self.draw(axes, index)
        look = colours.colours(limits, colormap, colours.SIGNAL_SEQUENTIAL, opacity=SIGNAL_OPACITY)
        row = np.ma.masked_invalid(values)[np.newaxis]  # (1, T), stretched over the height of the axes
        return axes.imshow(row, extent=(*axes.get_xlim(), *axes.get_ylim()), aspect="auto", **look)

    def finish(self, sheet, axes, columns):
        """Numbers of the steps only under the lowest panels, and one legend below all."""
        for panel in axes[:-columns]:
            panel.tick_params(labelbottom=False)
        for panel in axes[-columns:]:
            panel.set_xlabel("step", fontsize=LABEL_SIZE, labelpad=1)
        if 1 < self.batch.shape[-1] <= MAX_CHANNELS_IN_LEGEND:
            lines = {line.get_label(): line for line in axes[0].get_lines()}
            bands.legend(sheet.figure, lines, sheet.page, loc="outside lower center")


def panels(batch, alpha):
    """Images or Signals, whichever a batch of samples is."""
    batch = checks.sample_batch(batch)
    checks.check_opacity(alpha)
    return Images(batch, alpha) if batch.ndim == 4 else Signals(batch)


def draw_maps(samples, maps, titles, columns, colormap, signed, has_scales):
    """Draws the map of each sample on its own scale: a `Sheet` of panels, and their scales.

    Args:
        samples: `Images` or `Signals`.
        maps: One for each of them; what they do not show is said in their titles.
        titles, columns, colormap, signed: As those of `overlay`.
        has_scales: Whether a scale is drawn beside each panel.
    """
    titles = checks.texts(titles, len(maps), "titles", "sample")
    titles = [f"{title} {colours.note(values)}".strip() for title, values in zip(titles, maps)]
    signed = colours.is_signed(maps, signed)
    sheet = layout.panels(titles, columns, samples.height)
    beside = []
    for index, (axes, values) in enumerate(zip(sheet.axes, maps)):
        limits = samples.limits(values, signed)
        drawn = samples.draw_map(axes, index, values, limits, colormap)
        if has_scales:
            beside.append(scales.draw_scale(sheet, axes, drawn, limits))
    return sheet, beside


def draw_note(axes, values):
    """Writes into a panel what its map does not show, if so."""
    text = colours.note(values).strip("()")
    if text:
        frame = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        place = {"ha": "center", "va": "bottom", "transform": axes.transAxes}
        axes.text(0.5, 0.04, text, fontsize=LABEL_SIZE, bbox=frame, **place)
