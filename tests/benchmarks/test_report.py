"""The report of a study: every figure in JSON and CSV, and a page that needs nothing else."""

import csv
import html.parser
import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks.study import Interval, Report, Study

STUDY = Study("A title & more", "Who *wins*?", "A source.", run=None, full={}, quick={})
ROWS = [
    {"explainer": "first", "auc": Interval(0.5, 0.25, 0.75), "n": 3},
    {"explainer": "<second>", "auc": Interval(0.75, 0.5, 1.0), "n": 4},
    {"explainer": "third", "auc": Interval(math.nan, math.nan, math.nan), "n": 5},
]


class Page(html.parser.HTMLParser):
    """Tags with their attributes, the cells of tables, and whether every tag is closed."""

    VOID = {"meta", "img", "br", "hr"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


@pytest.fixture
def folder(tmp_path):
    report = Report(STUDY, {"seed": 0, "nets": 2})
    report.section("Numbers", "Some *text*.")
    report.table("numbers", ROWS, "What is `seen`.", {"auc": "higher"})
    report.figure("line", plt.figure(figsize=(1, 1)), "A line.")
    report.claim("It holds.", "0.8", "0.7 (0.6 to 0.8)", "yes")
    report.write(tmp_path, seconds=90)
    return tmp_path


def test_files(folder):
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == ["figures/line.png", "report.html", "results.json", "tables/numbers.csv"]


def test_json_has_every_figure_with_settings_and_versions(folder):
    content = json.loads((folder / "results.json").read_text())
    assert content["settings"] == {"seed": 0, "nets": 2}
    assert {"kerasxai", "tensorflow", "keras", "numpy", "python"} <= content["versions"].keys()
    rows = content["tables"]["numbers"]["rows"]
    assert rows[0] == {"explainer": "first", "auc": {"mean": 0.5, "low": 0.25, "high": 0.75}, "n": 3}
    assert rows[2]["auc"] == {"mean": None, "low": None, "high": None}
    assert content["claims"] == [{"claim": "It holds.", "source": "0.8", "here": "0.7 (0.6 to 0.8)", "held": "yes"}]


def test_csv_has_bounds_in_columns_of_their_own(folder):
    with open(folder / "tables" / "numbers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["explainer", "auc", "auc low", "auc high", "n"]
    assert rows[1] == {"explainer": "<second>", "auc": "0.75", "auc low": "0.5", "auc high": "1.0", "n": "4"}


def test_page_is_whole_and_needs_nothing_else(folder):
    page = Page((folder / "report.html").read_text())
    assert not page.open
    assert "<second>" in page.cells and "0.75" in page.cells and "–" in page.cells
    assert "0.5 to 1" in (folder / "report.html").read_text()
    best = [attributes for tag, attributes in page.tags if "best" in (attributes.get("class") or "")]
    assert [attributes["data-value"] for attributes in best] == ["0.75"]
    for tag, attributes in page.tags:
        if "src" in attributes:
            assert attributes["src"].startswith("data:image/png;base64,")
        assert tag not in ("link", "iframe") and (tag != "script" or not attributes)
    assert "1.5 minutes" in (folder / "report.html").read_text()


def test_held_is_one_of_four():
    with pytest.raises(ValueError, match=r"yes, no, in part or open\. Received: 'maybe'"):
        Report(STUDY, {}).claim("It holds.", "", "", "maybe")


def test_interval_is_that_of_the_mean():
    values = np.random.default_rng(1).normal(2, 1, 400)
    mean, low, high = Interval.of([*values, np.nan])
    assert mean == values.mean()
    standard_error = values.std() / 20
    np.testing.assert_allclose([low, high], [mean - 1.96 * standard_error, mean + 1.96 * standard_error], atol=0.02)
    assert all(math.isnan(bound) for bound in Interval.of([np.nan]))
