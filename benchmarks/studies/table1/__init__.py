"""Two nets of a course project: how well they classify, and how far CAMs keep what they need."""

import functools

import numpy as np

import kerasxai
from benchmarks.studies.table1.nets import Net, nets_of
from benchmarks.studies.table1.telling import tell_claims, tell_nets, tell_rates
from benchmarks.study import Study

CAMS = (
    "grad_cam",
    "grad_cam_plus_plus",
    "ablation_cam",
    "smooth_grad_cam_plus_plus",
    "hires_cam",
    "xgrad_cam",
    "layer_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "score_cam",
    "relevance_cam",
)
WITHOUT_PROBABILITY = ("eigen_cam", "relevance_cam")  # need no score, or the logit
METRICS = ("drop_rate", "increase_rate")


def run(work, report, settings):
    nets = nets_of(settings)
    results, rates = {}, {}
    for name, net in work.each("net", nets.items()):
        model = work.model(f"nets/{name}", net.build)
        results[name] = work.numbers(f"classified/{name}", lambda: classified(model, net)[0])
        for score in work.each("score", ("logit", "probability")):
            for cam in work.each("cam", cams_of(score, settings)):
                compute = functools.partial(rates_of, model, net, cam, score)
                rates[name, score, cam] = work.numbers(f"rates/{name}/{score}/{cam}", compute)
        controls = work.numbers(f"rates/{name}/controls", lambda: rates_of_controls(model, net))
        for control, values in controls.items():
            rates[name, "none", control] = values
        _, figure = classified(model, net)
        tell_nets(report, name, net, results[name], figure)
    if settings.data is None:
        report.text("The project's own nets and the histology tiles are left out: give `--data DIR`.")
    tell_rates(report, nets, rates)
    tell_claims(report, results, rates)


def cams_of(score, settings):
    return [cam for cam in settings.cams if score == "logit" or cam not in WITHOUT_PROBABILITY]


def classified(model, net: Net):
    """Numbers and figure of the classification report, with explained successes and failures."""
    return kerasxai.plots.classification_report(model, net.x, net.y, net.class_names, verbose=0)


def rates_of(model, net, cam, score):
    """Dict metric -> value of each sample that is kept for the rates."""
    explainer = kerasxai.explainers.get(cam)(model, score=score, verbose=0)
    return measured(model, net, {cam: explainer}, False)[cam]


def rates_of_controls(model, net):
    every = measured(model, net, ["gradient"], True)
    return {row: values for row, values in every.items() if row != "gradient"}


def measured(model, net, explainers, controls):
    evaluator = kerasxai.evaluators.DropIncrease(fraction=net.fraction)
    x = net.x[net.rated]
    comparison = kerasxai.evaluate(model, x, explainers, [evaluator], controls=controls, verbose=0)
    return {row: {metric: np.asarray(comparison.values(row, metric)) for metric in METRICS} for row in comparison.rows}


STUDY = Study(
    title="Table I of a course project, extended",
    question="A net of MNIST-1D signals and one of histology tiles: how well do they classify, and does what a CAM "
    "marks suffice for the prediction? Drop rate: how far the probability falls where all but the marked share of the "
    "input is removed; increase rate: how often it rises. Every CAM, beside maps that know nothing of the net.",
    sources="The figures are those of the course project that the nets come from (Toronto, 2022), which trained other "
    "weights: its cells cannot be met, its claims can be tested. Its Ablation-CAM left a filter at zero for all later "
    "images, and one of its cells is not a multiple of 1/480.",
    run=run,
    full={
        "recipes": {
            "MNIST-1D, the project's recipe": {"optimizer": "sgd", "epochs": 200},
            "MNIST-1D, Adam": {"optimizer": "adam", "epochs": 60},
            "MNIST-1D, Nesterov": {"optimizer": "nesterov", "epochs": 100},
        },
        "tile_epochs": 8,
        "cams": list(CAMS),
        "signals": 100,
        "tiles": 120,
    },
    quick={
        "recipes": {"MNIST-1D, Adam": {"optimizer": "adam", "epochs": 3}},
        "tile_epochs": 0,
        "cams": ["grad_cam", "grad_cam_plus_plus", "ablation_cam"],
        "signals": 20,
        "tiles": 4,
    },
    takes=("data",),
)
