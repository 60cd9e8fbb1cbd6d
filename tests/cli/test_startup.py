"""What the command line answers without TensorFlow, and that TensorFlow's own lines never reach the terminal."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasxai

ROOT = Path(kerasxai.__file__).parents[1]
# Run in a process of its own, where nothing is imported yet: the status and the modules of each command line.
ALL = """
import sys
from kerasxai import cli
for line in sys.stdin.read().splitlines():
    try:
        status = cli.main(line.split())
    except SystemExit as stop:
        status = stop.code
    print("STATUS", status, "tensorflow" in sys.modules or "keras" in sys.modules)
"""
ANSWERED = {
    "--help": 0,
    "--version": 0,
    "explain --help": 0,
    "list explainers": 0,
    "list evaluators": 0,
    "": 2,
    "explode": 2,
    "explain net.keras": 2,
    "explain net.keras x.npy --out out --batch-size many": 2,
    "explain absent.keras x.npy --out out": 1,
    "explain net.keras absent.npy --out out": 1,
    "explain net.keras x.npy --out used": 1,
    "explain net.keras x.npy --out out --method GradCAM": 1,
    "explain net.keras x.npy --out out --option relu=no": 1,
    "explain net.keras x.npy --out out --option steps=3": 1,
    "explain net.keras x.npy --out out --method lrp --rules epsilon_minus": 1,
    "explain net.keras x.npy --out out --method lrp --rules absent.json": 1,
    "explain net.keras x.npy --out out --preprocess 0-2": 1,
    "explain net.keras x.npy --out out --preprocess 0.5/0": 1,
    "explain net.keras x.npy --out out --target horse": 1,
    "explain net.keras x.npy --out out --target horse --classes names.txt": 1,
    "explain net.keras x.npy --out out --classes absent.txt": 1,
    "explain net.keras x.npy --out out --classes names.json": 1,
    "explain net.keras net.keras --out out": 1,
    "explain x.npy x.npy --out out": 1,
    "explain used x.npy --out out": 1,
    "explain exported x.npy --out out": 1,
    "explain damaged.keras x.npy --out out": 1,
    "explain net.keras x.npy --out names.txt/out": 1,
    "layers damaged.keras": 1,
    "evaluate net.keras x.npy --out out --preprocess 0-2": 1,
    "evaluate net.keras x.npy --out out --metric AOPCC": 1,
    "evaluate net.keras x.npy --out out --metric-option fractoin=0.5": 1,
    "layers absent.keras": 1,
    "demo --out used": 1,
}


def run(code, folder, text="", *arguments):
    """A Python process of its own, with nothing said about how much TensorFlow may tell."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, *code, *arguments], cwd=folder, env=environment, input=text, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path):
    layers = [keras.Input((12, 1)), keras.layers.Conv1D(2, 3, activation="relu"), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")]).save(tmp_path / "net.keras")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2, 12, 1)).astype("float32"))
    (tmp_path / "names.txt").write_text("cat\ndog\ncow\n")
    (tmp_path / "names.json").write_text('{"cat": 0}')
    (tmp_path / "damaged.keras").write_text("nothing of it")
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "saved_model.pb").touch()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("precious")
    return tmp_path


def test_answers_without_tensorflow(folder):
    done = run(["-c", ALL], folder, "\n".join(ANSWERED))
    assert done.returncode == 0, done.stderr
    told = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("STATUS")]
    assert dict(zip(ANSWERED, told)) == {line: [str(status), "False"] for line, status in ANSWERED.items()}


@pytest.mark.slow
def test_nothing_of_tensorflow_is_shown(folder):
    done = run(["-m", "kerasxai"], folder, "", "explain", "net.keras", "x.npy", "--out", "out", "--method", "gradient")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("2 samples, explained") and done.stdout.count("\n") == 3


def test_what_tensorflow_writes_is_shown_where_it_cannot_be_loaded(tmp_path):
    (tmp_path / "tensorflow.py").write_text(
        "import os\nos.write(2, b'no such instruction')\nraise ImportError('broken')"
    )
    code = "import sys; sys.path.insert(0, '.'); from kerasxai.cli.quiet import load_tensorflow; load_tensorflow()"
    done = run(["-c", code], tmp_path)
    assert "no such instruction" in done.stderr and "ImportError: broken" in done.stderr


def test_a_reader_that_has_seen_enough_is_told_nothing(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "kerasxai", "list", "evaluators"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
