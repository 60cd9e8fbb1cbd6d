"""Whatever is done with a model, it is afterwards bit for bit the model it was."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import explainers
from tests.support import nets

METHODS = explainers.names()
DIFFERENT = [name for name in METHODS if name not in nets.ALIKE]
LABELS = np.arange(16) % nets.CLASSES


def functional():
    """Batch normalisation, dropout, both kinds of regularisers, a frozen layer."""
    x = inputs = Input(nets.IMAGE, name="image")
    x = nets.conv("frozen", trainable=False)(x)
    x = nets.conv("conv", activation=None, activity_regularizer="l2", kernel_regularizer="l1")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    return keras.Model(inputs, nets.head(x), name="functional")


def nested():
    inputs = Input(nets.IMAGE, name="image")
    inner = Sequential([Input((8, 8, 3)), nets.conv("conv", activity_regularizer="l2")], name="inner")
    return keras.Model(inputs, nets.head(inner(nets.feature_extractor()(inputs))), name="nested")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.features = nets.feature_extractor()
        self.conv = nets.conv("conv", activity_regularizer="l2")
        self.drop = layers.Dropout(0.3, name="drop")
        self.gap = layers.GlobalAveragePooling2D(name="gap")
        self.units = layers.Dense(nets.CLASSES, activation="softmax", name="units")

    def call(self, x, training=None):
        x = self.conv(self.features(x, training=training))
        return self.units(self.gap(self.drop(x, training=training)))


BUILDERS = {"functional": functional, "sequential": nets.sequential, "nested": nested, "subclassed": Subclassed}


def fitted(builder):
    """The model compiled and trained a little."""
    keras.utils.set_random_seed(0)
    model = builder()
    model(nets.normals(1))
    nets.randomise(model)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    train(model, seed=1)
    return model


def train(model, seed):
    """Some steps of training, the same for the same seed; the losses on the way."""
    keras.utils.set_random_seed(seed)
    history = model.fit(nets.normals(16), LABELS, batch_size=8, epochs=2, verbose=0).history
    model(nets.normals(2))  # `fit` itself leaves the losses of its dead graph behind; these are the ones to keep
    return history


def state_before(model):
    """The state of a model that has just been called, so that it has losses to lose."""
    model(nets.normals(2))
    return state(model)


def state(model):
    """All that must stay, as plain values and identities that can be compared."""
    every = [model, *model._flatten_layers(include_self=False)]
    return {
        "weights": [variable.numpy().tobytes() for variable in model.variables],
        "variables": [id(variable) for variable in model.variables],
        "optimizer": [variable.numpy().tobytes() for variable in model.optimizer.variables],
        "nodes": [(layer.name, len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in every],
        "trainable": [(layer.name, layer.trainable) for layer in every],
        "attributes": [(layer.name, sorted(vars(layer))) for layer in every],
        "activations": [id(getattr(layer, "activation", None)) for layer in every],
        "own losses": [(layer.name, [id(loss) for loss in layer._losses], layer._loss_ids.copy()) for layer in every],
        "losses": [np.asarray(loss).tobytes() for loss in model.losses],
        "metrics": [(metric.name, id(metric)) for metric in model.metrics],
        "compiled": [id(part) for part in (model.optimizer, model.loss, model._compile_loss, model.train_function)],
        "seeds": [seed.numpy().tobytes() for layer in every for seed in _seed_states(layer)],
        "settings": (model.compiled, model.built, model.run_eagerly, model.stop_training),
        "layers": [id(layer) for layer in every],
    }


def _seed_states(layer):
    return [generator.state for generator in getattr(layer, "_seed_generators", [])]


def assert_untouched(model, before):
    after = state(model)
    for part, value in before.items():
        assert after[part] == value, part


@pytest.fixture(scope="module")
def models():
    return {name: fitted(builder) for name, builder in BUILDERS.items()}


@pytest.fixture(params=BUILDERS)
def model(request, models):
    return models[request.param]


def explainable(method, kind):
    return kind != "subclassed" or not explainers.get(method).needs_graph


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "method"),
    [("functional", method) for method in METHODS]
    + [("subclassed", method) for method in DIFFERENT if explainable(method, "subclassed")],
)
def test_explaining_leaves_the_model_as_it_was(kind, method, models):
    model = models[kind]
    before = state_before(model)
    explainer = nets.quick(method, model)
    assert_untouched(model, before)
    explainer(nets.normals(3))
    explainer(nets.normals(2), target=1)
    assert_untouched(model, before)


SEVERAL = ["grad_cam", "hires_cam", "ablation_cam", "gradient", "integrated_gradients", "guided_backprop", "full_grad"]
SEVERAL += ["lrp", "relevance_cam", "deep_lift"]


@pytest.mark.slow
def test_explain_with_several_methods_leaves_the_model_as_it_was(model):
    before = state_before(model)
    methods = [method for method in SEVERAL if explainable(method, model.name)]
    maps = kerasxai.explain(model, nets.normals(3), method=methods, steps=3)
    assert len(maps) == len(methods)
    assert_untouched(model, before)


@pytest.mark.slow
def test_a_grid_of_evaluators_leaves_the_model_as_it_was(model):
    """Each evaluator by itself: tests/evaluators/test_every_evaluator.py."""
    before = state_before(model)
    measures = [{"evaluator": "aopc", "window": 4, "steps": 2}, "drop_increase", "randomization"]
    table = kerasxai.evaluate(model, nets.normals(3), ["gradient", "grad_cam"], measures, controls=False, verbose=0)
    assert len(table.results) == 2
    assert_untouched(model, before)


@pytest.mark.slow
@pytest.mark.parametrize("cls", ["DropIncrease", "AOPC", "DeletionInsertion", "ExplanationDrift"])
def test_callbacks_leave_the_model_as_it_was(cls, models):
    model = models["functional"]
    options = {"AOPC": {"window": 4}, "DeletionInsertion": {"steps": 2}}
    callback = getattr(kerasxai.callbacks, cls)(nets.normals(3), **options.get(cls, {}))
    callback.set_model(model)
    callback.set_params({})
    before = state_before(model)
    logs = {}
    callback.on_train_begin()
    callback.on_epoch_end(0, logs)
    callback.on_train_end()
    assert_untouched(model, before)
    assert logs and np.isfinite(list(logs.values())).all()


def test_a_ledger_and_a_summary_leave_the_model_as_it_was(models):
    model = models["functional"]
    before = state_before(model)
    explainer = explainers.LRP(model, rules="epsilon_gamma_box")
    explainer.ledger(nets.normals(3))
    explainer.summary(print_fn=lambda line: None)
    assert_untouched(model, before)


def test_layer_table_leaves_the_model_as_it_was(model, capsys):
    before = state_before(model)
    kerasxai.layer_table(model)
    assert_untouched(model, before)


def failing(outputs):
    raise RuntimeError("the user's own mistake")


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(set(DIFFERENT) - {"cam", "eigen_cam"}))
def test_a_failure_on_the_way_leaves_the_model_as_it_was(method, models):
    for kind in ("functional", "subclassed"):
        model = models[kind]
        if explainable(method, kind):
            before = state_before(model)
            with pytest.raises(RuntimeError, match="the user's own mistake"):
                nets.quick(method, model)(nets.normals(2), target=failing)
            assert_untouched(model, before)


def test_a_layer_that_fails_leaves_no_wrapper_behind(models):
    model = models["subclassed"]
    before = state_before(model)
    explainer = explainers.GradCAM(model, layer="conv")
    call = type(model.units).call
    try:
        type(model.units).call = failing
        with pytest.raises(Exception, match=r"the user's own mistake|unexpected keyword"):
            explainer(nets.normals(2))
    finally:
        type(model.units).call = call
    assert_untouched(model, before)


@pytest.mark.slow
def test_a_trained_model_can_be_explained_and_trained_on(model):
    explainer = explainers.GradCAM(model, relu=False)
    before = explainer(nets.normals(3), target=1)
    weights = model.get_weights()
    losses = train(model, seed=2)
    assert np.isfinite(losses["loss"]).all()
    assert any((one != other).any() for one, other in zip(weights, model.get_weights()))
    assert not np.allclose(explainer(nets.normals(3), target=1), before)
    model.evaluate(nets.normals(16), LABELS, verbose=0)
    model.predict(nets.normals(2), verbose=0)


EXPLAINING = ["grad_cam", "hires_cam", "smooth_grad", "guided_backprop", "full_grad", "lrp", "b_lrp", "deep_lift"]


@pytest.mark.slow
@pytest.mark.parametrize("builder", [functional, Subclassed], ids=["functional", "subclassed"])
def test_training_is_bit_identical_with_and_without_explanations(builder):
    def run(explains):
        model = fitted(builder)
        if explains:
            methods = [method for method in EXPLAINING if explainable(method, model.name)]
            kerasxai.explain(model, nets.normals(3), method=methods, n_samples=3)
        # No new seed: an explanation must not use up the random numbers of its surroundings either.
        draws = [random.random(), np.random.random()]  # noqa: NPY002
        draws += [float(uniform([])) for uniform in (keras.random.uniform, tf.random.uniform)]
        history = model.fit(nets.normals(16), LABELS, batch_size=8, epochs=2, verbose=0).history
        return [history, draws], model.get_weights(), model.optimizer.variables

    plain, explained = run(False), run(True)
    assert plain[0] == explained[0]
    for one, other in zip([*plain[1], *plain[2]], [*explained[1], *explained[2]]):
        np.testing.assert_array_equal(one, other)


def test_a_model_can_be_saved_after_being_explained(models, tmp_path):
    model = models["functional"]
    kerasxai.explain(model, nets.normals(2), method=["grad_cam", "guided_backprop"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(nets.normals(2)), model(nets.normals(2)))
