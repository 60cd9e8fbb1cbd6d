"""HMT: 150 x 150 tiles of human colorectal tissue in eight classes, read from folders; `download` fetches them.

Reference: Kather et al., 2016, https://doi.org/10.1038/srep27988; data https://doi.org/10.5281/zenodo.53169, CC BY 4.0.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from kerasxai.image_files import ImageFile, reason
from kerasxai.options import flag

CLASS_NAMES = (
    *("01_TUMOR", "02_STROMA", "03_COMPLEX", "04_LYMPHO"),
    *("05_DEBRIS", "06_MUCOSA", "07_ADIPOSE", "08_EMPTY"),
)
SUBSETS = ("train", "test")

FOLDER = "Kather_texture_2016_image_tiles_5000"
ARCHIVE = f"{FOLDER}.zip"
RECORD = "https://zenodo.org/records/53169"
ADDRESS = f"{RECORD}/files/{ARCHIVE}"
# As TensorFlow Datasets has it, url_checksums/colorectal_histology.txt; 258,098,431 bytes.
SHA256 = "936d0b95ae0f04f1f7b18a2b7e8c55776c3e887d102f645bcee752d1a6626a32"

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
NO_TILES = ("thumbs.db", "desktop.ini")  # what systems leave in folders, besides hidden files


def load_data(
    directory: str | os.PathLike[str],
    subset: Literal["train", "test"] | None = None,
    image_size: Sequence[int] = (224, 224),
    batch_size: int | None = 32,
    as_arrays: bool = False,
    shuffle_seed: int | None = None,
) -> Any:
    """The tiles in a directory, resized bilinearly (no antialiasing, as `tf.image.resize`), values in 0..1.

    Classes and files come in the order of their names. Nothing is skipped: a file that is no tile is an error.

    Args:
        directory: str or os.PathLike. Holds the eight folders `CLASS_NAMES` with tif, png or jpg files of any size;
            other folders are not read.
        subset: `"train"` or `"test"` where these two folders hold the class folders, else None.
        image_size: `(height, width)` of the images returned.
        batch_size: Images in an element of the dataset; None: the elements are single images. Not for arrays.
        as_arrays: Whether to read all into memory: 0.6 MB an image at the default size.
        shuffle_seed: None keeps the order. An int mixes the files: a dataset anew in every epoch, the same way in
            every run. For training on a dataset, since otherwise each batch would be of one class.

    Returns:
        A `tf.data.Dataset` of `(images, labels)` with the attribute `class_names`: float32 `(batch, height, width, 3)`
        and int64 `(batch,)`, 0 for `"01_TUMOR"` to 7. With `as_arrays=True` NumPy arrays `x, y` of the same kind.

    Raises:
        FileNotFoundError: The directory, the subset or a class folder is missing.
        ValueError: An option is out of range, a class folder has no images or another file in it, or an image cannot
            be read; in a dataset that shows when the image is reached, as a `tf.errors.InvalidArgumentError`.

    Example:

    ```python
    from pathlib import Path
    from kerasxai.datasets import hmt

    for name in hmt.CLASS_NAMES:  # stands for the real tiles
        Path("tiles", "test", name).mkdir(parents=True)
        keras.utils.save_img(f"tiles/test/{name}/1.png", np.zeros((150, 150, 3)))

    dataset = hmt.load_data("tiles", subset="test")
    x_test, y_test = hmt.load_data("tiles", subset="test", as_arrays=True)
    ```
    """
    _check_options(subset, image_size, batch_size, shuffle_seed)
    as_arrays = flag("as_arrays", as_arrays)
    paths, labels = _listed(_tiles_folder(directory, subset))
    size = tuple(int(side) for side in image_size)
    if as_arrays:
        return _arrays(paths, labels, size, shuffle_seed)
    return _dataset(paths, labels, size, batch_size, shuffle_seed)


def download(directory: str | os.PathLike[str] | None = None) -> Path:
    """Fetches the 5,000 tiles (tif, 258 MB) from Zenodo and unpacks them, unless they are there already.

    The archive is checked by its SHA-256. It has no train and test folders: split it as you need.

    Args:
        directory: Where to keep archive and folder; None: `datasets` in the Keras folder (`~/.keras`, or what the
            environment variable KERAS_HOME says).

    Returns:
        The `pathlib.Path` of the folder to give to `load_data`.

    Raises:
        OSError: The download failed, or brought another file; the message says how to do it by hand.

    Example:

    ```
    dataset = hmt.load_data(hmt.download())
    ```
    """
    home = Path(directory or Path(os.environ.get("KERAS_HOME", "~/.keras"), "datasets")).expanduser()
    folder = home / FOLDER
    if folder.is_dir():
        return folder
    home.mkdir(parents=True, exist_ok=True)
    if not os.access(home, os.W_OK):  # `get_file` would go elsewhere and not say so
        raise PermissionError(f"`directory` must be writable. Received: {home}.")
    try:
        archive = keras.utils.get_file(
            ARCHIVE, ADDRESS, file_hash=SHA256, hash_algorithm="sha256", cache_dir=str(home), cache_subdir=""
        )
    except Exception as error:  # `get_file` raises a bare Exception where there is no internet
        raise OSError(
            f"The tiles could not be downloaded: {error}. By hand: fetch {ARCHIVE} from {RECORD} with a browser, "
            f"put it, not unpacked, at {home / ARCHIVE} and call `download` again; or unpack it anywhere and give "
            f"`load_data` the folder that holds {CLASS_NAMES[0]} to {CLASS_NAMES[-1]}."
        ) from error
    _unpack(archive, folder)
    return folder


def _unpack(archive, folder):
    """Unpacks beside `folder` and renames: a folder of this name is a whole one."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        with zipfile.ZipFile(archive) as file:
            file.extractall(temporary)
        folders = [path.parent for path in Path(temporary).rglob(CLASS_NAMES[0])]
        if len(folders) != 1:
            raise ValueError(f"{archive} must hold one folder {CLASS_NAMES[0]}. Found: {len(folders)}.")
        folders[0].rename(folder)


def _check_options(subset, image_size, batch_size, shuffle_seed):
    if subset is not None and subset not in SUBSETS:
        raise ValueError(f'`subset` must be "train", "test" or None. Received: subset={subset!r}.')
    if not isinstance(image_size, (tuple, list)) or len(image_size) != 2 or not all(map(_is_positive, image_size)):
        raise ValueError(
            f"`image_size` must be (height, width), two positive whole numbers. Received: image_size={image_size!r}."
        )
    if batch_size is not None and not _is_positive(batch_size):
        raise ValueError(f"`batch_size` must be a positive whole number or None. Received: batch_size={batch_size!r}.")
    if shuffle_seed is not None and not _is_whole(shuffle_seed):
        raise ValueError(f"`shuffle_seed` must be a whole number or None. Received: shuffle_seed={shuffle_seed!r}.")


def _is_whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is_positive(value):
    return _is_whole(value) and value > 0


def _tiles_folder(directory, subset):
    """The folder that holds the eight class folders."""
    if not isinstance(directory, (str, os.PathLike)):
        raise TypeError(f"`directory` must be a str or os.PathLike. Received: {directory!r}.")
    root = Path(os.fsdecode(directory)).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"No directory {root}. Expected one that holds the class folders {', '.join(CLASS_NAMES)}, or train and "
            "test with these. kerasxai.datasets.hmt.download() fetches the tiles."
        )
    folder = root / subset if subset else root
    if not folder.is_dir():
        raise FileNotFoundError(
            f"No folder {subset!r} in {root}. Found: {_folders_in(root)}. "
            "Leave `subset` out where the class folders lie in the directory itself."
        )
    missing = [name for name in CLASS_NAMES if not (folder / name).is_dir()]
    if missing:
        has_subsets = subset is None and any((root / name).is_dir() for name in SUBSETS)
        advice = ' Did you mean subset="train" or subset="test"?' if has_subsets else ""
        raise FileNotFoundError(
            f"{folder} must hold the eight class folders {', '.join(CLASS_NAMES)}. Missing: {', '.join(missing)}. "
            f"Found: {_folders_in(folder)}.{advice}"
        )
    return folder


def _folders_in(folder):
    return ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())) or "no folders"


def _listed(folder):
    """Paths of all tiles, by class and name, and their labels."""
    paths, labels = [], []
    for label, name in enumerate(CLASS_NAMES):
        tiles = [path for path in sorted((folder / name).iterdir()) if not _is_left_by_system(path)]
        for path in tiles:
            if path.suffix.lower() not in SUFFIXES or not path.is_file():
                raise ValueError(
                    f"{path} is no tile. Expected only files {', '.join('*' + suffix for suffix in SUFFIXES)} in a "
                    "class folder; nothing is skipped: move it away."
                )
        if not tiles:
            raise ValueError(f"{folder / name} has no images. Expected tif, png or jpg files.")
        paths += map(str, tiles)
        labels += [label] * len(tiles)
    return paths, np.array(labels, "int64")


def _is_left_by_system(path):
    return path.name.startswith(".") or path.name.lower() in NO_TILES


def _dataset(paths, labels, size, batch_size, shuffle_seed):
    def read(path, label):
        image = tf.py_function(lambda path: _read(os.fsdecode(path.numpy()), size), [path], tf.float32)
        return tf.ensure_shape(image, (*size, 3)), label

    dataset = tf.data.Dataset.from_tensor_slices(([os.fsencode(path) for path in paths], labels))
    if shuffle_seed is not None:
        dataset = dataset.shuffle(len(paths), seed=int(shuffle_seed))
    dataset = dataset.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    if batch_size is not None:
        dataset = dataset.batch(int(batch_size))
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    dataset.class_names = list(CLASS_NAMES)
    return dataset


def _arrays(paths, labels, size, shuffle_seed):
    order = np.arange(len(paths))
    if shuffle_seed is not None:
        order = np.random.default_rng(shuffle_seed).permutation(order)
    images = np.empty((len(paths), *size, 3), "float32")
    for image, index in zip(images, order):
        image[...] = _read(paths[index], size)
    return images, labels[order]


def _read(path, size):
    """One image `(*size, 3)`, float32 in 0..1."""
    try:
        with ImageFile(path) as file:
            if len(file.pages) > 1:
                raise ValueError(f"it has {len(file.pages)} pages.")
            pixels, _ = file.read(0, 3, size)
    except Exception as error:  # decoders raise what they like
        raise ValueError(f"{path} cannot be read as an image: {reason(error)}. Replace it or move it away.") from error
    return pixels / np.float32(255)
