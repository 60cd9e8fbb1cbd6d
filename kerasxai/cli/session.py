"""What commands on a saved model share: what is checked before anything is loaded, the model, and its samples."""

import os

from kerasxai.cli.gallery import check_free
from kerasxai.input_files import list_files
from kerasxai.model_files import existing_path, graph_file_of, has_hdf5_inside
from kerasxai.pixel_ways import named_scaling


def check_early(options):
    """Refuses what the command line and the files alone tell to be wrong, before seconds go into loading TensorFlow."""
    check_model_file(options.model)
    if os.path.isdir(options.model):
        raise ValueError(
            f"{options.model} is a SavedModel, which shows no layers; the command takes `.keras` and `.h5` files. In "
            'Python kerasxai.explain(kerasxai.load_model(folder), x, method="gradient") explains it, and what else '
            f"`kerasxai layers {options.model}` names."
        )
    list_files(options.input)
    check_free(options.out, options.overwrite)
    if options.preprocess != "auto":
        named_scaling(options.preprocess, "--preprocess")


def check_model_file(path):
    """Refuses what is no saved model."""
    path = existing_path(path)
    if os.path.isdir(path):
        graph_file_of(path)
    else:
        has_hdf5_inside(path)


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
