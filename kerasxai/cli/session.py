"""What commands on a saved model share: what is checked before anything is loaded, the model, and its samples."""

from pathlib import Path

import numpy as np

from kerasxai.cli.gallery import check_free
from kerasxai.cli.inputs import Inputs
from kerasxai.model_files import existing_path


def check_paths(options):
    """Refuses what the paths alone tell to be wrong, before seconds go into loading TensorFlow."""
    existing_path(options.model)
    for path in options.input:
        if not Path(path).exists():
            raise FileNotFoundError(f"{path} does not exist.")
    check_free(options.out, options.overwrite)


def open_model(options):
    """The model a command names, and its `Inputs`."""
    import kerasxai
    from kerasxai.graph import ModelGraph

    model = kerasxai.load_model(options.model, safe_mode=not options.unsafe)
    graph = ModelGraph(model)
    if len(graph.input_names) > 1 or len(graph.output_names) > 1:
        raise ValueError(
            "The command explains models with one input and one output. Received: inputs "
            f"{', '.join(graph.input_names)}, outputs {', '.join(graph.output_names)}. "
            "Use kerasxai.explain in Python for this one."
        )
    inputs = Inputs(options.input, graph.input_shapes[0])
    if inputs.has_images or options.preprocess != "auto":
        inputs.preprocess = _preprocess(options.preprocess, model)
    inputs.preprocess_arrays = options.preprocess != "auto"
    return model, inputs


def _preprocess(choice, model):
    """The function from pixels to the model's input that --preprocess names."""
    if choice == "none":
        return None
    if choice == "0-1":
        return lambda pixels: pixels / np.float32(255)
    from kerasxai.models import find_preprocess_input

    return find_preprocess_input(model if choice == "auto" else choice)
