"""Where tensors lie on the input: against gradients of nets with constant kernels, and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import kerasxai
from kerasxai.graph import ModelGraph
from kerasxai.graph.placement import Placement, placement
from kerasxai.graph.positions import Positions


def chain(shape, *steps):
    """A model of layers or functions, one after the other."""
    x = inputs = keras.Input(shape)
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


def constant(model):
    """The model with every kernel made of ones, so that a unit's gradient shows its receptive field."""
    for weight in model.weights:
        weight.assign(tf.ones_like(weight))
    return model


def axes_of(model, index=0):
    graph = ModelGraph(model)
    place = Positions(graph, index).place(graph.output_node())
    return None if place is None else place.axes


def field_centres(model, axis, units):
    """Centre of mass of |d unit / d input| along one axis of the input, in pixels, for units along the same axis."""
    shape = model.input_shape[1:]
    x = tf.Variable(np.ones((1, *shape), "float32"))
    with tf.GradientTape(persistent=True) as tape:
        out = model(x, training=False)
        middle = [size // 2 for size in out.shape[1:-1]]
        targets = []
        for unit in units:
            place = list(middle)
            place[axis] = unit
            targets.append(tf.reduce_sum(out[(0, *place)]))
    centres = []
    for target in targets:
        mass = np.abs(tape.gradient(target, x).numpy())[0]
        along = mass.sum(axis=tuple(other for other in range(mass.ndim) if other != axis))
        centres.append((along * (np.arange(len(along)) + 0.5)).sum() / along.sum())
    return np.array(centres)


CHAINS = {
    "valid and strided": [layers.Conv2D(2, 5, strides=2), layers.Conv2D(2, 3), layers.AveragePooling2D(3, 2)],
    "same": [layers.Conv2D(2, 3, strides=2, padding="same"), layers.Conv2D(2, 5, strides=3, padding="same")],
    "dilated": [layers.Conv2D(2, 3, dilation_rate=3), layers.Conv2D(2, 3, dilation_rate=2, padding="same")],
    "padded": [layers.ZeroPadding2D(((3, 1), (2, 4))), layers.Conv2D(2, 7, strides=2), layers.Conv2D(2, 1, strides=2)],
    "cropped": [layers.Conv2D(2, 3, strides=2), layers.Cropping2D(((5, 2), (1, 7))), layers.SeparableConv2D(2, 3)],
    "sliced": [layers.Conv2D(2, 3), lambda x: x[:, 3:-2:3, 40:4:-2], layers.Conv2D(2, 3)],
    "depthwise, same pool": [layers.DepthwiseConv2D(3, strides=2), layers.AveragePooling2D(2, padding="same")],
    "transposed": [layers.Conv2D(2, 3, strides=2), layers.Conv2DTranspose(2, 3), layers.Conv2D(2, 2)],
    "operations": [lambda x: ops.average_pool(x, 3, 2), lambda x: ops.conv(x, np.ones((3, 5, 1, 2), "float32"), 2)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_receptive_fields_are_where_the_gradient_is(name):
    model = constant(chain((60, 56, 1), *CHAINS[name]))
    for place, axis in enumerate(axes_of(model)):
        middle = axis.length // 2
        units = range(middle - 1, middle + 2)  # whose windows touch no border
        wanted = [float(axis.first + unit * axis.stride) for unit in units]
        np.testing.assert_allclose(field_centres(model, place, units), wanted, atol=1e-3)


@pytest.mark.parametrize("layer", [layers.Conv2DTranspose(2, 4, strides=2, padding="same"), layers.UpSampling2D(2)])
def test_receptive_fields_of_finer_units_are_right_in_the_mean(layer):
    """A finer unit sees whole units of the coarser tensor."""
    model = constant(chain((40, 44, 1), layers.Conv2D(2, 3, strides=2, padding="same"), layer, layers.Conv2D(1, 1)))
    for place, axis in enumerate(axes_of(model)):
        units = range(16, 20)
        wanted = np.mean([float(axis.first + unit * axis.stride) for unit in units])
        assert abs(field_centres(model, place, units).mean() - wanted) < 1e-3


def test_causal_convolutions():
    model = constant(chain((40, 1), layers.Conv1D(2, 3, dilation_rate=4, padding="causal"), layers.Conv1D(2, 3, 2)))
    (axis,) = axes_of(model)
    wanted = [float(axis.first + unit * axis.stride) for unit in (8, 9)]
    np.testing.assert_allclose(field_centres(model, 0, (8, 9)), wanted, atol=1e-4)


# Padding that belongs to a window ------------------------------------------------------------------------------------


def pad(amount):
    return layers.ZeroPadding2D(amount)


def heads(x):
    """Attention of two heads, of operations; without a skip connection."""
    query, key, value = (ops.transpose(layers.Reshape((56, 2, 2))(layers.Dense(4)(x)), (0, 2, 1, 3)) for _ in range(3))
    weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))))
    return layers.Reshape((56, 4))(ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3)))


ORDINARY = {
    "resnet": [
        pad(3),
        layers.Conv2D(2, 7, strides=2),
        pad(1),
        layers.MaxPooling2D(3, 2),
        layers.Conv2D(2, 1, strides=2),
    ],
    "mobilenet": [layers.Conv2D(2, 3), pad(((0, 1), (0, 1))), layers.DepthwiseConv2D(3, strides=2)],
    "dilated": [pad(8), layers.Conv2D(2, 3, dilation_rate=8)],
    "pad once": [pad(4), *(layers.Conv2D(2, 3) for _ in range(4))],
    "pad, norm, relu": [pad(1), layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(2, 3)],
    "reflect": [lambda x: ops.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"), layers.Conv2D(2, 5)],
    "valid": [layers.Conv2D(2, 7, strides=3), layers.MaxPooling2D(2)],
    "upsampled": [layers.MaxPooling2D(2), layers.UpSampling2D(2), layers.Conv2DTranspose(1, 3)],
    "resized": [layers.Resizing(11, 13), layers.Conv2D(2, 3)],
    "wrapped": [pad(1), layers.SpectralNormalization(layers.Conv2D(2, 3))],
    "there and back": [layers.Permute((2, 1, 3)), layers.Conv2D(2, 3), layers.Permute((2, 1, 3))],
    "tokens": [layers.Conv2D(4, 4, strides=4), layers.Reshape((-1, 4)), layers.Dense(6), layers.Reshape((8, 7, 6))],
    "squeeze": [
        lambda x: layers.Multiply()([x, layers.Reshape((1, 1, 1))(layers.GlobalAveragePooling2D()(x))]),
        layers.Conv2D(2, 3),
    ],
    "mixed positions": [
        layers.Conv2D(4, 4, strides=4),
        layers.Reshape((-1, 4)),
        lambda x: x + layers.Permute((2, 1))(layers.Dense(56)(layers.Permute((2, 1))(x))),
        layers.Reshape((8, 7, 4)),
    ],
    "attention": [
        layers.Conv2D(4, 4, strides=4),
        layers.Reshape((56, 4)),
        lambda x: heads(x),
        layers.Reshape((8, 7, 4)),
    ],
    "attention layer": [
        layers.Conv2D(4, 4, strides=4),
        layers.Reshape((56, 4)),
        lambda x: layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 2)(x, x)),
        layers.Reshape((8, 7, 4)),
    ],
    "einsum": [lambda x: ops.einsum("bhwc,cd->bhwd", x, np.ones((1, 3), "float32")), layers.Conv2D(1, 1)],
    "doubled and halved": [lambda x: ops.repeat(x, 2, 1), layers.MaxPooling2D((2, 1))],
    "decoder": [layers.Flatten(), layers.Dense(24), layers.Reshape((4, 3, 2)), layers.UpSampling2D(2)],
}


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_net_is_stretched(name):
    model = chain((32, 28, 1), *ORDINARY[name])
    axes = axes_of(model)
    if axes is not None:
        assert [(axis.source, axis.start, axis.stop) for axis in axes] == [(0, 0, 32), (1, 0, 28)]
    assert placement(ModelGraph(model), model.layers[-1], [tf.zeros((1, 32, 28, 1))], 0) == Placement((32, 28))


def test_shifted_branch_beside_a_straight_one():
    """NASNet halves a map twice, at the even and at the odd positions, and joins both."""
    inputs = keras.Input((32, 28, 1))
    even = layers.AveragePooling2D(1, 2)(inputs)
    odd = layers.AveragePooling2D(1, 2)(layers.Cropping2D(((1, 0), (1, 0)))(pad(((0, 1), (0, 1)))(inputs)))
    axes = axes_of(keras.Model(inputs, layers.Concatenate()([even, odd])))
    assert [(axis.start, axis.stop) for axis in axes] == [(0, 32), (0, 28)]


def test_padding_beyond_what_windows_take_up_is_cut_off():
    rows, columns = axes_of(chain((32, 28, 1), pad(((6, 5), (0, 4))), layers.Conv2D(2, 5)))
    assert (rows.start, rows.stop) == (-4, 35)  # a window of 5 takes up 2 at either end
    assert (columns.start, columns.stop) == (0, 28)  # or all 4 at one, as causal padding


# Moves -------------------------------------------------------------------------------------------------------------

# A move and where its first and last unit stand on an input of (12, 20): (source, first pixel, last pixel) per axis.
MOVES = {
    "crop": (layers.Cropping2D(((1, 2), (3, 4))), (0, 1, 9), (1, 3, 15)),
    "centre": (layers.CenterCrop(6, 9), (0, 3, 8), (1, 5, 13)),
    "pad": (layers.ZeroPadding2D(((1, 2), (3, 4))), (0, -1, 13), (1, -3, 23)),
    "permute": (layers.Permute((2, 1, 3)), (1, 0, 19), (0, 0, 11)),
    "slice": (lambda x: x[:, 2:9, 5:], (0, 2, 8), (1, 5, 19)),
    "stride": (lambda x: x[:, 1::3, ::4], (0, 1, 10), (1, 0, 16)),
    "backwards": (lambda x: x[:, ::-1, 15:3:-3], (0, 11, 0), (1, 15, 6)),
    "flip": (lambda x: ops.flip(x, 2), (0, 0, 11), (1, 19, 0)),
    "transpose": (lambda x: ops.transpose(x, (0, 2, 1, 3)), (1, 0, 19), (0, 0, 11)),
    "einsum": (lambda x: ops.einsum("bhwc,cd->bwhd", x, np.ones((1, 3), "float32")), (1, 0, 19), (0, 0, 11)),
    "turn": (lambda x: ops.rot90(x, axes=(1, 2)), (1, 19, 0), (0, 0, 11)),
    "reflect": (lambda x: ops.pad(x, ((0, 0), (3, 3), (0, 2), (0, 0)), "reflect"), (0, -3, 14), (1, 0, 21)),
    "edge": (lambda x: ops.pad(x, ((0, 0), (3, 3), (0, 2), (0, 0)), "symmetric"), (0, -3, 14), (1, 0, 21)),
    "first half": (lambda x: ops.split(x, 2, axis=2)[0], (0, 0, 11), (1, 0, 9)),
    "second half": (lambda x: layers.ReLU()(ops.split(x, 2, axis=2)[1]), (0, 0, 11), (1, 10, 19)),
    "taken": (lambda x: ops.take(x, np.arange(3, 9), axis=1), (0, 3, 8), (1, 0, 19)),
    "side by side": (lambda x: layers.Concatenate(1)([x[:, :5], x[:, 5:9]]), (0, 0, 8), (1, 0, 19)),
    "flattened": (lambda x: layers.Reshape((12, 20, 1))(layers.Flatten()(x))[:, 2:], (0, 2, 11), (1, 0, 19)),
    "rolled back": (lambda x: ops.roll(layers.ReLU()(ops.roll(x, 5, 1)), -5, 1)[:, 2:], (0, 2, 11), (1, 0, 19)),
    "through channels": (
        lambda x: layers.Permute((3, 2, 1))(layers.Permute((3, 2, 1))(x))[:, 2:],
        (0, 2, 11),
        (1, 0, 19),
    ),
    "user's crop": (layers.Lambda(lambda x: x[:, 4:, :9] / 127.5 - 1), (0, 4, 11), (1, 0, 8)),
    "pixels": (lambda x: x[:, 5:6, 7:8], (0, 5, 5), (1, 7, 7)),
    "cut to an aspect": (layers.Resizing(12, 12, crop_to_aspect_ratio=True), (0, 0, 11), (1, 4, 15)),
    "filled to an aspect": (layers.Resizing(20, 20, pad_to_aspect_ratio=True), (0, -4, 15), (1, 0, 19)),
    "every step": (layers.TimeDistributed(layers.Cropping1D((2, 3))), (0, 0, 11), (1, 2, 16)),
    "random layers at rest": (
        lambda x: layers.RandomFlip()(layers.RandomTranslation(0.2, 0.2)(layers.RandomRotation(0.2)(x)))[:, 2:],
        (0, 2, 11),
        (1, 0, 19),
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name):
    move, *wanted = MOVES[name]
    found = []
    for axis in axes_of(chain((12, 20, 1), move)):
        half = axis.unit / 2
        ends = (axis.source, float(axis.start + half - 0.5), float(axis.stop - half - 0.5))
        assert ends[1:] == (float(axis.first - 0.5), float(axis.last - 0.5))  # and their receptive fields
        found.append(ends)
    assert found == [tuple(map(float, one)) for one in wanted]


def test_what_is_cropped_away_stays_unseen_when_it_is_padded_again():
    rows, columns = axes_of(chain((12, 20, 1), layers.Cropping2D(3), layers.ZeroPadding2D(3), layers.Conv2D(1, 1)))
    assert (rows.start, rows.stop, rows.low, rows.high) == (0, 12, 3, 9)
    assert (columns.low, columns.high) == (3, 17)


def test_units_that_are_larger_than_pixels():
    """One of four units of 8 pixels is cropped away at the top, two of five of 4 pixels are added on the left."""
    steps = [layers.Conv2D(2, (8, 4), strides=(8, 4)), layers.Cropping2D(((1, 0), (0, 0))), pad(((0, 0), (2, 0)))]
    rows, columns = axes_of(chain((32, 20, 1), *steps, layers.Conv2D(2, 1)))
    assert (rows.start, rows.stop, rows.low) == (8, 32, 8)
    assert (columns.start, columns.stop, columns.low) == (-8, 20, 0)


def test_one_axis_more_or_less():
    (axis,) = axes_of(chain((20, 1, 2), layers.Reshape((20, 2)), layers.Cropping1D(2)))
    assert (axis.source, axis.start, axis.stop) == (0, 2, 18)
    axis, added = axes_of(chain((20, 2), lambda x: ops.expand_dims(x, 2), layers.Conv2D(3, (3, 1), padding="same")))
    assert (axis.source, axis.start, axis.stop, added) == (0, 0, 20, None)


def test_valid_u_net():
    """Skips are cropped to what unpadded convolutions leave: what they show counts, not what comes from below."""
    inputs = keras.Input((60, 60, 1))
    skip = layers.Conv2D(2, 3)(layers.Conv2D(2, 3)(inputs))  # 56
    low = layers.Conv2D(2, 3)(layers.Conv2D(2, 3)(layers.MaxPooling2D(2)(skip)))  # 24
    up = layers.Conv2DTranspose(2, 2, strides=2)(low)  # 48
    joined = layers.Concatenate()([layers.Cropping2D(4)(skip), up])
    for axis in axes_of(keras.Model(inputs, layers.Conv2D(2, 3)(joined))):  # 46
        assert axis.length == 46 and (axis.first, axis.stride) == (7.5, 1)  # 2 + 4 cropped + 1, by hand
        shown = [axis.start + axis.unit * (unit + 0.5) for unit in (0, 45)]
        assert max(abs(shown[0] - axis.first), abs(shown[1] - axis.last)) < 3  # 7 if it were stretched


def test_padded_u_net_of_an_odd_size():
    inputs = keras.Input((75, 75, 1))
    low = layers.MaxPooling2D(2, padding="same")(inputs)  # 38
    up = layers.Cropping2D(((0, 1), (0, 1)))(layers.UpSampling2D(2)(low))
    for axis in axes_of(keras.Model(inputs, layers.Conv2D(2, 3, padding="same")(layers.Add()([up, inputs])))):
        assert (axis.start, axis.stop) == (0, 75)


class Crop(layers.Cropping2D):
    """Crops other amounts than its parent would."""

    def call(self, x):
        return x[:, 2:, :-1]

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] - 2, shape[2] - 1, shape[3])


class Tint(layers.Layer):
    """A layer with a weight that keeps positions."""

    def build(self, shape):
        self.tint = self.add_weight(shape=(shape[-1],), name="tint")

    def call(self, x):
        return x * self.tint


def test_layers_of_ones_own():
    """Without weights they are run on positions; with weights they keep positions, or are stretched."""
    rows, columns = axes_of(chain((12, 20, 1), Crop(5), Tint()))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (2, 12, 0, 19)
    rows, columns = axes_of(chain((12, 20, 1), layers.Lambda(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"))))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 12, 0, 20)


def test_nested_models():
    """Moves inside and outside of a nested model."""
    inner = chain((10, 16, 1), layers.Conv2D(2, 3, padding="same"), layers.Cropping2D(((2, 0), (0, 3))))
    rows, columns = axes_of(chain((12, 20, 1), layers.Cropping2D(((1, 1), (3, 1))), inner, layers.Conv2D(1, 1)))
    assert (rows.start, rows.stop, columns.start, columns.stop) == (3, 11, 3, 16)


LOST = {
    "roll": (lambda x: ops.roll(x, 5, 1), "Roll"),
    "turned into channels": (layers.Permute((3, 1, 2)), "Permute"),
    "another shape": (layers.Reshape((6, 40, 1)), "Reshape"),
    "repeated": (lambda x: ops.tile(x, (1, 2, 1, 1)), "Tile"),
    "mirrored beside itself": (lambda x: layers.Concatenate(2)([x, ops.flip(x, 2)]), "Concatenate"),
    "mirrored on itself": (lambda x: layers.Add()([x, ops.flip(x, 2)]), "Add"),
    "other crops": (lambda x: layers.Add()([x[:, :5], x[:, 7:]]), "Add"),
    "warped": (lambda x: ops.image.affine_transform(x, np.float32([[1, 0, 2, 0, 1, 0, 0, 0]])), "AffineTransform"),
    "beside what is made of it": (lambda x: ops.concatenate([x * 0, x], 1), "Concatenate"),
}


@pytest.mark.parametrize("name", LOST)
@pytest.mark.parametrize("later", [False, True])
def test_what_cannot_be_undone_is_refused(name, later):
    move, kind = LOST[name]
    model = chain((12, 20, 1), move, *[layers.Conv2D(2, 1)] * later)
    with pytest.raises(ValueError, match=rf"cannot be put back on the input.*\({kind}\)"):
        axes_of(model)


def test_what_is_no_tensor_of_the_input_has_no_place():
    left, right = keras.Input((12, 20, 1)), keras.Input((12, 20, 1))
    model = keras.Model([left, right], layers.Add()([layers.Conv2D(1, 3)(left), layers.Cropping2D(1)(right)]))
    for index, wanted in ((0, (0, 12)), (1, (1, 11))):
        rows, _ = axes_of(model, index)
        assert (rows.start, rows.stop) == wanted


class Halving(layers.Layer):
    """Pools by two, without the attributes that Keras' own layers have."""

    def call(self, x):
        return ops.max_pool(x, 2)


def test_a_layer_registered_as_pooling_must_tell_its_window():
    kerasxai.register_operation(Halving, "maximum", positions="pool")
    model = chain((8, 8, 2), layers.Conv2D(3, 3), Halving())
    with pytest.raises(ValueError, match=r"positions='pool' must have the attribute `pool_size`.*Received: Halving"):
        axes_of(model)
