"""What cannot work is refused before the first batch; what fails later is told once and does not end the training."""

import errno
import os
import tempfile
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from kerasxai.callbacks import AOPC, DeletionInsertion, DropIncrease, Evaluate, ExplanationDrift, Heatmaps, files
from tests.callbacks import training
from tests.callbacks.training import failing_at
from tests.support import nets

X, Y = training.data()
DROP = "val_failing_drop_rate"
FIRST_EPOCH = 1  # call of the explainer: 0 is the rehearsal


def with_nan():
    x = X[:4].copy()
    x[2, 1, 1, 0] = np.nan
    return x


FOLDER = tempfile.gettempdir()
OTHER = training.network()
REFUSED = {
    "NaN": (lambda: DropIncrease(with_nan()), "finite"),
    "shape": (lambda: DropIncrease(X[:4, :8]), "must have the shape"),
    "no batch axis": (lambda: DropIncrease(X[0]), "Add the batch axis"),
    "empty": (lambda: DropIncrease(X[:0]), "at least one sample"),
    "explainer": (lambda: DropIncrease(X[:4], explainer="gradcam"), "Did you mean grad_cam"),
    "explainer option": (lambda: DropIncrease(X[:4], explainer={"method": "grad_cam", "layr": 1}), "layr"),
    "layer": (lambda: DropIncrease(X[:4], explainer={"method": "grad_cam", "layer": "none"}), "none"),
    "explainer on another model": (
        lambda: DropIncrease(X[:4], explainer=kerasxai.explainers.GradCAM(OTHER)),
        "bound to the same model",
    ),
    "no explainer": (lambda: Evaluate(X[:4], explainers=[]), "must hold an explainer"),
    "one name for two": (lambda: Evaluate(X[:4], explainers=["grad_cam", "lrp"], name="both"), "dict names several"),
    "twice": (lambda: Evaluate(X[:4], explainers=["lrp", "lrp"]), "names of their own"),
    "evaluator": (lambda: Evaluate(X[:4], evaluators="drop"), "`evaluator` must be one of"),
    "no evaluator": (lambda: Evaluate(X[:4], evaluators=[]), "at least one"),
    "evaluators of one name": (lambda: Evaluate(X[:4], evaluators=["aopc", "aopc"]), "dict label"),
    "target": (lambda: DropIncrease(X[:4], target=3), "out of range"),
    "targets": (lambda: DropIncrease(X[:4], target=[0, 1]), "one entry per sample"),
    "word": (lambda: DropIncrease(X[:4], target="truth"), "truth"),
    "several classes": (lambda: DropIncrease(X[:4], target="top2"), "one class of a sample"),
    "no labels": (lambda: DropIncrease(X[:4], target="true"), "needs labels"),
    "labels": (lambda: DropIncrease(X[:4], Y[:3], target="true"), "one label per sample"),
    "labels out of range": (lambda: DropIncrease(X[:4], Y[:4] + 1, target="true"), "out of range"),
    "masks": (lambda: Evaluate(X[:4], masks=np.ones((3, 12, 12))), "one entry per sample"),
    "small maps": (
        lambda: DropIncrease(X[:4], explainer={"method": "grad_cam", "layer": "pool", "upsample": False}),
        "upsample=True",
    ),
    "every": (lambda: DropIncrease(X[:4], every=0), "`every`"),
    "every_batches": (lambda: DropIncrease(X[:4], every_batches=-1), "`every_batches`"),
    "max_samples": (lambda: DropIncrease(X[:4], max_samples=0), "`max_samples`"),
    "on_error": (lambda: DropIncrease(X[:4], on_error="ignore"), "`on_error`"),
    "verbose": (lambda: DropIncrease(X[:4], verbose=3), "`verbose`"),
    "option": (lambda: DropIncrease(X[:4], evry=2), "evry"),
    "evaluator option": (lambda: AOPC(X[:4], window=0), "`window`"),
    "class names": (
        lambda: Heatmaps(X[:4], class_names=["cat"], target=2, directory=FOLDER),
        "class_names",
    ),
    "grid epochs": (lambda: Heatmaps(X[:4], grid_epochs=0, directory=FOLDER), "`grid_epochs`"),
    "pictures where a file is": (lambda: Heatmaps(X[:4], directory=__file__), "`directory` must be a folder"),
    "logs where a file is": (lambda: DropIncrease(X[:4], log_dir=__file__), "`log_dir` must be a folder"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_the_first_batch(case):
    make, message = REFUSED[case]
    batches = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.raises((ValueError, TypeError), match=message):
        training.fit(make(), watch)
    assert batches == []


@pytest.mark.parametrize("cls", [Heatmaps, ExplanationDrift])
@pytest.mark.parametrize("explainer", ["grad_cam", "gradient"])
@pytest.mark.parametrize("kind", ["two_inputs", "dict_inputs"])
def test_several_inputs_are_refused_where_maps_are_drawn_or_compared(cls, explainer, kind, tmp_path):
    model = nets.build(kind)
    x, batches = nets.inputs_for(model), []
    model.compile("sgd", "sparse_categorical_crossentropy")
    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.raises(ValueError, match=f"{cls.__name__} needs a model with one input. Received: .* 2 inputs"):
        model.fit(x, np.zeros(4), verbose=0, callbacks=[cls(x, explainer=explainer, log_dir=tmp_path), watch])
    assert batches == []


def test_a_regression_model_is_refused_where_shares_mean_nothing():
    model = keras.Sequential([keras.Input(training.SHAPE), nets.conv("conv"), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="use deletion or insertion"):
        model.fit(X, Y, verbose=0, callbacks=[DropIncrease(X[:4])])
    history = model.fit(X, Y, verbose=0, callbacks=[DeletionInsertion(X[:4], steps=3)]).history
    assert "val_grad_cam_deletion" in history


def test_what_is_refused_can_be_put_right():
    callback = DropIncrease(X[:4], target=3)
    with pytest.raises(ValueError, match="out of range"):
        training.fit(callback)
    with pytest.raises(ValueError, match="out of range"):
        training.fit(callback)


def test_evaluate_without_a_training_is_refused_by_drift():
    model = training.fresh()
    with pytest.warns(UserWarning, match=r"without a fit\(\) before"):
        model.evaluate(X, Y, verbose=0, callbacks=[ExplanationDrift(X[:4])])


def test_a_failure_at_epoch_2_is_told_once_and_training_goes_on():
    callback = DropIncrease(X[:4], explainer=failing_at(FIRST_EPOCH + 1))
    with pytest.warns(
        UserWarning, match=r"DropIncrease: failing failed at epoch 2.*RuntimeError: no map today"
    ) as told:
        history = training.fit(callback, epochs=4)
    assert len([one for one in told if "no map today" in str(one.message)]) == 1
    assert len(history.epoch) == 4 and len(history.history[DROP]) == 3
    assert len(history.history["val_loss"]) == 4


def test_a_failure_leaves_other_explainers_alone():
    with pytest.warns(UserWarning, match="failing failed"):
        history = training.fit(Evaluate(X[:4], explainers=[failing_at(FIRST_EPOCH), "lrp"])).history
    assert len(history[DROP]) == 1 and len(history["val_lrp_drop_rate"]) == 2


def test_repeated_failures_are_told_once():
    class Failing(kerasxai.explainers.GradCAM):
        def __call__(self, x, *args, **kwargs):
            if len(x) > 2:  # more than the rehearsal
                raise OSError(f"gone {id(x)}")
            return super().__call__(x, *args, **kwargs)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        history = training.fit(DropIncrease(X[:4], explainer=Failing), epochs=5)
    assert len([one for one in told if "gone" in str(one.message)]) == 1 and len(history.epoch) == 5


def test_a_failure_is_raised_on_request():
    with pytest.raises(RuntimeError, match="no map today"):
        training.fit(DropIncrease(X[:4], explainer=failing_at(FIRST_EPOCH + 1), on_error="raise"), epochs=4)


def test_csv_and_early_stopping_survive_a_failure(tmp_path):
    stopping = keras.callbacks.EarlyStopping(monitor=DROP, mode="min", patience=10)
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    with pytest.warns(UserWarning):
        training.fit(DropIncrease(X[:4], explainer=failing_at(FIRST_EPOCH + 1)), logger, stopping, epochs=3)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4


def test_drift_compares_with_the_last_epoch_that_has_maps():
    with pytest.warns(UserWarning, match="failing failed at epoch 2"):
        history = training.fit(ExplanationDrift(X[:4], explainer=failing_at(FIRST_EPOCH + 2)), epochs=3).history
    assert history["val_failing_cosine_to_previous"][-1] == history["val_failing_cosine_to_first"][-1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DropIncrease, ExplanationDrift, Heatmaps])
def test_ctrl_c_ends_the_training(kind, tmp_path):
    model = training.fresh()
    with pytest.raises(KeyboardInterrupt):
        stopped = failing_at(FIRST_EPOCH + 2, KeyboardInterrupt())
        training.fit(kind(X[:4], explainer=stopped, log_dir=tmp_path), model=model, epochs=4)
    assert np.isfinite(model.predict(X, verbose=0)).all()


@pytest.mark.slow
def test_a_model_that_diverged_gives_nan_and_trains_on():
    model = training.fresh()

    def spoil(epoch, logs):
        if epoch == 1:
            head = model.layers[-1].kernel
            head.assign(np.full(head.shape, np.nan, "float32"))

    history = training.fit(
        keras.callbacks.LambdaCallback(on_epoch_begin=spoil), Evaluate(X[:4], evaluators=["drop_increase", "aopc"]),
        ExplanationDrift(X[:4]), model=model, epochs=3,
    ).history  # fmt: skip
    assert np.isfinite(history["val_grad_cam_drop_rate"][0])
    for name in ("drop_rate", "aopc", "spearman_to_previous", "cosine_to_first"):
        assert np.isnan(history[f"val_grad_cam_{name}"][1:]).all()


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_from_epoch_2_on(tmp_path, monkeypatch):
    filled = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 1 and fill(monkeypatch))
    callback = Heatmaps(X[:2], directory=tmp_path)
    with pytest.warns(UserWarning, match="No space left on device") as told:
        history = training.fit(filled, callback, epochs=4)
    assert len([one for one in told if "No space" in str(one.message)]) == 1
    assert len(history.epoch) == 4 and os.listdir(tmp_path) == ["grad_cam_epoch_0001.png"]


def fill(monkeypatch):
    """From now on files take half of what is written to them."""
    real = os.fdopen

    def half(handle, *args):
        file = real(handle, *args)
        write = file.write
        proxy = type("Full", (), {"__enter__": lambda self: self, "__exit__": lambda self, *_: file.close()})()
        proxy.write = lambda data: (write(data[: len(data) // 2]), no_space())
        return proxy

    monkeypatch.setattr(files.os, "fdopen", half)


def test_a_folder_that_is_gone_in_mid_run(tmp_path):
    folder = tmp_path / "maps"
    removed = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 2 and remove(folder))
    with pytest.warns(UserWarning, match="No such file or directory") as told:
        history = training.fit(removed, Heatmaps(X[:2], directory=folder), epochs=4)
    assert len([one for one in told if "No such file" in str(one.message)]) == 1 and len(history.epoch) == 4


def remove(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    "error", [OSError(errno.EROFS, "Read-only file system"), tf.errors.UnknownError(None, None, "")]
)
def test_a_log_directory_that_turns_read_only(tmp_path, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    spoiled = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 1 and monkeypatch.setattr(tf.summary, "write", refuse)
    )
    callback = DropIncrease(X[:4], log_dir=tmp_path, every_batches=1)
    with pytest.warns(UserWarning, match=f"writing to {tmp_path} failed at batch 3") as told:
        history = training.fit(spoiled, callback, epochs=3)
    assert len([one for one in told if "writing to" in str(one.message)]) == 1
    assert len(history.epoch) == 3 and len(callback.history["batch"]) == 6


def test_ctrl_c_while_a_file_is_written_leaves_none(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        training.fit(Heatmaps(X[:2], directory=tmp_path))
    assert os.listdir(tmp_path) == []


def test_an_event_file_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "explanations").write_text("a file")
    with pytest.raises(ValueError, match="`log_dir` must be a folder"):
        training.fit(DropIncrease(X[:4], log_dir=tmp_path))
