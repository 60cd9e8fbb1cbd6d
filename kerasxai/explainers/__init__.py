"""Explainers: methods of explanation, each a class that is called on data."""

from kerasxai.explainers.base import Explainer
from kerasxai.explainers.blur_ig import BlurIG
from kerasxai.explainers.cam import (
    CAM,
    ActivationGradientCAM,
    ClassActivationMapping,
    GradCAM,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from kerasxai.explainers.deep_lift import DeepLift
from kerasxai.explainers.eigen_cam import EigenCAM, EigenGradCAM
from kerasxai.explainers.full_grad import FullGrad
from kerasxai.explainers.grad_cam_plus_plus import GradCAMPlusPlus, SmoothGradCAMPlusPlus
from kerasxai.explainers.gradient import Gradient, GradientExplainer, GradientXInput, Sensitivity
from kerasxai.explainers.gradient_free_cam import AblationCAM, ScoreCAM
from kerasxai.explainers.guided_grad_cam import GuidedGradCAM
from kerasxai.explainers.guided_ig import GuidedIG
from kerasxai.explainers.integrated_gradients import ExpectedGradients, IntegratedGradients
from kerasxai.explainers.kernel_shap import KernelSHAP
from kerasxai.explainers.lime import LIME
from kerasxai.explainers.lrp import LRP, BayesianLRP, RelevanceCAM
from kerasxai.explainers.noise import NoiseExplainer, NoisePercentiles, SmoothGrad, SmoothGradSquared, VarGrad
from kerasxai.explainers.occlusion import Occlusion
from kerasxai.explainers.perturbation import PerturbationExplainer
from kerasxai.explainers.rectified import DeconvNet, GuidedBackprop
from kerasxai.explainers.registry import build, from_config, get, names, register
from kerasxai.explainers.rise import RISE
from kerasxai.explainers.sise import SISE
from kerasxai.explainers.sp_lime import sp_lime
from kerasxai.explainers.surrogate import SurrogateExplainer
from kerasxai.explainers.xrai import XRAI

__all__ = [
    "CAM",
    "LIME",
    "LRP",
    "RISE",
    "SISE",
    "XRAI",
    "AblationCAM",
    "ActivationGradientCAM",
    "BayesianLRP",
    "BlurIG",
    "ClassActivationMapping",
    "DeconvNet",
    "DeepLift",
    "EigenCAM",
    "EigenGradCAM",
    "ExpectedGradients",
    "Explainer",
    "FullGrad",
    "GradCAM",
    "GradCAMPlusPlus",
    "Gradient",
    "GradientExplainer",
    "GradientXInput",
    "GuidedBackprop",
    "GuidedGradCAM",
    "GuidedIG",
    "HiResCAM",
    "IntegratedGradients",
    "KernelSHAP",
    "LayerCAM",
    "NoiseExplainer",
    "NoisePercentiles",
    "Occlusion",
    "PerturbationExplainer",
    "RelevanceCAM",
    "ScoreCAM",
    "Sensitivity",
    "SmoothGrad",
    "SmoothGradCAMPlusPlus",
    "SmoothGradSquared",
    "SurrogateExplainer",
    "VarGrad",
    "XGradCAM",
    "build",
    "from_config",
    "get",
    "names",
    "register",
    "sp_lime",
]


def __dir__():
    return __all__
