"""Compiled functions that can be stopped and tell how far they are; what they compute is elsewhere."""

import collections
import contextvars
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from kerasxai.interrupts import undisturbed
from kerasxai.progress import reported_to

_LOOK = 0.1  # seconds from one look at how far a function is to the next
_QUICK = 0.05  # seconds; what took no longer last time is not worth a thread, whatever the batch is this time
_compiling = contextvars.ContextVar("compiling", default=None)  # the `Compiled` that is being traced
_inside = contextvars.ContextVar("inside", default=None)  # number of its loop whose step is being traced


class Stopped(Exception):
    """Ends NumPy work that nobody waits for any more."""


class Compiled:
    """A function compiled once, that can be stopped while it runs and tells how far it is.

    While TensorFlow computes, Python obeys no Ctrl-C. So a call from the main thread runs in another one, unless the
    last one was quick, and the main thread waits where it can be interrupted; the function's loops (`Loop`) then end
    at their next step. Whoever wants to know (`reported_to`) is told meanwhile how far the loops are.

    Args:
        function: Function of tensors, in TensorFlow operations.
        signature: Its arguments as `tf.TensorSpec`s.
        after_first_run: Called once it has run for the first time.
    """

    def __init__(self, function, signature, after_first_run=None):
        self._after_run = after_first_run
        self.parents = []  # of each loop the number of the loop it is in, None of the outermost
        self.is_stopped = False
        # Made before the function is traced: one that makes variables is traced twice.
        with tf.device("CPU:0"):
            self.stop = tf.Variable(False, trainable=False)
            # For each loop the share that is done, and the share of the step under way.
            self.places = tf.Variable(np.zeros([0, 2]), shape=[None, 2], trainable=False)
            self.turn = tf.Variable(False, trainable=False)  # see `in_turn`
        self._runs, self._state = threading.Lock(), threading.Lock()
        self._running, self._seconds = None, None  # the call under way; how long the last one took
        token = _compiling.set(self)
        try:
            self._function = tf.function(function, autograph=False).get_concrete_function(*signature)
        finally:
            _compiling.reset(token)

    def __call__(self, *arguments):
        result = self._result(_Call(self, arguments))
        if self._after_run is not None:
            self._after_run()
            self._after_run = None
        return result

    def run(self, call, arguments):
        """Runs the function in the present thread, one call at a time."""
        with self._runs:
            with self._state:
                if self.parents:
                    self.places.assign(np.zeros([len(self.parents), 2]))
                self._running = call
            start = time.monotonic()
            try:
                return None if call.is_abandoned else self._function(*arguments)
            finally:
                if not call.is_abandoned:
                    self._seconds = time.monotonic() - start
                with self._state:
                    self._running = None
                    if self.is_stopped:
                        self._set_stop(False)

    def end(self, call):
        """Ends a call, if it is running, at the next step of a loop."""
        with self._state:
            if self._running is call:
                self._set_stop(True)

    def share(self, call):
        """How far a call is, 0 ... 1; loops that follow one another count alike. None if it has none, or waits."""
        if not self.parents or self._running is not call:
            return None
        places = self.places.numpy()

        def share_inside(parent):
            loops = [loop for loop, outer in enumerate(self.parents) if outer == parent]
            shares = [places[loop, 0] + places[loop, 1] * share_inside(loop) for loop in loops]
            return sum(shares) / len(shares) if shares else 0.0

        return min(share_inside(None), 1.0)

    def _result(self, call):
        is_quick = self._seconds is not None and self._seconds < _QUICK
        if is_quick or threading.current_thread() is not threading.main_thread():
            return call.run()
        try:
            return call.wait(reported_to())
        except BaseException:
            with undisturbed():
                call.abandon()
            raise

    def _set_stop(self, is_stopped):
        self.is_stopped = is_stopped
        self.stop.assign(is_stopped)


class Loop:
    """A loop inside a compiled function, as `Compiled` sees it; outside of one it does nothing.

    Args:
        count: How many indices it goes through: int or scalar tensor.
        chunk: How many in one step.
    """

    def __init__(self, count, chunk):
        self._run = _compiling.get()
        if self._run is None:
            return
        self._count, self._chunk = count, chunk
        self._number = len(self._run.parents)
        self._run.parents.append(_inside.get())
        self._write([self._number], 0)

    def goes_on(self):
        """Whether nobody has stopped it, a scalar bool."""
        return True if self._run is None else ~self._run.stop.read_value()

    def step(self, step, state, indices):
        """`step(state, indices)`, after which all before the end of `indices` is done."""
        if self._run is None:
            return step(state, indices)
        token = _inside.set(self._number)
        try:
            state = step(state, indices)
        finally:
            _inside.reset(token)
        inner = [loop for loop in range(self._number + 1, len(self._run.parents)) if self._is_around(loop)]
        with tf.control_dependencies(state):
            self._write([self._number, *inner], indices[-1] + 1)
        return state

    def close(self, state):
        """The final state; all is done, even where the loop ended early."""
        if self._run is not None:
            with tf.control_dependencies(state):
                self._write([self._number], self._count)
        return state

    def _is_around(self, loop):
        while loop is not None and loop != self._number:
            loop = self._run.parents[loop]
        return loop is not None

    def _write(self, loops, done):
        """The first of `loops` is at `done`, those inside it are at their beginning."""
        count, chunk = tf.cast(self._count, tf.float64), tf.cast(self._chunk, tf.float64)
        done = tf.cast(done, tf.float64)
        place = tf.math.divide_no_nan(tf.stack([done, tf.minimum(chunk, count - done)]), count)
        places = tf.concat([place[tf.newaxis], tf.zeros([len(loops) - 1, 2], tf.float64)], axis=0)
        self._run.places.scatter_nd_update([[loop] for loop in loops], places)


def in_turn(call):
    """What `call()` makes, a Python call inside a compiled function: such calls run one after the other.

    A call keeps one of TensorFlow's threads, and a model that runs inside it needs another: two calls at once leave
    none on a machine of two cores, and wait for ever.

    Args:
        call: Function without arguments that returns a tensor or a list of tensors.
    """
    run = _compiling.get()
    if run is None:
        return call()
    # TensorFlow orders what reads and writes a variable, through loops and conditions too.
    with tf.control_dependencies([run.turn.read_value()]):
        made = call()
    with tf.control_dependencies(tf.nest.flatten(made)):
        run.turn.assign(False)
    return made


def stop_check():
    """For NumPy work inside a compiled function: what raises `Stopped` once nobody waits for the result any more."""
    run = _compiling.get()

    def check():
        if run is not None and run.is_stopped:
            raise Stopped

    return check


def is_computing():
    """Whether work that nobody waits for any more has not come to its end yet."""
    return any(future is not None and not future.done() for future in _abandoned)


def shape_of(function):
    """What `function()` would return, of which only structure, shapes and types are there; nothing of it runs."""
    tokens = _compiling.set(None), _inside.set(None)
    try:
        return tf.function(function, autograph=False).get_concrete_function().structured_outputs
    finally:
        _compiling.reset(tokens[0])
        _inside.reset(tokens[1])


class _Call:
    """One call of a compiled function."""

    def __init__(self, compiled, arguments):
        self._compiled, self._arguments = compiled, arguments
        self.is_abandoned, self._future = False, None

    def run(self):
        """The result, made in the present thread."""
        return self._compiled.run(self, self._arguments)

    def wait(self, report):
        """The result, made in the thread that is there for it; `report` is told how far it is."""
        device = context.context().device_name  # `tf.device` holds for the thread that says it

        def run():
            with tf.device(device):
                return self.run()

        self._future = future = _thread.submit(run)
        while not wait([future], _LOOK).done:
            share = None if report is None else self._compiled.share(self)
            if share is not None:
                report(share)
        return future.result()

    def abandon(self):
        """Ends it as soon as may be; nobody waits."""
        self.is_abandoned = True
        self._compiled.end(self)
        _abandoned.append(self._future)


def _new_thread():
    global _thread
    _thread = ThreadPoolExecutor(1, "kerasxai")


_abandoned: collections.deque = collections.deque(
    maxlen=1
)  # the last one: they end in the order in which they were called


_new_thread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_thread)  # a fork has no threads but the one that forked
