"""`kerasxai explain`: what it writes is what the explainers give, and it writes all or nothing."""

import _thread
import errno
import json
import os
import re
from urllib.parse import quote, unquote

import keras
import numpy as np
import pytest
from PIL import Image

import kerasxai
from kerasxai import cli, compiled
from kerasxai.plots.overlays import overlay_pixels
from tests.cli.conftest import CLASSES

layers = keras.layers


def run(*arguments):
    return cli.main(["explain", *map(str, arguments)])


def test_folder_of_images(tmp_path, image_model, pictures, capsys):
    out = tmp_path / "out"
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out, "--batch-size", 4)
    assert run(*arguments, "--method", "grad_cam", "--method", "gradient_x_input") == 0
    x = np.stack(list(pictures.values())) / np.float32(255)
    predicted = image_model(x).numpy().argmax(axis=1)
    for method in ("grad_cam", "gradient_x_input"):
        with np.load(out / f"{method}.npz") as archive:
            assert archive.files == list(pictures)
            found = np.stack([archive[name] for name in pictures])
        np.testing.assert_allclose(found, kerasxai.explain(image_model, x, method), rtol=1e-4, atol=1e-6)
    report = json.loads((out / "report.json").read_text())
    assert [sample["predicted"] for sample in report["samples"]] == [sorted(CLASSES)[index] for index in predicted]
    labels = np.repeat(np.arange(3), 2)
    assert report["accuracy"] == pytest.approx((predicted == labels).mean())
    assert report["classes"] == sorted(CLASSES)
    assert report["versions"]["keras"] == keras.__version__
    page = (out / "index.html").read_text()
    sources = [unquote(source) for source in re.findall(r'img src="([^"]+)"', page)]
    assert len(sources) == 12
    for source in sources:
        with Image.open(out / source) as picture:
            picture.verify()
    assert f"Open {out}/index.html" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "net.keras", "out"]


@pytest.mark.slow
def test_options_of_surrogates_and_masks(tmp_path, image_model, pictures):
    """Options go to the methods that have them."""
    options = ["--option", "n_samples=20", "--option", "segmentation=3", "--option", "n_masks=12"]
    methods = ["--method", "lime", "--method", "kernel_shap", "--method", "rise"]
    out = tmp_path / "out"
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out)
    assert run(*arguments, *methods, *options) == 0
    x = np.stack(list(pictures.values())) / np.float32(255)
    surrogate = {"n_samples": 20, "segmentation": 3}
    for method, own in {"lime": surrogate, "kernel_shap": surrogate, "rise": {"n_masks": 12}}.items():
        expected = kerasxai.explain(image_model, x, method, **own)
        with np.load(out / f"{method}.npz") as archive:
            found = np.stack([archive[name] for name in pictures])
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_top_classes_get_an_axis(tmp_path, image_model, pictures):
    out = tmp_path / "out"
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out)
    assert run(*arguments, "--target", "top2", "--option", "relu=false") == 0
    x = np.stack(list(pictures.values())) / np.float32(255)
    expected = kerasxai.explain(image_model, x, "grad_cam", target="top2", relu=False)
    with np.load(out / "grad_cam.npz") as archive:
        np.testing.assert_allclose(np.stack([archive[name] for name in pictures]), expected, rtol=1e-4, atol=1e-6)
    page = (out / "index.html").read_text()
    for sample, maps in zip(json.loads((out / "report.json").read_text())["samples"], expected, strict=True):
        assert len(sample["pictures"]["grad_cam"]) == 2
        for file, name, values in zip(sample["pictures"]["grad_cam"], sample["explained"], maps, strict=True):
            assert f'<img src="{quote(file)}" alt="grad cam: {name}"' in page
            with Image.open(out / file) as picture:
                drawn = np.asarray(picture)[::12, ::12]
            np.testing.assert_array_equal(drawn, overlay_pixels(pictures[sample["name"]], values, signed=True)[0])


def test_top_classes_are_those_of_the_explainers_where_probabilities_vanish(tmp_path):
    dense = layers.Dense(4, activation="softmax")
    model = keras.Sequential([keras.Input((12, 1)), layers.Flatten(), dense])
    weights = np.arange(48, dtype="float32").reshape(12, 4) / 1e4
    dense.set_weights([weights, np.array([0, -300, 100, -200], "float32")])
    model.save(tmp_path / "net.keras")
    np.save(tmp_path / "signals.npy", np.random.default_rng(0).normal(size=(2, 12, 1)).astype("float32"))
    out = tmp_path / "out"
    given = ("--method", "gradient", "--target", "top4", "--out", out)
    assert run(tmp_path / "net.keras", tmp_path / "signals.npy", *given) == 0
    report = json.loads((out / "report.json").read_text())
    assert [sample["explained"] for sample in report["samples"]] == [["2", "0", "3", "1"]] * 2
    with np.load(out / "gradient.npz") as archive:
        for name in archive.files:
            np.testing.assert_allclose(archive[name][..., 0], weights.T[[2, 0, 3, 1]], rtol=1e-5)


def test_captions_say_what_a_map_does_not_show(tmp_path, image_model, pictures):
    image_model.set_weights([np.zeros_like(weights) for weights in image_model.get_weights()])
    image_model.save(tmp_path / "net.keras")
    out = tmp_path / "out"
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out)
    assert run(*arguments, "--target", "cow") == 0
    assert (out / "index.html").read_text().count("<figcaption>grad cam (all zero)</figcaption>") == len(pictures)


@pytest.mark.parametrize("target", ["cow", "1", "CO"])
def test_target_by_name_or_number(target, tmp_path, image_model, pictures):
    out = tmp_path / "out"
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out)
    assert run(*arguments, "--target", target, "--method", "gradient") == 0
    report = json.loads((out / "report.json").read_text())
    assert {tuple(sample["explained"]) for sample in report["samples"]} == {("cow",)}
    x = np.stack(list(pictures.values())) / np.float32(255)
    with np.load(out / "gradient.npz") as archive:
        found = np.stack([archive[name] for name in pictures])
    np.testing.assert_allclose(found, kerasxai.explain(image_model, x, "gradient", target=1), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "csv with header", "npy", "npz"])
def test_signals(kind, tmp_path, signal_model):
    x = np.random.default_rng(0).normal(size=(3, 12)).astype("float32")
    path = tmp_path / f"data.{kind[:3]}"
    if kind.startswith("csv"):
        header = ",".join(f"t{step}" for step in range(12)) if "header" in kind else ""
        np.savetxt(path, x, delimiter=",", header=header, comments="")
    elif kind == "npy":
        np.save(path, x[..., None])
    else:
        np.savez(path, x_test=x, other=np.zeros(3))
    out = tmp_path / "out"
    assert (
        run(tmp_path / "signal.keras", path, "--method", "integrated_gradients", "--option", "steps=8", "--out", out)
        == 0
    )
    with np.load(out / "integrated_gradients.npz") as archive:
        found = np.stack([archive[name] for name in archive.files])
    expected = kerasxai.explain(signal_model, x[..., None], "integrated_gradients", steps=8)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert len(list((out / "pictures").glob("*.png"))) == 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The model ends in 2 linear units")
def test_the_class_predicted_by_linear_units_is_explained_as_one(tmp_path, signal_model):
    """Nothing declares them to be logits; what is predicted is a class, and a number on the command line a unit."""
    x = np.random.default_rng(0).normal(size=(3, 12, 1)).astype("float32")
    np.save(tmp_path / "data.npy", x)
    given = (tmp_path / "signal.keras", tmp_path / "data.npy", "--method", "occlusion", "--option", "window=3")
    for target, meant in (("predicted", None), ("top2", "top2"), ("1", 1)):
        out = tmp_path / target
        assert run(*given, "--target", target, "--out", out) == 0
        with np.load(out / "occlusion.npz") as archive:
            found = np.stack([archive[name] for name in archive.files])
        expected = kerasxai.explain(signal_model, x, "occlusion", target=meant, window=3)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


BAD = {
    "no such model": (["missing.keras", "images"], "missing.keras"),
    "no such input": (["net.keras", "nothing.png"], "nothing.png does not exist"),
    "unknown kind of file": (["net.keras", "net.keras"], "must be a folder or one of"),
    "empty folder": (["net.keras", "empty"], "no file that can be read"),
    "broken image": (["net.keras", "broken.png"], "broken.png is no readable image"),
    "image for a signal model": (["signal.keras", "images"], "which an image does not fit"),
    "broken table": (["signal.keras", "broken.csv"], r"broken.csv must hold 3 numbers in row 2. Received: 4,5"),
    "wrong shape": (
        ["signal.keras", "wrong.npy"],
        r"wrong.npy holds an array of shape \(2, 5, 1\); .* takes samples of shape \(12, 1\)",
    ),
    "unknown method": (["net.keras", "images", "--method", "grad_camm"], "Did you mean grad_cam"),
    "unknown layer": (["net.keras", "images", "--layer", "nope"], "must name a layer of the model"),
    "unknown class name": (
        ["net.keras", "images", "--target", "horse"],
        "the name of a class: cat, cow, dog. Received: 'horse'",
    ),
    "class out of range": (["net.keras", "images", "--target", "7"], "classes 0 to 2"),
    "too many classes": (["net.keras", "images", "--target", "top9"], "has 3 classes"),
    "option of no method": (["net.keras", "images", "--option", "steps=3"], "None of the methods has the option steps"),
    "option without a value": (["net.keras", "images", "--option", "steps"], "must be NAME=VALUE"),
    "wrong number of names": (["net.keras", "images", "--classes", "names.txt"], "must name 3 classes. Received: 2"),
    "unknown preprocessing": (["net.keras", "images", "--preprocess", "bgr"], "--preprocess .*`-1-1`.*Received: 'bgr'"),
    "preprocessing unknown": (
        ["net.keras", "images", "--preprocess", "auto"],
        "--preprocess .*`0-1` .*`-1-1` .*`none` .*MEAN/STD.*a division by 255 is `0-1`",
    ),
    "preprocessing of other channels": (["net.keras", "images", "--preprocess", "1,2/1"], "model's 3 channels"),
    "all broken": (["net.keras", "broken.png", "wrong.npy"], "No input can be read: broken.png .*; wrong.npy holds"),
    "broken and strict": (
        ["net.keras", "images", "broken.png", "--strict"],
        "broken.png is no readable .*--strict out",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_bad_command_line(case, tmp_path, monkeypatch, image_model, signal_model, pictures, capsys):
    arguments, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "broken.csv").write_text("1,2,3\n4,5\n")
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    np.save(tmp_path / "wrong.npy", np.zeros((2, 5, 1)))
    if "--preprocess" not in arguments:
        arguments = [*arguments, "--preprocess", "0-1"]
    if arguments[0] == "signal.keras" and case != "image for a signal model":
        arguments = arguments[:2]
    before = sorted(path.name for path in tmp_path.iterdir())
    assert cli.main(["explain", *arguments, "--out", "out"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("kerasxai: ") and re.search(message, error), error
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("error", "message"),
    [(KeyboardInterrupt(), "interrupted"), (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left")],
)
def test_interrupted_or_full_disk_leaves_nothing(error, message, tmp_path, image_model, pictures, capsys, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(Image.Image, "save", fail)
    assert run(tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", tmp_path / "out") == 1
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "net.keras"]


def test_interrupted_inside_an_image_leaves_nothing(tmp_path, image_model, pictures, capsys, monkeypatch):
    shares = []

    def interrupt(share):
        shares.append(share)
        _thread.interrupt_main()

    monkeypatch.setattr(compiled, "_LOOK", 0.001)
    monkeypatch.setattr(compiled, "reported_to", lambda: interrupt)
    arguments = ("--preprocess", "0-1", "--method", "rise", "--option", "n_masks=1000000", "--out", tmp_path / "out")
    assert run(tmp_path / "net.keras", tmp_path / "images", *arguments) == 1
    assert "interrupted" in capsys.readouterr().err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "net.keras"]
    assert shares and max(shares) < 0.5
    compiled._thread.submit(int).result()
    assert not compiled.is_computing()


def test_folder_in_use_is_kept_unless_asked(tmp_path, image_model, pictures, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out)
    assert run(*arguments) == 1
    assert "is not empty" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "precious"
    assert run(*arguments, "--overwrite") == 0
    assert not (out / "mine.txt").exists() and (out / "index.html").exists()


def test_colours_are_those_of_the_method_and_the_page_has_their_key(tmp_path, pictures):
    """Covering anything with black lowers this net's value, so no map has a negative value; occlusion is signed."""
    layers = [keras.Input((16, 20, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1, name="brightness")]
    model = keras.Sequential(layers)
    model.set_weights([np.ones((3, 1)), np.zeros(1)])
    model.save(tmp_path / "net.keras")
    out = tmp_path / "out"
    arguments = (tmp_path / "net.keras", tmp_path / "images", "--preprocess", "0-1", "--out", out)
    assert run(*arguments, "--method", "occlusion", "--method", "sensitivity") == 0
    for method, signed in (("occlusion", True), ("sensitivity", False)):
        with np.load(out / f"{method}.npz") as archive:
            for name, image in pictures.items():
                maps = archive[name] if signed else np.abs(archive[name]).sum(axis=-1)
                assert maps.min() >= 0
                with Image.open(out / f"pictures/{name}__{method}.png") as picture:
                    drawn = np.asarray(picture)[::12, ::12]
                np.testing.assert_array_equal(drawn, overlay_pixels(image, maps, signed=signed)[0])
    assert (out / "index.html").read_text().count('class="key"') == 2 * len(pictures)
