"""Keras 2 models as `.h5` files, written by hand in the HDF5 layout of Keras 2, each with its Keras 3 twin."""

import json

import h5py
import keras
import numpy as np
import tensorflow as tf

from kerasxai.saved_models import keras_2_hard_sigmoid

layers = keras.layers
IMAGE, SERIES = (6, 6, 4), (5, 3)


def entry(class_name, name, **config):
    """A layer as Keras 2.4 writes it."""
    return {"class_name": class_name, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}


def input_entry(shape, name="input_1", **config):
    config = {"batch_input_shape": [None, *shape], "dtype": "float32", "sparse": False, "ragged": False, **config}
    return {"class_name": "InputLayer", "config": {"name": name, **config}}


def sequential(*entries, name="sequential"):
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(entries)}}


def functional(called, inputs, outputs, name="model", class_name="Functional"):
    """`called`: pairs of an entry and its calls, each call a list of [layer, call, output, keywords]."""
    called = [{**one, "name": one["config"]["name"], "inbound_nodes": calls} for one, calls in called]
    config = {"name": name, "layers": called, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": class_name, "config": config}


def initializer(class_name, **config):
    return {"class_name": class_name, "config": config}


def write_keras_2(path, config, twin, version="2.4.0"):
    """Saves the twin's weights with a Keras 2 config, whose layers stand in the order of the twin's."""
    entries = config["config"] if isinstance(config["config"], list) else config["config"]["layers"]
    if config["class_name"] == "Sequential":
        entries = [one for one in entries if one["class_name"] != "InputLayer"]
    names = [one["config"]["name"] for one in entries]
    with h5py.File(path, "w") as file:
        file.attrs.update(keras_version=version, backend="tensorflow", model_config=json.dumps(config).encode())
        old_optimizer = {"class_name": "SGD", "config": {"name": "SGD", "lr": 0.01, "decay": 1e-6, "momentum": 0.9}}
        training = {"loss": "mse", "metrics": ["acc"], "loss_weights": None, "optimizer_config": old_optimizer}
        file.attrs["training_config"] = json.dumps(training).encode()
        weights = file.create_group("model_weights")
        weights.attrs.update(keras_version=version, backend="tensorflow")
        weights.attrs["layer_names"] = [name.encode() for name in names]
        assert len(names) == len(twin.layers)
        for name, layer in zip(names, twin.layers):
            group = weights.create_group(name)
            variables = layer.trainable_weights + layer.non_trainable_weights
            paths = [f"{name}/{number}/{variable.name}:0" for number, variable in enumerate(variables)]
            group.attrs["weight_names"] = [path.encode() for path in paths]
            for weight_path, variable in zip(paths, variables):
                group[weight_path] = variable.numpy()
    return path


def conv2d(name="conv2d", filters=4, **config):
    config = {"filters": filters, "kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "groups": 1, **config}
    return entry("Conv2D", name, data_format="channels_last", dilation_rate=[1, 1], activation="relu", **config)


def conv2d_twin(filters=4):
    return layers.Conv2D(filters, 3, padding="same", activation="relu")


def lstm(name="lstm", **config):
    config = {"activation": "tanh", "recurrent_activation": "sigmoid", "implementation": 2, "units": 3, **config}
    return entry("LSTM", name, time_major=False, unroll=False, stateful=False, go_backwards=False, **config)


def chain(shape, *pairs):
    """A Sequential with an input layer: its Keras 2 config and its twin, from pairs of (entry, layer)."""
    entries, twins = zip(*pairs)
    return sequential(input_entry(shape), *entries), keras.Sequential([keras.Input(shape), *twins])


def plain():
    regularizer = {"class_name": "L2", "config": {"l2": 0.0005}}
    dense = entry("Dense", "dense", units=2, activation="softmax", kernel_regularizer=regularizer)
    return chain(
        IMAGE,
        (conv2d(kernel_initializer=initializer("GlorotUniform", seed=None)), conv2d_twin()),
        (entry("BatchNormalization", "bn", axis=[3], epsilon=0.001, momentum=0.99), layers.BatchNormalization()),
        (entry("MaxPooling2D", "pool", pool_size=[2, 2], strides=[2, 2], padding="valid"), layers.MaxPooling2D()),
        (entry("Flatten", "flatten", data_format="channels_last"), layers.Flatten()),
        (dense, layers.Dense(2, activation="softmax")),
    )


def groups():
    square = {"kernel_size": [3, 3], "padding": "same", "groups": 1}
    return chain(
        IMAGE,
        (
            entry("DepthwiseConv2D", "depthwise", depth_multiplier=1, **square),
            layers.DepthwiseConv2D(3, padding="same"),
        ),
        (entry("Conv2DTranspose", "transpose", filters=2, **square), layers.Conv2DTranspose(2, 3, padding="same")),
        (
            entry("SeparableConv2D", "separable", filters=2, kernel_initializer=initializer("Zeros"), **square),
            layers.SeparableConv2D(2, 3, padding="same"),
        ),
    )


def groups_1d():
    line = {"kernel_size": [3], "padding": "same", "groups": 1}
    return chain(
        SERIES,
        (entry("DepthwiseConv1D", "depthwise", depth_multiplier=1, **line), layers.DepthwiseConv1D(3, padding="same")),
        (entry("Conv1DTranspose", "transpose", filters=2, **line), layers.Conv1DTranspose(2, 3, padding="same")),
    )


def slash_in_names():
    return chain(
        IMAGE,
        (conv2d("block/conv"), conv2d_twin()),
        (conv2d("block_conv"), conv2d_twin()),
        (conv2d("block/conv/1"), conv2d_twin()),
    )


def mixed_precision():
    policy = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    old_policy = {"class_name": "PolicyV1", "config": {"name": "mixed_float16", "loss_scale": None}}
    return chain(
        IMAGE,
        (conv2d(dtype=policy), layers.Conv2D(4, 3, padding="same", activation="relu", dtype="mixed_float16")),
        (entry("ReLU", "relu", dtype=old_policy, max_value=6.0), layers.ReLU(6.0, dtype="mixed_float16")),
    )


def recurrent():
    sigmoid = {"recurrent_activation": "hard_sigmoid"}
    wrapped = lstm("inner", return_sequences=True, **sigmoid)
    stack = entry("StackedRNNCells", "cells", cells=[entry("GRUCell", "cell", units=2, reset_after=True)])
    return chain(
        SERIES,
        (
            entry("Bidirectional", "both_ways", layer=wrapped, merge_mode="concat"),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, recurrent_activation=keras_2_hard_sigmoid)),
        ),
        (lstm("second", return_sequences=True), layers.LSTM(3, return_sequences=True)),
        (
            entry("RNN", "rnn", cell=stack, return_sequences=True, time_major=False),
            layers.RNN(layers.StackedRNNCells([layers.GRUCell(2)]), return_sequences=True),
        ),
        (
            entry("TimeDistributed", "each_step", layer=entry("Dense", "dense", units=2, activation="hard_sigmoid")),
            layers.TimeDistributed(layers.Dense(2, activation=lambda x: tf.clip_by_value(0.2 * x + 0.5, 0, 1))),
        ),
    )


def old_initializers():
    uniform = initializer(
        "VarianceScaling", scale=1.0, mode="fan_avg", distribution="normal", seed=None, dtype="float32"
    )
    zeros = initializer("Zeros", dtype="float32")
    return chain(
        SERIES,
        (entry("Dense", "dense", units=4, kernel_initializer=uniform, bias_initializer=zeros), layers.Dense(4)),
    )


def several_axes():
    return chain(
        IMAGE,
        (entry("LayerNormalization", "norm", axis=[1, 2], epsilon=0.1), layers.LayerNormalization((1, 2), epsilon=0.1)),
        (entry("Softmax", "softmax", axis=[1, 2]), layers.Softmax((1, 2))),
    )


def former_layers():
    batch_norm = {"axis": [3], "epsilon": 0.001}
    return chain(
        IMAGE,
        (entry("BatchNormalizationV1", "bn", **batch_norm), layers.BatchNormalization()),
        (entry("SyncBatchNormalization", "sync_bn", **batch_norm), layers.BatchNormalization()),
        (entry("ThresholdedReLU", "threshold", theta=0.5), layers.ReLU(threshold=0.5)),
        (entry("LeakyReLU", "leaky", alpha=0.0), layers.LeakyReLU(0.0)),
        (entry("RandomHeight", "height", factor=0.1, interpolation="bilinear", seed=None), layers.Identity()),
        (
            entry("RandomCrop", "crop", height=4, width=3, seed=None, rng_type="stateful"),
            layers.Resizing(4, 3, crop_to_aspect_ratio=True),
        ),
        (entry("RandomFlip", "flip", mode="horizontal", seed=None, rng_type="stateful"), layers.Identity()),
        (entry("SpatialDropout2D", "dropout", rate=0.5, noise_shape=None, seed=None), layers.Identity()),
    )


def shape_at_first_layer():
    entries = conv2d("a", batch_input_shape=[None, *IMAGE]), conv2d("b")
    return sequential(*entries), keras.Sequential([keras.Input(IMAGE), conv2d_twin(), conv2d_twin()])


def bare_list():
    config, twin = shape_at_first_layer()
    return {"class_name": "Sequential", "config": config["config"]["layers"]}, twin


def branches():
    config = functional(
        [
            (input_entry(IMAGE), []),
            (conv2d("left"), [[["input_1", 0, 0, {}]]]),
            (conv2d("a/right"), [[["input_1", 0, 0, {}]]]),
            (entry("Add", "add"), [[["left", 0, 0, {}], ["a/right", 0, 0, {}]]]),
            (entry("Dot", "dot", axes=3, normalize=False), [[["add", 0, 0, {}], ["left", 0, 0, {}]]]),
        ],
        [["input_1", 0, 0]],
        [["dot", 0, 0]],
        class_name="Model",  # until TensorFlow 2.2
    )
    image = keras.Input(IMAGE)
    left, right = conv2d_twin()(image), conv2d_twin()(image)
    return config, keras.Model(image, layers.Dot(3)([layers.Add()([left, right]), left]))


def nested_models():
    """Nested models called twice, one a functional and one a Sequential; the second call of each is an output."""
    inner = functional(
        [(input_entry((4,), "inner_input"), []), (entry("Dense", "d/1", units=4), [[["inner_input", 0, 0, {}]]])],
        [["inner_input", 0, 0]],
        [["d/1", 0, 0]],
        name="inner",
    )
    tower = sequential(
        input_entry((4,), "tower_input"), entry("Dense", "d2", units=4, activation="tanh"), name="t/ower"
    )
    config = functional(
        [
            (input_entry((4,), "one"), []),
            (input_entry((4,), "two"), []),
            (inner, [[["one", 0, 0, {}]], [["two", 0, 0, {}]]]),
            (tower, [[["inner", 1, 0, {}]], [["two", 0, 0, {}]]]),
            (entry("Subtract", "subtract"), [[["t/ower", 1, 0, {}], ["inner", 2, 0, {}]]]),
        ],
        [["one", 0, 0], ["two", 0, 0]],
        [["subtract", 0, 0], ["inner", 2, 0], ["t/ower", 2, 0]],
    )
    one, two, inside = keras.Input((4,)), keras.Input((4,)), keras.Input((4,))
    inner_twin = keras.Model(inside, layers.Dense(4)(inside))
    tower_twin = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="tanh")])
    first, second = inner_twin(one), inner_twin(two)
    outputs = tower_twin(first), tower_twin(two)
    return config, keras.Model([one, two], [layers.Subtract()([outputs[0], second]), second, outputs[1]])


def nested_in_sequential():
    inner = functional(
        [(input_entry(IMAGE), []), (conv2d("conv"), [[["input_1", 0, 0, {}]]])], [["input_1", 0, 0]], [["conv", 0, 0]]
    )
    flatten = entry("Flatten", "flatten")
    image = keras.Input(IMAGE)
    twin = keras.Sequential([keras.Input(IMAGE), keras.Model(image, conv2d_twin()(image)), layers.Flatten()])
    return sequential(input_entry(IMAGE, "first"), inner, flatten), twin


def tensors_in_keywords():
    shapes = {"query_shape": [None, *SERIES], "key_shape": [None, *SERIES], "value_shape": [None, *SERIES]}
    attention = entry("MultiHeadAttention", "heads", num_heads=2, key_dim=3, value_dim=3, attention_axes=[1], **shapes)
    config = functional(
        [
            (input_entry(SERIES, "one"), []),
            (input_entry(SERIES, "two"), []),
            (attention, [[["one", 0, 0, {"value": ["two", 0, 0]}]]]),
            (lstm("encoder", return_state=True), [[["heads", 0, 0, {}]]]),
            (lstm("decoder"), [[["two", 0, 0, {}], ["encoder", 0, 1, {}], ["encoder", 0, 2, {}]]]),
            (entry("Add", "plus_one"), [[["decoder", 0, 0, {}], ["_CONSTANT_VALUE", -1, [[1.0, 1.0, 1.0]], {}]]]),
            (entry("Attention", "attend", use_scale=False, score_mode="dot"), [[["two", 0, 0, {}], ["one", 0, 0, {}]]]),
        ],
        [["one", 0, 0], ["two", 0, 0]],
        [["plus_one", 0, 0], ["attend", 0, 0]],
    )
    one, two = keras.Input(SERIES), keras.Input(SERIES)
    _, *states = layers.LSTM(3, return_state=True)(layers.MultiHeadAttention(2, 3, 3)(one, two))
    decoded = layers.LSTM(3)(two, initial_state=states)
    plus_one = layers.Add()([decoded, np.ones((1, 3), "float32")])
    return config, keras.Model([one, two], [plus_one, layers.Attention()([two, one])])


KERAS_2_MODELS = (
    *(plain, groups, groups_1d, slash_in_names, mixed_precision, recurrent, old_initializers, several_axes),
    *(former_layers, shape_at_first_layer, bare_list, branches, nested_models, nested_in_sequential),
    tensors_in_keywords,
)
