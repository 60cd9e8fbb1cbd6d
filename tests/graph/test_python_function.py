"""Models seen from outside: plain Python functions that compute in NumPy, functions of tensors, SavedModels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from kerasxai import explainers
from tests.support import nets

X = nets.normals(5)
METHODS = {"occlusion": {"window": 3, "stride": 2}, "rise": {"n_masks": 12}}
KERNEL = np.random.default_rng(1).normal(size=(X[0].size, nets.CLASSES)) / 8


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


def softmax(values):
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def in_numpy(x):
    """Uses what arrays have and tensors lack."""
    return softmax(x.reshape(len(x), -1).astype("float64") @ KERNEL)


def twin_of_in_numpy():
    inputs = keras.Input(nets.IMAGE)
    outputs = keras.layers.Dense(nets.CLASSES, activation="softmax", use_bias=False)(keras.layers.Flatten()(inputs))
    twin = keras.Model(inputs, outputs)
    twin.set_weights([KERNEL])
    return twin


@pytest.mark.sweep
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch_size", [2, 32])
def test_a_numpy_function_is_explained_like_its_keras_twin(method, batch_size):
    sizes = []

    def watched(x):
        assert isinstance(x, np.ndarray) and x.dtype == np.float32
        sizes.append(len(x))
        return in_numpy(x)

    explainer = explainers.get(method)(watched, batch_size=batch_size, **METHODS[method])
    expected = explainers.get(method)(twin_of_in_numpy(), **METHODS[method])
    for target in (None, 1, [0, 1, 2, 0, 1]):
        maps = explainer(X, target=target)
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps, expected(X, target=target), rtol=1e-4, atol=1e-6)
    assert max(sizes) <= batch_size and len(set(sizes)) > 1
    assert explainer.trace_count == 1
    assert explainer(X[:1]).shape == (1, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "form",
    [
        lambda model: model.predict_on_batch,
        lambda model: lambda x: model.predict(x, verbose=0),
        lambda model: lambda x: model(x).numpy(),
        lambda model: lambda x: model(x, training=False),
        lambda model: tf.function(lambda x: model(x, training=False), autograph=False),
        lambda model: lambda x: model(x).numpy().tolist(),
        lambda model: lambda x: tf.constant(model.predict(np.array(x), verbose=0)),
        lambda model: lambda x: model(x.numpy() if tf.is_tensor(x) else 1 / 0),
    ],
    ids=["predict_on_batch", "predict", "numpy", "tensors", "tf.function", "lists", "in between", "eager only"],
)
@pytest.mark.parametrize("method", METHODS)
def test_every_way_to_call_a_model_is_the_model(form, method, model):
    maps = kerasxai.explain(form(model), X, method, **METHODS[method])
    np.testing.assert_allclose(maps, kerasxai.explain(model, X, method, **METHODS[method]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_model(method, model, tmp_path):
    model.export(tmp_path / "saved", verbose=False)
    loaded = kerasxai.load_model(tmp_path / "saved")
    assert isinstance(loaded, keras.layers.TFSMLayer)
    maps = kerasxai.explain(loaded, X, method, **METHODS[method])
    np.testing.assert_allclose(maps, kerasxai.explain(model, X, method, **METHODS[method]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_one_score_a_sample(method):
    """`(samples,)` is explained as it is."""
    flat = keras.Sequential([keras.Input(nets.IMAGE), keras.layers.Flatten(), keras.layers.Dense(1, use_bias=False)])
    flat.set_weights([KERNEL[:, :1]])
    maps = kerasxai.explain(lambda x: x.reshape(len(x), -1) @ KERNEL[:, 0], X, method, **METHODS[method])
    np.testing.assert_allclose(maps, kerasxai.explain(flat, X, method, **METHODS[method]), rtol=1e-4, atol=1e-5)


def test_several_inputs_and_outputs():
    numbers = np.random.default_rng(2).normal(size=(5, 4)).astype("float32")

    def function(x):
        assert set(x) == {"image", "numbers"} and all(isinstance(part, np.ndarray) for part in x.values())
        return [in_numpy(x["image"]) * x["numbers"][:, :1], in_numpy(x["image"])]

    explainer = explainers.Occlusion(function, window=3, stride=2)
    maps = explainer({"image": X, "numbers": numbers}, target=("output_1", 2))
    assert maps["numbers"] is None
    expected = kerasxai.explain(in_numpy, X, "occlusion", target=2, **METHODS["occlusion"])
    np.testing.assert_allclose(maps["image"], expected, rtol=1e-4, atol=1e-6)


def test_a_target_that_is_a_function():
    maps = kerasxai.explain(in_numpy, X, "occlusion", target=lambda outputs: outputs[:, 0] - outputs[:, 1], window=3)
    parts = [kerasxai.explain(in_numpy, X, "occlusion", target=target, window=3) for target in (0, 1)]
    np.testing.assert_allclose(maps, parts[0] - parts[1], rtol=1e-4, atol=1e-6)


def test_evaluators_take_it():
    """A grid with the function gives the numbers of the grid with its twin."""
    tables = [
        kerasxai.evaluate(each, X, explainers=["occlusion"], evaluators=["drop_increase", "deletion"], controls=False)
        for each in (in_numpy, twin_of_in_numpy())
    ]
    values = [[table.summary("occlusion", metric).mean for metric in table.metrics] for table in tables]
    assert len(values[0]) == 3
    np.testing.assert_allclose(*values, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:The model returns probabilities")
@pytest.mark.parametrize(
    "method", ["gradient", "integrated_gradients", "smooth_grad", "guided_backprop", "sensitivity"]
)
def test_gradients_are_refused(method):
    with pytest.raises((ValueError, TypeError), match=r"perturbs the input|Sequential or functional"):
        nets.quick(method, in_numpy)(X)


@pytest.mark.filterwarnings("ignore:The model returns probabilities")
def test_cams_are_refused():
    with pytest.raises(ValueError, match="GradCAM reads a layer, and this model shows none"):
        explainers.GradCAM(in_numpy)


def test_a_function_of_tensors_keeps_its_gradient():
    def function(x):
        return tf.nn.softmax(tf.reshape(x, [tf.shape(x)[0], -1]) @ tf.constant(KERNEL, tf.float32))

    gradient = kerasxai.explain(function, X, "gradient", score="probability", target=1)
    expected = kerasxai.explain(twin_of_in_numpy(), X, "gradient", score="probability", target=1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: None, "NoneType for 5 samples"),
        (lambda x: "cat", "str for 5 samples"),
        (lambda x: 1.0, r"shape \(\) for 5 samples"),
        (lambda x: np.zeros((1, 3)), r"shape \(1, 3\) for 5 samples"),
        (lambda x: [np.zeros(3) for _ in x], r"numpy.stack.*shape \(3,\) for 5 samples"),
    ],
)
def test_what_is_no_score_is_refused(function, told):
    with pytest.raises(ValueError, match=rf"`model` must return scores of shape \(samples,\).*{told}"):
        kerasxai.explain(function, X, "occlusion")


def test_the_functions_own_mistake_is_shown():
    def mistaken(x):
        raise KeyError("the user's own mistake")

    with pytest.raises(KeyError, match="the user's own mistake"):
        kerasxai.explain(mistaken, X, "occlusion")
    with pytest.raises(ValueError, match="matmul"):
        kerasxai.explain(lambda x: x.reshape(len(x), -1) @ KERNEL[:3], X, "occlusion")


def test_a_mistake_that_comes_later_is_shown_as_it_is():
    def mistaken(x):
        if len(x) > 5:
            raise KeyError("too many")
        return in_numpy(x)

    with pytest.raises(KeyError, match="too many"):
        kerasxai.explain(mistaken, X, "occlusion", **METHODS["occlusion"])
    with pytest.raises(KeyError, match="too many"):
        kerasxai.evaluate(mistaken, nets.normals(7), "rise", "deletion", batch_size=7)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["occlusion", "rise", "lime", "kernel_shap"])
def test_a_function_that_works_in_place_changes_only_what_it_is_given(method):
    def in_place(x):
        x *= 2.0
        return in_numpy(x)

    maps, expected = (nets.quick(method, function)(X, target=1) for function in (in_place, lambda x: in_numpy(2.0 * x)))
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)


def test_values_that_turn_out_to_be_no_probabilities_are_told():
    """In whatever order the batches come: what the first one was taken for is not applied to the rest."""

    def scores(x):
        return x.reshape(len(x), -1)[:, :3]

    x = np.concatenate([np.full((1, *nets.IMAGE), 0.25), np.full((1, *nets.IMAGE), 3.0)]).astype("float32")
    for samples in (x, x[::-1]):
        explainer = explainers.Occlusion(scores, window=4, batch_size=1)
        if samples is x:
            with pytest.raises(ValueError, match=r'score="probability".*now from .* to 3\. Give score="logit"'):
                explainer(samples, target=0)
        else:
            explainer(samples, target=0)
    values = explainers.Occlusion(scores, window=1, stride=1, batch_size=1, score="logit")(x, target=0)
    np.testing.assert_allclose(values[:, 0, 0], [0.25, 3.0])
