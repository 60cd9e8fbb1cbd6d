"""A model taken apart: the walk gives what the model gives, wherever it is cut, under names a user can guess."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, layers

from kerasxai.graph import ModelGraph, OpaqueModel
from tests.support import nets


@pytest.fixture(scope="module", params=nets.KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def model(kind):
    return nets.build(kind)


def flat(structure):
    return keras.tree.flatten(structure)


def tensors(structure):
    return [tf.convert_to_tensor(values) for values in flat(structure)]


def assert_same(given, expected):
    assert len(given) == len(expected)
    for one, other in zip(given, expected):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


# The walk is the model


def test_run_is_the_model(model):
    x = nets.inputs_for(model)
    outputs, _ = ModelGraph(model).run(tensors(x))
    assert_same(outputs, flat(model(x, training=False)))


def test_run_is_the_model_when_compiled(model):
    x = nets.inputs_for(model)
    graph = ModelGraph(model)
    walked = tf.function(lambda x: graph.run(x)[0], autograph=False)(tensors(x))
    called = tf.function(lambda x: model(x, training=False), autograph=False)
    assert_same(walked, flat(called(keras.tree.map_structure(tf.convert_to_tensor, x))))


# Keras itself does not read these back from .h5.
NOT_IN_H5 = (
    "attention",
    "functional_subclass",
    "masked_words",
    "multi_output_layer",
    "nested_dict_inputs",
    "operations",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(kind, ".keras") for kind in nets.KINDS] + [(kind, ".h5") for kind in nets.KINDS if kind not in NOT_IN_H5],
)
def test_run_is_the_model_after_saving(kind, suffix, tmp_path):
    model = nets.build(kind)
    model.save(tmp_path / f"model{suffix}")
    loaded = keras.models.load_model(tmp_path / f"model{suffix}")
    x = nets.inputs_for(model)
    outputs, _ = ModelGraph(loaded).run(tensors(x))
    assert_same(outputs, flat(loaded(x, training=False)))
    assert [node.path for node in ModelGraph(loaded).nodes] == [node.path for node in ModelGraph(model).nodes]


def test_prefix_and_suffix_of_every_node_make_the_model(model):
    x = nets.inputs_for(model)
    graph = ModelGraph(model)
    for node in graph.nodes:
        outputs = graph.suffix(node)(graph.prefix(node)(tensors(x)))
        assert_same(outputs, flat(model(x, training=False)))


def test_suffix_depends_on_the_cut(model):
    """What the suffix is given is what it goes on with, not a value computed again."""
    graph = ModelGraph(model)
    x = tensors(nets.inputs_for(model))
    whole, _ = graph.run(x)
    for node in graph.nodes:
        activation, *crossing = graph.prefix(node)(x)
        if activation.dtype == tf.bool:
            continue
        shaken = activation + tf.cast(tf.random.stateless_normal(tf.shape(activation), [1, 2]), activation.dtype)
        outputs = graph.suffix(node)([shaken, *crossing])
        changed = any(not np.array_equal(one, other) for one, other in zip(outputs, whole))
        reaches_an_output = graph.is_output(node) or any(map(graph.is_output, graph.suffix_nodes(node)))
        assert changed == reaches_an_output, node


def test_taps_are_what_the_layers_return(model, kind):
    """Against a twin of the model whose layers note down what they return."""
    twin = nets.KINDS[kind]()
    twin.set_weights(model.get_weights())
    x = nets.inputs_for(model)
    noted = {}
    for layer in twin._flatten_layers(include_self=False):
        if not isinstance(layer, keras.Model):
            layer.__dict__["call"] = noting(layer.call, noted.setdefault(layer.name, []))
    twin(x, training=False)

    graph = ModelGraph(model)
    nodes = [node for node in graph.nodes if node.operation.name in noted]
    watched = []
    _, tapped = graph.run(tensors(x), taps=nodes, on_tap=watched.append)
    assert len(nodes) > 1
    assert_same(watched, tapped)
    for node, tensor in zip(nodes, tapped):
        call_number = [other for other in nodes if other.operation is node.operation].index(node)
        np.testing.assert_array_equal(tensor, noted[node.operation.name][call_number])


def noting(call, notes):
    def noting_call(*args, **kwargs):
        outputs = call(*args, **kwargs)
        notes.append(flat(outputs)[0])
        return outputs

    return noting_call


def test_taps_agree_with_keras_feature_models():
    model = nets.build("residual")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = nets.inputs_for(model)
    for layer in clone.layers[1:]:
        expected = keras.Model(clone.inputs, layer.output)(x, training=False)
        _, (tapped,) = ModelGraph(model).run([x], taps=[layer.name])
        np.testing.assert_array_equal(tapped, expected)


def test_nodes_come_after_what_they_take(model):
    graph = ModelGraph(model)
    known = set(range(len(graph.input_shapes)))
    for node in graph.nodes:
        assert known.issuperset(node.inputs)
        known.update(node.outputs)


def test_shapes_are_those_of_the_tensors(model):
    graph = ModelGraph(model)
    _, tapped = graph.run(tensors(nets.inputs_for(model)), taps=graph.nodes)
    for node, tensor in zip(graph.nodes, tapped):
        assert len(node.shape) == tensor.shape.rank
        assert all(size in (None, actual) for size, actual in zip(node.shape, tensor.shape))


def test_only_the_needed_part_runs_in_prefix():
    model = nets.build("residual")
    graph = ModelGraph(model)
    head = graph.node("head").operation
    head.__dict__["call"] = lambda *args, **kwargs: pytest.fail("the prefix ran the head")
    graph.prefix("stem")([tf.constant(nets.normals())])


def test_overrides_stand_in_for_layers():
    model = nets.build("residual")
    graph = ModelGraph(model)
    x = nets.inputs_for(model)
    join = graph.node("join")
    (output,), _ = graph.run([x], overrides={join: lambda tensors: tensors[0]})
    (features,) = graph.prefix("stem")([x])
    pooled = tf.reduce_mean(tf.nn.relu(features), axis=[1, 2])
    np.testing.assert_allclose(output, model.get_layer("head")(pooled), rtol=1e-6)


def test_dropout_asked_for_at_the_call_stays_off():
    x = inputs = Input((5,))
    x = layers.Dropout(0.5)(x, training=True)
    model = keras.Model(inputs, layers.Dense(2)(x))
    values = tf.ones((3, 5))
    (output,), _ = ModelGraph(model).run([values])
    np.testing.assert_array_equal(output, model(values, training=False))


def test_integer_and_double_inputs_are_cast_like_the_model_does():
    model = nets.build("sequential")
    x = np.random.default_rng(0).integers(0, 255, (2, *nets.IMAGE))
    for values in (x.astype("uint8"), x.astype("float64")):
        (output,), _ = ModelGraph(model).run([values])
        np.testing.assert_array_equal(output, model(values, training=False))


# Names


@pytest.mark.parametrize(
    ("kind", "paths"),
    [
        ("sequential", "conv1 pool conv2 gap head"),
        ("sequential_in_functional", "scale inner/conv1 inner/conv2 head_pool head"),
        ("functional_in_sequential", "features/conv features/norm features/relu gap head"),
        ("three_levels", "middle/core/conv middle/core/norm middle/core/relu middle/after head_pool head"),
        ("shared_layer", "s pool s#2 head_pool head"),
        (
            "nested_called_twice",
            "twin/conv twin/norm twin/relu twin#2/conv twin#2/norm twin#2/relu difference head_pool head",
        ),
    ],
)
def test_paths(kind, paths):
    assert " ".join(node.path for node in ModelGraph(nets.build(kind)).nodes) == paths


def test_a_nested_model_called_on_a_constant_is_one_node():
    inner = nets.build("two_inputs")
    image = keras.Input(inner.inputs[0].shape[1:])
    fixed = keras.ops.ones((1, *inner.inputs[1].shape[1:]))
    model = keras.Model(image, inner([image, fixed]))
    x = nets.normals(1)
    (found,), _ = ModelGraph(model).run([x])
    np.testing.assert_array_equal(found, model(x))


def test_paths_are_unique(model):
    paths = [node.path for node in ModelGraph(model).nodes]
    assert len(set(paths)) == len(paths)


def test_node_by_path_name_layer_and_node(model):
    graph = ModelGraph(model)
    for node in graph.nodes:
        assert graph.node(node.path) is node
        assert graph.node(node) is node
    for layer in model.layers:
        calls = [node for node in graph.nodes if node.operation is layer]
        if len(calls) == 1:
            assert graph.node(layer) is calls[0]


def test_node_by_name_inside_a_nested_model():
    graph = ModelGraph(nets.build("three_levels"))
    assert graph.node("conv").path == "middle/core/conv"
    assert graph.node("core/conv").path == "middle/core/conv"


def test_nested_model_stands_for_its_output():
    model = nets.build("three_levels")
    graph = ModelGraph(model)
    assert graph.node("middle").path == "middle/after"
    assert graph.node("middle/core").path == "middle/core/relu"
    assert graph.node(model.get_layer("middle")).path == "middle/after"


def test_ambiguous_name_lists_the_calls():
    graph = ModelGraph(nets.build("nested_called_twice"))
    with pytest.raises(ValueError, match=r"'conv', which is any of twin/conv, twin#2/conv\. Give one of these paths"):
        graph.node("conv")
    layer = graph.node("twin/conv").operation
    with pytest.raises(ValueError, match=r"Conv2D conv, which is any of twin/conv, twin#2/conv"):
        graph.node(layer)


def test_layer_called_twice_is_no_single_node():
    model = nets.build("shared_layer")
    graph = ModelGraph(model)
    assert graph.node("s").path == "s"
    with pytest.raises(ValueError, match=r"which is any of s, s#2"):
        graph.node(model.get_layer("s"))


def test_unknown_name_suggests_close_ones():
    graph = ModelGraph(nets.build("sequential"))
    with pytest.raises(ValueError, match=r"'conv3'\. Did you mean conv[12] or conv[12]\?.*layer_table"):
        graph.node("conv3")
    with pytest.raises(ValueError, match=r"Received: Dense foreign"):
        graph.node(layers.Dense(1, name="foreign"))
    with pytest.raises(ValueError, match=re.escape("Received: int")):
        graph.node(7)


# Inputs, outputs, and the ways between


def test_names_of_inputs():
    two = nets.build("two_inputs")
    renamed = keras.Model(dict(zip(("zebra", "ant"), two.inputs)), two.outputs)  # keys that are not the tensors' names
    for model in (nets.build("dict_inputs"), renamed):
        graph = ModelGraph(model)
        x = nets.inputs_for(model)
        assert set(graph.input_names) == {"zebra", "ant"}
        outputs, _ = graph.run([x[name] for name in graph.input_names])
        assert_same(outputs, flat(model(x, training=False)))


def test_names_of_outputs():
    graph = ModelGraph(nets.build("dict_outputs"))
    x = nets.normals()
    outputs, _ = graph.run([x])
    expected = graph.model(x, training=False)
    assert set(graph.output_names) == {"zebra", "ant"}
    for name, output in zip(graph.output_names, outputs):
        np.testing.assert_array_equal(output, expected[name])


def test_output_nodes_and_reached_inputs():
    graph = ModelGraph(nets.build("two_inputs"))
    image, numbers = graph.input_names.index("image"), graph.input_names.index("numbers")
    assert graph.reached_inputs(graph.node("gap")) == [image]
    assert graph.reached_inputs(graph.node("dense")) == [numbers]
    assert graph.reached_inputs(graph.node("head")) == [0, 1]
    assert graph.output_node().path == "head"
    assert graph.is_output(graph.node("head")) and not graph.is_output(graph.node("both"))
    assert [node.path for node in graph.consumers(graph.node("gap"))] == ["both"]
    assert {node.path for node in graph.ancestors(graph.node("gap"))} == {"conv"}


def test_an_input_may_be_an_output():
    inputs = Input((4,), name="numbers")
    model = keras.Model(inputs, [inputs, layers.Dense(2, name="dense")(inputs)])
    graph = ModelGraph(model)
    x = np.ones((2, 4), "float32")
    assert graph.output_node(0) is None
    assert_same(graph.run([x])[0], model(x))
    assert_same(graph.suffix("dense")(graph.prefix("dense")([x])), model(x))


# What has no graph


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.dense = layers.Dense(2, name="dense")

    def call(self, x):
        return self.dense(x)


def test_subclassed_model_has_no_graph():
    model = Subclassed()
    model(np.ones((1, 3), "float32"))
    with pytest.raises(TypeError, match=r"Received: Subclassed, which has no graph.*rebuild the model functionally"):
        ModelGraph(model)


def test_functional_model_with_a_call_of_its_own_has_no_graph():
    class Doubled(keras.Model):
        def call(self, x, training=None, mask=None):
            return 2.0 * super().call(x, training=training, mask=mask)

    inputs = Input((3,))
    with pytest.raises(TypeError, match="Received: Doubled"):
        ModelGraph(Doubled(inputs, layers.Dense(2)(inputs)))


@pytest.mark.parametrize("model", [keras.Sequential([layers.Dense(2)]), Subclassed()], ids=["sequential", "subclassed"])
def test_unbuilt_model_says_how_to_build_it(model):
    with pytest.raises((ValueError, TypeError), match=r"must be built.*call it once"):
        ModelGraph(model)


def test_channels_first_is_refused():
    inputs = Input((2, 8, 8))
    model = keras.Model(inputs, layers.Conv2D(1, 3, data_format="channels_first", name="first")(inputs))
    with pytest.raises(ValueError, match=r"layer first with data_format='channels_first'.*copy the weights"):
        ModelGraph(model)


def test_opaque_model_runs_and_captures():
    model = Subclassed()
    x = np.ones((2, 3), "float32")
    expected = model(x)
    (output,), (captured,) = OpaqueModel(model).run([tf.constant(x)], taps=["dense"])
    np.testing.assert_array_equal(output, expected)
    np.testing.assert_array_equal(captured, expected)
    assert "call" not in vars(model.dense)


def test_opaque_model_leaves_a_call_of_the_users_own():
    model = Subclassed()
    x = np.ones((2, 3), "float32")
    model(x)
    model.dense.call = own = lambda inputs, **_: tf.zeros_like(inputs)
    _, (captured,) = OpaqueModel(model).run([tf.constant(x)], taps=["dense"])
    np.testing.assert_array_equal(captured, np.zeros_like(x))
    assert vars(model.dense)["call"] is own


def test_weights_mapped_by_an_outer_scope_are_used():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    x = np.ones((1, 3), "float32")
    changed = [(weight, np.full(weight.shape, 2.0, "float32")) for weight in model.weights]
    with keras.StatelessScope(state_mapping=changed):
        outputs, _ = ModelGraph(model).run([x])
    np.testing.assert_array_equal(outputs[0], [[8.0, 8.0]])
