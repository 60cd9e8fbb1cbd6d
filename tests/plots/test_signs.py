"""What colours say of signs: 0 has one look, signed scales are symmetric, and a scale has its picture's colours."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import kerasxai
from kerasxai import plots
from kerasxai.plots.overlays import overlay_pixels
from tests.plots.rendering import ROUNDING, all_pixels, blend, pale_grey, random_images, scale_labels

IMAGE = random_images(1)[0]
RISING = np.linspace(0.0, 1.0, 64).reshape(8, 8)

# All that a map of a signed method may be, and where its values lie from -1 (the coldest colour) to 1 (the warmest).
SIGNED = {
    "all positive": (3 + RISING, (3 + RISING) / 4),
    "all negative": (-3 - RISING, (-3 - RISING) / 4),
    "both": (RISING - 0.25, (RISING - 0.25) / 0.75),
    "not negative": (RISING, RISING),
    "constant": (np.full((8, 8), 2.0), np.ones((8, 8))),
    "zero": (np.zeros((8, 8)), np.zeros((8, 8))),
    "huge": (1e308 * (RISING - 0.5), ((RISING - 0.5) * (1e308 / (np.finfo(float).max / 4))).clip(-1, 1)),
    "tiny": (1e-44 * (RISING - 0.5), 2 * (RISING - 0.5)),
}


def signed_colours(below, places, opacity):
    found = [
        [blend(one, "coolwarm", (1 + at) / 2, opacity * abs(at)) for one, at in zip(*row)] for row in zip(below, places)
    ]
    return np.array(found)


def unsigned_colours(below, places, opacity):
    return np.array([[blend(one, "viridis", at, opacity * at) for one, at in zip(*row)] for row in zip(below, places)])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", SIGNED)
def test_a_signed_map_is_centred_at_0_whatever_signs_occur(kind):
    values, places = SIGNED[kind]
    expected = signed_colours(pale_grey(IMAGE), places, 0.5)
    figure = plots.overlay(IMAGE, values, signed=True, colorbar=True)
    np.testing.assert_allclose(all_pixels(figure.axes[0]), expected, atol=2 * ROUNDING)
    np.testing.assert_allclose(overlay_pixels(IMAGE, values, signed=True)[0] / 255, expected, atol=2 * ROUNDING)
    norm = figure.axes[0].images[-1].norm
    assert norm.vmin == -norm.vmax


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [RISING, 3 + RISING, np.full((8, 8), 2.0), np.zeros((8, 8)), 1e308 * RISING])
def test_an_unsigned_map_begins_at_0_never_at_its_minimum(values):
    places = values / (min(values.max(), np.finfo(float).max / 4) or 1.0)
    expected = unsigned_colours(IMAGE, places.clip(0, 1), 0.5)
    figure = plots.overlay(IMAGE, values, colorbar=True)
    np.testing.assert_allclose(all_pixels(figure.axes[0]), expected, atol=2 * ROUNDING)
    assert figure.axes[0].images[-1].norm.vmin == 0


def test_maps_of_one_array_share_their_signs():
    maps = np.stack([RISING, RISING - 0.5, 0 * RISING])
    for draw, samples, values in (
        (plots.overlay, np.stack([IMAGE] * 3), maps),
        (plots.signal, np.zeros((3, 64, 1)), maps.reshape(3, 64)),
    ):
        norms = [axes.images[-1].norm for axes in draw(samples, values).axes]
        assert [norm.vmin == -norm.vmax for norm in norms] == [True] * 3
        norms = [axes.images[-1].norm for axes in draw(samples[:1], values[:1]).axes]
        assert norms[0].vmin == 0
        norms = [axes.images[-1].norm for axes in draw(samples[:1], values[:1], signed=True).axes]
        assert norms[0].vmin == -norms[0].vmax
    hidden = plots.overlay(np.stack([IMAGE] * 3), maps, signed=False).axes[1].images[-1].norm
    assert hidden.vmin == -0.5  # no negative value is ever hidden


@pytest.mark.filterwarnings("error")
def test_a_map_of_one_pixel():
    image = np.full((1, 1, 3), 0.25)
    for value, signed, expected in (
        (3.0, True, blend(pale_grey(image)[0, 0], "coolwarm", 1.0, 0.5)),
        (-3.0, None, blend(pale_grey(image)[0, 0], "coolwarm", 0.0, 0.5)),
        (3.0, None, blend(image[0, 0], "viridis", 1.0, 0.5)),
        (0.0, None, image[0, 0]),
        (np.nan, None, 0.5 * image[0, 0] + 0.25),
    ):
        figure = plots.overlay(image, np.full((1, 1), value), signed=signed, colorbar=True)
        np.testing.assert_allclose(all_pixels(figure.axes[0])[0, 0], expected, atol=ROUNDING)


# The scale


def bar_pixels(axes):
    """RGB of the rendered scale of some axes, (along, across, 3), its low end first, without its outline."""
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    rendered = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    box = axes.child_axes[0].get_window_extent()
    rows = slice(int(np.ceil(len(rendered) - box.y1)) + 2, int(len(rendered) - box.y0) - 2)
    found = rendered[rows, int(np.ceil(box.x0)) + 2 : int(box.x1) - 2]
    is_vertical = box.height > box.width
    return found[::-1] if is_vertical else found.swapaxes(0, 1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("alpha", [0.3, 0.8])
def test_the_scale_has_the_colours_that_its_value_has_on_the_picture(signed, alpha):
    # A picture of three shades in equal parts, so that dark, middle and bright each take a third of the scale.
    shades = np.array([[0.1, 0.0, 0.2], [0.7, 0.3, 0.5], [0.9, 1.0, 0.9]])
    image = np.tile(shades, (24, 8, 1))
    values = np.tile(np.linspace(-1.0 if signed else 0.0, 1.0, 24)[:, np.newaxis], (1, 24))
    axes = plots.overlay(image, values, alpha=alpha, colorbar=True, signed=signed).axes[0]
    bar, picture = bar_pixels(axes), all_pixels(axes)
    across = (np.array([1, 3, 5]) / 6 * bar.shape[1]).astype(int)
    for row in range(1, 23):
        place = round(row / 23 * (len(bar) + 3)) - 2  # two pixels of outline are left out at each end
        for column in range(3):
            np.testing.assert_allclose(bar[place, across[column]], picture[row, column], atol=0.03)


@pytest.mark.parametrize("scale", ["row", "column"])
def test_a_shared_scale_has_the_colours_of_its_pictures(scale):
    images = np.stack([np.full((8, 8, 3), 0.0), np.full((8, 8, 3), 1.0)])
    axes = np.reshape(plots.grid(images, {"a": np.stack([RISING] * 2)}, scale=scale).axes, (2, 2))
    shown = images if scale == "column" else images[1:]
    found = bar_pixels(axes[1, 1])[0]  # the low end, where the bare pictures show
    assert found.min() == pytest.approx(shown.min(), abs=0.05) and found.max() == pytest.approx(1.0, abs=0.05)


def test_the_scale_says_what_is_clipped_and_what_occurs():
    images, values = random_images(1, 40, 40), np.linspace(0.5, 1.0, 1600).reshape(40, 40)
    axes = plots.overlay(images[0], values, colorbar=True).axes[0]
    reach = np.percentile(values, 99.5, method="higher")
    assert axes.images[-1].norm.vmax == reach < 1.0
    assert scale_labels(axes) == ["0", "0.5", "≥1"]
    line = axes.child_axes[0].lines[0]
    np.testing.assert_allclose(line.get_ydata(), [0.5, reach])
    axes = plots.overlay(images[0], values - 1.6, colorbar=True).axes[0]
    assert scale_labels(axes) == ["≤−1.1", "−0.6", "0", "1.1"]
    maps = {"a": 1e-4 * (values - 0.75)[np.newaxis]}
    assert plots.grid(images, maps, scale="row").axes[1].child_axes


# Whose maps they are


def test_the_grid_asks_the_methods_of_its_columns():
    maps = np.stack([1 + RISING] * 2)
    images = np.stack([IMAGE] * 2)
    columns = {"grad_cam": maps, "occlusion": maps, "gradient": maps, "lrp": maps, "rise": maps, "mine": maps}
    axes = np.reshape(plots.grid(images, columns).axes, (2, 7))[:, 1:]
    is_signed = [[one.images[-1].norm.vmin < 0 for one in row] for row in axes]
    assert is_signed == [[False, True, False, True, False, False]] * 2  # gradients are drawn as magnitudes
    axes = np.reshape(plots.grid(images, columns, signed=True).axes, (2, 7))[:, 1:]
    assert all(one.images[-1].norm.vmin < 0 for one in axes.flat)
    assert all(one.images[-1].norm.vmin == -2 for one in plots.top_classes(IMAGE, maps, signed=True).axes[1:])


def test_class_and_instance_tell_whether_heatmaps_are_signed():
    from kerasxai.heatmap import is_signed

    assert is_signed(kerasxai.explainers.Occlusion) and is_signed(kerasxai.explainers.LRP)
    assert not is_signed(kerasxai.explainers.GradCAM) and not is_signed(kerasxai.explainers.Gradient)
