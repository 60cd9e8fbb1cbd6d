"""Explanations while a model trains: their quality as curves, their maps as pictures."""

from kerasxai.callbacks.base import ExplanationCallback
from kerasxai.callbacks.drift import ExplanationDrift
from kerasxai.callbacks.evaluate import Evaluate
from kerasxai.callbacks.heatmaps import Heatmaps
from kerasxai.callbacks.moments import Moment
from kerasxai.callbacks.single import AOPC, DeletionInsertion, DropIncrease

__all__ = [
    "AOPC",
    "DeletionInsertion",
    "DropIncrease",
    "Evaluate",
    "ExplanationCallback",
    "ExplanationDrift",
    "Heatmaps",
    "Moment",
]


def __dir__():
    return __all__
