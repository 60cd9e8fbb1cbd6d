"""The table of a model's layers, as explanations see them."""

from __future__ import annotations

import keras

from kerasxai.graph import default_layer, view
from kerasxai.tables import Table
from kerasxai.typing import Model


def layer_table(model: Model) -> Table:
    """Shows and returns the layers of a model as explanations see them.

    Nested models are inlined; the layer a CAM reads by default is marked with `*`. A terminal gets text, a notebook
    HTML.

    Args:
        model: A built Keras model.

    Returns:
        A list of dicts that prints as a table, with `path` (what `layer=` takes), `kind` (class name), `shape` (of the
        output), `parameters`, and `default` (True for the default target layer). A subclassed model has no shapes
        before it runs: None.

    Raises:
        TypeError, ValueError: `model` is no model, or not built.

    Example:

    ```python
    rows = kerasxai.layer_table(keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3)))
    [row["path"] for row in rows if row["default"]]  # ["out_relu"]
    ```
    """
    graph = view(model)
    rows = _graph_rows(graph) if graph.has_graph else _opaque_rows(graph)
    table = Table(
        rows,
        {
            "": lambda row: "*" * row["default"],
            "layer": lambda row: row["path"],
            "kind": lambda row: row["kind"],
            "output": _shape_text,
            "weights": lambda row: f"{row['parameters']:,}",
        },
        title=getattr(model, "name", type(model).__name__),
        caption="* the layer a CAM reads by default",
        numbers=["weights"],
        styles=["font-weight:bold" * row["default"] for row in rows],
    )
    return table.show()


def _graph_rows(graph):
    defaults = set()
    for output in range(len(graph.output_names)):
        try:
            defaults.add(default_layer(graph, output))
        except ValueError:
            continue  # this output has no default: no row is marked for it
    return [
        {
            "path": node.path,
            "kind": node.kind,
            "shape": node.shape,
            "parameters": _parameters(node.operation),
            "default": node in defaults,
        }
        for node in graph.nodes
    ]


def _opaque_rows(model):
    return [
        {
            "path": path,
            "kind": type(layer).__name__,
            "shape": None,
            "parameters": _parameters(layer),
            "default": False,
        }
        for path, layer in model.layers.items()
    ]


def _parameters(operation):
    return operation.count_params() if isinstance(operation, keras.Layer) and operation.built else 0


def _shape_text(row):
    return "" if row["shape"] is None else str(row["shape"])
