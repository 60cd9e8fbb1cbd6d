"""Where a saved model lies, and what it may be; read without Keras, so that a wrong file is told at once."""

import difflib
import os

SUFFIXES = (".keras", ".h5", ".hdf5")
EXPECTED = "Expected a `.keras` file, a `.h5`/`.hdf5` file with a whole model, or a SavedModel directory."
SAVE_AGAIN = "Save or download it again."
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
LOAD_WEIGHTS = "Build the model in code and call `model.load_weights(path)`."
OTHER_FORMATS = {
    ".pb": "It is a frozen graph or the inside of a SavedModel: pass the directory that holds `saved_model.pb`.",
    ".tflite": "A TensorFlow Lite model has no gradients: load the Keras model it was converted from.",
    **dict.fromkeys((".pt", ".pth", ".onnx"), "It is of another framework: convert the model to Keras first."),
    **dict.fromkeys((".ckpt", ".index"), f"A checkpoint holds weights only. {LOAD_WEIGHTS}"),
}


def existing_path(path: str | os.PathLike[str]) -> str:
    """`path` as a string.

    Raises:
        FileNotFoundError: Nothing is there.
        TypeError: It is no path.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"`path` must be a str or os.PathLike. Received: {path!r} of type {type(path).__name__}.")
    path = os.fsdecode(path)
    if os.path.exists(path):
        return path
    folder, name = os.path.split(os.path.abspath(path))
    others = os.listdir(folder) if os.path.isdir(folder) else []
    near = difflib.get_close_matches(name, others, cutoff=0.5)
    advice = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Check the name and the folder, {folder}."
    raise FileNotFoundError(f"No file {path}. {advice} {EXPECTED}")


def has_hdf5_inside(path):
    """Whether the file is HDF5 (True) or a zip archive (False), told by its first bytes: names may be wrong.

    Raises:
        ValueError: It is neither.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"Cannot load {path}. {OTHER_FORMATS.get(suffix, f'Unknown suffix {suffix!r}.')} {EXPECTED}")
    with open(path, "rb") as file:
        beginning = file.read(len(HDF5_SIGNATURE))
    if beginning == HDF5_SIGNATURE or beginning.startswith(b"PK"):
        return beginning == HDF5_SIGNATURE
    fault = f"begins with {beginning!r}" if beginning else "is empty"
    raise ValueError(f"{path} is damaged or no Keras file: it {fault}. {EXPECTED} {SAVE_AGAIN}")


def graph_file_of(folder):
    """The file that makes a folder a SavedModel.

    Raises:
        ValueError: It is not there.
    """
    file = os.path.join(folder, "saved_model.pb")
    if not os.path.exists(file):
        models = ", ".join(name for name in sorted(os.listdir(folder)) if name.endswith(SUFFIXES)) or "none"
        raise ValueError(f"{folder} is a directory without `saved_model.pb`. Model files in it: {models}. {EXPECTED}")
    return file
