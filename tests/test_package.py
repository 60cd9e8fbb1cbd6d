"""The package as a whole: what importing it costs and touches."""

import subprocess
import sys

IMPORT = """
import sys, time
import tensorflow, keras
before = set(sys.modules)
start = time.perf_counter()
import kerasxai
print(time.perf_counter() - start)
print(" ".join(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_importing_is_quick_and_pulls_in_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.splitlines()
    assert float(seconds) < 0.3
    assert not {"cv2", "sklearn", "skimage", "tf_keras_vis", "pyplot"} & set(modules.split())


def test_no_file_of_the_core_imports_opencv():
    from pathlib import Path

    import kerasxai

    for path in Path(kerasxai.__file__).parent.rglob("*.py"):
        assert "import cv2" not in path.read_text(), path
