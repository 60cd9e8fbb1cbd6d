"""What a wrong call is told: the type of the error, what was received, and what to do about it."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import explainers
from kerasxai.explainers import (
    CAM,
    LRP,
    RISE,
    SISE,
    XRAI,
    AblationCAM,
    BayesianLRP,
    BlurIG,
    ClassActivationMapping,
    DeepLift,
    ExpectedGradients,
    FullGrad,
    GradCAM,
    Gradient,
    GuidedBackprop,
    GuidedGradCAM,
    GuidedIG,
    IntegratedGradients,
    LayerCAM,
    NoisePercentiles,
    Occlusion,
    RelevanceCAM,
    ScoreCAM,
    SmoothGrad,
    SmoothGradCAMPlusPlus,
)
from tests.support import nets

NEEDS_GRAPH = [name for name in explainers.names() if explainers.get(name).needs_graph]
X = nets.normals(3)


@pytest.fixture(scope="module")
def model():
    """Image to three classes; layers conv1, pool, conv2, gap, head."""
    return nets.build("sequential")


@pytest.fixture(scope="module")
def grad_cam(model):
    return GradCAM(model)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.conv = nets.conv("conv")
        self.gap = layers.GlobalAveragePooling2D(name="gap")
        self.head = layers.Dense(3, activation="softmax", name="head")

    def call(self, x):
        return self.head(self.gap(self.conv(x)))


@pytest.fixture(scope="module")
def subclassed():
    model = Subclassed()
    model(X)
    return model


def refused(error, *parts):
    """Context in which `error` must be raised, with every one of the regular expressions in its message."""
    return pytest.raises(error, match="(?s)" + "".join(f"(?=.*{part})" for part in parts))


def rows(x, y=None):
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y))


# Data


class EndlessData(keras.utils.PyDataset):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return X


with_nan, with_infinity = X.copy(), X.copy()
with_nan[1, 2, 3, 0] = np.nan
with_infinity[2, 0, 0, 1] = -np.inf

BAD_DATA = {
    "no batch axis": (X[0], ValueError, r"\(8, 8, 2\)", r"'samples', 8, 8, 2", r"x\[None\]"),
    "no channel axis": (X[..., 0], ValueError, r"\(3, 8, 8\)", "Add the channel axis: 2 values at each position"),
    "wrong rank": (X[..., None], ValueError, r"\(3, 8, 8, 2, 1\)", r"'samples', 8, 8, 2"),
    "wrong channels": (nets.normals(3, (8, 8, 3)), ValueError, r"\(3, 8, 8, 3\)", r"'samples', 8, 8, 2"),
    "wrong size": (nets.normals(3, (8, 9, 2)), ValueError, r"\(3, 8, 9, 2\)", r"'samples', 8, 8, 2"),
    "flat": (X.reshape(3, -1), ValueError, r"\(3, 128\)"),
    "scalar": (5.0, ValueError, r"\(\)"),
    "empty": (X[:0], ValueError, "at least one sample", "empty"),
    "empty list": ([], ValueError, "`x`", "Received"),
    "nothing": (None, TypeError, "`x` must be an array", "NoneType"),
    "NaN": (with_nan, ValueError, "finite", "row 1 ", "nan_to_num"),
    "infinity": (with_infinity, ValueError, "finite", "row 2 "),
    "NaN in a dataset": (rows(with_nan).batch(2), ValueError, "finite", "nan_to_num"),
    "strings": (np.full(X.shape, "a"), TypeError, "`x` must be an array", "<U1"),
    "a string": ("images.npy", TypeError, "`x` must be an array", "str"),
    "objects": (X.astype(object), TypeError, "`x` must be an array", "object"),
    "ragged list": ([[1.0], [1.0, 2.0]], (TypeError, ValueError), "`x`"),
    "complex numbers": (X.astype("complex64"), TypeError, "`x` must be an array", "complex64"),
    "two inputs for one": ([X, X], ValueError, r"\(2, 3, 8, 8, 2\)", r"'samples', 8, 8, 2"),
    "unknown name": ({"picture": X}, ValueError, "picture"),
    "empty dataset": (rows(X).take(0).batch(2), ValueError, "at least one sample", "empty dataset"),
    "filtered to nothing": (rows(X).filter(lambda _: False).batch(2), ValueError, "at least one sample"),
    "infinite dataset": (rows(X).repeat(), ValueError, "infinite", r"\.take\(n\)"),
    "infinite batches": (rows(X).batch(2).repeat(), ValueError, "infinite", r"\.take\(n\)"),
    "dataset of strings": (rows(np.full(X.shape, "a")).batch(2), TypeError, "`x` must be an array", "string"),
    "dataset of another size": (rows(nets.normals(3, (4, 4, 2))).batch(2), ValueError, r"\(2, 4, 4, 2\)"),
    "endless PyDataset": (EndlessData(), ValueError, "PyDataset", "num_batches=None"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_data(case, grad_cam):
    x, error, *parts = BAD_DATA[case]
    with refused(error, *parts):
        grad_cam(x)


@pytest.mark.parametrize("case", ["NaN", "wrong channels", "objects", "empty"])
def test_data_through_explain(case, model):
    x, error, *parts = BAD_DATA[case]
    with refused(error, *parts):
        kerasxai.explain(model, x, method=["grad_cam", "hires_cam", "gradient"])


@pytest.mark.parametrize("case", ["NaN", "infinity", "strings", "objects", "empty", "nothing", "infinite dataset"])
def test_data_for_a_subclassed_model(case, subclassed):
    x, error, *parts = BAD_DATA[case]
    with refused(error, *parts):
        Gradient(subclassed)(x)


@pytest.mark.parametrize(
    ("sample", "given", "hint"),
    [
        ((8, 8, 1), (3, 8, 8), r"Add the channel axis: x[..., None]."),
        ((8, 8, 1), (8, 8), r"Add the batch and the channel axis: x[None, ..., None]."),
        ((8, 8, 1), (8, 8, 1), r"Add the batch axis: x[None]."),
        ((None, None, 3), (5, 32, 32), r"Add the channel axis: 3 values at each position."),
        ((None, None, 3), (32, 32, 3), r"Add the batch axis: x[None]."),
        ((40, 1), (5, 40), r"Add the channel axis: x[..., None]."),
        ((None, 1), (40, 1), r"Add the batch axis: x[None]."),
        ((40, 1), (40,), r"Add the batch and the channel axis: x[None, ..., None]."),
        ((4,), (4,), r"Add the batch axis: x[None]."),
    ],
)
def test_the_axis_that_is_missing(sample, given, hint):
    model = Sequential([Input(sample), layers.Dense(2), *([layers.Flatten()] if None not in sample else [])])
    with refused(ValueError, re.escape(hint)):
        Gradient(model)(np.zeros(given, "float32"))


def test_several_inputs():
    two = nets.build("two_inputs")
    image, numbers = nets.inputs_for(two, 3)
    explainer = Gradient(two)
    with refused(ValueError, "2 inputs", "image, numbers", "Received: 1"):
        explainer(image)
    with refused(ValueError, "2 inputs", "Received: 3"):
        explainer([image, numbers, numbers])
    with refused(ValueError, "image, numbers", "a dict with image, number"):
        explainer({"image": image, "number": numbers})
    with refused(ValueError, "same number of samples", r"\[2, 3\]"):
        explainer([image, numbers[:2]])
    with refused(ValueError, "'numbers'", r"\(3, 8, 8, 2\)"):
        explainer([image, image])


def test_numbers_after_a_good_batch_are_checked_too(grad_cam):
    x = nets.normals(40)
    x[39, 0, 0, 0] = np.nan
    with refused(ValueError, "finite"):
        grad_cam(x)


# Targets


def wrong_shape(outputs):
    return outputs


BAD_TARGETS = {
    "class too large": (3, ValueError, "classes 0 to 2", "Received: 3"),
    "negative class": (-1, ValueError, "classes 0 to 2", "Received: -1"),
    "one of them too large": ([0, 1, 7], ValueError, "classes 0 to 2", "Received: 7"),
    "fraction": (1.5, ValueError, "whole class indices", "1.5"),
    "NaN": ([0.0, np.nan, 1.0], ValueError, "whole class indices", "nan"),
    "boolean": (True, ValueError, "class index", "bool"),
    "booleans": ([True, False, True], ValueError, "class index", "bool"),
    "too few": ([0, 1], ValueError, "one entry per sample", "2 targets for 3 samples"),
    "too many": ([0, 1, 2, 0], ValueError, "one entry per sample", "4 targets for 3 samples"),
    "none": ([], ValueError, "one entry per sample", "0 targets for 3 samples"),
    "empty tuple": ((), ValueError, "one entry per sample", "0 targets for 3 samples"),
    "probabilities": (np.full((3, 3), 1 / 3), ValueError, "one-hot", "not one-hot"),
    "two hot": ([[1, 1, 0], [0, 1, 0], [0, 0, 1]], ValueError, "one-hot", "not one-hot"),
    "one-hot of other classes": (np.eye(4)[:3], ValueError, "one-hot rows of 3 classes", r"\(3, 4\)"),
    "three axes": (np.zeros((3, 1, 1)), ValueError, "class index", r"\(3, 1, 1\)"),
    "unknown word": ("best", ValueError, '"predicted", "true", "top<k>"', "target='best'"),
    "top 0": ("top0", ValueError, "top<k>", "target='top0'"),
    "more than there are": ("top9", ValueError, "3 classes", "target='top9'"),
    "strings": (["a", "b", "c"], ValueError, "class index", "<U1"),
    "object": (object(), ValueError, "class index", "object"),
    "dict": ({"head": 1}, ValueError, "class index", "object"),
    "unknown output": (("tail", 1), ValueError, "the outputs head", "'tail'"),
    "no labels": ("true", ValueError, '"true" needs labels', "y="),
    "function of a wrong shape": (wrong_shape, ValueError, r"shape \(batch,\)", r"\(None, 3\)", "wrong_shape"),
    "function of a scalar": (lambda o: tf.reduce_sum(o), ValueError, r"shape \(batch,\)", r"shape \(\)"),
    "function of nothing": (lambda outputs: None, (ValueError, TypeError), "None"),
    "too little data": (
        (lambda outputs, data: data, [1.0, 2.0]),
        ValueError,
        "one entry per sample",
        "2 targets for 3 samples",
    ),
}


@pytest.mark.parametrize("case", BAD_TARGETS)
def test_target(case, grad_cam):
    target, error, *parts = BAD_TARGETS[case]
    with refused(error, *parts):
        grad_cam(X, target=target)


@pytest.mark.parametrize("case", ["class too large", "too few", "unknown word", "no labels"])
def test_target_through_explain(case, model):
    target, error, *parts = BAD_TARGETS[case]
    with refused(error, *parts):
        kerasxai.explain(model, X, method=["grad_cam", "gradient"], target=target)


@pytest.mark.parametrize("case", ["class too large", "negative class", "too few", "more than there are", "no labels"])
def test_target_for_a_subclassed_model(case, subclassed):
    target, error, *parts = BAD_TARGETS[case]
    with refused(error, *parts):
        Gradient(subclassed)(X, target=target)


@pytest.mark.parametrize(("targets", "told"), [([0, 1], "2 targets for at least 3"), ([0] * 5, "5 targets for 4")])
def test_targets_for_a_dataset_of_unknown_size(targets, told, grad_cam):
    dataset = rows(nets.normals(4)).filter(lambda _: True).batch(3)
    with refused(ValueError, "one entry per sample", told):
        grad_cam(dataset, target=targets)


@pytest.mark.parametrize(
    ("y", "parts"),
    [
        ([0, 1], ["one label per sample", r"shape \(2,\), 3 samples"]),
        (1, ["one label per sample", r"shape \(\), 3 samples"]),
        ([0, 1, 3], ["classes 0 to 2", "Received: 3"]),
        ([0.5, 0, 1], ["whole class indices"]),
        (np.full((3, 3), 0.5), ["one-hot"]),
    ],
)
def test_labels(y, parts, grad_cam):
    with refused(ValueError, *parts):
        grad_cam(X, target="true", y=y)


@pytest.mark.parametrize("target", [None, "predicted", "top2", 1, [0, 1, 2], lambda outputs: outputs[:, 0]])
def test_labels_that_nothing_uses(target, model, grad_cam):
    told = ['`y` is used by target="true" only', "Received: y and target="]
    with refused(ValueError, *told):
        grad_cam(X, target=target, y=[0, 1, 2])
    with refused(ValueError, *told):
        kerasxai.explain(model, X, method=["grad_cam", "gradient"], target=target, y=[0, 1, 2])
    with refused(ValueError, *told):
        kerasxai.evaluate(model, X, ["gradient"], ["sparseness"], target=target, y=[0, 1, 2])
    with refused(ValueError, *told):
        kerasxai.callbacks.DropIncrease(X, [0, 1, 2], target="predicted" if target is None else target)
    assert grad_cam(rows(X, [0, 1, 2]).batch(2), target=target).shape[0] == 3  # a dataset brings them along


def test_labels_beside_a_dataset(grad_cam):
    with refused(ValueError, "`y` goes with arrays", r"\(x, y\)"):
        grad_cam(rows(X).batch(2), target="true", y=[0, 1, 2])


def test_dataset_without_labels(grad_cam):
    with refused(ValueError, '"true" needs labels'):
        grad_cam(rows(X).batch(2), target="true")


def test_several_outputs_without_a_name():
    model = nets.build("two_outputs")
    explainer = Gradient(model)
    for target in (None, 1, "top2", [0, 1, 2]):
        with refused(ValueError, "the outputs kind, tags", "output name", "Example: target="):
            explainer(X, target=target)
    with refused(ValueError, "the outputs kind, tags", "'size'"):
        explainer(X, target=("size", 1))
    with refused(ValueError, "classes 0 to 1", "Received: 2"):
        explainer(X, target=("tags", 2))


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_segmentation_needs_a_callable(score):
    inputs = Input(nets.IMAGE)
    model = keras.Model(inputs, nets.conv("mask", filters=3, activation="softmax")(nets.conv("conv")(inputs)))
    explainer = Gradient(model, score=score)
    for target in (None, 1):
        with refused(ValueError, r"\(batch, classes\)", "callable"):
            explainer(X, target=target)
    assert explainer(X, target=lambda masks: tf.reduce_sum(masks[..., 1], axis=[1, 2])).shape == X.shape


@pytest.mark.parametrize(("activation", "told"), [("sigmoid", "classes 0 to 1"), (None, "one unit")])
def test_class_of_a_single_unit(activation, told):
    model = Sequential([Input(nets.IMAGE), layers.Flatten(), layers.Dense(1, activation=activation)])
    with refused(ValueError, "out of range", told, "Received: 2"):
        Gradient(model)(X, target=2)


def test_cam_explains_classes_only(model):
    with refused(ValueError, "callable", "grad_cam"):
        ClassActivationMapping(model)(X, target=lambda outputs: outputs[:, 0])


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


# Options


def test_unknown_method(model):
    calls = (explainers.get, lambda name: kerasxai.explain(model, X, method=name))
    calls += (lambda name: explainers.build(name, model), lambda name: explainers.from_config({"method": name}, model))
    for call in calls:
        with refused(ValueError, "`method` must be one of", "grad_cam", "'grad_cm'", "Did you mean .*grad_cam"):
            call("grad_cm")
    with refused(ValueError, "`method` must be one of", "Received: None"):
        explainers.get(None)


def test_methods_of_explain(model):
    with refused(ValueError, "different methods", r"\['grad_cam', 'grad_cam'\]"):
        kerasxai.explain(model, X, method=["grad_cam", "grad_cam"])
    with refused(ValueError, "at least one", r"\[\]"):
        kerasxai.explain(model, X, method=[])
    with refused(TypeError, "None of the methods has the option step", "steps"):
        kerasxai.explain(model, X, method=["grad_cam", "integrated_gradients"], step=3)


@pytest.mark.parametrize("config", [{}, {"layer": "conv1"}, None, "grad_cam", ["grad_cam"]], ids=repr)
def test_config_without_a_method(config, model):
    with refused(ValueError, 'dict with the key "method"', re.escape(repr(config))):
        explainers.from_config(config, model)


def plus_one(model):
    return model + 1


@pytest.mark.parametrize("make", [BayesianLRP, SmoothGrad, NoisePercentiles])
def test_a_function_that_gives_no_explainer(make, model):
    with refused(ValueError, "called with the model and must return an explainer", "plus_one", "raised TypeError"):
        make(model, explainer=plus_one)
    with refused(TypeError, "called with the model and must return an explainer", "<lambda>, which returned 3"):
        make(model, explainer=lambda model: 3)
    with refused(TypeError, "<lambda>, which returned <function"):
        make(model, explainer=lambda model: plus_one)
    with refused(TypeError, "a name, a config dict", "Sequential"):
        make(model, explainer=model)
    with refused(TypeError, "`method` must be a name, or a class of its kind", "<class 'int'>"):
        make(model, explainer=int)


@pytest.mark.parametrize("value", ["False", 0, None, np.array([True, False])], ids=repr)
def test_flags_of_functions(value, model, tmp_path):
    with refused(ValueError, "`controls` must be True or False"):
        kerasxai.evaluate(model, X, controls=value)
    model.save(tmp_path / "net.keras")
    with refused(TypeError, "`safe_mode` must be True or False"):
        kerasxai.load_model(tmp_path / "net.keras", safe_mode=value)


def test_config_with_an_unknown_option(model):
    with refused(TypeError, "GradCAM has the options", "colour='red'"):
        explainers.from_config({"method": "grad_cam", "colour": "red"}, model)


def test_build(model):
    other = nets.build("sequential")
    with refused(ValueError, "bound to the same model", "GradCAM", "'sequential'"):
        explainers.build(GradCAM(other), model)
    with refused(TypeError, "a name, a config dict", "Received: 5"):
        explainers.build(5, model)


@pytest.mark.parametrize("method", explainers.names())
def test_unknown_option(method, model):
    with refused(TypeError, f"{explainers.get(method).__name__} has the options", "batch_size", "colour='red'"):
        nets.quick(method, model, colour="red")


BAD_OPTIONS = {
    "batch_size 0": (Gradient, {"batch_size": 0}, "`batch_size` must be a positive integer", "batch_size=0"),
    "batch_size None": (Gradient, {"batch_size": None}, "positive integer", "batch_size=None"),
    "batch_size fraction": (GradCAM, {"batch_size": 2.5}, "positive integer", "batch_size=2.5"),
    "batch_size True": (GradCAM, {"batch_size": True}, "positive integer", "batch_size=True"),
    "verbose": (Gradient, {"verbose": 2}, "'auto', 0, 1", "verbose=2"),
    "verbose word": (GradCAM, {"verbose": "yes"}, "'auto', 0, 1", "verbose='yes'"),
    "score": (GradCAM, {"score": "proba"}, "'logit', 'probability'", "score='proba'"),
    "score None": (Gradient, {"score": None}, "'logit', 'probability'", "score=None"),
    "steps 0": (IntegratedGradients, {"steps": 0}, "`steps` must be a positive integer", "steps=0"),
    "steps fraction": (IntegratedGradients, {"steps": 1.5}, "positive integer", "steps=1.5"),
    "steps True": (IntegratedGradients, {"steps": True}, "positive integer", "steps=True"),
    "one trapezoid": (IntegratedGradients, {"steps": 1, "quadrature": "trapezoid"}, "at least 2", "Received: 1"),
    "quadrature": (IntegratedGradients, {"quadrature": "simpson"}, "gauss_legendre", "quadrature='simpson'"),
    "baseline shape": (IntegratedGradients, {"baseline": np.zeros((4, 4, 2))}, r"\(8, 8, 2\)", r"\(4, 4, 2\)"),
    "baseline batch": (IntegratedGradients, {"baseline": np.zeros((1, 8, 8, 2))}, r"\(8, 8, 2\)", r"\(1, 8, 8, 2\)"),
    "baseline channels": (IntegratedGradients, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "baseline word": (IntegratedGradients, {"baseline": "black"}, '"blur"', "'black'"),
    "baseline name": (IntegratedGradients, {"baseline": {"picture": 0.0}}, "inputs of the model", "picture"),
    "no baselines": (IntegratedGradients, {"baseline": []}, "at least one baseline", "empty"),
    "baseline None": (IntegratedGradients, {"baseline": None}, "`baseline`", "None"),
    "baseline NaN": (IntegratedGradients, {"baseline": np.nan}, "`baseline`", "nan"),
    "blur width": (BlurIG, {"max_sigma": 0.0}, "`max_sigma`", "above 0.2", "max_sigma=0.0"),
    "blur steps": (BlurIG, {"steps": 0}, "`steps` must be a positive integer", "steps=0"),
    "guided fraction": (GuidedIG, {"fraction": 0}, "`fraction`", "above 0 and at most 1", "fraction=0"),
    "guided distance": (
        GuidedIG,
        {"max_distance": 1.5},
        "`max_distance`",
        "at least 0 and at most 1",
        "max_distance=1.5",
    ),
    "guided baseline": (GuidedIG, {"baseline": "black"}, '"blur", "min", "max"', "'black'"),
    "XRAI baseline": (XRAI, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "XRAI quadrature": (XRAI, {"quadrature": "simpson"}, "gauss_legendre", "quadrature='simpson'"),
    "no background": (ExpectedGradients, {}, "`background` must be an array", "nothing"),
    "empty background": (ExpectedGradients, {"background": X[:0]}, "`background`", r"\(0, 8, 8, 2\)"),
    "background shape": (ExpectedGradients, {"background": nets.normals(2, (8, 8, 3))}, "`background`", r"\(8, 8, 3\)"),
    "one background": (ExpectedGradients, {"background": X[0]}, "`background`", r"any number", r"\(8, 8, 2\)"),
    "background NaN": (ExpectedGradients, {"background": with_nan}, "`background`", "finite"),
    "expected samples": (ExpectedGradients, {"background": X, "n_samples": 0}, "`n_samples`", "n_samples=0"),
    "noise samples": (SmoothGrad, {"n_samples": -1}, "`n_samples` must be a positive integer", "n_samples=-1"),
    "noise negative": (SmoothGrad, {"noise_level": -0.1}, "at least 0", "noise_level=-0.1"),
    "noise NaN": (SmoothGrad, {"noise_level": np.nan}, "at least 0", "noise_level=nan"),
    "noise infinite": (SmoothGrad, {"noise_level": np.inf}, "at least 0", "noise_level=inf"),
    "noise list": (SmoothGrad, {"noise_level": [0.1, 0.2]}, "must be a number", r"\[0.1, 0.2\]"),
    "noise word": (SmoothGrad, {"noise_level": "high"}, "must be a number", "'high'"),
    "CAM noise": (SmoothGradCAMPlusPlus, {"noise_level": -1.0}, "at least 0", "noise_level=-1.0"),
    "CAM samples": (SmoothGradCAMPlusPlus, {"n_samples": 0}, "positive integer", "n_samples=0"),
    "noisy unknown": (SmoothGrad, {"explainer": "gradeint"}, "`method` must be one of", "'gradeint'", "Did you mean"),
    "percentiles": (NoisePercentiles, {"percentiles": [50, 101]}, "at least 0 and at most 100", "101"),
    "no percentiles": (NoisePercentiles, {"percentiles": []}, "one or more numbers", r"\[\]"),
    "max_channels": (ScoreCAM, {"max_channels": 0}, "`max_channels` must be a positive integer", "max_channels=0"),
    "ablation": (AblationCAM, {"ablation": "unit"}, "'activation', 'kernel'", "ablation='unit'"),
    "ablation of no kernel": (AblationCAM, {"ablation": "kernel", "layer": "pool"}, "layer with a kernel", "'pool'"),
    "CAM layer": (ClassActivationMapping, {"layer": "conv1"}, "before the global average pooling"),
    "LRP score": (LRP, {"score": "probability"}, "'logit'", "score='probability'"),
    "LRP rules": (LRP, {"rules": "epsilon_minus"}, "epsilon_plus", "'epsilon_minus'"),
    "LRP layers without a rule": (LRP, {"rules": {"head": "zero"}}, "conv1, conv2", "extends="),
    "LRP extends": (LRP, {"extends": "all"}, "epsilon_plus", "'all'"),
    "LRP batch_norm": (LRP, {"batch_norm": "unfold"}, "'fold', 'epsilon', 'abs_z', 'pass'", "batch_norm='unfold'"),
    "LRP max_pool": (LRP, {"max_pool": "sum"}, "'winner', 'average'", "max_pool='sum'"),
    "LRP input_range": (LRP, {"input_range": (1.0, 0.0)}, r"\(low, high\)", r"\(1.0, 0.0\)"),
    "LRP input_range words": (LRP, {"input_range": ("a", "b")}, "`input_range`", "number", "'a'"),
    "LRP start": (LRP, {"start": 1}, "'logit', 'one'", "start=1"),
    "LRP contrast": (LRP, {"contrast": "all"}, "None, 'others'", "contrast='all'"),
    "LRP relevance_at": (LRP, {"relevance_at": "conv3"}, "'conv3'", "Did you mean conv[12]"),
    "relevance CAM score": (RelevanceCAM, {"score": "probability"}, "'logit'", "score='probability'"),
    "relevance CAM rules": (RelevanceCAM, {"rules": "epsilon_minus"}, "epsilon_plus", "'epsilon_minus'"),
    "relevance CAM layer": (RelevanceCAM, {"layer": "gap"}, "spatial axes", "'gap'"),
    "B-LRP explainer": (BayesianLRP, {"explainer": "gradient"}, "must be an LRP", "Gradient"),
    "B-LRP score": (BayesianLRP, {"score": "probability"}, "'logit'", "score='probability'"),
    "B-LRP samples": (BayesianLRP, {"n_samples": 0}, "`n_samples`", "n_samples=0"),
    "DeepLIFT baseline": (DeepLift, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "DeepLIFT score": (DeepLift, {"score": "proba"}, "'logit', 'probability'", "score='proba'"),
    "CAM score": (ClassActivationMapping, {"score": "probability"}, "'logit'"),
    "window 0": (Occlusion, {"window": 0}, "`window` must be a positive integer", "window=0"),
    "window fraction": (Occlusion, {"window": (2, 1.5)}, "`window` must be a positive integer", "window=1.5"),
    "window word": (Occlusion, {"window": "8"}, "`window` must be a positive integer", "window='8'"),
    "window of one axis": (Occlusion, {"window": (3,)}, "`window`", "one entry per spatial axis, 2 here", r"\(3,\)"),
    "stride 0": (Occlusion, {"stride": 0}, "`stride` must be a positive integer", "stride=0"),
    "stride beyond the window": (Occlusion, {"window": 2, "stride": 3}, "`stride`", "window", "stride=3, window=2"),
    "occlusion baseline word": (Occlusion, {"baseline": "black"}, '"mean" or "blur"', "'black'"),
    "occlusion baseline NaN": (Occlusion, {"baseline": np.nan}, "`baseline`", "finite", "nan"),
    "occlusion baseline None": (Occlusion, {"baseline": None}, "`baseline`", "None"),
    "occlusion baseline shape": (Occlusion, {"baseline": np.zeros(3)}, r"\(8, 8, 2\)", r"\(3,\)"),
    "masks 0": (RISE, {"n_masks": 0}, "`n_masks` must be a positive integer", "n_masks=0"),
    "grid fraction": (RISE, {"grid": 7.5}, "`grid` must be a positive integer", "grid=7.5"),
    "mask probability 0": (RISE, {"probability": 0}, "above 0 and at most 1", "probability=0"),
    "mask probability in percent": (RISE, {"probability": 50}, "above 0 and at most 1", "probability=50"),
    "mask probability NaN": (RISE, {"probability": np.nan}, "above 0 and at most 1", "probability=nan"),
    "tolerance 0": (RISE, {"tolerance": 0.0}, "None or a number above 0", "tolerance=0.0"),
    "tolerance word": (RISE, {"tolerance": "low"}, "None or a number above 0", "tolerance='low'"),
    "mu 1": (SISE, {"mu": 1.0}, "at least 0 and below 1", "mu=1.0"),
    "mu word": (SISE, {"mu": "adaptive"}, '"otsu"', "mu='adaptive'"),
    "SISE score": (SISE, {"score": "proba"}, "'logit', 'probability'", "score='proba'"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_option(case, model):
    cls, options, *parts = BAD_OPTIONS[case]
    with refused(ValueError, *parts):
        cls(model, **options)


@pytest.mark.parametrize("seed", [None, "one", 1.5, [1]])
def test_seed(seed, model):
    for make in (
        lambda: SmoothGrad(model, seed=seed),
        lambda: ExpectedGradients(model, background=X, seed=seed),
        lambda: SmoothGradCAMPlusPlus(model, seed=seed),
        lambda: BayesianLRP(model, seed=seed),
        lambda: RISE(model, seed=seed),
    ):
        with refused((TypeError, ValueError), "`seed` must be an integer", re.escape(f"seed={seed!r}")):
            make()


def test_expected_gradients_of_two_inputs():
    with refused(ValueError, "one input", "image, numbers"):
        ExpectedGradients(nets.build("two_inputs"), background=X)


def test_full_grad_of_two_inputs():
    with refused(ValueError, "one input", "image", "numbers"):
        FullGrad(nets.build("two_inputs"))


def test_abstract_classes_cannot_be_made(model):
    with refused(TypeError, "abstract"):
        CAM(model)


# Heatmaps


@pytest.mark.parametrize(
    ("attributions", "reduce", "parts"),
    [
        (X, "mean", ["`reduce` must be one of 'sum', 'abs_sum", "reduce='mean'"]),
        (X, None, ["`reduce` must be one of", "reduce=None"]),
        (X[0, 0], "sum", [r"\(samples, \*spatial, channels\)", r"\(8, 2\)"]),
        (5.0, "sum", [r"\(samples, \*spatial, channels\)", r"\(\)"]),
    ],
)
def test_to_heatmap(attributions, reduce, parts):
    with refused(ValueError, *parts):
        kerasxai.to_heatmap(attributions, reduce=reduce)


# Afterwards


def test_a_refusal_costs_no_trace_and_spoils_nothing(model):
    explainer = GradCAM(model)
    expected = explainer(X)
    for case in ("NaN", "wrong channels", "empty"):
        with pytest.raises(ValueError):
            explainer(BAD_DATA[case][0])
    for case in ("class too large", "too few", "unknown word"):
        with pytest.raises(ValueError):
            explainer(X, target=BAD_TARGETS[case][0])
    assert explainer.trace_count == 1
    np.testing.assert_array_equal(explainer(X), expected)
