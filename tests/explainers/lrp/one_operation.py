"""Nets of one operation without a kernel, and what LRP makes of them.

A Dense head under LRP-0 gives every value `a` of an operation's output the relevance `a w`, which is what it hands on.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import Input, layers

from kerasxai import lrp
from kerasxai.explainers import LRP
from tests.support import nets

SHAPE = (4, 6, 4)
ZERO = lrp.Zero()
TARGETS = np.array([1, 0, 1])


def assert_near(actual, expected, tolerance=2e-5):
    assert np.shape(actual) == np.shape(expected) and np.abs(expected).max() > 0
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def net_of(build, count=1):
    """`count` inputs, the operation, a Dense layer of two units; and the part that ends at the operation."""
    inputs = [Input(SHAPE, name=f"input{index}") for index in range(count)]
    made = build(*inputs)
    units = layers.Dense(2, name="head")(layers.Flatten(name="flat")(made))
    given = inputs if count > 1 else inputs[0]
    model = nets.randomise(keras.Model(given, units), seed=5)
    return model, keras.Model(given, made), [nets.normals(3, SHAPE, seed=index) for index in range(count)]


def through(build, count=1, rules=None, **options):
    """`(given, made, part, check)`: `check(expected)` compares what the inputs get with `expected(R)`.

    `check` returns the ledger, which must close.
    """
    model, part, xs = net_of(build, count)
    explainer = LRP(model, rules=[*(rules or {}).items(), ("*", ZERO)], **options)
    x = xs if count > 1 else xs[0]
    made = np.float64(part(x, training=False))

    def check(expected):
        wanted = expected(made * model.layers[-1].kernel.numpy().T[TARGETS].reshape(made.shape))
        given = explainer(x, target=TARGETS)
        for one, want in zip(*((given, wanted) if count > 1 else ([given], [wanted]))):
            assert_near(one, want)
        ledger = explainer.ledger(x, target=TARGETS)
        assert ledger.residual.max() <= 1e-5
        return ledger

    return [np.float64(one) for one in xs], made, part, check


def backward(part, xs, cotangent):
    """The gradients of `part`'s output times `cotangent`, one per input."""
    xs = [tf.constant(x, tf.float32) for x in xs]
    with tf.GradientTape() as tape:
        tape.watch(xs)
        made = part(xs if len(xs) > 1 else xs[0], training=False)
    return [np.float64(one) for one in tape.gradient(made, xs, tf.constant(cotangent, tf.float32))]
