"""The one file that touches names Keras gives no promise for: its graphs, how layers are called, what they hold.

`tests/graph/test_keras_internals.py` tells which of them a version of Keras has no longer.
"""

import contextlib

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.layers.layer import CallContext
from keras.src.models.functional import Functional
from keras.src.ops.core import Cast
from keras.src.ops.symbolic_arguments import SymbolicArguments

# What Keras and TensorFlow keep of a graph that never changes, and what `compile` and `fit` leave on a model.
KEPT_OF_MODELS = frozenset(
    {
        "_inputs_struct",
        "_outputs_struct",
        "_inputs",
        "_outputs",
        "_nodes",
        "_nodes_by_depth",
        "_operations",
        "_operations_by_depth",
        "output_names",
        "optimizer",
        "history",
        "stop_training",
        "stop_evaluating",
        "stop_predicting",
        "_compiled_trainable_state",
        "_compile_config",
        "_self_unconditional_checkpoint_dependencies",
        "_self_unconditional_dependency_names",
        "_self_unconditional_deferred_dependencies",
        "_self_update_uid",
        "_self_name_based_restores",
        "_self_saveable_object_factories",
    }
)


@contextlib.contextmanager
def inference_scope():
    """Layers called inside run in inference mode and keep nothing of it: no state, no losses."""
    outer = global_state.get_global_attribute("current_call_ctx")
    # The first layer called clears the losses it keeps for the user; one that is called inside another does not.
    call = CallContext(entry_layer=None)
    call.set_value("training", False)
    global_state.set_global_attribute("current_call_ctx", call)
    try:
        # An outer scope may map weights to other values, which a scope of our own would hide.
        with contextlib.nullcontext() if in_stateless_scope() else keras.StatelessScope():
            yield
    finally:
        global_state.set_global_attribute("current_call_ctx", outer)


@contextlib.contextmanager
def run_at_once():
    """What runs inside runs now, while something is being traced, and on the layers' own weights."""
    # Inside a scope that gives weights other values, these are tensors of what is being traced.
    with tf.init_scope(), keras.StatelessScope():
        yield


def without_activation(layer):
    """A layer that computes the same without its activation: a shell around the user's layer, sharing its weights."""
    shell = object.__new__(type(layer))
    shell.__dict__.update(layer.__dict__)
    shell.__dict__["activation"] = keras.activations.linear
    return shell


def wide(operation):
    """A shell of a layer of half precision that computes in float32; anything else as it is."""
    if getattr(operation, "compute_dtype", None) not in ("float16", "bfloat16"):
        return operation
    shell = object.__new__(type(operation))
    shell.__dict__.update(operation.__dict__)
    shell.__dict__["_dtype_policy"] = _ComputesInFloat32(operation.variable_dtype)
    return shell


class _ComputesInFloat32(keras.DTypePolicy):
    """A policy of float32 for weights held in any type: Keras casts them where the two types differ."""

    def __init__(self, variable_dtype):
        super().__init__("float32")
        self._type_of_weights = variable_dtype

    @property
    def variable_dtype(self):
        return self._type_of_weights


def carried_logits(tensor):
    """The logits Keras' own softmax and sigmoid leave on the tensor they return, else None."""
    return getattr(tensor, "_keras_logits", None)


def call_layers(model):
    """Every layer below `model` that holds no other layer: a dict path inside the model -> layer."""
    paths = {}  # a layer that is held in two places keeps its first path

    def visit(holder, prefix):
        for layer in holder._layers:
            if layer._layers:
                visit(layer, f"{prefix}{layer.name}/")
            else:
                paths.setdefault(layer, prefix + layer.name)

    visit(model, "")
    return {path: layer for layer, path in paths.items()}


def parts_of(layer):
    """A layer and all layers it holds, to any depth."""
    return layer._flatten_layers()


def layers_and_operations_below(layer):
    """Layers and operations right below a layer."""
    graph = getattr(layer, "_functional", None) or layer
    below = getattr(graph, "_operations", ())
    operations = [operation for operation in below if not isinstance(operation, keras.Layer)]
    return [*getattr(layer, "_layers", ()), *operations]


def own_weights(layer):
    """The trainable variables a layer holds itself, apart from the layers inside it."""
    return list(layer._trainable_variables)


def function_of(model):
    """The Functional inside a Sequential or functional model, None where `call` is the user's own."""
    if isinstance(model, keras.Sequential) and type(model).call is keras.Sequential.call:
        return model._functional
    if isinstance(model, Functional) and type(model).call is Functional.call:
        return model
    return None


def structures_of(function):
    """How a Functional packs its inputs, and its outputs."""
    return function._inputs_struct, function._outputs_struct


def calls_of(function):
    """Keras' nodes of a Functional in execution order, its inputs left out."""
    for depth in sorted(function._nodes_by_depth, reverse=True):
        yield from (node for node in function._nodes_by_depth[depth] if not node.is_input)


def cast_call(symbol, dtype, name):
    """A cast of a symbolic tensor that is no part of any model: the operation and its symbolic arguments."""
    return Cast(dtype, name=name), SymbolicArguments(symbol)


def filled_in(operation, arguments, tensors):
    """Positional and keyword arguments of a call out of training, `tensors` standing for its symbolic ones in order."""
    values = dict(zip(map(id, arguments.keras_tensors), tensors))
    args, kwargs = arguments.fill_in(values)
    if getattr(operation, "_call_has_training_arg", False):
        kwargs = {**kwargs, "training": False}
    return args, kwargs
