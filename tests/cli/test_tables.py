import inspect
import re

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai import cli, evaluators, explainers
from kerasxai.cli import evaluate as evaluate_command


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
    verdicts = dict(line.split(": ", 1) for line in lines if line.split(":")[0] in explainers.names())
    assert sorted(verdicts) == explainers.names()
    assert verdicts["grad_cam"] == "yes"
    assert verdicts["cam"].startswith("no: CAM needs a model that ends in global average pooling")
    assert "no ReLU" in verdicts["guided_backprop"]


@pytest.mark.parametrize("width", [40, 80, 300])
def test_lists_are_whole_words_with_cost_and_paper(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    for what, registry in (("explainers", explainers), ("evaluators", evaluators)):
        assert cli.main(["list", what]) == 0
        told = capsys.readouterr().out
        for name in registry.names():
            doc = inspect.getdoc(registry.get(name))
            (entry,) = [one for one in told.split("\n\n") if one.split()[:1] == [name]]
            paper = re.search(r"Reference:\s+(.+)", doc)
            words = doc.split("\n\n")[0].split(": ", 1)[-1].split() + (paper.group(1).split() if paper else [])
            assert set(words) <= set(entry.split()), name
            assert all(len(line) <= width or len(line.split()) == 1 for line in entry.splitlines()), name


def test_a_table_of_many_metrics_breaks_no_word(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    model = keras.Sequential([keras.Input((8, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    x = np.random.default_rng(0).normal(size=(3, 8, 1)).astype("float32")
    metrics = ["drop_increase", "deletion", "insertion", "compressed_size", "histogram_entropy", "highlighted_area"]
    metrics += ["sparseness", "pixel_flipping"]
    comparison = kerasxai.evaluate(model, x, ["integrated_gradients"], metrics, verbose=0)
    evaluate_command._print(comparison)
    told = capsys.readouterr().out
    assert {word for metric in comparison.metrics for word in metric.split("_")} <= set(told.split())
    assert told.count("integrated_gradients") > 1  # several tables, none of them too wide
    assert max(map(len, told.splitlines())) <= 80


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


def test_layers_of_a_saved_model_seen_from_outside(tmp_path, capsys):
    """It shows no layer to a CAM, and whether its operations have gradients shows only when they run."""
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    model.export(tmp_path / "model", verbose=False)
    cli.main(["layers", str(tmp_path / "model")])
    verdicts = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert verdicts["grad_cam"].startswith("no: GradCAM reads a layer")
    assert verdicts["gradient"] == verdicts["smooth_grad"] == "yes, if its operations have gradients"
    assert verdicts["occlusion"] == verdicts["lime"] == "yes"
