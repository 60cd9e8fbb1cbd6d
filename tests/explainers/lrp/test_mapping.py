"""Which layer gets which rule: keys and their order, presets, depth, configs, and what a wrong mapping is told."""

import json
import warnings

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import lrp
from kerasxai.explainers import LRP
from tests.support import nets

ZERO, EPSILON, Z_PLUS, GAMMA, FLAT = lrp.Zero(), lrp.Epsilon(), lrp.ZPlus(), lrp.Gamma(), lrp.Flat()


def chosen(model, rules, **options):
    """Dict path -> rule of the linear layers; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = LRP(model, rules=rules, **options).plan
    return {node.path: plan.treatment(node).rule for node in plan.linear}


def refused(*parts):
    return pytest.raises((ValueError, TypeError), match="(?s)" + "".join(f"(?=.*{part})" for part in parts))


@pytest.fixture(scope="module")
def net():
    """Every kind of convolution, two Dense layers, a nested model called `inner` and a shared layer called twice."""
    shared = layers.Conv2D(4, 1, name="shared")
    inner = Sequential([Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same", name="deep")], name="inner")
    x = inputs = Input((8, 8, 2), name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="block1_conv1")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="block1_depthwise")(x)
    x = layers.ReLU(name="block1_relu")(x)
    x = shared(inner(shared(x)))
    x = layers.SeparableConv2D(4, 3, name="block2_separable")(x)
    x = layers.Conv2DTranspose(4, 2, name="block2_up")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Dense(5, activation="relu", name="per_position")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return nets.randomise(keras.Model(inputs, layers.Dense(3, activation="softmax", name="head")(x)))


PATHS = ["block1_conv1", "block1_depthwise", "shared", "inner/deep", "shared#2", "block2_separable", "block2_up"]
PATHS += ["per_position", "head"]
DENSE = ["per_position", "head"]
CONVOLUTIONS = [path for path in PATHS if path not in DENSE]


# Keys

KEYS = {
    "path": ("head", ["head"]),
    "nested path": ("inner/deep", ["inner/deep"]),
    "name of a nested layer": ("deep", ["inner/deep"]),
    "second call": ("shared#2", ["shared#2"]),
    "name of a layer called twice": ("shared", ["shared", "shared#2"]),
    "glob": ("block1_*", ["block1_conv1", "block1_depthwise"]),
    "glob of letters": ("block[12]_?*p*", ["block1_depthwise", "block2_separable", "block2_up"]),
    "glob across models": ("*d*ep*", ["block1_depthwise", "inner/deep"]),
    "glob of a nested model": ("inner/*", ["inner/deep"]),
    "class": (layers.Conv2D, ["block1_conv1", "shared", "inner/deep", "shared#2"]),
    "name of a class": ("Conv2DTranspose", ["block2_up"]),
    "Dense on any rank": (layers.Dense, DENSE),
    "convolutions": (lrp.CONVOLUTION, CONVOLUTIONS),
    "convolutions by name": ("CONVOLUTION", CONVOLUTIONS),
    "linear": (lrp.LINEAR, PATHS),
    "linear by name": ("LINEAR", PATHS),
    "first": ("first", ["block1_conv1"]),
    "all": ("*", PATHS),
    "tuple": (("head", "inner/*", layers.SeparableConv2D), ["inner/deep", "block2_separable", "head"]),
    "tuple in a tuple": ((("head", "first"), "deep"), ["block1_conv1", "inner/deep", "head"]),
    "function": (lambda node: node.shape[-1] == 5, ["per_position"]),
    "function in a tuple": ((lambda node: "up" in node.path, "first"), ["block1_conv1", "block2_up"]),
}


@pytest.mark.parametrize("case", KEYS)
def test_key(case, net):
    key, paths = KEYS[case]
    rules = {key: GAMMA} if len(paths) == len(PATHS) else {key: GAMMA, lrp.LINEAR: ZERO}
    found = chosen(net, rules)
    assert [path for path, rule in found.items() if rule == GAMMA] == paths
    assert list(found) == PATHS


def test_first_matching_key_in_the_written_order_wins(net):
    keys = {"head": FLAT, layers.Dense: GAMMA, "block*": Z_PLUS, "*": EPSILON}
    found = chosen(net, keys)
    assert found["head"] == FLAT and found["per_position"] == GAMMA
    assert found["block1_conv1"] == found["block2_up"] == Z_PLUS and found["inner/deep"] == EPSILON
    with pytest.warns(UserWarning, match=r"decide for no layer of the model: head\b"):
        other_way = LRP(net, rules={layers.Dense: GAMMA, "head": FLAT, "*": EPSILON})
    assert other_way.plan.treatment(other_way.graph.node("head")).rule == GAMMA


def test_a_mapping_may_be_a_list_of_pairs(net):
    assert chosen(net, [("head", FLAT), ["*", "z_plus"]]) == chosen(net, {"head": FLAT, "*": Z_PLUS})


def test_a_rule_by_instance_class_name_or_config(net):
    expected = dict.fromkeys(PATHS, lrp.Gamma(0.25))
    for rules in (GAMMA, lrp.Gamma, "gamma", {"rule": "gamma"}, {"*": "gamma"}, {"*": lrp.Gamma}):
        assert chosen(net, rules) == expected
    assert chosen(net, {"rule": "gamma", "gamma": 1.0}) == dict.fromkeys(PATHS, lrp.Gamma(1.0))


def test_extends_comes_after_the_own_keys(net):
    found = chosen(net, {"head": FLAT, "block1_*": ZERO}, extends="epsilon_plus")
    assert found["head"] == FLAT and found["block1_conv1"] == ZERO
    assert found["inner/deep"] == Z_PLUS and found["per_position"] == EPSILON
    boxed = chosen(net, {"head": FLAT}, extends="epsilon_gamma_box", input_range=(-1, 2))
    assert boxed["block1_conv1"] == lrp.ZBox(-1, 2) and boxed["head"] == FLAT


def test_first_is_every_layer_at_an_input_and_none_behind_another():
    image, numbers = Input((8, 8, 2), name="image"), Input((4,), name="numbers")
    x = layers.Rescaling(0.5, name="scaled")(image)
    left, right = (layers.Conv2D(2, 3, padding="same", name=name)(x) for name in ("left", "right"))
    x = layers.Add(name="sum")([left, layers.Conv2D(2, 1, name="behind")(right), x])
    joined = layers.Concatenate(name="joined")(
        [layers.GlobalAveragePooling2D(name="gap")(x), layers.Dense(2, name="side")(numbers)]
    )
    model = keras.Model([image, numbers], layers.Dense(3, name="head")(joined))
    found = chosen(model, {"first": FLAT, "*": ZERO})
    assert {path for path, rule in found.items() if rule == FLAT} == {"left", "right", "side"}


# Depth


def test_fractions_of_depth_are_inclusive():
    model = Sequential([Input((4,)), *[layers.Dense(4, name=f"d{index}") for index in range(10)]])
    found = list(chosen(model, lrp.by_depth([(0.5, GAMMA), (0.9, Z_PLUS), (1.0, ZERO)])).values())
    assert found == [GAMMA] * 5 + [Z_PLUS] * 4 + [ZERO]
    assert list(chosen(model, lrp.by_depth([(0.3, "gamma"), (1.0, "zero")])).values()) == [GAMMA] * 3 + [ZERO] * 7


def test_indices_of_depth_are_inclusive_and_count_linear_layers_only(net):
    found = chosen(net, lrp.by_depth([(0, FLAT), (3, GAMMA), (100, ZERO)]))
    assert list(found.values()) == [FLAT] + [GAMMA] * 3 + [ZERO] * 5


def test_depth_among_other_keys(net):
    found = chosen(net, {"first": FLAT, layers.Dense: EPSILON, "*": lrp.by_depth([(3, GAMMA), (1_000, Z_PLUS)])})
    assert list(found.values()) == [FLAT] + [GAMMA] * 3 + [Z_PLUS] * 3 + [EPSILON] * 2
    beyond = chosen(net, {"*": lrp.by_depth([(1, GAMMA)]), lrp.LINEAR: ZERO})
    assert list(beyond.values()) == [GAMMA] * 2 + [ZERO] * 7


@pytest.mark.parametrize(
    "bounds", [[], [0.5, 0.5], [0.9, 0.5], [2, 0.5], [0.5, 1], [1.5], [0.0], [-1], [True], [3, 3], ["0.5"], [None]]
)
def test_bounds_of_depth(bounds):
    with refused("`by_depth` takes .bound, rule. pairs whose bounds increase", "Received"):
        lrp.by_depth([(bound, ZERO) for bound in bounds])


def vgg_shaped():
    """The layers of VGG16, one channel each."""
    steps = [Input((32, 32, 1))]
    for block, count in enumerate((2, 2, 3, 3, 3), start=1):
        steps += [layers.Conv2D(1, 3, padding="same", name=f"block{block}_conv{one + 1}") for one in range(count)]
        steps.append(layers.MaxPooling2D(2))
    steps += [layers.Flatten(), *[layers.Dense(2, name=name) for name in ("fc1", "fc2", "predictions")]]
    return Sequential(steps)


def test_gamma_epsilon_zero_on_vgg16():
    found = chosen(vgg_shaped(), "gamma_epsilon_zero")
    assert len(found) == 16
    for path, rule in found.items():
        wanted = lrp.Epsilon(0.25, relative=True) if path[:6] in ("block4", "block5") else ZERO
        assert rule == (lrp.Gamma(0.25) if path[:6] in ("block1", "block2", "block3") else wanted), path


# Presets

BETA = lrp.AlphaBeta(2, 1)
PRESETS = {  # name -> rule of the first layer (None: as the others), of convolutions, of Dense layers
    "epsilon": (None, EPSILON, EPSILON),
    "epsilon_plus": (None, Z_PLUS, EPSILON),
    "epsilon_plus_flat": (FLAT, Z_PLUS, EPSILON),
    "epsilon_alpha2_beta1": (None, BETA, EPSILON),
    "epsilon_alpha2_beta1_flat": (FLAT, BETA, EPSILON),
    "epsilon_gamma_box": (lrp.ZBox(0, 1), lrp.Gamma(0.25), EPSILON),
    "alpha1_beta0": (None, lrp.AlphaBeta(1, 0), lrp.AlphaBeta(1, 0)),
    "alpha2_beta1": (None, BETA, BETA),
    "deep_taylor": (lrp.ZBox(0, 1), lrp.ZPlus(bias="ignore"), lrp.ZPlus(bias="ignore")),
    "excitation_backprop": (None, Z_PLUS, Z_PLUS),
}


@pytest.mark.parametrize("name", PRESETS)
def test_preset(name, net):
    first, convolutions, dense = PRESETS[name]
    found = chosen(net, name, input_range=(0, 1))
    assert found.pop("block1_conv1") == (first or convolutions)
    assert {path: found[path] for path in DENSE} == dict.fromkeys(DENSE, dense)
    assert {found[path] for path in CONVOLUTIONS[1:]} == {convolutions}


def test_presets_of_an_unknown_input_range(net):
    assert chosen(net, "epsilon_gamma_box")["block1_conv1"] == lrp.ZBox()
    assert chosen(net, "deep_taylor")["block1_conv1"] == lrp.WSquare(bias="ignore")


def test_every_preset_is_listed():
    assert set(lrp.preset_names()) == {*PRESETS, "gamma_epsilon_zero"}


def test_the_default_is_epsilon_plus(net):
    treatments = {node.path: step.treatment for node, step in LRP(net).plan.steps.items()}
    rules = {path: treatment.rule for path, treatment in treatments.items() if treatment.rule}
    assert rules == chosen(net, "epsilon_plus")


def test_a_preset_s_keys_never_warn():
    dense_only = Sequential([Input((4,)), layers.Dense(3, name="head")])
    for name in lrp.preset_names():
        assert len(chosen(dense_only, name)) == 1
        chosen(dense_only, {"head": ZERO}, extends=name)


# Treatments


def test_treatments_by_path_and_class(net):
    class Nothing(lrp.Treatment):
        name = "nothing"

        def propagate(self, call, relevances, ledger=None):
            return [None]

    nothing = Nothing()
    rules = {"block1_relu": nothing, layers.MaxPooling2D: "proportional", "gap": "gradient", "*": "zero"}
    explainer = LRP(net, rules=rules)
    treatments = {node.path: step.treatment for node, step in explainer.plan.steps.items()}
    assert treatments["block1_relu"] is nothing
    assert (treatments["pool"].name, treatments["gap"].name) == ("proportional", "gradient")
    assert not explainer(nets.normals(2)).any(), "what the ReLU was given came through"


def test_a_rule_on_a_node_that_is_not_linear(net):
    for key in ("block1_relu", layers.ReLU):
        with refused("Gamma", "for linear layers", r"block1_relu \(ReLU\)"):
            LRP(net, rules={key: GAMMA, "*": ZERO})
    assert chosen(net, {"block1_relu": "pass", "*": ZERO})["head"] == ZERO


def test_depth_counts_for_linear_layers_alone(net):
    with pytest.warns(UserWarning, match="block1_relu"):
        LRP(net, rules={"block1_relu": lrp.by_depth([(1.0, GAMMA)]), "*": ZERO})


# What is told


def test_an_unused_key_warns(net):
    with pytest.warns(UserWarning, match=r"(?s)conv9, Conv3D.*first matching key wins"):
        LRP(net, rules={"conv9": GAMMA, layers.Conv3D: GAMMA, "*": ZERO})
    with pytest.warns(UserWarning, match="block9"):
        LRP(net, rules={"block9*": GAMMA}, extends="epsilon")


def test_a_layer_without_a_rule(net):
    with refused("every linear layer", "block1_conv1, block1_depthwise, shared, inner/deep, shared#2 \\.\\.\\.", "'*'"):
        LRP(net, rules={layers.Dense: ZERO})
    with refused("Without one: head\\.", "extends="):
        LRP(net, rules=[(path, "zero") for path in PATHS[:-1] if "#" not in path])
    with refused("Without one: per_position, head"):
        LRP(net, rules=lrp.by_depth([(6, ZERO)]))


BAD = {
    "word": ("zeta", ["epsilon_plus", "'zeta'"]),
    "none": (None, ["None", "preset's name"]),
    "number": (3, ["Received: 3"]),
    "key": ({3: ZERO}, ["key of `rules`", "Received: 3"]),
    "value": ({"*": "zeta"}, ["z_plus", "gradient", "'zeta'"]),
    "nothing for a value": ({"*": None}, ["None"]),
    "config": ({"rule": "zeta"}, ["z_plus", "'zeta'"]),
    "list": (["zero"], [r"pairs \(key, rule\)"]),
    "nothing": ({}, ["every linear layer"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_rules(case, net):
    rules, parts = BAD[case]
    with refused(*parts):
        LRP(net, rules=rules)


@pytest.mark.parametrize("rules", ["epsilon", "epsilon_plus", {"*": ZERO}], ids=["rule", "preset", "mapping"])
def test_an_unknown_preset_to_extend(rules, net):
    with refused("`extends` must be one of", "epsilon_plus", "'zeta'"):
        LRP(net, rules=rules, extends="zeta")


# Configs

ROUND_TRIPS = {
    "rule": {"rules": lrp.Gamma(0.5, bias="ignore")},
    "preset": {"rules": "epsilon_gamma_box", "input_range": (np.float32(-1), 2)},
    "mapping": {"rules": {"first": lrp.ZBox([-1.0, -2.0], np.array([1.0, 2.0])), lrp.CONVOLUTION: "z_plus", "*": ZERO}},
    "classes": {"rules": {layers.Dense: lrp.Epsilon(0.1, relative=True), (layers.Conv2D, "block*"): BETA}},
    "tuples": {"rules": {(("head", lrp.CONVOLUTION[:3]), "first"): lrp.WSquare(), "*": GAMMA}},
    "extends": {"rules": {"head": ZERO}, "extends": "epsilon_gamma_box", "input_range": [-3, 3]},
    "depth": {"rules": {"first": FLAT, "*": lrp.by_depth([(2, GAMMA), (6, "z_plus")]), lrp.LINEAR: ZERO}},
    "fractions": {"rules": lrp.by_depth([(0.5, GAMMA), (1.0, lrp.Epsilon(0.25, relative=True))])},
    "treatments": {"rules": {"block1_relu": "gradient", "pool": "proportional", "*": EPSILON}},
    "options": {
        "rules": "epsilon",
        "start": "one",
        "contrast": "others",
        "max_pool": "average",
        "relevance_at": "deep",
    },
}


@pytest.mark.parametrize("case", ROUND_TRIPS)
def test_config_round_trip(case, net):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer = LRP(net, **ROUND_TRIPS[case])
        config = json.loads(json.dumps(explainer.get_config()))
        rebuilt = kerasxai.explainers.from_config(config, net)
    assert list(rebuilt.plan.rows()) == list(explainer.plan.rows())
    assert rebuilt.get_config() == config


def test_a_ledger_does_not_warn_of_a_preset_s_keys():
    model = nets.randomise(Sequential([Input((4,)), layers.Dense(3, name="head")]))
    explainer = LRP(model, rules={"head": ZERO}, extends="epsilon_plus")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer.ledger(np.ones((1, 4), "float32"))


def test_rules_are_equal_by_what_they_do():
    assert lrp.Gamma(0.25) == lrp.get_rule({"rule": "gamma"}) and hash(lrp.Gamma()) == hash(lrp.Gamma(0.25))
    assert lrp.Gamma() != lrp.Gamma(0.5) and lrp.Gamma() != lrp.Gamma(bias="ignore") and lrp.Zero() != lrp.Epsilon(0.0)


# The summary


def test_summary_lines(net, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # a narrower terminal folds them
    explainer = LRP(net, rules="epsilon_gamma_box")
    lines = []
    explainer.summary(print_fn=lines.append)
    explainer.summary()
    assert capsys.readouterr().out.splitlines() == lines
    assert lines[0].split() == ["node", "type", "rule", "treatment"]
    rows = {line.split()[0]: line for line in lines[1:]}
    assert len(rows) == len(lines) - 1 == len(explainer.graph.nodes)
    for path, parts in {
        "block1_conv1": ["Conv2D", "ZBox", "linear, first layer"],
        "block1_relu": ["ReLU", "pass"],
        "inner/deep": ["Conv2D", "Gamma(gamma=0.25)", "linear"],
        "pool": ["MaxPooling2D", "gradient"],
        "gap": ["GlobalAveragePooling2D", "proportional"],
        "head": ["Dense", "Epsilon(eps=1e-06, relative=False)"],
    }.items():
        assert all(part in rows[path] for part in parts), rows[path]


def test_summary_of_normalisations():
    model = Sequential(
        [
            Input((8, 8, 2)),
            layers.Rescaling(2.0, name="scaled"),
            layers.Conv2D(3, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.BatchNormalization(name="other"),
            layers.Conv2D(3, 3, padding="same", name="late"),
            layers.GlobalAveragePooling2D(name="gap"),
            layers.Dense(2, name="head"),
        ]
    )
    rows = {row[0]: row for row in LRP(model, rules="epsilon_plus_flat").plan.rows()}
    assert "folded into conv" in rows["norm"][3] and "Epsilon" in rows["other"][2]
    assert rows["scaled"][2:] == ("Pass()", "linear, input scaling")
    rows = {row[0]: row for row in LRP(model, batch_norm="abs_z").plan.rows()}
    assert rows["norm"][2] == rows["other"][2] == "AbsZ()" and rows["scaled"][2] != "Pass()"
