"""The explainers and metrics that are compared."""

import kerasxai

METHODS = {
    "cam": {},
    "grad_cam": {},
    "grad_cam_plus_plus": {},
    "smooth_grad_cam_plus_plus": {"n_samples": 20},
    "hires_cam": {},
    "xgrad_cam": {},
    "layer_cam": {},
    "eigen_cam": {},
    "eigen_grad_cam": {},
    "score_cam": {},
    "ablation_cam": {},
    "relevance_cam": {},
    "full_grad": {},
    "gradient": {},
    "gradient_x_input": {},
    "integrated_gradients": {},
    "expected_gradients": {},
    "blur_ig": {},
    "guided_ig": {},
    "xrai": {},
    "smooth_grad": {},
    "smooth_grad_squared": {},
    "var_grad": {},
    "guided_backprop": {},
    "deconvnet": {},
    "guided_grad_cam": {},
    "deep_lift": {},
    "lrp, epsilon": {"method": "lrp", "rules": "epsilon"},
    "lrp, epsilon_plus": {"method": "lrp", "rules": "epsilon_plus"},
    "lrp, epsilon_gamma_box": {"method": "lrp", "rules": "epsilon_gamma_box"},
    "lrp, alpha1_beta0": {"method": "lrp", "rules": "alpha1_beta0"},
    "lrp, alpha2_beta1": {"method": "lrp", "rules": "alpha2_beta1"},
    "lrp, deep_taylor": {"method": "lrp", "rules": "deep_taylor"},
    "occlusion": {},
    "rise": {"n_masks": 1000},
    "sise": {},
    "lime": {},
    "lime, windows": {"method": "lime", "segmentation": 8},
    "kernel_shap": {},
    "kernel_shap, windows": {"method": "kernel_shap", "segmentation": 8},
}
CONTROLS = ("random", "smooth_random", "centre", "edges")
LOCALIZATION = {
    "relevance_mass": "mass",
    "relevance_rank": "rank",
    "pointing_game": "pointing",
    "localization_roc_auc": "AUC",
    "localization_average_precision": "AP",
}  # metric -> head of its column
FAITHFULNESS = {
    "deletion": False,
    "insertion": True,
    "aopc_above_random": True,
    "abpc": True,
    "road": True,
    "drop_rate": False,
    "increase_rate": True,
}  # metric -> whether higher is better

BACKGROUND = 100  # training samples that expected gradients draws from
EXAMPLES = 2  # samples of a task that are drawn
DRAWN = ("grad_cam", "gradient", "integrated_gradients", "guided_backprop", "lrp, epsilon_plus", "rise")


def explainer_of(row, model, background):
    config = {"method": row, "verbose": 0, **METHODS[row]}
    if row == "expected_gradients":
        config["background"] = background
    if config.get("rules") == "epsilon_gamma_box":
        config["input_range"] = (float(background.min()), float(background.max()))
    return kerasxai.explainers.from_config(config, model)


def reduction(row):
    return kerasxai.explainers.get(METHODS[row].get("method", row)).reduce
