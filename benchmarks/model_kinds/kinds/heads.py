"""How a model ends: softmax of every sort, sigmoid, regression, logits, log-softmax, heads of one's own."""

import keras
import tensorflow as tf
from keras import Sequential, layers, ops

from benchmarks.model_kinds.kind import IMAGE, Kind, chain, conv, data, dense, gap, kind, pool, randomised
from benchmarks.model_kinds.kinds.structures import body


@kind
def sigmoid_unit():
    """one sigmoid unit"""
    return chain([*body(), gap(), dense(1, "sigmoid")], link="sigmoid", classes=(1, 0, 1))


@kind
def multi_label():
    """sigmoids of several labels"""
    return chain([*body(), gap(), dense(3, "sigmoid")], link="sigmoid")


@kind
def regression():
    """one linear unit"""
    return chain([*body(), gap(), dense(1, None)], link="linear", classes=(0, 0, 0))


@kind
def box():
    """four quantities, explained by number"""
    return chain([*body(), gap(), dense(4, None)], link="linear")


@kind
def box_callable():
    """four quantities, a function of them"""
    area = lambda outputs: outputs[:, 0] * outputs[:, 1] + outputs[:, 2]
    return chain([*body(), gap(), dense(4, None)], link="linear", target=area, value=area, twins=("guided", "sise"))


@kind
def box_compiled():
    """four quantities, compiled with a regression loss"""
    made = chain([*body(), gap(), dense(4, None)], link="linear")
    made.model.compile("sgd", "mse")
    return made


@kind
def logits():
    """logits, the class predicted"""
    return of_logits()


@kind
def logits_compiled():
    """logits, compiled with from_logits"""
    made = of_logits()
    made.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    made.target = [int(one) for one in made.classes]
    return made


def of_logits():
    made = chain([*body(), gap(), dense(3, None)], link="linear", classifies=True, target="predicted")
    made.classes = made.outputs(made.tensors()).numpy().argmax(axis=1)
    return made


@kind
def softmax_layer():
    """Softmax, a layer of its own"""
    return ending(layers.Softmax())


@kind
def softmax_activation():
    """Activation("softmax") after a Reshape"""
    return ending(layers.Reshape((3,)), layers.Activation("softmax"))


@kind
def softmax_conv_head():
    """1x1 convolution, pooling, softmax"""
    steps = [conv(4), pool(), conv(5, name="late"), conv(3, 1, activation=None), gap()]
    made = ending(layers.Softmax(), steps=steps, twins=("lrp", "rescale", "full_grad", "guided"))
    made.layer = "late"
    return made


@kind
def softmax_wrapped():
    """softmax in SpectralNormalization(Dense)"""
    head = layers.SpectralNormalization(dense(3, "softmax"))
    return ending(head, steps=[*body(), gap()], twins=("guided",), linear=lambda x: linear_of(head.layer, x))


class Head(layers.Layer):
    """A Dense layer with its softmax, in a layer of its own."""

    def __init__(self):
        super().__init__()
        self.dense = dense(3, "softmax")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


@kind
def softmax_own_head():
    """softmax in a head of one's own"""
    head = Head()
    return ending(head, steps=[*body(), gap()], twins=("guided",), linear=lambda x: linear_of(head.dense, x))


@kind
def softmax_lambda():
    """softmax in a Lambda"""
    return ending(layers.Lambda(lambda x: ops.softmax(x)), twins=("guided",))


@kind
def softmax_op():
    """keras.ops.softmax"""
    steps = [*body(), gap(), dense(3, None)]
    x = inputs = keras.Input(IMAGE)
    for step in steps:
        x = step(x)
    return chain(steps, model=keras.Model(inputs, ops.softmax(x)))


@kind
def softmax_scaled():
    """softmax with a temperature"""
    steps = [*body(), gap(), dense(3, None), layers.Rescaling(0.5), layers.Softmax()]
    model = randomised(Sequential([keras.Input(IMAGE), *steps]))
    net = lambda inputs, walk: walk.chain(steps[:-1], inputs[0])
    return Kind(model, net, [data(IMAGE)])


@kind
def log_softmax():
    """log-softmax"""
    made = chain([*body(), gap(), dense(3, "log_softmax")], link="log_softmax", twins=("guided", "sise"))
    made.logit = lambda inputs, walk=None: made._chosen(tf.nn.log_softmax(made.logits(inputs, walk)))
    return made


class SquaredDense(layers.Dense):
    """A Dense layer whose `call` squares."""

    def call(self, inputs, training=None):
        return super().call(inputs) ** 2


@kind
def squared_dense():
    """a Dense subclass that squares"""
    return own_head(SquaredDense(3))


class CosineHead(layers.Dense):
    """A Dense layer that gives cosines."""

    def call(self, inputs, training=None):
        x = inputs / ops.norm(inputs, axis=-1, keepdims=True)
        return ops.matmul(x, self.kernel / ops.norm(self.kernel, axis=0))


@kind
def cosine_head():
    """a Dense subclass that gives cosines"""
    return own_head(CosineHead(3, use_bias=False))


def own_head(head):
    steps = [*body(), gap(), head]
    made = chain(steps, link="linear", twins=("guided",))
    made.net = lambda inputs, walk: walk.chain(steps, inputs[0])
    return made


def ending(*ends, steps=None, linear=None, **options):
    """A net whose last layers are no logits any more."""
    steps = steps or [*body(), gap(), dense(3, None)]
    model = randomised(Sequential([keras.Input(IMAGE), *steps, *ends]))

    def net(inputs, walk):
        x = walk.chain(steps, inputs[0])
        return x if linear is None else linear(x)

    return Kind(model, net, [data(IMAGE)], **options)


def linear_of(layer, x):
    return x @ tf.convert_to_tensor(layer.kernel) + tf.convert_to_tensor(layer.bias)


@kind
def channels_first():
    """channels_first"""
    steps = [conv(4, data_format="channels_first", name="late"), gap(), dense()]
    model = randomised(
        Sequential(
            [keras.Input((2, 8, 10)), steps[0], layers.GlobalAveragePooling2D(data_format="channels_first"), steps[2]]
        )
    )
    made = Kind(model, None, [data((2, 8, 10))])
    made.check = lambda: None
    return made
