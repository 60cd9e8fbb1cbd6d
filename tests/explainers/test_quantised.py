"""Quantised weights and LoRA: what is explained is the net that runs, not the numbers its layers store."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from kerasxai.evaluators.reweighted import fresh_values, weighted_layers
from tests.support import truth
from tests.support.truth import assert_same

CLASSES = np.array([0, 2, 1])
X = truth.images(3, (8, 8, 2), seed=5) - np.float32(0.4)
MODES = ["int8", "int4", "float8"]


def net(between=()):
    """Convolution, mean, Dense; `between` are the layers between the mean and the last one."""
    stack = [
        keras.Input((8, 8, 2)),
        layers.Conv2D(6, 3, activation="relu", name="features"),
        layers.GlobalAveragePooling2D(name="mean"),
        *between,
        layers.Dense(3, name="classes"),
    ]
    return truth.randomise(keras.Sequential(stack), seed=7)


@pytest.fixture(params=MODES)
def quantised(request):
    def make(**options):
        model = net(**options)
        for layer in model.layers:
            if isinstance(layer, layers.Dense):
                layer.quantize(request.param)
        return model

    return make


def matrix(layer):
    """What a Dense layer multiplies by, from its outputs for the unit vectors, one call each: `(inputs, units)`."""
    rows = np.eye(layer.input_spec.axes[-1], dtype="float32")
    return np.concatenate([layer(row[np.newaxis]) for row in rows]) - layer.bias.numpy()


@pytest.mark.slow
def test_cam_weighs_channels_by_the_weights_that_are_used(quantised):
    model = quantised()
    features = model.get_layer("features")(X).numpy()
    weights = matrix(model.get_layer("classes"))[:, CLASSES]
    expected = np.einsum("kn,nhwk->nhw", weights, features)
    found = kerasxai.explain(model, X, method="cam", target=CLASSES, upsample=False)
    assert_same(found, expected, atol=2e-3 if model.layers[-1].quantization_mode == "float8" else 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("between", [(), ("relu",)], ids=["last", "hidden"])
def test_ablation_cam_is_the_loop_over_channels(quantised, between):
    model = quantised(between=[layers.Dense(4, activation=one) for one in between])
    features = model.get_layer("features")(X)

    def scores(value):
        for layer in model.layers[1:]:
            value = layer(value, training=False) if isinstance(layer, layers.Dense) else layer(value)
        return tf.gather(value, CLASSES, batch_dims=1).numpy()

    score = scores(features)
    falls = [score - scores(features * (np.arange(6) != channel).astype("float32")) for channel in range(6)]
    expected = np.einsum("kn,nhwk->nhw", np.stack(falls) / np.abs(score), features)
    found = kerasxai.explain(model, X, method="ablation_cam", target=CLASSES, relu=False, upsample=False)
    assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradient", "gradient_x_input", "grad_cam", "guided_backprop", "deconvnet"])
def test_gradients_are_those_of_the_same_weights_unquantised(quantised, method):
    model = quantised()
    twin = net()
    twin.get_layer("classes").kernel.assign(matrix(model.get_layer("classes")))
    found, expected = (kerasxai.explain(one, X, method=method, target=CLASSES) for one in (model, twin))
    np.testing.assert_allclose(found, expected, atol=5e-3 * np.abs(expected).max())


@pytest.mark.slow
def test_the_logit_of_a_quantised_softmax_is_what_it_is_given(quantised):
    model = quantised()
    with_softmax = quantised()
    with_softmax.get_layer("classes").activation = keras.activations.softmax
    found, expected = (kerasxai.explain(one, X, method="gradient", target=CLASSES) for one in (with_softmax, model))
    assert_same(found, expected)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["deep_lift", "integrated_gradients", "full_grad"])
def test_what_adds_up_adds_up_to_the_rounding_of_the_net(quantised, method):
    model = quantised(between=[layers.Dense(4, activation="relu")])
    explainer = kerasxai.explainers.get(method)(model)
    outputs = model(X).numpy()
    residual = explainer.completeness_residual(X, target=CLASSES) if method == "full_grad" else None
    if residual is None:
        residual = explainer(X, target=CLASSES).sum(axis=(1, 2, 3))
        residual -= (outputs - model(np.zeros_like(X)).numpy())[np.arange(3), CLASSES]
    assert np.abs(residual).max() < 0.05 * np.abs(outputs).max()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lrp", "b_lrp", "relevance_cam"])
def test_relevance_is_refused_before_any_work(quantised, method):
    with pytest.raises(ValueError, match=r"Layer classes holds .* weights, whose products are not linear"):
        kerasxai.explainers.get(method)(quantised())


@pytest.mark.slow
@pytest.mark.parametrize("init", ["layer", "normal"])
def test_quantised_weights_are_not_randomised(quantised, init):
    with pytest.raises(ValueError, match="quantised ones in classes"):
        kerasxai.evaluators.Randomization(init=init)(quantised(), X, explainer="gradient")


@pytest.mark.slow
def test_a_shift_is_absorbed_before_quantised_layers(quantised):
    found = kerasxai.evaluators.InputShiftInvariance(0.5)(quantised(), X, explainer="gradient")
    assert np.abs(found["input_shift_invariance"]).max() < 1e-3


def with_lora():
    """A net with LoRA in both layers, and one whose kernels are the sums."""
    model, merged = net(), net()
    for layer, twin in zip(model.layers, merged.layers):
        if layer.weights:
            layer.enable_lora(2)
            layer.lora_kernel_b.assign(np.random.default_rng(1).normal(size=layer.lora_kernel_b.shape))
            change = np.tensordot(layer.lora_kernel_a, layer.lora_kernel_b, 1)
            assert np.abs(change).max() > 0.1 * np.abs(twin.kernel.numpy()).max()
            twin.kernel.assign_add(change)
    np.testing.assert_allclose(model(X), merged(X), rtol=1e-5, atol=1e-5)
    return model, merged


LOOKING_AT_LAYERS = ["cam", "ablation_cam", "deep_lift", "full_grad", "guided_backprop", "deconvnet", "lrp"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradient", "grad_cam", *LOOKING_AT_LAYERS])
def test_lora_is_explained_like_its_sum(method):
    found, expected = (kerasxai.explain(one, X, method=method, target=CLASSES) for one in with_lora())
    assert_same(found, expected)


def test_kernel_ablation_leaves_the_bias_of_a_lora_layer():
    options = {"method": "ablation_cam", "ablation": "kernel", "target": CLASSES, "relu": False}
    found, expected = (kerasxai.explain(one, X, **options) for one in with_lora())
    assert_same(found, expected)


def test_lora_weights_are_drawn_anew_as_keras_draws_them():
    model, _ = with_lora()
    for _, owned in weighted_layers(kerasxai.graph.ModelGraph(model), [tf.constant(X)]):
        names = [variable.name for _, variable in owned]
        assert names == ["kernel", "bias", "lora_kernel_a", "lora_kernel_b"]
        kernel, _, before, after = fresh_values(owned, "layer", [0, 0])
        assert (kernel != owned[0][1].numpy()).all() and np.ptp(before) > 0 and not after.any()
    found = kerasxai.evaluators.Randomization()(model, X, explainer="gradient")
    assert np.isfinite(found["spearman_absolute"]).all()
