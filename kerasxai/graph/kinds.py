"""What kind of layer or operation something is: the one test that everything said of a layer's mathematics rests on."""

import keras

# What a subclass may override and still compute what its parent computes.
_HARMLESS = {
    *("build", "get_config", "from_config", "get_build_config", "build_from_config", "count_params", "add_weight"),
    *("compute_mask", "compute_output_shape", "compute_output_spec", "stateless_call", "enable_lora", "quantize"),
    *("save_own_variables", "load_own_variables", "save_assets", "load_assets", "save_own_assets", "load_own_assets"),
}
_HARMFUL = ("__call__", "__getattribute__")  # of the names with underscores around them


def kind_of(operation):
    """Name of the Keras class whose values a layer or operation computes, None for anything else.

    Of a subclass it is the parent's, unless the subclass overrides a method of it (`call`, `convolution_op`,
    `_merge_function` ...) and so may compute anything; of a layer whose own `call` was replaced it is None. What is
    only set when a layer is made or built counts as the parent's, so do properties such as `kernel`. Whether the
    weights are quantised is another question, see `is_quantised`.

    Args:
        operation: A layer, a Keras operation or any other object.

    Returns:
        `"Dense"`, `"ReLU"` ... of a layer, `"ops.Relu"` ... of an operation of `keras.ops`, or None.

    Example:

    ```python
    kerasxai.graph.kinds.kind_of(keras.layers.Dense(3))  # "Dense"
    ```
    """
    classes = type(operation).__mro__
    parent = next((cls for cls in classes if cls.__module__.split(".")[0] == "keras"), None)
    if parent is None:
        return None
    if not computes_like(operation, parent):
        return None
    # An operation may have the name of a layer and do something else, as `Average` does.
    return parent.__name__ if issubclass(parent, keras.Layer) else f"ops.{parent.__name__}"


def computes_like(operation, parent):
    """Whether an operation computes what a class it is made from does: nothing that may change it is overridden."""
    classes = type(operation).__mro__
    own = classes[: classes.index(parent)]
    overridden = set(getattr(operation, "__dict__", ())).union(*map(vars, own))
    return not any(_computes(name, parent) for name in overridden)


def layers(*names):
    """Kinds of layers, to look a `kind_of` up in; `"Name*"` stands for `Name1D`, `Name2D` and `Name3D`."""
    kinds = set()
    for name in names:
        kinds.update(name.replace("*", end) for end in ("1D", "2D", "3D"))  # one and the same without a "*"
    return frozenset(kinds)


def operations(*names):
    """Kinds of operations of `keras.ops`, to look a `kind_of` up in."""
    return frozenset(f"ops.{name}" for name in names)


def is_quantised(operation):
    """Whether a layer computes with quantised weights: nearly what its kind computes, in steps instead of a line."""
    return isinstance(operation, keras.Layer) and operation.quantization_mode is not None


def _computes(name, parent):
    """Whether a method of a Keras class may have to do with what its layers compute."""
    is_special = name.startswith("__") and name not in _HARMFUL
    return not is_special and name not in _HARMLESS and callable(getattr(parent, name, None))
