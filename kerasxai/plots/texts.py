"""Texts in pictures: numbers as short as they go, and names wrapped to what they stand beside.
Matplotlib wraps a text only at the figure's edge and only at spaces, so texts are measured here."""

import functools
import re

TITLE_SIZE, LABEL_SIZE = "small", "x-small"  # relative to the reader's `font.size`
LINE_SPACING = 1.2  # of the font's size, as Matplotlib sets lines
SAFETY = 1.04  # letters on whole pixels are a little wider than measured


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


def widest(texts, size, weight="normal"):
    """Inches of the widest line of several texts; 0 for none."""
    return max((text_width(line, size, weight) for text in texts for line in text.split("\n")), default=0.0)


def text_width(text, size, weight="normal"):
    """Inches that one line of text takes, in the reader's font."""
    return _text_width(text, _font(size, weight))


@functools.lru_cache(maxsize=4096)
def _text_width(text, font):
    from matplotlib.textpath import text_to_path

    return SAFETY * text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def line_height(size):
    """Inches of a line of text."""
    return LINE_SPACING * _font(size).get_size_in_points() / 72


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


def write_plainly(legend):
    """Writes the names of a legend as they are: a dollar sign begins no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def _font(size, weight="normal"):
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size, weight=weight)
