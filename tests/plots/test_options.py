"""Every option of the plots against values that are none: taken as meant, or refused by the option's name."""

import numpy as np
import pytest

from kerasxai import plots

IMAGES, MAPS = np.zeros((2, 8, 8, 3), "uint8"), np.ones((2, 8, 8))
SIGNALS, SIGNAL_MAPS = np.zeros((2, 20, 1)), np.ones((2, 20))
DRAWN = {
    "overlay": (lambda **option: plots.overlay(IMAGES, MAPS, **option), ["alpha", "columns", "colorbar", "signed"]),
    "grid": (lambda **option: plots.grid(IMAGES, {"grad_cam": MAPS}, **option), ["scale", "alpha", "signed"]),
    "top_classes": (lambda **option: plots.top_classes(IMAGES[0], MAPS, **option), ["reduce", "alpha", "signed"]),
    "signal": (lambda **option: plots.signal(SIGNALS, SIGNAL_MAPS, **option), ["columns", "signed"]),
    "prediction_bars": (lambda **option: plots.prediction_bars([[0.2, 0.8]], **option), ["top", "columns"]),
    "training": (lambda **option: plots.training({"loss": [1.0, 2.0]}, **option), ["columns", "every"]),
}
WRONG = {
    "word": "abc",
    "spelt False": "False",
    "NaN": float("nan"),
    "array": np.array([1.0, 2.0]),
    "negative": -1,
    "object": object(),
    "list": [1],
}


@pytest.mark.parametrize("label", WRONG)
@pytest.mark.parametrize(
    ("plot", "option"), [(plot, option) for plot, (_, options) in DRAWN.items() for option in options]
)
def test_refused_by_name(plot, option, label):
    draw, _ = DRAWN[plot]
    with pytest.raises((TypeError, ValueError), match=f"`{option}`") as raised:
        draw(**{option: WRONG[label]})
    assert "truth value" not in str(raised.value)


@pytest.mark.parametrize("flag", ["signed", "colorbar"])
def test_flags_take_numpy_booleans(flag):
    assert plots.overlay(IMAGES, MAPS, **{flag: np.bool_(True)}) is not None
