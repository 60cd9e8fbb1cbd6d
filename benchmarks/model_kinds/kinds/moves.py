"""What moves positions inside a model: the map must be where its evidence is."""

import keras
import numpy as np
from keras import Sequential, layers, ops

from benchmarks.model_kinds.kind import IMAGE, SIGNAL, chain, conv, dense, gap, kind, pool
from benchmarks.model_kinds.truths.cams import resized

HEIGHT, WIDTH, _ = IMAGE


def moved(move, place, shape=IMAGE, between=(), rank=2, **options):
    """A net that moves its input before its convolutions."""
    steps = [move, conv(4, rank=rank), *between, conv(5, rank=rank, name="late"), gap(rank), dense()]
    return chain(steps, shape, place=place, **options)


def put_back(maps, size, corner):
    """Maps of a part of the input, zeros around them."""
    whole = np.zeros((len(maps), *size))
    whole[(slice(None), *(slice(at, at + n) for at, n in zip(corner, maps.shape[1:])))] = maps
    return whole


@kind
def cropping():
    """Cropping2D first"""
    return moved(layers.Cropping2D(((1, 1), (2, 3))), lambda maps: put_back(maps, (8, 10), (1, 2)))


@kind
def center_crop():
    """CenterCrop first"""
    return moved(layers.CenterCrop(4, 6), lambda maps: put_back(maps, (8, 10), (2, 2)))


@kind
def random_crop():
    """RandomCrop first, which Keras leaves out in inference"""
    return moved(layers.RandomCrop(4, 6), None)


@kind
def late_cropping():
    """Cropping2D after pooling"""
    steps = [conv(4), pool(), layers.Cropping2D(((1, 0), (0, 2))), conv(5, name="late"), gap(), dense()]
    place = lambda maps: put_back(resized(maps, (6, 6)), (8, 10), (2, 0))
    return chain(steps, place=place, twins=("lrp", "rescale", "full_grad", "guided"))


@kind
def nested_cropping():
    """a crop nested in a Sequential"""
    crop = Sequential([keras.Input(IMAGE), layers.Cropping2D(((1, 1), (2, 3)))], name="crop")
    return moved(crop, lambda maps: put_back(maps, (8, 10), (1, 2)))


@kind
def zero_padding():
    """ZeroPadding2D first"""
    return moved(layers.ZeroPadding2D(((2, 0), (3, 1))), lambda maps: maps[:, 2:10, 3:13])


@kind
def zero_padding_pooled():
    """ZeroPadding2D, then pooling"""
    return moved(
        layers.ZeroPadding2D(((2, 0), (3, 1))), lambda maps: resized(maps, (10, 14))[:, 2:10, 3:13], between=[pool()]
    )


@kind
def permute():
    """Permute first"""
    return moved(layers.Permute((2, 1, 3)), lambda maps: np.swapaxes(maps, 1, 2))


@kind
def resizing():
    """Resizing first"""
    return moved(layers.Resizing(12, 12), None)


@kind
def resizing_cropped():
    """Resizing(crop_to_aspect_ratio=True) first"""
    return moved(
        layers.Resizing(6, 6, crop_to_aspect_ratio=True), lambda maps: put_back(resized(maps, (8, 8)), (8, 10), (0, 1))
    )


@kind
def resizing_padded():
    """Resizing(pad_to_aspect_ratio=True) first"""
    return moved(layers.Resizing(10, 10, pad_to_aspect_ratio=True), lambda maps: maps[:, 1:9])


@kind
def up_sampling():
    """UpSampling2D"""
    return moved(layers.UpSampling2D(2), None)


@kind
def conv1d_cropped():
    """Cropping1D, ZeroPadding1D of a signal"""
    steps = [layers.Cropping1D((3, 1)), conv(4, rank=1), layers.ZeroPadding1D((1, 2)), conv(5, rank=1, name="late")]
    place = lambda maps: put_back(maps[:, 1:9], (12,), (3,))
    return chain([*steps, gap(1), dense()], SIGNAL, place=place, twins=("lrp", "rescale", "full_grad", "guided"))


def by_operation(move, plainly, place, shape=IMAGE):
    """A functional model whose input is moved by keras.ops."""
    steps = [conv(4), conv(5, name="late"), gap(), dense()]
    x = inputs = keras.Input(shape)
    x = move(x)
    for step in steps:
        x = step(x)
    made = chain(steps, shape, model=keras.Model(inputs, x), place=place)
    inner = made.net
    made.net = lambda given, walk: inner([plainly(given[0])], walk)
    made.twins = ("lrp", "rescale", "guided", "sise")
    return made


@kind
def sliced():
    """a slice of the image"""
    return by_operation(lambda x: x[:, 2:, 1:7], lambda x: x[:, 2:, 1:7], lambda maps: put_back(maps, (8, 10), (2, 1)))


@kind
def flipped():
    """an image turned by keras.ops.flip"""
    return by_operation(lambda x: ops.flip(x, axis=2), lambda x: x[:, :, ::-1], lambda maps: maps[:, :, ::-1])


@kind
def every_second():
    """every second row"""
    rows = lambda column: np.interp(np.arange(8), [0, 2, 4, 6], column)
    place = lambda maps: np.apply_along_axis(rows, 1, maps)
    return by_operation(lambda x: x[:, ::2], lambda x: x[:, ::2], place)


@kind
def transposed_by_ops():
    """keras.ops.transpose of the image"""
    return by_operation(
        lambda x: ops.transpose(x, (0, 2, 1, 3)),
        lambda x: np.swapaxes(x, 1, 2) if isinstance(x, np.ndarray) else ops.transpose(x, (0, 2, 1, 3)),
        lambda maps: np.swapaxes(maps, 1, 2),
    )


@kind
def rolled():
    """keras.ops.roll of the image"""
    move = lambda x: ops.roll(x, 3, axis=2)
    return by_operation(move, move, lambda maps: np.roll(maps, -3, axis=2))


@kind
def padded_by_ops():
    """keras.ops.pad of the image"""
    pads = ((0, 0), (2, 1), (0, 3), (0, 0))
    return by_operation(lambda x: ops.pad(x, pads), lambda x: ops.pad(x, pads), lambda maps: maps[:, 2:10, :10])


@kind
def space_to_depth():
    """positions reshaped"""
    move = lambda x: ops.reshape(x, (-1, 10, 8, 2))
    return by_operation(move, move, lambda maps: maps.reshape(-1, 8, 10))


@kind
def halves_stacked():
    """two halves joined along the height"""
    move = lambda x: ops.concatenate([x[:, 4:], x[:, :4]], axis=1)
    return by_operation(move, move, lambda maps: np.roll(maps, 4, axis=1))


class Turn(layers.Layer):
    """Mirrors an image."""

    def call(self, x):
        return ops.flip(x, axis=2)


@kind
def own_move():
    """an own layer that mirrors the image"""
    return moved(Turn(), lambda maps: maps[:, :, ::-1], twins=("guided", "sise"))


@kind
def patches():
    """patches as tokens (a vision transformer's stem)"""
    cut, tokens = conv(4, 2, strides=2, padding="valid", name="late"), layers.Reshape((20, 4))
    return chain([cut, tokens, conv(4, rank=1), gap(1), dense()], twins=("lrp", "rescale", "guided"))


@kind
def tokens():
    """tokens, read where they are a line"""
    made = patches()
    made.layer = made.model.layers[2].name
    made.twins = ()
    return made
