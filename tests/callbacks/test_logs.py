"""Metrics of explanations are metrics of training: logged, named, and acted upon by other callbacks."""

import csv

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai.callbacks import AOPC, DeletionInsertion, DropIncrease, Evaluate
from tests.callbacks import training
from tests.support import nets

X, Y = training.data()


def test_history_holds_plain_floats():
    history = training.fit(DropIncrease(X[:6])).history
    for name in ("val_grad_cam_drop_rate", "val_grad_cam_increase_rate"):
        assert len(history[name]) == 2 and all(type(value) is float for value in history[name])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["predicted", "true", 1, np.arange(6) % 3, lambda outputs: outputs[:, 0]])
def test_values_are_those_of_the_evaluator_by_hand(target):
    model = training.fresh()
    labels = Y[:6] if isinstance(target, str) and target == "true" else None
    callback = DropIncrease(X[:6], labels, target=target)
    history = training.fit(callback, model=model).history
    found = kerasxai.evaluators.DropIncrease()(model, X[:6], target=target, y=labels, explainer="grad_cam").summary()
    for name in ("drop_rate", "increase_rate"):
        assert history[f"val_grad_cam_{name}"][-1] == found[name].mean == callback.results[f"val_grad_cam_{name}"]


@pytest.mark.slow
def test_all_evaluators_on_all_explainers():
    model = training.fresh()
    callback = Evaluate(
        X[:6],
        explainers=["grad_cam", {"method": "lrp", "rules": "epsilon"}, kerasxai.explainers.Gradient],
        evaluators=["drop_increase", {"evaluator": "deletion", "steps": 4}],
    )
    history = training.fit(callback, model=model, epochs=1).history
    deletion = kerasxai.evaluators.Deletion(steps=4)
    for name, explainer in callback.explainers.items():
        assert name in ("grad_cam", "lrp", "gradient") and explainer.model is model
        assert history[f"val_{name}_deletion"][-1] == deletion(model, X[:6], explainer=explainer)["deletion"].mean()
        assert f"val_{name}_drop_rate" in history


@pytest.mark.slow
def test_the_callbacks_write_their_metrics():
    history = training.fit(
        DropIncrease(X[:4], explainer="lrp"),
        AOPC(X[:4], explainer="lrp", window=6, steps=2),
        DeletionInsertion(X[:4], explainer="lrp", steps=3),
        epochs=1,
    ).history
    names = {name.removeprefix("val_lrp_") for name in history if "lrp" in name}
    assert names == {"drop_rate", "increase_rate", "aopc", "abpc", "aopc_above_random", "deletion", "insertion"}


@pytest.mark.slow
def test_names_and_prefix():
    history = training.fit(
        DropIncrease(X[:4], name="few", prefix=""),
        DropIncrease(X[:8], name="many"),
        Evaluate(X[:4], explainers={"last": {"method": "grad_cam", "layer": "conv"}}),
        Evaluate(X[:4], evaluators={"half": kerasxai.evaluators.DropIncrease(fraction=0.5), "tenth": "drop_increase"}),
        epochs=1,
    ).history
    drops = {name for name in history if name.endswith("drop_rate")}
    assert drops == {
        "few_drop_rate",
        "val_many_drop_rate",
        "val_last_drop_rate",
        "val_grad_cam_half_drop_rate",
        "val_grad_cam_tenth_drop_rate",
    }


@pytest.mark.slow
def test_methods_that_perturb_the_input():
    names = ["occlusion", "rise", "sise", "lime", "kernel_shap"]
    quick = [{"method": name, **nets.QUICK.get(name, {})} for name in names]
    history = training.fit(Evaluate(X[:3], explainers=quick), epochs=2).history
    for name in names:
        assert np.isfinite(history[f"val_{name}_drop_rate"]).all(), name


def test_an_explainer_on_the_model_that_is_trained():
    model = training.fresh()
    explainer = kerasxai.explainers.LayerCAM(model)
    history = training.fit(DropIncrease(X[:4], explainer=explainer), model=model, epochs=1).history
    assert "val_layer_cam_drop_rate" in history


def test_same_name_twice_is_told_and_the_first_stays():
    with pytest.warns(UserWarning, match="Tell them apart with `name=`"):
        history = training.fit(DropIncrease(X[:4]), DropIncrease(X[:8], fraction=0.5), epochs=1).history
    assert len(history["val_grad_cam_drop_rate"]) == 1


@pytest.mark.slow
def test_every_writes_the_first_epoch_and_then_every_third():
    callback = DropIncrease(X[:4], every=3)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, "val_grad_cam_drop_rate" in logs))
    )
    training.fit(callback, watch, epochs=7)
    assert [epoch for epoch, is_there in seen if is_there] == [0, 3, 6]
    seen.clear()
    training.fit(callback, watch, epochs=8, initial_epoch=4)
    assert [epoch for epoch, is_there in seen if is_there] == [4, 6]


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    history = training.fit(DropIncrease(X[:4], every=2), keras.callbacks.CSVLogger(path), epochs=3).history
    rows = list(csv.DictReader(path.open()))
    assert [row["val_grad_cam_drop_rate"] for row in rows][1] == "NA"
    assert [float(rows[index]["val_grad_cam_drop_rate"]) for index in (0, 2)] == history["val_grad_cam_drop_rate"]


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    import tensorflow as tf

    history = training.fit(DropIncrease(X[:4]), keras.callbacks.TensorBoard(tmp_path)).history
    events = [
        value
        for path in (tmp_path / "validation").iterdir()
        for record in tf.data.TFRecordDataset(str(path))
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
    ]
    written = [tf.make_ndarray(one.tensor) for one in events if one.tag == "epoch_grad_cam_drop_rate"]
    np.testing.assert_allclose(written, history["val_grad_cam_drop_rate"], rtol=1e-6)


def test_early_stopping_stops():
    """No map can show more than the whole, so a drop that is asked to rise above 100 ends the training."""
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_grad_cam_drop_rate", mode="max", min_delta=100, patience=2, start_from_epoch=0
    )
    history = training.fit(DropIncrease(X[:6]), stopping, epochs=12)
    assert len(history.epoch) == 3 and stopping.best == history.history["val_grad_cam_drop_rate"][0]


def test_early_stopping_is_not_hurried_by_skipped_epochs():
    stopping = keras.callbacks.EarlyStopping(monitor="val_grad_cam_drop_rate", mode="max", min_delta=100, patience=2)
    history = training.fit(DropIncrease(X[:6], every=3), stopping, epochs=12)
    assert len(history.epoch) == 7  # measured at 0, 3 and 6


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "best"), [("min", np.argmin), ("max", np.argmax)])
def test_model_checkpoint_keeps_the_best(tmp_path, mode, best):
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path, monitor="val_lrp_drop_rate", mode=mode, save_best_only=True)
    values = training.fit(DropIncrease(X[:6], explainer="lrp"), checkpoint, epochs=4).history["val_lrp_drop_rate"]
    kept = kerasxai.evaluators.DropIncrease()(keras.models.load_model(path), X[:6], explainer="lrp")
    assert kept["drop_rate"].mean() == pytest.approx(values[best(values)], rel=1e-5)


def test_reduce_lr_on_plateau_reduces():
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="val_grad_cam_drop_rate", mode="max", min_delta=100, patience=2, factor=0.5
    )
    model = training.fresh()
    rates = training.fit(DropIncrease(X[:6]), plateau, model=model, epochs=5).history["learning_rate"]
    np.testing.assert_allclose(rates, [0.01, 0.01, 0.01, 0.005, 0.005], rtol=1e-5)


@pytest.mark.slow
def test_the_three_lines_of_the_design():
    model = training.fresh()
    history = model.fit(
        X,
        Y,
        validation_data=(X, Y),
        verbose=0,
        callbacks=[
            kerasxai.callbacks.DropIncrease(X[:256], explainer="grad_cam"),
            kerasxai.callbacks.AOPC(X[:64], explainer="lrp"),
            keras.callbacks.EarlyStopping(monitor="val_grad_cam_drop_rate", mode="min", patience=3),
        ],
    ).history
    assert {"val_grad_cam_drop_rate", "val_grad_cam_increase_rate", "val_lrp_aopc"} <= set(history)
