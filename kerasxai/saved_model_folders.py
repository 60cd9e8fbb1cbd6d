"""Loads a SavedModel, the folder TensorFlow and Keras export a model to; files of Keras itself: `saved_models.py`."""

import atexit
import contextlib
import functools
import logging
import os
import shutil
import tempfile

import keras

from kerasxai.model_files import SAVE_AGAIN, graph_file_of


def load_saved_model(path, endpoint=None):
    """The function of a SavedModel as a `keras.layers.TFSMLayer`.

    Args:
        path: str. The folder that holds `saved_model.pb`.
        endpoint: the function to call; `"serve"` by default, or else `"serving_default"`.

    Raises:
        ValueError: the folder holds no SavedModel, or a damaged one, or has no such endpoint.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    graph_file = graph_file_of(path)
    try:
        with open(graph_file, "rb") as file:
            saved_model = saved_model_pb2.SavedModel.FromString(file.read())
        signatures = saved_model.meta_graphs[0].signature_def
        available = sorted(name for name in signatures if not name.startswith("__"))
        wanted = endpoint or ("serve" if "serve" in available else "serving_default")
        if wanted in available:
            with _without_slot_variables(path, saved_model) as source:
                return keras.layers.TFSMLayer(source, call_endpoint=wanted)
    except Exception as error:
        raise ValueError(f"The SavedModel {path} is damaged or incomplete: {error} {SAVE_AGAIN}") from error
    raise ValueError(f"The SavedModel {path} has no endpoint {wanted!r}. Pass `endpoint`, one of {available}.")


@contextlib.contextmanager
def _without_slot_variables(path, saved_model):
    """The folder to load a SavedModel from so that its optimizer has no variables: TensorFlow restores none of Keras 2.

    That is `path`, or a temporary folder with the graph changed and all else linked. With assets, which a model may
    read whenever it is called, it stays until Python ends.
    """
    nodes = []
    for graph in saved_model.meta_graphs:
        nodes += graph.object_graph_def.nodes
    if not any(node.slot_variables for node in nodes):
        yield path
        return
    for node in nodes:
        del node.slot_variables[:]
    logging.getLogger("tensorflow").addFilter(_is_not_of_an_optimizer)
    folder = tempfile.mkdtemp()
    remove = functools.partial(shutil.rmtree, folder, ignore_errors=True)
    assets = os.path.join(path, "assets")
    reads_assets = os.path.isdir(assets) and len(os.listdir(assets)) > 0
    if reads_assets:
        atexit.register(remove)
    try:
        for name in set(os.listdir(path)) - {"saved_model.pb", "fingerprint.pb"}:
            _link(os.path.abspath(os.path.join(path, name)), os.path.join(folder, name))
        with open(os.path.join(folder, "saved_model.pb"), "wb") as file:
            file.write(saved_model.SerializeToString())
        yield folder
    finally:
        if not reads_assets:
            remove()


def _is_not_of_an_optimizer(record):
    """Drops what TensorFlow says when Python ends of the optimizer's variables that nothing was restored to."""
    return not ("Value in checkpoint could not be found" in record.getMessage() and "'s state '" in record.getMessage())


def _link(source, target):
    """Links a file or folder, or copies it where the system allows no links."""
    try:
        os.symlink(source, target)
    except OSError:
        copy = shutil.copytree if os.path.isdir(source) else shutil.copyfile
        copy(source, target)
