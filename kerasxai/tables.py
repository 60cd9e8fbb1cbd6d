"""Tables of text: aligned columns on a terminal, HTML in a notebook. What stands in them is told elsewhere."""

import html
import os
import shutil
import sys
import textwrap

GAP = "  "
INDENT = "    "


class Table(list):
    """Rows, as dicts, that show themselves as a table.

    `print` writes aligned columns, a notebook shows HTML.

    Args:
        rows: Dicts, one for each row.
        columns: Dict heading -> function from a row to the text of its cell.
        title: A line above, or "".
        caption: A line below, or "".
        numbers: Headings of the columns that are aligned at the right.
        styles: CSS for each row in a notebook, or None.
    """

    def __init__(self, rows, columns, title="", caption="", numbers=(), styles=None):
        super().__init__(rows)
        self._headings = list(columns)
        self._cells = []
        for row in self:
            self._cells.append([text(row) for text in columns.values()])
        self._title, self._caption = title, caption
        self._is_number = [heading in numbers for heading in columns]
        self._styles = styles or [""] * len(self)
        self._shown_in = None

    def show(self, print_fn=None):
        """Shows the table now and returns it; a notebook's cell that ends with it does not show it again.

        Args:
            print_fn: What takes each line of text, in the place of the terminal or the notebook.
        """
        if print_fn is not None:
            for line in str(self).splitlines():
                print_fn(line)
        elif _running_cell() is None:
            print(self.text(_terminal_width()))
        else:
            self._ipython_display_()
        return self

    def __str__(self):
        return self.text()

    def text(self, width=None):
        """The table as text.

        Args:
            width: Where lines would be longer, each row takes two: its name, and below it the rest, wrapped between
                words. None: as wide as it is.
        """
        lines = self._aligned(0, len(self._headings))
        if width is not None and max(map(len, lines)) > width:
            named = next(index for index, heading in enumerate(self._headings) if heading) + 1
            names, rest = self._aligned(0, named), self._aligned(named, len(self._headings))
            lines = []
            for name, texts in zip(names, rest):
                lines += [name, _wrapped(texts, width)]
        return "\n".join([*filter(None, [self._title]), *lines, *filter(None, [self._caption])])

    def _aligned(self, start, stop):
        """The rows, the headings first, of the columns from `start` to before `stop`."""
        rows = [row[start:stop] for row in [self._headings, *self._cells]]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = []
        for row in rows:
            columns = zip(row, widths, self._is_number[start:stop])
            cells = [cell.rjust(width) if is_number else cell.ljust(width) for cell, width, is_number in columns]
            lines.append(GAP.join(cells).rstrip())
        return lines

    def __repr__(self):  # short: at a prompt it follows the table itself
        return f"<Table of {len(self)} rows>"

    def _repr_html_(self):
        head = _html_row("th", self._headings, self._is_number)
        body = "".join(
            _html_row("td", cells, self._is_number, style) for cells, style in zip(self._cells, self._styles)
        )
        lines = [f"<strong>{html.escape(self._title)}</strong>"] * bool(self._title)
        lines.append(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")
        lines += [f"<small>{html.escape(self._caption)}</small>"] * bool(self._caption)
        return f"<div>{''.join(lines)}</div>"

    def _ipython_display_(self):
        """What IPython calls to show a value: once in a cell, or `show` as its last line would show it twice."""
        from IPython.display import display

        cell = _running_cell()
        if self._shown_in != cell:
            display({"text/plain": str(self), "text/html": self._repr_html_()}, raw=True)
            self._shown_in = cell


def _wrapped(line, width):
    options = {"initial_indent": INDENT, "subsequent_indent": 2 * INDENT, "drop_whitespace": True}
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False, **options)


def _terminal_width():
    """The width of the terminal; None where the text goes to a file, which may be as wide as it wants."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() or "COLUMNS" in os.environ else None


def _html_row(tag, cells, is_number, style=""):
    sides = ["right" if right else "left" for right in is_number]
    inner = "".join(f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag}>' for cell, side in zip(cells, sides))
    return f'<tr style="{style}">{inner}</tr>' if style else f"<tr>{inner}</tr>"


def _running_cell():
    """The number of the cell that IPython runs; None outside it."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return None if shell is None else shell.execution_count
