"""`kerasxai.evaluate` and the Comparison it returns: the grid, what is shared, the files."""

import csv
import json

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai.evaluators import (
    AOPC,
    Deletion,
    DropIncrease,
    Evaluator,
    Insertion,
    NoiseRobustness,
    Randomization,
)
from kerasxai.evaluators.controls import control_maps
from kerasxai.explainers import Gradient
from kerasxai.plots.colours import PLAIN
from tests.support import nets
from tests.support.counting import Counting
from tests.support.truth import conv_net, images

SHAPE = (8, 10, 3)
CONTROLS = ["random", "smooth_random", "centre", "edges"]
MEASURES = [DropIncrease(fraction=0.4), Deletion(steps=4)]


class NeedsExplainer(Evaluator):
    """A metric that controls, which have no explainer, cannot have."""

    name, directions, needs = "needs_explainer", {"again": "higher"}, ("explainer",)

    def measure(self, case):
        return {"again": np.array([np.abs(one).mean() for one in case.explain(case.samples.inputs)])}


class NaNHere(Evaluator):
    """A value that the first sample has not, one that ranks nothing and one of the whole set."""

    name, directions = "nan_here", {"half": "lower", "neutral": None, "none": "higher"}

    def measure(self, case):
        values = case.heatmaps.max(axis=(1, 2))
        return {
            "half": np.where(np.arange(len(values)) == 0, np.nan, values),
            "neutral": -values,
            "none": np.full(len(values), np.nan),
            "whole_set": np.float32(3),
            "unbounded": np.array([np.inf, 1.0]),
        }


@pytest.fixture(scope="module")
def model():
    return conv_net(head="softmax")


@pytest.fixture(scope="module")
def comparison(model):
    return kerasxai.evaluate(
        model, images(6, SHAPE), ["gradient", "grad_cam"], [*MEASURES, NeedsExplainer(), NaNHere()], target=1
    )


# The grid


def test_rows_and_columns(comparison):
    assert comparison.rows == ["gradient", "grad_cam", *CONTROLS]
    assert comparison.controls == CONTROLS
    assert comparison.metrics == ["drop_rate", "increase_rate", "deletion", "again", "half", "neutral", "none"]
    assert comparison.samples == 6
    assert comparison.directions["deletion"] == "lower" and comparison.directions["neutral"] is None


@pytest.mark.slow
def test_methods_that_watch_the_score_only_on_a_function_in_numpy(model):
    """The same grid as on the model itself."""
    quick = [{"method": method, **nets.QUICK[method]} for method in ("occlusion", "rise", "lime", "kernel_shap")]
    grids = [
        kerasxai.evaluate(one, images(3, SHAPE), quick, [Deletion(steps=3)], target=1, controls=False)
        for one in (model, lambda x: model(x).numpy())
    ]
    assert grids[0].rows == ["occlusion", "rise", "lime", "kernel_shap"]
    for row in grids[0].rows:
        curves = [grid.results[row]["deletion"]["curve"] for grid in grids]
        assert np.ptp(curves[0]) > 0
        np.testing.assert_allclose(*curves, rtol=1e-3)


@pytest.mark.slow
def test_cells_are_what_the_evaluator_gives_alone(model, comparison):
    x = images(6, SHAPE)
    for row, maps in control_maps(x).items():
        alone = Deletion(steps=4)(model, x, maps, 1)
        np.testing.assert_allclose(comparison.results[row]["deletion"]["curve"], alone["curve"], rtol=1e-5)
        np.testing.assert_allclose(comparison.summary(row, "deletion"), alone.summary()["deletion"], rtol=1e-5)
    for row in ("gradient", "grad_cam"):
        alone = DropIncrease(fraction=0.4)(model, x, target=1, explainer=row)
        np.testing.assert_allclose(comparison.results[row]["drop_increase"]["drop_rate"], alone["drop_rate"], rtol=1e-4)


def test_controls_skip_what_needs_an_explainer(comparison):
    assert comparison.summary("gradient", "again").mean > 0
    for control in CONTROLS:
        assert "needs_explainer" not in comparison.results[control]
        assert comparison.summary(control, "again") is None
    assert {record["explainer"] for record in comparison.records() if record["metric"] == "again"} == {
        "gradient",
        "grad_cam",
    }


def test_controls_are_left_out_on_request(model):
    found = kerasxai.evaluate(model, images(2, SHAPE), "gradient", "deletion", controls=False)
    assert found.rows == ["gradient"] and found.controls == [] and found.metrics == ["deletion"]


@pytest.mark.slow
def test_names_that_come_again_get_a_number(model):
    methods = ["gradient", {"method": "gradient"}, "grad_cam", Gradient]
    sizes = [AOPC(window=4, steps=2), AOPC(window=2, steps=2), DropIncrease(), DropIncrease(ties="first")]
    found = kerasxai.evaluate(model, images(2, SHAPE), methods, sizes, controls=False)
    assert found.rows == ["gradient", "gradient#2", "grad_cam", "gradient#3"]
    assert list(found.results["gradient"]) == ["aopc", "aopc#2", "drop_increase", "drop_increase#2"]
    assert {"aopc", "aopc#2: aopc", "aopc#2: abpc", "drop_rate", "drop_increase#2: drop_rate"} <= set(found.metrics)
    large = AOPC(window=4, steps=2)(model, images(2, SHAPE), explainer="gradient")
    assert found.summary("gradient", "aopc").mean == pytest.approx(large["aopc"].mean(), rel=1e-4)
    assert found.summary("gradient", "aopc#2: aopc").mean != found.summary("gradient", "aopc").mean


@pytest.mark.slow
def test_metrics_that_two_evaluators_share_are_told_apart(model):
    measures = [NoiseRobustness(levels=[0.1]), Randomization(), Deletion(steps=2)]
    found = kerasxai.evaluate(model, images(2, SHAPE), "gradient", measures, controls=False)
    assert {"noise_robustness: spearman", "randomization: spearman", "deletion"} <= set(found.metrics)
    assert "spearman" not in found.metrics
    values = found.values("gradient", "noise_robustness: spearman")
    np.testing.assert_array_equal(values, found.results["gradient"]["noise_robustness"]["spearman"])
    assert found.summary("gradient", "noise_robustness: spearman").mean == pytest.approx(np.mean(values))
    with pytest.raises(ValueError, match="the metrics rmse, noise_robustness: spearman"):
        found.values("gradient", "spearman")


def test_dicts_of_explainers_and_evaluators(model):
    explainers = {"mine": "gradient", "a function": lambda model: Gradient(model), "object": Gradient(model)}
    measures = {"strict": MEASURES[0], "first": DropIncrease(fraction=0.4, ties="first"), "deletion": Deletion(steps=3)}
    found = kerasxai.evaluate(model, images(3, SHAPE), explainers, measures, controls=False)
    assert found.rows == list(explainers)
    assert found.metrics == [
        "strict: drop_rate",
        "strict: increase_rate",
        "first: drop_rate",
        "first: increase_rate",
        "deletion",
    ]
    assert found.results["mine"]["deletion"]["curve"].shape == (3, 4)


@pytest.mark.slow
def test_labels_and_datasets(model):
    import tensorflow as tf

    x, y = images(5, SHAPE), np.array([0, 1, 2, 3, 0])
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    arrays = kerasxai.evaluate(model, x, "gradient", [Deletion(steps=2)], "true", y)
    from_dataset = kerasxai.evaluate(model, dataset, "gradient", [Deletion(steps=2)], "true")
    for row in arrays.rows:
        np.testing.assert_allclose(
            arrays.results[row]["deletion"]["curve"], from_dataset.results[row]["deletion"]["curve"], rtol=1e-4
        )


@pytest.mark.parametrize(
    "options, parts",
    [
        ({"explainers": []}, ["at least one", "empty"]),
        ({"evaluators": []}, ["at least one", "empty"]),
        ({"explainers": ["grad_kam"]}, ["grad_kam", "Did you mean grad_cam"]),
        ({"evaluators": ["aopk"]}, ["aopk", "Did you mean"]),
        ({"explainers": {"random": "gradient"}}, ["name of a control", "random"]),
        ({"batch_size": 0}, ["`batch_size`"]),
        ({"seed": "a"}, ["`seed`"]),
        ({"target": "top5"}, ["4 classes", "top5"]),
        ({"target": "top2", "evaluators": ["cosine_similarity_convergence"]}, ["whatever class", "top2"]),
        ({"evaluators": ["deletion", "pointing_game"]}, ["needs `masks`"]),
        ({"x": images(2, (8, 8, 3))}, ["`x`", "(2, 8, 8, 3)"]),
    ],
)
def test_bad_input_is_refused(model, options, parts):
    arguments = {"x": images(2, SHAPE), "explainers": "gradient", "evaluators": "deletion", **options}
    with pytest.raises(ValueError) as error:
        kerasxai.evaluate(model, **arguments)
    for part in parts:
        assert part in str(error.value)


def test_several_inputs_are_refused():
    model = nets.build("two_inputs")
    with pytest.raises(ValueError, match=r"one input.*2 inputs"):
        kerasxai.evaluate(model, nets.inputs_for(model), "gradient", "deletion")


# Nothing twice


class CountedGradient(Gradient):
    """Gradients, and how often they were asked for."""

    name, calls = "counted", 0

    def __call__(self, *args, **kwargs):
        CountedGradient.calls += 1
        return super().__call__(*args, **kwargs)


def test_nothing_is_computed_twice():
    counting, samples = Counting(), 6
    layers = [keras.Input(SHAPE), counting, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model, x = keras.Sequential(layers), images(samples, SHAPE)
    explainer = CountedGradient(model)
    explainer(x, target=1)
    CountedGradient.calls, passes = 0, counting.samples / samples
    counting.reset()
    measures = [DropIncrease(), Deletion(steps=4), Deletion(steps=3), Insertion(steps=4), AOPC(4, steps=3)]
    found = kerasxai.evaluate(model, x, explainer, measures)
    assert CountedGradient.calls == 1
    rows = len(found.rows)
    shared = 1 + 2  # the class and score of the samples; the zero and the blurred samples
    of_each_row = (
        1 + 3 + 2 + 3 + 2 * 3
    )  # masked; steps in between of the curves; AOPC runs most and least relevant first
    assert counting.samples / samples == passes + shared + 3 + rows * of_each_row  # 3: AOPC's random order


@pytest.mark.slow
def test_at_most_batch_size_samples_at_once():
    counting, largest = Counting(), []
    counting._count = lambda size: largest.append(int(size))
    layers = [keras.Input(SHAPE), counting, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    largest.clear()
    methods = ["integrated_gradients", {"method": "gradient"}]
    kerasxai.evaluate(model, images(7, SHAPE), methods, ["drop_increase", Deletion(steps=4), "insertion"], batch_size=3)
    assert max(largest) == 3


# Comparison


def test_markdown(comparison):
    lines = comparison.to_markdown().splitlines()
    assert len(lines) == 2 + 6 and str(comparison) == comparison.to_markdown()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["", "drop_rate ↓", "increase_rate ↑", "deletion ↓", "again ↑", "half ↓", "neutral", "none ↑"]
    assert {len(row) for row in cells} == {8}
    assert [row[0] for row in cells[2:]] == ["gradient", "grad_cam", *(f"*{name}*" for name in CONTROLS)]
    one = comparison.summary("grad_cam", "deletion")
    assert cells[3][3] == f"{one.mean:.4g} ({one.low:.4g} to {one.high:.4g})"
    assert cells[3][5].endswith(", 1 NaN)") and cells[3][7] == "NaN" and cells[4][4] == ""


def test_csv_holds_every_cell(comparison, tmp_path):
    comparison.to_csv(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(comparison.records()) == 6 * 6 + 2
    for row, record in zip(rows, comparison.records()):
        assert row["explainer"] == record["explainer"] and row["metric"] == record["metric"]
        assert row["control"] == str(row["explainer"] in CONTROLS)
        np.testing.assert_equal(float(row["mean"]), record["mean"])
        np.testing.assert_equal(float(row["high"]), record["high"])
        assert int(row["nan"]) == record["nan"]


def test_json_round_trip(comparison, tmp_path):
    def refuse(value):
        raise AssertionError(f"{value} is no JSON")

    comparison.to_json(tmp_path / "table.json")
    content = json.loads((tmp_path / "table.json").read_text(), parse_constant=refuse)
    assert content["samples"] == 6
    values = content["values"]["grad_cam"]
    np.testing.assert_array_equal(values["deletion"]["curve"], comparison.results["grad_cam"]["deletion"]["curve"])
    assert values["nan_here"]["half"][0] is None and values["nan_here"]["unbounded"] == [None, 1]
    assert values["nan_here"]["whole_set"] == 3
    assert len(content["summary"]) == len(comparison.records())
    empty = next(one for one in content["summary"] if one["metric"] == "none")
    assert empty["mean"] is None and empty["nan"] == 6
    again = kerasxai.evaluators.build(content["evaluators"]["deletion"])
    assert isinstance(again, Deletion) and again.steps == 4


@pytest.mark.parametrize("form", ["to_csv", "to_json"])
def test_files_appear_whole_or_not_at_all(comparison, form, tmp_path, monkeypatch):
    path = tmp_path / "table"
    path.write_text("what was there")
    with monkeypatch.context() as patch:
        patch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            getattr(comparison, form)(path)
    with monkeypatch.context() as patch:
        patch.setattr(json, "dump", lambda content, file, **_: file.write("[") and 1 / 0)
        patch.setattr(csv.DictWriter, "writerows", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            getattr(comparison, form)(path)
    assert path.read_text() == "what was there"
    assert [one.name for one in tmp_path.iterdir()] == ["table"]


def test_ranking(comparison):
    def mean(row, metric):
        return comparison.summary(row, metric).mean

    best = comparison.ranking("drop_rate")
    assert sorted(best) == sorted(comparison.rows)
    assert [mean(row, "drop_rate") for row in best] == sorted(mean(row, "drop_rate") for row in best)
    highest = comparison.ranking("increase_rate")
    assert mean(highest[0], "increase_rate") == max(mean(row, "increase_rate") for row in comparison.rows)
    assert sorted(comparison.ranking("again")) == ["grad_cam", "gradient"]
    assert comparison.ranking("none") == []
    with pytest.raises(ValueError, match="ranks nothing"):
        comparison.ranking("neutral")
    with pytest.raises(ValueError, match=r"deletion.*Received: metric='deletoin'"):
        comparison.ranking("deletoin")
    with pytest.raises(ValueError, match="Received: row='nobody'"):
        comparison.summary("nobody", "deletion")


def test_evaluators_without_per_sample_values_make_an_empty_table(model, tmp_path):
    class WholeSet(Evaluator):
        name, directions = "whole_set", {"figure": "higher"}

        def measure(self, case):
            return {"figure": np.float64(2)}

    found = kerasxai.evaluate(model, images(2, SHAPE), "gradient", WholeSet(), controls=False)
    found.to_csv(tmp_path / "table.csv")
    assert found.metrics == [] and (tmp_path / "table.csv").read_text().startswith("explainer,control,metric")


def test_plot(comparison):
    assert len(comparison.plot().axes) >= 7


@pytest.mark.slow
def test_curves_of_the_evaluators_that_have_some(model):
    x = images(3, SHAPE)
    measures = {"few steps": Deletion(steps=4), "drop": DropIncrease(), "cascade": Randomization(keep_maps=1)}
    found = kerasxai.evaluate(model, x, ["gradient", "gradient_x_input"], measures)
    figures = found.plot_curves(x)
    assert list(figures) == ["few steps", "cascade"]
    (curves,) = figures["few steps"].axes
    grey = [line.get_label() for line in curves.lines if line.get_color() == PLAIN]
    assert [line.get_label() for line in curves.lines] == [
        "gradient",
        "gradient_x_input",
        *CONTROLS,
    ] and grey == CONTROLS
    for line in curves.lines:
        np.testing.assert_allclose(line.get_ydata(), found.results[line.get_label()]["few steps"]["curve"].mean(axis=0))
    pictures = [axes for axes in figures["cascade"].axes if axes.images]
    assert len(pictures) == 2 * len(found.results["gradient"]["cascade"]["layers"])
    assert not [axes for axes in found.plot_curves()["cascade"].axes if axes.images]


def test_controls_do_not_depend_on_the_number_of_samples():
    x = images(5, SHAPE)
    few, many = control_maps(x[:2], seed=3), control_maps(x, seed=3)
    assert list(few) == CONTROLS
    for name in CONTROLS:
        assert many[name].shape == (5, 8, 10) and many[name].dtype == np.float32
        np.testing.assert_array_equal(few[name], many[name][:2])
        assert np.ptp(many[name][0]) > 0
    assert (control_maps(x, seed=4)["random"] != many["random"]).any()
    assert (many["random"][0] != many["random"][1]).any()
    centre = many["centre"][0]
    assert centre.max() == centre[4, 5] == centre[3, 4] and centre.min() == centre[0, 0]
    flat = np.ones((1, 8, 10, 3), "float32")
    flat[:, :, 5:] = 0
    edges = control_maps(flat)["edges"][0]
    assert (edges[:, 4:6] > 0).all() and (np.delete(edges, [4, 5], axis=1) == 0).all()
