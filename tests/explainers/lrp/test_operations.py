"""Operations without a kernel: each against what METHODS says of it, written in NumPy with Jacobians by tape."""

import keras
import numpy as np
import pytest
from keras import Input, layers, ops

from kerasxai import lrp
from kerasxai.explainers import LRP
from tests.explainers.lrp.one_operation import SHAPE, ZERO, assert_near, backward, net_of, through

# Selections and moves: along the gradient -----------------------------------------------------------------------------


def swapped_halves(x):
    first, second = ops.split(x, 2, axis=-1)
    return ops.concatenate([second, first], axis=-1)


MOVES = {
    "max pooling": layers.MaxPooling2D(2),
    "max pooling, overlapping": layers.MaxPooling2D(3, strides=1, padding="same"),
    "global max pooling": layers.GlobalMaxPooling2D(),
    "max pooling of a signal": lambda x: layers.MaxPooling1D(2)(layers.Reshape((24, 4))(x)),
    "maximum of two": lambda x: layers.Maximum()([x, x[:, ::-1]]),
    "cropping": layers.Cropping2D(((1, 0), (2, 1))),
    "center crop": layers.CenterCrop(2, 3),
    "zero padding": layers.ZeroPadding2D(1),
    "permute": layers.Permute((3, 1, 2)),
    "reshape": layers.Reshape((8, 12)),
    "repeat": lambda x: layers.RepeatVector(3)(layers.Flatten()(x)),
    "nearest upsampling": layers.UpSampling2D(2),
    "concatenate with itself": lambda x: layers.Concatenate()([x, layers.Permute((1, 2, 3))(x), x]),
    "ops.reshape": lambda x: ops.reshape(x, (-1, 24, 4)),
    "ops.transpose": lambda x: ops.transpose(x, (0, 2, 1, 3)),
    "ops.split": swapped_halves,
    "one part of ops.split": lambda x: ops.split(x, [1, 3], axis=-1)[1],
    "ops.max": lambda x: ops.max(x, axis=(1, 2)),
    "ops.pad": lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 2), (0, 0))),
    "ops.flip": lambda x: ops.flip(x, axis=1),
    "ops.stack": lambda x: ops.stack([x, x], axis=1),
    "getitem": lambda x: x[:, 1:, ::2],
    "newaxis": lambda x: x[:, None, 2],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    xs, _, part, check = through(MOVES[name])
    check(lambda R: backward(part, xs, R)[0])


def test_the_winner_of_a_window_takes_all():
    xs, made, _, check = through(layers.MaxPooling2D(2))

    def expected(R):
        given = np.zeros_like(xs[0])
        for place in np.ndindex(made.shape):
            sample, row, column, channel = place
            window = xs[0][sample, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2, channel]
            top, left = np.unravel_index(window.argmax(), (2, 2))
            given[sample, 2 * row + top, 2 * column + left, channel] = R[place]
        return given

    check(expected)


@pytest.mark.parametrize("kind", ["Maximum", "Concatenate"])
def test_moves_of_two(kind):
    xs, _, part, check = through(lambda x, y: getattr(layers, kind)()([x, y]), 2)
    check(lambda R: backward(part, xs, R))


def test_padding_takes_what_falls_to_it():
    """A rule that looks at weights alone gives padded positions their part."""
    model, _, (x,) = net_of(layers.ZeroPadding2D(1))
    explainer = LRP(model, rules=lrp.WSquare(bias="ignore"))
    ledger = explainer.ledger(x, target=1)
    squares = np.float64(model.layers[-1].kernel.numpy()[:, 1] ** 2).reshape(6, 8, 4)
    lost = (squares.sum() - squares[1:-1, 1:-1].sum()) / squares.sum() * model(x).numpy()[:, 1]
    assert_near(ledger.values["padding"].sum(axis=1), lost)
    assert ledger.residual.max() <= 1e-5


# Sums and means: in proportion ----------------------------------------------------------------------------------------

SUMS = {
    "average pooling": layers.AveragePooling2D(2),
    "average pooling at the border": layers.AveragePooling2D(3, strides=2, padding="same"),
    "average pooling of a signal": lambda x: layers.AveragePooling1D(2)(layers.Reshape((24, 4))(x)),
    "global average pooling": layers.GlobalAveragePooling2D(),
    "bilinear upsampling": layers.UpSampling2D(2, interpolation="bilinear"),
    "resizing": layers.Resizing(3, 5),
    "add to itself": lambda x: layers.Add()([x, x]),
    "add to a part of itself": lambda x: layers.Add()([x, x[:, :1]]),
    "average of itself and its mirror image": lambda x: layers.Average()([x, x[:, ::-1]]),
    "add a constant": lambda x: x + 1.5,
    "subtract from a constant": lambda x: ops.subtract(np.float32([1, 2, 3, 4]), x),
    "ops.mean": lambda x: ops.mean(x, axis=1),
    "ops.sum": lambda x: ops.sum(x, axis=-1, keepdims=True),
    "ops.average_pool": lambda x: ops.average_pool(x, 2),
    "operator +": lambda x: x + x,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SUMS)
def test_sums(name):
    xs, made, part, check = through(SUMS[name])
    check(lambda R: xs[0] * backward(part, xs, R / made)[0])


@pytest.mark.parametrize("kind", ["Add", "Average", "Subtract"])
def test_sums_of_two(kind):
    xs, made, part, check = through(lambda x, y: getattr(layers, kind)()([x, y]), 2)
    check(lambda R: [x * slope for x, slope in zip(xs, backward(part, xs, R / made))])


def test_sums_by_hand():
    """3 and 1 of 4, and of 3 - 1 = 2."""
    (x, y), made, _, check = through(lambda x, y: layers.Subtract()([x, y]), 2)
    check(lambda R: [x * R / made, -y * R / made])
    xs, made, _, check = through(layers.GlobalAveragePooling2D())
    check(lambda R: xs[0] / 24 * (R / made)[:, None, None])


def test_constants_take_their_part_of_a_sum():
    xs, made, _, check = through(lambda x: x + 1.5)
    ledger = check(lambda R: xs[0] * R / made)
    lost = ledger.values["bias"][:, -1]
    assert_near(lost, (ledger.values["relevance_in"] - ledger.values["relevance_out"])[:, -1])


POOLINGS = [(layers.MaxPooling2D, layers.AveragePooling2D, {"pool_size": 3, "strides": 2, "padding": "same"})]
POOLINGS += [(layers.MaxPooling2D, layers.AveragePooling2D, {"pool_size": 2})]
POOLINGS += [(layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D, {"keepdims": one}) for one in (False, True)]


@pytest.mark.parametrize(("kind", "twin", "options"), POOLINGS)
def test_max_pooling_as_average_pooling(kind, twin, options):
    xs, _, _, check = through(kind(**options), max_pool="average")
    average = keras.Sequential([Input(SHAPE), twin(**options)])
    check(lambda R: xs[0] * backward(average, xs, R / np.float64(average(xs[0])))[0])


# Elementwise: to the same place ---------------------------------------------------------------------------------------


def chain(*steps):
    def run(x):
        for step in steps:
            x = step(x)
        return x

    return run


ACTIVATIONS = ["tanh", "sigmoid", "hard_sigmoid", "silu", "gelu", "elu", "selu", "softplus", "mish", "relu6", "relu"]
FUNCTIONS = (ops.silu, ops.gelu, ops.elu, ops.tanh, ops.sigmoid, ops.exp, ops.square, ops.relu, ops.softplus, ops.sqrt)
PASSING = {
    "activations": chain(*map(layers.Activation, ACTIVATIONS)),
    "functions": chain(*FUNCTIONS),
    "activation layers": chain(layers.LeakyReLU(), layers.PReLU(), layers.ELU(), layers.ReLU(max_value=6)),
    "what only training knows": chain(
        *(layers.Dropout(0.5), layers.SpatialDropout2D(0.5), layers.GaussianNoise(0.5), layers.Identity()),
        *(layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomZoom(0.1), layers.RandomContrast(0.1)),
    ),
    "norms": chain(layers.UnitNormalization(), layers.RMSNormalization()),
    "times a constant": lambda x: ops.multiply(np.float32([1, 2, 3, 4]), -2.0 * x),
    "divided by a number": lambda x: ops.negative(x / 3.0),
    "its own square": lambda x: layers.Multiply()([x, x]),
    "operator *": lambda x: x * x,
    "clip and cast": lambda x: ops.cast(ops.cast(ops.clip(x, -1.0, 1.0), "float64"), "float32"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PASSING)
def test_passed_on(name):
    check = through(PASSING[name])[-1]
    check(lambda R: R)


# Gates ----------------------------------------------------------------------------------------------------------------


def squeezed(x, name="gate"):
    return layers.Dense(4, activation="sigmoid", name=name)(layers.GlobalAveragePooling2D(keepdims=True)(x))


def spatial_gate(x, activation="sigmoid"):
    return layers.Conv2D(1, 3, padding="same", activation=activation, name="gate")(x)


GATED = {
    "squeeze and excitation": lambda x: layers.Multiply()([x, squeezed(x)]),
    "the other way round": lambda x: layers.Multiply()([squeezed(x), x]),
    "operator *": lambda x: x * squeezed(x),
    "hard sigmoid as relu6": lambda x: layers.Multiply()([x, (layers.ReLU(6.0)(spatial_gate(x, None) + 3.0)) / 6.0]),
    "spatial": lambda x: layers.Multiply()([x, spatial_gate(x)]),
    "of an activation layer": lambda x: layers.Multiply()([layers.Activation("sigmoid")(spatial_gate(x, None)), x]),
    "reshaped": lambda x: x * layers.Reshape((1, 1, 4))(layers.Dense(4, "sigmoid")(layers.GlobalMaxPooling2D()(x))),
    "of one position": lambda x: x * layers.GlobalAveragePooling2D(keepdims=True)(x),
    "divided by": lambda x: x / spatial_gate(x),
}


@pytest.mark.parametrize("name", GATED)
def test_a_gate_is_held_constant(name):
    check = through(GATED[name])[-1]
    check(lambda R: R)


def product(x, y):
    return layers.Multiply(name="product")([x, y])


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda x: product(spatial_gate(x), layers.Conv2D(4, 1, activation="sigmoid")(x)), "both operands look"),
        (lambda x: product(layers.Conv2D(4, 1)(x), x), "neither operand looks"),
        (lambda x: product(squeezed(x, "one"), squeezed(x, "other")), "both operands look"),
        (lambda x: layers.Multiply(name="product")([x, layers.ReLU()(x), squeezed(x)]), "more than two operands"),
    ],
)
def test_a_product_that_cannot_be_told_apart(build, told):
    model, _, _ = net_of(build)
    with pytest.raises(ValueError, match=rf"(?s)product \(Multiply\): {told}.*\{{'product': kerasxai.lrp.Gate\(1\)"):
        LRP(model, rules="epsilon")


@pytest.mark.parametrize("gate", [0, 1])
def test_a_gate_by_the_rules(gate):
    model, _, xs = net_of(product, 2)
    given = LRP(model, rules={"product": lrp.Gate(gate), "*": ZERO})(xs, target=1)
    assert not given[gate].any()
    assert_near(given[1 - gate], (xs[0] * xs[1]) * model.layers[-1].kernel.numpy()[:, 1].reshape(SHAPE))


def test_gates_of_a_wrong_kind():
    with pytest.raises(ValueError, match=r"0 or 1.*gate=2"):
        lrp.Gate(2)
    model, _, xs = net_of(lambda x, y: layers.Multiply(name="product")([x, y, x]), 2)
    with pytest.raises(ValueError, match=r"two operands.*product with 3"):
        LRP(model, rules={"product": lrp.Gate(0), "*": ZERO})(xs, target=1)


# Several targets ------------------------------------------------------------------------------------------------------

COPIED = {
    "winner": (layers.MaxPooling2D(2), {}),
    "average": (layers.MaxPooling2D(2), {"max_pool": "average"}),
    "sum": (lambda x: layers.Add()([x, x[:, :1], x]), {}),
    "constant": (lambda x: x + 1.5, {}),
    "itself": (lambda x: x * x, {}),
    "joined": (lambda x: layers.Concatenate()([x, x]), {}),
    "gate": (GATED["spatial"], {}),
    "constant scale": (layers.GroupNormalization(2), {}),
    "scale and shift": (chain(layers.BatchNormalization(), layers.ReLU()), {"batch_norm": "abs_z"}),
    "fold": (chain(layers.Conv2D(3, 2), layers.BatchNormalization()), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COPIED)
def test_several_targets_are_one_by_one(name):
    build, options = COPIED[name]
    model, _, (x,) = net_of(build)
    explainer = LRP(model, rules=ZERO, **options)
    ranked = np.argsort(-model(x, training=False).numpy(), axis=1)
    together = explainer(x, target="top2")
    for rank in (0, 1):
        assert_near(together[:, rank], explainer(x, target=ranked[:, rank]))
