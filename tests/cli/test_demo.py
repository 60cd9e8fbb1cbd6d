import json

import pytest
from PIL import Image

from kerasxai import cli
from kerasxai.cli import demo


@pytest.mark.slow
def test_demo_trains_explains_and_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo"]) == 0
    folder = tmp_path / "kerasxai-demo"
    assert "kerasxai-demo/index.html" in capsys.readouterr().out
    page = (folder / "index.html").read_text()
    for file in ("mnist-1d.png", "digits.png"):
        assert f'src="{file}"' in page
        with Image.open(folder / file) as picture:
            picture.verify()
    accuracies = {net["name"]: net["accuracy"] for net in json.loads((folder / "report.json").read_text())["nets"]}
    assert accuracies["MNIST-1D"] > 0.9 and accuracies["Digits"] > 0.9
    assert all(f"{accuracy:.3f}" in page for accuracy in accuracies.values())
    assert len(demo.METHODS) >= 8
