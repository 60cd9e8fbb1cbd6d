"""Pictures of attributions and predictions; every function returns its Figure, which a notebook shows.
Matplotlib without pyplot: no display, no global figures. Maps are normalised here, for display only."""

from kerasxai.plots.grids import grid, top_classes
from kerasxai.plots.lines import curves, road_curves, robustness
from kerasxai.plots.matrices import similarity
from kerasxai.plots.metrics import comparison, training
from kerasxai.plots.overlays import overlay
from kerasxai.plots.predictions import prediction_bars
from kerasxai.plots.randomized import randomization
from kerasxai.plots.reports import classification_report
from kerasxai.plots.segments import segments
from kerasxai.plots.signals import signal

__all__ = [
    "classification_report",
    "comparison",
    "curves",
    "grid",
    "overlay",
    "prediction_bars",
    "randomization",
    "road_curves",
    "robustness",
    "segments",
    "signal",
    "similarity",
    "top_classes",
    "training",
]


def __dir__():
    return __all__
