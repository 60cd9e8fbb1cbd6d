"""1-D signals over a background coloured by their attribution maps, each normalised by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasxai.plots import checks, drawing, layout
from kerasxai.plots.texts import LABEL_SIZE
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
    batch, is_single = checks.signal_batch(signals, maps)
    maps = checks.map_batch(maps, batch, "signals", is_single)
    lines = drawing.Signals(batch)
    sheet, scales = drawing.draw_maps(lines, maps, titles, columns, colormap, signed, has_scales=True)
    columns = min(columns, len(maps))
    for scale in scales[columns - 1 :: columns]:
        scale.set_label("attribution", fontsize=LABEL_SIZE)
    lines.finish(sheet, sheet.axes, columns)
    sheet.figure.supylabel("signal", fontsize=LABEL_SIZE)
    return layout.fit(sheet)
