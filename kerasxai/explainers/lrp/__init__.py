"""Layer-wise Relevance Propagation: rules, the mapping of layers to them, and the walk; also `kerasxai.lrp`."""

from kerasxai.explainers.lrp.bayesian import BayesianLRP
from kerasxai.explainers.lrp.cam import RelevanceCAM
from kerasxai.explainers.lrp.depth import by_depth
from kerasxai.explainers.lrp.explainer import LRP
from kerasxai.explainers.lrp.ledger import Ledger
from kerasxai.explainers.lrp.presets import preset, preset_names
from kerasxai.explainers.lrp.rules import (
    AbsZ,
    AlphaBeta,
    Epsilon,
    Flat,
    Gamma,
    Pass,
    Rule,
    Term,
    WSquare,
    ZBox,
    Zero,
    ZPlus,
    get_rule,
    negative,
    positive,
    register,
    rule_names,
)
from kerasxai.explainers.lrp.treatments import Call, Gate, Treatment
from kerasxai.graph.linear import CONVOLUTION, LINEAR

__all__ = [
    "CONVOLUTION",
    "LINEAR",
    "LRP",
    "AbsZ",
    "AlphaBeta",
    "BayesianLRP",
    "Call",
    "Epsilon",
    "Flat",
    "Gamma",
    "Gate",
    "Ledger",
    "Pass",
    "RelevanceCAM",
    "Rule",
    "Term",
    "Treatment",
    "WSquare",
    "ZBox",
    "ZPlus",
    "Zero",
    "by_depth",
    "get_rule",
    "negative",
    "positive",
    "preset",
    "preset_names",
    "register",
    "rule_names",
]


def __dir__():
    return __all__
