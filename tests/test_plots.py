"""What the pictures show: colours of rendered pixels, image ranges, scales, titles, refusals.
No recorded pictures: every expected colour is computed here from the colormap and the image."""

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai import plots

ROUNDING = 3 / 255  # image, colour, opacity and their blend are each held in 8 bits


def random_images(count=2, height=8, width=8):
    images = np.random.default_rng(0).random((count, height, width, 3))
    images[:, 0, 0], images[:, 0, 1] = 0.0, 1.0  # every channel of every image spans the whole range
    return images


def pixel(axes, row, column):
    """RGB within 0..1 of the rendered figure at data position (row, column)."""
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    rendered = np.asarray(canvas.buffer_rgba())
    x, y = axes.transData.transform((column, row))
    return rendered[rendered.shape[0] - 1 - int(y), int(x), :3] / 255


def blend(below, colormap, position, opacity):
    return (1 - opacity) * np.asarray(below) + opacity * np.array(matplotlib.colormaps[colormap](position)[:3])


def pale_grey(image):
    return 0.4 + 0.6 * np.repeat(image @ np.array([[0.299], [0.587], [0.114]]), 3, axis=-1)


def scale_labels(axes):
    return [label.get_text() for label in axes.child_axes[0].get_yticklabels()]


# Colours


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_overlay_fades_from_bare_image_to_top_of_colormap(alpha):
    image = random_images(1)[0]
    values = np.full((8, 8), 3.0)  # a range away from 0: scaled from its minimum
    values[2, 5], values[6, 1] = 11.0, 7.0
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


def test_signed_signal_is_neutral_at_zero():
    values = np.zeros(10)
    values[2], values[7] = 4.0, -1.0
    axes = plots.signal(np.linspace(0.0, 0.1, 10), values).axes[0]
    axes.set_ylim(-1, 1)  # the line away from the pixels that are read
    axes.images[0].set_extent((-0.5, 9.5, -1, 1))

    for step, position in [(4, 0.5), (2, 1.0), (7, 0.375)]:
        expected = blend(np.ones(3), "coolwarm", position, plots.SIGNAL_OPACITY)
        np.testing.assert_allclose(pixel(axes, -0.5, step), expected, atol=ROUNDING)


def test_signal_background_spans_height_and_runs_from_minimum_to_maximum():
    values = np.linspace(5.0, 6.0, 11)
    axes = plots.signal(np.zeros(11), values).axes[0]
    bottom, top = axes.get_ylim()
    assert axes.images[0].get_extent() == [-0.5, 10.5, bottom, top]

    for height in (0.95 * bottom, 0.95 * top):
        for step, position in [(0, 0.0), (5, 0.5), (10, 1.0)]:
            expected = blend(np.ones(3), "Oranges", position, plots.SIGNAL_OPACITY)
            np.testing.assert_allclose(pixel(axes, height, step), expected, atol=ROUNDING)


def test_every_map_has_its_own_scale():
    images, maps = random_images(3), np.random.default_rng(1).random((3, 8, 8))
    maps[2] -= 0.5
    together = plots.overlay(images, maps * [[[1e-12]], [[1.0]], [[1e12]]], columns=3)
    for axes, image, values in zip(together.axes, images, maps):
        alone = plots.overlay(image, values).axes[0]
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


# Images of any range


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


# Shapes


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


@pytest.mark.parametrize(
    "signals_shape, maps_shape, count, channels",
    [
        ((3, 20, 2), (3, 20), 3, 2),
        ((3, 20, 2), (3, 20, 2), 3, 2),
        ((3, 20), (3, 20), 3, 1),
        ((3, 20), (3, 20, 1), 3, 1),
        ((20,), (20,), 1, 1),
        ((20,), (1, 20), 1, 1),
        ((20, 2), (20,), 1, 2),
        ((20, 2), (1, 20), 1, 2),
        ((20, 1), (20, 1), 1, 1),
        ((1, 20, 2), (1, 20, 2), 1, 2),
        ((20, 20), (20, 20), 20, 1),
    ],
)
def test_signal_shapes(signals_shape, maps_shape, count, channels):
    signals, maps = np.random.default_rng(0).random((2, 1000))
    signals, maps = np.resize(signals, signals_shape), np.resize(maps, maps_shape)
    figure = plots.signal(signals, maps)

    heatmaps = maps.sum(axis=-1) if maps.size != count * 20 else maps
    assert len(figure.axes) == count
    for axes, lines, heatmap in zip(
        figure.axes, signals.reshape(count, 20, channels), heatmaps.reshape(count, 1, 20), strict=True
    ):
        np.testing.assert_array_equal(np.transpose([line.get_ydata() for line in axes.lines]), lines)
        np.testing.assert_allclose(axes.images[0].get_array(), heatmap)


def test_signed_channels_are_summed_with_their_sign():
    maps = np.zeros((1, 8, 8, 2))
    maps[0, 3, 3] = (5.0, -5.0)
    maps[0, 1, 1] = (1.0, 1.0)
    drawn = plots.overlay(random_images(1), maps).axes[0].images[1].get_array()
    assert drawn[3, 3] == 0 and drawn[1, 1] == 2


def test_lists_are_taken_and_inputs_are_not_changed():
    images, maps = random_images(), np.random.default_rng(1).normal(size=(2, 8, 8))
    signals = np.random.default_rng(2).normal(size=(2, 8))
    maps[0, 0, 0] = np.nan
    kept = images.copy(), maps.copy(), signals.copy()
    for array in (images, maps, signals):
        array.setflags(write=False)

    plots.overlay(images, maps, colorbar=True)
    plots.signal(signals, maps[0, :2])
    plots.overlay(list(images), maps.tolist(), titles=("a", "b"))
    for array, before in zip((images, maps, signals), kept):
        np.testing.assert_array_equal(array, before)


# Titles, scales, layout


@pytest.mark.parametrize("draw, sample", [(plots.overlay, np.zeros((4, 4, 3))), (plots.signal, np.zeros((16, 1)))])
def test_titles_say_what_a_map_does_not_show(draw, sample):
    shape = sample.shape[:-1]
    varied = np.arange(16.0).reshape(shape)
    broken, infinite = varied.copy(), varied.copy()
    broken.flat[3], infinite.flat[3] = np.nan, -np.inf
    maps = [varied, np.zeros(shape), np.full(shape, 2.0), broken, infinite, np.full(shape, np.nan)]
    notes = ["", "(all zero)", "(constant)", "(not finite)", "(not finite)", "(not finite)"]

    figure = draw(np.stack([sample] * 6), np.stack(maps))
    assert [axes.get_title() for axes in figure.axes] == notes
    figure = draw(np.stack([sample] * 6), np.stack(maps), titles=list("abcdef"))
    assert [axes.get_title() for axes in figure.axes] == [f"{t} {n}".strip() for t, n in zip("abcdef", notes)]
    FigureCanvasAgg(figure).draw()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_map_without_differences_leaves_the_image_bare(value):
    image = random_images(1)[0]
    axes = plots.overlay(image, np.full((8, 8), value), colorbar=True).axes[0]
    np.testing.assert_allclose(pixel(axes, 4, 4), image[4, 4], atol=ROUNDING)
    assert scale_labels(axes) == [f"{value:.2g}"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_grey_and_leave_the_scale_alone(bad):
    image = random_images(1)[0]
    values = np.linspace(0.0, 7.0, 64).reshape(8, 8)
    values[3, 3] = bad
    axes = plots.overlay(image, values, colorbar=True).axes[0]
    np.testing.assert_allclose(pixel(axes, 3, 3), 0.5 * image[3, 3] + 0.25, atol=ROUNDING)
    np.testing.assert_allclose(pixel(axes, 7, 7), blend(image[7, 7], "viridis", 1.0, 0.5), atol=ROUNDING)
    assert scale_labels(axes) == ["0", "7"]


def test_scales_give_raw_values():
    rising = np.linspace(0.5, 2.0, 16)
    figure = plots.signal(np.zeros((2, 16)), [rising, rising - 1.7])
    assert [scale_labels(axes) for axes in figure.axes] == [["0.5", "2"], ["−1.2", "0", "1.2"]]
    assert all(not axes.child_axes for axes in plots.overlay(random_images(), np.zeros((2, 8, 8))).axes)


def test_one_sample_takes_one_title_and_titles_are_plain_text():
    axes = plots.overlay(random_images(1)[0], np.eye(8), titles="$5 and $6").axes[0]
    assert axes.get_title() == "$5 and $6"
    assert not axes.title.get_parse_math()


@pytest.mark.parametrize("colorbar", [False, True])
def test_long_titles_do_not_overlap(colorbar):
    titles = ["a rather long title about this picture", "AnUnbrokenClassNameThatIsFarTooLongForItsPicture"] * 4
    figure = plots.overlay(random_images(8), np.tile(np.eye(8), (8, 1, 1)), titles=titles, colorbar=colorbar)
    FigureCanvasAgg(figure).draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    assert not any(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[:index])
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_rows_and_columns():
    figure = plots.overlay(random_images(5), np.zeros((5, 8, 8)), columns=2)
    cells = [axes.get_subplotspec() for axes in figure.axes]
    assert [(cell.rowspan.start, cell.colspan.start) for cell in cells] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert figure.get_figwidth() == pytest.approx(plots.FIGURE_WIDTH)


def test_pictures_fill_their_figure():
    maps = np.random.default_rng(0).normal(size=(8, 12, 40))
    for colorbar in (False, True):
        figure = plots.overlay(random_images(8, 12, 40), maps, colorbar=colorbar)
        FigureCanvasAgg(figure).draw()
        used = figure.get_tightbbox()
        assert used.width > 0.95 * figure.get_figwidth() and used.height > 0.8 * figure.get_figheight()


def test_channels_are_told_apart():
    figure = plots.signal(np.random.default_rng(0).random((2, 20, 3)), np.ones((2, 20)))
    assert len({line.get_color() for line in figure.axes[0].lines}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["channel 0", "channel 1", "channel 2"]
    assert not plots.signal(np.zeros((2, 20)), np.ones((2, 20))).legends


def test_broken_signal_is_drawn():
    signals = np.linspace(0, 1, 20)[np.newaxis].copy()
    signals[0, 4] = np.nan
    figure = plots.signal(np.concatenate([signals, np.full((1, 20), np.nan)]), np.ones((2, 20)))
    FigureCanvasAgg(figure).draw()
    assert np.isnan(figure.axes[0].lines[0].get_ydata()[4])


# Refusals

IMAGES, MAPS, SIGNALS, STRIPS = np.ones((2, 8, 8, 3)), np.ones((2, 8, 8)), np.ones((2, 20, 3)), np.ones((2, 20))


@pytest.mark.parametrize(
    "draw, samples, maps, options, parts",
    [
        (plots.overlay, IMAGES, MAPS[:1], {}, ["`maps`", "(2, 8, 8)", "(1, 8, 8)", "one map for each sample"]),
        (plots.overlay, IMAGES, MAPS[:, :4, :4], {}, ["`maps`", "(2, 4, 4)", "`upsample=True`", "resize"]),
        (plots.overlay, IMAGES[0], MAPS[0, :4, :4], {}, ["(1, 8, 8)", "(4, 4)", "`upsample=True`"]),
        (plots.overlay, IMAGES, MAPS[0], {}, ["`maps`", "(2, 8, 8)", "(8, 8)"]),
        (plots.overlay, IMAGES, np.ones((2, 4, 8, 8)), {}, ["(2, 4, 8, 8)", "several targets"]),
        (plots.overlay, IMAGES, np.ones((2, 8, 8, 3, 4)), {}, ["(2, 8, 8, 3, 4)"]),
        (plots.overlay, IMAGES.transpose(0, 3, 1, 2), MAPS, {}, ["`images`", "(2, 3, 8, 8)", "channels last"]),
        (plots.overlay, np.ones(8), MAPS, {}, ["`images`", "(8,)", "(N, H, W, C)"]),
        (plots.overlay, IMAGES[:0], MAPS[:0], {}, ["`images`", "(0, 8, 8, 3)", "empty"]),
        (plots.overlay, [np.ones((8, 8, 3)), np.ones((9, 8, 3))], MAPS, {}, ["`images`", "one shape", "np.stack"]),
        (plots.overlay, IMAGES, None, {}, ["`maps`"]),
        (plots.overlay, "tile.png", MAPS, {}, ["`images`", "array of numbers", "str"]),
        (plots.overlay, IMAGES, MAPS, {"titles": ["a"]}, ["`titles`", "1 titles for 2 samples"]),
        (plots.overlay, IMAGES, MAPS, {"titles": "ab"}, ["`titles`", "1 titles for 2 samples"]),
        (plots.overlay, IMAGES, MAPS, {"alpha": 1.5}, ["`alpha`", "1.5"]),
        (plots.overlay, IMAGES, MAPS, {"alpha": np.nan}, ["`alpha`", "nan"]),
        (plots.overlay, IMAGES, MAPS, {"columns": 0}, ["`columns`", "columns=0"]),
        (plots.overlay, IMAGES, MAPS, {"columns": 2.5}, ["`columns`", "2.5"]),
        (plots.overlay, IMAGES, MAPS, {"colormap": "rainbows"}, ["rainbows"]),
        (plots.signal, SIGNALS, STRIPS[:1], {}, ["`maps`", "(2, 20)", "(1, 20)"]),
        (plots.signal, SIGNALS, STRIPS[:, :5], {}, ["`maps`", "(2, 5)", "`upsample=True`"]),
        (plots.signal, SIGNALS[0, :, 0], STRIPS[0, :5], {}, ["(1, 20)", "(5,)"]),
        (plots.signal, np.ones((2, 20, 3, 1)), STRIPS, {}, ["`signals`", "(2, 20, 3, 1)", "(N, T, C)"]),
        (plots.signal, np.ones((2, 1, 3)), np.ones((2, 1)), {}, ["`signals`", "T of at least 2"]),
        (plots.signal, 3.0, STRIPS, {}, ["`signals`", "()"]),
        (plots.signal, SIGNALS, [[1.0], [1.0, 2.0]], {}, ["`maps`", "one shape"]),
        (plots.signal, SIGNALS, STRIPS, {"titles": list("abc")}, ["`titles`", "3 titles for 2 samples"]),
        (plots.signal, SIGNALS, STRIPS, {"columns": -1}, ["`columns`", "-1"]),
    ],
)
def test_refusals_say_what_and_what_to_do(draw, samples, maps, options, parts):
    with pytest.raises(ValueError) as refusal:
        draw(samples, maps, **options)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


# Headless, and examples

HEADLESS = """
import sys, types
package = types.ModuleType("kerasxai")  # without its __init__, since keras itself imports pyplot
package.__path__ = [sys.argv[1]]
sys.modules["kerasxai"] = package
import numpy as np
from kerasxai import plots
assert "matplotlib" not in sys.modules, "matplotlib is imported before it is needed"
plots.overlay(np.ones((2, 8, 8, 3)), np.eye(8) * [[[1]], [[-1]]], colorbar=True).savefig(sys.argv[2])
plots.signal(np.ones((2, 20, 2)), np.ones((2, 20))).savefig(sys.argv[3])
assert not {"matplotlib.pyplot", "cv2", "tensorflow", "keras"} & set(sys.modules)
"""


def test_draws_without_display_and_without_pyplot(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    files = tmp_path / "overlay.png", tmp_path / "signal.pdf"
    command = [sys.executable, "-c", HEADLESS, str(Path(plots.__file__).parent), *map(str, files)]
    finished = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert files[0].read_bytes().startswith(b"\x89PNG") and files[1].read_bytes().startswith(b"%PDF")


def test_no_figure_is_registered():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    plots.overlay(random_images(), np.zeros((2, 8, 8)))
    plots.signal(np.zeros((2, 20)), np.zeros((2, 20)))
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize("function", [plots.overlay, plots.signal])
def test_docstring_example_runs(function, tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", inspect.getdoc(function), flags=re.DOTALL)
    file = tmp_path / "example.py"
    file.write_text(example)
    names = runpy.run_path(str(file))
    assert len(names["figure"].axes) == len(names["maps"])
