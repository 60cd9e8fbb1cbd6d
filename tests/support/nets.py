"""Tiny networks for the tests, one builder for every kind of model, with every layer named.

All weights are random, biases and moving statistics too, so that nothing that is forgotten goes unseen.
"""

import keras
import numpy as np
from keras import Input, Sequential, layers, ops

from benchmarks.model_kinds.kind import dtype_policy
from kerasxai import explainers
from tests.support.truth import randomise

IMAGE = (8, 8, 2)
CLASSES = 3


def inputs_for(model, samples=4, seed=0):
    """Random input of a model, in the structure it takes: integers below 5 for integer inputs."""
    draws = np.random.default_rng(seed)

    def values(symbol):
        shape = (samples, *(6 if size is None else size for size in symbol.shape[1:]))
        if "int" in symbol.dtype:
            return draws.integers(5, size=shape).astype(symbol.dtype)
        return draws.normal(size=shape).astype(symbol.dtype)

    structure = model.inputs[0] if isinstance(model, Sequential) else model.input
    return keras.tree.map_structure(values, structure)


def normals(samples=4, shape=IMAGE, seed=0):
    """Random float32 images `(samples, *shape)` of both signs, standard normal."""
    return np.random.default_rng(seed).normal(size=(samples, *shape)).astype("float32")


# Parts, used by the builders below


def conv(name, filters=3, size=3, **kwargs):
    return layers.Conv2D(filters, size, padding="same", name=name, **{"activation": "relu", **kwargs})


def head(x, units=CLASSES, activation="softmax", name="head"):
    return layers.Dense(units, activation=activation, name=name)(layers.GlobalAveragePooling2D(name=name + "_pool")(x))


def feature_extractor(name="features", shape=IMAGE):
    """Convolution, batch normalisation, ReLU: `(height, width, 3)`."""
    x = inputs = Input(shape, name=name + "_in")
    x = conv("conv", activation=None)(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    return keras.Model(inputs, x, name=name)


@keras.saving.register_keras_serializable("tests")
class Halves(layers.Layer):
    """A layer with two outputs: the first channels and the others."""

    def call(self, x):
        return x[..., :2], x[..., 2:]


@keras.saving.register_keras_serializable("tests")
class FunctionalSubclass(keras.Model):
    """A subclass of keras.Model that is functional all the same."""


class Subclassed(keras.Model):
    """Layers called one after the other, out of sight of any graph."""

    def __init__(self, layers):
        super().__init__(name="subclassed")
        self.steps = layers

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


# One builder for every kind of model


def sequential():
    return Sequential(
        [
            Input(IMAGE),
            conv("conv1"),
            layers.MaxPooling2D(name="pool"),
            conv("conv2", filters=4),
            layers.GlobalAveragePooling2D(name="gap"),
            layers.Dense(CLASSES, activation="softmax", name="head"),
        ],
        name="sequential",
    )


def sequential_without_input():
    model = Sequential(sequential().layers, name="without_input")
    model(normals(1))
    return model


def residual():
    x = inputs = Input(IMAGE, name="image")
    x = conv("stem")(x)
    branch = conv("branch1")(x)
    branch = conv("branch2", activation=None)(branch)
    x = layers.Add(name="join")([x, branch])
    x = layers.ReLU(name="joined_relu")(x)
    return keras.Model(inputs, head(x), name="residual")


def sequential_in_functional():
    inner = Sequential([Input(IMAGE), conv("conv1"), conv("conv2")], name="inner")
    x = inputs = Input(IMAGE, name="image")
    x = layers.Rescaling(0.5, name="scale")(x)
    return keras.Model(inputs, head(inner(x)), name="outer")


def functional_in_sequential():
    return Sequential(
        [
            Input(IMAGE),
            feature_extractor(),
            layers.GlobalAveragePooling2D(name="gap"),
            layers.Dense(CLASSES, activation="softmax", name="head"),
        ],
        name="outer",
    )


def three_levels():
    middle = Sequential([Input(IMAGE), feature_extractor("core"), conv("after")], name="middle")
    inputs = Input(IMAGE, name="image")
    return keras.Model(inputs, head(middle(inputs)), name="outer")


def nested_not_training():
    inputs = Input(IMAGE, name="image")
    return keras.Model(inputs, head(feature_extractor()(inputs, training=False)), name="outer")


def shared_layer():
    shared = conv("s", filters=2)
    x = inputs = Input(IMAGE, name="image")
    x = shared(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = shared(x)
    return keras.Model(inputs, head(x), name="shared_layer")


def nested_called_twice():
    inner = feature_extractor("twin")
    left, right = Input(IMAGE, name="left"), Input(IMAGE, name="right")
    x = layers.Subtract(name="difference")([inner(left), inner(right)])
    return keras.Model([left, right], head(x), name="siamese")


def two_inputs():
    image, numbers = Input(IMAGE, name="image"), Input((4,), name="numbers")
    pooled = layers.GlobalAveragePooling2D(name="gap")(conv("conv")(image))
    x = layers.Concatenate(name="both")([pooled, layers.Dense(2, activation="relu", name="dense")(numbers)])
    return keras.Model([image, numbers], layers.Dense(CLASSES, activation="softmax", name="head")(x), name="two_inputs")


def dict_inputs():
    """The names sort the other way round than they are given."""
    image, numbers = Input(IMAGE, name="zebra"), Input((4,), name="ant")
    return keras.Model({"zebra": image, "ant": numbers}, two_inputs()([image, numbers]), name="dict_inputs")


def nested_dict_inputs():
    mask, picture = Input((8, 8, 1), name="mask"), Input(IMAGE, name="picture")
    inner = keras.Model(
        {"picture": picture, "mask": mask}, layers.Multiply(name="masked")([picture, mask]), name="inner"
    )
    image = Input(IMAGE, name="image")
    features = conv("conv")(image)
    x = inner({"mask": conv("attention", filters=1, activation="sigmoid")(image), "picture": features[..., :2]})
    return keras.Model(image, head(x), name="outer")


def two_outputs():
    x = inputs = Input(IMAGE, name="image")
    x = conv("conv")(x)
    return keras.Model(inputs, [head(x, name="kind"), head(x, 2, "sigmoid", name="tags"), x], name="two_outputs")


def dict_outputs():
    x = inputs = Input(IMAGE, name="image")
    x = conv("conv")(x)
    outputs = {"zebra": head(x, name="kind"), "ant": head(x, 1, None, name="size")}
    return keras.Model(inputs, outputs, name="dict_outputs")


def multi_output_layer():
    x = inputs = Input(IMAGE, name="image")
    x = conv("conv", filters=5)(x)
    first, second = Halves(name="halves")(x)
    first, _, third = ops.split(layers.Concatenate(name="joined")([second, first, second]), [2, 4], axis=-1)
    x = layers.Concatenate(name="rejoined")([first, conv("late")(third)])
    return keras.Model(inputs, head(x), name="multi_output_layer")


def operations():
    x = inputs = Input(IMAGE, name="image")
    x = ops.relu(conv("conv1", activation=None)(x))
    x = x + conv("conv2")(x)
    x = ops.concatenate([x, 2.0 * x[..., :1]], axis=-1)
    x = x[:, 1:]
    return keras.Model(inputs, head(x), name="operations")


def trained():
    """Batch normalisation and dropout, after some steps of training."""
    model = Sequential(
        [
            Input(IMAGE),
            conv("conv", activation=None),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Dropout(0.5, name="drop"),
            layers.GlobalAveragePooling2D(name="gap"),
            layers.Dense(CLASSES, activation="softmax", name="head"),
        ],
        name="trained",
    )
    randomise(model).compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(normals(16), np.arange(16) % CLASSES, epochs=2, batch_size=8, verbose=0)
    return model


def regularised():
    x = inputs = Input(IMAGE, name="image")
    x = conv("conv1", activity_regularizer="l2")(x)
    x = conv("conv2", kernel_regularizer="l1")(x)
    x = layers.ActivityRegularization(l1=0.1, name="penalty")(x)
    return keras.Model(inputs, head(x), name="regularised")


def mixed_float16():
    with dtype_policy("mixed_float16"):
        x = inputs = Input(IMAGE, name="image")
        x = feature_extractor()(x)
        x = conv("late")(x)
        x = head(x, activation=None)
        return keras.Model(inputs, layers.Activation("softmax", dtype="float32", name="softmax")(x), name="mixed")


def functional_subclass():
    x = inputs = Input(IMAGE, name="image")
    return FunctionalSubclass(inputs, head(conv("conv")(x)), name="functional_subclass")


def attention():
    x = inputs = Input((6, 4), name="signal")
    x = layers.Conv1D(4, 3, padding="same", activation="relu", name="conv")(x)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, value=x)
    x = layers.LayerNormalization(name="norm")(x * x)
    x = layers.GlobalAveragePooling1D(name="gap")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax", name="head")(x), name="attention_net")


def masked_words():
    """Integer input and a mask that travels along with the tensors."""
    x = inputs = Input((6,), dtype="int32", name="words")
    x = layers.Embedding(5, 4, mask_zero=True, name="embedding")(x)
    x, *_ = layers.LSTM(3, return_state=True, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax", name="head")(x), name="words_net")


def free_size():
    """Height and width are left open."""
    inputs = Input((None, None, 2), name="image")
    return keras.Model(inputs, head(conv("conv")(inputs)), name="free_size")


KINDS = {
    builder.__name__: builder
    for builder in (
        sequential,
        sequential_without_input,
        residual,
        sequential_in_functional,
        functional_in_sequential,
        three_levels,
        nested_not_training,
        shared_layer,
        nested_called_twice,
        two_inputs,
        dict_inputs,
        nested_dict_inputs,
        two_outputs,
        dict_outputs,
        multi_output_layer,
        operations,
        trained,
        regularised,
        mixed_float16,
        functional_subclass,
        attention,
        masked_words,
        free_size,
    )
}


def build(kind):
    """A model of `KINDS` with random weights (the trained one keeps its own)."""
    model = KINDS[kind]()
    return model if kind == "trained" else randomise(model)


def in_float32(model):
    """The float32 twin of the kind `mixed_float16`, with its weights."""
    with dtype_policy("float32"):
        inputs = Input(IMAGE)
        x = head(conv("late")(feature_extractor()(inputs)), activation=None)
        twin = keras.Model(inputs, layers.Softmax()(x))
    twin.set_weights(model.get_weights())
    return twin


def unrolled(shared):
    """The kind `shared_layer` with a layer of its own, of the same weights, for each call."""
    inputs = Input(IMAGE)
    once, twice = conv("s", filters=2), conv("t", filters=2)
    model = keras.Model(inputs, head(twice(layers.AveragePooling2D(2)(once(inputs)))))
    kernel, bias, *rest = shared.get_weights()
    model.set_weights([kernel, bias, kernel, bias, *rest])
    return model


# Explainers


# These differ from another one in a formula only; tests that trace anew for every method leave them out to save time.
ALIKE = {
    "deconvnet",
    "eigen_grad_cam",
    "gradient_x_input",
    "grad_cam_plus_plus",
    "hires_cam",
    "layer_cam",
    "sensitivity",
    "smooth_grad_squared",
    "xgrad_cam",
}
FEW = {"n_samples": 3, "steps": 3, "n_masks": 6}
# What else a method needs to be cheap on inputs as small as these, and still say something.
QUICK = {
    "kernel_shap": {"segmentation": 2, "n_samples": None},
    "lime": {"segmentation": 2, "n_samples": 12},
    "occlusion": {"window": 3, "stride": 2},
    "rise": {"n_masks": 16, "grid": 3},
}


def quick_options(method, model):
    """Options that make an explainer of the registry cheap and its maps signed, and the ones it cannot do without.

    A subclassed model, which does not tell its inputs, is taken to read images.
    """
    names = explainers.get(method).option_names()
    options = {name: value for name, value in {**FEW, "relu": False}.items() if name in names}
    options.update(QUICK.get(method, {}))
    if "background" in names:
        tells = hasattr(model, "inputs")
        options["background"] = inputs_for(model, samples=5, seed=9) if tells else normals(5, seed=9)
    return options


def quick(method, model, **options):
    """An explainer of the registry with `quick_options`."""
    return explainers.get(method)(model, **{**quick_options(method, model), **options})
