"""Histology tiles from folders: small made-up tiles, and the real ones where they are."""

import os
import urllib.error
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerasxai.datasets import hmt
from tests.conftest import SHARED_DATA

SUFFIXES = (".png", ".tif", ".TIFF", ".png")


def tile(label, index, height=6, width=5):
    return np.random.default_rng([label, index]).integers(0, 256, size=(height, width, 3), dtype="uint8")


def write_tiles(folder, suffixes=SUFFIXES):
    """Tiles 0, 1, ... of each class, the names given against the order of writing."""
    for label, name in enumerate(hmt.CLASS_NAMES):
        (folder / name).mkdir(parents=True)
        for index in reversed(range(len(suffixes))):
            Image.fromarray(tile(label, index)).save(folder / name / f"{index}{suffixes[index]}")
    return folder


@pytest.fixture
def tiles(tmp_path):
    return write_tiles(tmp_path / "tiles")


def all_of(dataset):
    images, labels = zip(*dataset.as_numpy_iterator())
    return np.concatenate(images), np.concatenate(labels)


def test_values_labels_and_order(tiles):
    x, y = hmt.load_data(tiles, image_size=(6, 5), as_arrays=True)
    expected = np.stack([tile(label, index) for label in range(8) for index in range(len(SUFFIXES))])
    np.testing.assert_array_equal(x, expected.astype("float32") / np.float32(255))
    np.testing.assert_array_equal(y, np.repeat(np.arange(8), len(SUFFIXES)))
    assert x.dtype == np.float32 and y.dtype == np.int64


def test_resizing_is_bilinear_between_pixel_centres_without_antialiasing(tiles):
    x, _ = hmt.load_data(tiles, image_size=(3, 10), as_arrays=True)
    image = tile(0, 0).astype("float64") / 255
    rows = np.clip((np.arange(3) + 0.5) * 6 / 3 - 0.5, 0, 5)
    columns = np.clip((np.arange(10) + 0.5) * 5 / 10 - 0.5, 0, 4)
    for channel in range(3):
        along_rows = np.stack([np.interp(rows, np.arange(6), image[:, j, channel]) for j in range(5)], axis=1)
        expected = np.stack([np.interp(columns, np.arange(5), row) for row in along_rows])
        np.testing.assert_allclose(x[0, ..., channel], expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_dataset_holds_what_the_arrays_hold(tiles, batch_size):
    dataset = hmt.load_data(tiles, image_size=(8, 8), batch_size=batch_size)
    assert dataset.class_names == list(hmt.CLASS_NAMES)
    images, labels = dataset.element_spec
    assert images.shape == (None, 8, 8, 3) and images.dtype == tf.float32 and labels.dtype == tf.int64
    for found, expected in zip(all_of(dataset), hmt.load_data(tiles, image_size=(8, 8), as_arrays=True)):
        np.testing.assert_array_equal(found, expected)
    assert len(dataset) == -(-32 // batch_size)


def test_dataset_without_batches(tiles):
    image, label = next(iter(hmt.load_data(tiles, image_size=(8, 8), batch_size=None)))
    assert image.shape == (8, 8, 3) and label.shape == ()


def test_jpg_and_grey_images_are_read(tmp_path):
    folder = write_tiles(tmp_path / "tiles", (".jpg", ".JPEG"))
    Image.fromarray(np.full((4, 4), 51, "uint8")).save(folder / "08_EMPTY" / "0.png")
    Image.fromarray(np.full((4, 4), 51, "uint8")).save(folder / "08_EMPTY" / "1.tif")
    x, y = hmt.load_data(folder, image_size=(4, 4), as_arrays=True)
    assert x.shape == (18, 4, 4, 3)
    np.testing.assert_allclose(x[y == 7][[1, 3]], 0.2, atol=1e-7)  # after 0.jpg and 1.JPEG


def test_subsets(tmp_path):
    for subset in ("train", "test"):
        write_tiles(tmp_path / subset)
    (tmp_path / "train" / "01_TUMOR" / "3.png").unlink()
    lengths = {subset: len(hmt.load_data(tmp_path, subset, batch_size=None)) for subset in ("train", "test")}
    assert lengths == {"train": 31, "test": 32}


def test_shuffled_anew_in_each_epoch_and_the_same_in_each_run(tiles):
    dataset = hmt.load_data(tiles, batch_size=8, image_size=(4, 4), shuffle_seed=3)
    first, second = all_of(dataset), all_of(dataset)
    assert (first[1] != second[1]).any()
    assert (first[1] != np.sort(first[1])).any()
    keras.utils.set_random_seed(0)  # as at the start of each test
    np.testing.assert_array_equal(all_of(hmt.load_data(tiles, image_size=(4, 4), shuffle_seed=3))[1], first[1])

    x, y = hmt.load_data(tiles, image_size=(4, 4), as_arrays=True)
    mixed_x, mixed_y = hmt.load_data(tiles, image_size=(4, 4), as_arrays=True, shuffle_seed=3)
    assert (mixed_y != y).any()
    place = [np.abs(x - image).sum(axis=(1, 2, 3)).argmin() for image in mixed_x]
    np.testing.assert_array_equal(np.sort(place), np.arange(32))
    np.testing.assert_array_equal(y[place], mixed_y)


def test_a_net_can_be_trained_on_the_dataset(tiles):
    from kerasxai.models import hmt_cnn

    model = hmt_cnn(input_shape=(8, 8, 3), width=0.1)
    model.compile("sgd", "sparse_categorical_crossentropy")
    dataset = hmt.load_data(tiles, image_size=(8, 8), batch_size=8, shuffle_seed=0)
    history = model.fit(dataset, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_what_systems_leave_is_no_tile(tiles):
    (tiles / "01_TUMOR" / ".DS_Store").touch()
    (tiles / "02_STROMA" / "Thumbs.db").touch()
    (tiles / "notes").mkdir()
    assert len(hmt.load_data(tiles, batch_size=None)) == 32


def test_missing_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No directory .*nowhere.*01_TUMOR.*download\(\)"):
        hmt.load_data(tmp_path / "nowhere")
    with pytest.raises(TypeError, match="directory"):
        hmt.load_data(3)


def test_missing_class_folder(tiles):
    (tiles / "05_DEBRIS").rename(tiles / "05_debris_old")
    with pytest.raises(FileNotFoundError, match=r"Missing: 05_DEBRIS\. Found: 01_TUMOR.*05_debris_old"):
        hmt.load_data(tiles)


def test_missing_subset(tiles, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No folder 'test' in .*Found: 01_TUMOR.*Leave `subset` out"):
        hmt.load_data(tiles, "test")
    write_tiles(tmp_path / "parted" / "train")
    with pytest.raises(FileNotFoundError, match='Did you mean subset="train"'):
        hmt.load_data(tmp_path / "parted")


def test_empty_class_folder(tiles):
    for path in (tiles / "03_COMPLEX").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="03_COMPLEX has no images"):
        hmt.load_data(tiles)


@pytest.mark.parametrize("name", ["notes.txt", "tile.bmp", "more"])
def test_a_file_that_is_no_tile_is_named(tiles, name):
    path = tiles / "03_COMPLEX" / name
    path.mkdir() if name == "more" else path.touch()
    with pytest.raises(ValueError, match=rf"{name} is no tile"):
        hmt.load_data(tiles)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("damage", ["empty", "truncated", "text"])
def test_an_unreadable_image_is_named(tiles, suffix, damage):
    path = tiles / "04_LYMPHO" / f"broken{suffix}"
    Image.fromarray(tile(0, 0, 60, 60)).save(path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "truncated": whole[: len(whole) // 2], "text": b"no image"}[damage])
    with pytest.raises(ValueError, match=rf"04_LYMPHO.broken{suffix} cannot be read as an image: \w.*Replace it"):
        hmt.load_data(tiles, as_arrays=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"broken{suffix} cannot be read"):
        all_of(hmt.load_data(tiles, image_size=(4, 4)))


def test_deep_and_transparent_pixels_are_read(tiles):
    Image.fromarray(np.full((4, 4), 13107, "uint16")).save(tiles / "08_EMPTY" / "y.tif")
    Image.fromarray(np.full((4, 4, 4), 0, "uint8")).save(tiles / "08_EMPTY" / "z.png")
    x, _ = hmt.load_data(tiles, as_arrays=True, image_size=(4, 4))
    np.testing.assert_allclose(x[-2:], np.broadcast_to(np.reshape([0.2, 1], (2, 1, 1, 1)), (2, 4, 4, 3)), atol=1e-6)


def test_several_pages_are_refused(tiles):
    page = Image.fromarray(np.zeros((4, 4), "uint8"))
    page.save(tiles / "01_TUMOR" / "scan.tif", save_all=True, append_images=[page])
    with pytest.raises(ValueError, match=r"scan.tif cannot be read as an image: it has 2 pages. Replace"):
        hmt.load_data(tiles, as_arrays=True)


@pytest.mark.parametrize(
    "options",
    [
        {"subset": "valid"},
        {"image_size": 224},
        {"image_size": (224, 0)},
        {"image_size": (224, 224, 3)},
        {"image_size": (22.5, 224)},
        {"batch_size": 0},
        {"batch_size": True},
        {"shuffle_seed": "yes"},
        {"shuffle_seed": True},
    ],
    ids=str,
)
def test_bad_options(tiles, options):
    (name, value) = next(iter(options.items()))
    with pytest.raises(ValueError, match=rf"`{name}` must be .* Received: {name}=") as error:
        hmt.load_data(tiles, **options)
    assert repr(value) in str(error.value)


@pytest.mark.slow
def test_real_tiles_and_the_pretrained_net(hmt_model):
    """The published accuracy depends on decoding and resizing: 414 of 496."""
    dataset = hmt.load_data(SHARED_DATA / "hmt", "test")
    labels = np.concatenate([labels for _, labels in dataset])
    np.testing.assert_array_equal(np.bincount(labels), [62] * 8)
    predicted = hmt_model.predict(dataset, verbose=0).argmax(axis=-1)
    assert (predicted == labels).sum() == 414


def test_real_training_tiles_are_listed():
    if not (SHARED_DATA / "hmt" / "train").is_dir():
        pytest.skip("the HMT data is not here")
    assert len(hmt.load_data(SHARED_DATA / "hmt", "train", batch_size=None)) == 4504


def packed(folder, archive):
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, os.path.join(hmt.FOLDER, path.relative_to(folder)))


def test_download_unpacks_and_is_done_once(tiles, tmp_path, monkeypatch):
    calls = []

    def get_file(fname, origin, file_hash, hash_algorithm, cache_dir, cache_subdir):
        calls.append((fname, origin, file_hash, hash_algorithm))
        path = os.path.join(cache_dir, cache_subdir, fname)
        packed(tiles, path)
        return path

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    folder = hmt.download(tmp_path / "new" / "place")
    assert folder == tmp_path / "new" / "place" / "Kather_texture_2016_image_tiles_5000"
    assert len(hmt.load_data(folder, batch_size=None)) == 32
    assert hmt.download(tmp_path / "new" / "place") == folder
    assert calls == [
        (
            "Kather_texture_2016_image_tiles_5000.zip",
            "https://zenodo.org/records/53169/files/Kather_texture_2016_image_tiles_5000.zip",
            hmt.SHA256,
            "sha256",
        )
    ]
    assert len(hmt.SHA256) == 64
    assert sorted(path.name for path in folder.parent.iterdir()) == [hmt.FOLDER, hmt.ARCHIVE]


def test_download_goes_to_the_keras_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets" / hmt.FOLDER).mkdir(parents=True)
    assert hmt.download() == tmp_path / "datasets" / hmt.FOLDER


def test_download_without_internet_says_what_to_do(tmp_path, monkeypatch):
    def no_internet(*args):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", no_internet)  # the real get_file around it
    with pytest.raises(OSError, match="Name or service not known") as error:
        hmt.download(tmp_path)
    message = str(error.value)
    assert "https://zenodo.org/records/53169 " in message
    assert f"put it, not unpacked, at {tmp_path / hmt.ARCHIVE}" in message
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_the_expected_is_refused(tiles, tmp_path, monkeypatch):
    def other_file(origin, target, progress):
        packed(tiles, target)

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", other_file)
    home = tmp_path / "home"
    with pytest.raises(OSError, match="hash does not match"):
        hmt.download(home)
    assert not (home / hmt.FOLDER).exists()


def test_a_failed_unpacking_leaves_no_folder(tmp_path, monkeypatch):
    archive = tmp_path / hmt.ARCHIVE
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "no tiles")
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **options: str(archive))
    with pytest.raises(ValueError, match="must hold one folder 01_TUMOR"):
        hmt.download(tmp_path)
    assert sorted(tmp_path.iterdir()) == [archive]
