"""The package as a whole: what importing it costs, touches and shows."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import kerasxai

IMPORT = """
import sys
import kerasxai
print(*sys.modules)
import keras, tensorflow
before = set(sys.modules)
for name in kerasxai.__all__:
    getattr(kerasxai, name)
print(*set(sys.modules) - before)
"""
ROOMS = ["kerasxai", *(f"kerasxai.{name}" for name in kerasxai.__all__ if inspect.ismodule(getattr(kerasxai, name)))]


@pytest.mark.slow
def test_importing_loads_nothing_and_using_it_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    imported, used = ({name.partition(".")[0] for name in line.split()} for line in done.stdout.splitlines())
    assert not {"tensorflow", "keras", "numpy", "scipy", "matplotlib"} & imported
    assert not {"cv2", "sklearn", "skimage", "tf_keras_vis", "pyplot"} & used


def test_names_are_what_they_say_whatever_is_imported_first():
    for path in sorted(Path(kerasxai.__file__).parent.glob("*.py")):
        if path.stem not in ("__init__", "__main__"):
            importlib.import_module(f"kerasxai.{path.stem}")
    for name in kerasxai.__all__:
        value = getattr(kerasxai, name)
        is_room = (Path(kerasxai.__file__).parent / name).is_dir() or name == "lrp"
        assert inspect.ismodule(value) == is_room, name


def test_editors_see_the_same_names():
    (block,) = [one for one in ast.parse(Path(kerasxai.__file__).read_text()).body if isinstance(one, ast.If)]
    seen = {alias.name: line.module for line in block.body for alias in line.names}
    assert {*seen, "__version__"} == set(kerasxai.__all__)
    for name, module in seen.items():
        assert getattr(kerasxai, name) is getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("room", ROOMS)
def test_dir_lists_the_public_names_only(room):
    module = kerasxai.lrp if room == "kerasxai.lrp" else importlib.import_module(room)
    assert dir(module) == sorted(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="explian"):
        _ = kerasxai.explian


@pytest.mark.slow
def test_another_backend_is_refused():
    code = "import keras; keras.backend.backend = lambda: 'torch'; import kerasxai; kerasxai.explain"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "needs the TensorFlow backend of Keras. Received: KERAS_BACKEND=torch" in done.stderr


def test_no_file_of_the_core_imports_opencv():
    for path in Path(kerasxai.__file__).parent.rglob("*.py"):
        assert "import cv2" not in path.read_text(), path
