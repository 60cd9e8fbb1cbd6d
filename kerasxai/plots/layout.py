"""Figures planned in inches before anything is drawn: texts measured and wrapped, panels in rows and columns.
What a panel shows is elsewhere."""

import functools
import re

FIGURE_WIDTH = 7.0  # of a full row: the text width of a journal page
SMALLEST_WIDTH = 0.67  # of one panel, so that the words of method names fit
MARGIN = 0.07
COLUMN_GAP, GROUP_GAP, ROW_GAP = 0.07, 0.03, 0.08
TITLE_GAP, ROW_TITLE_GAP = 0.05, 0.06
WIDEST_ROW_TITLE = 1.2  # beside panels that are too flat for upright ones
TICK = 0.1  # a tick and the gap to its label
DOTS_PER_INCH = 200
TITLE_SIZE, LABEL_SIZE = "small", "x-small"  # relative to the reader's `font.size`
LINE_SPACING = 1.2  # of the font's size, as Matplotlib sets lines
SAFETY = 1.04  # letters on whole pixels are a little wider than measured


class Table:
    """Panels of one size in rows and columns, with titles above and row titles at the left.

    Args:
        titles: One for each group of panels, row by row, wrapped to the group's width. Rows without titles give them
            no room.
        columns: Groups in a row.
        height: Function from the width of a panel to its height.
        group: Panels side by side that share a title.
        row_titles: One for each row, or empty.
        left, right, above, below: Room around all panels, for ticks, scales and legends.
        before, beside: Room at the left and right of each panel.
        row_gap: Room between rows.
        least_width: Of a panel; the figure grows beyond the page where it would be less.

    Attributes:
        width, height: Of the whole table.
        panel_width, panel_height: Of one panel.
        first_column, column_step: Where the first panel begins, and how far from it the next of another group does.
    """

    def __init__(
        self,
        titles,
        columns,
        height,
        *,
        group=1,
        row_titles=(),
        left=0.0,
        right=0.0,
        above=0.0,
        below=0.0,
        before=0.0,
        beside=0.0,
        row_gap=ROW_GAP,
        least_width=SMALLEST_WIDTH,
    ):
        self.group = group
        self._row_titles = []
        self._gap = COLUMN_GAP if group == 1 else 2 * COLUMN_GAP
        room, needed = -1.0, 0.0
        while needed > room:  # row titles narrow the panels, to whose height they are wrapped
            room = needed
            free = (FIGURE_WIDTH - 2 * MARGIN - left - room - right + self._gap) / columns - self._gap
            width = (free - (group - 1) * GROUP_GAP) / group - before - beside
            self.panel_width = max(width, least_width)
            self.panel_height = height(self.panel_width)
            needed, row_height = self._wrap_row_titles(row_titles)
        row_gap = max(row_gap, row_height - self.panel_height + COLUMN_GAP)

        self.columns = min(columns, len(titles)) * group
        self.first_column = MARGIN + left + room + before
        self._step = before + self.panel_width + beside + GROUP_GAP
        self.column_step = group * self._step - GROUP_GAP + self._gap
        self._group_width = self.panel_width + (group - 1) * self._step
        self._titles = [wrapped(title, self._group_width, TITLE_SIZE) for title in titles]
        self._tops, top = [], MARGIN + above
        for start in range(0, len(titles), self.columns // group):
            lines = max(_lines(title) for title in self._titles[start : start + self.columns // group])
            top += lines * line_height(TITLE_SIZE) + (TITLE_GAP if lines else 0.0)
            self._tops.append(top)
            top += self.panel_height + row_gap
        self.width = self.first_column - before + self.columns // group * self.column_step - self._gap + right + MARGIN
        self.height = top - row_gap + max(below, (row_height - self.panel_height) / 2) + MARGIN

    def figure(self):
        """A new Figure that the table fills."""
        return new_figure(self.width, self.height)

    def axes(self, parent, top=0.0):
        """Adds the panels to a figure, `top` inches from its upper edge: a list of Axes, row by row."""
        added = []
        for index in range(len(self._titles) * self.group):
            row, column = divmod(index, self.columns)
            left = self.first_column + column // self.group * self.column_step + column % self.group * self._step
            axes = add_axes(parent, left, top + self._tops[row], self.panel_width, self.panel_height)
            title = "" if index % self.group else self._titles[index // self.group]
            middle = self._group_width / 2 / self.panel_width
            axes.set_title(title, x=middle, fontsize=TITLE_SIZE, pad=72 * TITLE_GAP, parse_math=False)
            if column == 0 and self._row_titles:
                self._draw_row_title(axes, self._row_titles[row])
            added.append(axes)
        return added

    def is_lowest(self, index):
        """Whether no panel stands below this one."""
        return index + self.columns >= len(self._titles) * self.group

    def _wrap_row_titles(self, row_titles):
        """Turns row titles upright if their words fit so; inches that they take from the width and from the height."""
        if not any(row_titles):
            return 0.0, 0.0
        longest = widest([word for title in row_titles for word in words(title)], TITLE_SIZE)
        self._upright = longest <= self.panel_height
        limit = self.panel_height if self._upright else WIDEST_ROW_TITLE
        self._row_titles = [wrapped(title, limit, TITLE_SIZE) for title in row_titles]
        across = widest(self._row_titles, TITLE_SIZE)
        deep = max(map(_lines, self._row_titles)) * line_height(TITLE_SIZE)
        return (deep + ROW_TITLE_GAP, across) if self._upright else (across + ROW_TITLE_GAP, deep)

    def _draw_row_title(self, axes, title):
        style = {} if self._upright else {"rotation": 0, "ha": "right", "va": "center"}
        axes.set_ylabel(title, fontsize=TITLE_SIZE, labelpad=72 * ROW_TITLE_GAP / 2, parse_math=False, **style)


def new_figure(width, height, **options):
    """An empty Figure of this size in inches, in no global list and without a display."""
    from kerasxai.plots.figures import Picture

    return Picture(figsize=(width, height), dpi=DOTS_PER_INCH, **options)


def add_axes(figure, left, top, width, height):
    """Axes at a place given in inches from the figure's upper left corner."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )


def add_text(figure, left, top, text, size=TITLE_SIZE, **style):
    """Writes a text whose upper left corner is given in inches from the figure's."""
    full_width, full_height = figure.get_size_inches()
    place = left / full_width, 1 - top / full_height
    return figure.text(*place, text, fontsize=size, va="top", parse_math=False, **style)


def line_height(size):
    """Inches of a line of text."""
    return LINE_SPACING * _font(size).get_size_in_points() / 72


@functools.lru_cache(maxsize=4096)
def text_width(text, size, weight="normal"):
    """Inches that one line of text takes."""
    from matplotlib.textpath import text_to_path

    return SAFETY * text_to_path.get_text_width_height_descent(text, _font(size, weight), ismath=False)[0] / 72


def widest(texts, size, weight="normal"):
    """Inches of the widest line of several texts; 0 for none."""
    return max((text_width(line, size, weight) for text in texts for line in text.split("\n")), default=0.0)


def wrapped(text, width, size):
    """A text in lines of at most `width` inches, broken at spaces and after underscores; a longer word is cut."""
    lines = []
    for paragraph in text.split("\n"):
        line = ""
        for piece in re.findall(r" ?[^ _]*_*", " ".join(paragraph.split())):
            if line and text_width(line + piece, size) > width:
                lines.append(line)
                line, piece = "", piece.lstrip()
            line += piece
            while len(line) > 1 and text_width(line, size) > width:
                fitting = next(
                    end for end in range(len(line) - 1, 0, -1) if end == 1 or text_width(line[:end], size) <= width
                )
                lines.append(line[:fitting])
                line = line[fitting:]
        lines.append(line)
    return "\n".join(lines)


def words(text):
    """The parts of a text that a line break leaves whole."""
    return re.findall(r"[^ _\n]+_*|_+", text)


def number_text(value):
    """A number with two digits, as short as it goes: "0.5", "120", "1.2e9"; with a real minus sign."""
    rounded = float(f"{value:.2g}")
    if rounded == 0 or 1e-3 <= abs(rounded) < 1e5:
        text = f"{rounded:g}"
    else:
        mantissa, exponent = f"{rounded:.1e}".split("e")
        text = f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return text.replace("-", "\N{MINUS SIGN}")


def probability_text(value):
    """A probability with two digits that says 0 or 1 only of what is 0 or 1."""
    if 0 < value < 0.005:
        return "<0.01"
    return ">0.99" if 0.995 <= value < 1 else f"{value:.2f}"


def _lines(text):
    return len(text.split("\n")) if text else 0


def _font(size, weight="normal"):
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size, weight=weight)
