"""The ways to train, the kinds of models and of probe data."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from benchmarks.model_kinds.kind import dtype_policy
from kerasxai.callbacks import AOPC, DropIncrease, Evaluate, ExplanationDrift
from tests.callbacks import training
from tests.support import nets

X, Y = training.data()
DROP = "val_grad_cam_drop_rate"


class Sequence(keras.utils.PyDataset):
    """Batches of 3 that count how often they are asked for."""

    def __init__(self):
        super().__init__()
        self.reads = 0

    def __len__(self):
        return 4

    def __getitem__(self, index):
        self.reads += 1
        piece = slice(3 * index, 3 * index + 3)
        return X[piece], Y[piece]


def test_evaluate_computes_keeps_and_prints(capsys):
    model = training.fresh()
    callback = DropIncrease(X[:6])
    returned = model.evaluate(X, Y, verbose=0, callbacks=[callback], return_dict=True)
    by_hand = kerasxai.evaluators.DropIncrease()(model, X[:6], explainer="grad_cam")
    assert callback.results[DROP] == by_hand["drop_rate"].mean() and DROP not in returned
    assert f"{DROP}: {callback.results[DROP]:.4g}" in capsys.readouterr().out


def test_evaluate_of_a_silent_callback(capsys):
    model = training.fresh()
    model.evaluate(X, Y, verbose=0, callbacks=[DropIncrease(X[:6], verbose=0)])
    assert capsys.readouterr().out == ""


def test_nothing_is_computed_in_the_validation_inside_fit():
    calls = []

    class Counting(DropIncrease):
        def measure(self, samples, moment):
            calls.append(moment)
            return super().measure(samples, moment)

    training.fit(Counting(X[:6]))
    assert calls == [("rehearsal", 0), ("epoch", 0), ("epoch", 1)]


def test_evaluate_after_a_training_that_was_interrupted():
    def stop(batch, logs):
        raise KeyboardInterrupt

    model = training.fresh()
    callback = DropIncrease(X[:6])
    with pytest.raises(KeyboardInterrupt):
        training.fit(callback, keras.callbacks.LambdaCallback(on_train_batch_end=stop), model=model)
    model.evaluate(X, Y, verbose=0, callbacks=[callback])
    assert DROP in callback.results


def test_verbose_prints_every_epoch(capsys):
    training.fit(DropIncrease(X[:4], verbose=1))
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1", "epoch 2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "dataset",
    [
        lambda: tf.data.Dataset.from_tensor_slices((X[:12], Y[:12])).batch(5),
        lambda: tf.data.Dataset.from_tensor_slices((X[:12], Y[:12])),
        lambda: tf.data.Dataset.from_tensor_slices((X[:12], Y[:12])).batch(5).repeat(),
        Sequence,
    ],
    ids=["batched", "unbatched", "endless", "PyDataset"],
)
@pytest.mark.parametrize("max_samples", [None, 7])
def test_datasets_give_what_arrays_give(dataset, max_samples):
    data = dataset()
    if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY and not max_samples:
        with pytest.raises(ValueError, match="finite dataset"):
            training.fit(DropIncrease(data), epochs=1)
        return
    array = DropIncrease(X[: max_samples or 12], Y[: max_samples or 12], target="true", name="array")
    history = training.fit(array, DropIncrease(data, target="true", max_samples=max_samples)).history
    np.testing.assert_allclose(history[DROP], history["val_array_drop_rate"], rtol=1e-4)


@pytest.mark.slow
def test_a_dataset_is_read_once():
    data = Sequence()
    callback = DropIncrease(data)
    model = training.fresh()
    training.fit(callback, model=model, epochs=3)
    training.fit(callback, model=model)
    assert data.reads == 4


@pytest.mark.slow
def test_max_samples_cuts_targets_too():
    target = np.arange(12) % 3
    expected = DropIncrease(X[:5], target=target[:5], name="one")
    cut = DropIncrease(X[:12], target=target, max_samples=5, name="other")
    history = training.fit(expected, cut).history
    assert history["val_one_drop_rate"] == history["val_other_drop_rate"]


def test_training_on_tf_data_with_several_steps_per_execution():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    model = training.compiled(training.network(), steps_per_execution=3)
    callback = DropIncrease(X[:4], every_batches=3)
    model.fit(data, epochs=2, verbose=0, callbacks=[callback])
    assert callback.history["batch"] == [3, 6, 11, 14, 16]  # an epoch has 8, its last execution 2


@pytest.mark.slow
def test_every_batches_goes_to_history_and_tensorboard(tmp_path):
    callback = AOPC(X[:4], explainer="lrp", window=6, every_batches=3, log_dir=tmp_path)
    history = training.fit(callback, batch_size=4).history
    assert callback.history["batch"] == [3, 6, 9, 12, 15]
    assert len(callback.history["val_lrp_aopc"]) == 5 and len(history["val_lrp_aopc"]) == 2
    written = training.events(tmp_path / "explanations")["batch_val_lrp_aopc"]
    assert [step for step, _ in written] == [3, 6, 9, 12, 15]
    np.testing.assert_allclose([tf.make_ndarray(one.tensor) for _, one in written], callback.history["val_lrp_aopc"])


@pytest.mark.slow
def test_a_subclassed_model_not_yet_built():
    model = training.compiled(training.Subclassed())
    callback = Evaluate(X[:4], explainers=[{"method": "grad_cam", "layer": "conv"}, "gradient"])
    history = training.fit(callback, ExplanationDrift(X[:4], explainer="gradient"), model=model).history
    assert len(history[DROP]) == len(history["val_gradient_drop_rate"]) == 2
    assert np.isfinite(history["val_gradient_spearman_to_previous"]).all()


@pytest.mark.slow
def test_a_sequential_model_not_yet_built():
    layers = [type(layer).from_config(layer.get_config()) for layer in training.network().layers]
    model = training.compiled(keras.Sequential(layers))
    assert not model.built
    assert len(training.fit(DropIncrease(X[:4]), model=model).history[DROP]) == 2


def test_the_probe_of_an_unbuilt_model_is_refused_after_the_first_batch():
    batches = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.raises(ValueError, match="layer"):
        training.fit(
            watch,
            DropIncrease(X[:4], explainer={"method": "grad_cam", "layer": "none"}),
            model=training.compiled(training.Subclassed()),
        )
    assert batches == [0]


def test_evaluate_of_an_unbuilt_model():
    callback = DropIncrease(X[:4], explainer="gradient")
    training.compiled(training.Subclassed()).evaluate(X, Y, verbose=0, callbacks=[callback])
    assert "val_gradient_drop_rate" in callback.results


@pytest.mark.slow
def test_mixed_precision():
    with dtype_policy("mixed_float16"):
        model = training.compiled(training.network())
    history = training.fit(Evaluate(X[:4], explainers=["grad_cam", "lrp"]), model=model).history
    assert np.isfinite(history[DROP]).all() and np.isfinite(history["val_lrp_drop_rate"]).all()


@pytest.mark.parametrize("callback", [DropIncrease, ExplanationDrift])
def test_a_model_of_several_inputs_is_refused(callback):
    model = nets.build("two_inputs")
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = nets.inputs_for(model, samples=8)
    with pytest.raises(ValueError, match="one input"):
        model.fit(
            x, np.arange(8) % 3, verbose=0, callbacks=[callback(x, explainer={"method": "grad_cam", "layer": "conv"})]
        )


@pytest.mark.slow
def test_a_callback_used_on_another_model_is_built_anew():
    callback = DropIncrease(X[:4])
    for _ in range(2):
        model = training.compiled(training.network())
        training.fit(callback, model=model, epochs=1)
        assert callback.explainers["grad_cam"].model is model


@pytest.mark.slow
def test_state_of_the_model_is_left_alone():
    model = training.fresh()
    training.fit(model=model, epochs=1)
    before = [len(model.losses), [variable.numpy().copy() for variable in model.variables]]
    callback = Evaluate(X[:4], explainers=["grad_cam", "lrp", "smooth_grad"])
    model.evaluate(X, Y, verbose=0)
    metrics = model.get_metrics_result()
    callback.set_model(model)
    callback.on_test_begin()
    callback.on_test_end()
    assert model.get_metrics_result() == metrics and len(model.losses) == before[0]
    for variable, value in zip(model.variables, before[1]):
        if not variable.path.startswith("metrics") and "total" not in variable.path and "count" not in variable.path:
            np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.slow
def test_mirrored_strategy():
    found = training.run_script("mirrored")
    assert found["replicas"] == 2 and found["batches"] == [2, 4] and all(found["loss"])
    for name in (DROP, "val_grad_cam_aopc", "val_lrp_drop_rate", "val_lrp_aopc", "val_grad_cam_cosine_to_previous"):
        assert np.isfinite(found["history"][name]).all() and len(found["history"][name]) == 2
    assert found["history"]["again"][-1] == found["by_hand"]
