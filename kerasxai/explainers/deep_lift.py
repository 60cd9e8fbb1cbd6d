"""DeepLIFT: differences to a baseline handed back node by node as multipliers."""

import functools
import warnings

import numpy as np
import tensorflow as tf

from kerasxai.explainers.gradient import in_type_of, is_real, like_outputs, real_inputs, zeros_of
from kerasxai.explainers.integrated_gradients import BaselineExplainer
from kerasxai.explainers.registry import register
from kerasxai.explainers.streaming import accumulate
from kerasxai.graph.forward import Forward
from kerasxai.graph.linear import before_activation, is_affine
from kerasxai.graph.operations import is_elementwise, is_linear, what_does
from kerasxai.precision import as_float
from kerasxai.targets import resolve, select

# A smaller difference says nothing of a slope.
_NO_DIFFERENCE = 1e-10

# What the sum may miss of the change of the score before the user is told.
_TOLERATED = 0.01

_EXTREMES = {"maximum": tf.maximum, "minimum": tf.minimum}

# Points between baseline and sample over which the slope of an operation without a rule of its own is averaged.
_POINTS = 32


@register("deep_lift")
class DeepLift(BaselineExplainer):
    """DeepLIFT with the Rescale rule: what of `S(x) - S(baseline)` each input value accounts for.

    Signed `(samples, *input_shape)`, from one forward pass of the sample, one of the baseline and one backward walk.
    A nonlinearity hands back the ratio of the differences at its output and its input; the maximum of a pooling window
    what sample and baseline each contribute to it; a product the mean of both operands. Any other operation
    hands back its slope averaged between baseline and sample, exact to the quadrature.

    Args:
        model: A built Sequential or functional Keras model; never changed.
        baseline: See `BaselineExplainer`.
        **kwargs: `score`, `batch_size`, `verbose`, see `Explainer`.

    Reference:
        Shrikumar et al., 2017, https://arxiv.org/abs/1704.02685

    Example:

    ```python
    explainer = kerasxai.explainers.DeepLift(model, baseline=0.0)
    maps = explainer(images)
    residual = explainer.completeness_residual(images, maps)  # (samples,), near 0
    ```
    """

    passes = "2 F + B"
    needs_graph = True

    def explain_batch(self, inputs, target):
        real_inputs(self, inputs)
        here = Forward(self.graph, inputs, self.scorer.overrides(target))
        if here.is_wider:
            target = self.resolve_target(inputs, target)  # the class the model itself predicts, rounding included
        target = resolve(self.scorer, self.scorer.of_outputs(here.wide(self.graph.outputs), target), target)
        baselines = self.baselines(inputs)
        totals, change = [zeros_of(x) for x in inputs], 0.0
        for baseline in baselines:
            there = Forward(self.graph, baseline, self.scorer.overrides(target))
            multipliers = self._walk(here, there, target)
            totals = [
                total + _product(multipliers.get(tensor), x, start) / len(baselines)
                for total, tensor, x, start in zip(totals, self.graph.inputs, inputs, baseline)
            ]
            (score,) = self._scores(target, here.wide(self.graph.outputs))
            (start_score,) = self._scores(target, there.wide(self.graph.outputs))
            change += (score - start_score) / len(baselines)
        return totals, _share_missed(totals, change)

    def finish(self, arrays, structure):
        totals, missed = arrays
        bad = int((missed > _TOLERATED).sum())
        if bad:
            warnings.warn(
                f"{bad} of {missed.size} {self.name} maps miss up to {100 * missed.max():.0f} % of S(x) - S(baseline), "
                "which they should sum to: an operation without a rule of its own changes too abruptly on the way from "
                "the baseline. Another `baseline` may do; `completeness_residual` tells what is missing of each.",
                stacklevel=3,
            )
        return super().finish(totals, structure)

    def _walk(self, here, there, target):
        """Multipliers of every tensor: a dict tensor index -> tensor like it."""
        outputs = self.graph.outputs
        scores = functools.partial(self._scores, target)
        start = _mean_slope(scores, there.wide(outputs), here.wide(outputs), None, _POINTS)
        multipliers = dict(zip(outputs, start))
        if target.function is None:
            multipliers = {outputs[target.output]: start[target.output]}
        for node in reversed(self.graph.nodes):
            after = [multipliers.get(tensor) for tensor in node.outputs]
            if all(multiplier is None for multiplier in after):
                continue
            before = self._through(node, after, here, there, target)
            # A tensor that is an input twice gets the slope of both at once, so it must be counted once.
            for tensor, multiplier in dict(zip(node.inputs, before)).items():
                if multipliers.get(tensor) is None:
                    multipliers[tensor] = multiplier
                elif multiplier is not None:
                    multipliers[tensor] += multiplier
        return multipliers

    def _scores(self, target, raw):
        return [select(self.scorer, self.scorer.of_outputs(raw, target), target)]

    def _through(self, node, multipliers, here, there, target):
        xs, starts = here.wide(node.inputs), there.wide(node.inputs)
        logits = self.scorer.overrides(target).get(node)
        run = functools.partial(self.graph.call, node, call=logits)
        if node in self.scorer.left_out(target):
            return _slope(run, xs, multipliers)
        if logits is not None:
            return _mean_slope(run, starts, xs, multipliers, _POINTS)
        if node in here.before:
            before = (as_float(there.before[node]), as_float(here.before[node]))
            after = (*there.wide(node.outputs), *here.wide(node.outputs))
            multipliers = _through_function(node.operation.activation, *before, *after, multipliers)
            run = functools.partial(self.graph.call, node, call=before_activation(node.operation))
            return _slope(run, xs, multipliers)
        if is_linear(node.operation) or is_affine(node.operation):
            return _slope(run, xs, multipliers)
        if is_elementwise(node.operation) and len(xs) == 1:
            return [multipliers[0] * _ratio(run, starts[0], xs[0], *there.wide(node.outputs), *here.wide(node.outputs))]
        does = what_does(node.operation).does
        if does in _EXTREMES:
            made = (*there.wide(node.outputs), *here.wide(node.outputs))
            return _through_extreme(_EXTREMES[does], run, starts, xs, *made, multipliers)
        # n points are exact for slopes of degree 2 n - 1 along the line; those of a product are one less than operands.
        points = (len(xs) + 1) // 2 if does == "product" else _POINTS
        return _mean_slope(run, starts, xs, multipliers, points)


def _share_missed(attributions, change):
    """What the attributions of each sample lack of the change of its score, as a share of it `(batch,)`."""
    flat = [tf.reshape(values, [tf.shape(values)[0], -1]) for values in attributions]
    summed = sum(tf.cast(tf.reduce_sum(rows, axis=1), change.dtype) for rows in flat)
    size = sum(tf.cast(tf.reduce_sum(tf.abs(rows), axis=1), change.dtype) for rows in flat)
    # Values that cancel out leave a sum that is rounding.
    return tf.math.divide_no_nan(tf.abs(summed - change), tf.maximum(tf.abs(change), 1e-3 * size))


def _product(multiplier, x, start):
    if multiplier is None or not is_real(x):
        return zeros_of(x)
    return multiplier * in_type_of(multiplier, x - start)


def _through_function(function, start, x, start_out, out, multipliers):
    """Multipliers before a fused activation."""
    if is_elementwise(function):
        return [multipliers[0] * _ratio(lambda xs: [function(xs[0])], start, x, start_out, out)]
    return _mean_slope(lambda xs: [function(xs[0])], [start], [x], multipliers, _POINTS)


def _ratio(run, start, x, start_out, out):
    """Difference at the output by difference at the input; the slope where there is none."""
    difference = x - start
    # Both branches of a `where` are computed: the denominator is made 1 where it is not used.
    nothing = tf.abs(difference) < _NO_DIFFERENCE
    (slope,) = _slope(run, [x], [tf.ones_like(out)])
    return tf.where(nothing, slope, (out - start_out) / tf.where(nothing, tf.ones_like(difference), difference))


def _through_extreme(extreme, run, starts, xs, start_out, out, multipliers):
    """What goes beyond the baseline's extreme came from the sample's place of it, what falls short from its own."""
    crossing = extreme(out, start_out)
    gained = _slope(run, xs, [multipliers[0] * (crossing - start_out)])
    lost = _slope(run, starts, [multipliers[0] * (out - crossing)])
    parts = zip(gained, lost, xs, starts)
    # Where nothing differs there is nothing to share out.
    return [tf.math.divide_no_nan(gain + loss, x - start) for gain, loss, x, start in parts]


def _mean_slope(run, starts, xs, multipliers, points):
    """The slope averaged over Gauss-Legendre points of the straight line from baseline to sample."""
    nodes, shares = np.polynomial.legendre.leggauss(points)  # of the interval -1 ... 1
    positions, weights = tf.constant(nodes), tf.constant(shares)

    def step(totals, indices):
        position, weight = (tf.gather(positions, indices[0]) + 1) / 2, tf.gather(weights, indices[0]) / 2
        between = [start + tf.cast(position, x.dtype) * (x - start) for start, x in zip(starts, xs)]
        slopes = _slope(run, between, multipliers)
        return [
            total if slope is None else total + tf.cast(weight, slope.dtype) * slope
            for total, slope in zip(totals, slopes)
        ]

    zeros = [tf.zeros_like(x) for x in xs]
    return step(zeros, tf.constant([0])) if points == 1 else accumulate(points, 1, step, zeros)


def _slope(run, xs, multipliers):
    """The backward pass of `run` at `xs`; `multipliers` None stands for ones."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(xs)
        made = run(xs)
    if multipliers is None:
        multipliers = [tf.ones_like(output) for output in made]
    return tape.gradient(made, xs, output_gradients=like_outputs(multipliers, made))
