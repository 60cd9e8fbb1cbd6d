"""`load_images`: files and folders as arrays, by the same way as the command."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

import kerasxai
from kerasxai import cli

CLASSES = ("cat", "cow", "dog")


def net(shape=(16, 20, 3), units=3, activation="softmax"):
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(units, activation=activation),
        ]
    )


@pytest.fixture
def pictures(tmp_path):
    """Two images in each of three class folders; their pixels in the order of their names."""
    random = np.random.default_rng(0)
    pixels = []
    for folder in CLASSES:
        (tmp_path / "images" / folder).mkdir(parents=True)
        for index in range(2):
            pixels.append(random.integers(0, 256, size=(16, 20, 3), dtype="uint8"))
            Image.fromarray(pixels[-1]).save(tmp_path / "images" / folder / f"{index}.png")
    return np.stack(pixels)


def test_a_folder_of_classes(tmp_path, pictures):
    images = kerasxai.load_images(tmp_path / "images", net(), preprocess="0-1")
    np.testing.assert_allclose(images.x, pictures / 255, atol=1e-6)
    assert images.x.dtype == "float32" and len(images) == 6
    np.testing.assert_array_equal(images.pixels, pictures)
    np.testing.assert_array_equal(images.y, [0, 0, 1, 1, 2, 2])
    assert images.class_names == list(CLASSES)
    assert images.names == [f"{folder}__{index}.png" for folder in CLASSES for index in range(2)]
    assert images.left_out == {} and images.preprocess.name == "0-1"
    assert "x (6, 16, 20, 3) in 0..1 by preprocess='0-1', 3 classes" in repr(images)


def test_resized_as_tensorflow_does(tmp_path, pictures):
    images = kerasxai.load_images(str(tmp_path / "images"), net((9, 7, 3)), preprocess="none")
    expected = tf.image.resize(pictures, (9, 7)).numpy()
    np.testing.assert_allclose(images.x, expected, atol=1e-3)
    np.testing.assert_array_equal(images.pixels, np.rint(images.x))


def test_labels_only_where_there_is_a_folder_for_each_class(tmp_path, pictures):
    images = kerasxai.load_images([tmp_path / "images"], net(units=4), preprocess="0-1")
    assert images.y is None and images.class_names is None
    images = kerasxai.load_images([tmp_path / "images" / "cat"], net(), preprocess="0-1")
    assert images.y is None and len(images) == 2
    for folder in ("images/cat", "images/cow"):
        (tmp_path / folder).rename(tmp_path / "images" / f"_{folder[-3:]}")
    for path in (tmp_path / "images" / "dog").iterdir():
        path.unlink()
    images = kerasxai.load_images(tmp_path / "images", net(units=1, activation="sigmoid"), preprocess="0-1")
    np.testing.assert_array_equal(images.y, [0, 0, 1, 1])


def test_what_the_model_asks_for(tmp_path, pictures):
    rescaled = keras.Sequential(
        [keras.Input((16, 20, 3)), layers.Rescaling(1 / 255), layers.Conv2D(2, 3), layers.Flatten()]
    )
    images = kerasxai.load_images(tmp_path / "images", rescaled)
    np.testing.assert_array_equal(images.x, pictures)
    with pytest.raises(ValueError, match=r"`preprocess` must say how .*`0-1`.*`-1-1`.*`none`"):
        kerasxai.load_images(tmp_path / "images", net())


def test_what_cannot_be_read_is_left_out_with_a_warning(tmp_path, pictures):
    (tmp_path / "images" / "cow" / "0.png").write_bytes(b"no image")
    whole = (tmp_path / "images" / "dog" / "1.png").read_bytes()
    (tmp_path / "images" / "dog" / "1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match="2 of 6 images left out: cow__0.png is no readable image: of no known format"):
        images = kerasxai.load_images(tmp_path / "images", net(), preprocess="0-1")
    np.testing.assert_array_equal(images.pixels, pictures[[0, 1, 3, 4]])
    np.testing.assert_array_equal(images.y, [0, 0, 1, 2])
    assert list(images.left_out) == ["cow__0.png", "dog__1.png"] and "truncated" in images.left_out["dog__1.png"]
    with pytest.raises(ValueError, match=r"No input can be read: 0.png is no readable image"):
        kerasxai.load_images(tmp_path / "images" / "cow" / "0.png", net(), preprocess="0-1")


def test_pages_are_images(tmp_path, pictures):
    first, *others = map(Image.fromarray, pictures[:3])
    first.save(tmp_path / "pages.tif", save_all=True, append_images=others)
    images = kerasxai.load_images(tmp_path / "pages.tif", net(), preprocess="none")
    np.testing.assert_array_equal(images.x, pictures[:3])
    assert images.names == ["pages.tif#1", "pages.tif#2", "pages.tif#3"]


def test_assumptions_are_kept(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, size=(16, 20), dtype="uint16")
    values[0, 0] = 4095
    Image.fromarray(values).save(tmp_path / "deep.png")
    images = kerasxai.load_images(tmp_path / "deep.png", net(), preprocess="0-1")
    np.testing.assert_allclose(images.x[0, ..., 1], values / 4095, atol=1e-6)
    ((note, names),) = images.notes.items()
    assert "12 of its 16 bits" in note and names == ["deep.png"]


def test_hidden_files_are_not_read(tmp_path, pictures):
    (tmp_path / "images" / "cat" / "._0.png").write_bytes(b"what macOS keeps beside a file")
    (tmp_path / "images" / ".cache").mkdir()
    (tmp_path / "images" / ".cache" / "0.png").write_bytes(b"a thumbnail")
    images = kerasxai.load_images(tmp_path / "images", net(), preprocess="0-1")
    assert len(images) == 6 and not images.left_out and images.class_names == list(CLASSES)


def test_several_sizes_are_one_error(tmp_path, pictures):
    Image.fromarray(pictures[0][:10]).save(tmp_path / "images" / "cat" / "small.png")
    with pytest.raises(ValueError, match=r"6 of 16 x 20 \(cat__0.png\), 1 of 10 x 20 \(cat__small.png\)\. Load"):
        kerasxai.load_images(tmp_path / "images", net((None, None, 3)), preprocess="0-1")
    (tmp_path / "images" / "cat" / "small.png").unlink()
    assert kerasxai.load_images(tmp_path / "images", net((None, None, 3)), preprocess="0-1").x.shape == (6, 16, 20, 3)


def test_the_command_reads_alike(tmp_path, pictures):
    """The maps that the command saves are those of the images loaded in Python."""
    model = net()
    model.save(tmp_path / "net.keras")
    out = tmp_path / "out"
    given = ("explain", tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0.4,0.5,0.6/0.2", "--out", out)
    assert cli.main([*map(str, given), "--method", "gradient_x_input"]) == 0
    images = kerasxai.load_images(tmp_path / "images", model, preprocess="0.4,0.5,0.6/0.2")
    expected = kerasxai.explain(model, images.x, "gradient_x_input")
    with np.load(out / "gradient_x_input.npz") as archive:
        found = np.stack([archive[name] for name in images.names])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    report = json.loads((out / "report.json").read_text())
    np.testing.assert_allclose(report["input_range"], [images.x.min(), images.x.max()], atol=1e-6)


def test_what_is_no_image_or_no_image_model_is_refused(tmp_path, pictures):
    np.save(tmp_path / "x.npy", pictures)
    with pytest.raises(ValueError, match=r"x.npy must be a folder or one of .png"):
        kerasxai.load_images(tmp_path / "x.npy", net(), preprocess="0-1")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        kerasxai.load_images(tmp_path / "nowhere", net(), preprocess="0-1")
    signals = keras.Sequential([keras.Input((12, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"takes \(None, 12, 1\), which an image does not fit"):
        kerasxai.load_images(tmp_path / "images", signals, preprocess="0-1")


def test_one_tile_in_every_form_is_of_one_class(tmp_path, hmt_model, hmt_images):
    """A real net on a real tile: 8 bits, 16, 12 in 16, floats, CMYK, a palette, turned by EXIF, pages."""
    import tifffile

    folder = next(path for path in sorted((_hmt_folder()).iterdir()) if path.name.startswith("03"))
    tile = np.asarray(Image.open(sorted(folder.glob("*.png"))[0]).convert("RGB"))
    grey = np.asarray(Image.fromarray(tile).convert("L"))
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(tile).save(tmp_path / "colour 8.png")
    tifffile.imwrite(tmp_path / "colour 16.tif", tile.astype("uint16") * 257, photometric="rgb")
    tifffile.imwrite(tmp_path / "colour 12.tif", tile.astype("uint16") * 16, photometric="rgb")
    tifffile.imwrite(tmp_path / "colour float.tif", (tile / 255).astype("float32"), photometric="rgb")
    tifffile.imwrite(tmp_path / "colour pages.tif", np.stack([tile] * 3), photometric="rgb")
    Image.fromarray(tile).convert("CMYK").save(tmp_path / "colour cmyk.tif")
    Image.fromarray(np.rot90(tile)).save(tmp_path / "colour turned.png", exif=exif)
    Image.fromarray(np.dstack([tile, np.full_like(grey, 255)])).save(tmp_path / "colour opaque.png")
    Image.fromarray(grey).save(tmp_path / "grey 8.png")
    Image.fromarray(grey.astype("uint16") * 257).save(tmp_path / "grey 16.png")
    tifffile.imwrite(tmp_path / "grey 12.tif", grey.astype("uint16") * 16)
    tifffile.imwrite(tmp_path / "grey float.tif", (grey / 255).astype("float32"))
    images = kerasxai.load_images(tmp_path, hmt_model, preprocess="0-1")
    assert not images.left_out and len(images) == 14
    probabilities = hmt_model.predict(images.x, verbose=0)
    for kind in ("colour", "grey"):
        own = np.array([name.startswith(kind) for name in images.names])
        expected = probabilities[images.names.index(f"{kind} 8.png")]
        assert set(probabilities[own].argmax(axis=1)) == {expected.argmax()}
        np.testing.assert_allclose(probabilities[own], np.tile(expected, (own.sum(), 1)), atol=0.02)


def _hmt_folder():
    from tests.conftest import SHARED_DATA

    return SHARED_DATA / "hmt" / "test"


def test_reading_warns_of_nothing_else(tmp_path, pictures):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kerasxai.load_images(tmp_path / "images", net(), preprocess="0-1")
