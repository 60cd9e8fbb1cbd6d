"""Interrupts that come while another one is being obeyed, and signals that end a command like Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kerasxai
from kerasxai import compiled, interrupts
from kerasxai.cli import gallery
from kerasxai.interrupts import undisturbed
from kerasxai.whole_files import whole_file
from tests.support import nets

ROOT = Path(kerasxai.__file__).parents[1]


def twice(function, monkeypatch, owner, name):
    """Presses Ctrl-C once more before a function of clean-up does its work."""

    def pressed(*arguments, **options):
        signal.raise_signal(signal.SIGINT)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, pressed)


def test_an_interrupt_waits():
    done = []
    with pytest.raises(KeyboardInterrupt), undisturbed():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append(True)
    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_file(tmp_path, monkeypatch):
    twice(os.remove, monkeypatch, os, "remove")
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "table.csv") as file:
        file.write("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["out", "a/b/out"])
def test_a_folder(out, tmp_path, monkeypatch):
    twice(gallery.shutil.rmtree, monkeypatch, gallery.shutil, "rmtree")
    with pytest.raises(KeyboardInterrupt), gallery.output_folder(tmp_path / out) as folder:
        (folder / "index.html").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_another(tmp_path, monkeypatch):
    (tmp_path / "out" / "old").mkdir(parents=True)
    twice(gallery.shutil.rmtree, monkeypatch, gallery.shutil, "rmtree")
    with pytest.raises(KeyboardInterrupt), gallery.output_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "index.html").write_text("whole")
        (folder / "report.json").write_text("whole")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "report.json"]


def test_a_pass_of_the_model_that_nobody_waits_for(monkeypatch):
    twice(compiled.Compiled.end, monkeypatch, compiled.Compiled, "end")
    explainer = nets.quick("rise", nets.build("sequential"), n_masks=1_000_000)
    with pytest.raises(KeyboardInterrupt):
        monkeypatch.setattr(compiled, "wait", lambda *_: signal.raise_signal(signal.SIGINT))
        explainer(nets.normals(1))
    compiled._thread.submit(int).result()  # comes to its turn only when the million masks were given up
    assert not compiled.is_computing()


COMMAND = """
import shutil, signal, sys, time
from types import SimpleNamespace
from kerasxai import cli, interrupts
from kerasxai.cli import gallery

for number in interrupts.SIGNALS:  # tests in the background are started to ignore some
    signal.signal(number, signal.SIG_DFL)

def run(options):
    with gallery.output_folder("out") as folder:
        (folder / "index.html").write_text("half")
        print("working", flush=True)
        time.sleep(600)

def remove(path, **options):
    print("cleaning", flush=True)
    sys.stdin.readline()
    return rmtree(path, **options)

rmtree, gallery.shutil.rmtree = shutil.rmtree, remove
cli._parser = lambda: SimpleNamespace(parse_args=lambda arguments: SimpleNamespace(run=run))
cli.command()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process at once")
@pytest.mark.parametrize("number", interrupts.SIGNALS)
def test_a_command_ends_like_by_ctrl_c(number, tmp_path):
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND], cwd=tmp_path, env=environment, text=True, **pipes
    ) as process:
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate("\n")
    assert process.returncode == 1
    assert list(tmp_path.iterdir()) == []
    assert "Traceback" not in told
