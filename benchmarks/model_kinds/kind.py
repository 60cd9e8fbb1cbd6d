"""A kind of model: the model, its inputs, and the same net as a function of layer calls, which knows no kerasxai."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.model_kinds.walk import Walk

IMAGE = (8, 10, 2)
SIGNAL = (12, 2)
VOLUME = (4, 6, 4, 2)
CLASSES = (0, 2, 1)

LINKS = {
    "softmax": tf.nn.softmax,
    "sigmoid": tf.nn.sigmoid,
    "log_softmax": tf.nn.log_softmax,
    "linear": tf.identity,
}


@dataclasses.dataclass
class Kind:
    """A model and what the truths need of it.

    Attributes:
        model: What kerasxai is given.
        net: `(inputs, walk) -> logits`, the same net; what the model does after the logits is `link`.
        x: List of arrays, one for each input.
        link: What makes the model's outputs of the logits.
        classes: The class explained of each sample.
        target: `target=` of kerasxai, None where it is `classes`.
        pack: How the model takes the list `x`.
        unpack: What lists a result that comes packed like the inputs.
        streams: Place of each of `x` among the model's inputs, which numbers its noise; None: in order.
        output: Which of the model's outputs is explained, a function of what it returns.
        value: None, or the function of the outputs that is explained in the place of a class.
        classifies: Whether linear outputs are logits, whose probability is their softmax.
        log_p: Whether `score="logit"` means log p, since the logits are out of reach.
        layer: Path of the layer CAMs read, None for the default.
        place: None, or a function: maps at the layer's size -> maps at the input's.
        tolerance: Largest error, as a share of the largest value, that is still right.
        tolerances: Dict method -> another one.
        twins: Names of the twins the net has: "lrp", "rescale", "full_grad", "guided", "sise".
        inputs_of_layer: Index of the input whose positions the layer's maps have.
    """

    model: Any
    net: Callable
    x: list
    link: str = "softmax"
    classes: Any = CLASSES
    target: Any = None
    pack: Callable | None = None
    unpack: Callable = keras.tree.flatten
    streams: tuple | None = None
    output: Callable = lambda outputs: outputs
    value: Callable | None = None
    classifies: bool = False
    log_p: bool = False
    layer: str | None = None
    place: Callable | None = None
    tolerance: float = 2e-3
    tolerances: dict = dataclasses.field(default_factory=dict)
    twins: tuple = ("lrp", "rescale", "full_grad", "guided", "sise")
    input_of_layer: int = 0
    name: str = ""

    def __post_init__(self):
        self.streams = self.streams or tuple(range(len(self.x)))
        if self.target is None and self.value is None:
            self.target = list(self.classes)

    @property
    def given(self):
        """The inputs as the user gives them."""
        return self.pack(self.x) if self.pack else self.x[0]

    def tensors(self, dtype=None):
        return [tf.constant(x if dtype is None else x.astype(dtype)) for x in self.x]

    def outputs(self, inputs):
        """What the model itself returns: the output that is explained, in float."""
        given = self.pack(inputs) if self.pack else inputs[0]
        outputs = self.model(given) if not isinstance(self.model, keras.Layer) else self.model(given, training=False)
        return as_float(tf.convert_to_tensor(self.output(outputs)))

    def logits(self, inputs, walk=None):
        return as_float(self.net(inputs, walk or Walk()))

    def logit(self, inputs, walk=None):
        """The score called "logit", of each sample `(batch,)`; the samples may stand several times."""
        logits = self.logits(inputs, walk)
        if self.value is not None:
            return self.value(LINKS[self.link](logits))
        if self.log_p:
            return tf.math.log(self._chosen(LINKS[self.link](logits)))
        if self.link == "sigmoid" and logits.shape[-1] == 1:
            sign = 2.0 * np.resize(self.classes, len(logits)) - 1.0
            return tf.cast(sign, logits.dtype) * logits[:, 0]
        return self._chosen(logits)

    def probability(self, inputs):
        """The score called "probability", of the model itself."""
        outputs = self.outputs(inputs)
        if self.value is not None:
            return self.value(outputs)
        if self.classifies:
            outputs = tf.nn.softmax(outputs)
        if self.link == "sigmoid" and outputs.shape[-1] == 1:
            return tf.where(np.resize(self.classes, len(outputs)) == 1, outputs[:, 0], 1 - outputs[:, 0])
        return self._chosen(outputs)

    def score(self, kind):
        """The function inputs -> scores of a score's name."""
        return self.logit if kind == "logit" else self.probability

    def check(self):
        """Refuses a net that is not the model."""
        mine, its = LINKS[self.link](self.logits(self.tensors())), self.outputs(self.tensors())
        np.testing.assert_allclose(mine, its, rtol=0, atol=max(self.tolerance, 1e-5) * np.abs(its).max())
        spread = np.ptp(its.numpy(), axis=0).max() / np.abs(its).max()
        assert spread > 1e-3, f"{self.name}: the outputs do not depend on the input"

    def _chosen(self, values):
        values = values[:, tf.newaxis] if values.shape.rank == 1 else values
        return tf.gather(values, np.resize(self.classes, len(values)), batch_dims=1)


KINDS = {}


def kind(build):
    """Registers a function that makes a `Kind`, by its name; the first line of its docstring is the row's title."""
    KINDS[build.__name__] = build
    return build


def built(name):
    """The kind of a name, with its net checked against its model."""
    keras.utils.set_random_seed(1)
    made = KINDS[name]()
    made.name = name
    made.check()
    return made


def as_float(tensor):
    return tensor if tensor.dtype == tf.float64 else tf.cast(tensor, tf.float32)


def randomised(model, seed=0):
    """Gives every weight of a model or layer a random value, those of normalisations as after training."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        shape = weight.shape
        if "seed" in weight.path or weight.name == "count":
            continue
        if "variance" in weight.name or weight.name == "gamma":
            value = draw.uniform(0.5, 2.0, shape)
        elif weight.name in ("bias", "beta", "moving_mean", "mean"):
            value = draw.normal(0.0, 0.2, shape)
        else:
            value = draw.normal(0.0, np.sqrt(2.0 / max(1, np.prod(shape[:-1]))), shape)
        weight.assign(value.astype(weight.dtype))
    return model


@contextlib.contextmanager
def dtype_policy(name):
    """Layers made inside have another dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def data(shape, samples=3, seed=0, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, (samples, *shape)).astype("float32")


def conv(filters, size=3, rank=2, **options):
    layer = getattr(layers, f"Conv{rank}D")
    return layer(filters, size, **{"padding": "same", "activation": "relu", **options})


def pool(rank=2, size=2):
    return getattr(layers, f"AveragePooling{rank}D")(size)


def gap(rank=2):
    return getattr(layers, f"GlobalAveragePooling{rank}D")()


def dense(units=3, activation="softmax", **options):
    return layers.Dense(units, activation=activation, **options)


def chain(steps, shape=IMAGE, model=None, x=None, **options):
    """The kind of a chain of layers, the last of which makes the logits; by default a Sequential model."""
    if model is None:
        model = keras.Sequential([keras.Input(shape), *steps])
    randomised(model)
    return Kind(model, chain_net(steps), [data(shape) if x is None else x], **options)


def chain_net(steps):
    """The function of a chain of layers, the last of which is the head."""
    return lambda inputs, walk: walk.head(steps[-1], walk.chain(steps[:-1], inputs[0]))
