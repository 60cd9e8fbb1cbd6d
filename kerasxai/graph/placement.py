"""How the maps of a layer are put on an input of the model."""

import functools

import numpy as np
import tensorflow as tf

from kerasxai import spatial
from kerasxai.graph.axes import Axis
from kerasxai.graph.moves import is_builtin
from kerasxai.graph.positions import Positions, may_move
from kerasxai.graph.probe import check_places


class Placement:
    """How the maps of a layer are put on an input.

    Attributes:
        seen: Which positions of the input the layer can see at all, a float array of its size; None: every one.

    Args:
        size: Spatial size of the input.
        place: A `Place`; None: the maps are stretched over the input.
    """

    def __init__(self, size, place=None):
        self._size = tuple(size)
        self._place = None if place is not None and _is_stretch(place, self._size) else place
        self.seen = None
        if self._place is not None:
            along = [_seen(axis, self._size[axis.source]) for axis in self._sorted_axes()]
            seen = np.prod(np.meshgrid(*along, indexing="ij"), axis=0)
            self.seen = None if seen.all() else seen.astype(np.float32)

    def __eq__(self, other):
        return self._relative() == other._relative()

    def takes(self, maps):
        """Whether maps `(batch, *spatial)` have the axes of this placement."""
        if self._place is None:
            return maps.shape.rank == len(self._size) + 1
        sizes = maps.shape[1:]
        whole = len(self._sorted_axes()) == len(self._size) and len(sizes) == len(self._place.axes)
        return whole and all(axis is not None or size == 1 for axis, size in zip(self._place.axes, sizes))

    def axes(self, shape):
        """The `Axis` of each axis of maps of this spatial shape, None where it is none of the input's."""
        if self._place is not None:
            return self._place.axes if len(self._place.axes) == len(shape) else ()
        if len(shape) != len(self._size):
            return ()
        lengths = zip(self._size, shape)
        return [Axis.of_input(source, length).stretched(own) for source, (length, own) in enumerate(lengths)]

    def put(self, maps):
        """Maps `(batch, *spatial)` of the layer on the input, `(batch, *size)`; 0 where the layer sees nothing."""
        return self.hide(self._spread(maps))

    def masks(self, maps):
        """As `put`, each map scaled to 0 ... 1 over what the layer sees."""
        return self.scaled(self._spread(maps))

    def _spread(self, maps):
        if self._place is None:
            return spatial.resize(maps, self._size)
        added = [place for place, axis in enumerate(self._place.axes, start=1) if axis is None]
        maps = tf.squeeze(maps, added) if added else maps
        own = [axis for axis in self._place.axes if axis is not None]
        order = [0, *(1 + own.index(axis) for axis in self._sorted_axes() if axis in own)]
        maps = tf.transpose(maps, order)
        for place, axis in enumerate(self._sorted_axes(), start=1):
            if axis not in own:
                maps = tf.expand_dims(maps, place)
            maps = spatial.resample(maps, place, _matrix(axis, maps.shape[place], self._size[axis.source]))
        return maps

    def hide(self, maps):
        """Maps of the input's size with 0 where the layer sees nothing."""
        return maps if self.seen is None else maps * tf.constant(self.seen, maps.dtype)

    def scaled(self, maps):
        """Maps of the input's size scaled to 0 ... 1 each over what the layer sees, 0 elsewhere."""
        if self.seen is None or not self.seen.any():
            return self.hide(spatial.min_max(maps))
        axes = list(range(1, maps.shape.rank))
        # What the layer does not see must not set the range.
        lowest = tf.reduce_min(tf.where(self.seen > 0, maps, maps.dtype.max), axis=axes, keepdims=True)
        return self.hide(spatial.min_max(tf.where(self.seen > 0, maps, lowest)))

    def _sorted_axes(self):
        axes = [axis for axis in (*self._place.axes, *self._place.spare) if axis is not None]
        return sorted(axes, key=lambda axis: axis.source)

    def _relative(self):
        """What two inputs of different sizes have in common where the maps lie on both alike."""
        if self._place is None:
            return None
        shares = []
        for axis in self._sorted_axes():
            length = self._size[axis.source]
            shares.append((axis.source, axis.start / length, axis.stop / length, axis.low / length, axis.high / length))
        return shares


def placement(graph, node, inputs, index):
    """How the maps of a layer are put on one of the inputs that it depends on.

    Args:
        graph: The view of the model. An opaque one shows nothing of its moves: maps are stretched, if gradients bear
            that out, as they must behind a layer of the user's (see `probe`).
        node: A `Node`, or what names a layer.
        inputs: Flat list of the model's input tensors.
        index: Index of the input.

    Returns:
        A `Placement`.

    Raises:
        ValueError: What lies between cannot be undone.
    """
    return placements(graph, [node], inputs, index)[0]


def placements(graph, nodes, inputs, index):
    """The `placement` of several layers, of which the model is followed only once."""
    size = spatial.spatial_size(inputs[index])
    if not graph.has_graph:
        for node in nodes:
            activations_of = functools.partial(_captured, graph, node)
            check_places(activations_of, inputs, index, Placement(size).axes, node)
        return [Placement(size) for _ in nodes]
    nodes = [graph.node(node) for node in nodes]
    way = set(nodes).union(*(graph.ancestors(node) for node in nodes))
    if not any(may_move(node) or not is_builtin(node.operation) for node in way):
        return [Placement(size) for _ in nodes]
    positions = Positions(graph, index, inputs, way)
    placed = [Placement(size, positions.place(node)) for node in nodes]
    for node, of_node in zip(nodes, placed):
        if any(not is_builtin(before.operation) for before in (node, *graph.ancestors(node))):
            activations_of = functools.partial(_evaluated, graph, node)
            check_places(activations_of, inputs, index, of_node.axes, node.path)
    return placed


def _captured(graph, path, inputs):
    return graph.run(inputs, [path])[1][0]


def _evaluated(graph, node, inputs):
    return graph.evaluate([node.outputs[0]])(inputs)[0]


def _is_stretch(place, size):
    if place.spare or [axis and axis.source for axis in place.axes] != list(range(len(size))):
        return False
    return all(axis.covers(length) for axis, length in zip(place.axes, size))


def _seen(axis, size):
    """Which pixels of the input's axis lie in the part that was not cropped away."""
    centres = np.arange(size) + 0.5
    return (centres >= float(axis.low)) & (centres <= float(axis.high))


def _matrix(axis, length, size):
    """Matrix `(size, length)` that puts units on the pixels of the input's axis."""
    if axis.covers(size):
        return spatial.interpolation(length, size)
    return spatial.interpolation(length, size, float(axis.start), float(axis.stop))
