"""DeepLIFT: it sums to the difference to the baseline, and follows its rules as they come out by hand."""

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers, ops

import kerasxai
from kerasxai.explainers import DeepLift, IntegratedGradients
from tests.support import nets
from tests.support.truth import assert_same, clone, images, randomise

X = nets.normals(3)
TARGETS = {"two_outputs": ("kind", 1), "dict_outputs": ("zebra", 1)}


def assert_complete(model, x, target=1, tolerance=1e-4, **options):
    """The attributions account for the difference of the scores, in units of what is shared out."""
    explainer = DeepLift(model, **options)
    maps = explainer(x, target=target)
    size = sum(np.abs(one).reshape(len(one), -1).sum(axis=1) for one in keras.tree.flatten(maps))
    residual = explainer.completeness_residual(x, maps, target=target)
    assert size.min() > 0 and np.isfinite(size).all()
    assert (np.abs(residual) <= tolerance * size).all()
    return maps


# Summation to delta


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(nets.KINDS) - {"masked_words", "mixed_float16"}))
def test_summation_to_delta(kind):
    model = nets.build(kind)
    assert_complete(model, nets.inputs_for(model, 2), target=TARGETS.get(kind, 1))


def test_summation_to_delta_in_half_precision():
    model = nets.build("mixed_float16")
    assert_complete(model, X, tolerance=5e-3)


class Squared(layers.Dense):
    """What it computes is its own business."""

    def call(self, x):
        return super().call(x) ** 2


class OwnReLU(layers.ReLU):
    """Mixes channels, which a ReLU does not."""

    def call(self, x):
        return super().call(x) * ops.mean(x, axis=-1, keepdims=True)


STEPS = {
    "squeeze and excitation": lambda x: layers.Multiply()([x, layers.Dense(4, "sigmoid")(pooled(x))]),
    "operator *": lambda x: x * layers.Conv2D(1, 1, activation="sigmoid")(x),
    "its own square": lambda x: x * x,
    "a product of three": lambda x: layers.Multiply()([x, layers.Dense(4)(x), layers.Dense(4, "tanh")(x)]),
    "divided by": lambda x: x / (1.0 + layers.Dense(4, "sigmoid")(x)),
    "layer normalisation": layers.LayerNormalization(),
    "group normalisation": layers.GroupNormalization(2),
    "unit normalisation": lambda x: layers.UnitNormalization()(x + 1.0),
    "softmax within": layers.Softmax(),
    "fused softmax": layers.Dense(4, activation="softmax"),
    "gelu": layers.Dense(4, activation="gelu"),
    "silu": layers.Activation("silu"),
    "leaky relu": layers.LeakyReLU(),
    "relu6": layers.ReLU(max_value=6),
    "global max pooling": layers.GlobalMaxPooling2D(keepdims=True),
    "overlapping windows": layers.MaxPooling2D(3, strides=1, padding="same"),
    "maximum": lambda x: layers.Maximum()([x, layers.Dense(4)(x)]),
    "maximum and minimum with itself mirrored": lambda x: layers.Minimum()([layers.Maximum()([x, x[:, ::-1]]), x]),
    "ops.max": lambda x: ops.max(x, axis=1, keepdims=True),
    "add to itself": lambda x: layers.Add()([x, x]),
    "concatenate with itself": lambda x: layers.Concatenate()([x, x]),
    "attention": lambda x: layers.Attention()([layers.Reshape((64, 4))(x), layers.Reshape((64, 4))(x[:, ::-1])]),
    "normalisation that is not folded": lambda x: layers.Conv2D(3, 3, padding="same")(layers.BatchNormalization()(x)),
    "bilinear upsampling": layers.UpSampling2D(2, interpolation="bilinear"),
    "sine": lambda x: ops.sin(x),
    "a user's layer": Squared(4),
    "a user's layer with an activation": Squared(4, activation="relu"),
    "a user's own relu": OwnReLU(),
    "lambda": layers.Lambda(lambda x: x[:, ::-1] ** 2),
}


MAY_BEND = ("a user's own relu", "a user's layer with an activation")


def pooled(x):
    return layers.GlobalAveragePooling2D(keepdims=True)(x)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_summation_to_delta_through(step):
    inputs = Input(nets.IMAGE)
    x = STEPS[step](layers.Conv2D(4, 3, padding="same", activation="relu")(inputs))
    model = nets.randomise(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))))
    # The slopes of what has no rule are averaged over points, between which a user's relu may bend.
    assert_complete(model, X, tolerance=1e-2 if step in MAY_BEND else 1e-4)


@pytest.mark.parametrize("baseline", [0.5, np.array([-1.0, 2.0]), nets.normals(1, seed=9)[0], "blur"], ids=type)
def test_summation_to_delta_from_any_baseline(baseline):
    model = nets.build("residual")
    assert_complete(model, X, baseline=baseline)


@pytest.mark.parametrize("kind", ["sequential", "trained", "sequential_in_functional"])
def test_probabilities(kind):
    model = nets.build(kind)
    maps = assert_complete(model, X, score="probability", target=2)
    difference = model(X).numpy()[:, 2] - model(0 * X).numpy()[:, 2]
    assert_same(maps.sum(axis=(1, 2, 3)), difference, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_one_sigmoid_unit():
    model = nets.randomise(
        Sequential([Input(nets.IMAGE), nets.conv("conv"), layers.Flatten(), layers.Dense(1, "sigmoid")])
    )
    for_it = assert_complete(model, X, target=1)
    assert_same(assert_complete(model, X, target=0), -for_it)
    assert_complete(model, X, target=1, score="probability")


def test_a_function_of_several_outputs():
    model = nets.build("two_outputs")
    explainer = DeepLift(model)
    both = explainer(X, target=kerasxai.of_logits(lambda logits: logits[0][:, 2] + logits[1][:, 1]))
    assert_same(both, explainer(X, target=("kind", 2)) + explainer(X, target=("tags", 1)), rtol=1e-3, atol=1e-4)


# Equal to


@pytest.mark.slow
def test_on_a_linear_model_it_is_integrated_gradients():
    steps = [
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(3),
    ]
    model = nets.randomise(Sequential([Input(nets.IMAGE), layers.Rescaling(0.5, offset=-1.0), *steps]))
    for baseline in (0.0, 0.7):
        assert_same(
            DeepLift(model, baseline=baseline)(X, target=2),
            IntegratedGradients(model, baseline=baseline, steps=2)(X, target=2),
        )


def test_without_a_crossing_of_any_kink_it_is_integrated_gradients():
    """Close to the baseline, ReLU nets are linear."""
    model, x = nets.build("residual"), nets.normals(3)
    near = x + np.float32(1e-4) * nets.normals(3, seed=5)
    maps = DeepLift(model, baseline=x[0])(near[:1], target=1)
    expected = IntegratedGradients(model, baseline=x[0], steps=4)(near[:1], target=1)
    assert np.abs(maps - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.slow
def test_several_baselines_are_averaged():
    model = nets.build("sequential")
    given = [0.0, "blur", np.array([1.0, -1.0])]
    each = [DeepLift(model, baseline=[one])(X, target=0) for one in given]
    assert_same(DeepLift(model, baseline=given)(X, target=0), np.mean(each, axis=0))


@pytest.mark.slow
def test_several_inputs():
    model = nets.build("two_inputs")
    image, numbers = nets.inputs_for(model, 3)
    as_list = assert_complete(model, [image, numbers])
    as_dict = DeepLift(model)({"numbers": numbers, "image": image}, target=1)
    np.testing.assert_array_equal(as_dict["numbers"], as_list[1])
    by_name = DeepLift(model, baseline={"numbers": 0.5, "image": 0.0})([image, numbers], target=1)
    assert not np.allclose(by_name[1], as_list[1])
    assert_complete(model, [image, numbers], baseline={"numbers": 0.5})


# By hand


def relu_ratio(z, reference):
    difference = z - reference
    gained = np.maximum(z, 0) - np.maximum(reference, 0)
    return np.divide(gained, difference, out=(z > 0).astype(float), where=np.abs(difference) >= 1e-10)


@pytest.mark.sweep
@pytest.mark.parametrize("written", ["fused", "layer"])
@pytest.mark.parametrize("baseline", [0.0, 0.3])
def test_rescale_rule_on_two_layers(written, baseline):
    """Multipliers: `v`, then `W2 (ratio2 v)`, then `W1 (ratio1 ...)`."""
    fused = {"activation": "relu"} if written == "fused" else {}
    between = [] if fused else [layers.ReLU()]
    model = nets.randomise(
        Sequential(
            [
                Input((5,)),
                *(layers.Dense(6, name="one", **fused), *between),
                *(layers.Dense(4, name="two", **fused), *[layers.ReLU() for _ in between]),
                layers.Dense(2, name="units"),
            ]
        )
    )
    x = nets.normals(4, (5,))
    (w1, b1), (w2, b2), (v, _) = (model.get_layer(name).get_weights() for name in ("one", "two", "units"))
    z1, r1 = x @ w1 + b1, np.full((1, 5), baseline) @ w1 + b1
    z2, r2 = np.maximum(z1, 0) @ w2 + b2, np.maximum(r1, 0) @ w2 + b2
    multipliers = (relu_ratio(z2, r2) * v[:, 1]) @ w2.T
    multipliers = (relu_ratio(z1, r1) * multipliers) @ w1.T
    assert ((z1 > 0) != (r1 > 0)).any(), "no kink is crossed"
    assert_same(DeepLift(model, baseline=baseline)(x, target=1), multipliers * (x - baseline))


def test_where_nothing_differs_the_slope_is_taken():
    """The first channel is the baseline's: its unit has no difference, and nothing comes back to it."""
    model = Sequential([Input((2,)), layers.Dense(2, activation="tanh"), layers.Dense(1)])
    model.set_weights([np.eye(2), np.array([0.5, 0.0]), np.ones((2, 1)), np.zeros(1)])
    maps = DeepLift(model)(np.array([[0.0, 2.0]], "float32"))
    np.testing.assert_allclose(maps, [[0.0, np.tanh(2.0)]], rtol=1e-5)


def test_maximum_of_a_window_crosses_from_the_baseline_s_place_to_the_sample_s():
    """`max(3, 1) = 3` at place 0 against `max(0, 2) = 2` at place 1: the larger, 3, exceeds the baseline's by 1.

    A second window falls from 5 at place 1 to 4 at place 0: -1 at the place the baseline had its maximum.
    """
    model = Sequential([Input((4, 1)), layers.MaxPooling1D(2), layers.Flatten(), layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[1.0], [10.0]])])
    baseline = np.array([0.0, 2.0, 1.0, 5.0], "float32")[:, None]
    x = np.array([[3.0, 1.0, 4.0, 2.0]], "float32")[..., None]
    np.testing.assert_allclose(DeepLift(model, baseline=baseline)(x)[0, :, 0], [1, 0, 0, -10], atol=1e-5)


def test_minimum_crosses_from_the_baseline_s_operand_to_the_sample_s():
    """`min(3, 5) = 3` of the first against `min(0, 2) = 0` of the first: 3. `min(7, 1)`: from 0 to 1, by the first.

    At last `min(-1, 4)`: the first takes it from 0 to -1; and `min(4, -3)`: the second does, from 0 to -3.
    """
    one, other = Input((1,), name="one"), Input((1,), name="other")
    model = keras.Model([one, other], layers.Minimum()([one, other]))
    x = [np.array([[3.0], [7.0], [-1.0], [4.0]], "float32"), np.array([[5.0], [1.0], [4.0], [-3.0]], "float32")]
    first, second = DeepLift(model, baseline={"one": 0.0, "other": 2.0})(x)
    np.testing.assert_allclose(first[:, 0], [3, 1, -1, 0], atol=1e-6)
    np.testing.assert_allclose(second[:, 0], [0, 0, 0, -3], atol=1e-6)


def test_a_product_is_the_mean_of_both_operands():
    """`x y` from (0, 0) to (2, 3): 3 each; from (1, 1): (1 + 3) / 2 * 1 and (1 + 2) / 2 * 2."""
    one, other = Input((1,), name="one"), Input((1,), name="other")
    model = keras.Model([one, other], layers.Multiply()([one, other]))
    x = [np.array([[2.0]], "float32"), np.array([[3.0]], "float32")]
    np.testing.assert_allclose(np.ravel(DeepLift(model)(x)), [3, 3], rtol=1e-5)
    np.testing.assert_allclose(np.ravel(DeepLift(model, baseline=1.0)(x)), [2, 3], rtol=1e-5)


@pytest.mark.slow
def test_a_shared_layer_has_the_multipliers_of_both_its_calls():
    shared = nets.build("shared_layer")
    assert_same(DeepLift(shared)(X, target=1), DeepLift(nets.unrolled(shared))(X, target=1))


def test_a_sample_that_is_the_baseline_gets_nothing():
    model = nets.build("residual")
    assert not DeepLift(model, baseline=X[0])(X[:1]).any()


@pytest.mark.slow
def test_the_model_is_explained_by_reference_and_not_touched():
    model = nets.build("trained")
    explainer, twin = DeepLift(model), clone(model)
    before = explainer(X, target=1)
    assert_same(before, kerasxai.explain(twin, X, "deep_lift", target=1))
    nets.randomise(model, seed=4)
    assert not np.allclose(explainer(X, target=1), before)
    assert_same(explainer(X, target=1), DeepLift(model)(X, target=1))
    assert explainer.trace_count == 1


@pytest.mark.slow
def test_a_sum_that_misses_is_told():
    """x / |x| jumps at 0, between the points that its slope is averaged over."""
    model = randomise(
        keras.Sequential(
            [
                keras.Input((6, 5, 2)),
                keras.layers.Conv2D(4, 3, use_bias=False),
                keras.layers.UnitNormalization(),
                keras.layers.Flatten(),
                keras.layers.Dense(3),
            ]
        )
    )
    x = images(3, (6, 5, 2))
    explainer = DeepLift(model)
    with pytest.warns(UserWarning, match=r"deep_lift maps miss up to \d+ % of S\(x\) - S\(baseline\)"):
        maps = explainer(x, target=1)
    assert np.abs(explainer.completeness_residual(x, maps, target=1)).max() > 0.01
    with pytest.warns(UserWarning, match="miss"):
        kerasxai.explain(model, x, "smooth_grad", explainer="deep_lift", n_samples=2)
