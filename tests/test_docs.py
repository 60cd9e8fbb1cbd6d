"""The examples in docstrings, in the README and in the pages of docs/ run as they stand."""

import inspect
import os
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai import callbacks, datasets, evaluators, explainers, graph, lrp, models, plots, saved_models

ROOT = Path(__file__).resolve().parents[1]


def documented():
    names = {f"kerasxai.{name}": getattr(kerasxai, name) for name in kerasxai.__all__}
    for module in (
        callbacks,
        datasets.mnist1d,
        datasets.hmt,
        datasets.planted,
        evaluators,
        explainers,
        graph,
        lrp,
        models,
        plots,
        saved_models,
    ):
        names.update({f"{module.__name__}.{name}": value for name, value in vars(module).items() if name[0] != "_"})
    for name, value in names.items():
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("kerasxai"):
            yield from ((f"{name}-{index}", code) for index, code in enumerate(blocks(inspect.getdoc(value) or "")))


def blocks(text):
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


EXAMPLES = dict(documented())


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """What the examples take for granted: a model, images it takes, and the usual imports."""
    import tensorflow as tf

    monkeypatch.chdir(tmp_path)
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )
    images = np.random.default_rng(0).uniform(size=(4, 32, 32, 3)).astype("float32")
    return {"keras": keras, "kerasxai": kerasxai, "np": np, "tf": tf, "model": model, "images": images}


def test_the_main_entry_points_have_examples():
    names = " ".join(EXAMPLES)
    for name in (
        "explain-",
        "load_model-",
        "to_heatmap-",
        "layer_table-",
        "GradCAM-",
        "IntegratedGradients-",
        "overlay-",
        "DropIncrease-",
        "Heatmaps-",
    ):
        assert name in names


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_docstring_example_runs(name, namespace, capsys):
    if "MobileNetV2" in EXAMPLES[name]:
        namespace["images"] = np.zeros((1, 96, 96, 3), "float32")
    exec(EXAMPLES[name], namespace)


@pytest.mark.slow
def test_readme_snippets_run_in_order(namespace, monkeypatch):
    namespace["model"].save("HMT.h5")  # the first snippet loads a file of this name, and a folder of tiles
    Path("tiles").mkdir()
    keras.utils.save_img("tiles/0.png", 255 * namespace["images"][0])
    for code in blocks((ROOT / "README.md").read_text()):
        exec(code, namespace)
    assert namespace["maps"].shape == (4, 40)


PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_snippets_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own = {}
    for code in blocks(page.read_text()):
        exec(code, own)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_lrp_page_lists_every_rule_and_preset():
    text = (ROOT / "docs" / "lrp.md").read_text()
    rules = [name for name in kerasxai.lrp.rule_names() if f"`{name}`" not in text]
    assert rules + [name for name in kerasxai.lrp.preset_names() if f"`{name}`" not in text] == []


def test_readme_lists_every_method():
    text = (ROOT / "README.md").read_text()
    assert [name for name in explainers.names() if f"`{name}`" not in text] == []


def test_readme_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


def examples_in_full():
    """Every text that shows how the package is used."""
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]
    return {**EXAMPLES, **{path.name: path.read_text() for path in files}}


def test_no_example_stops_a_training_by_its_explanations():
    monitored = [
        name for text in examples_in_full().values() for name in re.findall(r'EarlyStopping\(\s*monitor="(\w+)"', text)
    ]
    assert monitored and set(monitored) == {"val_loss"}


def test_every_example_explains_a_net_that_has_learnt_something():
    untrained = [path.name for path in (ROOT / "examples").glob("*.py") if ".fit(" not in path.read_text()]
    assert untrained == []


FAST = {
    "evaluating_explanations.py": ("--epochs", "1", "--samples", "20"),
    "lrp_rule_calibration.py": ("--epochs", "1"),
    "training_with_explanations.py": ("--epochs", "2"),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_example_script_runs(script, tmp_path):
    import subprocess

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script, *FAST.get(script, ())],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.glob("*.png"))
