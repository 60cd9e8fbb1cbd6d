"""1-D signals over a background coloured by their attribution maps, each normalised by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasxai.plots import checks, colours, drawing, layout
from kerasxai.typing import Array, Texts

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure


def signal(
    signals: Array,
    maps: Array,
    titles: Texts | None = None,
    colormap: str | Colormap | None = None,
    columns: int = 2,
    signed: bool | None = None,
) -> Figure:
    """Draws 1-D signals as lines over a background coloured by their attribution maps.

    Every map is normalised by itself, for display only, and 0 always has the same colour: unsigned maps run from 0 to
    their maximum, signed ones from -m to m with m the largest magnitude. The scale beside it gives the raw values, the
    line along it shows which of them occur. Values that are not finite are drawn grey; a map that has some, is all zero
    or constant says so in its title.

    Args:
        signals: Array `(N, T, C)` or `(N, T)` of T >= 2 steps, any range; or one signal `(T,)`, or `(T, C)` with a map
            `(T,)` or `(1, T)`. Two axes in both signals and maps are read as `(N, T)`, unless the last has length 1:
            for one signal with a map for each channel pass `signals[None], maps[None]`.
        maps: Raw attributions of any range, `(N, T)`, or `(N, T, C)`, whose channels are summed. The leading axis may
            be left out for one signal.
        titles: N titles, one for each signal, or None.
        colormap: A Matplotlib colormap or its name. None: `"Oranges"`, and `"coolwarm"` for signed maps.
        columns: Signals in a row.
        signed: Whether the maps are those of a signed method, see `overlay`; None: if they have negative values.

    Returns:
        A `matplotlib.figure.Figure`: `figure.savefig("maps.png")` writes it; a notebook shows it.

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
    checks.check_count(columns, "columns")
    signals, is_single = checks.signal_batch(signals, maps)
    maps = checks.map_batch(maps, signals, "signals", is_single)
    titles = checks.texts(titles, len(maps), "titles", "sample")
    titles = [f"{title} {colours.note(values)}".strip() for title, values in zip(titles, maps)]

    panels = drawing.Signals(signals)
    signed = colours.is_signed(maps, signed)
    limits = [panels.limits(values, signed) for values in maps]
    label_height = 1.5 * layout.line_height(layout.LABEL_SIZE)
    table = layout.Table(
        titles,
        columns,
        panels.height,
        left=label_height,
        right=label_height,
        above=panels.above,
        below=panels.below,
        before=panels.ticks_width,
        beside=drawing.scale_width(limits),
        row_gap=2 * layout.ROW_GAP,
    )
    figure = table.figure()
    grid = table.axes(figure)
    for index, axes in enumerate(grid):
        scale = drawing.draw_scale(
            axes, panels.draw_map(axes, index, maps[index], limits[index], colormap), limits[index]
        )
        if (index + 1) % table.columns == 0:
            scale.set_label("attribution", fontsize=layout.LABEL_SIZE)
    panels.finish(table, grid)
    figure.supylabel("signal", fontsize=layout.LABEL_SIZE, x=layout.MARGIN / table.width, ha="left")
    return figure
