"""What a net is made of: convolutions of every sort, normalisations, activations, attention, recurrence, own layers."""

import keras
import numpy as np
import tensorflow as tf
from keras import Sequential, layers, ops

from benchmarks.model_kinds.kind import (
    IMAGE,
    SIGNAL,
    VOLUME,
    Kind,
    chain,
    conv,
    data,
    dense,
    gap,
    kind,
    pool,
    randomised,
)
from benchmarks.model_kinds.kinds.structures import NO_RESCALE, body

NO_LRP = ("rescale", "guided", "sise")
ONLY_SUM = ("guided", "sise")


@kind
def separable():
    """separable, depthwise"""
    depthwise = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)
    late = layers.SeparableConv2D(5, 3, padding="same", activation="relu", name="late")
    return chain([depthwise, layers.ReLU(), pool(), late, gap(), dense()])


@kind
def grouped():
    """grouped, dilated"""
    steps = [conv(4), conv(4, groups=2), conv(4, dilation_rate=2, name="late")]
    return chain([*steps, gap(), dense()])


@kind
def transposed():
    """transposed convolution"""
    late = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu", name="late")
    return chain([conv(4, strides=2), late, gap(), dense()])


@kind
def strided_valid():
    """strides and valid borders"""
    late = conv(5, 2, strides=2, padding="valid", name="late")
    return chain([conv(4, padding="valid"), late, layers.Flatten(), dense()])


@kind
def conv1d():
    """Conv1D"""
    steps = [conv(4, rank=1), pool(rank=1), conv(5, rank=1, padding="causal", name="late"), gap(1), dense()]
    return chain(steps, SIGNAL)


@kind
def conv3d():
    """Conv3D"""
    return chain([conv(3, rank=3), pool(rank=3), conv(4, rank=3, name="late"), gap(3), dense()], VOLUME)


@kind
def max_pooling():
    """max pooling, GlobalMaxPooling"""
    steps = [conv(4), layers.MaxPooling2D(2), conv(5, name="late"), layers.GlobalMaxPooling2D(), dense()]
    return chain(steps, twins=NO_RESCALE)


@kind
def batch_norm_first():
    """batch normalisation first, and before ReLU"""
    steps = [layers.BatchNormalization(), conv(4, activation=None), layers.BatchNormalization(), layers.ReLU()]
    return chain([*steps, pool(), conv(5, name="late"), gap(), dense()])


@kind
def batch_norm_dense():
    """batch normalisation between Dense layers"""
    head = [layers.Flatten(), layers.BatchNormalization(), dense(6, "relu"), layers.BatchNormalization(), dense()]
    return chain([conv(4), pool(), conv(5, name="late"), *head])


@kind
def layer_norm():
    """LayerNormalization, GroupNormalization"""
    steps = [conv(4, activation=None), layers.GroupNormalization(2), layers.ReLU(), pool(), conv(5, activation=None)]
    steps += [layers.LayerNormalization(), layers.Activation("relu", name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


@kind
def activations():
    """PReLU, LeakyReLU, ELU, GELU, swish"""
    steps = [conv(3, activation=None), layers.PReLU(), conv(3, activation=None), layers.LeakyReLU(), pool()]
    steps += [conv(3, activation="gelu"), conv(3, activation=None), layers.ELU()]
    return chain([*steps, conv(5, activation="swish", name="late"), gap(), dense()])


@kind
def relu6():
    """ReLU6, threshold, softplus, tanh"""
    steps = [conv(3, activation=None), layers.ReLU(max_value=0.5), conv(3, activation="relu6"), pool()]
    return chain([*steps, conv(3, activation="softplus"), conv(5, activation="tanh", name="late"), gap(), dense()])


@kind
def multi_head_attention():
    """MultiHeadAttention over tokens"""
    one, norm, head = conv(4, rank=1, name="late"), layers.LayerNormalization(), dense()
    attend = layers.MultiHeadAttention(2, 3)
    x = inputs = keras.Input(SIGNAL)
    x = one(x)
    x = norm(x + attend(x, x))
    model = randomised(keras.Model(inputs, head(gap(1)(x))))

    def net(given, walk):
        x = walk(one, given[0])
        return walk.head(head, walk(gap(1), norm(x + attend(x, x))))

    return Kind(model, net, [data(SIGNAL)], twins=("guided",), layer=one.name)


@kind
def attention():
    """Attention"""
    query, value, attend, head = conv(4, rank=1), conv(4, rank=1, name="late"), layers.Attention(), dense()
    x = inputs = keras.Input(SIGNAL)
    x = attend([query(x), value(x)])
    model = randomised(keras.Model(inputs, head(gap(1)(x))))

    def net(given, walk):
        return walk.head(head, walk(gap(1), attend([walk(query, given[0]), walk(value, given[0])])))

    return Kind(model, net, [data(SIGNAL)], twins=("guided",), layer="late")


@kind
def lstm():
    """LSTM after Conv1D"""
    return chain([conv(4, rank=1, name="late"), layers.LSTM(4), dense()], SIGNAL, twins=("guided",), layer="late")


@kind
def gru():
    """GRU over time, sequences out"""
    steps = [conv(4, rank=1, name="late"), layers.GRU(4, return_sequences=True), layers.GlobalMaxPooling1D(), dense()]
    return chain(steps, SIGNAL, twins=("guided",), layer="late")


@kind
def bidirectional():
    """Bidirectional LSTM"""
    steps = [conv(4, rank=1, name="late"), layers.Bidirectional(layers.LSTM(3)), dense()]
    return chain(steps, SIGNAL, twins=("guided",), layer="late")


@kind
def time_distributed():
    """TimeDistributed Conv2D"""
    frames = [layers.TimeDistributed(conv(3)), layers.TimeDistributed(gap())]
    steps = [*frames, conv(4, rank=1, name="late"), gap(1), dense()]
    return chain(steps, (4, 6, 5, 2), twins=("guided",), layer="late", tolerance=1e-2)


@kind
def embedding():
    """Embedding of words"""
    steps = [layers.Embedding(9, 4), conv(5, rank=1, name="late"), gap(1), dense()]
    words = np.random.default_rng(0).integers(0, 9, (3, 12)).astype("int32")
    model = Sequential([keras.Input((12,), dtype="int32"), *steps])
    return chain(steps, model=model, x=words, twins=("guided",))


@kind
def masked():
    """Masking before an LSTM"""
    mask, recurrent, last, head = layers.Masking(), layers.LSTM(4, return_sequences=True), layers.LSTM(4), dense()
    recurrent.name = "late"
    model = randomised(Sequential([keras.Input(SIGNAL), mask, recurrent, last, head]))

    def net(given, walk):
        present = tf.reduce_any(given[0] != 0, axis=-1)
        x = walk.tap(recurrent(mask(given[0]), mask=present))
        return walk.head(head, last(x, mask=present))

    x = data(SIGNAL)
    x[:, 9:] = 0
    return Kind(model, net, [x], twins=("guided",))


@kind
def spectral_norm():
    """SpectralNormalization"""
    wrapped = layers.SpectralNormalization(conv(5, name="inside"), name="late")
    return chain([conv(4), pool(), wrapped, gap(), dense()], twins=())


class WeightNormConv(layers.Layer):
    """A convolution whose kernel is a direction and a length."""

    def __init__(self, filters, **options):
        super().__init__(**options)
        self.filters = filters

    def build(self, shape):
        self.v = self.add_weight(shape=(3, 3, shape[-1], self.filters), name="v")
        self.g = self.add_weight(shape=(self.filters,), name="gamma")

    def call(self, x):
        kernel = self.g * self.v / ops.norm(ops.reshape(self.v, (-1, self.filters)), axis=0)
        return ops.conv(x, kernel, padding="same")


@kind
def weight_norm():
    """weight normalisation, an own layer"""
    steps = [conv(4), pool(), WeightNormConv(5), layers.ReLU(name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


class Squash(layers.Layer):
    """Divides every position by the length of its channels."""

    def call(self, x):
        return x / (1.0 + ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True)))


@kind
def own_layer():
    """an own layer"""
    steps = [conv(4), pool(), conv(5, activation=None), Squash(name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


class SquaredConv(layers.Conv2D):
    """A convolution whose `call` squares what Conv2D gives."""

    def call(self, x):
        return super().call(x) ** 2


@kind
def conv_subclass():
    """a Conv2D subclass with its own call"""
    late = SquaredConv(5, 3, padding="same", name="late")
    return chain([conv(4), pool(), late, gap(), dense()], twins=("sise",))


class ScaledPool(layers.GlobalAveragePooling2D):
    """Global average pooling of the squares."""

    def call(self, x):
        return super().call(x * x)


@kind
def pooling_subclass():
    """a GlobalAveragePooling2D subclass"""
    return chain([*body(), ScaledPool(), dense()], twins=("guided", "sise"))


class ShiftedBatchNorm(layers.BatchNormalization):
    """Batch normalisation, and then the square."""

    def call(self, x, training=None):
        return super().call(x, training=False) ** 2


@kind
def batch_norm_subclass():
    """a BatchNormalization subclass"""
    steps = [conv(4, activation=None), ShiftedBatchNorm(), pool(), conv(5, name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


class Cube(layers.ReLU):
    """A ReLU, cubed."""

    def call(self, x):
        return super().call(x) ** 3


@kind
def relu_subclass():
    """a ReLU subclass"""
    return chain([conv(4, activation=None), Cube(), pool(), conv(5, name="late"), gap(), dense()], twins=("sise",))


@kind
def lambda_layer():
    """Lambda"""
    steps = [conv(4), layers.Lambda(lambda x: x * x), pool(), conv(5, name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


@kind
def own_activation():
    """an activation of one's own"""
    steps = [conv(4, activation=lambda x: ops.sin(2.0 * x)), pool(), conv(5, name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


@kind
def einsum_dense():
    """EinsumDense, Dense over positions"""
    steps = [dense(4, "relu"), layers.EinsumDense("abcd,de->abce", (None, None, 5), activation="relu", bias_axes="e")]
    return chain([*steps, conv(5, name="late"), gap(), dense()], twins=("guided",))


@kind
def unit_norm():
    """UnitNormalization, LayerScale by a weight"""
    steps = [conv(4), layers.UnitNormalization(), conv(5, name="late"), gap(), dense()]
    return chain(steps, twins=("guided", "sise"))


@kind
def maximum():
    """Maximum, Minimum, Subtract, Dot"""
    one, two, late, head = conv(4), conv(4), conv(5, name="late"), dense()
    x = inputs = keras.Input(IMAGE)
    a, b = one(x), two(x)
    x = layers.Subtract()([layers.Maximum()([a, b]), layers.Minimum()([a, b])])
    model = randomised(keras.Model(inputs, head(gap()(late(x)))))

    def net(given, walk):
        a, b = walk(one, given[0]), walk(two, given[0])
        return walk.head(head, walk(gap(), walk(late, tf.maximum(a, b) - tf.minimum(a, b))))

    return Kind(model, net, [data(IMAGE)], twins=("guided",))


@kind
def product():
    """a product of two branches"""
    one, two, late, head = conv(4), conv(4), conv(5, name="late"), dense()
    x = inputs = keras.Input(IMAGE)
    model = randomised(keras.Model(inputs, head(gap()(late(layers.Multiply()([one(x), two(x)]))))))

    def net(given, walk):
        return walk.head(head, walk(gap(), walk(late, walk(one, given[0]) * walk(two, given[0]))))

    return Kind(model, net, [data(IMAGE)], twins=("guided", "full_grad"))
