"""OpaqueModel: a model seen from outside only: subclassed, SavedModel, or a function.

It runs, and its layers' outputs can be captured while it runs; it has no graph to walk.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from kerasxai.graph.keras_internals import call_layers, inference_scope
from kerasxai.graph.python_function import NumPyFunction, run_once
from kerasxai.graph.view import View
from kerasxai.typing import Model


class OpaqueModel(View):
    """A callable `x -> outputs`.

    Args:
        model: A built subclassed `keras.Model`, a `keras.layers.TFSMLayer`, or a function. A function that computes in
            NumPy is found out when it first runs, which must be eagerly.

    Raises:
        TypeError: `model` cannot be called.
        ValueError: It is a Keras model that is not built yet.
    """

    def __init__(self, model: Model) -> None:
        if not callable(model):
            raise TypeError(
                f"`model` must be a Keras model or a callable. Received: {type(model).__name__}. "
                "Load a file with kerasxai.load_model(path)."
            )
        if isinstance(model, keras.Layer) and not isinstance(model, keras.layers.TFSMLayer) and not model.built:
            raise ValueError(
                f"`model` must be built. Received: {type(model).__name__} {model.name!r}, whose weights do not exist "
                "yet. Call it once on data, or load its weights, first."
            )
        self.model = model
        self._structure = None
        self._numpy_function = None
        self._seen = None  # what a function returned once
        self.layers = call_layers(model) if isinstance(model, keras.Model) else {}

    def run(self, inputs, taps=(), on_tap=None, overrides=None, structure=None):
        """Runs the model in inference mode; arguments and results as `ModelGraph.run`.

        Args:
            structure: How the model takes its flat `inputs`: any structure of that many leaves. None: as it took
                them last; at first one tensor, or a list where there are several.
        """
        if overrides:
            raise TypeError("An opaque model has no nodes to override.")
        structure = self._structure = self._structure if structure is None else structure
        if structure is None:
            packed = inputs[0] if len(inputs) == 1 else list(inputs)
        else:
            packed = keras.tree.pack_sequence_as(structure, list(inputs))
        with inference_scope(), _Capture(self.layers, taps, on_tap) as capture:
            outputs = self._call(packed)
        self._remember_outputs(outputs)
        return keras.tree.flatten(outputs), [capture.tensor(tap) for tap in taps]

    def layer_calls(self, inputs, structure=None):
        """What each layer returned in one run: a list of (path, layer, shape) in the order of the calls."""
        calls = []
        capture_all = _Capture(self.layers, tuple(self.layers), None, record=calls)
        packed = inputs[0] if structure is None else keras.tree.pack_sequence_as(structure, list(inputs))
        with inference_scope(), capture_all:
            self._call(packed)
        return calls

    def node(self, key):
        """The path of the layer that a path, an unambiguous layer name or a layer object stands for."""
        path, _, call = key.partition("#") if isinstance(key, str) else (key, "", "")
        if isinstance(key, str):
            paths = [path] if path in self.layers else [name for name in self.layers if name.endswith("/" + path)]
        else:
            paths = [name for name, layer in self.layers.items() if layer is key]
        if len(paths) == 1:
            return f"{paths[0]}#{call}" if call else paths[0]
        what = f"which is any of {', '.join(paths)}" if paths else "and the model has no such layer"
        raise ValueError(
            f"`layer` must name one layer of the model. Received: {getattr(key, 'name', key)!r}, {what}. "
            f"Its layers: {', '.join(list(self.layers)[-8:]) or 'none in reach'}."
        )

    def _call(self, packed):
        if isinstance(self.model, keras.Layer):
            return self.model(packed, training=False)
        if self._numpy_function is not None:
            return self._numpy_function(packed)
        if tf.executing_eagerly():
            self._seen, self._numpy_function = run_once(self.model, packed)
            return self._seen
        try:
            return self.model(packed)
        except Exception:
            if self._seen is None:
                raise
            # It takes tensors and returns tensors, and between the two computes in something else.
            self._numpy_function = NumPyFunction(self.model, self._seen, takes_tensors=True)
            return self._numpy_function(packed)

    def _remember_outputs(self, outputs):
        self.output_structure = keras.tree.map_structure(lambda tensor: 0, outputs)
        if isinstance(outputs, dict):
            self.output_names = sorted(outputs)
        else:
            self.output_names = [f"output_{index}" for index in range(len(keras.tree.flatten(outputs)))]


class _Capture:
    """Keeps what the tapped layers return while the real model runs; the layers are as before afterwards."""

    def __init__(self, layers, taps, on_tap, record=None):
        self._layers = layers
        self._taps = set(taps)
        self._wrapped = {tap.partition("#")[0] for tap in taps}
        self._on_tap = on_tap
        self._record = record
        self._calls = {}
        self._own_calls = {}  # layer -> the `call` that the user had set on this very layer, or None
        self._tensors = {}

    def __enter__(self):
        for path in self._wrapped:
            layer = self._layers[path]
            self._own_calls[layer] = vars(layer).get("call")
            vars(layer)["call"] = self._wrapper(path, layer, layer.call)
        return self

    def __exit__(self, *_):
        for layer, own_call in self._own_calls.items():
            if own_call is None:
                del vars(layer)["call"]
            else:
                vars(layer)["call"] = own_call

    def tensor(self, tap):
        if tap not in self._tensors:
            raise ValueError(f"`layer` must name a layer the model calls. Received: {tap!r}, which was not called.")
        return self._tensors[tap]

    def _wrapper(self, path, layer, call):
        def captured_call(*args, **kwargs):
            outputs = call(*args, **kwargs)
            first = keras.tree.flatten(outputs)[0]
            self._calls[path] = self._calls.get(path, 0) + 1
            tap = path if self._calls[path] == 1 else f"{path}#{self._calls[path]}"
            if self._record is not None:
                self._record.append((tap, layer, tuple(first.shape)))
            elif tap in self._taps:
                self._tensors[tap] = first
                if self._on_tap is not None:
                    self._on_tap(first)
            return outputs

        return captured_call


def looks_like_probabilities(outputs):
    """Whether every row of an output of two or more columns is a probability distribution."""
    if outputs.shape.rank != 2 or outputs.shape[-1] < 2:
        return False
    rows = tf.cast(outputs, tf.float32)
    # In half precision a softmax misses 1 by as much.
    sums_to_one = tf.reduce_all(tf.abs(tf.reduce_sum(rows, axis=-1) - 1.0) < 1e-3)
    return bool(sums_to_one) and bool(tf.reduce_all(rows >= 0.0))
