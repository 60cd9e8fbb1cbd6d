"""Pictures of one sample: which files there are, how large, and what their captions say."""

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
    assert save_pictures(tmp_path, "cat", image, maps, "grad cam") == [("cat.png", "grad cam")]
    with Image.open(tmp_path / "cat.png") as picture:
        drawn = np.asarray(picture)
    np.testing.assert_array_equal(drawn, overlay_pixels(image, maps)[0].repeat(factor, axis=0).repeat(factor, axis=1))


def test_a_picture_for_each_class_captioned_by_its_name_and_what_its_map_does_not_show(tmp_path):
    image, maps = image_and_maps(16, 20, count=4)
    maps[1], maps[2], maps[3, 0, 0] = 0.0, 2.0, np.nan
    saved = save_pictures(tmp_path, "cat", image, maps, "grad cam", ["a", "b", "c/d", "e"])
    assert [file for file, _ in saved] == [f"cat__{rank}.png" for rank in (1, 2, 3, 4)]
    captions = ["grad cam: a", "grad cam: b (all zero)", "grad cam: c/d (constant)", "grad cam: e (not finite)"]
    assert [caption for _, caption in saved] == captions
    for (file, _), values in zip(saved, maps, strict=True):
        with Image.open(tmp_path / file) as picture:
            np.testing.assert_array_equal(np.asarray(picture)[::12, ::12], overlay_pixels(image, values)[0])


def test_a_signal_has_one_picture_for_all_classes(tmp_path):
    random = np.random.default_rng(0)
    signal, maps = random.normal(size=(40, 1)), random.normal(size=(3, 40))
    assert save_pictures(tmp_path, "one", signal, maps, "gradient", ["a", "b", "c"]) == [("one.png", "gradient")]
    assert save_pictures(tmp_path, "two", signal, maps[:1], "gradient") == [("two.png", "gradient")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]
