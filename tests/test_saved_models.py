"""`load_model`: what it loads predicts as the saved model did; what it cannot load is explained.

Keras 2 files are written here by hand, in the HDF5 layout of Keras 2; a twin built with Keras 3 holds the truth.
"""

import base64
import json
import marshal
import os
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasxai.saved_models import load_model
from tests.support.keras_2_files import (
    KERAS_2_MODELS,
    branches,
    entry,
    groups,
    input_entry,
    recurrent,
    sequential,
    slash_in_names,
    write_keras_2,
)

layers = keras.layers
IMAGE, SERIES = (6, 6, 4), (5, 3)


def random_input(shape, batch=3):
    return np.random.default_rng(0).normal(size=(batch, *shape)).astype("float32")


def with_random_weights(model):
    random = np.random.default_rng(1)
    model.set_weights([random.uniform(0.1, 1, weights.shape).astype(weights.dtype) for weights in model.get_weights()])
    return model


def assert_same_predictions(loaded, model):
    inputs = [random_input(tensor.shape[1:]) for tensor in model.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    expected, found = (tf.nest.flatten(one(inputs, training=False)) for one in (model, loaded))
    assert len(expected) == len(found)
    for one, other in zip(expected, found):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


# Keras 2 files


@pytest.mark.parametrize("build", KERAS_2_MODELS, ids=lambda build: build.__name__)
def test_keras_2_file_predicts_as_its_twin_and_stays_as_it_is(build, tmp_path):
    config, twin = build()
    path = write_keras_2(tmp_path / "model.h5", config, with_random_weights(twin))
    before = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = load_model(path)
    assert_same_predictions(loaded, twin)
    assert not loaded.compiled
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.h5"]


def test_slashes_in_names_become_underscores_and_names_stay_unique(tmp_path):
    config, twin = slash_in_names()
    loaded = load_model(write_keras_2(tmp_path / "model.h5", config, twin))
    assert [layer.name for layer in loaded.layers] == ["block_conv_", "block_conv", "block_conv_1"]


def test_single_output_is_no_list(tmp_path):
    loaded = load_model(write_keras_2(tmp_path / "model.h5", *branches()))
    assert loaded.output.shape == loaded.output_shape == (None, 6, 6, 6, 6)


def test_model_with_keras_2_hard_sigmoid_can_be_saved_again(tmp_path):
    loaded = load_model(write_keras_2(tmp_path / "model.h5", *recurrent()))
    loaded.save(tmp_path / "model.keras")
    assert_same_predictions(load_model(tmp_path / "model.keras"), loaded)


def test_keras_2_archive(tmp_path):
    """A `.keras` file of Keras 2.12 to 2.15: its config is fixed like that of an `.h5` file."""
    config, twin = groups()
    with_random_weights(twin).save(tmp_path / "twin.keras")
    modules = {"Sequential": "keras"}
    for one in config["config"]["layers"]:
        one.update(module=modules.get(one["class_name"], "keras.layers"), registered_name=None)
    with zipfile.ZipFile(tmp_path / "twin.keras") as twin_file, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        old.writestr("model.weights.h5", twin_file.read("model.weights.h5"))
        old.writestr("metadata.json", json.dumps({"keras_version": "2.15.0"}))
        old.writestr("config.json", json.dumps({**config, "module": "keras", "registered_name": None}))
    assert_same_predictions(load_model(tmp_path / "old.keras"), twin)


# Keras 3 files


def keras_3_models():
    image = keras.Input(IMAGE)
    tower = keras.Sequential([keras.Input(IMAGE), layers.Conv2D(3, 3), layers.BatchNormalization()])
    inner = keras.Model(image, layers.GlobalAveragePooling2D()(tower(image)))
    outer = keras.Input(IMAGE)
    yield keras.Sequential([keras.Input(IMAGE), layers.Conv2D(3, 3, activation="hard_sigmoid"), layers.Flatten()])
    yield keras.Model(outer, [layers.Dense(2)(inner(outer)), layers.Add()([inner(outer), inner(outer)])])


@pytest.mark.parametrize("as_path", [str, Path])
@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
def test_keras_3_file(suffix, as_path, tmp_path, capfd):
    for number, model in enumerate(keras_3_models()):
        model.compile("adam", "mse")
        path = tmp_path / f"{number}{suffix}"
        with_random_weights(model).save(path)
        before = path.read_bytes()
        capfd.readouterr()
        loaded = load_model(as_path(path))
        assert capfd.readouterr() == ("", "")
        assert_same_predictions(loaded, model)
        assert not loaded.compiled
        assert path.read_bytes() == before


@pytest.mark.parametrize(("saved", "renamed"), [("a.h5", "b.keras"), ("a.keras", "b.h5"), ("a.h5", "b.H5")])
def test_content_counts_not_the_name(saved, renamed, tmp_path):
    model = next(keras_3_models())
    model.save(tmp_path / saved)
    os.rename(tmp_path / saved, tmp_path / renamed)
    assert_same_predictions(load_model(tmp_path / renamed), model)


class Doubled(layers.Layer):
    def call(self, inputs):
        return inputs * 2


class Halved(layers.Layer):
    def call(self, inputs):
        return inputs / 2


def cubed(x):
    return x**3


def custom_model():
    return keras.Sequential([keras.Input((4,)), Doubled(), Halved(), layers.Dense(2, activation=cubed)])


CUSTOM = {"Doubled": Doubled, "Halved": Halved, "cubed": cubed}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_custom_objects(suffix, tmp_path):
    model = custom_model()
    model.compile("adam", loss=lambda truth, predicted: 0.0)
    model.save(tmp_path / f"model{suffix}")
    assert_same_predictions(load_model(tmp_path / f"model{suffix}", custom_objects=CUSTOM), model)
    example = r'custom_objects=\{"Doubled": Doubled, "Halved": Halved, "cubed": cubed\}'
    with pytest.raises(ValueError, match=rf"Unknown to Keras: Doubled, Halved, cubed\. Pass `{example}`") as caught:
        load_model(tmp_path / f"model{suffix}")
    assert caught.value.__cause__ is not None
    with pytest.raises(ValueError, match="Unknown to Keras: Halved, cubed"):
        load_model(tmp_path / f"model{suffix}", custom_objects={"Doubled": Doubled})


def test_custom_layers_in_a_keras_2_file(tmp_path):
    model = custom_model()
    entries = entry("Doubled", "one"), entry("Halved", "two"), entry("Dense", "dense", units=2, activation="cubed")
    path = write_keras_2(tmp_path / "model.h5", sequential(input_entry((4,)), *entries), model)
    assert_same_predictions(load_model(path, custom_objects=CUSTOM), model)
    with pytest.raises(ValueError, match=r"Unknown to Keras: Doubled, Halved, cubed\..*dropped, open the file with"):
        load_model(path)


def test_operation_in_an_hdf5_file(tmp_path):
    """Keras writes such a file, and cannot read it."""
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.sum(inputs, axis=-1))
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
    assert_same_predictions(load_model(tmp_path / "model.keras"), model)
    with pytest.raises(
        ValueError, match=r"Unknown to Keras: Sum\..*operation of keras\.ops, save the model as `\.keras`"
    ):
        load_model(tmp_path / "model.h5")


# Code in the file


def bytecode(function):
    return [base64.encodebytes(marshal.dumps(function.__code__)).decode(), None, None]


def keras_2_lambda(path):
    kinds = {"module": "__main__", "function_type": "lambda", "output_shape_type": "raw", "output_shape_module": None}
    code = entry("Lambda", "tripled", function=bytecode(lambda x: x * 3), arguments={}, output_shape=None, **kinds)
    inner = sequential(input_entry((4,)), code, name="inner")
    twin = keras.Sequential([keras.Input((4,)), keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 3)])])
    write_keras_2(path, sequential(input_entry((4,), "first"), inner), twin)
    return twin


def keras_3_lambda(path):
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 3, name="tripled")])
    model.save(path)
    return model


@pytest.mark.parametrize(
    ("write", "suffix"), [(keras_2_lambda, ".h5"), (keras_3_lambda, ".h5"), (keras_3_lambda, ".keras")]
)
def test_code_runs_only_when_asked_for(write, suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    model = write(path)
    with pytest.raises(ValueError, match=r"Python code, in tripled; loading would run it.*`safe_mode=False`"):
        load_model(path)
    assert_same_predictions(load_model(path, safe_mode=False), model)


def test_lambda_with_a_named_function_is_no_code(tmp_path):
    kinds = {"module": "__main__", "function_type": "function", "output_shape_type": "raw", "output_shape_module": None}
    named = entry("Lambda", "named", function="cubed", arguments={}, output_shape=None, **kinds)
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(cubed)])
    path = write_keras_2(tmp_path / "model.h5", sequential(input_entry((4,)), named), model)
    assert_same_predictions(load_model(path, custom_objects={"cubed": cubed}), model)


# SavedModel directories


@pytest.fixture(scope="module")
def saved_models(tmp_path_factory):
    """A model, and SavedModels of it: exported by Keras, by plain TensorFlow, and with other endpoints only."""
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    folder = tmp_path_factory.mktemp("saved_models")
    signature = [tf.TensorSpec((None, 4), tf.float32, name="x")]
    model.export(folder / "keras", verbose=False)
    module = tf.Module()
    module.model = model
    scores = tf.function(lambda x: {"scores": model(x)}, input_signature=signature)
    tf.saved_model.save(module, str(folder / "tensorflow"), signatures=scores)
    tf.saved_model.save(module, str(folder / "endpoints"), signatures={"again": scores, "scores": scores})
    return model, folder


def test_saved_model_endpoints(saved_models):
    model, folder = saved_models
    inputs = random_input((4,))
    layer = load_model(folder / "keras")
    assert isinstance(layer, layers.TFSMLayer)
    np.testing.assert_allclose(layer(inputs), model(inputs), rtol=1e-6)
    for layer in (load_model(folder / "tensorflow"), load_model(str(folder / "endpoints"), endpoint="scores")):
        np.testing.assert_allclose(layer(inputs)["scores"], model(inputs), rtol=1e-6)


def test_unknown_endpoint_lists_those_there_are(saved_models):
    _, folder = saved_models
    with pytest.raises(
        ValueError, match=r"no endpoint 'wrong'\. Pass `endpoint`, one of \['serve', 'serving_default'\]"
    ):
        load_model(folder / "keras", endpoint="wrong")
    with pytest.raises(ValueError, match=r"no endpoint 'serving_default'.*one of \['again', 'scores'\]"):
        load_model(folder / "endpoints")


class TrainedByTensorFlow1(tf.Module):
    """Its optimizer is one that TensorFlow 2 restores as a nameless object, as it does those of Keras 2."""

    def __init__(self, names):
        super().__init__()
        self.kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
        self.names = tf.saved_model.Asset(str(names))
        self.optimizer = tf.compat.v1.train.AdamOptimizer(0.1)
        self.optimizer.apply_gradients([(tf.ones([2, 2]), self.kernel)])

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def __call__(self, x):
        first = tf.strings.to_number(tf.io.read_file(self.names.asset_path))  # read at every call
        return first * tf.linalg.matmul(x, self.kernel)


def test_saved_model_with_an_optimizer_that_cannot_be_restored(tmp_path):
    (tmp_path / "names.txt").write_text("10")
    model = TrainedByTensorFlow1(tmp_path / "names.txt")
    folder = tmp_path / "model"
    tf.saved_model.save(model, str(folder), signatures=model.__call__)
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(AttributeError, match="add_slot"):
        tf.saved_model.load(str(folder))
    loaded = load_model(folder)
    x = random_input((2,))
    np.testing.assert_allclose(loaded(x)["output_0"], model(x), rtol=1e-6)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files


def test_damaged_saved_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"no protocol buffer")
    with pytest.raises(ValueError, match="is damaged or incomplete"):
        load_model(tmp_path)


# Real Keras 2 files


@pytest.fixture
def shared_data():
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.exists():
        pytest.skip("the shared data is not here")
    return folder


@pytest.mark.parametrize("name", ["hmt/HMT.h5", "mnist1d/MNIST1D.h5"])
def test_real_keras_2_file(shared_data, name):
    before = (shared_data / name).read_bytes()
    assert_same_predictions(load_model(shared_data / name), keras.models.load_model(shared_data / name, compile=False))
    assert (shared_data / name).read_bytes() == before


def test_real_keras_2_file_keeps_its_accuracy(shared_data):
    data = np.load(shared_data / "mnist1d" / "mnist1d.npz")
    model = load_model(shared_data / "mnist1d" / "MNIST1D.h5")
    predicted = model.predict(data["x_test"][..., None], verbose=0).argmax(axis=-1)
    assert (predicted == data["y_test"]).mean() == pytest.approx(0.877)
