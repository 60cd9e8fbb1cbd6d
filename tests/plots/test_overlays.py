"""Overlays: colours of rendered pixels, image ranges, shapes, titles. Expected colours are computed here."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai import plots
from kerasxai.plots.overlays import overlay_pixels
from tests.plots.rendering import (
    ROUNDING,
    all_pixels,
    assert_texts_are_readable,
    blend,
    drawn_texts,
    pale_grey,
    pixel,
    random_images,
    scale_labels,
)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_overlay_fades_from_bare_image_to_top_of_colormap(alpha):
    image = random_images(1)[0]
    values = np.zeros((8, 8))
    values[2, 5], values[6, 1] = 8.0, 4.0
    axes = plots.overlay(image, values, alpha=alpha).axes[0]

    np.testing.assert_allclose(pixel(axes, 2, 5), blend(image[2, 5], "viridis", 1.0, alpha), atol=ROUNDING)
    np.testing.assert_allclose(pixel(axes, 6, 1), blend(image[6, 1], "viridis", 0.5, alpha / 2), atol=ROUNDING)
    np.testing.assert_allclose(pixel(axes, 4, 4), image[4, 4], atol=ROUNDING)


def test_signed_overlay_is_centred_at_zero():
    image = random_images(1)[0]
    values = np.zeros((8, 8))
    values[1, 2], values[5, 6] = 4.0, -1.0
    axes = plots.overlay(image, values, alpha=0.6).axes[0]

    below = pale_grey(image)
    np.testing.assert_allclose(pixel(axes, 1, 2), blend(below[1, 2], "coolwarm", 1.0, 0.6), atol=ROUNDING)
    np.testing.assert_allclose(pixel(axes, 5, 6), blend(below[5, 6], "coolwarm", 0.375, 0.15), atol=ROUNDING)
    np.testing.assert_allclose(pixel(axes, 3, 3), below[3, 3], atol=ROUNDING)


def test_every_map_has_its_own_scale():
    images, maps = random_images(3), np.random.default_rng(1).random((3, 8, 8))
    maps[2] -= 0.5
    together = plots.overlay(images, maps * [[[1e-12]], [[1.0]], [[1e12]]], columns=3)
    for axes, image, values in zip(together.axes, images, maps):
        alone = plots.overlay(image, values, signed=True).axes[0]  # as one map in the array is
        drawn, expected = (a.images[1].to_rgba(a.images[1].get_array()) for a in (axes, alone))
        np.testing.assert_allclose(drawn, expected, atol=1 / 255)


@pytest.mark.parametrize("colormap", ["magma", matplotlib.colormaps["magma"]])
def test_chosen_colormap_is_used_for_any_sign(colormap):
    image, values = np.zeros((8, 8, 3)), np.zeros((8, 8))
    values[1, 1] = 1.0
    for low in (0.0, -1.0):
        values[6, 6] = low
        axes = plots.overlay(image, values, alpha=1.0, colormap=colormap).axes[0]
        np.testing.assert_allclose(pixel(axes, 1, 1), blend(image[1, 1], "magma", 1.0, 1.0), atol=ROUNDING)


def test_extreme_value_is_found_where_it_is():
    images = np.zeros((1, 12, 40, 3))
    values = np.zeros((1, 12, 40))
    values[0, 4, 25] = 1.0
    axes = plots.overlay(images, values, alpha=1.0).axes[0]
    red = {(row, column): pixel(axes, row, column)[0] for row in (3, 4, 5) for column in (24, 25, 26)}
    assert max(red, key=red.get) == (4, 25)
    assert sum(value > 0.1 for value in red.values()) == 1


@pytest.mark.parametrize(
    "convert",
    [
        lambda images: (images * 255).round().astype("uint8"),
        lambda images: (images * 255).astype("float32"),
        lambda images: images.astype("float16"),
        lambda images: 2 * images - 1,
        lambda images: (images - 0.45) / 0.225,
        lambda images: (images * 65535).astype("uint16"),
    ],
    ids=["uint8", "float 0..255", "float 0..1", "-1..1", "standardised", "uint16"],
)
def test_image_ranges_show_the_same_picture(convert):
    images = random_images()
    figure = plots.overlay(convert(images), np.zeros((2, 8, 8)))
    for axes, image in zip(figure.axes, images):
        np.testing.assert_allclose(axes.images[0].get_array(), image, atol=0.51 / 255)


def test_imagenet_normalised_image_keeps_its_look():
    image = random_images(1)[0]
    normalised = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    shown = plots.overlay(normalised, np.zeros((8, 8))).axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, image, atol=0.09)  # the channels lie this far apart


def test_range_is_judged_for_each_image():
    images = np.stack([np.full((4, 4, 1), 0.25), np.full((4, 4, 1), 51.0)])
    shown = [axes.images[0].get_array() for axes in plots.overlay(images, np.zeros((2, 4, 4))).axes]
    np.testing.assert_allclose(shown[0], 0.25)
    np.testing.assert_allclose(shown[1], 0.2)


@pytest.mark.parametrize(
    "image, expected",
    [
        (np.full((4, 4, 3), 1, "uint8"), 1 / 255),  # dark, yet uint8
        (np.full((4, 4, 3), True), 1.0),
        (np.full((4, 4, 3), -0.3), 0.0),  # constant: nothing to stretch
        (np.full((4, 4, 3), np.nan), 0.5),
    ],
)
def test_special_images(image, expected):
    shown = plots.overlay(image, np.zeros((4, 4))).axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, expected)


@pytest.mark.parametrize(
    "images_shape, maps_shape, count",
    [
        ((3, 8, 6, 3), (3, 8, 6), 3),
        ((3, 8, 6, 1), (3, 8, 6, 1), 3),
        ((3, 8, 6), (3, 8, 6), 3),
        ((3, 8, 6), (3, 8, 6, 5), 3),
        ((1, 8, 6, 3), (1, 8, 6), 1),
        ((8, 6, 3), (8, 6), 1),
        ((8, 6, 3), (1, 8, 6), 1),
        ((8, 6, 3), (8, 6, 3), 1),
        ((8, 6, 1), (1, 8, 6, 1), 1),
        ((8, 6), (8, 6), 1),
    ],
)
def test_overlay_shapes(images_shape, maps_shape, count):
    images, maps = np.random.default_rng(0).random((2, 1000))
    images, maps = np.resize(images, images_shape), np.resize(maps, maps_shape)
    figure = plots.overlay(images, maps)

    heatmaps = maps.sum(axis=-1) if maps.size != count * 8 * 6 else maps
    assert len(figure.axes) == count
    for axes, picture, heatmap in zip(figure.axes, images.reshape(count, 8, 6, -1), heatmaps.reshape(count, 8, 6)):
        np.testing.assert_allclose(axes.images[0].get_array(), np.broadcast_to(picture, (8, 6, 3)))
        np.testing.assert_allclose(axes.images[1].get_array(), heatmap)


def test_signed_channels_are_summed_with_their_sign():
    maps = np.zeros((1, 8, 8, 2))
    maps[0, 3, 3] = (5.0, -5.0)
    maps[0, 1, 1] = (1.0, 1.0)
    drawn = plots.overlay(random_images(1), maps).axes[0].images[1].get_array()
    assert drawn[3, 3] == 0 and drawn[1, 1] == 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("value", "opacity", "labels"), [(0.0, 0.0, ["0"]), (2.0, 0.5, ["0", "2"])])
def test_map_without_differences_has_the_colour_of_its_value(value, opacity, labels):
    image = random_images(1)[0]
    axes = plots.overlay(image, np.full((8, 8), value), colorbar=True).axes[0]
    np.testing.assert_allclose(pixel(axes, 4, 4), blend(image[4, 4], "viridis", 1.0, opacity), atol=ROUNDING)
    assert scale_labels(axes) == labels


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_grey_and_leave_the_scale_alone(bad):
    image = random_images(1)[0]
    values = np.linspace(0.0, 7.0, 64).reshape(8, 8)
    values[3, 3] = bad
    axes = plots.overlay(image, values, colorbar=True).axes[0]
    colormap, low = ("coolwarm", "−7") if bad < 0 else ("viridis", "0")
    below = pale_grey(image) if bad < 0 else image
    np.testing.assert_allclose(pixel(axes, 3, 3), 0.5 * below[3, 3] + 0.25, atol=ROUNDING)
    np.testing.assert_allclose(pixel(axes, 7, 7), blend(below[7, 7], colormap, 1.0, 0.5), atol=ROUNDING)
    assert [scale_labels(axes)[0], scale_labels(axes)[-1]] == [low, "7"]


def test_one_sample_takes_one_title_and_titles_are_plain_text():
    axes = plots.overlay(random_images(1)[0], np.eye(8), titles="$5 and $6").axes[0]
    assert axes.get_title() == "$5 and $6"
    assert not axes.title.get_parse_math()


@pytest.mark.parametrize("colorbar", [False, True])
def test_long_titles_do_not_overlap(colorbar):
    titles = ["a rather long title about this picture", "AnUnbrokenClassNameThatIsFarTooLongForItsPicture"] * 3
    figure = plots.overlay(random_images(6), np.tile(np.eye(8), (6, 1, 1)), titles=titles, colorbar=colorbar)
    assert_texts_are_readable(figure)
    pictures = [axes.get_window_extent() for axes in figure.axes]
    for text, box in drawn_texts(figure):
        assert not any(box.overlaps(picture) for picture in pictures), text


def test_titles_break_after_underscores():
    figure = plots.overlay(random_images(1), np.eye(8)[None], titles=["integrated_gradients"], columns=8)
    assert figure.axes[0].get_title() == "integrated_\ngradients"


def test_rows_and_columns():
    figure = plots.overlay(random_images(5), np.zeros((5, 8, 8)), columns=2)
    places = np.array([axes.get_position().p0 for axes in figure.axes]).round(9)  # lower left corners
    assert (places[[0, 2, 4], 0] == places[0, 0]).all() and (places[[1, 3], 0] == places[1, 0]).all()
    assert places[0, 0] < places[1, 0]
    assert places[0, 1] == places[1, 1] > places[2, 1] == places[3, 1] > places[4, 1]
    assert figure.get_figwidth() == pytest.approx(7.0)


@pytest.mark.parametrize("height, width", [(12, 40), (40, 12), (8, 8)])
def test_pictures_fill_their_figure_and_keep_their_shape(height, width):
    maps = np.random.default_rng(0).normal(size=(4, height, width))
    for colorbar in (False, True):
        figure = plots.overlay(random_images(4, height, width), maps, colorbar=colorbar)
        FigureCanvasAgg(figure).draw()
        box = figure.axes[0].get_window_extent()
        assert box.height / box.width == pytest.approx(height / width)
        used = figure.get_tightbbox()
        assert used.width > figure.get_figwidth() - 0.2 and used.height > figure.get_figheight() - 0.2


# Pixels without a Figure


def drawable_maps():
    """Maps (6, 8, 8) of every kind: without negative values, signed, all zero, constant, not finite in part or all."""
    rising = np.linspace(0.5, 7.0, 64).reshape(8, 8)
    broken = rising - 4
    broken[3, 3], broken[5, 6] = np.nan, np.inf
    return np.stack([rising, 3 - rising, 0 * rising, 0 * rising + 2, broken, np.full((8, 8), np.nan)])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("options", [{}, {"alpha": 1.0}, {"alpha": 0.3, "colormap": "magma"}])
def test_pixels_are_those_of_the_figure(options):
    images, maps = random_images(6), drawable_maps()
    found = overlay_pixels(images, maps, **options)
    assert found.shape == (6, 8, 8, 3) and found.dtype == np.uint8
    for axes, picture in zip(plots.overlay(images, maps, **options).axes, found, strict=True):
        np.testing.assert_allclose(picture / 255, all_pixels(axes), atol=ROUNDING)


def test_pixels_of_a_bare_image_are_its_own():
    images = np.random.default_rng(0).integers(0, 256, size=(2, 12, 40, 3), dtype="uint8")
    np.testing.assert_array_equal(overlay_pixels(images, np.zeros((2, 12, 40))), images)


@pytest.mark.parametrize(
    ("images_shape", "maps_shape"), [((8, 6), (8, 6)), ((8, 6, 1), (1, 8, 6)), ((1, 8, 6, 3), (1, 8, 6, 3))]
)
def test_pixels_take_the_shapes_that_the_figure_takes(images_shape, maps_shape):
    assert overlay_pixels(np.ones(images_shape), np.ones(maps_shape)).shape == (1, 8, 6, 3)
    with pytest.raises(ValueError, match="`maps` must have shape"):
        overlay_pixels(np.ones(images_shape), np.ones(maps_shape)[..., :5, :2])
