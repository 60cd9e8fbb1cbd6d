"""Tables: text on a terminal, HTML in a notebook, and each shown once wherever it is."""

import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai.tables import Table

NASTY = "<b>&\"'"
ODD = "a->b"  # as far from letters as TensorFlow takes a layer's name


@pytest.fixture(scope="module")
def model():
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, activation="relu", name=ODD),
        keras.layers.GlobalAveragePooling2D(name="pool"),
        keras.layers.Dense(3, activation="softmax", name="head"),
    ]
    return keras.Sequential(layers)


IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype("float32")


def small_table():
    rows = [{"name": NASTY, "size": 7}, {"name": "long name", "size": 1234}]
    columns = {"name": lambda row: row["name"], "its size": lambda row: f"{row['size']:,}"}
    return Table(rows, columns, title="a < b", caption="& so on", numbers=["its size"], styles=["font-weight:bold", ""])


def cells(markup):
    """Rows of the texts in an HTML table; fails if it is not well formed."""
    return [["".join(cell.itertext()) for cell in row] for row in ElementTree.fromstring(markup).iter("tr")]


def test_text_is_aligned_and_html_escaped():
    table = small_table()
    assert str(table).splitlines() == [
        "a < b",
        "name       its size",
        "<b>&\"'            7",
        "long name     1,234",
        "& so on",
    ]
    assert cells(table._repr_html_()) == [["name", "its size"], [NASTY, "7"], ["long name", "1,234"]]
    assert "<b>" not in table._repr_html_()
    assert table == [{"name": NASTY, "size": 7}, {"name": "long name", "size": 1234}]


def test_outside_ipython_a_table_is_printed_once_and_its_repr_is_short(capsys):
    table = small_table()
    assert table.show() is table
    assert capsys.readouterr().out == f"{table}\n"
    assert repr(table) == "<Table of 2 rows>"
    assert Table([], {"a": str, "bc": str}).show() == [] and capsys.readouterr().out == "a  bc\n"


def of_the_model(model):
    lrp = kerasxai.explainers.LRP(model)
    return {
        "layer_table": kerasxai.layer_table(model),
        "summary": lrp.summary(),
        "ledger": lrp.ledger(IMAGES),
        "comparison": kerasxai.evaluate(model, IMAGES, ["grad_cam", "lrp"], "sparseness", controls=True),
    }


def test_what_the_package_lists_is_html_of_what_it_prints(model):
    for name, shown in of_the_model(model).items():
        heading, *rows = cells(shown._repr_html_())
        assert rows and all(len(row) == len(heading) for row in rows), name
        assert all(cell in str(shown) for row in [heading, *rows] for cell in row), name
        assert any(ODD in row for row in rows) == (name != "comparison"), name
    assert repr(shown) == str(shown) == shown.to_markdown()


def test_html_of_the_ledger_has_its_means(model):
    ledger = kerasxai.explainers.LRP(model).ledger(IMAGES)
    heading, *rows = cells(ledger._repr_html_())
    for column, of_column in zip(heading[1:], np.transpose([[float(cell) for cell in row[1:]] for row in rows])):
        np.testing.assert_allclose(of_column, ledger.values[column].mean(axis=0), rtol=1e-5)
    assert [row[0] for row in rows] == ledger.paths
    assert repr(ledger) == str(ledger)


def test_html_of_a_comparison_marks_controls_and_says_what_is_better(model):
    comparison = of_the_model(model)["comparison"]
    heading, *rows = cells(comparison._repr_html_())
    arrows = {"higher": " ↑", "lower": " ↓", None: ""}
    assert heading == ["", *(metric + arrows[comparison.directions[metric]] for metric in comparison.metrics)]
    assert [row[0] for row in rows] == comparison.rows and set(comparison.controls) < set(comparison.rows)
    _, *styles = [row.get("style", "") for row in ElementTree.fromstring(comparison._repr_html_()).iter("tr")]
    assert ["italic" in style for style in styles] == [name in comparison.controls for name in comparison.rows]
    for row, line in zip(rows, comparison.to_markdown().splitlines()[2:], strict=True):
        assert row[1:] == [cell.strip() for cell in line.strip("|").split("|")][1:]


# In IPython


@pytest.fixture
def shell():
    """An IPython shell and what it has shown: dicts MIME type -> data."""
    interactive = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell
    capture = pytest.importorskip("IPython.core.displaypub").CapturingDisplayPublisher
    shell = interactive.instance()
    shell.display_pub = capture(parent=shell)
    yield SimpleNamespace(
        itself=shell,
        formatter=shell.display_formatter,
        run=lambda code: shell.run_cell(code, store_history=True).raise_error(),
        shown=lambda: [one["data"] for one in shell.display_pub.outputs],
    )
    interactive.clear_instance()


def test_a_cell_shows_a_table_once_as_html_wherever_the_call_stands(shell, capsys):
    shell.run("from tests.test_tables import small_table")
    for code, count in [
        ("small_table().show()", 1),
        ("table = small_table().show()\nnumber = 1", 2),
        ("table.show()\ntable", 3),
        ("table", 4),
        ("for _ in range(2): small_table().show()", 6),
    ]:
        shell.run(code)
        assert len(shell.shown()) == count, code
    assert all(set(one) == {"text/plain", "text/html"} for one in shell.shown())
    assert "its size" not in capsys.readouterr().out


def test_a_figure_is_a_png_in_ipython_with_and_without_pyplot(shell):
    formatter = shell.formatter
    figure = kerasxai.plots.overlay(IMAGES, np.zeros((3, 8, 8)))
    data, metadata = formatter.format(figure)
    assert data["image/png"].startswith(b"\x89PNG") and metadata["image/png"]["width"] == round(
        96 * figure.get_figwidth()
    )
    assert "text/html" not in data
    from IPython.core.pylabtools import select_figure_formats

    select_figure_formats(shell.itself, {"png"})  # what %matplotlib inline does
    assert set(formatter.format(figure)[0]) == {"image/png", "text/plain"}


def test_figures_are_pngs_for_any_frontend():
    for figure in (
        kerasxai.plots.overlay(IMAGES, np.zeros((3, 8, 8))),
        kerasxai.plots.curves([{"curve": np.ones((2, 3)), "fraction": np.arange(3)}]),
    ):
        data, size = figure._repr_png_()
        assert data.startswith(b"\x89PNG")
        assert size == {"width": round(96 * figure.get_figwidth()), "height": round(96 * figure.get_figheight())}
    assert "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None


@pytest.mark.parametrize("width", [30, 40, 60])
def test_a_row_too_wide_takes_two_lines_and_no_word_is_broken(width):
    rows = [
        {
            "name": "a_name_of_many_letters/that_must_be_copied",
            "said": "some words, twice and more often",
            "count": "12",
        },
        {"name": "short", "said": "", "count": "3"},
    ]
    columns = {name: lambda row, name=name: row[name] for name in ("name", "said", "count")}
    table = Table(rows, columns, numbers=["count"])
    lines = table.text(width).splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["name", rows[0]["name"], "short"]
    assert " ".join(lines).split() == str(table).split()
    assert all(len(line) <= width for line in lines if line != rows[0]["name"])
    assert table.text(200) == str(table) and len(str(table).splitlines()) == 3
