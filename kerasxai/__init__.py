"""kerasxai: explanations of convolutional networks, natively in TensorFlow/Keras 3.

What is here is imported when it is first used: the command line answers what needs no TensorFlow without loading it.
"""

import importlib
from typing import TYPE_CHECKING

from kerasxai.version import __version__

if TYPE_CHECKING:  # for editors, which do not run `__getattr__`
    from kerasxai import callbacks, datasets, evaluators, explainers, graph, models, plots
    from kerasxai.comparison import Comparison
    from kerasxai.evaluating import evaluate
    from kerasxai.explainers import lrp
    from kerasxai.explaining import explain
    from kerasxai.graph import Operation, register_operation
    from kerasxai.heatmap import to_heatmap
    from kerasxai.images import load_images
    from kerasxai.layer_tables import layer_table
    from kerasxai.saved_models import load_model
    from kerasxai.targets import of_logits

__all__ = [
    "Comparison",
    "Operation",
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
    "of_logits",
    "plots",
    "register_operation",
    "to_heatmap",
]
# The module each name comes from; the other names are modules themselves. None may be called like a function here:
# importing it would put the module in the function's place.
_MODULES = {
    "Comparison": "comparison",
    "Operation": "graph",
    "evaluate": "evaluating",
    "explain": "explaining",
    "layer_table": "layer_tables",
    "load_images": "images",
    "load_model": "saved_models",
    "lrp": "explainers",
    "of_logits": "targets",
    "register_operation": "graph",
    "to_heatmap": "heatmap",
}


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, name)}")
    value = getattr(module, name) if name in _MODULES else module
    globals()[name] = value
    return value


def __dir__():
    return __all__
