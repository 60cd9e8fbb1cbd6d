"""What a user names on the command line (images, folders, arrays, tables) as samples a model takes."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
ARRAY_SUFFIXES = (".npy", ".npz")
SUFFIXES = (*IMAGE_SUFFIXES, *ARRAY_SUFFIXES, ".csv")


@dataclass
class Sample:
    """One input of the model.

    Attributes:
        name: Unlike any other, made of the path it came from.
        shown: What a picture shows: pixels or the signal as read.
        x: What the model gets, `input_shape`.
        folder: Name of the class sub-folder it lay in, or None.
    """

    name: str
    shown: Any
    x: Any
    folder: str | None = None


class Inputs:
    """Samples of the named files and folders, read one at a time.

    Args:
        paths: Files and folders; folders are searched for every readable file, class sub-folders too.
        input_shape: The model's input shape `(None, *spatial, channels)`.

    Attributes:
        preprocess: Function from pixels 0..255 `(height, width, channels)` to what the model takes; None for none.
        preprocess_arrays: Whether it is applied to arrays too; these usually hold what the model takes.

    Raises:
        FileNotFoundError, ValueError: A path is missing, a folder holds nothing readable, or a file's kind is unknown.
    """

    def __init__(self, paths, input_shape):
        self._shape = tuple(input_shape)
        self.preprocess, self.preprocess_arrays = None, False
        self._files = list(dict.fromkeys(file for path in map(Path, paths) for file in _files(path)))
        self._names = _names(self._files)

    def __iter__(self):
        for (path, root), name in zip(self._files, self._names):
            if _is_image(path):
                pixels = self._read_image(path)
                x = pixels if self.preprocess is None else np.asarray(self.preprocess(pixels.copy()), "float32")
                yield Sample(name, np.rint(pixels).astype("uint8"), x, _folder(path, root))
            else:
                for index, values in enumerate(self._read_rows(path)):
                    change = self.preprocess_arrays and self.preprocess is not None
                    x = self.preprocess(np.array(values, "float32")) if change else values
                    yield Sample(f"{name}__{index:05d}", np.asarray(values), np.asarray(x, "float32"))

    def __len__(self):
        """Number of samples; arrays are opened, images are not."""
        return sum(1 if _is_image(path) else len(self._read_rows(path)) for path, _ in self._files)

    @property
    def has_images(self):
        """Whether some input is an image file."""
        return any(_is_image(path) for path, _ in self._files)

    @property
    def folders(self):
        """Names of the sub-folders that images lie in."""
        return {_folder(path, root) for path, root in self._files if _is_image(path)} - {None}

    def _read_image(self, path):
        import tensorflow as tf
        from PIL import Image, UnidentifiedImageError

        if len(self._shape) != 4 or self._shape[-1] not in (1, 3):
            raise ValueError(f"The model takes {self._shape}, which an image does not fit. Received: {path}.")
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("L" if self._shape[-1] == 1 else "RGB"), "float32")
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise ValueError(f"{path} is no readable image: {error}. Remove it, or save it again.") from error
        pixels = pixels.reshape(*pixels.shape[:2], self._shape[-1])
        size = [wanted or given for wanted, given in zip(self._shape[1:3], pixels.shape)]
        return tf.image.resize(pixels, size).numpy() if tuple(size) != pixels.shape[:2] else pixels

    def _read_rows(self, path):
        rows = _read_table(path) if path.suffix.lower() == ".csv" else _read_array(path)
        wanted = self._shape[1:]
        if rows.ndim == len(wanted) or rows.shape == tuple(wanted):
            rows = rows[np.newaxis] if rows.shape == tuple(wanted) else rows[..., np.newaxis]
        if path.suffix.lower() == ".csv" and None not in wanted and rows[0].size == np.prod(wanted):
            rows = rows.reshape(-1, *wanted)
        fits = rows.ndim == len(self._shape) and all(
            size is None or size == given for size, given in zip(wanted, rows.shape[1:])
        )
        if not fits:
            raise ValueError(f"The model takes samples of shape {wanted}. Received: {path} of shape {rows.shape}.")
        return rows


def _files(path):
    """The readable files of a path, each with the folder its name is relative to."""
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not found:
            raise ValueError(f"Folder {path} holds no file that can be read: {', '.join(SUFFIXES)}.")
        return [(file, path) for file in found]
    if not path.exists():
        raise FileNotFoundError(f"INPUT {path} does not exist. Check the name and the folder, {Path.cwd()}.")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"INPUT {path} must be a folder or one of {', '.join(SUFFIXES)}.")
    return [(path, path.parent)]


def _names(files):
    """A name for every file: its path below the folder the user named, and that folder where two would be alike."""
    short = ["__".join(path.relative_to(root).parts) for path, root in files]
    long = [f"{root.resolve().name}__{name}" for (_, root), name in zip(files, short)]
    uses = Counter(short)
    names = [name if uses[name] == 1 else other for name, other in zip(short, long)]
    uses = Counter(names)
    return [name if uses[name] == 1 else f"{index}__{name}" for index, name in enumerate(names)]


def _is_image(path):
    return path.suffix.lower() in IMAGE_SUFFIXES


def _folder(path, root):
    parts = path.relative_to(root).parts
    return parts[-2] if len(parts) > 1 else None


def _read_array(path):
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix.lower() == ".npy" else None)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} is no readable NumPy file: {error}.") from error
    if isinstance(loaded, np.ndarray):
        return loaded
    for key in ("x", "x_test", *(loaded.files if len(loaded.files) == 1 else ())):
        if key in loaded.files:
            return loaded[key]
    raise ValueError(f"{path} must hold its samples as `x` or `x_test`. Received: {', '.join(loaded.files)}.")


def _read_table(path):
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    if rows and not all(map(_is_number, rows[0])):
        rows = rows[1:]  # a header
    if not rows:
        raise ValueError(f"{path} holds no row of numbers.")
    for number, row in enumerate(rows, start=len(lines) - len(rows) + 1):
        if len(row) != len(rows[0]) or not all(map(_is_number, row)):
            raise ValueError(
                f"Row {number} of {path} must hold {len(rows[0])} numbers. Received: {','.join(row)[:60]}."
            )
    return np.array(rows, "float32")


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
