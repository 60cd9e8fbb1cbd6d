"""Loads a saved Keras model, one of Keras 2 too, and says what is wrong with a file that cannot be loaded.

How a loaded model is taken apart is in `graph`; this file only builds it, and never writes to the given path.
"""

from __future__ import annotations

import inspect
import json
import os
import tempfile
import warnings
import zipfile
from typing import Any

import keras

from kerasxai.model_files import EXPECTED, LOAD_WEIGHTS, SAVE_AGAIN, existing_path, has_hdf5_inside
from kerasxai.saved_model_folders import load_saved_model

USE_KERAS_2 = (
    "open the file with Keras 2 (`pip install tf-keras`, TF_USE_LEGACY_KERAS=1) and export it as a SavedModel "
    "(`model.export(folder)`), which load_model reads"
)
OPERATION_IN_HDF5 = "an operation of keras.ops, save the model as `.keras`: an `.h5` file does not bring it back"

# Layers that Keras 2 made of TensorFlow operations in a functional model; Keras 3 has none such.
OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
CONSTANT = "_CONSTANT_VALUE"  # stands for a layer's name where a layer was called with a constant
# Keras 2 layer -> the Keras 3 layer, and its arguments, that computes the same at inference.
SUCCESSORS = {
    **dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2"), ("BatchNormalization", {})),
    "SyncBatchNormalization": ("BatchNormalization", {}),
    "RandomCrop": ("Resizing", {"crop_to_aspect_ratio": True}),
    "RandomHeight": ("Identity", {}),
    "RandomWidth": ("Identity", {}),
    "ThresholdedReLU": ("ReLU", {}),
}
# Arguments that change nothing at inference: dropped where the Keras 3 class refuses them.
WITHOUT_EFFECT = {
    *("dtype", "factor", "function_type", "groups", "interpolation", "kernel_initializer", "key_shape", "module"),
    *("noise_shape", "output_shape_module", "output_shape_type", "query_shape", "rng_type", "seed", "trainable"),
    *("softmax_robust_masking", "value_shape"),
}


def load_model(
    path: str | os.PathLike[str],
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
    endpoint: str | None = None,
) -> keras.Model | keras.layers.TFSMLayer:
    """Loads a saved model, uncompiled: explanations need no optimizer.

    In a Keras 2 file, what Keras 3 refuses, or would silently read otherwise, is put right in a temporary copy.
    A "/" in the name of a layer becomes "_", since Keras 3 allows none.

    Args:
        path: str or os.PathLike. A `.keras` file, a legacy `.h5`/`.hdf5` file with a whole model, or a SavedModel
            directory.
        custom_objects: dict of name -> class or function, for layers and functions that are not Keras's own.
        safe_mode: whether to refuse Python code stored in the file (Lambda layers). False only for a file you
            trust. The TensorFlow operations of a SavedModel run in any case.
        endpoint: the function of a SavedModel to call; `"serve"` by default, or else `"serving_default"`.

    Returns:
        A `keras.Model`; for a SavedModel a `keras.layers.TFSMLayer`, a callable whose layers cannot be seen: only
        the model-agnostic (perturbation, surrogate) and the gradient methods work on it.

    Raises:
        FileNotFoundError: nothing is at `path`.
        TypeError: `path` is no path, `custom_objects` no dict, or `safe_mode` no bool.
        ValueError: the file is of another format, damaged, holds weights only, or Keras 3 cannot rebuild its
            model; the message says which, and what to do.

    Example:

    ```python
    model.save("net.keras")
    kerasxai.load_model("net.keras").output_shape == model.output_shape  # True
    ```
    """
    path = existing_path(path)
    if custom_objects is not None and not isinstance(custom_objects, dict):
        raise TypeError(f"`custom_objects` must be a dict of name -> class or function. Received: {custom_objects!r}.")
    if not isinstance(safe_mode, bool):
        raise TypeError(f"`safe_mode` must be True or False. Received: safe_mode={safe_mode!r}.")
    if os.path.isdir(path):
        return load_saved_model(path, endpoint)
    if endpoint is not None:
        raise ValueError(f"`endpoint` is for SavedModel directories. Received: endpoint={endpoint!r} and file {path}.")
    is_hdf5 = has_hdf5_inside(path)
    config, keras_version = _read_hdf5_config(path) if is_hdf5 else _read_archive_config(path)
    from_keras_2 = keras_version.startswith(("1", "2"))
    fixed = _modern_config(config) if from_keras_2 else config
    if safe_mode:
        _refuse_code(path, fixed)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # advice on arguments that stand in the file
            source = path
            suffixes = (".h5", ".hdf5") if is_hdf5 else (".keras",)
            if fixed != config or not path.endswith(suffixes):
                source = _copy_hdf5(path, fixed, folder) if is_hdf5 else _copy_archive(path, fixed, folder)
            return keras.models.load_model(source, custom_objects=custom_objects, compile=False, safe_mode=safe_mode)
    except Exception as error:
        reason = _why_not_rebuilt(error, fixed, custom_objects or {}, from_keras_2)
        raise ValueError(f"Keras {keras.__version__} cannot rebuild the model in {path}. {reason}") from error


def _read_hdf5_config(path):
    """The architecture in a legacy HDF5 file, as a dict, and the Keras version that wrote it."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path} is damaged or truncated: {error}. {SAVE_AGAIN}") from error
    with file:
        if "model_config" in file.attrs:
            version = file.attrs.get("keras_version", "2")
            return json.loads(file.attrs["model_config"]), getattr(version, "decode", lambda: version)()
        contents = list(file)
        weights = {"layer_names", "layer_names0", "layers", "_layer_checkpoint_dependencies"} & {*file.attrs, *contents}
    if weights or path.endswith(".weights.h5"):
        raise ValueError(f"{path} holds weights only, no architecture (no `model_config`). {LOAD_WEIGHTS}")
    raise ValueError(f"{path} is an HDF5 file, but not of Keras: no `model_config`, but {contents[:5]}. {EXPECTED}")


def _read_archive_config(path):
    """The architecture in a `.keras` archive, as a dict, and the Keras version that wrote it."""
    try:
        with zipfile.ZipFile(path) as archive:
            contents = archive.namelist()
            if {"config.json", "metadata.json"} <= set(contents):
                metadata = json.loads(archive.read("metadata.json"))
                return json.loads(archive.read("config.json")), metadata.get("keras_version", "3")
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged or truncated: {error}. {SAVE_AGAIN}") from error
    raise ValueError(f"{path} is a zip archive, but not of Keras: no `config.json`, but {contents[:5]}. {EXPECTED}")


def _copy_hdf5(path, config, folder):
    """Writes the model with another config into `folder`. Keras matches weights by the order of the layers."""
    import h5py

    copy = os.path.join(folder, "model.h5")
    with h5py.File(path, "r") as source, h5py.File(copy, "w") as target:
        target.attrs["model_config"] = json.dumps(config)
        source.copy("model_weights", target)
    return copy


def _copy_archive(path, config, folder):
    copy = os.path.join(folder, "model.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = json.dumps(config) if name == "config.json" else source.read(name)
            target.writestr(name, content)
    return copy


def _refuse_code(path, config):
    holders = []
    for entry in _entries(config):
        inner = entry["config"]
        if isinstance(inner, dict) and any(_is_entry(value, "__lambda__") for value in inner.values()):
            holders.append(str(inner.get("name")))
    if holders:
        raise ValueError(
            f"{path} holds Python code, in {_first_few(holders)}; loading would run it. If you trust the file, pass "
            "`safe_mode=False` (in the Python version that saved it)."
        )


def _why_not_rebuilt(error, config, custom_objects, from_keras_2):
    operations = [
        f"{entry['config']['name']} ({entry['class_name']})"
        for entry in _entries(config)
        if entry["class_name"] in OPERATION_LAYERS and entry["class_name"] not in custom_objects
    ]
    if operations:
        return (
            f"It holds TensorFlow operations that Keras 2 saved as layers: {_first_few(operations)}. Either "
            f"{USE_KERAS_2}; or build the model in code with keras.ops and call `model.load_weights(path)`."
        )
    unknown = _unknown_names(config, custom_objects)
    if unknown:
        example = ", ".join(f'"{name}": {name.split(">")[-1]}' for name in unknown)
        advice = f"a layer that Keras 3 has dropped, {USE_KERAS_2}" if from_keras_2 else OPERATION_IN_HDF5
        return f"Unknown to Keras: {', '.join(unknown)}. Pass `custom_objects={{{example}}}`. If it is {advice}."
    message = str(error).split("Exception encountered: ")[-1].strip()[:500]  # before that, Keras quotes the config
    if "safe_mode" in message:
        return f"It holds code that loading would run; if you trust it, pass `safe_mode=False`. Keras says: {message}"
    is_damaged = isinstance(error, (OSError, EOFError, zipfile.BadZipFile))
    advice = SAVE_AGAIN if is_damaged else f"You can {USE_KERAS_2}." if from_keras_2 else ""
    return f"{type(error).__name__}: {message.rstrip('.')}. {advice}"


def _first_few(names, count=5):
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def _unknown_names(config, custom_objects):
    """Names of the classes and functions in a config that neither Keras nor `custom_objects` has."""
    names = []
    for entry in _entries({**config, "compile_config": None}):
        if not (entry.get("module") or "").startswith("keras.src"):
            is_function = entry["class_name"] == "function"
            name = entry["config"] if is_function else entry.get("registered_name") or entry["class_name"]
            names.append(name)
        if isinstance(entry["config"], dict):
            names += [entry["config"].get(key) for key in ("activation", "recurrent_activation", "function")]
    names = dict.fromkeys(name for name in names if isinstance(name, str) and not name.startswith("__"))
    registered = keras.saving.get_registered_object
    return [name for name in names if not registered(name, custom_objects) and not _keras_object(name)]


def _keras_object(name):
    name = "Model" if name == "Functional" else name
    spaces = (keras, keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.activations)
    return next((getattr(space, name) for space in spaces if hasattr(space, name)), None)


def _is_entry(value, class_name=None):
    is_one = isinstance(value, dict) and isinstance(value.get("class_name"), str) and "config" in value
    return is_one and class_name in (None, value["class_name"])


def _entries(value):
    """Every {"class_name": ..., "config": ...} in a config, at any depth."""
    if _is_entry(value):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _entries(inner)


# The config of a Keras 2 model as Keras 3 wants it


@keras.saving.register_keras_serializable("kerasxai")
def keras_2_hard_sigmoid(x):
    """The hard sigmoid of Keras 2: its slope is 1/5, that of Keras 3 under the same name 1/6."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def _modern_config(config):
    config = _mapped(config, lambda value: _is_entry(value, "Sequential"), _with_input_layer)
    config = _mapped(config, _is_entry, _modern_entry)
    names = {inner["config"].get("name") for inner in _entries(config) if isinstance(inner["config"], dict)}
    without_slash = {}
    for name in sorted(name for name in names if isinstance(name, str) and "/" in name):
        without_slash[name] = name.replace("/", "_")
        while without_slash[name] in names:
            without_slash[name] += "_"
        names.add(without_slash[name])
    return _mapped(config, lambda value: isinstance(value, str) and value in without_slash, without_slash.get)


def _mapped(value, applies, change):
    """A copy of nested dicts and lists with `change` made to every value it `applies` to, the innermost first."""
    if isinstance(value, list):
        value = [_mapped(item, applies, change) for item in value]
    elif isinstance(value, dict):
        value = {key: _mapped(item, applies, change) for key, item in value.items()}
    return change(value) if applies(value) else value


def _modern_entry(entry):
    class_name, config = entry["class_name"], entry["config"]
    if class_name in ("Policy", "PolicyV1"):  # of mixed precision
        return config["name"]
    if isinstance(config, dict) and "input_layers" in config:
        config = _modern_graph(config)
    class_name, arguments = SUCCESSORS.get(class_name, (class_name, {}))
    keras_class = _keras_object(class_name)
    if not inspect.isclass(keras_class) or not isinstance(config, dict):
        return {**entry, "config": config}
    config = {**arguments, **dict(_modern_argument(key, value) for key, value in config.items())}
    if keras_class is keras.layers.InputLayer and "batch_input_shape" in config:
        config["batch_shape"] = config["batch_input_shape"]
    refused = _refused_arguments(keras_class, config)
    entry = {**entry, "class_name": class_name, "config": {key: config[key] for key in config if key not in refused}}
    if not issubclass(keras_class, keras.Layer):
        return entry
    # Without a module, Keras's legacy way loses an axis that is not a single int, and takes "dot" for a function.
    modules = {"Functional": "keras.src.models.functional", "Sequential": "keras", "Model": "keras"}
    module = modules.get(class_name, "keras.layers")
    return {**entry, "module": module, "registered_name": class_name, "build_config": None}


def _modern_argument(key, value):
    if key in ("activation", "recurrent_activation") and isinstance(value, str):
        name = keras.saving.get_registered_name(keras_2_hard_sigmoid) if value == "hard_sigmoid" else value
        if not hasattr(keras.activations, name):
            value = {"class_name": "function", "config": name, "module": "builtins", "registered_name": "function"}
    if key == "function" and isinstance(value, list):  # the code of a Lambda layer
        value = {"class_name": "__lambda__", "config": dict(zip(("code", "defaults", "closure"), value, strict=True))}
    return {"theta": "threshold"}.get(key, key), _single(value) if key == "axis" else value


def _refused_arguments(keras_class, config):
    """The arguments that a Keras 3 class does not take, as far as they have no effect anyway."""
    refused = {key for key, value in config.items() if key in WITHOUT_EFFECT or value is None or value is False}
    for base in keras_class.__mro__[:-1]:
        parameters = inspect.signature(base.__init__).parameters if "__init__" in vars(base) else {}
        refused -= set(parameters)
        if parameters and "kwargs" not in parameters:
            break  # nothing else is passed on to the next base class
    return refused | {"batch_input_shape"}


def _with_input_layer(entry):
    """A Sequential with its input as a layer. The oldest are bare lists, with the shape at the first layer."""
    config = entry["config"] if isinstance(entry["config"], dict) else {"name": None, "layers": entry["config"]}
    first, *others = config["layers"] or [{"class_name": "InputLayer"}]
    if first["class_name"] != "InputLayer" and "batch_input_shape" in first["config"]:
        first = {**first, "config": dict(first["config"])}
        shape, name = first["config"].pop("batch_input_shape"), f"{first['config']['name']}_input"
        input_layer = {"class_name": "InputLayer", "config": {"name": name, "batch_shape": shape}}
        config = {**config, "layers": [input_layer, first, *others]}
    return {**entry, "config": config}


def _modern_graph(config):
    """A functional model's config with its layer calls in the `.keras` format, where Keras 3 misreads none."""
    nested = {layer["name"]: "layers" in layer["config"] for layer in config["layers"]}
    sequential = {layer["name"] for layer in config["layers"] if layer["class_name"] == "Sequential"}
    layers = []
    for layer in config["layers"]:
        calls = [_modern_call(call, layer["class_name"], nested) for call in layer["inbound_nodes"]]
        layers.append({**layer, "inbound_nodes": calls})
    # Where an output of the model is that of a nested functional model, Keras itself takes the 1 off.
    outputs = _single(_mapped(config["output_layers"], _is_tensor, lambda x: [x[0], x[1] - (x[0] in sequential), x[2]]))
    return {**config, "layers": layers, "input_layers": _single(config["input_layers"]), "output_layers": outputs}


def _modern_call(call, class_name, nested):
    keywords = {}

    def modern_tensor(value):
        layer, number, output = value[:3]
        keywords.update(*value[3:])
        if layer == CONSTANT:
            return {"class_name": "__tensor__", "config": {"value": output, "dtype": "float32"}}
        history = [layer, number - nested[layer], output]  # Keras 2 counts the calls of a nested model from 1
        return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": None, "keras_history": history}}

    inputs = _mapped(call, _is_tensor, modern_tensor)
    if len(inputs) > 1 and any(kind in class_name for kind in ("RNN", "LSTM", "GRU", "Bidirectional")):
        inputs, keywords["initial_state"] = inputs[:1], inputs[1:]
    return {"args": [_single(inputs)], "kwargs": keywords}


def _is_tensor(value):
    """Whether this is [layer, number of its call, number of the output, perhaps keyword arguments]."""
    return isinstance(value, list) and len(value) > 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _single(values):
    return values[0] if isinstance(values, list) and len(values) == 1 else values
