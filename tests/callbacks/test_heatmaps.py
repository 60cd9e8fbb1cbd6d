"""Pictures of training: files, TensorBoard images, the grid."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerasxai
from kerasxai.callbacks import Heatmaps, heatmaps
from tests.callbacks import training

X, Y = training.data()


def test_files_of_every_epoch_and_the_grid(tmp_path):
    training.fit(Heatmaps(X[:2], directory=tmp_path / "new" / "maps"), epochs=3)
    names = sorted(path.name for path in (tmp_path / "new" / "maps").iterdir())
    assert names == [*(f"grad_cam_epoch_000{epoch}.png" for epoch in (1, 2, 3)), "grad_cam_grid.png"]
    for name in names:
        Image.open(tmp_path / "new" / "maps" / name).verify()


def test_tensorboard_images(tmp_path):
    training.fit(Heatmaps(X[:2], log_dir=tmp_path, name="cam", every_batches=2))
    found = training.events(tmp_path / "explanations")
    assert [step for step, _ in found["cam"]] == [0, 1]
    assert [step for step, _ in found["batch_cam"]] == [2, 4]
    assert [step for step, _ in found["cam_grid"]] == [1]
    for (_, value), *_ in found.values():
        assert value.metadata.plugin_data.plugin_name == "images"
        width, height, png = tf.make_ndarray(value.tensor)
        assert Image.open(io.BytesIO(png)).size == (int(width), int(height))


def test_nothing_is_logged(tmp_path):
    callback = Heatmaps(X[:2], directory=tmp_path)
    history = training.fit(callback, epochs=1).history
    assert set(history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert len(callback.grid().axes) == 2 * 2


def test_the_maps_drawn_are_those_of_the_model(tmp_path):
    model = training.fresh()
    callback = Heatmaps(X[:2], explainer="lrp", target=1, directory=tmp_path)
    training.fit(callback, model=model)
    ((*_, (epoch, maps)),) = [list(drawn.items()) for drawn in callback._drawn.values()]
    by_hand = kerasxai.to_heatmap(kerasxai.explainers.LRP(model)(X[:2], target=1), "sum")
    assert epoch == 1
    np.testing.assert_allclose(maps, by_hand, rtol=1e-5, atol=1e-7)


def test_titles_give_class_and_probability(tmp_path):
    model = training.fresh()
    names = ["top", "middle", "bottom"]
    callback = Heatmaps(X[:3], Y[:3], target="true", class_names=names, directory=tmp_path)
    training.fit(callback, model=model, epochs=1)
    titles = callback._titles(callback.samples())
    assert [title.split(",")[0] for title in titles] == names
    scores = model.predict(X[:3], verbose=0)[range(3), Y[:3]]
    assert [float(title.split(", ")[1].strip("<>")) for title in titles] == pytest.approx(scores, abs=0.011)


@pytest.mark.parametrize("target", [lambda outputs: outputs[:, 0], (lambda outputs, rows: outputs[:, 0], np.zeros(3))])
def test_a_function_has_no_class_to_name(target, tmp_path):
    callback = Heatmaps(X[:3], target=target, directory=tmp_path)
    training.fit(callback, epochs=1)
    assert callback._titles(callback.samples()) is None


def test_signals(tmp_path):
    x = np.random.default_rng(0).normal(size=(16, 40, 1)).astype("float32")
    layers = keras.layers
    model = keras.Sequential([keras.Input((40, 1)), layers.Conv1D(3, 3), layers.Flatten(), layers.Dense(3, "softmax")])
    training.compiled(model).fit(
        x, np.arange(16) % 3, verbose=0, callbacks=[Heatmaps(x[:2], directory=tmp_path, target=lambda out: out[:, 0])]
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_evaluate_draws_one_picture(tmp_path):
    model = training.fresh()
    model.evaluate(X, Y, verbose=0, callbacks=[Heatmaps(X[:2], directory=tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["grad_cam_evaluate.png"]


def test_samples_that_cannot_be_drawn_are_refused(tmp_path):
    x = np.zeros((16, 6, 6, 2), "float32")
    model = keras.Sequential([keras.Input((6, 6, 2)), keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3, "softmax"))
    with pytest.raises(ValueError, match="C 1 or 3"):
        callbacks = [Heatmaps(x, directory=tmp_path)]
        training.compiled(model).fit(x, np.arange(16) % 3, verbose=0, callbacks=callbacks)


def test_grid_before_training(tmp_path):
    with pytest.raises(ValueError, match="none is drawn yet"):
        Heatmaps(X[:2], directory=tmp_path).grid()


@pytest.mark.parametrize("room", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 30, 100])
def test_the_grid_keeps_a_few_epochs_in_even_steps(room, count):
    epochs = heatmaps._Epochs(room)
    for epoch in range(count):
        epochs.add(epoch, f"maps {epoch}")
        assert len(epochs._kept) <= room
    items = epochs.items()
    kept = [epoch for epoch, _ in items]
    assert kept[-1] == count - 1 and len(kept) <= room and items[0][1] == f"maps {kept[0]}"
    assert room == 1 or kept[0] == 0
    assert len(kept) >= min(count, max(1, room // 2))
    assert len(set(np.diff(kept[:-1]))) <= 1


class AllPositive(kerasxai.explainers.Explainer):
    """A signed method whose maps happen to have no negative value."""

    name = "all_positive"

    def explain_batch(self, inputs, target):
        return 1.0 + tf.abs(inputs[0][..., 0])


@pytest.mark.slow
@pytest.mark.parametrize("signed", [True, False])
def test_the_colours_are_those_of_the_method(signed, tmp_path, monkeypatch):
    drawn, png = [], heatmaps._png
    monkeypatch.setattr(heatmaps, "_png", lambda figure: drawn.append(figure) or png(figure))
    monkeypatch.setattr(AllPositive, "signed", signed)
    training.fit(Heatmaps(X[:2], explainer=AllPositive, directory=tmp_path), epochs=2)
    norms = [axes.images[1].norm for figure in drawn for axes in figure.axes if len(axes.images) == 2]
    assert len(drawn) == 3 and len(norms) == 2 * 2 + 4
    assert all(norm.vmin == (-norm.vmax if signed else 0) for norm in norms)
