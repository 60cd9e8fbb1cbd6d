"""`kerasxai explain` on images as people have them: broken, of several sizes, in pages, enormous, in any range."""

import json
from urllib.parse import quote

import keras
import numpy as np
import pytest
from PIL import Image

import kerasxai
from tests.cli.test_explain import run

layers = keras.layers


def explained(tmp_path, *arguments, model="net.keras", images="images", preprocess="0-1"):
    """Status, report and page of a run."""
    out = tmp_path / "out"
    given = (tmp_path / model, tmp_path / images, "--out", out, "--overwrite", "--preprocess", preprocess)
    status = run(*given, *arguments)
    return status, json.loads((out / "report.json").read_text()), (out / "index.html").read_text()


def test_the_rest_is_explained_where_one_input_is_broken(tmp_path, image_model, pictures, capsys):
    broken = tmp_path / "images" / "cow" / "0 a#.png"
    broken.write_bytes(broken.read_bytes()[:200])
    (tmp_path / "images" / "note.tif").write_bytes(b"no picture")
    np.save(tmp_path / "images" / "z.npy", np.stack([np.zeros((16, 20, 3)), np.full((16, 20, 3), np.nan)]))
    status, report, page = explained(tmp_path, "--method", "gradient")
    assert status == 1
    assert [sample["name"] for sample in report["samples"]] == [
        *(name for name in pictures if not name.startswith("cow__0")),
        "z.npy__00000",
    ]
    reasons = {one["name"]: one["reason"] for one in report["left_out"]}
    assert list(reasons) == ["note.tif", "cow__0 a#.png", "z.npy__00001"]
    assert "truncated" in reasons["cow__0 a#.png"] and "NaN" in reasons["z.npy__00001"]
    assert "no known format" in reasons["note.tif"]
    shown = capsys.readouterr()
    for name, reason in reasons.items():
        assert f"<li><b>{name}</b> {reason}</li>" in page
        assert f"left out: {name} {reason}" in shown.err
    assert "Left out 3" in shown.out and "Left out 3" in page
    kept = np.stack([values for name, values in pictures.items() if not name.startswith("cow__0")])
    with np.load(tmp_path / "out" / "gradient.npz") as archive:
        assert "cow__0 a#.png" not in archive.files
        found = np.stack([archive[name] for name in archive.files][:5])
    np.testing.assert_allclose(
        found, kerasxai.explain(image_model, kept / np.float32(255), "gradient"), rtol=1e-3, atol=1e-6
    )


def test_strict_discards_the_run_at_a_broken_page(tmp_path, image_model, pictures, capsys):
    """What is found only while reading leaves nothing behind."""
    broken = tmp_path / "images" / "cow" / "0 a#.png"
    broken.write_bytes(broken.read_bytes()[:200])
    assert (
        run(tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--strict", "--out", tmp_path / "o")
        == 1
    )
    assert "cow__0 a#.png is no readable image: image file is truncated" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "net.keras"]


@pytest.mark.slow
def test_images_of_several_sizes(tmp_path, any_size, pictures):
    """A model for images of any size explains each at its own; those too small for it are left out."""
    large = np.random.default_rng(1).integers(0, 256, size=(30, 24, 3), dtype="uint8")
    Image.fromarray(large).save(tmp_path / "images" / "cat" / "1 large.png")
    Image.fromarray(large[:5, :5]).save(tmp_path / "images" / "dog" / "tiny.png")
    status, report, _ = explained(tmp_path, "--method", "gradient", model="any.keras")
    assert status == 1
    ((left_out,),) = [[one for one in report["left_out"]]]
    assert left_out["name"] == "dog__tiny.png" and "a size the model cannot take, 5 x 5" in left_out["reason"]
    assert len(report["samples"]) == 7
    everything = {**pictures, "cat__1 large.png": large}
    with np.load(tmp_path / "out" / "gradient.npz") as archive:
        for name, values in everything.items():
            expected = kerasxai.explain(any_size, values[None] / np.float32(255), "gradient")[0]
            np.testing.assert_allclose(archive[name], expected, rtol=1e-3, atol=1e-6)


def test_pages_are_samples(tmp_path, image_model, pictures):
    pages = list(pictures.values())[:3]
    first, *others = map(Image.fromarray, pages)
    first.save(tmp_path / "scan.tif", save_all=True, append_images=others)
    status, report, page = explained(tmp_path, "--method", "gradient", images="scan.tif")
    assert status == 0
    assert [sample["name"] for sample in report["samples"]] == ["scan.tif#1", "scan.tif#2", "scan.tif#3"]
    for sample in report["samples"]:
        (file,) = sample["pictures"]["gradient"]
        assert (tmp_path / "out" / file).exists() and quote(file) in page


def test_what_reached_the_model_is_said(tmp_path, image_model, pictures, capsys):
    values = np.stack(list(pictures.values()))
    for how, low, high in (("0-1", 0, 1), ("-1-1", -1, 1), ("none", 0, 255), ("0.5/0.25", -2, 2)):
        _, report, page = explained(tmp_path, "--method", "gradient", preprocess=how)
        assert report["preprocess"] == how
        scale = (high - low) / 255
        expected = [values.min() * scale + low, values.max() * scale + low]
        np.testing.assert_allclose(report["input_range"], expected, atol=1e-5)
        said = f"Preprocessing {how} ("
        assert said in page and said in capsys.readouterr().out


def test_a_model_that_scales_by_itself_needs_no_preprocess(tmp_path, pictures):
    model = keras.Sequential(
        [keras.Input((16, 20, 3)), layers.Rescaling(1 / 255), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()]
    )
    model.save(tmp_path / "own.keras")
    _, report, page = explained(tmp_path, "--method", "gradient", model="own.keras", preprocess="auto")
    assert report["preprocess"] == "none" and "the model itself scales them, by rescaling" in page
    assert report["input_range"] == [0, 255]


@pytest.mark.parametrize("right", [0, 2, 6])
def test_accuracy_is_shown_and_a_bad_one_remarked(right, tmp_path, pictures, capsys):
    """A net that tells each picture by its mean: the pictures are made so that `right` of 6 are right."""
    classes = [0, 0, 1, 1, 2, 2]
    for place, (name, wanted) in enumerate(zip(pictures, classes)):
        shown = wanted if place < right else (wanted + 1) % 3
        values = np.zeros((16, 20, 3), "uint8")
        values[..., shown] = 200
        Image.fromarray(values).save(tmp_path / "images" / name.replace("__", "/"))
    model = keras.Sequential([keras.Input((16, 20, 3)), layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax")])
    model.layers[-1].set_weights([np.eye(3, dtype="float32") * 5, np.zeros(3, "float32")])
    model.save(tmp_path / "colours.keras")
    _, report, page = explained(tmp_path, "--method", "gradient", model="colours.keras")
    assert report["accuracy"] == right / 6 and report["labelled"] == 6
    text = f"Accuracy {right / 6:.1%}"
    shown = capsys.readouterr().out
    assert text in page and text in shown
    assert ("guessing gives 33.3%" in shown) == (right < 6) == ("guessing gives 33.3%" in page)


def test_an_enormous_image_is_left_out_or_reduced(tmp_path, image_model, any_size, pictures, monkeypatch, capsys):
    from kerasxai import image_files

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow raises above twice this
    monkeypatch.setattr(image_files, "REDUCED_ABOVE", 2000)
    Image.fromarray(np.full((80, 100, 3), 51, "uint8")).save(tmp_path / "images" / "slide.png")
    status, report, page = explained(tmp_path, "--method", "gradient")
    assert status == 0 and len(report["samples"]) == 7
    assert "slide.png: reduced from 100 x 80 pixels" in page
    status, report, _ = explained(tmp_path, "--method", "gradient", model="any.keras")
    assert status == 1 and len(report["samples"]) == 6
    assert "of 100 x 80 pixels it is too large" in report["left_out"][0]["reason"]
    assert "Traceback" not in capsys.readouterr().err
