"""The table of a model's layers: a row for each, the default target layer marked."""

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

from kerasxai import layer_table
from kerasxai.graph import ModelGraph
from tests.graph.test_target_layer import parallel
from tests.support import nets


def test_layer_table_rows(capsys):
    model = nets.build("three_levels")
    rows = layer_table(model)
    assert [row["path"] for row in rows] == [node.path for node in ModelGraph(model).nodes]
    assert [row["path"] for row in rows if row["default"]] == ["middle/after"]
    conv = next(row for row in rows if row["path"] == "middle/core/conv")
    assert conv == {
        "path": "middle/core/conv",
        "kind": "Conv2D",
        "shape": (None, 8, 8, 3),
        "parameters": 3 * 3 * 2 * 3 + 3,
        "default": False,
    }
    assert sum(row["parameters"] for row in rows) == model.count_params()

    printed = capsys.readouterr().out
    assert "outer" in printed
    for row in rows:
        line = next(line for line in printed.splitlines() if f" {row['path']} " in line)
        assert row["kind"] in line
        assert ("*" in line) == row["default"]


def test_layer_table_marks_the_default_of_each_output():
    inputs = Input(nets.IMAGE)
    early = nets.conv("early")(inputs)
    late = nets.conv("late")(early)
    model = keras.Model(inputs, [nets.head(early, name="a"), nets.head(late, name="b")])
    assert [row["path"] for row in layer_table(model) if row["default"]] == ["early", "late"]


@pytest.mark.parametrize("model", [parallel(), Sequential([Input((4,)), layers.Dense(3)])], ids=["parallel", "flat"])
def test_layer_table_without_a_default(model):
    rows = layer_table(model)
    assert len(rows) > 0
    assert not any(row["default"] for row in rows)


def test_layer_table_of_a_subclassed_model():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.features = nets.feature_extractor()
            self.gap = layers.GlobalAveragePooling2D(name="gap")
            self.dense = layers.Dense(3, name="dense")

        def call(self, x):
            return self.dense(self.gap(self.features(x)))

    model = Subclassed()
    model(np.zeros((1, *nets.IMAGE), "float32"))
    rows = layer_table(model)
    assert {"features/conv", "features/relu", "gap", "dense"} <= {row["path"] for row in rows}
    assert all(row["shape"] is None for row in rows)
    assert sum(row["parameters"] for row in rows) == model.count_params()
