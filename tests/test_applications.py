"""Keras Applications under ModelGraph and the explainers: one net a family, every constructor under `-m applications`.

Nets are untrained (their weights cannot be fetched everywhere), and large enough for maps of more than one position.
"""

import warnings

import keras
import numpy as np
import pytest

from kerasxai import explainers
from kerasxai.graph import ModelGraph, default_layer

SIDES = {"InceptionV3": 160, "InceptionResNetV2": 160}  # their last maps have one position at 96
METHODS = {
    "grad_cam": {},
    "layer_cam": {},
    "gradient": {},
    "integrated_gradients": {"steps": 2},
    "guided_backprop": {},
}
RULES = ["epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat"]
LARGE = {  # one preset each in the default run
    "ResNet50V2": "epsilon_gamma_box",
    "DenseNet121": "epsilon",
    "InceptionV3": "epsilon_alpha2_beta1_flat",
    "InceptionResNetV2": "epsilon_plus",
    "NASNetMobile": "epsilon",
    "EfficientNetV2B0": "epsilon_alpha2_beta1_flat",
    "ConvNeXtTiny": "epsilon_plus",
}
# The last layer with positions. None: Keras numbers it anew in every process; it feeds the global pooling.
DEFAULT_LAYERS = {
    "VGG16": "block5_conv3",
    "ResNet50": "conv5_block3_out",
    "ResNet50V2": "post_relu",
    "DenseNet121": "relu",
    "InceptionV3": "mixed10",
    "InceptionResNetV2": "conv_7b_ac",
    "Xception": "block14_sepconv2_act",
    "MobileNet": "conv_pw_13_relu",
    "MobileNetV2": "out_relu",
    "MobileNetV3Small": None,
    "NASNetMobile": None,
    "EfficientNetB0": "top_activation",
    "EfficientNetV2B0": "top_activation",
    "ConvNeXtTiny": None,
}
ALL = sorted(name for name in dir(keras.applications) if name[0].isupper())


@pytest.fixture
def application(request):
    name = request.param
    side = SIDES.get(name, 96)
    yield name, getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
    keras.backend.clear_session()


@pytest.mark.parametrize("application", DEFAULT_LAYERS, indirect=True)
def test_family(application):
    """Two presets of LRP each, one for the large nets; all four for all nets under `-m applications`."""
    name, model = application
    check(model, DEFAULT_LAYERS[name])
    every_second = RULES[list(DEFAULT_LAYERS).index(name) % 2 :: 2]
    check_relevance(model, [LARGE[name]] if name in LARGE else every_second)


@pytest.mark.applications
@pytest.mark.parametrize("application", ALL, indirect=True)
def test_every_constructor(application, capsys):
    name, model = application
    node = check(model, None)
    check_relevance(model, RULES)
    with capsys.disabled():
        print(f"\n{name}: default layer {node.path} {node.shape}", end=" ")


def check(model, default_path):
    x = pictures(model)
    calls_before = calls(model)
    graph = ModelGraph(model)
    outputs, _ = graph.run([x])
    np.testing.assert_array_equal(outputs[0], model(x, training=False))
    node = default_layer(graph)
    assert node.path == default_path if default_path else feeds_global_pooling(graph, node)
    for method, options in METHODS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # blank maps and nets without a ReLU warn
            maps = explainers.get(method)(model, **options)(x)
        assert np.isfinite(maps).all(), method
        assert maps.shape[: x.ndim - 1] == x.shape[:-1], method
    assert calls(model) == calls_before
    return node


def check_relevance(model, presets):
    """With statistics of batch normalisation as after training, relevance is accounted for at every node."""
    for variable in model.weights:
        if variable.name in ("gamma", "beta", "moving_mean", "moving_variance"):
            draw = np.random.default_rng(variable.shape[0])
            values = (draw.uniform(0.5, 2.0, variable.shape), draw.normal(0.0, 0.3, variable.shape))
            variable.assign(values[variable.name in ("beta", "moving_mean")])
    calls_before = calls(model)
    for preset in presets:
        ledger = explainers.LRP(model, rules=preset).ledger(pictures(model))
        for column, values in ledger.values.items():
            assert np.isfinite(values).all(), (preset, column)
        assert ledger.residual.max() <= 1e-4, (preset, ledger.paths[ledger.residual.max(axis=0).argmax()])
        assert ledger.values["relevance_out"][:, -1].any(), preset
    assert calls(model) == calls_before


def pictures(model):
    return np.random.default_rng(0).uniform(size=(2, *model.input_shape[1:])).astype("float32")


def calls(model):
    return [len(layer._inbound_nodes) + len(layer._outbound_nodes) for layer in model._flatten_layers()]


def feeds_global_pooling(graph, node):
    """Whether the next calls only pool, drop or reshape positions away."""
    followers = graph.consumers(node)
    return len(followers) == 1 and followers[0].kind in ("GlobalAveragePooling2D", "MaxPooling2D", "Flatten")
