"""Report: what a study says, written as `results.json`, CSV tables, PNG figures and one self-contained page."""

import base64
import csv
import io
import json
import platform
from importlib import metadata
from pathlib import Path

import jinja2
import markdown_it

from benchmarks.study.interval import Interval
from benchmarks.study.workspace import plain
from kerasxai.whole_files import whole_file

PACKAGES = ("kerasxai", "tensorflow", "keras", "numpy", "scipy", "scikit-learn", "scikit-image")
BETTER = {"higher": "↑", "lower": "↓"}
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


class Report:
    """Sections of text, tables and figures, in the order in which they are added.

    Args:
        study: The `Study`.
        settings: Dict of the run's settings.
    """

    def __init__(self, study, settings):
        self.study = study
        self.settings = settings
        self.parts = []
        self.tables, self.figures, self.claims = {}, {}, []

    def section(self, title, text=""):
        """A heading, and what is to be said: Markdown."""
        self.parts.append({"kind": "section", "title": title, "html": _html(text)})

    def text(self, text):
        """A paragraph: Markdown."""
        self.parts.append({"kind": "text", "html": _html(text)})

    def table(self, name, rows, caption, better=()):
        """A table.

        Args:
            name: Of its CSV file.
            rows: Dicts column -> str, number or `Interval`, all with the same columns.
            caption: What is seen.
            better: Dict column -> `"higher"` or `"lower"`: its best cell is marked.
        """
        better = dict(better)
        self.tables[name] = {"caption": caption, "rows": rows}
        best = {column: _best([row[column] for row in rows], side) for column, side in better.items()}
        heads = [{"name": column, "arrow": BETTER.get(better.get(column), "")} for column in rows[0]]
        cells = [[_cell(value, best.get(column)) for column, value in row.items()] for row in rows]
        self.parts.append({"kind": "table", "name": name, "caption": _html(caption), "heads": heads, "rows": cells})

    def figure(self, name, figure, caption):
        """A Matplotlib figure."""
        from matplotlib import pyplot

        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110, facecolor="white", bbox_inches="tight")
        pyplot.close(figure)
        self.figures[name] = {"caption": caption, "png": picture.getvalue()}
        encoded = base64.b64encode(picture.getvalue()).decode()
        self.parts.append({"kind": "figure", "name": name, "caption": _html(caption), "data": encoded})

    def claim(self, claim, source, here, held):
        """What a source claims beside what was found.

        Args:
            claim: The claim, in words.
            source: The source's own figures.
            here: Ours.
            held: `"yes"`, `"no"`, `"in part"` or `"open"`.
        """
        if held not in ("yes", "no", "in part", "open"):
            raise ValueError(f"`held` must be yes, no, in part or open. Received: {held!r}.")
        self.claims.append({"claim": claim, "source": source, "here": here, "held": held})

    def write(self, folder, seconds):
        """Writes all files into a folder; each appears whole or not at all."""
        folder = Path(folder)
        for name, table in self.tables.items():
            _write_csv(_made(folder / "tables" / f"{name}.csv"), table["rows"])
        for name, figure in self.figures.items():
            with whole_file(_made(folder / "figures" / f"{name}.png"), "wb") as file:
                file.write(figure["png"])
        content = {
            "study": self.study.title,
            "settings": self.settings,
            "versions": versions(),
            "claims": self.claims,
            "tables": {name: {**table, "rows": _records(table["rows"])} for name, table in self.tables.items()},
            "figures": {name: figure["caption"] for name, figure in self.figures.items()},
        }
        with whole_file(folder / "results.json") as file:
            json.dump(plain(content), file, indent=1, allow_nan=False, ensure_ascii=False)
        page = TEMPLATES.get_template("report.html").render(
            study=self.study,
            question=_html(self.study.question),
            sources=_html(self.study.sources),
            claims=self.claims,
            parts=self.parts,
            settings=plain(self.settings),
            versions=versions(),
            minutes=seconds / 60,
        )
        with whole_file(folder / "report.html") as file:
            file.write(page)


def versions():
    """Versions of what decides the results: dict package -> version."""
    return {package: _version(package) for package in PACKAGES} | {"python": platform.python_version()}


def _html(text):
    return markdown_it.MarkdownIt("commonmark").enable("table").render(text)


def _cell(value, best):
    """A cell of the page: its text, what it is sorted by, and whether it is the best of its column."""
    number = value.mean if isinstance(value, Interval) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return {"text": str(value), "number": False}
    if number != number:
        return {"text": "–", "number": True}
    text = f"{number:.3g}" if isinstance(number, float) else str(number)
    bounds = f"{value.low:.3g} to {value.high:.3g}" if isinstance(value, Interval) else ""
    return {"text": text, "bounds": bounds, "sort": number, "number": True, "best": number == best}


def _best(values, side):
    numbers = [value.mean if isinstance(value, Interval) else value for value in values]
    numbers = [number for number in numbers if isinstance(number, (int, float)) and number == number]
    if not numbers:
        return None
    return max(numbers) if side == "higher" else min(numbers)


def _records(rows):
    """Rows with an `Interval` as a dict."""
    return [{name: _record(value) for name, value in row.items()} for row in rows]


def _record(value):
    return value._asdict() if isinstance(value, Interval) else value


def _write_csv(path, rows):
    flat = []
    for row in rows:
        record = {}
        for name, value in row.items():
            if isinstance(value, Interval):
                record |= {name: value.mean, f"{name} low": value.low, f"{name} high": value.high}
            else:
                record[name] = value
        flat.append(record)
    with whole_file(path) as file:
        writer = csv.DictWriter(file, flat[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)


def _version(package):
    """Installed version; TensorFlow's comes under several names."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        import importlib

        return importlib.import_module(package).__version__


def _made(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
