"""Training is the same with and without callbacks, and costs neither traces nor memory as it goes on."""

import pytest

from tests.callbacks import training


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return {kind: training.run_script("long_training", kind, folder) for kind in ("with", "without")}


@pytest.mark.slow
def test_weights_optimizer_and_losses_are_bit_identical(runs):
    assert runs["with"]["weights"] == runs["without"]["weights"]
    assert runs["with"]["losses"] == runs["without"]["losses"]


@pytest.mark.slow
def test_random_numbers_are_left_where_they_were(runs):
    assert runs["with"]["draws"] == runs["without"]["draws"]


def test_nothing_is_traced_after_the_first_epoch(runs):
    traces = runs["with"]["traces"]
    assert len(traces) == 20 and traces[0] > runs["without"]["traces"][0]
    assert set(traces) == {traces[0]}


def test_memory_does_not_grow(runs):
    memory = runs["with"]["memory"]
    assert memory[-1] < 1.03 * memory[2]
