"""What each method must give, written from its definition in loops over the net."""

from benchmarks.model_kinds.truths import cams, gradients, perturbation, relevance  # noqa: F401
from benchmarks.model_kinds.truths.registry import TRUTHS

__all__ = ["TRUTHS"]
