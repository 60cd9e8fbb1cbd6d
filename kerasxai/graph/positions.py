"""Where tensors lie on the model's input: the path from the input to them is followed move by move.

What slides windows is stretched over what it slides on, as the field does; crops, padding, slices, flips, permutations
and resizings that keep an aspect ratio are undone; a path that cannot be undone is refused.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from kerasxai.graph.axes import Axis, Run, joined, side_by_side
from kerasxai.graph.keras_internals import run_at_once
from kerasxai.graph.linear import CONVOLUTION, LINEAR
from kerasxai.graph.moves import (
    aspect_runs,
    border_runs,
    coded_positions,
    contracts,
    decoded_positions,
    is_aspect_resizing,
    is_builtin,
    moves_beyond_undoing,
    moves_perhaps,
    moves_surely,
    windows,
)
from kerasxai.graph.operations import what_does


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a tensor lies: an `Axis` for each of its spatial axes, None for an added one of size 1.

    Attributes:
        axes: One entry per spatial axis of the tensor.
        spare: Axes of the input that the tensor has no longer, e.g. squeezed away.
    """

    axes: tuple
    spare: tuple = ()


@dataclasses.dataclass(frozen=True)
class _InFlight:
    """A tensor whose values were moved so that it has no place, e.g. flattened; a later move may give it one.

    Attributes:
        by: The last move.
        anchor: The `Place` the moves began at.
        sizes: The spatial sizes there.
        coded: What the moves made of `coded_positions`, an array `(2 + codes, *shape)`.
        shown: What `decoded_positions` reads in it.
    """

    by: object
    anchor: Place
    sizes: tuple
    coded: np.ndarray
    shown: tuple

    @property
    def positions_in_channels(self):
        """Whether the last axis holds values of different positions."""
        positions, shown = self.shown
        return bool(((positions != positions[..., :1]) & shown & shown[..., :1]).any())

    def with_channels(self, count):
        """The same positions with another number of channels."""
        if count == self.coded.shape[-1]:
            return self
        coded, *shown = (np.repeat(values[..., :1], count, axis=-1) for values in (self.coded, *self.shown))
        return dataclasses.replace(self, coded=coded, shown=tuple(shown))

    def lost(self):
        """What it is where nothing gives it a place any more."""
        return _Lost(f"{_named(self.by)} rearranges values so that they do not lie on it in order")

    def same_as(self, other):
        """Whether another tensor lies as this one does, whatever its channels."""
        first, second = self.with_channels(1), other.with_channels(1)
        return self.anchor == other.anchor and np.array_equal(first.coded, second.coded)


@dataclasses.dataclass(frozen=True)
class _Lost:
    """A tensor whose positions cannot be followed.

    Attributes:
        reason: Why.
        mixed: Whether a layer has mixed all positions, so that a path beside it says where the positions are.
    """

    reason: str
    mixed: bool = False


class Positions:
    """Where every tensor of a graph lies on one of its inputs.

    Args:
        graph: A ModelGraph.
        index: Index of the input.
        inputs: Flat list of tensors the model is run on; only for graphs whose inputs leave sizes open.
        nodes: Nodes to follow, their ancestors among them; by default all.
    """

    def __init__(self, graph, index=0, inputs=None, nodes=None):
        self._graph = graph
        self._shapes = _shapes(graph, inputs)
        tensor = graph.inputs[index]
        size = self._size(tensor)
        self._states = {tensor: Place(tuple(Axis.of_input(axis, length) for axis, length in enumerate(size)))}
        for node in graph.nodes:
            if nodes is not None and node not in nodes:
                continue
            states = [self._states.get(tensor) for tensor in node.inputs]
            if any(state is not None for state in states):
                made = self._made(node, states)
                self._states.update((tensor, state) for tensor, state in zip(node.outputs, made))

    def place(self, node):
        """The `Place` of a node's first output, None where its positions were made anew, as by a Dense layer.

        Raises:
            ValueError: The moves before it cannot be undone.
        """
        state = self._states.get(node.outputs[0])
        if isinstance(state, _InFlight):
            state = state.lost()
        if isinstance(state, _Lost):
            raise ValueError(
                f"The maps of {node.path} cannot be put back on the input: {state.reason}. Name a layer before it "
                "with `layer=`, use upsample=False for the layer's own resolution where the method has it, or use a "
                "gradient method (gradient_x_input, integrated_gradients)."
            )
        return state

    def _made(self, node, states):
        """The states of a node's outputs."""
        if not all(state is None or _is_mixed(state) for state in states):
            states = [None if _is_mixed(state) else state for state in states]
        operation, lost = node.operation, next((state for state in states if isinstance(state, _Lost)), None)
        if lost is not None:
            made = lost
        elif _spatial_concatenation(node):
            made = self._concatenated(node, states)
        elif moves_beyond_undoing(operation):
            made = _Lost(f"{_named(node)} moves positions, and there is no way back through it")
        elif moves_surely(operation) or (len(states) == 1 and moves_perhaps(operation)):
            return self._moved(node, states)
        else:
            return [self._ordinary(node, states, tensor) for tensor in node.outputs]
        return [made if self._has_positions(tensor) else None for tensor in node.outputs]

    def _moved(self, node, states):
        """Runs a move, or what may be one, on coded positions."""
        runs = border_runs(node.operation, self._size(node.inputs[0]))
        if runs is not None and isinstance(states[0], Place):
            return [_after_runs(states[0], runs, self._size(node.outputs[0]))]
        flights = [self._in_flight(node, tensor, state) for tensor, state in zip(node.inputs, states)]
        made = self._run_on_codes(node, flights, states[0]) if len(flights) == 1 else None
        if made is None and moves_surely(node.operation):
            return [_Lost(f"what {_named(node)} does with positions is not known")] * len(node.outputs)
        return made or [self._ordinary(node, states, tensor) for tensor in node.outputs]

    def _run_on_codes(self, node, flights, unmoved=None):
        """The states a move leads to, `unmoved` where it moves nothing; None where it does more than move values."""
        known = next(flight for flight in flights if flight is not None)
        coded = [
            np.zeros([len(known.coded), *self._shapes[tensor][1:]]) if flight is None else flight.coded
            for tensor, flight in zip(node.inputs, flights)
        ]
        try:
            with run_at_once():
                tensors = [tf.constant(array, tf.float32) for array in coded]
                results = [np.asarray(result) for result in self._graph.call(node, tensors)]
        except Exception:
            if is_builtin(node.operation):
                raise
            return None  # a user's layer that takes nothing but its own data
        made = []
        for result in results:
            if unmoved is not None and np.array_equal(result, known.coded):
                made.append(unmoved)
                continue
            shown = decoded_positions(result, known.sizes)
            if shown is None:
                return None
            flight = dataclasses.replace(known, by=node, coded=result, shown=shown)
            made.append(_landed(flight) or flight)
        return made

    def _in_flight(self, node, tensor, state):
        if state is None or isinstance(state, _InFlight):
            return state
        shape = tuple(self._shapes[tensor][1:])
        coded = coded_positions(shape)
        return _InFlight(node, state, shape[:-1], coded, decoded_positions(coded, shape[:-1]))

    def _resized(self, node, place):
        """Cropped or padded to an aspect ratio, and then resized."""
        runs, lengths = aspect_runs(node.operation, self._size(node.inputs[0]))
        return _under(_after_runs(place, runs, lengths), None, self._size(node.outputs[0]))

    def _concatenated(self, node, states):
        """Parts put one after the other along a spatial axis."""
        tracked = [state for state in states if state is not None]
        apart = _Lost(f"{_named(node)} puts parts in a row that do not lie side by side on the input")
        if any(isinstance(state, _InFlight) for state in tracked):
            together = all(isinstance(state, _InFlight) and state.anchor == tracked[0].anchor for state in tracked)
            made = self._run_on_codes(node, states) if together else None
            return made[0] if made else apart
        along = node.operation.axis % len(node.shape) - 1
        parts = [
            self._size(tensor)[along] if state is None else state.axes[along]
            for tensor, state in zip(node.inputs, states)
        ]
        axes = None if None in parts else _joined_axes([_without(state, along) for state in tracked])
        axis = None if axes is None else side_by_side(parts)
        if axis is None:
            return apart
        return dataclasses.replace(tracked[0], axes=(*axes[:along], axis, *axes[along:]))

    def _ordinary(self, node, states, tensor):
        """What is made of positions without moving them: windows slide over them, or they stay."""
        sizes = [self._size(taken) for taken in node.inputs]
        tracked = [(state, size) for state, size in zip(states, sizes) if state is not None]
        if what_does(node.operation).does == "attend" and states[0] is not None:  # looked at from its first tensor
            tracked = tracked[:1]
        if any(isinstance(state, _InFlight) for state, _ in tracked):
            return self._in_passing(node, [state for state, _ in tracked], tensor)
        if not self._has_positions(tensor):
            return None
        if is_aspect_resizing(node.operation):
            return self._resized(node, tracked[0][0])
        new_size = self._size(tensor)
        tracked = [(state, size) for state, size in tracked if len(size) == len(new_size)]
        same = [(state, size) for state, size in tracked if size == new_size]  # others are spread over them
        slides = windows(node, tracked[0][1], new_size) if len(tracked) == 1 else None
        places = [_under(state, slides, new_size) for state, _ in same or tracked]
        if not places:
            return None
        axes = _joined_axes([place.axes for place in places])
        spare = _joined_axes([place.spare for place in places])
        if axes is None or spare is None:
            return _Lost(f"the paths that meet in {_named(node)} moved positions differently")
        return Place(axes, spare)

    def _in_passing(self, node, states, tensor):
        """What becomes of values in flight where nothing moves them."""
        shape = tuple(self._shapes[tensor][1:])
        flight = next(state for state in states if isinstance(state, _InFlight))
        mixes = not is_builtin(node.operation) or isinstance(node.operation, LINEAR)
        in_channels = flight.positions_in_channels and (mixes or shape != tuple(flight.coded.shape[1:]))
        if in_channels or (contracts(node.operation) and len(states) > 1):
            mixed = _Lost(f"{_named(node)} mixes the positions that {_named(flight.by)} moved", mixed=True)
            return mixed if self._has_positions(tensor) else None
        slides = isinstance(node.operation, CONVOLUTION) and any(taps > 1 for taps in node.operation.kernel_size)
        if shape[:-1] != tuple(flight.coded.shape[1:-1]) or slides:
            return flight.lost() if self._has_positions(tensor) else None
        if not all(isinstance(state, _InFlight) and flight.same_as(state) for state in states):
            return _Lost(f"the paths that meet in {_named(node)} moved positions differently")
        return flight.with_channels(shape[-1])

    def _size(self, tensor):
        return tuple(self._shapes[tensor][1:-1])

    def _has_positions(self, tensor):
        return any(length != 1 for length in self._size(tensor))


def may_move(node):
    """Whether a node may do anything to positions but slide windows over them."""
    operation = node.operation
    moves = moves_surely(operation) or moves_perhaps(operation) or moves_beyond_undoing(operation)
    return moves or is_aspect_resizing(operation) or _spatial_concatenation(node)


def _spatial_concatenation(node):
    joins = what_does(node.operation).positions == "join"
    return joins and node.operation.axis % len(node.shape) != len(node.shape) - 1


def _landed(flight):
    """The place of values in flight, None where they lie on the input in no order."""
    positions, shown = flight.shown
    size = shown.shape[:-1]
    by_place, picked, spare = {}, [], list(flight.anchor.spare)
    for axis, along in zip(flight.anchor.axes, positions):
        if axis is None:
            continue
        if np.ptp(along[shown]) == 0:
            picked.append(axis.moved(Run(0, 1, int(along[shown][0]), 1), 1))
            continue
        profiles = [_profile(along, shown, place) for place in range(along.ndim)]
        place = int(np.argmax([np.nanmax(profile) - np.nanmin(profile) for profile in profiles]))
        run = None if place == len(size) or place in by_place else Run.find(profiles[place])
        if run is None or not _is_even(along, shown, place, run):
            return None
        by_place[place] = axis.moved(run, size[place])
    for place, length in enumerate(size):
        if place not in by_place:
            if length != 1:
                return None
            by_place[place] = picked.pop(0) if picked else None
    return Place(tuple(by_place[place] for place in range(len(size))), (*spare, *picked))


def _profile(positions, shown, place):
    """The mean position along one axis, NaN where nothing is shown."""
    others = tuple(axis for axis in range(positions.ndim) if axis != place)
    counts = shown.sum(axis=others)
    sums = np.where(shown, positions, 0).sum(axis=others)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _is_even(positions, shown, place, run):
    """Whether the positions depend on one axis alone, but for what lies within one unit."""
    steps = run.source + run.step * (np.arange(positions.shape[place]) - run.begin)
    shape = [1] * positions.ndim
    shape[place] = -1
    inside = np.zeros(positions.shape[place], bool)
    inside[run.begin : run.begin + run.length] = True
    off = np.abs(positions - steps.astype(float).reshape(shape)) > max(abs(run.step), 1) / 2
    return not (off & shown & inside.reshape(shape)).any()


def _after_runs(place, runs, size):
    axes = [axis and axis.moved(run, length) for axis, run, length in zip(place.axes, runs, size)]
    return dataclasses.replace(place, axes=tuple(axes))


def _under(place, slides, new_size):
    axes = list(place.axes)
    for index, (axis, length) in enumerate(zip(place.axes, new_size)):
        if axis is not None:
            axes[index] = axis.stretched(length) if slides is None else axis.under(slides[index], length)
    return dataclasses.replace(place, axes=tuple(axes))


def _without(place, along):
    return place.axes[:along] + place.axes[along + 1 :]


def _joined_axes(paths):
    """The axes of what several paths make together, one tuple of axes for each; None where they disagree."""
    if len(set(map(len, paths))) > 1:
        return None
    together = []
    for axes in zip(*paths):
        absent = axes.count(None)
        axis = None if absent else joined(axes)
        if axis is None and absent < len(axes):
            return None
        together.append(axis)
    return tuple(together)


def _shapes(graph, inputs):
    """Shape of every tensor, as the model tells it or, where it leaves sizes open, as it is for `inputs`."""
    shapes = dict(zip(graph.inputs, graph.input_shapes))
    for node in graph.nodes:
        shapes.update(zip(node.outputs, node.shapes))
    # Out of training RandomCrop leaves images as they are, whatever the model says of their size.
    unsure = any(isinstance(node.operation, keras.layers.RandomCrop) for node in graph.nodes)
    if inputs is not None and (unsure or any(None in shape[1:] for shape in shapes.values())):
        shapes = {tensor: tuple(value.shape) for tensor, value in graph.values(inputs).items()}
    return shapes


def _is_mixed(state):
    return isinstance(state, _Lost) and state.mixed


def _named(node):
    return f"{node.path} ({node.kind})"
