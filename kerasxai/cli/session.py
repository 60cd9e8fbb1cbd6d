"""What commands on a saved model share: the model and its samples, and the options of explainers."""

import json

import numpy as np

from kerasxai.cli import rules
from kerasxai.cli.inputs import Inputs


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


def explainer_settings(options):
    """The options of explainers that `--layer`, `--option`, `--rules` and their kin stand for."""
    settings = {"batch_size": options.batch_size, "verbose": 0, **rules.settings(options)}
    if options.layer:
        settings["layer"] = options.layer if len(options.layer) > 1 else options.layer[0]
    return {**settings, **read_options("--option", options.option)}


def read_options(flag, texts):
    """`NAME=VALUE` as given to a repeatable flag: a dict name -> number, list ..., or the text as it is."""
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{flag} must be NAME=VALUE. Received: {text!r}.")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def _preprocess(choice, model):
    """The function from pixels to the model's input that --preprocess names."""
    if choice == "none":
        return None
    if choice == "0-1":
        return lambda pixels: pixels / np.float32(255)
    from kerasxai.models import find_preprocess_input

    return find_preprocess_input(model if choice == "auto" else choice)
