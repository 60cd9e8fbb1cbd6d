"""A Keras model taken apart, never changed. Knows nothing of explainers."""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "kerasxai needs the TensorFlow backend of Keras. "
        f'Received: KERAS_BACKEND={keras.backend.backend()}. Set the environment variable KERAS_BACKEND="tensorflow".'
    )

from kerasxai.graph.blocks import block_ends
from kerasxai.graph.model_graph import ModelGraph
from kerasxai.graph.opaque_model import OpaqueModel
from kerasxai.graph.operations import Operation, register_operation
from kerasxai.graph.reading import Node
from kerasxai.graph.score import Score, view
from kerasxai.graph.target_layer import default_layer

__all__ = [
    "ModelGraph",
    "Node",
    "OpaqueModel",
    "Operation",
    "Score",
    "block_ends",
    "default_layer",
    "register_operation",
    "view",
]


def __dir__():
    return __all__
