"""Errors and warnings on the terminal: what to do about them, in the words of the command line."""

import warnings

import keras
import numpy as np
import pytest

from kerasxai import cli
from kerasxai.cli.quiet import plain_warnings


class Doubled(keras.layers.Layer):
    """A layer that a file names and Keras does not know."""

    def call(self, x):
        return 2 * x


def saved(folder, *middle):
    layers = [keras.Input((12, 1)), keras.layers.Conv1D(2, 3), *middle, keras.layers.Flatten(), keras.layers.Dense(3)]
    keras.Sequential(layers).save(folder / "net.keras")
    np.save(folder / "x.npy", np.zeros((2, 12, 1), "float32"))


def told(capsys, folder, *arguments, command="explain"):
    paths = [folder / "net.keras"] + [folder / "x.npy", "--out", folder / "out"] * (command == "explain")
    assert cli.main([command, *map(str, paths), *arguments]) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize("command", ["explain", "layers"])
def test_code_in_the_file(command, tmp_path, capsys):
    saved(tmp_path, keras.layers.Lambda(lambda x: 2 * x))
    message = told(capsys, tmp_path, command=command)
    assert "add --unsafe" in message and "safe_mode" not in message


def test_unsafe_is_what_the_message_says(tmp_path, capsys):
    saved(tmp_path, keras.layers.Lambda(lambda x: 2 * x))
    assert cli.main(["layers", str(tmp_path / "net.keras"), "--unsafe"]) == 0


def test_a_layer_that_keras_does_not_know(tmp_path, capsys):
    saved(tmp_path, Doubled())
    message = told(capsys, tmp_path)
    assert (
        "Load it in Python, by kerasxai.load_model(path, custom_objects={" in message and "explain it there" in message
    )
    assert "Pass `custom_objects" not in message


def test_a_layer_that_the_model_has_not(tmp_path, capsys):
    saved(tmp_path)
    message = told(capsys, tmp_path, "--layer", "conv1")
    assert "See `kerasxai layers MODEL`" in message and "layer_table" not in message


def test_a_warning_is_one_line_without_its_place_in_the_source(capsys):
    with plain_warnings():
        warnings.warn("half of the\n   maps are zero")
    assert capsys.readouterr().err == "kerasxai: warning: half of the maps are zero\n"
