import keras
import pytest

from kerasxai import cli, explainers


@pytest.fixture
def model_file(tmp_path):
    layers = [
        keras.Input((8, 1)),
        keras.layers.Conv1D(2, 3, name="only"),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ]
    path = tmp_path / "net.keras"
    keras.Sequential(layers).save(path)
    return str(path)


def test_layers_shows_the_table_and_what_each_method_can_do(model_file, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["layers", model_file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("only" in line and "Conv1D" in line and "*" in line for line in lines)
    verdicts = {line.split()[1]: line for line in lines if line.startswith("│") and len(line.split()) > 3}
    assert verdicts["grad_cam"].split()[3] == "yes"
    assert "no: CAM needs a model that ends in global average pooling" in verdicts["cam"]
    assert "no ReLU" in verdicts["guided_backprop"]


def test_list_names_every_explainer_with_its_cost_and_paper(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    assert cli.main(["list", "explainers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in explainers.names():
        (line,) = [line for line in lines if line.startswith(f"│ {name} ")]
        assert "F" in line and "http" in line, line


def test_every_explainer_states_family_and_passes():
    for name in explainers.names():
        cls = explainers.get(name)
        assert cls.family and cls.passes, name


def test_an_error_is_one_line_and_status_1(capsys):
    assert cli.main(["layers", "missing.keras"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("kerasxai: ") and captured.err.count("\n") == 1 and "missing.keras" in captured.err


@pytest.mark.parametrize("arguments", [[], ["explode"], ["layers"], ["list", "cats"], ["explain", "a.keras"]])
def test_a_bad_command_line_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert "usage: kerasxai" in capsys.readouterr().err
