"""The names of Keras that nobody promised: which of them this version has, and that only one file uses them."""

import re
from pathlib import Path

import keras
import pytest
from keras import layers

import kerasxai
from kerasxai.graph import keras_internals

PACKAGE = Path(kerasxai.__file__).parent
ATTRIBUTES = {
    "functional": ("_inputs_struct", "_outputs_struct", "_nodes_by_depth"),
    "sequential": ("_functional",),
    "layer": ("_layers", "_flatten_layers", "_trainable_variables", "_dtype_policy", "_call_has_training_arg"),
}


def owner(kind):
    inputs = keras.Input((3,))
    layer = layers.Dense(2)
    functional = keras.Model(inputs, layer(inputs))
    return {"functional": functional, "sequential": keras.Sequential([inputs, layers.Dense(2)]), "layer": layer}[kind]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in ATTRIBUTES.items() for name in names])
def test_keras_still_has_the_name(kind, name):
    assert hasattr(owner(kind), name)


def test_a_node_of_keras_tells_what_it_is_read_for():
    (node,) = keras_internals.calls_of(owner("functional"))
    for name in ("operation", "arguments", "input_tensors", "outputs"):
        assert hasattr(node, name)
    assert hasattr(node.arguments, "fill_in")
    assert len(node.arguments.keras_tensors) == 1


def test_softmax_and_sigmoid_leave_their_logits():
    logits = keras.ops.convert_to_tensor([[1.0, -1.0]])
    for activation in (keras.activations.softmax, keras.activations.sigmoid):
        assert keras_internals.carried_logits(activation(logits)) is logits


def test_the_shell_of_a_layer_shares_its_weights_and_leaves_it_as_it_was():
    layer = layers.Dense(2, activation="relu")
    layer.build((None, 3))
    before = dict(vars(layer))
    shell = keras_internals.without_activation(layer)
    assert shell.kernel is layer.kernel
    assert shell.activation is keras.activations.linear
    assert dict(vars(layer)) == before


def test_only_one_file_uses_them():
    private = "|".join(name for names in ATTRIBUTES.values() for name in names if name != "_layers")
    pattern = re.compile(rf"from keras\.src|import keras\.src|\.({private})\b|_keras_logits")
    users = {path.name for path in PACKAGE.rglob("*.py") if pattern.search(path.read_text())}
    assert users == {"keras_internals.py"}
