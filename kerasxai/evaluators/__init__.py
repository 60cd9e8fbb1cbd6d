"""Evaluators: metrics of explanations, each an object that is called on a model, samples and maps."""

from kerasxai.evaluators.base import Case, Evaluator, Results, Summary
from kerasxai.evaluators.complexity import Complexity, CompressedSize, HighlightedArea, HistogramEntropy, Sparseness
from kerasxai.evaluators.controls import control_maps
from kerasxai.evaluators.convergence import CosineSimilarityConvergence
from kerasxai.evaluators.curves import AOPC, Deletion, Insertion, PerturbationCurve, PixelFlipping
from kerasxai.evaluators.drop_increase import AverageDrop, DropIncrease
from kerasxai.evaluators.localization import (
    IntersectionOverUnion,
    LocalizationAveragePrecision,
    LocalizationROCAUC,
    PointingGame,
    RelevanceMass,
    RelevanceRank,
    masks_of_boxes,
)
from kerasxai.evaluators.registry import build, get, names, register
from kerasxai.evaluators.road import ROAD
from kerasxai.evaluators.robustness import (
    Infidelity,
    LocalLipschitz,
    MaxSensitivity,
    NoiseRobustness,
    Robustness,
    RotationRobustness,
)
from kerasxai.evaluators.sanity import EfficientRandomization, LabelRandomization, Randomization, RandomLogit
from kerasxai.evaluators.shift_invariance import InputShiftInvariance
from kerasxai.evaluators.similarity import (
    Clusters,
    architecture_clusters,
    cluster_stability,
    similarities,
    similarity_matrix,
)

__all__ = [
    "AOPC",
    "ROAD",
    "AverageDrop",
    "Case",
    "Clusters",
    "Complexity",
    "CompressedSize",
    "CosineSimilarityConvergence",
    "Deletion",
    "DropIncrease",
    "EfficientRandomization",
    "Evaluator",
    "HighlightedArea",
    "HistogramEntropy",
    "Infidelity",
    "InputShiftInvariance",
    "Insertion",
    "IntersectionOverUnion",
    "LabelRandomization",
    "LocalLipschitz",
    "LocalizationAveragePrecision",
    "LocalizationROCAUC",
    "MaxSensitivity",
    "NoiseRobustness",
    "PerturbationCurve",
    "PixelFlipping",
    "PointingGame",
    "RandomLogit",
    "Randomization",
    "RelevanceMass",
    "RelevanceRank",
    "Results",
    "Robustness",
    "RotationRobustness",
    "Sparseness",
    "Summary",
    "architecture_clusters",
    "build",
    "cluster_stability",
    "control_maps",
    "get",
    "masks_of_boxes",
    "names",
    "register",
    "similarities",
    "similarity_matrix",
]


def __dir__():
    return __all__
