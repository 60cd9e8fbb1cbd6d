"""AOPC over 15 steps: of explainers under one net, which it can compare, and of nets under one explainer."""

import numpy as np

import kerasxai
from benchmarks.studies.aopc.nets import cooled, nets
from benchmarks.studies.aopc.telling import tell_cooled, tell_methods, tell_nets
from benchmarks.study import Study

METHODS = {
    "LRP-epsilon": {"method": "lrp", "rules": "epsilon"},
    "gradient": {"method": "gradient"},
    "DeconvNet": {"method": "deconvnet"},
    "Guided Backprop": {"method": "guided_backprop"},
    "Grad-CAM": {"method": "grad_cam"},
    "Guided Grad-CAM": {"method": "guided_grad_cam"},
    "gradient x input": {"method": "gradient_x_input"},
    "integrated gradients": {"method": "integrated_gradients", "steps": 16},
    "SmoothGrad": {"method": "smooth_grad", "n_samples": 16},
}
FIXED = "LRP-epsilon"  # the explainer that nets are compared under
OF_IMAGENET = {"window": None, "batch_size": 32}  # None: 9 of 224, as in the paper
RESULTS = ("aopc", "abpc", "curve", "lerf_curve", "fraction")


def run(work, report, settings):
    judge, of_nets = Judge(settings), {}
    for net in nets(work, settings):
        found = work.numbers(f"under LRP-epsilon/{net.name}", lambda: judge.beside_random(net.model, net.x))
        of_nets[net.name] = {"correct": net.correct, **found}
    # `net` is now the last one.
    of_methods = {
        row: work.numbers(f"methods/{row}", lambda: judge.of(net.model, net.x, row))
        for row in work.each("method", METHODS)
    }
    of_methods |= work.numbers("methods/controls", lambda: judge.of_controls(net.model, net.x))
    of_temperatures = {}
    for temperature in work.each("temperature", settings.temperatures):
        of_temperatures[temperature] = work.numbers(
            f"temperatures/{temperature}", lambda: judge.beside_random(cooled(net.model, temperature), net.x)
        )
    tell_methods(report, of_methods, net.name, settings)
    tell_nets(report, of_nets)
    tell_cooled(report, of_temperatures, net.name)


class Judge:
    """Scores explainers of a net. Kept for all of them: the metric is traced once for each net."""

    def __init__(self, settings):
        self.random_maps = settings.random_maps
        size = {"window": settings.window, "batch_size": settings.batch_size}
        if settings.weights:
            size = OF_IMAGENET
        self.aopc = kerasxai.evaluators.AOPC(steps=settings.steps, n_samples=settings.draws, **size)

    def of(self, model, x, row):
        """Results of an explainer."""
        explainer = kerasxai.explainers.from_config({"verbose": 0, **METHODS[row]}, model)
        return self.results(model, x, explainer(x), explainer)

    def of_controls(self, model, x):
        """Dict control -> results of maps that know nothing of the net."""
        edges = kerasxai.evaluators.control_maps(x)["edges"]
        return {"random": self.of_random(model, x), "edges": self.results(model, x, edges)}

    def of_random(self, model, x):
        """Means over several random maps, another for each image."""
        maps = [kerasxai.evaluators.control_maps(x, seed)["random"] for seed in range(self.random_maps)]
        found = [self.results(model, x, values) for values in maps]
        return {name: np.mean([of[name] for of in found], axis=0) for name in RESULTS}

    def beside_random(self, model, x):
        """Results of LRP-epsilon, and the AOPC of random maps."""
        return {**self.of(model, x, FIXED), "random": self.of_random(model, x)["aopc"]}

    def results(self, model, x, maps, explainer=None):
        found = self.aopc(model, x, maps, explainer=explainer)
        return {name: found[name] for name in RESULTS}


STUDY = Study(
    title="AOPC: of explainers, and of nets",
    question="As regions of an image are replaced by noise, those that a map marks most first, the probability of the "
    "class falls. The area over that curve (AOPC) ranks explainers under one net. The source also ranks nets by it, "
    "under one explainer, and doubts that this can be done. Can it? How much of that ranking is there for any map, and "
    "how much of it is the nets' confidence?",
    sources="An evaluation of the explainability of CNN architectures by heat maps (NUS, 2019), section 4.3: Inception "
    "V3 and 100 images of ImageNet, 15 steps. AOPC: [Samek et al., 2017](https://doi.org/10.1109/TNNLS.2016.2599820).",
    run=run,
    full={
        "nets": [[2, 8, 12], [2, 16, 25], [3, 4, 25], [3, 8, 12], [3, 8, 25], [3, 16, 25]],  # blocks, width, epochs
        "seeds": 3,
        "explained": 128,
        "window": 4,
        "steps": 15,
        "draws": 2,
        "random_maps": 4,
        "temperatures": [0.5, 1.0, 2.0, 4.0],
        "batch_size": 128,
    },
    quick={
        "nets": [[2, 4, 2], [3, 4, 2], [3, 8, 4]],
        "seeds": 1,
        "explained": 16,
        "window": 4,
        "steps": 15,
        "draws": 1,
        "random_maps": 2,
        "temperatures": [0.5, 2.0],
        "batch_size": 128,
    },
    takes=("weights", "images"),
)
