"""Workspace: the folder of one run of a study, whose steps are remembered, so that a run that was killed goes on.

A step's result is a file with the step's name, which appears whole or not at all; a step whose file is there is read,
not computed. Each step draws from a seed of its own name, so that results do not depend on where a run was broken off.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import time
import zlib
from pathlib import Path

import filelock
import numpy as np

from benchmarks.study.study import Refused
from kerasxai.whole_files import whole_file

CODE = "code"  # setting: digest of the sources


class Workspace:
    """The remembered steps of a run.

    Args:
        folder: Where the run lives; made if missing.
        settings: Dict of what decides the results. A folder made with others is refused.
        seed: Seed of all steps.
        restart: Whether to forget the steps that are there.

    Raises:
        Refused: The folder holds a run with other settings, or another process is at work in it.
    """

    def __init__(self, folder, settings, seed=0, restart=False):
        self.folder = Path(folder)
        self.seed = seed
        self._progress = []
        self._steps = self.folder / "steps"
        self._settings = self.folder / "settings.json"
        if self.folder.is_dir() and any(self.folder.iterdir()) and not self._settings.exists():
            raise Refused(f"{self.folder} holds files that are not of a study. Give another --out.")
        self._steps.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.folder / "lock", timeout=0)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise Refused(f"Another process is at work in {self.folder}. Wait for it, or give another --out.") from None
        if restart:
            self._forget()
        for partial in self._steps.rglob(".*.partial*"):  # of a process that was killed
            partial.unlink()
        self._check_settings(settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lock.release()

    def each(self, label, items):
        """The items, one after another, named in the progress of the steps within."""
        items = list(items)
        for number, item in enumerate(items, 1):
            self._progress.append(f"{label} {number}/{len(items)}")
            yield item
            self._progress.pop()

    def numbers(self, name, compute):
        """What `compute()` returned, here or before: any structure of dicts, lists, numbers and strings."""
        path = self._path(name, ".json")
        if not path.exists():
            self._write(path, name, lambda: _written_json(path, plain(self._computed(name, compute))))
        return json.loads(path.read_text("utf-8"))

    def arrays(self, name, compute):
        """The dict of arrays that `compute()` returned, here or before."""
        path = self._path(name, ".npz")
        if not path.exists():
            self._write(path, name, lambda: _written_arrays(path, self._computed(name, compute)))
        with np.load(path) as archive:
            return dict(archive)

    def model(self, name, build):
        """The Keras model that `build()` returned, here or before; always as read from its file."""
        import keras

        path = self._path(name, ".keras")
        if not path.exists():
            self._write(path, name, lambda: _written_model(path, self._computed(name, build)))
        return keras.saving.load_model(path)

    @property
    def seconds(self):
        """Time that all steps took, those of earlier processes too."""
        log = self.folder / "times.jsonl"
        total = 0.0
        for line in log.read_text("utf-8").splitlines() if log.exists() else ():
            with contextlib.suppress(ValueError):  # a line that a full disk cut off
                total += json.loads(line)["seconds"]
        return total

    def _path(self, name, suffix):
        return self._steps / (re.sub(r"[^\w./-]+", "_", name) + suffix)

    def _computed(self, name, compute):
        import keras

        keras.utils.set_random_seed(zlib.crc32(f"{self.seed}/{name}".encode()))
        return compute()

    def _write(self, path, name, write):
        start = time.perf_counter()
        path.parent.mkdir(parents=True, exist_ok=True)
        write()
        seconds = time.perf_counter() - start
        with open(self.folder / "times.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps({"step": name, "seconds": round(seconds, 3)}) + "\n")
        print(f"    {', '.join([*self._progress, name])}: {seconds:.1f} s", file=sys.stderr, flush=True)

    def _forget(self):
        shutil.rmtree(self._steps)
        self._steps.mkdir()
        for name in ("settings.json", "times.jsonl"):
            (self.folder / name).unlink(missing_ok=True)

    def _check_settings(self, settings):
        settings = plain(settings)
        before = json.loads(self._settings.read_text("utf-8")) if self._settings.exists() else settings
        changed = sorted(name for name in {*before, *settings} if before.get(name) != settings.get(name))
        if changed == [CODE]:
            print(
                f"    The code has changed since {self.folder} was begun; steps that are there stay as they are. "
                "--restart computes them anew.",
                file=sys.stderr,
            )
        elif changed:
            differences = "; ".join(f"{name}: {before.get(name)!r}, now {settings.get(name)!r}" for name in changed)
            raise Refused(
                f"{self.folder} holds a run with other settings ({differences}). Give another --out, or --restart to "
                "forget what it holds."
            )
        _written_json(self._settings, settings)


def plain(value):
    """Structure of numbers and arrays as JSON holds it; what is not finite becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def digest(*folders):
    """SHA-256 of all Python sources in the folders: tells whether code changed between two runs."""
    sources = hashlib.sha256()
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.py")):
            sources.update(path.read_bytes())
    return sources.hexdigest()


def _written_json(path, content):
    with whole_file(path) as file:
        json.dump(content, file, indent=1, allow_nan=False)


def _written_arrays(path, arrays):
    with whole_file(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def _written_model(path, model):
    partial = path.with_name(f".{path.stem}.partial.keras")  # Keras asks for this suffix
    try:
        model.save(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
