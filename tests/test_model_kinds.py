"""Every explainer on every kind of model, against truths written from definitions: `benchmarks/model_kinds`."""

import pytest

from benchmarks.model_kinds import cells, table
from benchmarks.model_kinds.truths import TRUTHS
from kerasxai import explainers


def assert_none_is_bad(row):
    assert not [f"{cell.method}: {cell.status}, {cell.note} ({cell.error:.1e})" for cell in row if cell.is_bad]


def test_every_registered_method_has_a_truth_and_a_column():
    own = {name for name in explainers.names() if explainers.get(name).__module__.startswith("kerasxai.")}
    assert own == set(TRUTHS)
    assert sorted(TRUTHS) == sorted(method for methods in table.FAMILIES.values() for method in methods)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["softmax_wrapped", "center_crop", "float64_input", "squared_dense"])
def test_kinds_that_were_wrong_once(kind):
    assert_none_is_bad(cells.row(kind, ["gradient", "deep_lift", "grad_cam", "ablation_cam", "lrp", "occlusion"]))


@pytest.mark.slow
def test_nothing_is_refused_on_a_plain_net():
    row = cells.row("conv1d", ["gradient_x_input", "cam", "score_cam", "full_grad", "lrp", "kernel_shap"])
    assert {cell.status for cell in row} == {"right"}


def test_a_wrong_answer_is_told():
    """The table's own test: a net that is not the model is WRONG, not right."""
    kind = cells.built("sequential")
    wrong = kind.net
    kind.net = lambda inputs, walk: wrong(inputs, walk) * 1.01
    assert cells.run(kind, "gradient").status == "WRONG"
    kind.model = lambda x: 1 / 0
    assert cells.run(kind, "occlusion").status == "LEAK"
