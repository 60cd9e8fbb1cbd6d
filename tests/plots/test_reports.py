"""The report as a figure: what its charts and examples show, against the numbers and the explainers themselves."""

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg

import kerasxai
from kerasxai import plots
from tests.plots.rendering import assert_texts_are_readable, drawn_texts

NAMES = ["cat", "dog", "cow"]


def brightest_third(shape=(6, 9, 1), units=3, activation="softmax", sharpness=6.0):
    """Classifies by which third of the width is brightest; known by construction, not trained."""
    inputs = keras.Input(shape)
    convolution, pooling = (
        (keras.layers.Conv2D, keras.layers.AveragePooling2D)
        if len(shape) == 3
        else (keras.layers.Conv1D, keras.layers.AveragePooling1D)
    )
    x = convolution(1, 1, name="convolution")(inputs)
    x = pooling((shape[0], shape[1] // 3) if len(shape) == 3 else shape[0] // 3)(x)
    head = keras.layers.Dense(units, activation=activation, name="head")
    model = keras.Model(inputs, head(keras.layers.Flatten()(x)))
    model.get_layer("convolution").set_weights([np.ones((*[1] * (len(shape) - 1), shape[-1], 1)), np.zeros(1)])
    weights = sharpness * (np.eye(3) if units == 3 else np.array([[-1.0], [0.0], [1.0]]))
    head.set_weights([weights, np.zeros(units)])
    return model


def labelled(count=30, shape=(6, 9, 1), wrong=5):
    """Images or signals whose brightest third is their class, but for the first `wrong` ones, and their labels."""
    draws = np.random.default_rng(0)
    x = 0.5 * draws.random((count, *shape)).astype("float32")
    y = np.arange(count) % 3
    axis = len(shape) - 2
    third = shape[axis] // 3
    for index in range(count):
        bright = (y[index] + (index < wrong)) % 3
        place = [slice(None)] * axis + [slice(bright * third, (bright + 1) * third)]
        x[(index, *place)] += 0.4 * draws.random()
    return x, y


@pytest.fixture(scope="module")
def report():
    return plots.classification_report(brightest_third(), *labelled(), class_names=NAMES, examples=4)


def charts(figure):
    return figure.axes[:3]


def panels(figure):
    return figure.axes[3:]


def headings(figure):
    return [text.get_text() for part in (figure, *figure.subfigs) for text in part.texts]


def test_numbers_are_those_of_the_model(report):
    found, _ = report
    x, y = labelled()
    predicted = brightest_third().predict(x, verbose=0).argmax(axis=1)
    assert found["accuracy"] == pytest.approx(np.mean(predicted == y)) and 0.5 < found["accuracy"] < 1
    assert found["support"] == [10, 10, 10] and found["class_names"] == NAMES
    assert sum(map(sum, found["confusion_matrix"])) == 30
    assert json.loads(json.dumps(found)) == found
    assert (predicted[found["examples"]["right"]] == y[found["examples"]["right"]]).all()
    assert (predicted[found["examples"]["wrong"]] != y[found["examples"]["wrong"]]).all()
    assert set(y[found["examples"]["right"]]) == {0, 1, 2}


def test_head_of_the_figure_names_the_main_numbers(report):
    found, figure = report
    head = headings(figure)[0]
    assert f"accuracy {found['accuracy']:.3f} on 30 samples" in head
    assert f"macro F1 {found['macro']['f1']:.3f}" in head and f"macro AUC {found['macro']['auc']:.3f}" in head


def test_confusion_matrix_is_drawn_with_true_classes_as_rows(report):
    found, figure = report
    axes = charts(figure)[0]
    shares = np.array(found["normalised_confusion_matrix"])
    np.testing.assert_array_equal(axes.images[0].get_array(), shares)
    assert axes.images[0].get_clim() == (0, 1)
    for get in (axes.get_xticklabels, axes.get_yticklabels):
        assert [label.get_text() for label in get()] == NAMES
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    written = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert written == {place: f"{share:.2f}" for place, share in np.ndenumerate(shares) if share}


def test_curves_are_the_roc_of_each_class(report):
    found, figure = report
    axes = charts(figure)[1]
    diagonal, *curves = axes.lines
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    for curve, one in zip(curves, found["roc"], strict=True):
        np.testing.assert_array_equal(curve.get_xdata(), one["fpr"])
        np.testing.assert_array_equal(curve.get_ydata(), one["tpr"])
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    assert entries == [f"{area:.3f} {name}" for area, name in zip(found["auc"], NAMES)]


def test_bars_are_precision_recall_and_f1(report):
    found, figure = report
    axes = charts(figure)[2]
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    np.testing.assert_allclose(heights, [found["precision"], found["recall"], found["f1"]])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["precision", "recall", "F1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat (10)", "dog (10)", "cow (10)"]


def test_examples_stand_beside_the_map_of_the_predicted_class(report):
    found, figure = report
    x, y = labelled()
    model = brightest_third()
    probabilities = model.predict(x, verbose=0)
    shown = found["examples"]["right"] + found["examples"]["wrong"]
    maps = kerasxai.explain(model, x[shown], method="grad_cam", target=probabilities[shown].argmax(axis=1))
    assert len(panels(figure)) == 2 * len(shown) == 16
    for index, bare, mapped, values in zip(shown, panels(figure)[::2], panels(figure)[1::2], maps, strict=True):
        assert len(bare.images) == 1
        np.testing.assert_allclose(bare.images[0].get_array(), np.broadcast_to(x[index], (6, 9, 3)))
        np.testing.assert_allclose(mapped.images[1].get_array(), values, rtol=1e-5)
        predicted = probabilities[index].argmax()
        title = f"{NAMES[predicted]} ({probabilities[index].max():.2f})"
        assert bare.get_title() == title + ("" if predicted == y[index] else f"\ntrue: {NAMES[y[index]]}")
    assert headings(figure)[1:] == [
        "Predicted right, grad cam of the predicted class",
        "Predicted wrong, grad cam of the predicted class",
    ]


def test_texts_are_readable(report):
    assert_texts_are_readable(report[1])
    assert report[1].get_figwidth() == pytest.approx(7.0)


@pytest.mark.parametrize(
    "explainer",
    [{"method": "gradient_x_input", "score": "probability"}, kerasxai.explainers.GradientXInput],
)
def test_any_explainer_is_taken_and_reduced_as_it_wants(explainer):
    model, (x, y) = brightest_third(), labelled()
    found, figure = plots.classification_report(model, x, y, explainer=explainer, examples=1)
    shown = found["examples"]["right"] + found["examples"]["wrong"]
    built = kerasxai.explainers.build(explainer, model)
    maps = built(x[shown], target=model.predict(x[shown], verbose=0).argmax(axis=1)).sum(axis=-1)
    for panel, values in zip(panels(figure)[1::2], maps, strict=True):
        drawn = panel.images[1].get_array()
        np.testing.assert_allclose(drawn, values.clip(-np.abs(drawn).max(), np.abs(drawn).max()), rtol=1e-4)
    assert "gradient x input" in headings(figure)[1]


def test_signals_are_drawn_as_lines_over_their_maps():
    x, y = labelled(shape=(9, 2))
    found, figure = plots.classification_report(brightest_third((9, 2)), x, y, examples=3)
    shown = found["examples"]["right"] + found["examples"]["wrong"]
    for index, panel in zip(shown, panels(figure), strict=True):
        np.testing.assert_array_equal(np.transpose([line.get_ydata() for line in panel.lines]), x[index])
        assert panel.images[0].get_array().shape == (1, 9)
    assert_texts_are_readable(figure)


def test_report_without_examples_and_without_failures():
    x, y = labelled(wrong=0)
    found, figure = plots.classification_report(brightest_third(), x, y, examples=2)
    assert found["accuracy"] == 1.0 and found["examples"]["wrong"] == [] and len(panels(figure)) == 4
    assert len(headings(figure)) == 2
    found, figure = plots.classification_report(brightest_third(), x, y, examples=0, explainer="no such thing")
    assert found["examples"] == {"right": [], "wrong": []} and not panels(figure)
    assert [text for text, _ in drawn_texts(figure) if text.startswith("class 1")]


def test_one_sigmoid_unit_is_two_classes():
    x, y = labelled()
    model = brightest_third(units=1, activation="sigmoid")
    keep = y != 1
    found, figure = plots.classification_report(model, x[keep], y[keep] // 2, class_names=["cat", "cow"], examples=1)
    probability = model.predict(x[keep], verbose=0)[:, 0]
    assert found["accuracy"] == pytest.approx(np.mean((probability > 0.5) == (y[keep] == 2)))
    assert found["auc"][0] == pytest.approx(found["auc"][1])
    entries = [text.get_text() for text in charts(figure)[1].get_legend().get_texts()]
    assert entries == [f"{found['auc'][1]:.3f} cow"]  # the other curve is its mirror image
    assert_texts_are_readable(figure)


def test_shuffled_dataset_shows_the_samples_it_gave():
    x, y = labelled()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(30, seed=1).batch(7)
    _, figure = plots.classification_report(brightest_third(), dataset, class_names=NAMES, examples=3)
    pictures = {image.tobytes(): label for image, label in zip(x, y)}
    for bare in panels(figure)[::2]:
        picture = np.ascontiguousarray(bare.images[0].get_array()[..., :1], "float32")
        title = bare.get_title().split("\n")
        assert title[-1].removeprefix("true: ").split(" ")[0] == NAMES[pictures[picture.tobytes()]]


def test_images_of_0_to_255_are_shown_right():
    x, y = labelled()
    inputs = keras.Input((6, 9, 1))
    model = keras.Model(inputs, brightest_third()(keras.layers.Rescaling(1 / 255)(inputs)))
    raw = (x * 255).round().astype("uint8")
    found, figure = plots.classification_report(model, raw, y, examples=1)
    shown = found["examples"]["right"] + found["examples"]["wrong"]
    for index, bare in zip(shown, panels(figure)[::2], strict=True):
        np.testing.assert_allclose(bare.images[0].get_array()[..., :1], raw[index] / 255)


@pytest.mark.parametrize("classes", [12, 40])
def test_many_classes_stay_readable(classes):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, keras.layers.Dense(classes)(keras.layers.Flatten()(inputs)))
    x = np.random.default_rng(0).normal(size=(200, 6, 6, 1)).astype("float32")
    names = [f"class_with_a_name number {index}" for index in range(classes)]
    y = np.arange(200) % (classes - 1)
    found, figure = plots.classification_report(model, x, y, names, explainer="gradient", examples=1)
    assert_texts_are_readable(figure)
    matrix, curves, bars = charts(figure)
    entries = [text.get_text() for text in curves.get_legend().get_texts()]
    lowest = sorted(area for area in found["auc"] if not np.isnan(area))[:5]
    assert [entry.split(" ")[0] for entry in entries] == [f"{area:.3f}" for area in lowest]
    assert len(curves.lines) == classes  # a curve for each class but the one without samples, and the diagonal
    assert len(matrix.images[0].get_array()) == len(bars.containers[0]) == classes
    assert "Without samples" in headings(figure)[0]


def test_figure_needs_neither_pyplot_nor_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    monkeypatch.setitem(sys.modules, "cv2", None)
    _, figure = plots.classification_report(brightest_third(), *labelled(), examples=1)
    FigureCanvasAgg(figure).draw()
    FigureCanvasAgg(plots.grid(labelled()[0][:2], {"a": np.ones((2, 6, 9))}, scale="row")).draw()


def test_real_data(mnist1d):
    model, x, y = mnist1d
    found, figure = plots.classification_report(model, x, y)
    assert found["accuracy"] == pytest.approx(np.mean(model.predict(x, verbose=0).argmax(axis=1) == y))
    assert found["accuracy"] > 0.8 and found["macro"]["auc"] > 0.95
    assert len(panels(figure)) == 8
    assert_texts_are_readable(figure)


# Refusals


def other_model(units=3, outputs=1, shape=(6, 9, 1), flat=True):
    inputs = keras.Input(shape)
    x = keras.layers.Flatten()(inputs) if flat else inputs
    made = [keras.layers.Dense(units)(x) for _ in range(outputs)]
    return keras.Model(inputs, made[0] if outputs == 1 else made)


X, Y = labelled()


@pytest.mark.parametrize(
    "model, data, options, parts",
    [
        (other_model(units=1), (X, Y), {"explainer": "gradient"}, ["classifier", "1 linear output", "regression"]),
        (other_model(outputs=2), (X, Y), {"explainer": "gradient"}, ["one output", "keras.Model(model.inputs"]),
        (other_model(flat=False), (X, Y), {"explainer": "gradient"}, ["(batch, classes)"]),
        (brightest_third(), (X,), {}, ["`y`", "without labels"]),
        (brightest_third(), (tf.data.Dataset.from_tensor_slices(X).batch(5),), {}, ["`y`", "without labels"]),
        (brightest_third(), (X, Y[:5]), {}, ["`y`", "one label per sample", "(5,)"]),
        (brightest_third(), (X, Y + 1), {}, ["`y`", "0 to 2", "3"]),
        (brightest_third(), (X, Y / 2), {}, ["`y`", "whole numbers", "0.5"]),
        (brightest_third(), (X, ["cat"] * 30), {}, ["`y`", "indices", "index(name)"]),
        (brightest_third(), (X, np.ones((30, 3))), {}, ["`y`", "one class for each sample"]),
        (brightest_third(), (X[:, :3], Y), {}, ["`x`", "(30, 3, 9, 1)"]),
        (brightest_third(), (X[:0], Y[:0]), {}, ["`x`", "empty"]),
        (brightest_third(), (np.full_like(X, np.nan), Y), {}, ["`x`", "finite"]),
        (brightest_third(), (X, Y), {"class_names": ["cat"]}, ["`class_names`", "3 in all", "1"]),
        (brightest_third(), (X, Y), {"explainer": "grad_camm"}, ["`method`", "grad_camm", "grad_cam"]),
        (brightest_third(), (X, Y), {"examples": -1}, ["`examples`", "at least 0", "-1"]),
        (brightest_third(), (X, Y), {"batch_size": 0}, ["`batch_size`", "at least 1"]),
        (other_model(shape=(7,)), (np.ones((4, 7)), [0, 1, 2, 0]), {"explainer": "gradient"}, ["(7,)", "examples=0"]),
        (other_model(shape=(4, 4, 5)), (np.ones((2, 4, 4, 5)), [0, 1]), {"explainer": "gradient"}, ["(4, 4, 5)"]),
    ],
)
def test_refusals_say_what_and_what_to_do(model, data, options, parts):
    with pytest.raises(ValueError) as refusal:
        plots.classification_report(model, *data, **options)
    assert all(part in str(refusal.value) for part in parts), str(refusal.value)


def test_a_model_on_tables_is_reported_without_examples():
    found, _ = plots.classification_report(other_model(shape=(7,)), np.eye(7)[:6], np.arange(6) % 3, examples=0)
    assert found["samples"] == 6


class AllPositive(kerasxai.explainers.Explainer):
    """A signed method whose maps happen to have no negative value."""

    def explain_batch(self, inputs, target):
        return 1.0 + tf.abs(inputs[0][..., 0])


@pytest.mark.parametrize("signed", [True, False])
def test_examples_have_the_colours_of_their_method(signed, monkeypatch):
    monkeypatch.setattr(AllPositive, "signed", signed)
    _, figure = plots.classification_report(brightest_third(), *labelled(), explainer=AllPositive, examples=1)
    norms = [axes.images[1].norm for axes in figure.axes if len(axes.images) == 2]
    assert norms and all(norm.vmin == (-norm.vmax if signed else 0) for norm in norms)
