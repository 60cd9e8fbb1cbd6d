"""What is explained: classes however they are written, functions, and the outputs of a model that has several."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from kerasxai import explainers
from kerasxai.evaluators.scoring import ScoredModel
from kerasxai.explainers import Gradient
from kerasxai.graph import Score, view
from kerasxai.targets import TargetPlan, of_logits, select
from tests.support import nets, truth


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


@pytest.fixture(scope="module", params=["grad_cam", "integrated_gradients"])
def explainer(request, model):
    return nets.quick(request.param, model, verbose=0)


def test_ways_to_say_the_same_classes(explainer):
    x, y = nets.normals(3), np.array([2, 0, 1])
    expected = explainer(x, target=y)
    for same in (
        [2, 0, 1],
        (2, 0, 1),
        y[:, None],
        y.astype("float64"),
        y.astype("uint8"),
        np.eye(3)[y],
        np.eye(3, dtype="int64")[y],
        tf.constant(y),
    ):
        np.testing.assert_array_equal(explainer(x, target=same), expected)
    for labels in (y, list(y), y[:, None], np.eye(3)[y], tf.constant(y)):
        np.testing.assert_array_equal(explainer(x, target="true", y=labels), expected)
    np.testing.assert_array_equal(explainer(x, target=2), explainer(x, target=[2, 2, 2]))


def test_a_callable_without_data(model):
    x = nets.normals(3)
    explainer = Gradient(model)
    difference = explainer(x, target=of_logits(lambda logits: logits[:, 0] - logits[:, 1]))
    np.testing.assert_allclose(difference, explainer(x, target=0) - explainer(x, target=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["two_outputs", "dict_outputs"])
def test_outputs_by_name(kind):
    model = nets.build(kind)
    x = nets.normals(3)
    explainer = Gradient(model)
    for name, target in (("kind", 2), ("tags", [0, 1, 1])) if kind == "two_outputs" else (("zebra", 2), ("ant", None)):
        alone = keras.Model(model.inputs, model.get_layer({"zebra": "kind", "ant": "size"}.get(name, name)).output)
        np.testing.assert_allclose(
            explainer(x, target=(name, target)), Gradient(alone)(x, target=target), rtol=1e-4, atol=1e-6
        )


def test_a_callable_gets_the_outputs_as_the_model_packs_them():
    x = nets.normals(3)
    model = nets.build("dict_outputs")
    picked = Gradient(model)(x, target=of_logits(lambda logits: logits["zebra"][:, 1]))
    np.testing.assert_allclose(picked, Gradient(model)(x, target=("zebra", 1)), rtol=1e-5, atol=1e-6)
    model = nets.build("two_outputs")
    picked = Gradient(model)(x, target=of_logits(lambda logits: logits[1][:, 0]))
    np.testing.assert_allclose(picked, Gradient(model)(x, target=("tags", 0)), rtol=1e-5, atol=1e-6)


def test_true_labels_of_several_outputs():
    x, kinds, tags = nets.normals(3), np.array([2, 0, 1]), np.array([0, 1, 0])
    model = nets.build("two_outputs")
    explainer = Gradient(model)
    expected = explainer(x, target=("tags", tags))
    labels = {"kind": kinds, "tags": tags}
    np.testing.assert_array_equal(explainer(x, target=("tags", "true"), y=labels), expected)
    dataset = tf.data.Dataset.from_tensor_slices((x, labels)).batch(2)
    np.testing.assert_allclose(explainer(dataset, target=("tags", "true")), expected, rtol=1e-5, atol=1e-6)


def test_each_output_of_several_has_its_own_gradient_and_map():
    x = truth.images(3, (8, 10, 3))
    inputs = keras.Input(x.shape[1:])
    shared = layers.Conv2D(4, 3, activation="tanh", name="shared")(inputs)
    left = layers.Dense(3, activation="softmax", name="left")(layers.GlobalAveragePooling2D()(shared))
    right = layers.Dense(2, name="right")(layers.Flatten()(layers.Conv2D(2, 3, activation="tanh")(shared)))
    model = truth.randomise(keras.Model(inputs, [left, right]), seed=1)
    for index, (name, classes) in enumerate((("left", [2, 0, 1]), ("right", [1, 1, 0]))):
        single = keras.Model(inputs, model.outputs[index])
        single = truth.logits_of(single) if name == "left" else single
        maps = kerasxai.explain(model, x, "gradient", target=(name, classes))
        truth.assert_same(maps, truth.input_gradients(single, x, classes))
        A, G = truth.activations_and_gradients(single, "shared", x, classes)
        maps = kerasxai.explain(model, x, "hires_cam", target=(name, classes), layer="shared", upsample=False)
        truth.assert_same(maps, np.maximum((A * G).sum(axis=-1), 0))


@pytest.mark.parametrize("method", ["integrated_gradients", "expected_gradients", "smooth_grad", "score_cam"])
def test_data_of_a_callable_target_stays_with_its_sample(method):
    """The rows of a weighted sum of the outputs, here one-hot: the same as the classes."""
    model, x, classes = truth.conv_net(), truth.images(3, (8, 10, 3)), [0, 3, 1]
    names = explainers.get(method).option_names()
    options = {"n_samples": 5, "steps": 5, "background": truth.images(2, (8, 10, 3), seed=1), "batch_size": 6}
    options = {name: value for name, value in options.items() if name in names}
    rows = np.eye(4, dtype="float32")[classes]
    weighted = (lambda outputs, rows: tf.reduce_sum(outputs * rows, axis=-1), rows)
    expected = kerasxai.explain(model, x, method, target=classes, **options)
    truth.assert_same(kerasxai.explain(model, x, method, target=weighted, **options), expected)


# A function gets the model's own outputs


class Unpacked(keras.Model):
    """A subclassed autoencoder; what it returns is packed in a dict, with one output more."""

    def __init__(self):
        super().__init__()
        self.decode = layers.Conv2D(2, 3, padding="same", activation="sigmoid")
        self.classify = layers.Dense(3, activation="softmax")

    def call(self, x):
        return {"image": self.decode(x), "classes": (self.classify(x[:, 0, 0]), x[..., 0])}


def unpacked():
    model = Unpacked()
    model(nets.normals(1))
    return nets.randomise(model)


def segmentation():
    inputs = keras.Input(nets.IMAGE)
    return nets.randomise(keras.Model(inputs, layers.Conv2D(3, 3, padding="same", activation="softmax")(inputs)))


def one_value_each():
    inputs = keras.Input(nets.IMAGE)
    return nets.randomise(keras.Model(inputs, layers.Flatten()(nets.conv("conv")(inputs))[:, 0]))


OTHERS = {
    "subclassed": unpacked,
    "segmentation": segmentation,
    "no axis of units": one_value_each,
    "a dict of one": lambda: _renamed(lambda output: {"only": output}),
    "regression": lambda: _renamed(layers.Dense(4)),
    "sigmoids": lambda: _renamed(layers.Dense(4, activation="sigmoid")),
    "function": lambda: lambda x: tf.nn.softmax(tf.reduce_mean(x, axis=[1, 2])),
}


def _renamed(head):
    inputs = keras.Input(nets.IMAGE)
    return nets.randomise(keras.Model(inputs, head(layers.GlobalAveragePooling2D()(nets.conv("conv")(inputs)))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*nets.KINDS, *OTHERS])
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_a_function_gets_what_the_model_returns(kind, score):
    model = OTHERS[kind]() if kind in OTHERS else nets.build(kind)
    inputs = nets.normals(3) if kind in OTHERS else nets.inputs_for(model, 3)
    seen = []

    def keep(outputs, *data):
        seen.append(outputs)
        return tf.zeros([3])

    scorer = Score(view(model), score)
    flat = [tf.constant(one) for one in keras.tree.flatten(inputs)]
    if not scorer.is_ready:
        scorer.inspect(flat, None if len(flat) == 1 else keras.tree.map_structure(lambda _: 0, inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is taken for granted
        for given, data in ((keep, None), ((keep, np.zeros(3)), tf.zeros([3]))):
            target = TargetPlan(given, scorer).target.of_batch(None, data)
            outputs, _ = scorer.outputs(flat, target)
            select(scorer, outputs, target)
    assert len(seen) == 2
    for found in seen:
        keras.tree.assert_same_structure(found, model(inputs))
        for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(model(inputs))):
            np.testing.assert_allclose(one, other, rtol=2e-3 if "mixed" in kind else 1e-5, atol=1e-6)


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_a_sigmoid_autoencoder_is_explained_by_its_own_pixels(score):
    x = nets.normals(3)
    inputs = keras.Input(nets.IMAGE)
    model = nets.randomise(keras.Model(inputs, layers.Conv2D(2, 3, padding="same", activation="sigmoid")(inputs)))

    def error(outputs, images):
        return tf.reduce_mean(tf.square(outputs - images), axis=[1, 2, 3])

    value = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(value)
        expected = error(model(value), x)
    truth.assert_same(Gradient(model, score=score)(x, target=(error, x)), tape.gradient(expected, value))
    samples = ScoredModel(model).samples(x, None, (error, x))
    np.testing.assert_allclose(samples.originals, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["softmax", "sigmoid", None])
def test_logits_are_asked_for_by_name(head):
    x, rows = nets.normals(3), np.eye(3, dtype="float32")[[2, 0, 1]]
    model = _renamed(layers.Dense(3, activation=head))
    logits = _renamed(layers.Dense(3))
    assert all((one == other).all() for one, other in zip(model.get_weights(), logits.get_weights()))
    weighted = lambda outputs, rows: tf.reduce_sum(outputs * rows, axis=-1)
    for method in ("gradient", "deep_lift", "guided_backprop", "full_grad", "occlusion"):
        explainer = nets.quick(method, model, verbose=0)
        asked = explainer(x, target=(of_logits(weighted), rows))
        truth.assert_same(asked, nets.quick(method, logits, verbose=0)(x, target=(weighted, rows)))
        assert explainer.trace_count == 1
        explainer(x, target=(of_logits(weighted), rows))
        assert explainer.trace_count == 1, "the same function by the same name is one target"
        own = explainer(x, target=(weighted, rows))
        if method != "full_grad":  # whose maps are scaled to 0 ... 1
            assert np.allclose(own, asked, rtol=1e-4, atol=1e-6) == (head is None)
    found = ScoredModel(model).samples(x, None, (of_logits(weighted), rows))
    np.testing.assert_allclose(found.originals, logits(x).numpy()[range(3), [2, 0, 1]], rtol=1e-4)
    assert ScoredModel(model).samples(x, None, found.target).originals == pytest.approx(found.originals)


def test_of_logits_wants_a_function():
    with pytest.raises(TypeError, match=r"`function` must be callable. Received: 3"):
        of_logits(3)
