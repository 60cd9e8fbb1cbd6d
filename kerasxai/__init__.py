"""kerasxai: explanations of convolutional networks, natively in TensorFlow/Keras 3."""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "kerasxai needs the TensorFlow backend of Keras. "
        f'Received: KERAS_BACKEND={keras.backend.backend()}. Set the environment variable KERAS_BACKEND="tensorflow".'
    )

from kerasxai import callbacks, datasets, evaluators, explainers, graph, models, plots
from kerasxai.comparison import Comparison
from kerasxai.evaluate import evaluate
from kerasxai.explain import explain
from kerasxai.explainers import lrp
from kerasxai.graph import layer_table
from kerasxai.heatmap import to_heatmap
from kerasxai.images import load_images
from kerasxai.saved_models import load_model
from kerasxai.version import __version__

__all__ = [
    "Comparison",
    "__version__",
    "callbacks",
    "datasets",
    "evaluate",
    "evaluators",
    "explain",
    "explainers",
    "graph",
    "layer_table",
    "load_images",
    "load_model",
    "lrp",
    "models",
    "plots",
    "to_heatmap",
]
