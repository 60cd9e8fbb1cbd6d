"""Mappings that the literature has given names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasxai.explainers.lrp.depth import ByDepth, by_depth
from kerasxai.explainers.lrp.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, Zero, ZPlus
from kerasxai.graph.linear import CONVOLUTION, LINEAR
from kerasxai.suggestions import did_you_mean
from kerasxai.typing import Numbers


def preset(name: str, input_range: Sequence[Numbers] | None = None) -> dict[Any, Rule] | ByDepth:
    """The mapping of a preset: a dict key -> rule, first match wins.

    Args:
        name: One of `preset_names()`.
        input_range: Bounds `(low, high)` of the model's input, for the presets with a box rule.

    Raises:
        ValueError: No preset has this name.
    """
    if not isinstance(name, str) or name not in _PRESETS:
        raise ValueError(
            f"A preset must be one of {', '.join(_PRESETS)}. Received: {name!r}.{did_you_mean(name, _PRESETS)}"
        )
    return _PRESETS[name](input_range)


def preset_names() -> list[str]:
    """Names of all presets."""
    return list(_PRESETS)


def _composite(convolutions, first=None):
    """One rule for convolutions, Epsilon for Dense layers, perhaps another rule for first layers."""
    start = {} if first is None else {"first": first}
    return {**start, CONVOLUTION: convolutions, LINEAR: Epsilon()}


def _deep_taylor(input_range):
    # Montavon et al., 2017: the box where the input is bounded, w^2 where it may be any number.
    first = WSquare(bias="ignore") if input_range is None else _box(input_range)
    return {"first": first, LINEAR: ZPlus(bias="ignore")}


def _gamma_epsilon_zero(_):
    # Of VGG16's 16 layers: blocks 1-3, blocks 4-5, the classifier.
    return by_depth([(7 / 16, Gamma()), (13 / 16, Epsilon(0.25, relative=True)), (1.0, Zero())])


def _box(input_range):
    return ZBox(*(input_range or (None, None)))


_PRESETS = {
    "epsilon": lambda _: {LINEAR: Epsilon()},
    "epsilon_plus": lambda _: _composite(ZPlus()),
    "epsilon_plus_flat": lambda _: _composite(ZPlus(), Flat()),
    "epsilon_alpha2_beta1": lambda _: _composite(AlphaBeta(2, 1)),
    "epsilon_alpha2_beta1_flat": lambda _: _composite(AlphaBeta(2, 1), Flat()),
    "epsilon_gamma_box": lambda input_range: _composite(Gamma(), _box(input_range)),
    "alpha1_beta0": lambda _: {LINEAR: AlphaBeta(1, 0)},
    "alpha2_beta1": lambda _: {LINEAR: AlphaBeta(2, 1)},
    "deep_taylor": _deep_taylor,
    "excitation_backprop": lambda _: {LINEAR: ZPlus()},
    "gamma_epsilon_zero": _gamma_epsilon_zero,
}
