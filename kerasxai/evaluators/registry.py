"""Names and classes of evaluators: "aopc" <-> AOPC, and config dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from kerasxai.options import shown
from kerasxai.registry import Registry
from kerasxai.typing import EvaluatorLike

if TYPE_CHECKING:
    from kerasxai.evaluators.base import Evaluator

T = TypeVar("T")

_REGISTRY = Registry("evaluator")
get = _REGISTRY.get
names = _REGISTRY.names
restored = _REGISTRY.restored


def register(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator that makes an evaluator known under a snake_case name.

    Example:

    ```python
    @kerasxai.evaluators.register("largest_value")
    class LargestValue(kerasxai.evaluators.Evaluator):
        directions = {"largest_value": None}

        def measure(self, case):
            return {"largest_value": case.heatmaps.reshape(len(case.heatmaps), -1).max(axis=1)}
    ```
    """
    return _REGISTRY.register(name)


def build(evaluator: EvaluatorLike) -> Evaluator:
    """An evaluator from a registry name, a config dict, a class or an instance."""
    if isinstance(evaluator, dict):
        if "evaluator" not in evaluator:
            raise ValueError(
                f'An evaluator\'s config is a dict with the key "evaluator". Received: {shown(evaluator)}.'
            )
        return get(evaluator["evaluator"]).from_config(evaluator)
    if isinstance(evaluator, (str, type)):
        return get(evaluator)()
    if hasattr(evaluator, "measure"):
        return evaluator
    raise TypeError(
        f"An evaluator is given as a name, a config dict, a class or an instance. Received: {shown(evaluator)}."
    )
