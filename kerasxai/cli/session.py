"""What commands on a saved model share: the model and its samples, and the options of explainers."""

import json

from kerasxai.cli import rules


def open_model(options):
    """The model a command names, and its `Inputs`."""
    import kerasxai
    from kerasxai.graph import ModelGraph
    from kerasxai.input_files import Inputs
    from kerasxai.models.pixel_scaling import find_pixel_scaling

    model = kerasxai.load_model(options.model, safe_mode=not options.unsafe)
    graph = ModelGraph(model)
    if len(graph.input_names) > 1 or len(graph.output_names) > 1:
        raise ValueError(
            "The command explains models with one input and one output. Received: inputs "
            f"{', '.join(graph.input_names)}, outputs {', '.join(graph.output_names)}. "
            "Use kerasxai.explain in Python for this one."
        )
    inputs = Inputs(options.input, graph.input_shapes[0], strict=options.strict)
    if inputs.has_images or options.preprocess != "auto":
        inputs.scaling = find_pixel_scaling(options.preprocess, model, option="--preprocess")
    inputs.scale_arrays = options.preprocess != "auto"
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
