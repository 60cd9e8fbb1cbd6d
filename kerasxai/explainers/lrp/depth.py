"""Rules by depth, counted in linear layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kerasxai.explainers.lrp.rules import Rule, get_rule


class ByDepth:
    """Rules by depth: see `by_depth`."""

    def __init__(self, bounds: Iterable[tuple[float, str | dict[str, Any] | Rule]]) -> None:
        bounds = [(bound, get_rule(rule)) for bound, rule in bounds]
        values = [bound for bound, _ in bounds]
        fractions = all(isinstance(bound, float) and 0 < bound <= 1 for bound in values)
        indices = all(isinstance(bound, int) and not isinstance(bound, bool) and bound >= 0 for bound in values)
        if not bounds or not (fractions or indices) or sorted(set(values)) != values:
            raise ValueError(
                "`by_depth` takes (bound, rule) pairs whose bounds increase: fractions (floats, up to 1.0) or indices "
                f"(ints) of linear layers. Received: bounds {values!r}."
            )
        self.bounds = bounds

    def rule(self, index, count):
        """The rule of the linear layer `index` of `count`, None beyond the last bound."""
        for bound, rule in self.bounds:
            place = (index + 1) / count if isinstance(bound, float) else index
            # A layer at the very bound counts as within, whatever the division rounds to.
            if place <= bound + 1e-9:
                return rule
        return None

    def get_config(self):
        """The bounds and their rules as a dict of plain values, which `rules=` takes."""
        return {"by_depth": [[bound, rule.get_config()] for bound, rule in self.bounds]}


def by_depth(bounds: Iterable[tuple[float, str | dict[str, Any] | Rule]]) -> ByDepth:
    """Rules by depth, counted in linear layers (convolutions and Dense) from the input, bounds inclusive.

    Args:
        bounds: Pairs `(bound, rule)`; bounds are fractions of the number of linear layers (floats up to 1.0) or indices
            of them from 0 (ints).

    Example:

    ```python
    rules = kerasxai.lrp.by_depth([(0.5, kerasxai.lrp.Gamma()), (1.0, kerasxai.lrp.Zero())])
    ```
    """
    return ByDepth(bounds)
