"""Do nets of one architecture explain themselves alike?"""

import kerasxai
from benchmarks.studies.architectures.nets import FAMILIES, images_of, net_of, whole_nets
from benchmarks.studies.architectures.telling import tell_areas, tell_claims, tell_counts, tell_method, tell_nets
from benchmarks.study import Study

METHODS = ("guided_backprop", "deconvnet", "grad_cam", "guided_grad_cam", "gradient")


def run(work, report, settings):
    names = whole_nets(settings.nets) if settings.weights else settings.nets
    facts, maps, areas = [], {method: {} for method in METHODS}, {}
    for name in work.each("net", names):
        model = work.model(f"nets/{name}", lambda: net_of(name, settings))
        x, accuracy = images_of(name, model, settings)
        right = work.numbers(f"accuracy/{name}", accuracy)
        facts.append({"net": name, "family": FAMILIES[name], "parameters": model.count_params(), "accuracy": right})
        for method in METHODS:
            stored = work.arrays(f"maps/{name}/{method}", lambda: {"maps": heatmaps(model, x, method)})
            maps[method][name] = stored["maps"]
        areas[name] = work.numbers(f"area/{name}", lambda: highlighted(model, x, maps["grad_cam"][name]))
    tell_nets(report, facts, settings)
    counts = {}
    for method in METHODS:
        tell_method(report, method, maps[method])
        counts[method] = tell_counts(report, method, maps[method])
    tell_areas(report, areas)
    tell_claims(report, counts, areas)


def heatmaps(model, x, method):
    """Maps of the classes predicted, one value for each position, channels reduced as the method declares."""
    explainer = kerasxai.explainers.get(method)(model, verbose=0)
    attributions = explainer(x)
    if attributions.ndim == x.ndim:
        attributions = kerasxai.to_heatmap(attributions, explainer.reduce)
    return attributions.astype("float32")


def highlighted(model, x, maps):
    """Share of each image that Grad-CAM highlights: positions above half of the map's maximum."""
    return kerasxai.evaluators.HighlightedArea()(model, x, maps)["highlighted_area"]


STUDY = Study(
    title="Do nets of one architecture explain themselves alike?",
    question="Fourteen nets of six architectures look at the same images. Their maps are compared pair by pair by "
    "SSIM, and the nets are clustered by it: do the members of a family come together, and does that survive other "
    "images?",
    sources="The claims are those of a project report on heat maps of ImageNet nets (NUS, 2019), with the number of "
    "its twelve images that support each. Nets here are narrowed and trained on digits, unless `--weights imagenet "
    "--images DIR` takes those nine that Keras Applications has weights of.",
    run=run,
    full={"nets": list(FAMILIES), "width": 0.125, "size": 80, "epochs": 10, "explained": 12},
    quick={"nets": ["AlexNet", "VGG-13", "SqueezeNet 1.0", "SqueezeNet 1.1"], "width": 0.0625}
    | {"size": 64, "epochs": 2, "explained": 3},
    takes=("weights", "images"),
)
