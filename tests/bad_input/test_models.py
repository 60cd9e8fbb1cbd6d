"""What a model that cannot be explained is told, and a layer that no map can be read from."""

import keras
import pytest
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import explainers
from kerasxai.explainers import (
    AblationCAM,
    ClassActivationMapping,
    FullGrad,
    GradCAM,
    Gradient,
    GuidedBackprop,
    GuidedGradCAM,
    LayerCAM,
    RelevanceCAM,
    ScoreCAM,
    SmoothGradCAMPlusPlus,
)
from tests.bad_input.refusals import Subclassed, X, refused
from tests.support import nets

NEEDS_GRAPH = [name for name in explainers.names() if explainers.get(name).needs_graph]


# Models


UNBUILT = {
    "sequential": lambda: Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)]),
    "subclassed": Subclassed,
}


@pytest.mark.parametrize("kind", UNBUILT)
@pytest.mark.parametrize("method", ["grad_cam", "gradient", "score_cam", "guided_backprop", "lrp", "deep_lift"])
def test_unbuilt_model(kind, method):
    with refused((ValueError, TypeError), "must be built", "all it once"):
        explainers.get(method)(UNBUILT[kind]())


@pytest.mark.parametrize("call", [kerasxai.layer_table, lambda model: kerasxai.explain(model, X), Gradient, GradCAM])
def test_not_a_model(call):
    for thing in (None, "HMT.h5", 5, X, {"model": 1}):
        with refused(TypeError, "`model` must be a Keras model or a callable", type(thing).__name__, "load_model"):
            call(thing)
    with refused((ValueError, TypeError), "must be built", "all it once"):
        call(Sequential([layers.Dense(2)]))


@pytest.mark.parametrize("method", NEEDS_GRAPH)
def test_methods_that_need_the_graph_say_so(method, subclassed):
    with refused(TypeError, "Sequential or functional", "Subclassed", "gradient"):
        nets.quick(method, subclassed)


@pytest.mark.parametrize("call", [kerasxai.layer_table, GradCAM, Gradient], ids=["layer_table", "GradCAM", "Gradient"])
def test_channels_first(call):
    inputs = Input((2, 8, 8))
    x = layers.Conv2D(2, 3, data_format="channels_first", name="early")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    with refused(ValueError, "channels_last", "layer early", "Rebuild"):
        call(model)


def test_integer_input_has_no_gradient():
    model = nets.build("masked_words")
    x = nets.inputs_for(model, 2)
    for method in ("gradient", "integrated_gradients", "smooth_grad", "deep_lift"):
        with refused(ValueError, "real numbers", "int32", "perturb"):
            nets.quick(method, model)(x)


def test_no_spatial_layer():
    model = Sequential([Input((4,)), layers.Dense(3, name="dense")], name="flat")
    for method in (
        "grad_cam",
        "score_cam",
        "ablation_cam",
        "guided_grad_cam",
        "smooth_grad_cam_plus_plus",
        "relevance_cam",
    ):
        with refused(ValueError, "layer with spatial axes", "'flat'", "Gradient methods"):
            nets.quick(method, model)
    with refused(ValueError, "samples, \\*spatial, channels", r"\(None, 4\)"):
        FullGrad(model)


def test_a_net_that_cam_cannot_read():
    model = Sequential([Input(nets.IMAGE), nets.conv("conv"), layers.Flatten(), layers.Dense(3)], name="flattening")
    with refused(ValueError, "global average pooling", "'flattening'", "grad_cam"):
        ClassActivationMapping(model)


def test_a_layer_that_hides_a_relu():
    model = nets.randomise(
        Sequential([Input((6, 2)), layers.SimpleRNN(3, activation="relu", name="recurrent"), layers.Dense(2)])
    )
    with refused(ValueError, "recurrent", "ReLU", "functional API"):
        GuidedBackprop(model)


# Layers


def cams(model, layer):
    for cls in (GradCAM, ScoreCAM, AblationCAM, SmoothGradCAMPlusPlus, GuidedGradCAM, RelevanceCAM):
        yield lambda cls=cls: cls(model, layer=layer)


@pytest.mark.parametrize(
    ("layer", "parts"),
    [
        ("conv3", ["'conv3'", "Did you mean conv[12] or conv[12]", "layer_table"]),
        ("", ["''", "layer_table"]),
        (7, ["Received: int", "layer_table"]),
        (layers.Dense(1, name="foreign"), ["Dense foreign", "layer_table"]),
        ("gap", ["spatial axes", "'gap'", r"\(None, 4\)", "conv1, pool, conv2"]),
        ("head", ["spatial axes", "'head'", r"\(None, 3\)", "conv1, pool, conv2"]),
    ],
)
def test_layer(layer, parts, model):
    for make in cams(model, layer):
        with refused(ValueError, *parts):
            make()
    with refused(ValueError, *parts):
        kerasxai.explain(model, X, layer=layer)


def test_lists_of_layers(model):
    with refused(ValueError, "at least one layer", "an empty list"):
        GradCAM(model, layer=[])
    with refused(ValueError, "'conv3'"):
        GradCAM(model, layer=["conv1", "conv3"])
    with refused(ValueError, "one layer", "conv1"):
        GuidedGradCAM(model, layer=["conv1", "conv2"])
    with refused(ValueError, "LayerCAM fuses", "upsample=False"):
        LayerCAM(model, layer=["conv1", "conv2"], upsample=False)


def test_layer_off_the_way():
    inputs = Input(nets.IMAGE, name="image")
    x = nets.conv("conv")(inputs)
    model = keras.Model(inputs, [nets.head(x, name="kind"), nets.conv("side")(x)])
    for cls in (GradCAM, AblationCAM, ScoreCAM, SmoothGradCAMPlusPlus, RelevanceCAM):
        with refused(ValueError, "on the way to the explained output", "'side'"):
            cls(model, layer="side")(X, target=("kind", 1))


def test_parallel_ends():
    inputs = Input(nets.IMAGE)
    ends = [layers.GlobalAveragePooling2D()(nets.conv(name)(inputs)) for name in ("left", "right")]
    model = keras.Model(inputs, layers.Dense(3)(layers.Concatenate()(ends)), name="parallel")
    with refused(ValueError, "`layer` must be given", "left", "right"):
        GradCAM(model)


def test_layer_of_a_subclassed_model(subclassed):
    with refused(ValueError, "'conv3'", "conv, gap, head"):
        GradCAM(subclassed, layer="conv3")
    with refused(ValueError, "spatial axes", "'gap'", r"\(None, 3\)"):
        GradCAM(subclassed, layer="gap")(X)
