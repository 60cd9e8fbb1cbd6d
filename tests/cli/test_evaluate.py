"""`kerasxai evaluate`: what it writes is what `kerasxai.evaluate` gives."""

import csv
import json

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai import cli

layers = keras.layers
X = np.random.default_rng(0).normal(size=(9, 12, 2)).astype("float32")


@pytest.fixture
def model(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 2)),
            layers.Conv1D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "signals.npy", X)
    return model


def evaluate(folder, *arguments):
    given = ["evaluate", folder / "net.keras", folder / "signals.npy", "--out", folder / "out", *arguments]
    return cli.main([str(one) for one in given])


def records(folder):
    with open(folder / "out" / "comparison.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_table_is_that_of_python(model, tmp_path, capsys):
    chosen = ["--method", "gradient_x_input", "--method", "lrp", "--metric", "deletion", "--metric", "drop_increase"]
    assert evaluate(tmp_path, *chosen, "--rules", "epsilon", "--metric-option", "fraction=0.5") == 0
    wanted = kerasxai.evaluate(
        model,
        X,
        ["gradient_x_input", {"method": "lrp", "rules": "epsilon"}],
        [kerasxai.evaluators.Deletion(), kerasxai.evaluators.DropIncrease(fraction=0.5)],
    )
    found = {(row["explainer"], row["metric"]): float(row["mean"]) for row in records(tmp_path)}
    assert found == pytest.approx({(row["explainer"], row["metric"]): row["mean"] for row in wanted.records()})
    shown = capsys.readouterr().out
    assert "smooth_random" in shown
    assert "9 samples" in shown


@pytest.mark.slow
def test_target(model, tmp_path):
    measure = kerasxai.evaluators.Deletion(steps=3)
    for index, (text, target) in enumerate({"top2": "top2", "1": 1, "b": 1, "predicted": None}.items()):
        (tmp_path / "names.txt").write_text("a\nb\nc\n")
        chosen = ["--method", "gradient", "--metric", "deletion", "--metric-option", "steps=3"]
        given = ["--target", text, "--classes", tmp_path / "names.txt", *["--overwrite"] * (index > 0)]
        assert evaluate(tmp_path, *chosen, *given) == 0
        wanted = kerasxai.evaluate(model, X, "gradient", measure, target)
        values = json.loads((tmp_path / "out" / "comparison.json").read_text())["values"]
        for row in wanted.rows:
            np.testing.assert_allclose(values[row]["deletion"]["deletion"], wanted.values(row, "deletion"), rtol=1e-5)
        said = "the class predicted" if text == "predicted" else text
        assert f"explained and scored: {said}." in (tmp_path / "out" / "index.html").read_text()
        assert json.loads((tmp_path / "out" / "report.json").read_text())["target"] == text


@pytest.mark.slow
def test_folder_holds_table_figures_and_page(model, tmp_path):
    assert evaluate(tmp_path, "--samples", "4") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"comparison.csv", "comparison.json", "comparison.png", "deletion.png", "index.html", "report.json"}
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert content["samples"] == 4
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(f'src="{name}"' in page for name in names if name.endswith(".png"))


@pytest.mark.slow
def test_curves_of_every_kind_are_on_the_page(model, tmp_path):
    metrics = ["aopc", "road", "noise_robustness", "randomization", "complexity"]
    given = [part for name in metrics for part in ("--metric", name)]
    options = ["--metric-option", "keep_maps=1"]
    assert evaluate(tmp_path, "--method", "gradient_x_input", *given, *options) == 0
    pictures = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert pictures == {"comparison", "aopc", "road", "noise_robustness", "randomization"}
    page = (tmp_path / "out" / "index.html").read_text()
    assert all(f'src="{name}.png"' in page for name in pictures)
    values = json.loads((tmp_path / "out" / "comparison.json").read_text())["values"]["gradient_x_input"]
    assert "maps" not in values["randomization"] and len(values["randomization"]["spearman_curve"]) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "deletoin"], "Did you mean deletion"),
        (["--method", "lpr"], "Did you mean lrp"),
        (["--metric-option", "fraction"], "NAME=VALUE"),
        (["--metric-option", "fraction=7"], "fraction=7"),
        (["--metric-option", "fractoin=0.5"], "None of the metrics has the option fractoin"),
        (["--metric", "pointing_game"], "masks"),
        (["--target", "best"], "--target must be `predicted`, `top4`"),
        (["--target", "top4"], "--target top4: the model has 3 classes"),
        (["--target", "3"], "the classes 0 to 2"),
        (["--target", "top2", "--metric", "cosine_similarity_convergence", "--method", "lrp"], "whatever class"),
    ],
)
def test_bad_command_lines_fail_in_one_line(arguments, message, model, tmp_path, capsys):
    assert evaluate(tmp_path, *arguments) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_list_evaluators(capsys):
    assert cli.main(["list", "evaluators"]) == 0
    assert "aopc" in capsys.readouterr().out


@pytest.fixture
def pictures(tmp_path):
    """Six pictures of three classes and a net that tells them apart by their colour."""
    from PIL import Image

    for place, name in enumerate(["a", "b", "c"]):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(2):
            values = np.random.default_rng(index).integers(0, 100, size=(12, 12, 3), dtype="uint8")
            values[..., place] += 100
            Image.fromarray(values).save(tmp_path / "images" / name / f"{index}.png")
    inputs = keras.Input((None, None, 3))
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1)(inputs)))
    model = keras.Model(inputs, outputs)
    identity = np.eye(3, dtype="float32")
    model.set_weights([identity[None, None], np.zeros(3), 9 * identity, np.zeros(3)])
    model.save(tmp_path / "colours.keras")
    return tmp_path / "images"


def test_accuracy_range_and_what_was_left_out(pictures, tmp_path, capsys):
    from PIL import Image

    (pictures / "a" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((9, 9, 3), "uint8")).save(pictures / "b" / "small.png")
    given = ["evaluate", tmp_path / "colours.keras", pictures, "--preprocess", "0-1", "--out", tmp_path / "out"]
    given += ["--method", "gradient", "--metric", "deletion"]
    assert cli.main([str(one) for one in given]) == 1
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    page = (tmp_path / "out" / "index.html").read_text()
    shown = capsys.readouterr()
    assert report["samples"] == 6 and report["accuracy"] == 1 and report["preprocess"] == "0-1"
    assert 0 <= report["input_range"][0] < report["input_range"][1] <= 1
    assert [one["name"] for one in report["left_out"]] == ["a__broken.png", "b__small.png"]
    for text in ("Accuracy 100.0%", "Preprocessing 0-1 (pixels / 255)", "Left out 2"):
        assert text in page and text in shown.out
    assert "left out: b__small.png has the shape (9, 9, 3); most have (12, 12, 3)" in shown.err
    assert cli.main([str(one) for one in [*given, "--strict", "--overwrite"]]) == 1
    assert "broken.png is no readable image" in capsys.readouterr().err
