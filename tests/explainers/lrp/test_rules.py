"""Every LRP rule on every linear layer, against the rules written out on the layer's matrix."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from kerasxai import lrp
from kerasxai.explainers.lrp.engine import LinearCall, hand_on
from kerasxai.explainers.lrp.ledger import COLUMNS, LOSSES, Entries
from kerasxai.graph.linear_parts import linear_parts
from tests.explainers.lrp import dense_twin

# Values that are multiples of 1/16: sums of their products are exact in float32, so only divisions differ.
GRID = 16

SERIES, IMAGE, VOLUME = (7, 4), (5, 6, 4), (3, 4, 3, 2)
LAYERS = {
    "dense": ((6,), lambda **kw: layers.Dense(5, **kw)),
    "dense_per_position": (SERIES, lambda **kw: layers.Dense(5, **kw)),
    "einsum": ((3, 4), lambda **kw: layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", **kw)),
    "einsum_ellipsis": ((3, 4), lambda **kw: layers.EinsumDense("...c,cd->...d", 5, bias_axes="d", **kw)),
    "conv1d_valid": (SERIES, lambda **kw: layers.Conv1D(3, 3, **kw)),
    "conv1d_same_strided": (SERIES, lambda **kw: layers.Conv1D(3, 4, strides=2, padding="same", **kw)),
    "conv1d_causal_dilated": (SERIES, lambda **kw: layers.Conv1D(3, 2, padding="causal", dilation_rate=2, **kw)),
    "conv1d_causal_strided": (SERIES, lambda **kw: layers.Conv1D(3, 3, padding="causal", strides=2, **kw)),
    "conv1d_groups": (SERIES, lambda **kw: layers.Conv1D(6, 3, groups=2, padding="same", **kw)),
    "conv2d_same": (IMAGE, lambda **kw: layers.Conv2D(3, 3, padding="same", **kw)),
    "conv2d_same_strided": (IMAGE, lambda **kw: layers.Conv2D(3, (3, 2), strides=2, padding="same", **kw)),
    "conv2d_stride_beyond_kernel": (IMAGE, lambda **kw: layers.Conv2D(3, 2, strides=3, **kw)),
    "conv2d_dilated": (IMAGE, lambda **kw: layers.Conv2D(3, (2, 3), dilation_rate=(2, 2), **kw)),
    "conv2d_groups_strided": (IMAGE, lambda **kw: layers.Conv2D(4, 3, groups=2, strides=2, **kw)),
    "conv3d": (VOLUME, lambda **kw: layers.Conv3D(3, 2, padding="same", **kw)),
    "depthwise1d": (SERIES, lambda **kw: layers.DepthwiseConv1D(3, depth_multiplier=2, **kw)),
    "depthwise2d": (IMAGE, lambda **kw: layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", **kw)),
    "depthwise2d_strided": (IMAGE, lambda **kw: layers.DepthwiseConv2D(2, depth_multiplier=2, strides=2, **kw)),
    "depthwise2d_dilated": (IMAGE, lambda **kw: layers.DepthwiseConv2D(2, dilation_rate=2, padding="same", **kw)),
    "separable1d": (SERIES, lambda **kw: layers.SeparableConv1D(3, 3, depth_multiplier=2, strides=2, **kw)),
    "separable2d": (IMAGE, lambda **kw: layers.SeparableConv2D(3, 3, depth_multiplier=2, padding="same", **kw)),
    "separable2d_strided": (IMAGE, lambda **kw: layers.SeparableConv2D(3, 2, strides=2, **kw)),
    "transpose1d": ((4, 3), lambda **kw: layers.Conv1DTranspose(2, 3, strides=2, **kw)),
    "transpose2d": ((3, 4, 3), lambda **kw: layers.Conv2DTranspose(2, 3, **kw)),
    "transpose2d_strided": ((3, 4, 3), lambda **kw: layers.Conv2DTranspose(2, 3, strides=2, padding="same", **kw)),
    "transpose2d_output_padding": (
        (3, 3, 2),
        lambda **kw: layers.Conv2DTranspose(2, 3, strides=2, output_padding=1, **kw),
    ),
}

# Rule -> the same on the twin; `w, b, a, R` as there, `box` the bounds `(low, high)` that ZBox is given.
LOW, HIGH = -2.0, 3.0
RULES = {
    "zero": (lrp.Zero, dense_twin.zero),
    "epsilon": (lrp.Epsilon, dense_twin.epsilon),
    "epsilon_large": (functools.partial(lrp.Epsilon, 0.5), functools.partial(dense_twin.epsilon, eps=0.5)),
    "epsilon_relative": (
        functools.partial(lrp.Epsilon, 0.25, relative=True),
        functools.partial(dense_twin.epsilon, eps=0.25, relative=True),
    ),
    "z_plus": (lrp.ZPlus, dense_twin.z_plus),
    "alpha2_beta1": (lrp.AlphaBeta, dense_twin.alpha_beta),
    "alpha1_beta0": (functools.partial(lrp.AlphaBeta, 1, 0), dense_twin.z_plus),
    "gamma": (lrp.Gamma, dense_twin.gamma),
    "gamma_large": (functools.partial(lrp.Gamma, 2.0), functools.partial(dense_twin.gamma, gamma=2.0)),
    "z_box": (functools.partial(lrp.ZBox, LOW, HIGH), dense_twin.z_box),
    "z_box_per_channel": (lrp.ZBox, dense_twin.z_box),
    "z_box_of_the_data": (lrp.ZBox, dense_twin.z_box),
    "w_square": (lrp.WSquare, dense_twin.w_square),
    "flat": (lrp.Flat, dense_twin.flat),
    "abs_z": (lrp.AbsZ, dense_twin.abs_z),
}


def on_grid(shape, seed, non_negative=False):
    values = np.random.default_rng(seed).integers(0 if non_negative else -GRID, GRID + 1, size=shape) / GRID
    return values.astype("float32")


@functools.cache
def layer_of(kind, use_bias=True):
    """A layer with weights on the grid, never 0."""
    shape, make = LAYERS[kind]
    options = {} if "einsum" in kind else {"use_bias": use_bias}
    layer = make(**options)
    layer.build((None, *shape))
    if "einsum" in kind and not use_bias:
        layer.bias = None
    weights = [on_grid(weight.shape, seed) for seed, weight in enumerate(layer.weights)]
    for variable, weight in zip(layer.weights, weights):
        variable.assign(np.where(weight == 0, 0.5, weight))
    return layer


@functools.cache
def twin_of(kind, use_bias=True):
    """Matrix, bias, field and input shape of every step of `layer_of(kind)`."""
    shape, found = LAYERS[kind][0], []
    for layer, weights in dense_twin.steps(layer_of(kind)):
        w, b, output_shape = dense_twin.matrix_of(layer, weights, shape)
        field = dense_twin.field_of(layer, weights, shape)
        found.append((w, b if use_bias else 0 * b, field, shape))
        shape = output_shape
    return found, shape


def box_of(name, a, shape):
    """The bounds a box rule has at an input `a` `(samples, inputs)`, as arrays like it."""
    values = a.reshape(len(a), *shape)
    if name == "z_box":
        low, high = np.full_like(values, LOW), np.full_like(values, HIGH)
    elif name == "z_box_per_channel":
        low, high = (np.broadcast_to(one, values.shape) for one in channel_box(shape[-1]))
    else:
        axes = tuple(range(1, max(values.ndim - 1, 2)))
        low, high = (
            np.broadcast_to(reduce(values, axis=axes, keepdims=True), values.shape) for reduce in (np.min, np.max)
        )
    return low.reshape(a.shape), high.reshape(a.shape)


def channel_box(channels):
    return -2 - 0.25 * np.arange(channels), 2 + 0.125 * np.arange(channels)


def by_twin(name, kind, x, R, use_bias=True, ignore=False):
    """Relevance of the layer's input by the twin; `R` is flat."""
    found, _ = twin_of(kind, use_bias)
    given = [np.float64(x).reshape(len(x), -1)]
    for w, b, _, _ in found:
        given.append(given[-1] @ w + b)
    R = np.float64(R)
    for (w, b, field, shape), a, z in reversed(list(zip(found, given, given[1:]))):
        R = share_by_twin(name, w, 0 * b if ignore else b, field, shape, a, z, R)
    return R.reshape(x.shape)


def share_by_twin(name, w, b, field, shape, a, z, R):
    twin = RULES[name][1]
    if name == "flat":
        return twin(field, R)
    if name.startswith("z_box"):
        return twin(w, b, a, R, *box_of(name, a, shape))
    return twin(w, b, a, R, **({"z": z} if name.startswith("gamma") else {}))


def rule_of(name, channels, **options):
    if name == "z_box_per_channel":
        return lrp.ZBox(*channel_box(channels), **options)
    return RULES[name][0](**options)


def by_engine(name, kind, x, R, use_bias=True, non_negative=False, **options):
    """The same by the engine, on each linear part of the layer, and the columns of the ledger."""
    parts, inputs, x = linear_parts(layer_of(kind, use_bias)), [], tf.constant(x)
    for part in parts:
        inputs.append(x)
        x = LinearCall(part, x).output
    entries, R = Entries(), tf.constant(np.reshape(R, x.shape))
    entries.open(None, [R])
    for index, (part, given) in reversed(list(enumerate(zip(parts, inputs)))):
        rule = rule_of(name, given.shape[-1], **options)
        layer = LinearCall(part, given, non_negative=non_negative and index == 0, ignore_bias=rule.bias == "ignore")
        R = hand_on(rule, layer, R, 1, entries)
    entries.close([R])
    return R.numpy(), dict(zip(COLUMNS, entries.tensor().numpy()[:, 0].T))


def relevance_for(kind, x, use_bias=True):
    """Random relevance of a layer's outputs; none where z is 0, where Epsilon's would dwarf all else."""
    z = np.float64(x).reshape(len(x), -1)
    for w, b, _, _ in twin_of(kind, use_bias)[0]:
        sums = z @ w
        z = sums + b
    draws = np.random.default_rng(5).normal(size=z.shape)
    return np.where((z == 0) | (sums == 0), 0, draws).astype("float32")


def assert_equal(actual, expected, tolerance=1e-5):
    assert np.shape(actual) == expected.shape and np.ptp(expected) > 0
    error = np.abs(actual - expected).max() / np.abs(expected).max()
    assert error <= tolerance, f"largest error {error:.2g} of the largest relevance"


def assert_closes(columns):
    rest = columns["relevance_in"] - columns["relevance_out"] - sum(columns[loss] for loss in LOSSES)
    assert np.all(np.abs(rest) <= 1e-5 * columns["size"])


# Every rule, every layer ---------------------------------------------------------------------------------------------

# Keras compiles a grouped convolution anew at every eager call, so these get a few rules.
FEW = ("z_plus", "gamma", "z_box_per_channel", "flat")
# These run passes on negative inputs, which they skip where there are none.
BY_SIGN = ("z_plus", "alpha2_beta1", "alpha1_beta0", "gamma", "gamma_large")


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in LAYERS for name in RULES if "groups" not in kind or name in FEW]
)
def test_rule_on_layer(kind, name):
    for non_negative in (False, True) if name in BY_SIGN else (False,):
        x = on_grid((2, *LAYERS[kind][0]), seed=7, non_negative=non_negative)
        R = relevance_for(kind, x)
        relevance, columns = by_engine(name, kind, x, R, non_negative=non_negative)
        assert_equal(relevance, by_twin(name, kind, x, R))
        assert_closes(columns)


SOME = ("dense", "conv2d_same_strided", "separable2d", "transpose2d")


@pytest.mark.sweep
@pytest.mark.parametrize("bias", ["ignored", "none"])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("kind", SOME)
def test_rule_without_bias(kind, name, bias):
    has_bias = bias == "ignored"
    x = on_grid((2, *LAYERS[kind][0]), seed=8)
    R = relevance_for(kind, x, has_bias)
    takes_bias = has_bias and rule_of(name, 4).bias == "absorb"  # the others never have it in their sum
    options = {"bias": "ignore"} if takes_bias else {}
    relevance, columns = by_engine(name, kind, x, R, has_bias, **options)
    assert_equal(relevance, by_twin(name, kind, x, R, has_bias, ignore=has_bias))
    assert_closes(columns)
    np.testing.assert_allclose(columns["bias"], 0)


@pytest.mark.parametrize("name", [name for name in RULES if "z_box" not in name])
def test_several_copies_of_the_batch(name):
    x = on_grid((2, *IMAGE), seed=9)
    R = relevance_for("conv2d_same_strided", x)
    (part,) = linear_parts(layer_of("conv2d_same_strided"))
    both = tf.concat([tf.reshape(one, [2, *part_shape(part, x)]) for one in (R, R[:, ::-1])], axis=0)
    together = hand_on(rule_of(name, 4), LinearCall(part, tf.constant(x)), both, 2)
    one_by_one = [by_engine(name, "conv2d_same_strided", x, one)[0] for one in (R, R[:, ::-1])]
    assert_equal(together.numpy(), np.concatenate(one_by_one), 1e-6)


def part_shape(part, x):
    return part.run(tf.constant(x), part.kernel).shape[1:]


# In a model ----------------------------------------------------------------------------------------------------------

IN_MODELS = {
    "dense_per_position": "gamma",
    "conv1d_causal_strided": "alpha2_beta1",
    "conv2d_same": "z_plus",
    "conv2d_groups_strided": "epsilon_relative",
    "depthwise2d": "gamma_large",
    "separable1d": "w_square",
    "separable2d_strided": "alpha1_beta0",
    "transpose1d": "flat",
    "transpose2d_strided": "z_box_of_the_data",
}


@pytest.mark.slow
@pytest.mark.parametrize("rectified", [False, True], ids=["signed", "behind_relu"])
@pytest.mark.parametrize("kind", IN_MODELS)
def test_rule_in_a_model(kind, rectified):
    """Behind the layer, its ReLU and a Dense head, whose LRP-0 gives each value `a_j w_jk`."""
    shape, name = LAYERS[kind][0], IN_MODELS[kind]
    layer = type(layer_of(kind)).from_config({**layer_of(kind).get_config(), "activation": "relu", "name": "explained"})
    net = [keras.Input(shape), *([layers.ReLU()] if rectified else []), layer, layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential(net)
    layer.set_weights(layer_of(kind).get_weights())
    head = on_grid(model.layers[-1].kernel.shape, seed=2)
    model.layers[-1].set_weights([head, on_grid((3,), seed=3)])

    x, targets = on_grid((3, *shape), seed=10), np.array([2, 0, 1])
    a = np.maximum(x, 0) if rectified else x
    z = np.float64(a).reshape(3, -1)
    for w, b, _, _ in twin_of(kind)[0]:
        z = z @ w + b
    rules = {"explained": rule_of(name, shape[-1]), "*": lrp.Zero()}
    relevance = kerasxai.explainers.LRP(model, rules=rules)(x, target=targets)
    assert_equal(relevance, by_twin(name, kind, a, np.maximum(z, 0) * head.T[targets]))


# Zeros ---------------------------------------------------------------------------------------------------------------


class Matrix:
    """A linear part of a matrix."""

    def __init__(self, kernel, bias=None):
        self.kernel = tf.constant(kernel, tf.float32)
        self.bias = None if bias is None else tf.constant(bias, tf.float32)

    def run(self, x, kernel):
        return x @ kernel


def through(rule, kernel, bias, a, R):
    layer = LinearCall(Matrix(kernel, bias), tf.constant([a], tf.float32), ignore_bias=rule.bias == "ignore")
    entries = Entries()
    entries.open(None, [tf.constant([R], tf.float32)])
    relevance = hand_on(rule, layer, tf.constant([R], tf.float32), 1, entries)
    entries.close([relevance])
    return relevance.numpy()[0], dict(zip(COLUMNS, entries.tensor().numpy()[0, 0]))


@pytest.mark.parametrize(
    ("z", "denominator"), [(0.0, 1e-6), (2.0**-22, 2.0**-22 + 1e-6), (-(2.0**-22), -(2.0**-22) - 1e-6)]
)
def test_epsilon_near_zero(z, denominator):
    relevance, columns = through(lrp.Epsilon(), [[1.0], [-1.0]], None, [1 + z, 1.0], [3.0])
    np.testing.assert_allclose(relevance, [3 * (1 + z) / denominator, -3 / denominator], rtol=1e-6)
    np.testing.assert_allclose(columns["stabiliser"], 3 - 3 * z / denominator, rtol=1e-6)


def test_relative_epsilon_is_relative_to_the_layer_and_sample():
    """z = (3, -4): the root mean square is sqrt(12.5); another sample changes nothing."""
    rule = lrp.Epsilon(0.25, relative=True)
    layer = LinearCall(Matrix([[3.0, -4.0]]), tf.constant([[1.0], [100.0]]))
    relevance = hand_on(rule, layer, tf.constant([[1.0, 2.0], [1.0, 2.0]]), 1).numpy()
    size = 0.25 * np.sqrt(12.5)
    np.testing.assert_allclose(relevance, np.full((2, 1), 3 / (3 + size) + 2 * 4 / (4 + size)), rtol=1e-6)


@pytest.mark.parametrize("rule", [lrp.Zero(), lrp.Epsilon(0.25, relative=True), lrp.Gamma(), lrp.AlphaBeta()])
def test_unit_without_anything_to_divide_is_dead(rule):
    relevance, columns = through(rule, [[0.0, 1.0], [0.0, 2.0]], None, [1.0, 2.0], [3.0, 5.0])
    np.testing.assert_allclose(columns["dead"], 3 if columns["size"] < 9 else 3 - 5, rtol=1e-6)
    np.testing.assert_allclose(columns["dead"] + columns["stabiliser"] + columns["relevance_out"], 8, rtol=1e-6)
    assert np.isfinite(relevance).all() and relevance.any()


@pytest.mark.sweep
@pytest.mark.parametrize("scale", [0.0, 1e-45, 1e-39, 1e-29])
@pytest.mark.parametrize("of", ["input", "weights", "both"])
@pytest.mark.parametrize("name", [name for name in RULES if name != "z_box_per_channel"])
def test_never_a_nan(name, of, scale):
    """Zeros and denormal numbers, with and without bias: finite, and the ledger closes."""
    a = np.float32(scale if of != "weights" else 1) * np.float32([1.0, -2.0, 0.5])
    kernel = np.float32(scale if of != "input" else 1) * on_grid((3, 4), seed=1)
    for bias in (None, np.zeros(4), np.float32([0, 1e-40, 1, -1])):
        relevance, columns = through(rule_of(name, 3), kernel, bias, a, [1.0, -2.0, 3.0, 0.0])
        assert np.isfinite(relevance).all()
        assert all(np.isfinite(value) for value in columns.values())
        assert_closes({name: np.array(value) for name, value in columns.items()})


# By hand -------------------------------------------------------------------------------------------------------------


def test_alpha_beta_with_bias_by_hand():
    """z = 1 - 1 - 1 = -1 = R. For: 1 of 1 + b+ = 1. Against: -1 of -1 + b- = -2, the bias the other half."""
    relevance, columns = through(lrp.AlphaBeta(2, 1), [[1.0], [-1.0]], [-1.0], [1.0, 1.0], [-1.0])
    np.testing.assert_allclose(relevance, [2 * -1, -1 * -1 / 2])
    assert columns["bias"] == 0.5 and columns["dead"] == 0
    relevance, _ = through(lrp.AlphaBeta(2, 1, bias="ignore"), [[1.0], [-1.0]], [-1.0], [1.0, 1.0], [-1.0])
    np.testing.assert_allclose(relevance, [-2, 1])


def test_gamma_by_hand():
    """gamma = 1, z = (2 - 1, 1 - 3, 2 - 2). Above: 4 and -1 of 3. Below: 1 and -6 of -5. At 0: on neither side."""
    kernel = [[2.0, 1.0, 2.0], [-1.0, -3.0, -2.0]]
    relevance, columns = through(lrp.Gamma(1.0), kernel, None, [1.0, 1.0], [3.0, 5.0, 7.0])
    np.testing.assert_allclose(relevance, [4 - 1, -1 + 6])
    assert columns["dead"] == 7


def test_gamma_runs_from_zero_to_z_plus():
    x = on_grid((2, *IMAGE), seed=7, non_negative=True)
    x[0, 0, 0] = 0
    R = np.abs(relevance_for("conv2d_same", x, use_bias=False))
    z = np.float64(x).reshape(2, -1) @ twin_of("conv2d_same", False)[0][0][0]
    R = np.where(z > 0, R, 0)  # below 0, Gamma favours the negative terms
    engine = functools.partial(by_engine, kind="conv2d_same", x=x, R=R, use_bias=False, non_negative=True)
    hardly, very = (by_gamma(x, R, gamma) for gamma in (0.0, 1e6))
    assert_equal(hardly, engine("zero")[0])
    assert_equal(very, engine("z_plus")[0], 1e-4)


def by_gamma(x, R, gamma):
    (part,) = linear_parts(layer_of("conv2d_same", False))
    R = tf.reshape(R, [2, *part_shape(part, x)])
    return hand_on(lrp.Gamma(gamma), LinearCall(part, tf.constant(x), non_negative=True), R, 1).numpy()


def test_pass_needs_equal_shapes():
    relevance, _ = through(lrp.Pass(), np.ones((2, 2)), [1.0, 2.0], [3.0, 4.0], [5.0, 6.0])
    np.testing.assert_array_equal(relevance, [5, 6])
    with pytest.raises(ValueError, match=r"Pass\(\).*same shape"):
        through(lrp.Pass(), np.ones((2, 3)), None, [3.0, 4.0], [5.0, 6.0, 7.0])
