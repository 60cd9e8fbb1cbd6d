"""Evaluators: metrics of explanations, each an object that is called on a model, samples and maps."""

from kerasxai.evaluators.base import Case, Evaluator, Results, Summary
from kerasxai.evaluators.curves import AOPC, Deletion, Insertion, PerturbationCurve, PixelFlipping
from kerasxai.evaluators.drop_increase import DropIncrease
from kerasxai.evaluators.registry import build, get, names, register

__all__ = [
    "AOPC",
    "Case",
    "Deletion",
    "DropIncrease",
    "Evaluator",
    "Insertion",
    "PerturbationCurve",
    "PixelFlipping",
    "Results",
    "Summary",
    "build",
    "get",
    "names",
    "register",
]
