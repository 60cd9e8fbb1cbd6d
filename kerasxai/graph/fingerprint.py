"""Fingerprint: what a compiled function freezes of a model, all that its layers hold and that is no variable's value.

Weights are read by reference; an activation, a statistic of `Normalization`, the number in a layer's attribute and
which variables there are is not.
"""

import functools
import types

import keras
import numpy as np

from kerasxai.graph.keras_internals import KEPT_OF_MODELS, layers_and_operations_below

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})
_LARGEST_ARRAY = 2**16  # bytes that are compared; a larger array counts as changed when it is another one
_DEEPEST = 3  # how far into functions and objects of the user's own classes
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
_LIBRARIES = frozenset(
    {"keras", "tensorflow", "numpy", "torch", "jax", "builtins", "functools", "threading", "inspect"}
)

# Of what every layer and model has, the few that decide what it computes or what its outputs mean.
_TELLING = ("_dtype_policy", "call", "loss")


class Fingerprint:
    """What a model computes with besides the values of its variables, remembered so that a change is noticed.

    All layers count, nested ones too, by the attributes on them: numbers, strings and small arrays by their value,
    containers by what they hold, tensors, variables, functions and all else by which one it is. Of a function that
    stands for a model, what its closure and its global names hold counts.

    Args:
        model: A Keras model, or a function.
    """

    def __init__(self, model):
        self._model = model
        self._written = set()  # (id of a layer, attribute) that running the model changes
        self._seen = self._look()

    def has_changed(self):
        """Whether the model is another than it was when this was made."""
        if self._seen.is_surely_the_same():
            return False
        now = self._look()
        if now.marks != self._seen.marks:
            return True
        self._seen = now
        return False

    def leave_out_what_a_run_writes(self):
        """Called after the model ran: what differs by now is written by `call`, so it is no constant of it."""
        now = self._look()
        for owner, after in now.marks.items():
            before = self._seen.marks.get(owner, after)
            # What one of the two lacks stands for itself there, which equals nothing.
            names = [name for name in {*after, *before} if after.get(name, after) != before.get(name, before)]
            self._written.update((owner, name) for name in names)
        self._seen = self._look()

    def _look(self):
        return _Look(self._model, self._written)


class _Look:
    """A model as it is at one moment.

    Attributes:
        marks: Dict id of a layer or function -> dict attribute -> mark: what is compared.
    """

    def __init__(self, model, written):
        self.marks = {}
        self._written = written
        self._owners = []  # (function that gives the attributes, ids of their values, pairs of value and mark)
        self._kept = []  # what lives on, so that its id, which is its mark, stays its own
        self._visit(model)

    def is_surely_the_same(self):
        """A quick look: whether all hold the very objects they held, and what these hold has not changed."""
        for attributes, ids, inside in self._owners:
            if list(map(id, attributes().values())) != ids:
                return False
            for value, mark in inside:
                if _mark(value, []) != mark:
                    return False
        return True

    def _visit(self, owner):
        if id(owner) in self.marks:
            return
        is_layer = isinstance(owner, keras.Operation)
        attributes_of = vars if is_layer else _held_by
        read = functools.partial(attributes_of, owner)
        attributes = dict(read())
        self._kept += [owner, *attributes.values()]
        self.marks[id(owner)] = marks = {}
        inside = []
        for name, value in attributes.items():
            if (is_layer and name in _bookkeeping()) or (id(owner), name) in self._written:
                continue
            marks[name] = mark = _mark(value, self._kept)
            if mark != id(value) and not _cannot_change(value):
                inside.append((value, mark))
        self._owners.append((read, list(map(id, attributes.values())), inside))
        for below in layers_and_operations_below(owner) if is_layer else _followed(attributes):
            self._visit(below)


def mark_of_option(value):
    """What tells whether an option of an explainer, or what is in it, has changed."""
    return _mark(value, [], _DEEPEST)


class Held:
    """What a function computes with, as it is now: equal to a later look at it where none of it has changed.

    Args:
        function: Function or other callable.
    """

    def __init__(self, function):
        self._kept = []  # what lives on, so that its id, which is its mark, stays its own
        self._held = tuple([_mark(part, self._kept, 1) for part in _inside(function)])

    def __eq__(self, other):
        return isinstance(other, Held) and self._held == other._held

    def __hash__(self):
        return hash(self._held)


def _mark(value, kept, depth=0):
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple([_mark(part, kept, depth) for part in value])
    if isinstance(value, dict):
        return tuple([(key, _mark(part, kept, depth)) for key, part in value.items()])
    if isinstance(value, (np.ndarray, np.generic)) and value.nbytes <= _LARGEST_ARRAY:
        return value.shape, value.dtype.str, value.tobytes()
    if kind is types.MethodType:  # another object each time it is read
        return _mark((value.__func__, value.__self__), kept, depth)
    kept.append(value)
    if depth < _DEEPEST:
        inside = _inside(value)
        if inside:
            return id(value), tuple([_mark(part, kept, depth + 1) for part in inside])
    return id(value)


def _cannot_change(value):
    return type(value) in _PLAIN or (type(value) is tuple and all(type(part) in _PLAIN for part in value))


def _inside(value):
    """What a function, or an object of the user's own class, computes with."""
    return list(_held_by(value).values()) if isinstance(value, _FUNCTIONS) else _own_attributes(value)


def _own_attributes(value):
    """What an object of the user's own class holds; a library's objects count by which one they are."""
    is_own = not isinstance(value, (keras.Operation, type, types.ModuleType)) and hasattr(value, "__dict__")
    return list(vars(value).values()) if is_own and not _is_of_library(type(value)) else []


def _is_of_library(value):
    return (getattr(value, "__module__", None) or "").partition(".")[0] in _LIBRARIES


@functools.cache
def _bookkeeping():
    """Attributes that say nothing of what a layer computes."""
    every = {*vars(keras.Layer(name="layer")), *vars(keras.Model(name="model"))}
    return frozenset((every | KEPT_OF_MODELS).difference(_TELLING))


def _held_by(function):
    """What a function that stands for a model may compute with, by name."""
    if isinstance(function, functools.partial):
        return dict(enumerate([function.func, *function.args, *function.keywords.values()]))
    if isinstance(function, types.MethodType):
        return dict(enumerate([function.__func__, function.__self__]))
    if not isinstance(function, types.FunctionType):
        return dict(getattr(function, "__dict__", {}))
    used = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    return {**{name: value for name, value in used.items() if _is_own(value)}, **dict(enumerate(_closure(function)))}


def _is_own(value):
    """Whether a global name stands for something of the user's, which may change, and not for a library's tool."""
    if isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
        return False
    return not callable(value) or isinstance(value, keras.Operation) or not _is_of_library(value)


def _followed(held):
    """Models and functions among what a function holds."""
    parts = []
    for value in held.values():
        parts += value if isinstance(value, (list, tuple)) else [value]
    return [part for part in parts if isinstance(part, (keras.Operation, *_FUNCTIONS))]


def _closure(function):
    cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]
    return [*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
