"""A run that was killed goes on: nothing is computed twice, nothing is lost, nothing depends on where it broke off."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.study import Refused, Workspace

ROOT = Path(__file__).parents[2]
# Kills itself inside the step or while a step's file gets its name, as asked; notes every step that it computes.
TOY = """
import os, random, signal, sys
from benchmarks.study import Workspace

folder, noted, killed_in_step, killed_in_write = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
replace, writes = os.replace, []

def replaced(source, target):
    writes.append(target)
    if len(writes) == killed_in_write:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = replaced
with Workspace(folder, {"size": 3}) as work:
    results = []
    for number in work.each("number", range(5)):
        def compute():
            with open(noted, "a") as file:
                file.write(f"{number}\\n")
            if number == killed_in_step:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"drawn": [random.random() for _ in range(3)]}
        results.append(work.numbers(f"number {number}", compute)["drawn"])
        arrays = work.arrays(f"arrays/{number}", lambda: {"drawn": [random.random() for _ in range(3)]})
        results.append(arrays["drawn"].tolist())
    print(results)
"""


def toy(folder, noted, killed_in_step=-1, killed_in_write=-1):
    command = [sys.executable, "-c", TOY, str(folder), str(noted), str(killed_in_step), str(killed_in_write)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(("step", "write"), [(3, -1), (-1, 6)], ids=["in a step", "before a file gets its name"])
def test_a_killed_run_goes_on(step, write, tmp_path):
    whole = toy(tmp_path / "whole", tmp_path / "noted")
    assert whole.returncode == 0, whole.stderr
    killed = toy(tmp_path / "killed", tmp_path / "killed_noted", step, write)
    assert killed.returncode < 0 and not killed.stdout
    resumed = toy(tmp_path / "killed", tmp_path / "killed_noted")
    assert resumed.stdout == whole.stdout
    computed = (tmp_path / "killed_noted").read_text().split()
    assert sorted(set(computed)) == list("01234")
    assert len(computed) == 6 if step >= 0 else len(computed) in (5, 6)  # the step that was killed, once more
    again = toy(tmp_path / "killed", tmp_path / "killed_noted")
    assert again.stdout == whole.stdout and (tmp_path / "killed_noted").read_text().split() == computed
    assert not list((tmp_path / "killed").rglob("*partial*"))


def test_a_step_that_fails_leaves_nothing(tmp_path):
    def fails():
        raise OSError(28, "No space left on device")

    with Workspace(tmp_path / "run", {}) as work:
        for remember in (work.numbers, work.arrays, work.model):
            with pytest.raises(OSError, match="No space"):
                remember("step", fails)
        assert not list((tmp_path / "run" / "steps").iterdir())
        assert work.numbers("step", lambda: 3) == 3


def test_what_is_not_finite_is_absent(tmp_path):
    with Workspace(tmp_path / "run", {}) as work:
        assert work.numbers("step", lambda: [np.float32(0.5), np.nan, np.inf, np.array([1, 2])]) == [
            0.5,
            None,
            None,
            [1, 2],
        ]


def test_a_model_is_that_of_its_file(tmp_path):
    import keras

    def build():
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])

    with Workspace(tmp_path / "run", {}) as work:
        first, second = work.model("net", build), work.model("net", build)
    for one, other in zip(first.get_weights(), second.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_seeds_follow_from_names(tmp_path):
    def draw():
        return random.random()

    with Workspace(tmp_path / "one", {}) as work:
        first = [work.numbers(name, draw) for name in ("a", "b")]
    with Workspace(tmp_path / "other", {}) as work:
        assert [work.numbers(name, draw) for name in ("b", "a")] == first[::-1]
    with Workspace(tmp_path / "seed", {}, seed=1) as work:
        assert work.numbers("a", draw) != first[0]


def test_other_settings_are_refused_unless_restarted(tmp_path):
    with Workspace(tmp_path / "run", {"seed": 0}) as work:
        work.numbers("step", lambda: 1)
    with pytest.raises(Refused, match=r"seed: 0, now 1.*--out, or --restart"):
        Workspace(tmp_path / "run", {"seed": 1})
    with Workspace(tmp_path / "run", {"seed": 1}, restart=True) as work:
        assert work.numbers("step", lambda: 2) == 2
    assert json.loads((tmp_path / "run" / "settings.json").read_text()) == {"seed": 1}


def test_changed_code_is_told(tmp_path, capsys):
    for code in ("a", "b"):
        with Workspace(tmp_path / "run", {"code": code}) as work:
            assert work.numbers("step", lambda code=code: code) == "a"
    assert "The code has changed" in capsys.readouterr().err


def test_two_processes_do_not_share_a_folder(tmp_path):
    with Workspace(tmp_path / "run", {}), pytest.raises(Refused, match="Another process is at work"):
        Workspace(tmp_path / "run", {})
    Workspace(tmp_path / "run", {})


def test_a_folder_of_the_users_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    for restart in (False, True):
        with pytest.raises(Refused, match="files that are not of a study"):
            Workspace(tmp_path, {}, restart=restart)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_times_add_up_over_processes_and_cut_lines_are_passed_over(tmp_path):
    for name in ("a", "b"):
        with Workspace(tmp_path / "run", {}) as work:
            work.numbers(name, lambda: 1)
    log = tmp_path / "run" / "times.jsonl"
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    assert [step["step"] for step in steps] == ["a", "b"]
    with open(log, "a") as file:
        file.write('{"step": "c", "sec')
    assert work.seconds == sum(step["seconds"] for step in steps)
