"""`benchmarks/run.py`: what it says, and that a study killed anywhere ends as one that was not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.studies import STUDIES

ROOT = Path(__file__).parents[2]


def test_list_names_every_study(capsys):
    assert run.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(STUDIES)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "NAME must be all or one of"),
        (["grand_truth"], "Received: grand_truth"),
        (["all", "--data", "nowhere"], "--data: nowhere is no folder"),
        (["all", "--seed", "one"], "invalid int value: 'one'"),
    ],
)
def test_bad_arguments(arguments, told, capsys):
    with pytest.raises(SystemExit) as ended:
        run.main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run.main(["ground_truth", "--quick", "--out", str(tmp_path / "file")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "Traceback" not in "".join(lines)
    assert any(re.match(r"ground_truth: .*Not a directory", line) for line in lines)


# Runs the studies with the settings given, and kills itself where the n-th file gets its name.
KILLED = """
import importlib, os, signal, sys
sys.path.insert(0, {root!r})
from benchmarks import run

for name, settings in {settings!r}.items():
    module = importlib.import_module(f"benchmarks.studies.{{name}}")
    module.STUDY = module.STUDY._replace(quick=module.STUDY.quick | settings)
replace, written = os.replace, []

def replaced(source, target):
    written.append(target)
    if len(written) == {killed}:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = replaced
sys.exit(run.main([*{settings!r}, "--quick", "--out", sys.argv[1]]))
"""
# The cheapest studies: all of them go through the same machinery.
TINY = {
    "table1": {"recipes": {"MNIST-1D, Adam": {"optimizer": "adam", "epochs": 1}}, "signals": 3},
    "aopc": {"explained": 3, "nets": [[2, 2, 1], [2, 3, 1]], "temperatures": [0.5, 2.0]},
    "methods": {"epochs": 1, "explained": 3, "steps": 4, "lime_samples": 70, "kinds": ["NumPy function"]},
    "ground_truth": {"scenes": 60, "signals": 100, "image_epochs": 1, "signal_epochs": 1, "explained": 3}
    | {"explainers": ["grad_cam", "lrp, epsilon_plus"]},
}


def ran(out, killed=0):
    script = KILLED.format(root=str(ROOT), settings=TINY, killed=killed)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run([sys.executable, "-c", script, str(out)], capture_output=True, text=True, env=environment)


def steps_of(folder):
    """The steps that were computed, as often as they were."""
    logs = sorted(folder.glob("*/times.jsonl"))
    return [json.loads(line)["step"] for log in logs for line in log.read_text("utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_studies_end_as_those_that_were_not(tmp_path):
    """The same seed gives the same results, and nothing is computed twice."""
    whole = ran(tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    steps = steps_of(tmp_path / "whole")
    assert ran(tmp_path / "killed", killed=len(steps) // 2).returncode < 0
    resumed = ran(tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    for name in TINY:
        results = [(tmp_path / run / name / "results.json").read_bytes() for run in ("whole", "killed")]
        assert results[0] == results[1], name
    assert steps_of(tmp_path / "killed") == steps
