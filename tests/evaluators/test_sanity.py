"""Sanity checks: every layer is reached, a map is that of a model with those weights, the user's model is as it was."""

import keras
import numpy as np
import pytest
from scipy import stats

from kerasxai import evaluators, explain
from kerasxai.evaluators.reweighted import ReweightedExplainer, fresh_values, weighted_layers
from kerasxai.evaluators.similarity import similarities
from kerasxai.explainers import build
from kerasxai.graph import ModelGraph
from tests.support import nets
from tests.support.truth import clone, conv_net, images, pooled_net


def norm_net():
    """A net with batch normalisation after some training, so that its statistics moved."""
    return nets.build("trained")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(3, 3, activation="relu", name="conv")
        self.pool = keras.layers.GlobalAveragePooling2D()
        self.out = keras.layers.Dense(3, activation="softmax", name="out")

    def call(self, x):
        return self.out(self.pool(self.conv(x)))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradient", "grad_cam", "lrp", "full_grad", "score_cam", "smooth_grad"])
def test_maps_under_other_weights_are_those_of_a_model_that_has_them(method):
    model, x = norm_net(), nets.normals(3)
    explainer = nets.quick(method, model)
    layers = weighted_layers(ModelGraph(model), None)
    variables = [variable for _, owned in layers for _, variable in owned]
    reweighted = ReweightedExplainer(explainer, variables)
    twin = clone(model)
    classes = np.array([0, 1, 2])
    for seed in (1, 2):
        values = [value for n, (_, owned) in enumerate(layers) for value in fresh_values(owned, "layer", [seed, n])]
        for variable, value in zip(variables, values):
            next(one for one in twin.weights if one.path.split("/")[-2:] == variable.path.split("/")[-2:]).assign(value)
        expected = nets.quick(method, twin)(x, target=classes)
        assert np.ptp(expected) > 0
        np.testing.assert_allclose(reweighted([x], classes, values), expected, atol=1e-5 * np.abs(expected).max())
    assert reweighted.trace_count == 1


def test_every_layer_and_the_variance_are_reached():
    model = norm_net()
    ((conv, _), (norm, owned), (head, _)) = weighted_layers(ModelGraph(model), None)
    assert (conv, norm, head) == ("conv", "norm", "head")
    fresh = dict(zip([variable.name for _, variable in owned], fresh_values(owned, "layer", [0, 1])))
    assert (fresh["moving_mean"] == 0).all() and (fresh["moving_variance"] == 1).all()
    reached = {id(variable) for _, owned in weighted_layers(ModelGraph(model), None) for _, variable in owned}
    assert {id(one) for one in model.weights if "seed" not in one.name} == reached


@pytest.mark.parametrize("order", ["top_down", "bottom_up", "independent"])
def test_steps_start_with_the_trained_weights_and_go_in_order(order):
    model, x = conv_net(), images(3, (8, 10, 3))
    found = evaluators.Randomization(order)(model, x, explainer="gradient_x_input")
    names = ["early", "middle", "late"]
    layers = found["layers"].tolist()
    assert layers[0] == ""
    kept = [one for one in (layers[::-1] if order == "top_down" else layers) if one in names]
    assert kept == names and len(layers) == 6
    np.testing.assert_allclose(found["spearman_curve"][:, 0], 1)
    np.testing.assert_allclose(found["ssim_curve"][:, 0], 1)
    assert (found["spearman_curve"][:, 1:] < 0.999).all()
    np.testing.assert_allclose(found["spearman"], found["spearman_curve"][:, 1:].mean(axis=1))


def test_orders_agree_where_they_must():
    model, x = conv_net(), images(2, (8, 10, 3))
    top, bottom, alone = (
        evaluators.Randomization(order)(model, x, explainer="gradient")["spearman_curve"]
        for order in ("top_down", "bottom_up", "independent")
    )
    np.testing.assert_allclose(top[:, -1], bottom[:, -1], atol=1e-6)  # everything is random
    np.testing.assert_allclose(bottom[:, 1], alone[:, 1], atol=1e-6)  # the first layer alone
    np.testing.assert_allclose(top[:, 1], alone[:, -1], atol=1e-6)  # the last layer alone


@pytest.mark.parametrize("options", [{}, {"order": "independent"}, {"smooth": 2}])
def test_kept_maps_are_those_that_were_compared(options):
    model, x = conv_net(), images(3, (8, 10, 3))
    found = evaluators.Randomization(keep_maps=2, **options)(model, x, explainer="gradient_x_input")
    maps = found["maps"]
    assert maps.shape == (2, 6, 8, 10) and maps.dtype == np.float32
    if "smooth" not in options:
        np.testing.assert_allclose(maps[:, 0], explain(model, x[:2], method="gradient_x_input").sum(-1), rtol=1e-4)
    for step in range(6):
        wanted = similarities(maps[:, 0].astype("float64"), maps[:, step].astype("float64"))
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name + "_curve"][:2, step], values, atol=1e-5)
    bare = evaluators.Randomization(**options)(model, x, explainer="gradient_x_input")
    assert "maps" not in bare
    np.testing.assert_array_equal(bare["spearman_curve"], found["spearman_curve"])


def test_no_more_maps_are_kept_than_there_are():
    model, x = pooled_net("softmax"), images(2, (8, 10, 3))
    assert len(evaluators.Randomization(keep_maps=9)(model, x, explainer="gradient")["maps"]) == 2
    with pytest.raises(ValueError, match="keep_maps=-1"):
        evaluators.Randomization(keep_maps=-1)


@pytest.mark.parametrize("init", ["layer", "normal"])
def test_a_model_that_was_never_trained_gets_other_weights(init):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Conv2D(3, 3, activation="relu"), keras.layers.Flatten(),
         keras.layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    before = model.get_weights()
    found = evaluators.Randomization(init=init)(model, images(2, (8, 8, 1)), explainer="gradient_x_input")
    assert (found["spearman_curve"][:, 1:] < 0.95).all()
    for one, other in zip(before, model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_the_same_seed_gives_the_same_and_batch_mates_do_not_matter():
    model, x = pooled_net("softmax"), images(3, (8, 10, 3))
    first = evaluators.Randomization(seed=3)(model, x, explainer="gradient")
    again = evaluators.Randomization(seed=3)(model, x[1:2], explainer="gradient")
    other = evaluators.Randomization(seed=4)(model, x, explainer="gradient")
    np.testing.assert_allclose(first["spearman_curve"][1:2], again["spearman_curve"], atol=1e-3)
    assert np.abs(first["spearman_curve"][:, 1:] - other["spearman_curve"][:, 1:]).max() > 0.01


@pytest.mark.parametrize("explainer", ["gradient", "grad_cam"])
def test_subclassed_models_are_randomised_too(explainer):
    model = Subclassed()
    x = images(2, (8, 8, 1))
    model(x)
    found = evaluators.Randomization()(model, x, explainer=explainer)
    assert found["layers"].tolist() == ["", "out", "conv"]
    assert not (found["spearman_curve"][:, 1:] >= 0.999).any()  # of a map that is 0 everywhere it is NaN


def test_maps_of_another_explainer_are_refused():
    model, x = conv_net(), images(2, (8, 10, 3))
    with pytest.raises(ValueError, match="must be those of `explainer`"):
        evaluators.Randomization()(model, x, np.random.default_rng(0).random((2, 8, 10)), explainer="grad_cam")


def test_what_cannot_be_randomised_is_refused():
    with pytest.raises(ValueError, match="without weights"):
        model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
        evaluators.Randomization()(model, images(1, (4, 4, 3)), explainer="gradient")
    layer = keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.0))
    layer.build((None, 3))
    with pytest.raises(ValueError, match="must differ"):
        fresh_values([(layer, layer.kernel)], "layer", [0])


@pytest.mark.parametrize(
    "layer, shape",
    [
        (keras.layers.DepthwiseConv2D(3), (4, 4, 2)),
        (keras.layers.SeparableConv2D(3, 3), (4, 4, 2)),
        (keras.layers.PReLU(), (3,)),
        (keras.layers.LayerNormalization(), (3,)),
        (keras.layers.Conv2DTranspose(2, 3), (4, 4, 2)),
    ],
)
def test_initialisers_of_layers_are_found(layer, shape):
    layer.build((None, *shape))
    owned = [(layer, variable) for variable in layer._trainable_variables]
    for (_, variable), value in zip(owned, fresh_values(owned, "layer", [0])):
        assert value.shape == variable.shape
        assert "kernel" not in variable.name or (value != np.asarray(variable.value)).any()


def test_smooth_maps_are_averages_over_noisy_inputs():
    model, x = conv_net(), images(2, (8, 10, 3))
    evaluator = evaluators.Randomization("independent", smooth=2, noise_level=0.2)
    found = evaluator(model, x, target=0, explainer="gradient_x_input")
    noisy = [
        (x + 0.2 * np.ptp(x, axis=(1, 2, 3), keepdims=True) * np.random.default_rng([0, draw]).standard_normal(
            x.shape[1:])).astype("float32")
        for draw in range(2)
    ]  # fmt: skip

    def smooth_maps(of):
        return sum(explain(of, one, method="gradient_x_input", target=0).sum(axis=-1) for one in noisy) / 2

    twin = clone(model)
    owned = [(model.layers[0], variable) for variable in model.layers[0].trainable_variables]
    twin.layers[0].set_weights(fresh_values(owned, "layer", [0, 0]))
    expected = similarities(smooth_maps(model), smooth_maps(twin))
    np.testing.assert_allclose(found["spearman_curve"][:, 1], expected["spearman"], atol=1e-3)
    np.testing.assert_allclose(found["ssim_curve"][:, 1], expected["ssim"], atol=1e-4)


def test_efficient_randomization_is_the_relative_rise_of_entropy_of_a_model_all_random():
    model, x = conv_net(), images(3, (8, 10, 3))
    found = evaluators.EfficientRandomization()(model, x, target=1, explainer="gradient")["efficient_randomization"]
    twin = clone(model)
    layers = weighted_layers(ModelGraph(model), None)
    for number, (name, owned) in enumerate(layers):
        twin.get_layer(name).set_weights(fresh_values(owned, "layer", [0, number]))

    def entropies(of):
        maps = np.abs(explain(of, x, method="gradient", target=1).astype(np.float64)).sum(axis=-1).reshape(3, -1)
        shares = [np.histogram(one, bins=256)[0] / one.size for one in maps]
        return np.array([stats.entropy(one) for one in shares])

    before, after = entropies(model), entropies(twin)
    np.testing.assert_allclose(found, (after - before) / before, atol=1e-4)
    assert np.ptp(found) > 0.05


def test_random_logit_compares_with_another_class():
    model, x = conv_net(), images(4, (8, 10, 3))
    found = evaluators.RandomLogit(seed=2)(model, x, explainer="gradient_x_input")
    explainer = build("gradient_x_input", model)
    classes = model(x).numpy().argmax(axis=1)
    assert (found["other_class"] != classes).all()
    maps = [explainer(x, target=which).sum(axis=-1) for which in (classes, found["other_class"])]
    np.testing.assert_allclose(found["spearman"], similarities(*maps)["spearman"], atol=1e-3)
    value = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="two classes"):
        evaluators.RandomLogit()(value, images(1, (4, 4, 1)), explainer="gradient")


def test_random_logit_of_one_sigmoid_unit_is_the_negative():
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1, activation="sigmoid")]
    )
    found = evaluators.RandomLogit()(model, images(3, (8, 8, 1)), explainer="gradient_x_input")
    np.testing.assert_allclose(found["spearman"], -1, atol=1e-6)
    np.testing.assert_allclose(found["spearman_absolute"], 1, atol=1e-6)


@pytest.mark.slow
def test_label_randomization_compares_with_the_twin():
    model, twin, x = conv_net(), conv_net(seed=7), images(3, (8, 10, 3))
    labels = twin(x).numpy().argmax(axis=1)
    labels[0] = (labels[0] + 1) % 4
    evaluator = evaluators.LabelRandomization(labels=labels)
    found = evaluator(model, x, target=1, explainer="gradient_x_input", reference_model=twin)
    maps = [explain(one, x, method="gradient_x_input", target=1).sum(axis=-1) for one in (model, twin)]
    np.testing.assert_allclose(found["spearman"], similarities(*maps)["spearman"], atol=1e-3)
    np.testing.assert_array_equal(found["reference_accuracy"], [0, 1, 1])
    same = evaluators.LabelRandomization()(model, x, explainer="gradient_x_input", reference_model=clone(model))
    np.testing.assert_allclose(same["spearman"], 1, atol=1e-6)
    assert np.isnan(same["reference_accuracy"]).all()


def test_options_are_checked():
    for wrong in ({"order": "sideways"}, {"init": "zeros"}, {"smooth": -1}):
        with pytest.raises(ValueError, match="must be"):
            evaluators.Randomization(**wrong)
