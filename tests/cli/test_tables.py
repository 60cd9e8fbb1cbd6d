import keras
import pytest

from kerasxai import cli, explainers


@pytest.fixture
def model_file(tmp_path):
    model = keras.Sequential([keras.Input((8, 1)), keras.layers.Conv1D(2, 3, name="only"), keras.layers.Flatten()])
    model.save(tmp_path / "net.keras")
    return str(tmp_path / "net.keras")


def test_layers_shows_the_table(model_file, capsys):
    assert cli.main(["layers", model_file]) == 0
    out = capsys.readouterr().out
    assert "only" in out and "Conv1D" in out and "*" in out


def test_list_names_every_explainer(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["list", "explainers"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in explainers.names())


def test_an_error_is_one_line_and_status_1(capsys):
    assert cli.main(["layers", "missing.keras"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("kerasxai: ") and captured.err.count("\n") == 1 and "missing.keras" in captured.err


@pytest.mark.parametrize("arguments", [[], ["explode"], ["layers"], ["list", "cats"]])
def test_a_bad_command_line_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: kerasxai" in capsys.readouterr().err
