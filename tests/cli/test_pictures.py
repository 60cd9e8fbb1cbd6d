"""Pictures of one sample: which files there are, how large, and what their captions say."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from kerasxai.cli.pictures import save_pictures
from kerasxai.plots.overlays import overlay_pixels


def image_and_maps(height, width, count=1):
    random = np.random.default_rng(0)
    return random.integers(0, 256, size=(height, width, 3), dtype="uint8"), random.normal(size=(count, height, width))


@pytest.mark.parametrize(
    ("size", "factor"), [((28, 28), 8), ((8, 8), 28), ((10, 100), 3), ((223, 40), 2), ((224, 224), 1), ((30, 500), 1)]
)
def test_small_images_are_enlarged_by_a_whole_factor(size, factor, tmp_path):
    image, maps = image_and_maps(*size)
    ((file, caption, _),) = save_pictures(tmp_path, "cat", image, maps, "grad cam", False)
    assert (file, caption) == ("cat.png", "grad cam")
    with Image.open(tmp_path / "cat.png") as picture:
        drawn = np.asarray(picture)
    np.testing.assert_array_equal(drawn, overlay_pixels(image, maps)[0].repeat(factor, axis=0).repeat(factor, axis=1))


def test_a_picture_for_each_class_captioned_by_its_name_and_what_its_map_does_not_show(tmp_path):
    image, maps = image_and_maps(16, 20, count=4)
    maps[1], maps[2], maps[3, 0, 0] = 0.0, 2.0, np.nan
    saved = save_pictures(tmp_path, "cat", image, maps, "grad cam", True, ["a", "b", "c/d", "e"])
    assert [file for file, *_ in saved] == [f"cat__{rank}.png" for rank in (1, 2, 3, 4)]
    captions = ["grad cam: a", "grad cam: b (all zero)", "grad cam: c/d (constant)", "grad cam: e (not finite)"]
    assert [caption for _, caption, _ in saved] == captions
    for (file, *_), values in zip(saved, maps, strict=True):
        with Image.open(tmp_path / file) as picture:
            np.testing.assert_array_equal(
                np.asarray(picture)[::12, ::12], overlay_pixels(image, values, signed=True)[0]
            )


def test_a_signal_has_one_picture_for_all_classes(tmp_path):
    random = np.random.default_rng(0)
    signal, maps = random.normal(size=(40, 1)), random.normal(size=(3, 40))
    assert save_pictures(tmp_path, "one", signal, maps, "gradient", True, ["a", "b", "c"]) == [
        ("one.png", "gradient", "")
    ]
    assert save_pictures(tmp_path, "two", signal, maps[:1], "gradient", True) == [("two.png", "gradient", "")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


# The colour key


def drawn_with_key(tmp_path, image, values, signed):
    """The picture's pixels within 0..1, and its key as an element."""
    ((file, _, key),) = save_pictures(tmp_path, "cat", image, values[np.newaxis], "method", signed)
    with Image.open(tmp_path / file) as picture:
        return np.asarray(picture) / 255, ElementTree.fromstring(key)


def gradients(key):
    """The colours of the key, RGBA from the low end to the high one, and what lies below them, from dark to bright."""
    style = key.find(".//div[@class='colours']").get("style")
    return [
        np.array([[float(number) for number in one.split(",")] for one in re.findall(r"rgba\(([^)]*)\)", gradient)])
        / [255, 255, 255, 1]
        for gradient in re.findall(r"linear-gradient\(to \w+,(.*?\))\)", style)
    ]


@pytest.mark.parametrize("signed", [False, True])
def test_the_key_has_the_colours_that_its_values_have_on_the_picture(signed, tmp_path):
    image = np.tile(np.array([[40, 10, 60], [230, 240, 220]], "uint8"), (240, 120, 1))
    values = np.tile(np.linspace(-1.0 if signed else 0.0, 1.0, 240)[:, np.newaxis], (1, 240))
    picture, key = drawn_with_key(tmp_path, image, values, signed)
    colours, shades = gradients(key)
    for step, (*colour, opacity) in enumerate(colours):
        row = picture[round(239 * step / (len(colours) - 1))]
        for shade, pixel in ((shades[0], row[0]), (shades[-1], row[1])):
            np.testing.assert_allclose((1 - opacity) * shade[:3] + opacity * np.array(colour), pixel, atol=0.02)


def test_the_key_says_what_is_clipped_and_what_occurs(tmp_path):
    image, values = np.zeros((40, 40, 3), "uint8"), np.linspace(0.5, 1.0, 1600).reshape(40, 40)
    _, key = drawn_with_key(tmp_path, image, values, False)
    assert [span.text for span in key.findall("span")] == ["0", "≥1"]
    occurs = key.find(".//div[@class='occurs']").get("style")
    assert occurs == "margin-left:50.1%;width:49.9%"  # the scale ends at 0.9975
    for sign in (1, -1):  # a signed method's map is centred, whatever signs it has
        _, key = drawn_with_key(tmp_path, image, sign * values, True)
        start, width = re.findall(r"([\d.]+)%", key.find(".//div[@class='occurs']").get("style"))
        assert (float(start) >= 75) == (sign > 0) and float(width) < 25.1
