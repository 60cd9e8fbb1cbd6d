"""The LRP explainer: where it starts and ends, its targets, every kind of model, and what it must be equal to."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import lrp
from kerasxai.explainers import LRP
from kerasxai.targets import of_logits
from tests.support import nets
from tests.support.truth import assert_same

X = nets.normals(3)


@pytest.fixture(scope="module")
def model():
    """Layers conv1, pool, conv2, gap, head; three classes."""
    return nets.build("sequential")


def unsoftened(model):
    """The same net with a linear head."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.layers[-1].activation = keras.activations.linear
    return copy


# Where it starts


def test_the_relevance_of_the_output_is_the_logit_of_its_unit(model):
    units = unsoftened(model)(X).numpy()
    start = LRP(model, relevance_at="head")(X, target=[2, 0, 1])
    expected = np.zeros((3, 3))
    expected[[0, 1, 2], [2, 0, 1]] = units[[0, 1, 2], [2, 0, 1]]
    assert_same(start, expected)
    assert_same(LRP(model, relevance_at="head", start="one")(X, target=[2, 0, 1]), (expected != 0).astype(float))


@pytest.mark.parametrize("rules", ["epsilon_gamma_box", "epsilon_alpha2_beta1_flat"])
def test_relevance_is_in_proportion_to_its_start(rules, model):
    units = unsoftened(model)(X).numpy()
    by_one, by_logit = (LRP(model, rules=rules, start=start)(X, target=1) for start in ("one", "logit"))
    assert_same(by_logit, units[:, 1].reshape(3, 1, 1, 1) * by_one)


@pytest.mark.parametrize("start", ["one", "logit"])
def test_contrast_starts_against_the_other_classes(start, model):
    units = unsoftened(model)(X).numpy()
    size = units[:, 2] if start == "logit" else np.ones(3)
    from_one = LRP(model, start="one")
    each = [from_one(X, target=column) for column in range(3)]
    expected = size.reshape(3, 1, 1, 1) * (each[2] - (each[0] + each[1]) / 2)
    explainer = LRP(model, start=start, contrast="others")
    assert_same(explainer(X, target=2), expected, rtol=1e-3)
    output = LRP(model, start=start, contrast="others", relevance_at="head")(X)
    np.testing.assert_allclose(output.sum(axis=1), 0, atol=1e-5)
    assert (output[np.arange(3), units.argmax(1)] != 0).all()
    assert_same(explainer(X, target="top2")[:, 1], explainer(X, target=np.argsort(-units, axis=1)[:, 1]))


def test_contrast_needs_classes(model):
    one_unit = nets.randomise(Sequential([Input(nets.IMAGE), layers.Flatten(), layers.Dense(1)]))
    for explainer, target in ((LRP(one_unit, contrast="others"), None), (LRP(model, contrast="others"), first_unit)):
        with pytest.raises(ValueError, match=r'contrast="others" needs a class target.*Received: output'):
            explainer(X, target=target)


@of_logits
def first_unit(logits):
    return logits[:, 0]


def test_a_function_of_probabilities_is_refused(model):
    with pytest.raises(ValueError, match=r"starts before a final softmax.*reads the softmax 'head'.*of_logits"):
        LRP(model)(X, target=lambda outputs: outputs[:, 0])
    linear = nets.randomise(Sequential([Input(nets.IMAGE), layers.Flatten(), layers.Dense(2)]))
    assert_same(LRP(linear)(X, target=lambda outputs: outputs[:, 1]), LRP(linear)(X, target=1))


# Targets


def test_several_targets_in_one_pass(model):
    explainer = LRP(model, rules="epsilon_gamma_box")
    ranked = np.argsort(-model(X).numpy(), axis=1)
    together = explainer(X, target="top3")
    assert together.shape == (3, 3, *nets.IMAGE) and explainer.trace_count == 1
    for rank in range(3):
        assert_same(together[:, rank], explainer(X, target=ranked[:, rank]))
    assert explainer.trace_count == 2
    at = LRP(model, relevance_at="pool")
    assert_same(at(X, target="top2")[:, 1], at(X, target=ranked[:, 1]))


def test_several_targets_share_one_forward_pass():
    runs = []

    class Counting(layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(lambda x: runs.append(1) or x, [x], x.dtype), x.shape)

    model = nets.randomise(
        Sequential([Input(nets.IMAGE), Counting(name="counting"), nets.conv("conv"), layers.Flatten(), layers.Dense(3)])
    )
    explainer = LRP(model, rules={"counting": "pass"}, extends="epsilon")
    runs.clear()
    explainer(X, target="top3")
    assert len(runs) == 2, "one run ranks the classes, one explains them all"
    explainer(X, target=0)
    assert len(runs) == 3


def test_targets(model):
    explainer = LRP(model)
    predicted, labels = model(X).numpy().argmax(axis=1), np.array([2, 0, 1])
    np.testing.assert_array_equal(explainer(X), explainer(X, target=predicted))
    np.testing.assert_array_equal(explainer(X, target="true", y=labels), explainer(X, target=labels))
    assert_same(explainer(X, target=first_unit), explainer(X, target=0))
    difference = explainer(X, target=of_logits(lambda logits: logits[:, 0] - logits[:, 2]))
    assert_same(difference, explainer(X, target=0) - explainer(X, target=2), atol=1e-4)


def test_one_sigmoid_unit():
    net = Sequential([Input(nets.IMAGE), nets.conv("conv"), layers.Flatten(), layers.Dense(1, activation="sigmoid")])
    explainer = LRP(nets.randomise(net))
    for_it, against = explainer(X, target=1), explainer(X, target=0)
    assert_same(for_it, -against)
    logit = unsoftened(net)(X).numpy()
    assert_same(explainer(X), np.where(logit.reshape(3, 1, 1, 1) > 0, for_it, against))
    assert_same(LRP(net, relevance_at=net.layers[-1].name)(X, target=1), logit)


def test_several_outputs():
    model = nets.build("two_outputs")
    explainer = LRP(model)
    for name, target in (("kind", 2), ("tags", [0, 1, 1])):
        alone = keras.Model(model.inputs, model.get_layer(name).output)
        assert_same(explainer(X, target=(name, target)), LRP(alone)(X, target=target))
    both = explainer(X, target=of_logits(lambda logits: logits[0][:, 2] + logits[1][:, 1]))
    assert_same(both, explainer(X, target=("kind", 2)) + explainer(X, target=("tags", 1)), atol=1e-4)
    second = explainer(X, target=of_logits(lambda logits: logits[1][:, 1]))
    assert_same(second, explainer(X, target=("tags", 1)))


def test_a_target_that_depends_on_nothing(model):
    with pytest.raises(ValueError, match="must depend on the model's outputs"):
        LRP(model)(X, target=lambda outputs: tf.zeros_like(outputs[:, 0]))


@pytest.mark.parametrize("cls", [LRP, kerasxai.explainers.BayesianLRP, kerasxai.explainers.RelevanceCAM])
def test_probabilities_are_refused(cls, model):
    with pytest.raises(ValueError, match=r"`score` must be one of 'logit'.*score='probability'"):
        cls(model, score="probability")


BAD_OPTIONS = {"batch_norm": "unfold", "max_pool": "sum", "start": "zero", "contrast": "all", "relevance_at": "conv7"}
BAD_OPTIONS["input_range"] = (1, 0)


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options(name, model):
    told = re.escape(repr(BAD_OPTIONS[name]))
    with pytest.raises(ValueError, match=rf"(?s)(`{name}` must|`layer` must name).*{told}"):
        LRP(model, **{name: BAD_OPTIONS[name]})


# Where it ends


def test_relevance_at_a_layer_is_handed_on_from_there(model):
    """What reaches gap is `a w`; the average hands it to each position by its value."""
    at = {path: LRP(model, rules="zero", relevance_at=path)(X, target=1) for path in ("gap", "conv2", "pool")}
    conv2 = keras.Model(model.inputs, model.get_layer("conv2").output)(X).numpy()
    assert at["pool"].shape == (3, 4, 4, 3)
    assert_same(at["gap"], conv2.mean(axis=(1, 2)) * model.layers[-1].kernel.numpy()[:, 1])
    assert_same(at["conv2"], conv2 / 16 * model.layers[-1].kernel.numpy()[:, 1])


def test_relevance_in_a_branch_is_what_flows_there():
    model = nets.build("residual")
    at = {path: LRP(model, relevance_at=path)(X, target=0) for path in ("join", "branch2", "stem", "branch1")}
    assert_same(at["join"], LRP(model, relevance_at="joined_relu")(X, target=0))
    stem, branch = (keras.Model(model.inputs, model.get_layer(name).output)(X) for name in ("stem", "branch2"))
    assert_same(at["branch2"], at["join"] * branch / (stem + branch), rtol=1e-3, atol=1e-4)
    assert at["stem"].any() and at["branch1"].any()


def test_relevance_off_the_way_is_zero():
    model = nets.build("two_outputs")
    assert not LRP(model, relevance_at="tags")(X, target=("kind", 1)).any()
    assert not LRP(model, relevance_at="tags")(X, target=of_logits(lambda logits: logits[0][:, 1])).any()


def test_relevance_in_a_nested_model():
    model = nets.build("sequential_in_functional")
    assert LRP(model, relevance_at="inner/conv1").relevance_at == "inner/conv1"
    assert LRP(model, relevance_at="inner").relevance_at == "inner/conv2"
    assert LRP(model, relevance_at=model.get_layer("scale")).relevance_at == "scale"
    assert LRP(model, relevance_at="inner/conv1")(X).shape == (3, 8, 8, 3)


# Every kind of model

NOT_EXPLAINED = {"attention": "MultiHeadAttention", "masked_words": "Embedding|LSTM"}
NOT_LINEAR_IN_PIECES = {"nested_dict_inputs", "mixed_float16"}
OPTIONS = {"multi_output_layer": {"halves": "gradient"}}
TARGETS = {"two_outputs": ("kind", None), "dict_outputs": ("zebra", 1)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(nets.KINDS.keys() - NOT_EXPLAINED))
def test_every_kind_of_model(kind):
    """On nets of ReLU and maxima, with biases and normalisations, LRP-0 is gradient x input: `R_k / z_k` is the slope.

    The ledger closes under other rules, too.
    """
    model, own, target = nets.build(kind), OPTIONS.get(kind, {}), TARGETS.get(kind)
    x = nets.inputs_for(model, 2)
    relevance = LRP(model, rules={**own, "*": lrp.Zero()})(x, target=target)
    keras.tree.assert_same_structure(relevance, x)
    gradient = kerasxai.explainers.Gradient(model)(x, target=target)
    for one, slope, values in zip(*map(keras.tree.flatten, (relevance, gradient, x))):
        assert one.shape == values.shape and np.isfinite(one).all() and one.any()
        if kind not in NOT_LINEAR_IN_PIECES:
            assert_same(one, slope * values, rtol=1e-3, atol=1e-3)
    assert LRP(model, rules=own, extends="epsilon_plus").ledger(x, target=target).residual.max() <= 1e-4


@pytest.mark.parametrize("kind", NOT_EXPLAINED)
def test_kinds_that_are_not_explained(kind):
    with pytest.raises(ValueError, match=rf"({NOT_EXPLAINED[kind]}).*register_operation"):
        LRP(nets.build(kind))


def test_zero_is_gradient_times_input_in_float64(float64):
    model = nets.build("residual")
    relevance = LRP(model, rules=lrp.Zero())(X.astype("float64"), target=1)
    gradient = kerasxai.explainers.Gradient(model)(X.astype("float64"), target=1)
    assert relevance.dtype == np.float64
    assert_same(relevance, gradient * X, rtol=1e-7, atol=1e-7)


@pytest.mark.slow
def test_nested_is_flat():
    nested = nets.build("three_levels")
    x = inputs = Input(nets.IMAGE)
    for layer in (
        *(nets.conv("conv", activation=None), layers.BatchNormalization(name="norm"), layers.ReLU(name="relu")),
        nets.conv("after"),
    ):
        x = layer(x)
    flat = keras.Model(inputs, nets.head(x))
    flat.set_weights(nested.get_weights())
    for rules in ("epsilon_gamma_box", "epsilon_alpha2_beta1_flat"):
        assert_same(LRP(nested, rules=rules)(X, target=1), LRP(flat, rules=rules)(X, target=1))


def test_a_shared_layer_is_two_layers_of_the_same_weights():
    shared = nets.build("shared_layer")
    assert_same(LRP(shared)(X, target=1), LRP(nets.unrolled(shared))(X, target=1))


def test_inputs_come_back_as_they_are_given():
    model = nets.build("two_inputs")
    image, numbers = nets.inputs_for(model, 3)
    explainer = LRP(model)
    as_list, as_dict = explainer([image, numbers]), explainer({"numbers": numbers, "image": image})
    assert isinstance(as_list, list) and set(as_dict) == {"image", "numbers"}
    np.testing.assert_array_equal(as_dict["numbers"], as_list[1])
    assert explainer([image, numbers], target="top2")[1].shape == (3, 2, 4)


@pytest.mark.sweep
@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("kind", ["sequential", "trained", "three_levels"])
def test_saved_models(kind, ending, tmp_path):
    model = nets.build(kind)
    model.save(tmp_path / f"model{ending}")
    loaded = kerasxai.load_model(tmp_path / f"model{ending}")
    assert_same(LRP(loaded)(X, target=1), LRP(model)(X, target=1))


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["epsilon_alpha2_beta1_flat", "epsilon_gamma_box", "gamma_epsilon_zero"])
def test_mixed_float16(rules):
    model = nets.build("mixed_float16")
    relevance, expected = (LRP(one, rules=rules)(X, target=1) for one in (model, nets.in_float32(model)))
    assert relevance.dtype == np.float32 and np.isfinite(relevance).all()
    assert np.linalg.norm(relevance - expected) < 0.03 * np.linalg.norm(expected)
    assert LRP(model, rules=rules).ledger(X, target=1).residual.max() <= 1e-4


@pytest.mark.parametrize("rules", ["epsilon_gamma_box", "gamma_epsilon_zero", lrp.Epsilon(0.25, relative=True)])
def test_batches_do_not_matter(rules, model):
    """These rules look at a whole sample, and at no other."""
    x = nets.normals(5)
    together = LRP(model, rules=rules)(x, target=1)
    assert_same(LRP(model, rules=rules, batch_size=2)(x, target=1), together)
    x[1:] *= 100
    assert_same(LRP(model, rules=rules)(x, target=1)[0], together[0])


@pytest.mark.slow
def test_weights_are_read_by_reference():
    """Those of normalisations that are folded, too."""
    model = nets.build("trained")
    explainer = LRP(model)
    before = explainer(X, target=1)
    model.fit(nets.normals(16), np.arange(16) % 3, epochs=3, verbose=0)
    after = explainer(X, target=1)
    assert not np.allclose(before, after)
    assert_same(after, LRP(model)(X, target=1))
    assert explainer.trace_count == 1


# What rules must be equal to


def positive_part_of(model, x, rules):
    return LRP(model, rules={"head": lrp.Zero(), "*": rules})(x, target=1)


@pytest.mark.slow
def test_alpha1_beta0_is_z_plus():
    for kind in ("residual", "three_levels", "shared_layer"):
        model = nets.build(kind)
        np.testing.assert_array_equal(LRP(model, rules=lrp.AlphaBeta(1, 0))(X), LRP(model, rules=lrp.ZPlus())(X))


def test_large_gamma_is_z_plus_for_values_that_are_not_negative(model):
    x = np.abs(X)
    large, z_plus = (positive_part_of(model, x, rule) for rule in (lrp.Gamma(1e5), lrp.ZPlus()))
    assert_same(large, z_plus, rtol=1e-3, atol=1e-3)
    assert np.abs(positive_part_of(model, x, lrp.Gamma(0.25)) - z_plus).max() > 0.05 * np.abs(z_plus).max()


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["epsilon_plus", "epsilon_gamma_box", "epsilon"])
def test_folding_a_normalisation_that_changes_nothing_changes_nothing(rules):
    model = nets.build("trained")
    norm = model.get_layer("norm")
    norm.set_weights([np.ones(3), np.zeros(3), np.zeros(3), np.full(3, 1 - norm.epsilon)])
    without = Sequential([Input(nets.IMAGE), *[layer for layer in model.layers if layer is not norm]])
    expected = LRP(without, rules=rules)(X, target=1)
    for batch_norm in ("fold", "epsilon", "abs_z", "pass"):
        assert_same(LRP(model, rules=rules, batch_norm=batch_norm)(X, target=1), expected, rtol=1e-3, atol=1e-3)


# What it tells


def test_the_ledger_speaks(model):
    ledger = LRP(model, rules="epsilon").ledger(X)
    assert ledger.paths == ["head", "gap", "conv2", "pool", "conv1"]
    assert {key: value.shape for key, value in ledger.values.items()} == dict.fromkeys(ledger.values, (3, 5))
    lines = str(ledger).splitlines()
    assert len(lines) == 6 and "relevance_out" in lines[0] and lines[1].startswith("head")
    np.testing.assert_allclose(ledger.values["relevance_in"][:, 1:], ledger.values["relevance_out"][:, :-1], rtol=1e-4)
