"""An explainer or evaluator that has run explains the model as it is now, whatever of it has changed."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai.evaluators import Deletion, Randomization
from kerasxai.graph.fingerprint import Fingerprint
from tests.support import nets
from tests.support.counting import Counting

X = nets.normals(3)
# One explainer of every family and of every way to be made of others.
METHODS = (
    "gradient", "smooth_grad", "guided_backprop", "deep_lift", "full_grad", "guided_grad_cam", "grad_cam", "score_cam",
    "ablation_cam", "smooth_grad_cam_plus_plus", "relevance_cam", "lrp", "b_lrp", "rise", "sise", "lime",
)  # fmt: skip


@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    """Multiplies by what a number, an array and an object on it say; writes down what it saw."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.number, self.array, self.calls = 1.5, np.ones(2, "float32"), 0

    def call(self, x):
        self.calls += 1
        self.last = x
        return x * self.number * self.array


def net(*first):
    return nets.randomise(
        Sequential(
            [
                Input(nets.IMAGE),
                *first,
                nets.conv("conv1"),
                layers.MaxPooling2D(name="pool"),
                nets.conv("conv2", filters=4),
                layers.GlobalAveragePooling2D(name="gap"),
                layers.Dense(3, activation="softmax", name="head"),
            ]
        )
    )


def normalised():
    normalisation = layers.Normalization(name="scale")
    normalisation.adapt(10 * nets.normals(20, seed=1) + 3)
    model = net(normalisation)
    normalisation.adapt(10 * nets.normals(20, seed=1) + 3)
    return model


def adapt(model):
    model.get_layer("scale").adapt(nets.normals(20, seed=2) - 1)


def load_statistics(model, tmp_path):
    other = normalised()
    adapt(other)
    other.save_weights(tmp_path / "other.weights.h5")
    model.load_weights(tmp_path / "other.weights.h5")


def enable_lora(model):
    layer = model.get_layer("conv2")
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.random.default_rng(0).normal(size=layer.lora_kernel_b.shape))


def quantize(model):
    model.get_layer("head").quantize("int8")


def activation(model):
    model.get_layer("conv2").activation = keras.activations.tanh


def slope(model):
    model.get_layer("leaky").negative_slope = 0.9


def rescale(model):
    model.get_layer("rescaling").scale = 3.0


def pop(model):
    model.pop()


def add(model):
    model.add(layers.Dense(4, activation="softmax", name="more"))
    nets.randomise(model, seed=3)


def number(model):
    model.get_layer("scaled").number = 0.3


def array(model):
    model.get_layer("scaled").array[0] = 3.0


CHANGES = {
    "adapt": (normalised, adapt),
    "lora": (net, enable_lora),
    "int8": (net, quantize),
    "activation": (net, activation),
    "negative slope": (lambda: net(layers.LeakyReLU(0.1, name="leaky")), slope),
    "rescaling": (lambda: net(layers.Rescaling(0.5, name="rescaling")), rescale),
    "pop": (net, pop),
    "add": (net, add),
    "attribute": (lambda: net(Scaled(name="scaled")), number),
    "array": (lambda: net(Scaled(name="scaled")), array),
}


def maps_or_refusal(explain):
    try:
        return np.asarray(explain()), None
    except (ValueError, TypeError) as refusal:
        return None, str(refusal)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", ["adapt", "activation", "pop"])
def test_every_family_sees_the_change(change, method):
    check_change_is_seen(*CHANGES[change], method)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("change", [name for name in CHANGES if name not in ("adapt", "activation", "pop")])
def test_every_change_is_seen(change):
    check_change_is_seen(*CHANGES[change], "gradient")


def check_change_is_seen(build, change, method):
    model = build()
    explainer = nets.quick(method, model)
    before = explainer(X)
    change(model)
    expected, refusal = maps_or_refusal(lambda: nets.quick(method, model)(X))
    maps, message = maps_or_refusal(lambda: explainer(X))
    assert message == refusal
    if refusal is None:
        assert not np.allclose(before, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()), "nothing changed"
        np.testing.assert_array_equal(maps, expected)
        traces = explainer.trace_count
        explainer(X[:2])
        assert explainer.trace_count == traces


def test_loaded_statistics_are_seen(tmp_path):
    model = normalised()
    explainer = kerasxai.explainers.Gradient(model)
    explainer(X)
    load_statistics(model, tmp_path)
    np.testing.assert_array_equal(explainer(X, target=1), kerasxai.explainers.Gradient(model)(X, target=1))


@pytest.mark.slow
def test_a_subclassed_model_and_a_function_around_a_model_are_seen():
    inner = normalised()
    subclassed = nets.Subclassed(normalised().layers)
    subclassed(X)
    scale = 2.0

    def function(x):
        return inner(x) * scale

    for model, normalisation in ((subclassed, subclassed.steps[0]), (function, inner.layers[0])):
        explainer = kerasxai.explainers.Gradient(model, score="probability")
        before = explainer(X, target=1)
        normalisation.adapt(nets.normals(20, seed=2) - 1)
        after = explainer(X, target=1)
        assert not np.allclose(before, after, rtol=1e-2)
        np.testing.assert_array_equal(after, kerasxai.explainers.Gradient(model, score="probability")(X, target=1))
        assert explainer.trace_count == 2
    scale = 0.25
    expected = kerasxai.explainers.Gradient(function, score="probability")(X, target=1)
    np.testing.assert_array_equal(explainer(X, target=1), expected)
    assert not np.array_equal(after, expected)


@pytest.mark.slow
def test_evaluators_see_the_change():
    model, maps = normalised(), nets.normals(3, seed=5)[..., 0]
    kept = Deletion()
    before = kept(model, X, maps)["deletion"]
    adapt(model)
    expected = Deletion()(model, X, maps)["deletion"]
    assert not np.allclose(before, expected)
    np.testing.assert_array_equal(kept(model, X, maps)["deletion"], expected)
    traces = kept.scored_model(model).trace_count
    kept(model, X, maps)
    assert kept.scored_model(model).trace_count == traces


@pytest.mark.slow
def test_randomisation_sees_the_change():
    model = net()
    explainer, kept = nets.quick("gradient", model), Randomization(init="normal")
    kept(model, X, explainer=explainer)
    enable_lora(model)
    found = kept(model, X, explainer=explainer)
    expected = Randomization(init="normal")(model, X, explainer=nets.quick("gradient", model))
    for name in found.per_sample:
        np.testing.assert_array_equal(found[name], expected[name])


# What is no change


STAYING = {"net": net, "norm": normalised, "writes": lambda: net(Scaled(name="scaled"))}  # LRP does not know the last
KNOWN = itertools.product(["net", "norm"], ["gradient", "lrp"])


@pytest.mark.slow
@pytest.mark.parametrize("kind, method", [*KNOWN, ("writes", "gradient")])
def test_training_and_running_trace_nothing_anew(kind, method):
    model = STAYING[kind]()
    explainer, evaluator = nets.quick(method, model), Deletion()
    explainer(X)
    evaluator(model, X, nets.normals(3)[..., 0])
    traces = explainer.trace_count, evaluator.scored_model(model).trace_count
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    explainer(X)
    evaluator(model, X, nets.normals(3)[..., 0])
    compiled = explainer.trace_count, evaluator.scored_model(model).trace_count
    assert compiled[0] <= traces[0] + 1  # the loss may say what the outputs are
    model.fit(X, np.array([0, 1, 2]), validation_data=(X, np.array([0, 1, 2])), verbose=0)
    model.predict(X, verbose=0)
    model(X)
    model.trainable = False
    model.set_weights(model.get_weights())
    explainer(X[:2])
    evaluator(model, X, nets.normals(3)[..., 0])
    assert (explainer.trace_count, evaluator.scored_model(model).trace_count) == compiled


def test_a_layer_that_counts_its_runs_traces_nothing_anew():
    explainer = kerasxai.explainers.RISE(net(Counting()), n_masks=8)
    for _ in range(3):
        explainer(X)
    assert explainer.trace_count == 1


@pytest.mark.slow
def test_many_layers_are_looked_at_and_found_unchanged():
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    fingerprint = Fingerprint(model)
    model.predict(np.zeros((1, 32, 32, 3)), verbose=0)
    assert not fingerprint.has_changed()
    model.layers[-1].activation = None
    assert fingerprint.has_changed()


# Options


@pytest.mark.slow
def test_an_option_set_on_an_explainer_holds():
    model = net()
    explainer = kerasxai.explainers.IntegratedGradients(model, steps=2)
    explainer(X)
    explainer.steps = 7
    np.testing.assert_array_equal(
        explainer(X, target=1), kerasxai.explainers.IntegratedGradients(model, steps=7)(X, target=1)
    )
    smooth = kerasxai.explainers.SmoothGrad(model, "integrated_gradients", n_samples=2)
    smooth(X, target=1)
    smooth.explainer.steps = 3
    expected = kerasxai.explainers.SmoothGrad(model, {"method": "integrated_gradients", "steps": 3}, n_samples=2)(
        X, target=1
    )
    np.testing.assert_array_equal(smooth(X, target=1), expected)


def test_a_refusal_leaves_the_explainer_as_it_was():
    model = net()
    explainer = kerasxai.explainers.GradCAM(model, layer="conv2")
    before = explainer(X, target=1)
    explainer.layer = "nowhere"
    for _ in range(2):
        with pytest.raises(ValueError, match="nowhere"):
            explainer(X, target=1)
    explainer.layer = "conv2"
    np.testing.assert_array_equal(explainer(X, target=1), before)


FACTORS = [2.0]


def times_factor(x):
    return FACTORS[0] * tf.reduce_mean(x, axis=(1, 2))


def test_what_a_function_finds_in_global_names_is_seen():
    explainer = kerasxai.explainers.get("gradient")(times_factor)
    before = explainer(nets.normals(2), target=0)
    FACTORS[0] = 5.0
    np.testing.assert_allclose(explainer(nets.normals(2), target=0), 2.5 * before, rtol=1e-6)
    FACTORS[0] = 2.0


class Unit:
    def __init__(self):
        self.index = 0

    def of(self, outputs):
        return outputs[:, self.index]


def targets():
    """Pairs of a target that explains unit 0, and of what makes it explain unit 1."""
    chosen = [0]
    yield lambda outputs: outputs[:, chosen[0]], lambda: chosen.__setitem__(0, 1)
    unit = Unit()
    yield unit.of, lambda: setattr(unit, "index", 1)
    data = np.array([1.0, 0.0, 0.0], "float32")
    yield lambda outputs: tf.linalg.matvec(outputs, data), lambda: data.__setitem__(slice(None), [0.0, 1.0, 0.0])
    inner = [0]
    yield kerasxai.of_logits(lambda outputs: outputs[:, inner[0]]), lambda: inner.__setitem__(0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_a_target_whose_closure_changed_is_another_one(number):
    target, change = list(targets())[number]
    model, x = net(), nets.normals(3)
    explainer = kerasxai.explainers.get("gradient")(model)
    evaluator = kerasxai.evaluators.Deletion(steps=4)
    maps = np.abs(x).sum(axis=-1)
    first, curve = explainer(x, target), evaluator(model, x, maps, target)["curve"]
    np.testing.assert_array_equal(explainer(x, target), first)
    assert explainer.trace_count == 1
    change()
    now = explainer(x, target)
    assert np.abs(now - first).max() > 1e-4
    np.testing.assert_allclose(now, kerasxai.explain(model, x, "gradient", target=target), rtol=1e-5)
    later = evaluator(model, x, maps, target)["curve"]
    assert np.abs(later - curve).max() > 1e-4
    np.testing.assert_allclose(later[:, 0], target(model(x)) if number != 3 else later[:, 0], rtol=1e-5)
