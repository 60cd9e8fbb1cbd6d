"""What `load_model` says of a file that it cannot load."""

import os
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from kerasxai.saved_models import load_model
from tests.support.keras_2_files import (
    chain,
    functional,
    input_entry,
    lstm,
    plain,
    sequential,
    write_keras_2,
)
from tests.test_saved_models import SERIES, Doubled, keras_3_models

layers = keras.layers


def with_bytes(content):
    return lambda path: path.write_bytes(content)


def truncated(path):
    next(keras_3_models()).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_a_wrong_byte(path):
    keras.Sequential([keras.Input((4,)), layers.Dense(2000)]).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def random_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def random_hdf5(path):
    with h5py.File(path, "w") as file:
        file["temperatures"] = np.zeros(3)


def keras_3_weights(path):
    next(keras_3_models()).save_weights(path.with_name("w.weights.h5"))
    os.rename(path.with_name("w.weights.h5"), path)


def keras_2_weights(path):
    write_keras_2(path.with_name("whole.h5"), *plain())
    with h5py.File(path.with_name("whole.h5")) as whole, h5py.File(path, "w") as file:
        file.attrs.update(whole["model_weights"].attrs)
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", file)


def operation_layers(path):
    operation = {"class_name": "TFOpLambda", "config": {"name": "tf.math.multiply", "function": "math.multiply"}}
    sliced = {"class_name": "SlicingOpLambda", "config": {"name": "tf.getitem", "function": "__operators__.getitem"}}
    config = functional(
        [
            (input_entry((4,)), []),
            (operation, [[["input_1", 0, 0, {"y": 2.0}]]]),
            (sliced, [[["tf.math.multiply", 0, 0, {"slice_spec": 1}]]]),
        ],
        [["input_1", 0, 0]],
        [["tf.getitem", 0, 0]],
    )
    inputs = keras.Input((4,))
    write_keras_2(path, config, keras.Model(inputs, layers.Identity()(layers.Identity()(inputs))))


def time_major(path):
    config, twin = chain(SERIES, (lstm(), layers.LSTM(3)))
    config["config"]["layers"][1]["config"]["time_major"] = True
    write_keras_2(path, config, twin)


def without_weights(path):
    write_keras_2(path, *plain())
    with h5py.File(path, "a") as file:
        del file["model_weights"]


def nothing(path):
    pass


BAD_FILES = [
    ("model.keras", nothing, FileNotFoundError, r"No file .*model\.keras\. Check the name"),
    ("folder/model.keras", nothing, FileNotFoundError, r"Check the name and the folder, .*folder\."),
    ("model.keras", with_bytes(b""), ValueError, "is empty"),
    ("model.h5", with_bytes(b""), ValueError, "is empty"),
    ("model.h5", with_bytes(b"<html>not found</html>"), ValueError, r"begins with b'<html>.*Expected a `\.keras` file"),
    ("model.keras", truncated, ValueError, "damaged or truncated.*Save or download it again"),
    ("model.h5", truncated, ValueError, "damaged or truncated.*Save or download it again"),
    ("model.keras", with_a_wrong_byte, ValueError, "BadZipFile: Bad CRC.*Save or download it again"),
    ("model.keras", random_zip, ValueError, r"zip archive, but not of Keras.*readme\.txt"),
    ("model.h5", random_hdf5, ValueError, "HDF5 file, but not of Keras.*temperatures"),
    ("model.h5", keras_3_weights, ValueError, r"weights only.*Build the model in code and call `model\.load_weights"),
    ("model.weights.h5", keras_3_weights, ValueError, "weights only"),
    ("model.h5", keras_2_weights, ValueError, "weights only"),
    (
        "model.h5",
        operation_layers,
        ValueError,
        r"tf\.math\.multiply \(TFOpLambda\), tf\.getitem.*export it as a SavedModel",
    ),
    ("model.h5", time_major, ValueError, "passed to LSTM: {'time_major': True}"),
    ("model.h5", without_weights, ValueError, "KeyError: .*model_weights"),
    ("model.pb", with_bytes(b"?"), ValueError, "pass the directory that holds `saved_model.pb`"),
    ("model.pt", with_bytes(b"?"), ValueError, "another framework"),
    ("model.onnx", with_bytes(b"?"), ValueError, "another framework"),
    ("model.tflite", with_bytes(b"?"), ValueError, "no gradients"),
    ("model.ckpt", with_bytes(b"?"), ValueError, "weights only"),
    ("model.txt", with_bytes(b"?"), ValueError, "Unknown suffix '.txt'"),
    ("model", with_bytes(b"?"), ValueError, "Unknown suffix ''"),
    ("model_folder", Path.mkdir, ValueError, r"without `saved_model\.pb`. Model files in it: none"),
]


@pytest.mark.parametrize(("name", "write", "error", "message"), BAD_FILES)
def test_bad_file_is_explained(name, write, error, message, tmp_path):
    write(tmp_path / name)
    with pytest.raises(error, match=f"(?s){message}"):
        load_model(tmp_path / name)


def test_missing_file_suggests_near_names(tmp_path):
    (tmp_path / "mobilenet.keras").touch()
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'mobilenet\.keras'\?"):
        load_model(tmp_path / "mobilnet.keras")


def test_directory_names_the_models_in_it(tmp_path):
    (tmp_path / "one.h5").touch()
    with pytest.raises(ValueError, match=r"Model files in it: one\.h5"):
        load_model(tmp_path)


def test_many_operations_are_not_all_listed(tmp_path):
    names = [f"tf.operation_{number}" for number in range(7)]
    entries = [{"class_name": "TFOpLambda", "config": {"name": name, "function": "relu"}} for name in names]
    twin = keras.Sequential([keras.Input((4,)), *(layers.Identity() for _ in names)])
    path = write_keras_2(tmp_path / "model.h5", sequential(input_entry((4,)), *entries), twin)
    with pytest.raises(ValueError, match=r"tf\.operation_4 \(TFOpLambda\) and 2 more"):
        load_model(path)


def test_wrong_arguments(tmp_path):
    model = next(keras_3_models())
    with pytest.raises(TypeError, match=r"`path` must be a str or os.PathLike. Received: .*Sequential"):
        load_model(model)
    model.save(tmp_path / "model.keras")
    with pytest.raises(TypeError, match="`custom_objects` must be a dict"):
        load_model(tmp_path / "model.keras", custom_objects=[Doubled])
    with pytest.raises(ValueError, match=r"`endpoint` is for SavedModel directories. Received: endpoint='serve'"):
        load_model(tmp_path / "model.keras", endpoint="serve")
