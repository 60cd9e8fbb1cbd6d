"""Keras Applications under ModelGraph and the explainers: one net a family, every constructor under `-m applications`.

Nets are untrained (their weights cannot be fetched everywhere), and large enough for maps of more than one position.
"""

import warnings

import keras
import numpy as np
import pytest

from kerasxai import explainers
from kerasxai.graph import ModelGraph, default_layer
from kerasxai.graph.positions import Positions
from kerasxai.graph.target_layer import has_positions

SIDES = {"InceptionV3": 160, "InceptionResNetV2": 160}  # their last maps have one position at 96
METHODS = {"grad_cam": {}, "guided_backprop": {}}
ALIKE = {"gradient": {}, "layer_cam": {}, "integrated_gradients": {"steps": 2}}  # these walk the nets as the others do
RULES = ["epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat"]
# The last layer with positions (None: Keras numbers it anew in every process; it feeds the global pooling), the preset
# of the default run, and, where the rest is more of the same operations, the layer up to which that run explains.
FAMILIES = {
    "VGG16": ("block5_conv3", "epsilon_gamma_box", None),
    "ResNet50": ("conv5_block3_out", "epsilon_alpha2_beta1_flat", "conv3_block2_out"),
    "ResNet50V2": ("post_relu", "epsilon_gamma_box", "conv3_block2_out"),
    "DenseNet121": ("relu", "epsilon", "pool3_relu"),
    "InceptionV3": ("mixed10", "epsilon_alpha2_beta1_flat", None),
    "InceptionResNetV2": ("conv_7b_ac", "epsilon_plus", "block17_2_ac"),
    "Xception": ("block14_sepconv2_act", "epsilon_plus", None),
    "MobileNet": ("conv_pw_13_relu", "epsilon_alpha2_beta1_flat", None),
    "MobileNetV2": ("out_relu", "epsilon_gamma_box", None),
    "MobileNetV3Small": (None, "epsilon_plus", None),
    "NASNetMobile": (None, "epsilon", "normal_concat_1"),
    "EfficientNetB0": ("top_activation", "epsilon_gamma_box", "block4b_add"),
    "EfficientNetV2B0": ("top_activation", "epsilon_alpha2_beta1_flat", "block4b_add"),
    "ConvNeXtTiny": (None, "epsilon_plus", "convnext_tiny_downsampling_block_1"),
}
ALL = sorted(name for name in dir(keras.applications) if name[0].isupper())


@pytest.fixture
def application(request):
    name = request.param
    side = SIDES.get(name, 96)
    yield name, getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
    keras.backend.clear_session()


@pytest.mark.slow
@pytest.mark.parametrize("application", FAMILIES, indirect=True)
def test_family(application):
    """Whole nets, all methods and all presets on each: under `-m applications`."""
    name, model = application
    default_path, preset, last = FAMILIES[name]
    check_graph(model, default_path)
    check_placement(model)
    model = beginning(model, last) if last else model
    check_maps(model, METHODS)
    check_relevance(model, [preset])


@pytest.mark.applications
@pytest.mark.parametrize("application", ALL, indirect=True)
def test_every_constructor(application, capsys):
    name, model = application
    node = check_graph(model, None)
    check_maps(model, METHODS | ALIKE)
    check_relevance(model, RULES)
    with capsys.disabled():
        print(f"\n{name}: default layer {node.path} {node.shape}", end=" ")


def beginning(model, last):
    """The net up to a layer, with a head of its own."""
    pooled = keras.layers.GlobalAveragePooling2D()(model.get_layer(last).output)
    return keras.Model(model.inputs, keras.layers.Dense(5, activation="softmax")(pooled))


def check_placement(model):
    """Padding that serves the windows is no move: maps are stretched, where paths join and at the default layer."""
    graph = ModelGraph(model)
    positions = Positions(graph)
    size = graph.input_shapes[0][1:-1]
    joins = [node for node in graph.nodes if node.kind in ("Add", "Concatenate") and has_positions(node.shape, {4})]
    for node in [default_layer(graph), *joins]:
        axes = positions.place(node).axes
        assert [(axis.start, axis.stop) for axis in axes] == [(0, length) for length in size], node


def check_graph(model, default_path):
    x = pictures(model)
    calls_before = calls(model)
    graph = ModelGraph(model)
    outputs, _ = graph.run([x])
    np.testing.assert_array_equal(outputs[0], model(x, training=False))
    node = default_layer(graph)
    assert node.path == default_path if default_path else feeds_global_pooling(graph, node)
    assert calls(model) == calls_before
    return node


def check_maps(model, methods):
    x, calls_before = pictures(model), calls(model)
    for method, options in methods.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # blank maps and nets without a ReLU warn
            maps = explainers.get(method)(model, **options)(x)
        assert np.isfinite(maps).all(), method
        assert maps.shape[: x.ndim - 1] == x.shape[:-1], method
    assert calls(model) == calls_before


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
