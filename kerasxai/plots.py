"""Pictures of attributions: maps over images, maps behind 1-D signals; every function returns its Figure.
Maps are normalised here, for display only. Matplotlib without pyplot: no display, no global figures."""

import textwrap

import numpy as np

from kerasxai.heatmap import to_heatmap

FIGURE_WIDTH = 7.0  # inches, of a full row: the text width of a journal page
SMALLEST_WIDTH = 0.75  # inches, of one picture: more columns than fit widen the figure
SIGNAL_HEIGHT = 1.0  # inches
TICKS_WIDTH, SCALE_WIDTH = 0.35, 0.45  # inches
SCALE_GAP, SCALE_THICKNESS = 0.05, 0.08  # inches
DOTS_PER_INCH = 200
TITLE_SIZE, LABEL_SIZE = "small", "x-small"  # relative to the reader's `font.size`

# Safe for colour-blind readers. Behind a signal the low end must be pale for the line to stay readable.
IMAGE_SEQUENTIAL, SIGNAL_SEQUENTIAL, DIVERGING = "viridis", "Oranges", "coolwarm"
SIGNAL_OPACITY = 0.7
COLORMAP_STEPS = 257  # odd: 0 has the exact centre of a diverging colormap
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
PALENESS = 0.4  # how far towards white an image under a signed map is drawn
CLIPPED_PERCENTILE = 99.5  # of the magnitudes that are not 0, in overlays
NOT_FINITE_GREY = (0.5, 0.5, 0.5)
CHANNEL_COLOURS = ("black", "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")  # Okabe and Ito, 2008
MAX_CHANNELS_IN_LEGEND = 12


def overlay(images, maps, titles=None, alpha=0.5, colormap=None, columns=4, colorbar=False):
    """Draws attribution maps over their images.

    Every map is normalised by itself, for display only. A map without negative values runs from its minimum (the bare
    image shows) to its maximum. A map with negative values runs from -m to m with m the largest magnitude, over a pale
    grey image, which shows where it is 0: red and blue would drown in the image's own colours. Values that are not
    finite are drawn grey; a map that has some, is all zero or constant says so in its title. The strongest 0.5 % of a
    map's values share the end colour, so that a few pixels of a gradient do not hide all others.

    Images of any value range are accepted, each judged by itself: uint8, or values from 0 to more than 2 and at most
    255, are divided by 255; values within 0..1 are shown as they are; anything else (-1..1, standardised) is stretched
    from its minimum to its maximum.

    Args:
        images: Array `(N, H, W, C)` with C 1 or 3, grey `(N, H, W)`, or one image `(H, W, C)` or `(H, W)`.
        maps: Raw attributions of any range, `(N, H, W)`, or `(N, H, W, C)`, whose channels are summed. The leading
            axis may be left out for one image.
        titles: N titles, one for each image, or None.
        alpha: Opacity of the strongest value of a map, 0 to 1; weaker values are more transparent in proportion.
        colormap: A Matplotlib colormap or its name. None: `"viridis"`, and `"coolwarm"` for a map with negative values.
        columns: Images in a row.
        colorbar: Whether to draw beside each image what raw values the colours stand for.

    Returns:
        A `matplotlib.figure.Figure`: `figure.savefig("maps.png")` writes it; a notebook shows it after
        `%matplotlib inline`.

    Raises:
        ValueError: If images, maps and titles do not belong together or an option is out of range.

    Example:

    ```python
    import numpy as np
    from kerasxai import plots

    random = np.random.default_rng(seed=0)
    images = random.integers(0, 256, size=(2, 32, 32, 3), dtype="uint8")
    maps = random.random(size=(2, 32, 32))
    figure = plots.overlay(images, maps, titles=["cat", "dog"])
    ```
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be an opacity, from 0 (bare image) to 1. Received: alpha={alpha!r}. Try 0.5.")
    images, is_single = _image_batch(images)
    maps = _map_batch(maps, "images", images, is_single)
    titles = _full_titles(titles, maps)

    beside = SCALE_WIDTH if colorbar else 0.0
    width = _width(columns, beside)
    figure, grid = _grid(titles, columns, width, width * images.shape[1] / images.shape[2], beside)
    for axes, image, values in zip(grid, images, maps):
        drawn = _draw_overlay(axes, image, values, alpha, colormap)
        if colorbar:
            _draw_scale(axes, drawn)
    return figure


def signal(signals, maps, titles=None, colormap=None, columns=2):
    """Draws 1-D signals as lines over a background coloured by their attribution maps.

    Every map is normalised by itself, for display only: from its minimum to its maximum, or, with negative values, from
    -m to m with m the largest magnitude. The scale beside it gives the raw values. Values that are not finite are drawn
    grey; a map that has some, is all zero or constant says so in its title.

    Args:
        signals: Array `(N, T, C)` or `(N, T)` of T >= 2 steps, any range; or one signal `(T,)`, or `(T, C)` with a map
            `(T,)` or `(1, T)`. Two axes in both signals and maps are read as `(N, T)`, unless the last has length 1:
            for one signal with a map for each channel pass `signals[None], maps[None]`.
        maps: Raw attributions of any range, `(N, T)`, or `(N, T, C)`, whose channels are summed. The leading axis may
            be left out for one signal.
        titles: N titles, one for each signal, or None.
        colormap: A Matplotlib colormap or its name. None: `"Oranges"`, and `"coolwarm"` for a map with negative values.
        columns: Signals in a row.

    Returns:
        A `matplotlib.figure.Figure`: `figure.savefig("maps.png")` writes it; a notebook shows it after
        `%matplotlib inline`.

    Raises:
        ValueError: If signals, maps and titles do not belong together or an option is out of range.

    Example:

    ```python
    import numpy as np
    from kerasxai import plots

    random = np.random.default_rng(seed=0)
    signals, maps = random.normal(size=(2, 3, 40))
    figure = plots.signal(signals, maps, titles=["zero", "one", "two"])
    ```
    """
    signals, is_single = _signal_batch(signals, maps)
    maps = _map_batch(maps, "signals", signals, is_single)
    titles = _full_titles(titles, maps)

    beside = TICKS_WIDTH + SCALE_WIDTH
    figure, grid = _grid(titles, columns, _width(columns, beside), SIGNAL_HEIGHT, beside)
    scales = []
    for axes, lines, values in zip(grid, signals, maps):
        scales.append(_draw_scale(axes, _draw_signal(axes, lines, values, colormap)))
    _label_signals(figure, grid, scales)
    return figure


def _draw_overlay(axes, image, values, alpha, colormap=None):
    """Draws an image (H, W, C) and its map (H, W) on `axes`; returns the map's AxesImage."""
    picture = _displayable(image)
    strength = np.linspace(0, 1, COLORMAP_STEPS)
    values = _clipped(values)
    if _limits(values)[0] < 0:
        picture = _pale_grey(picture)
        strength = np.abs(2 * strength - 1)
    axes.imshow(picture)
    axes.set_axis_off()
    colours = _colours(values, colormap, sequential=IMAGE_SEQUENTIAL, opacity=alpha * strength)
    return axes.imshow(np.ma.masked_invalid(values), **colours)


def _draw_signal(axes, lines, values, colormap=None):
    """Draws a signal (T, C) over its map (T,) on `axes`; returns the map's AxesImage."""
    from matplotlib import patheffects

    steps, channels = lines.shape
    halo = [patheffects.withStroke(linewidth=2.2, foreground="white")]
    axes.set_prop_cycle(color=CHANNEL_COLOURS)
    axes.plot(lines, linewidth=1.0, path_effects=halo, label=[f"channel {channel}" for channel in range(channels)])

    bottom, top = axes.get_ylim()
    colours = _colours(values, colormap, sequential=SIGNAL_SEQUENTIAL, opacity=SIGNAL_OPACITY)
    row = np.ma.masked_invalid(values)[np.newaxis]  # (1, T), stretched over the height of the axes
    drawn = axes.imshow(row, extent=(-0.5, steps - 0.5, bottom, top), aspect="auto", **colours)
    axes.set(xlim=(-0.5, steps - 0.5), ylim=(bottom, top))
    axes.locator_params(axis="x", integer=True)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=LABEL_SIZE)
    return drawn


def _draw_scale(axes, drawn):
    """Draws a colourbar as high as `axes`, with the raw values at its ends (and 0 between, if signed)."""
    low, high = _limits(np.ma.filled(drawn.get_array(), np.nan))
    ticks = [low, 0, high] if low < 0 else sorted({low, high})
    inches = axes.get_position().width * axes.figure.get_figwidth()
    scale_axes = axes.inset_axes([1 + SCALE_GAP / inches, 0, SCALE_THICKNESS / inches, 1])
    scale = axes.figure.colorbar(drawn, cax=scale_axes, ticks=ticks)
    labels = [f"{tick:.2g}".replace("-", "\N{MINUS SIGN}") for tick in ticks]
    scale.set_ticks(ticks, labels=labels, fontsize=LABEL_SIZE)
    scale.outline.set_linewidth(0.5)
    return scale


def _limits(values):
    """The raw values at the two ends of the colormap: the range of the map, centred at 0 if it has negative values."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    low, high = float(finite.min()), float(finite.max())
    largest = max(-low, high)
    return (-largest, largest) if low < 0 else (low, high)


def _clipped(values):
    """A map whose largest magnitudes are cut down to `CLIPPED_PERCENTILE` of those that are not 0."""
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not magnitudes.size:
        return values
    limit = np.percentile(magnitudes, CLIPPED_PERCENTILE, method="higher")
    return np.where(np.isfinite(values), np.clip(values, -limit, limit), values)


def _colours(values, colormap, sequential, opacity):
    """Colormap (with its opacity, one for all or one for each of COLORMAP_STEPS) and norm of a map, for `imshow`."""
    import matplotlib
    from matplotlib.colors import ListedColormap, Normalize

    low, high = _limits(values)
    if colormap is None:
        colormap = DIVERGING if low < 0 else sequential
    colours = matplotlib.colormaps.get_cmap(colormap)(np.linspace(0, 1, COLORMAP_STEPS))
    colours[:, 3] = opacity
    grey = (*NOT_FINITE_GREY, np.max(opacity))
    if high == low:  # nothing to tell apart: all at the low end
        high = low + max(low, 1.0)
    return {"cmap": ListedColormap(colours).with_extremes(bad=grey), "norm": Normalize(low, high)}


def _displayable(image):
    """One image (H, W, C) of any value range as RGB within 0..1; the rule stands in `overlay`."""
    pixels = image.astype("float64")
    finite = pixels[np.isfinite(pixels)]
    low, high = (finite.min(), finite.max()) if finite.size else (0, 1)
    if image.dtype == np.uint8 or (low >= 0 and 2 < high <= 255):
        low, high = 0, 255
    elif low >= 0 and high <= 1:
        low, high = 0, 1
    pixels = (pixels - low) / ((high - low) or 1)
    return np.broadcast_to(np.nan_to_num(pixels, nan=0.5).clip(0, 1), (*image.shape[:2], 3))


def _pale_grey(picture):
    grey = np.repeat(picture @ np.array(LUMINANCE)[:, np.newaxis], 3, axis=-1)
    return PALENESS + (1 - PALENESS) * grey


def _width(columns, beside):
    """Inches for each picture, so that a full row with what stands `beside` each fills the width of a page."""
    if not isinstance(columns, (int, np.integer)) or columns < 1:
        raise ValueError(f"`columns` must be a whole number of at least 1. Received: columns={columns!r}.")
    return max(FIGURE_WIDTH / columns - beside, SMALLEST_WIDTH)


def _grid(titles, columns, width, height, beside):
    """A Figure with one titled Axes for each title, row by row; sizes in inches, titles come on top."""
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)

    line_height = 1.3 * FontProperties(size=TITLE_SIZE).get_size_in_points() / 72
    letters = max(int(width / (0.46 * line_height)), 1)  # a letter is about 0.6 of the font's size wide
    titles = [textwrap.fill(title, letters) for title in titles]
    lines = [title.count("\n") + bool(title) for title in titles]
    title_lines = sum(max(lines[start : start + columns]) for start in range(0, len(lines), columns))
    margin = 1.0 if beside else 0.6  # lines in each row; the numbers at a scale stand out above and below it

    figure_size = columns * (width + beside), rows * height + (title_lines + rows * margin) * line_height
    figure = Figure(figsize=figure_size, dpi=DOTS_PER_INCH, layout="compressed")
    cells = figure.add_gridspec(rows, columns)
    grid = [figure.add_subplot(cells[divmod(index, columns)]) for index in range(len(titles))]
    for axes, title in zip(grid, titles):
        axes.set_title(title, fontsize=TITLE_SIZE, parse_math=False)
    return figure, grid


def _full_titles(titles, maps):
    """One title for each map, with a note where the map shows nothing or not everything."""
    if titles is None:
        titles = [""] * len(maps)
    titles = [titles] if isinstance(titles, str) else list(titles)
    if len(titles) != len(maps):
        raise ValueError(
            f"`titles` must give one title for each sample. Received: {len(titles)} titles for {len(maps)} samples. "
            "Pass a list as long as the samples, or None."
        )
    return [f"{title} {_note(values)}".strip() for title, values in zip(titles, maps)]


def _note(values):
    if not np.isfinite(values).all():
        return "(not finite)"
    if values.min() < values.max():
        return ""
    return "(constant)" if values.any() else "(all zero)"


def _image_batch(images):
    """Images as (N, H, W, C) in their own type, and whether one image without a batch axis was given."""
    images = _numbers(images, "images")
    shape = images.shape
    if images.ndim == 2 or (images.ndim == 3 and shape[-1] not in (1, 3)):
        images = images[..., np.newaxis]
    is_single = images.ndim == 3
    if is_single:
        images = images[np.newaxis]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in shape:
        raise ValueError(
            "`images` must have shape (N, H, W, C) with C 1 or 3, (N, H, W), or (H, W, C) for one image, "
            f"and must not be empty. Received: images of shape {shape}. Put channels last and pick one or three."
        )
    return images, is_single


def _signal_batch(signals, maps):
    """Signals as (N, T, C), and whether one signal without a batch axis was given."""
    signals = _numbers(signals, "signals")
    shape = signals.shape
    is_single = signals.ndim == 1 or (
        signals.ndim == 2 and (shape[1] == 1 or np.shape(maps) in [shape[:1], (1, shape[0])])
    )
    if signals.ndim == 1 or (signals.ndim == 2 and not is_single):
        signals = signals[..., np.newaxis]
    if is_single:
        signals = signals[np.newaxis]
    if signals.ndim != 3 or signals.shape[1] < 2 or 0 in shape:
        raise ValueError(
            "`signals` must have shape (N, T, C) or (N, T), or (T, C) or (T,) for one signal, with T of at least 2, "
            f"and must not be empty. Received: signals of shape {shape}. Put the channels last."
        )
    return signals, is_single


def _map_batch(maps, samples_name, samples, is_single):
    """Maps as float64 (N, *spatial), matched with the samples (N, *spatial, C)."""
    maps = _numbers(maps, "maps").astype("float64")
    shape, expected = maps.shape, samples.shape[:-1]
    if is_single and shape != expected and shape[:-1] != expected:
        maps = maps[np.newaxis]
    if maps.shape != expected and maps.shape[:-1] != expected:
        raise ValueError(
            f"`maps` must have shape {expected}, or that and a channel axis, to match `{samples_name}` of shape "
            f"{samples.shape}. Received: maps of shape {shape}. Pass one map for each sample; compute maps that have "
            "their layer's resolution with `upsample=True`, or resize them; of several targets pass one at a time."
        )
    if maps.shape != expected:
        maps = to_heatmap(maps, reduce="sum")
    return maps


def _numbers(values, name):
    try:
        values = np.asarray(values)
        values.astype("float64")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be one array of numbers, all samples of one shape. Received: {type(values).__name__} "
            f"({error}). Stack equal shapes with np.stack, or draw them one at a time."
        ) from error
    return values


def _label_signals(figure, grid, scales):
    """Axis labels only at the rim, and one legend for all if there are several channels."""
    columns = grid[0].get_gridspec().ncols
    for index, axes in enumerate(grid):
        axes.tick_params(labelbottom=index + columns >= len(grid))
        if (index + 1) % columns == 0:
            scales[index].set_label("attribution", fontsize=LABEL_SIZE)
    figure.supxlabel("step", fontsize=LABEL_SIZE)
    figure.supylabel("signal", fontsize=LABEL_SIZE)
    lines = grid[0].get_lines()
    if 1 < len(lines) <= MAX_CHANNELS_IN_LEGEND:
        fitting = int(figure.get_figwidth())  # an entry is almost an inch wide
        figure.legend(handles=lines, loc="outside upper center", ncols=fitting, fontsize=LABEL_SIZE, frameon=False)
