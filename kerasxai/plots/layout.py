"""Panels of one size in rows and columns: Matplotlib's constrained layout finds the room for what stands around them,
and the figure gets the size at which they have their shape. What a panel shows is elsewhere."""

from kerasxai.plots.texts import TITLE_SIZE, line_height, widest, words, wrapped

PAGE_WIDTH = 7.0  # inches of a full row: the text width of a journal page
SMALLEST_WIDTH = 0.67  # of one panel, so that the words of method names fit
EDGE = 0.04  # around all of a figure, beside half a gap
COLUMN_GAP, ROW_GAP = 0.07, 0.08
GROUP_GAP = 0.06  # of a panel's width, beside the gap of columns
TITLE_GAP, ROW_TITLE_GAP = 0.05, 0.03
WIDEST_ROW_TITLE = 1.2  # beside panels that are too flat for upright ones
DOTS_PER_INCH = 200
COARSE = 80  # dots per inch at which texts are laid out: letters on whole pixels are the wider the fewer there are
MOST_PASSES = 6  # a text that is wrapped anew changes the room that there is for it


class Sheet:
    """A figure, or a part of one, with a grid of cells.

    Args:
        widths: Of the columns, in panels.
        heights: Function from the width of a panel to the inches of each row.
        parent: SubFigure to lie in; None: a new Figure.
        least_width: Of a panel; the figure grows beyond the page where it would be less.
        page: Inches of the figure.

    Attributes:
        figure: The Figure or SubFigure.
        axes: What was added to the cells.
        panel_width: Inches.
        page: Inches that its figure takes, unless panels would be too small.
    """

    def __init__(self, widths, heights, *, parent=None, least_width=SMALLEST_WIDTH, page=PAGE_WIDTH):
        rows = heights(least_width)
        # Too large at first: only the room around the panels is read from it, which does not depend on the size.
        self.figure = parent or new_figure(page + 2 * len(widths), 4 + 2 * sum(rows) + 2 * len(rows))
        self._grid = self.figure.add_gridspec(len(rows), len(widths), width_ratios=widths, height_ratios=rows)
        self.axes = []
        self._widths, self._heights = widths, heights
        self._least_width, self.page = least_width, page - 2 * EDGE
        self._writers = []
        self._group = 1
        self.panel_width = 0.0

    def add(self, row, column):
        """Adds axes to a cell, or to all columns for `slice(None)`. Those added last must lie in one cell."""
        self._row, self._column = row, column
        self.axes.append(self.figure.add_subplot(self._grid[row, column]))
        return self.axes[-1]

    def when_sized(self, write):
        """Has `write(width, height)` called for the inches of the panel added last, to write what has to fit."""
        self._writers.append(write)

    def add_titles(self, titles, group=1):
        """Writes a title above each so many panels, wrapped to their width."""

        def write(width, height):
            for index, title in enumerate(titles):
                panels = self.axes[index * group : (index + 1) * group]
                room = group * width + sum(map(gap, panels, panels[1:]))
                set_title(panels[0], wrapped(title, room, TITLE_SIZE))

        self.when_sized(write)
        self._group = group

    def add_row_titles(self, axes, titles):
        """Writes titles at the left of axes, upright if their words fit so."""
        if not any(titles):
            return
        longest = widest(words("\n".join(titles)), TITLE_SIZE)

        def write(width, height):
            is_upright = longest <= height
            limit = height if is_upright else WIDEST_ROW_TITLE
            look = {} if is_upright else {"rotation": 0, "ha": "right", "va": "center"}
            texts = [wrapped(title, limit, TITLE_SIZE) for title in titles]
            for panel, text in zip(axes, texts):
                panel.set_ylabel(text, fontsize=TITLE_SIZE, labelpad=72 * ROW_TITLE_GAP, parse_math=False, **look)
            if not is_upright:  # the layout does not ask how high a label at the side is
                lines = max(text.count("\n") + 1 for text in texts)
                row_gap = max(ROW_GAP, lines * line_height(TITLE_SIZE) - height + COLUMN_GAP)
                self.figure.get_layout_engine().set(h_pad=row_gap / 2)

        self.when_sized(write)

    def wanted_width(self):
        """Inches within the figure's edge at which the panels fill the page, or at least have their least width."""
        around = self._around()[0]
        return around + max(self.page - around, sum(self._widths) * self._least_width)

    def guess(self):
        """Writes what has to fit for panels as wide as if nothing stood around them."""
        self._write(max(self.page / sum(self._widths), self._least_width))

    def adapt(self, figure_width):
        """Gives the rows their heights in a figure of this width, and writes what has to fit; returns its height."""
        around = self._around()
        self.panel_width = (figure_width - around[0]) / sum(self._widths)
        heights = self._heights(self.panel_width)
        self._grid.set_height_ratios(heights)
        self._write(self.panel_width)
        return around[1] + sum(heights)

    def _write(self, width):
        for write in self._writers:
            write(width * self._widths[self._column], self._heights(width)[self._row])

    def centre_titles(self):
        """Moves titles to the middle of their groups; while laid out there, they would push the panels apart."""
        for first, last in zip(self.axes[:: self._group], self.axes[self._group - 1 :: self._group]):
            left, right = first.get_position(original=True), last.get_position(original=True)
            first.title.set_x((right.x1 - left.x0) / 2 / left.width)

    def _around(self):
        """Inches across and along that are not panels, as it is laid out now."""
        panel = self.axes[-1].get_position(original=True)
        heights = self._grid.get_height_ratios()
        across = 1 - panel.width * sum(self._widths) / self._widths[self._column]
        along = 1 - panel.height * sum(heights) / heights[self._row]
        size = self.figure.bbox.size / self.figure.dpi
        return across * size[0], along * size[1]


def panels(titles, columns, height, *, parent=None, group=1, least_width=SMALLEST_WIDTH):
    """A `Sheet` of panels of one size in rows, as many as there are titles, or groups of so many that share one.

    Args:
        titles: Above the panels; rows without titles give them no room.
        columns: Panels, or groups, in a full row.
        height: Function from the width of a panel to its height.
        parent, least_width: As those of a `Sheet`.
        group: Panels side by side that share a title.
    """
    rows = -(-len(titles) // columns)
    page = PAGE_WIDTH
    if parent is None and len(titles) < columns:
        page, columns = PAGE_WIDTH * len(titles) / columns, len(titles)
    widths = [1.0] * columns
    if group > 1:
        widths = ([1.0] * group + [GROUP_GAP]) * columns
        del widths[-1]
    places = [place for place, width in enumerate(widths) if width == 1.0]
    sheet = Sheet(widths, lambda width: [height(width)] * rows, parent=parent, least_width=least_width, page=page)
    for index in range(len(titles) * group):
        row, column = divmod(index, len(places))
        sheet.add(row, places[column])
    sheet.add_titles(titles, group)
    return sheet


def fit(*sheets, parts=None):
    """Gives the figure of one sheet, or of several one below the other, the size that they want, and lays it out.

    Args:
        sheets: The sheets.
        parts: The `GridSpec` that the SubFigures of several sheets lie in.

    Returns:
        The Figure. Its layout stays as it is: a later one would ask for the time again.
    """
    figure = sheets[0].figure.figure
    engine = figure.get_layout_engine()
    figure.set_dpi(COARSE)
    pictures = [axes for axes in figure.axes if axes.get_aspect() == 1]
    for axes in pictures:  # what stands around them is measured from the cell, which they must fill
        axes.set_aspect("auto")
    for sheet in sheets:  # most texts fit at once as they do in the end, and the first pass finds their room
        sheet.guess()
    for _ in range(MOST_PASSES):
        engine.execute(figure)
        before = _texts(figure)
        beside = figure.get_figheight() - sum(sheet.figure.bbox.height for sheet in sheets) / figure.dpi
        width = max(sheet.wanted_width() for sheet in sheets)
        heights = [sheet.adapt(width) for sheet in sheets]
        if _texts(figure) == before:  # so the room around the panels is what was measured
            break
    figure.set_size_inches(width + 2 * EDGE, beside + sum(heights) + 2 * EDGE)
    edge = EDGE / figure.get_size_inches()
    engine.set(rect=(*edge, *(1 - 2 * edge)))
    if parts is not None:
        parts.set_height_ratios(heights)
    engine.execute(figure)
    figure.set_layout_engine("none")
    figure.set_dpi(DOTS_PER_INCH)
    for axes in pictures:
        axes.set_aspect("equal")
    for sheet in sheets:
        sheet.centre_titles()
    return figure


def _texts(figure):
    """What stands in a figure, and whether it is shown: all that may change the room that the layout finds."""
    from matplotlib.text import Text

    return [(text.get_text(), text.get_visible()) for text in figure.findobj(Text)]


def new_figure(width, height):
    """An empty Figure of this size in inches, in no global list and without a display."""
    from kerasxai.plots.figures import Picture

    figure = Picture(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    figure.get_layout_engine().set(w_pad=COLUMN_GAP / 2, h_pad=ROW_GAP / 2, wspace=0, hspace=0)
    return figure


def set_title(axes, text):
    """Writes a title above axes."""
    axes.set_title(text, fontsize=TITLE_SIZE, pad=72 * TITLE_GAP, parse_math=False)


def gap(axes, other):
    """Inches between axes and others at their right, as they are laid out now."""
    between = other.get_position(original=True).x0 - axes.get_position(original=True).x1
    return between * axes.figure.bbox.width / axes.figure.dpi
