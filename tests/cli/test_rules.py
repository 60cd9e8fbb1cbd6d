"""`--rules` and `--input-range`: what reaches LRP, and what is refused."""

import json

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai import cli, lrp

layers = keras.layers


@pytest.fixture
def saved(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((12, 2)),
            layers.Conv1D(4, 3, activation="relu", name="early"),
            layers.Conv1D(4, 3, activation="relu", name="late"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="classes"),
        ]
    )
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "signals.npy", np.random.default_rng(0).normal(size=(3, 12, 2)).astype("float32"))
    return model


def explain(folder, *arguments):
    given = ["explain", folder / "net.keras", folder / "signals.npy", "--method", "lrp", "--out", folder / "out"]
    return cli.main([str(one) for one in (*given, *arguments)])


def maps_of(folder):
    with np.load(folder / "out" / "lrp.npz") as archive:
        return np.stack([archive[name] for name in archive.files])


def expected(model, folder, **options):
    return kerasxai.explainers.LRP(model, batch_size=8, **options)(np.load(folder / "signals.npy"))


@pytest.mark.slow
def test_preset_and_input_range(saved, tmp_path):
    assert explain(tmp_path, "--rules", "epsilon_gamma_box", "--input-range", "-2", "3") == 0
    wanted = expected(saved, tmp_path, rules="epsilon_gamma_box", input_range=(-2, 3))
    np.testing.assert_array_equal(maps_of(tmp_path), wanted)
    assert not np.array_equal(wanted, expected(saved, tmp_path, rules="epsilon_gamma_box"))


def test_rules_of_a_file(saved, tmp_path):
    rules = {"early": "flat", "CONVOLUTION": {"rule": "gamma", "gamma": 0.5}, "*": "epsilon"}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    assert explain(tmp_path, "--rules", tmp_path / "rules.json") == 0
    wanted = expected(saved, tmp_path, rules={"early": lrp.Flat(), "late": lrp.Gamma(0.5), "classes": lrp.Epsilon()})
    np.testing.assert_array_equal(maps_of(tmp_path), wanted)


def test_report_tells_the_rules(saved, tmp_path):
    explain(tmp_path, "--rules", "epsilon_plus_flat")
    (config,) = json.loads((tmp_path / "out" / "report.json").read_text())["explainers"]
    assert config["rules"] == "epsilon_plus_flat"


def test_layers_shows_the_mapping(saved, tmp_path, capsys):
    assert cli.main(["layers", str(tmp_path / "net.keras"), "--rules", "epsilon_plus_flat"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line.strip()}
    assert "Flat()" in rows["early"]
    assert "first layer" in rows["early"]
    assert "ZPlus()" in rows["late"]
    assert "Epsilon(" in rows["classes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rules", "epsilon_minus"], "epsilon_minus"),
        (["--rules", "absent.json"], "absent.json"),
        (["--rules", "broken.json"], "broken.json is no JSON"),
        (["--rules", "partial.json"], "Without one: late, classes"),
        (["--rules", "epsilon_gamma_box", "--input-range", "1", "0"], "LOW below HIGH"),
    ],
)
def test_bad_rules_fail_in_one_line(arguments, message, saved, tmp_path, capsys, monkeypatch):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "partial.json").write_text('{"early": "flat"}')
    monkeypatch.chdir(tmp_path)
    assert explain(tmp_path, *arguments) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_rules_need_a_method_that_takes_them(saved, tmp_path, capsys):
    given = [tmp_path / "net.keras", tmp_path / "signals.npy", "--method", "gradient", "--rules", "epsilon"]
    assert cli.main(["explain", *map(str, given), "--out", str(tmp_path / "out")]) == 1
    assert "rules" in capsys.readouterr().err
