"""How measures of nets go together, over draws of images and of nets: correlations, and shares of a variance."""

import numpy as np

from benchmarks.study.ranks import interval, spearman

MEASURES = ("accuracy", "confidence", "AOPC", "AOPC of a random order", "AOPC above random")


def correlations(drawn):
    """Dict pair of measures -> `Interval` of their rank correlation, over draws of images and of nets."""
    drawn = with_drawn_nets(drawn)
    accuracy, confidence, aopc, random, above = (drawn[measure] for measure in MEASURES)
    pairs = {
        ("accuracy", "AOPC"): spearman(accuracy, aopc),
        ("confidence", "AOPC"): spearman(confidence, aopc),
        ("AOPC of a random order", "AOPC"): spearman(random, aopc),
        ("accuracy", "AOPC above random"): spearman(accuracy, above),
        ("confidence", "AOPC above random"): spearman(confidence, above),
        ("AOPC", "AOPC above random"): spearman(aopc, above),
        ("accuracy, random order held", "AOPC"): partial(
            spearman(accuracy, aopc), spearman(accuracy, random), spearman(random, aopc)
        ),
    }
    return {pair: interval(values) for pair, values in pairs.items()}


def shares_of(drawn):
    """Dict what is known of the nets -> `Interval` of the share of the variance of AOPC that it explains."""
    confidence, random, aopc = (drawn[name] for name in ("confidence", "AOPC of a random order", "AOPC"))
    found = {
        "the confidence": share(confidence, aopc),
        "the AOPC of a random order": share(random, aopc),
        "both": share_of_two(confidence, random, aopc),
        "the accuracy": share(drawn["accuracy"], aopc),
    }
    return {name: interval(values) for name, values in found.items()}


def with_drawn_nets(drawn):
    """Every draw of images with a draw of nets; all nets in the first."""
    draws, nets = next(iter(drawn.values())).shape
    chosen = np.random.default_rng(2).integers(nets, size=(draws, nets))
    chosen[0] = np.arange(nets)
    return {measure: np.take_along_axis(values, chosen, axis=1) for measure, values in drawn.items()}


def partial(correlation, with_first, with_second):
    """Correlation of two rows with a third one held, from the correlations of all three."""
    scale = np.sqrt((1 - with_first**2) * (1 - with_second**2))
    left = correlation - with_first * with_second
    return np.divide(left, scale, out=np.full_like(left, np.nan), where=scale > 1e-9)


def share(known, explained):
    """Share of the variance over nets that a straight line explains, of every draw."""
    return share_of_two(known, known, explained)


def share_of_two(first, second, explained):
    """Share of the variance over nets that a plane explains, of every draw."""
    drawn = with_drawn_nets({"first": first, "second": second, "explained": explained})
    known = np.stack([drawn["first"], drawn["second"], np.ones_like(drawn["first"])], axis=-1)  # (draws, nets, 3)
    fitted = (known @ (np.linalg.pinv(known) @ drawn["explained"][..., np.newaxis]))[..., 0]
    spread = drawn["explained"].var(axis=1)
    left = (drawn["explained"] - fitted).var(axis=1)
    return np.divide(spread - left, spread, out=np.full_like(spread, np.nan), where=spread > 0)
