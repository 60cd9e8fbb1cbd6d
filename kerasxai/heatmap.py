"""The one place where the channels of an attribution become one value per position."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from kerasxai.options import check_one_of
from kerasxai.typing import Array

Reduction: TypeAlias = Literal["sum", "abs_sum", "abs_max", "norm"]
REDUCTIONS = {
    "sum": lambda values: values.sum(axis=-1),
    "abs_sum": lambda values: np.abs(values).sum(axis=-1),
    "abs_max": lambda values: np.abs(values).max(axis=-1),
    "norm": lambda values: np.sqrt(np.square(values).sum(axis=-1)),
}


def is_signed(explainer):
    """Whether the heatmaps of an explainer, or of an explainer class, may be negative: `reduce` as it declares."""
    return explainer.signed and explainer.reduce in (None, "sum")


def to_heatmap(attributions: Array, reduce: Reduction = "sum") -> np.ndarray:
    """Reduces attributions over their channels.

    Args:
        attributions: Array `(samples, *spatial, channels)`.
        reduce: `"sum"` (signed; for methods whose values add up to the score: gradient x input, integrated gradients,
            LRP), `"abs_sum"`, `"abs_max"` or `"norm"` (for raw gradients, whose sign ranks nothing). Every explainer
            class names its own in the attribute `reduce`.

    Returns:
        Array `(samples, *spatial)`.

    Raises:
        ValueError: `reduce` is unknown, or the array has no channel axis.

    Example:

    ```python
    kerasxai.to_heatmap(np.array([[[1.0, -3.0], [2.0, 2.0]]]), reduce="abs_sum")  # [[4., 4.]]
    ```
    """
    check_one_of("reduce", reduce, REDUCTIONS)
    attributions = np.asarray(attributions)
    if attributions.ndim < 3:
        raise ValueError(
            "`attributions` must have the shape (samples, *spatial, channels). "
            f"Received: {attributions.shape}. Maps without channels need no reduction."
        )
    return REDUCTIONS[reduce](attributions)
