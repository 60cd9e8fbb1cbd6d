"""What holds for all pictures: inputs left alone, refusals, no display and no pyplot."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from kerasxai import plots
from tests.plots.rendering import (
    random_images,
)


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
        (plots.overlay, IMAGES, MAPS, {"titles": ["a"]}, ["`titles`", "one text for each sample, 2 in all", "1."]),
        (plots.overlay, IMAGES, MAPS, {"titles": "ab"}, ["`titles`", "one text for each sample, 2 in all", "1."]),
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
        (plots.signal, SIGNALS, STRIPS, {"titles": list("abc")}, ["`titles`", "2 in all", "3."]),
        (plots.signal, SIGNALS, STRIPS, {"columns": -1}, ["`columns`", "-1"]),
    ],
)
def test_refusals_say_what_and_what_to_do(draw, samples, maps, options, parts):
    with pytest.raises(ValueError) as refusal:
        draw(samples, maps, **options)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


# Headless

HEADLESS = """
import sys, types
package = types.ModuleType("kerasxai")  # without its __init__, since keras itself imports pyplot
package.__path__ = [sys.argv[1]]
sys.modules["kerasxai"] = package
import numpy as np
from kerasxai import plots
assert not {"matplotlib", "sklearn"} & set(sys.modules), "imported before they are needed"
plots.overlay(np.ones((2, 8, 8, 3)), np.eye(8) * [[[1]], [[-1]]], colorbar=True).savefig(sys.argv[2])
plots.signal(np.ones((2, 20, 2)), np.ones((2, 20))).savefig(sys.argv[3])
plots.top_classes(np.ones((8, 8, 3)), np.ones((2, 8, 8)), [0.2, 0.8]).savefig(sys.argv[2])
plots.prediction_bars([0.2, 0.8]).savefig(sys.argv[3])
assert not {"matplotlib.pyplot", "cv2", "tensorflow", "keras"} & set(sys.modules)
"""


def test_draws_without_display_and_without_pyplot(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    files = tmp_path / "overlay.png", tmp_path / "signal.pdf"
    command = [sys.executable, "-c", HEADLESS, str(Path(plots.__file__).parents[1]), *map(str, files)]
    finished = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert files[0].read_bytes().startswith(b"\x89PNG") and files[1].read_bytes().startswith(b"%PDF")


def test_no_figure_is_registered():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    plots.overlay(random_images(), np.zeros((2, 8, 8)))
    plots.signal(np.zeros((2, 20)), np.zeros((2, 20)))
    assert pyplot.get_fignums() == before
