"""What the study tells: matrices and trees of the nets, and what single images say."""

import numpy as np

import kerasxai
from benchmarks.studies.architectures.nets import FAMILIES
from benchmarks.study import Interval
from benchmarks.study.verdicts import of_all

DISTANCES = {"one_minus": "1 - SSIM", "square_root": "sqrt(1 - SSIM)"}
# Method -> claims of the report: what is counted, in which families, in how many of its twelve images.
CLAIMS = {
    "guided_backprop": [("apart", ("Inception",), 11), ("apart", ("AlexNet",), 6)],
    "deconvnet": [("no clusters", (), 11)],
    "grad_cam": [("together", ("Inception", "ResNet", "DenseNet"), 9), ("apart", ("AlexNet",), 8)],
    "guided_grad_cam": [
        ("together", ("ResNet", "DenseNet", "VGG"), 8),
        ("apart", ("Inception",), 9),
        ("apart", ("AlexNet",), 12),
    ],
    "gradient": [("no clusters", (), None)],
}
REPORTED = 12  # images of the report


def tell_nets(report, facts, settings):
    report.section("The nets")
    kind = "whole, with the weights of ImageNet" if settings.weights else f"with {settings.width:g} of their channels"
    report.table("nets", facts, f"The nets, {kind}, and their accuracy on test digits.")


def tell_method(report, method, maps):
    """The matrix and both trees of a method, and how stable each cluster is."""
    report.section(method)
    maps, missing = with_maps(maps)
    if missing:
        report.text(f"Left out, since every map of theirs is zero: {', '.join(missing)}.")
    if len(maps) < 3:
        report.text("Too few nets are left for a tree.")
        return
    matrix = kerasxai.evaluators.similarity_matrix(maps)
    figure = kerasxai.plots.similarity(matrix, labels=maps)
    caption = f"Mean SSIM of {method} maps over all images, and the tree of 1 - SSIM (Ward)."
    report.figure(f"matrix_{method}", figure, caption)
    rows, names = [], list(maps)
    for distance, label in DISTANCES.items():
        clusters = kerasxai.evaluators.architecture_clusters(matrix, distance)
        stability = kerasxai.evaluators.cluster_stability(maps, distance)
        for height, group, share in zip(clusters.linkage[:, 2], clusters.groups, stability):
            members = ", ".join(names[member] for member in sorted(group))
            if len(group) < len(names):
                rows.append({"distance": label, "height": float(height), "nets": members, "stability": float(share)})
        correlation = clusters.cophenetic_correlation
        report.text(f"Cophenetic correlation of the tree of {label}: {correlation:.3f}.")
    report.table(
        f"clusters_{method}",
        rows,
        "Merges of the tree, the height of each, and in what share of 200 bootstrap draws of the images the same nets "
        "come together.",
    )


def with_maps(maps):
    """The nets that have maps, and the names of those that have none."""
    missing = [name for name, of_net in maps.items() if not of_net.any()]
    return {name: of_net for name, of_net in maps.items() if name not in missing}, missing


def tell_counts(report, method, maps):
    """What the tree of each image by itself shows; returns the trees."""
    maps, _ = with_maps(maps)
    if len(maps) < 3:
        return []
    names = list(maps)
    families = [FAMILIES[name] for name in names]
    trees, rows = [], []
    for index in range(len(next(iter(maps.values())))):
        matrix = kerasxai.evaluators.similarity_matrix([of_net[index : index + 1] for of_net in maps.values()])
        if not np.isfinite(matrix).all():
            rows.append({"image": index, "first merge": "a net has no map", "apart": "", "clusters": ""})
            continue
        tree = kerasxai.evaluators.architecture_clusters(matrix)
        trees.append(Tree(tree, families))
        first = ", ".join(names[member] for member in sorted(tree.groups[0]))
        apart = ", ".join(family for family in dict.fromkeys(families) if trees[-1].stands_apart(family))
        clusters = "yes" if tree.has_clusters else "no"
        rows.append({"image": index, "first merge": first, "apart": apart or "none", "clusters": clusters})
    report.table(
        f"images_{method}",
        rows,
        "Each image by itself: the nets that merge first; the families whose nets alone make one of the last two "
        "clusters; whether there are clusters at all (the first merge lies at or below half of the last one).",
    )
    return trees


class Tree:
    """The tree of one image, asked about families."""

    def __init__(self, clusters, families):
        self.has_clusters = clusters.has_clusters
        self.families = families
        everything = frozenset(range(len(families)))
        self.groups = [frozenset([net]) for net in everything] + clusters.groups
        self.last_two = [group for group in self.groups if everything - group in self.groups]

    def members(self, families):
        return frozenset(net for net, family in enumerate(self.families) if family in families)

    def stands_apart(self, family):
        """Whether one of the last two clusters is this family's nets and no other."""
        return self.members([family]) in self.last_two

    def holds_together(self, families):
        """Whether these families' nets, and no other, are a cluster."""
        return self.members(families) in self.groups


def tell_areas(report, areas):
    report.section("How much Grad-CAM highlights")
    rows = [{"net": name, "family": FAMILIES[name], "area": Interval.of(values)} for name, values in areas.items()]
    report.table("areas", rows, "Share of the image above half of the map's maximum, mean over images.")


def tell_claims(report, counts, areas):
    for method, claims in CLAIMS.items():
        trees = counts[method]
        if trees:
            present = set(trees[0].families)
            for kind, families, reported in claims:
                if set(families) <= present:
                    report.claim(*claim_of(method, kind, families, reported, trees))
    of_family = {}
    for name, values in areas.items():
        of_family.setdefault(FAMILIES[name] == "SqueezeNet", []).append(np.asarray(values, float))
    if len(of_family) == 2:
        squeezed, others = (np.mean(of_family[key], axis=0) for key in (True, False))
        gap = Interval.of(others - squeezed)
        report.claim(
            "SqueezeNet's Grad-CAM highlights much smaller areas.",
            "pictures",
            f"area of the other nets less that of SqueezeNet: {gap}",
            of_all([gap]),
        )


def claim_of(method, kind, families, reported, trees):
    """Arguments of `Report.claim`; held where most images say so, as in the report."""
    if kind == "apart":
        words, holds = f"{families[0]} stands apart", [tree.stands_apart(families[0]) for tree in trees]
    elif kind == "together":
        words, holds = f"{', '.join(families)} cluster", [tree.holds_together(families) for tree in trees]
    else:
        words, holds = "no clusters", [not tree.has_clusters for tree in trees]
    source = "no pattern" if reported is None else f"{reported} of {REPORTED} images"
    held = "yes" if np.mean(holds) > 0.5 else "no"
    return f"{method}: {words}.", source, f"{sum(holds)} of {len(holds)} images", held
