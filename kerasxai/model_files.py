"""Where a saved model lies, and what it may be; read without Keras, so that a wrong path is told at once."""

import difflib
import os

SUFFIXES = (".keras", ".h5", ".hdf5")
EXPECTED = "Expected a `.keras` file, a `.h5`/`.hdf5` file with a whole model, or a SavedModel directory."
SAVE_AGAIN = "Save or download it again."


def existing_path(path):
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
    near = difflib.get_close_matches(name, os.listdir(folder) if os.path.isdir(folder) else [], cutoff=0.5)
    advice = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Check the name and the folder, {folder}."
    raise FileNotFoundError(f"No file {path}. {advice} {EXPECTED}")
