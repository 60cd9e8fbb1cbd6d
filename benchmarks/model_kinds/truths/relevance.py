"""LRP: LRP-0 as gradient x input of the net with its gates and slopes held, and conservation by the ledger."""

import numpy as np
import tensorflow as tf

import kerasxai
from benchmarks.model_kinds.truths.gradients import each, gradients, noisy_gradients
from benchmarks.model_kinds.truths.registry import listed, per_sample, truth
from benchmarks.model_kinds.walk import LRPZero

_DRAWS = 3


@truth("lrp")
def lrp(kind, explainer, found):
    """The default rules conserve, up to what the ledger accounts for; the rule epsilon is LRP-0."""
    ledger = explainer.ledger(kind.given, kind.target)
    assert ledger.residual.max() < max(1e-4, kind.tolerance), f"ledger open by {ledger.residual.max():.1e}"
    lost = sum(ledger.values[name] for name in ("bias", "stabiliser", "padding", "dead")).sum(axis=1)
    scores = started(kind)
    size = np.asarray(ledger.values["size"]).max()
    yield "sum + ledger = S(x)", sum(per_sample(one) for one in found) + lost, scores, size
    if "lrp" in kind.twins and kind.value is None:
        maps = listed(
            kind, kerasxai.explainers.LRP(kind.model, rules=kerasxai.lrp.Epsilon(1e-9))(kind.given, kind.target)
        )
        slopes = gradients(kind, kind.x, LRPZero)
        yield from each("epsilon = gradient x input of the twin", maps, [g * x for g, x in zip(slopes, kind.x)])


def lrp_zero(kind):
    """LRP with a stabiliser so small that it is LRP-0."""
    explainer = kerasxai.explainers.LRP(kind.model, rules=kerasxai.lrp.Epsilon(1e-9))
    return listed(kind, explainer(kind.given, kind.target))


def started(kind):
    """What the walk starts with: the score; of a function of the outputs, the sum of slope x output."""
    if kind.value is None:
        return np.asarray(kind.logit(kind.tensors()), np.float64)
    outputs = kind.outputs(kind.tensors())
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        values = kind.value(outputs)
    return per_sample(tape.gradient(values, outputs) * outputs)


@truth("b_lrp", rules=kerasxai.lrp.Epsilon(1e-9), n_samples=_DRAWS, percentiles=(10, 75))
def b_lrp(kind, explainer, found):
    if "lrp" in kind.twins and not explainer._dropouts:
        draws = noisy_gradients(kind, LRPZero, times_input=True)
        expected = [np.moveaxis(np.percentile(one, (10, 75), axis=0), 0, 1) for one in draws]
        yield from each("percentiles of the twin over draws", found, expected)
        return
    still = kerasxai.explainers.BayesianLRP(kind.model, rules=kerasxai.lrp.Epsilon(1e-9), n_samples=2, noise_level=0.0)
    if not explainer._dropouts:
        maps = listed(
            kind, kerasxai.explainers.LRP(kind.model, rules=kerasxai.lrp.Epsilon(1e-9))(kind.given, kind.target)
        )
        for one, other in zip(listed(kind, still(kind.given, kind.target)), maps):
            yield "without noise = LRP", one[:, 0], other
    else:
        for one in found:
            yield "percentiles in order", np.sort(one, axis=1), one
