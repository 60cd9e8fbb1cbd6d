"""Files as the samples of a model: images, arrays and tables, read one at a time.

What cannot be read is left out, with its reason; what was assumed of an image is noted.
"""

import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasxai import image_files
from kerasxai.image_files import ImageFile

ARRAY_SUFFIXES = (".npy", ".npz")
SUFFIXES = (*image_files.SUFFIXES, *ARRAY_SUFFIXES, ".csv")


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

    A sample that cannot be read is left out. A page of a TIFF, or a frame of an animation, is a sample, `name#page`.

    Args:
        paths: Files and folders; folders are searched for every readable file, class sub-folders too, hidden files not.
        input_shape: The model's input shape `(None, *spatial, channels)`.
        strict: Whether what cannot be read is an error.
        suffixes: The kinds of files that are read.

    Attributes:
        scaling: The `PixelScaling` that makes images, pixels 0..255 `(height, width, channels)`, the model's input;
            None for none.
        scale_arrays: Whether it is applied to arrays too; these usually hold what the model takes.
        left_out: Dict name -> why it was left out, so far.
        notes: Dict what was assumed -> names of the samples it was assumed of, so far.
        range: Smallest and largest value the model got, so far, or None.

    Raises:
        FileNotFoundError, ValueError: A path is missing, a folder holds nothing readable, a file's kind is unknown, or
            nothing at all can be read.
    """

    def __init__(self, paths, input_shape, strict=False, suffixes=SUFFIXES):
        self._shape = tuple(input_shape)
        self._strict = strict
        self.scaling, self.scale_arrays = None, False
        self.left_out, self.notes, self.range = {}, {}, None
        self._files = list_files(paths, suffixes)
        self._check_images()
        self._names = _names(self._files)
        self._parts = [self._parts_of(path, name) for (path, _), name in zip(self._files, self._names)]
        self.refuse_none(len(self))

    def __iter__(self):
        return self.take(range(len(self)))

    def __len__(self):
        """Number of samples, of which some may turn out to be unreadable."""
        return sum(map(len, self._parts))

    def take(self, chosen):
        """Yields the samples of these places, in order."""
        chosen, first = set(chosen), 0
        for (path, root), name, parts in zip(self._files, self._names, self._parts):
            wanted = [part for place, part in enumerate(parts, start=first) if place in chosen]
            first += len(parts)
            read = self._images if _is_image(path) else self._rows
            for sample in read(path, root, name, parts, wanted) if wanted else ():
                self._widen_range(sample.x)
                yield sample

    def leave_out(self, name, reason):
        """Notes that a sample is left out; with `strict`, raises."""
        reason = " ".join(str(reason).split()).rstrip(".")
        if self._strict:
            raise ValueError(f"{name} {reason}. Remove it, save it again, or go on without it: leave --strict out.")
        self.left_out[name] = reason

    def refuse_none(self, count):
        """Raises if no sample at all is left."""
        if not count:
            reasons = [f"{name} {reason}" for name, reason in self.left_out.items()]
            more = f" And {len(reasons) - 3} more." if len(reasons) > 3 else ""
            raise ValueError(f"No input can be read: {'; '.join(reasons[:3])}.{more}")

    @property
    def takes_any_size(self):
        """Whether the model takes samples of several sizes."""
        return None in self._shape[1:]

    @property
    def has_images(self):
        """Whether some input is an image file."""
        return any(_is_image(path) for path, _ in self._files)

    @property
    def folders(self):
        """Names of the sub-folders that images lie in, sorted."""
        return class_folders(self._files)

    def class_folders(self, classes):
        """The sub-folders in the order of the model's classes, None where there is not one for each class."""
        return self.folders if len(self.folders) == classes else None

    def _check_images(self):
        if self.has_images and (len(self._shape) != 4 or self._shape[-1] not in (1, 3)):
            first = next(path for path, _ in self._files if _is_image(path))
            raise ValueError(f"The model takes {self._shape}, which an image does not fit. Received: {first}.")

    def _parts_of(self, path, name):
        """Pages of an image, indices of rows; none where the file cannot be opened."""
        try:
            if not _is_image(path):
                return range(len(self._read_rows(path)))
            with ImageFile(path) as file:
                return file.pages
        except Exception as error:  # decoders raise what they like
            self.leave_out(name, _reason(path, error))
            return []

    def _images(self, path, root, name, pages, wanted):
        with ImageFile(path) as file:
            for page in wanted:
                own = name if len(pages) == 1 else f"{name}#{page + 1}"
                try:
                    pixels, note = file.read(page, self._shape[-1], self._shape[1:3])
                except Exception as error:
                    self.leave_out(own, _reason(path, error))
                    continue
                if note:
                    self.notes.setdefault(note, []).append(own)
                x = pixels if self.scaling is None else self.scaling(pixels)
                yield Sample(own, np.rint(pixels).astype("uint8"), x, _folder(path, root))

    def _rows(self, path, root, name, parts, wanted):
        rows = self._read_rows(path)
        for index in wanted:
            values, own = np.asarray(rows[index]), f"{name}__{index:05d}"
            if not np.isfinite(values).all():
                self.leave_out(own, "holds NaN or infinite values")
                continue
            change = self.scale_arrays and self.scaling is not None
            x = self.scaling(values) if change else np.asarray(values, "float32")
            yield Sample(own, values, x)

    def _widen_range(self, x):
        low, high = float(x.min()), float(x.max())
        self.range = (low, high) if self.range is None else (min(low, self.range[0]), max(high, self.range[1]))

    def _read_rows(self, path):
        rows = _read_table(path) if path.suffix.lower() == ".csv" else _read_array(path)
        wanted = self._shape[1:]
        if rows.ndim == len(wanted) or rows.shape == tuple(wanted):
            rows = rows[np.newaxis] if rows.shape == tuple(wanted) else rows[..., np.newaxis]
        if path.suffix.lower() == ".csv" and None not in wanted and rows[0].size == np.prod(wanted):
            rows = rows.reshape(-1, *wanted)
        fits = rows.ndim == len(self._shape) and all(
            expected in (None, size) for expected, size in zip(wanted, rows.shape[1:])
        )
        if not fits:
            raise ValueError(f"holds an array of shape {rows.shape}; the model takes samples of shape {wanted}")
        if not np.issubdtype(rows.dtype, np.number) and rows.dtype != bool:
            raise ValueError(f"holds values of type {rows.dtype}, not numbers")
        return rows


def list_files(paths, suffixes=SUFFIXES):
    """The readable files of files and folders, each with the folder its name is relative to.

    Raises:
        FileNotFoundError, ValueError: A path is missing, a folder holds nothing readable, a file's kind is unknown.
    """
    of_paths = [_files(path, suffixes) for path in _as_paths(paths)]
    return list(dict.fromkeys(itertools.chain.from_iterable(of_paths)))


def class_folders(files):
    """Names of the sub-folders that the images of `list_files` lie in, sorted."""
    return sorted({_folder(path, root) for path, root in files if _is_image(path)} - {None})


def _reason(path, error):
    """Why a file is left out, to be read after its name."""
    return f"is no readable image: {image_files.reason(error)}" if _is_image(path) else str(error)


def _as_paths(paths):
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]


def _files(path, suffixes):
    """The readable files of a path, each with the folder its name is relative to."""
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if _is_readable(file, path, suffixes)]
        if not files:
            raise ValueError(f"Folder {path} holds no file that can be read: {', '.join(suffixes)}.")
        return [(file, path) for file in files]
    if not path.exists():
        raise FileNotFoundError(f"INPUT {path} does not exist. Check the name and the folder, {Path.cwd()}.")
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"INPUT {path} must be a folder or one of {', '.join(suffixes)}.")
    return [(path, path.parent)]


def _is_readable(file, root, suffixes):
    is_hidden = any(part.startswith(".") for part in file.relative_to(root).parts)  # macOS puts ._tile.png beside
    return file.suffix.lower() in suffixes and file.is_file() and not is_hidden


def _names(files):
    """A name for every file: its path below the folder the user named, and that folder where two would be alike."""
    short = ["__".join(path.relative_to(root).parts) for path, root in files]
    long = [f"{root.resolve().name}__{name}" for (_, root), name in zip(files, short)]
    uses = Counter(short)
    names = [name if uses[name] == 1 else other for name, other in zip(short, long)]
    uses = Counter(names)
    return [name if uses[name] == 1 else f"{index}__{name}" for index, name in enumerate(names)]


def _is_image(path):
    return path.suffix.lower() in image_files.SUFFIXES


def _folder(path, root):
    parts = path.relative_to(root).parts
    return parts[-2] if len(parts) > 1 else None


def _read_array(path):
    try:
        mmap_mode = "r" if path.suffix.lower() == ".npy" else None
        loaded = np.load(path, allow_pickle=False, mmap_mode=mmap_mode)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"is no readable NumPy file: {error}") from error
    if isinstance(loaded, np.ndarray):
        return loaded
    for key in ("x", "x_test", *(loaded.files if len(loaded.files) == 1 else ())):
        if key in loaded.files:
            return loaded[key]
    raise ValueError(f"must hold its samples as `x` or `x_test`. Received: {', '.join(loaded.files)}")


def _read_table(path):
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    rows = [list(map(str.strip, line.split(","))) for line in lines]
    if rows and not all(map(_is_number, rows[0])):
        rows = rows[1:]  # a header
    if not rows:
        raise ValueError("holds no row of numbers")
    for number, row in enumerate(rows, start=len(lines) - len(rows) + 1):
        if len(row) != len(rows[0]) or not all(map(_is_number, row)):
            raise ValueError(f"must hold {len(rows[0])} numbers in row {number}. Received: {','.join(row)[:60]}")
    return np.array(rows, "float32")


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
