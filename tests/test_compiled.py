"""Compiled functions that can be stopped and tell how far they are, and what is built on them."""

import _thread
import threading

import numpy as np
import pytest
import tensorflow as tf

import kerasxai
from kerasxai import compiled, progress
from kerasxai.compiled import Compiled
from kerasxai.evaluators import Deletion
from kerasxai.explainers.streaming import accumulate
from kerasxai.graph.python_calls import numpy_call
from tests.support import nets

VECTOR = [tf.TensorSpec([None], tf.float32)]


def drained():
    """Waits until the thread that computes is idle."""
    compiled._thread.submit(int).result()


class Passes:
    """A target that counts the runs of the model, and at one of them presses Ctrl-C and waits for what comes of it."""

    def __init__(self, interrupt_at=None):
        self.count, self._interrupt_at = 0, interrupt_at
        self.may_go_on = threading.Event()

    def __call__(self, outputs):
        @tf.custom_gradient
        def counted(values):
            seen = tf.ensure_shape(tf.numpy_function(self._pass, [values], values.dtype), values.shape)
            return seen, lambda upstream: upstream

        return counted(outputs[:, 0])

    def _pass(self, values):
        self.count += 1
        if self.count == self._interrupt_at:
            _thread.interrupt_main()
            assert self.may_go_on.wait(60), "the main thread did not obey"
        return values


LONG = {
    "rise": {"n_masks": 400},
    "occlusion": {"window": 2, "stride": 1},
    "lime": {"segmentation": 4, "n_samples": 400},
    "integrated_gradients": {"steps": 50},
    "guided_ig": {"steps": 50},
    "smooth_grad": {"explainer": {"method": "integrated_gradients", "steps": 5}, "n_samples": 10},
    "score_cam": {"layer": "conv2"},
    "sise": {},
}


@pytest.fixture(autouse=True)
def nothing_is_quick(monkeypatch):
    monkeypatch.setattr(compiled, "_QUICK", 0.0)


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


@pytest.mark.slow
@pytest.mark.parametrize("method", LONG)
def test_an_interrupted_method_ends_and_can_be_used_again(method, model):
    x, target = nets.normals(2), Passes(interrupt_at=3)
    explainer = kerasxai.explainers.get(method)(model, batch_size=2, verbose=0, **LONG[method])
    with pytest.raises(KeyboardInterrupt):
        explainer(x, target=target)
    seen = target.count
    target.may_go_on.set()
    drained()
    assert target.count <= seen + 1, "it went on though nobody waits"
    again = explainer(x, target=target)
    assert target.count > seen + 3
    np.testing.assert_array_equal(again, explainer(x, target=target))


def test_an_interrupted_evaluator_ends(model):
    x, target = nets.normals(2), Passes(interrupt_at=6)
    with pytest.raises(KeyboardInterrupt):
        Deletion(batch_size=1)(model, x, maps=nets.normals(2)[..., 0], target=target)
    seen = target.count
    target.may_go_on.set()
    drained()
    assert target.count <= seen + 1


def test_numpy_work_ends_between_samples(model, monkeypatch):
    segmented, may_go_on = [], threading.Event()

    def segmentation(sample):
        segmented.append(1)
        _thread.interrupt_main()
        assert may_go_on.wait(60)
        return np.arange(64).reshape(8, 8) // 16

    lime = kerasxai.explainers.LIME(model, segmentation=segmentation, n_samples=10, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        lime(nets.normals(8))
    may_go_on.set()
    drained()
    assert len(segmented) == 1


@pytest.mark.parametrize("method", ["rise", "integrated_gradients", "smooth_grad"])
def test_the_same_bits_as_without(method, model, monkeypatch):
    x = nets.normals(3)
    found = nets.quick(method, model)(x)
    monkeypatch.setattr(compiled.Loop, "__init__", lambda self, count, chunk: setattr(self, "_run", None))
    monkeypatch.setattr(Compiled, "__call__", lambda self, *arguments: self._function(*arguments))
    np.testing.assert_array_equal(found, nets.quick(method, model)(x))


# How far it is


class Slowly:
    """A loop's step that goes on only after somebody has looked how far it is."""

    def __init__(self):
        self.shares = []
        self._looked = threading.Event()

    def look(self, share):
        self.shares.append(share)
        self._looked.set()

    def wait(self, value):
        self._looked.clear()
        assert self._looked.wait(60), "nobody looked"
        return value

    def __call__(self, state, indices):
        with tf.control_dependencies([tf.numpy_function(self.wait, [state[0]], tf.float32)]):
            return [state[0] + tf.cast(tf.size(indices), tf.float32)]


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(compiled, "_LOOK", 0.001)


def reported(function, slowly):
    bar = progress.Progress(1, verbose=0, draw=slowly.look)
    compiled = Compiled(function, VECTOR)
    with bar.part(1):
        result = compiled(tf.zeros([2]))
    return float(result)


def test_a_loop_tells_what_is_done(often):
    slowly = Slowly()
    assert reported(lambda x: accumulate(10, 4, slowly, [tf.reduce_sum(x)])[0], slowly) == 10
    assert list(dict.fromkeys(slowly.shares)) == pytest.approx([0.0, 0.4, 0.8, 1.0])


def test_a_loop_in_a_loop_tells_what_is_done(often):
    slowly = Slowly()

    def outer(state, indices):
        return accumulate(2, 1, slowly, state)

    assert reported(lambda x: accumulate(3, 2, outer, [tf.reduce_sum(x)])[0], slowly) == 4
    # Two steps of two and of one index, each with a loop of two steps inside.
    assert list(dict.fromkeys(slowly.shares)) == pytest.approx([0.0, 1 / 3, 2 / 3, 5 / 6, 1.0])


def test_loops_one_after_the_other_share_the_bar(often):
    slowly = Slowly()

    def function(x):
        (first,) = accumulate(2, 1, slowly, [tf.reduce_sum(x)])
        return accumulate(1, 1, slowly, [first])[0]

    assert reported(function, slowly) == 3
    assert list(dict.fromkeys(slowly.shares)) == pytest.approx([0.0, 0.25, 0.5, 1.0])


def test_a_loop_that_ends_early_is_done(often):
    slowly = Slowly()

    def function(x):
        (first,) = accumulate(100, 1, slowly, [tf.reduce_sum(x)], until=lambda state: state[0] >= 2)
        return accumulate(1, 1, slowly, [first])[0]

    assert reported(function, slowly) == 3
    assert list(dict.fromkeys(slowly.shares)) == pytest.approx([0.0, 0.005, 0.5, 1.0])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rise", "smooth_grad", "score_cam", "grad_cam"])
def test_the_bar_goes_up_to_the_end_and_no_further(method, model, often):
    drawn = []
    bar = progress.Progress(5, verbose=0, draw=drawn.append)
    explainer = kerasxai.explainers.get(method)(model, batch_size=2, verbose=0, **LONG.get(method, {}))
    with bar.part(5):
        explainer(nets.normals(5), target="top2")
    assert drawn == sorted(drawn) and drawn[-1] == 5
    assert explainer.trace_count <= 2


@pytest.mark.slow
def test_an_evaluation_counts_all_it_does(model, capsys):
    kerasxai.evaluate(model, nets.normals(3), ["gradient", "rise"], ["deletion", "complexity"], verbose=1)
    assert "14/14" in capsys.readouterr().out  # two explanations; two metrics of two rows and of four controls


# Threads


def test_other_threads_explain_too(model):
    x, found = nets.normals(4), {}
    explainer = nets.quick("integrated_gradients", model)
    expected = explainer(x)
    threads = [threading.Thread(target=lambda at=at: found.update({at: explainer(x)})) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for maps in found.values():
        np.testing.assert_array_equal(maps, expected)


def test_errors_are_those_of_the_function():
    def fail(values):
        raise TimeoutError("mine")

    def function(x):
        return tf.numpy_function(fail, [x], tf.float32)

    with pytest.raises(tf.errors.OpError, match="mine"):
        Compiled(function, VECTOR)(tf.zeros([2]))


def test_python_calls_run_one_after_the_other():
    """Each keeps one of TensorFlow's threads, and a model inside it needs another: of two cores, two leave none."""
    inside, most = [], []

    def call(x):
        inside.append(x)
        most.append(len(inside))
        threading.Event().wait(0.05)  # long enough for another one to come in, if it may
        inside.pop()
        return x

    def called(x):
        return tf.ensure_shape(numpy_call(call, [x], tf.float32), [None])

    def several(x):
        def looped(state, indices):
            return [state[0] + called(x)]

        before = called(x)
        inner = tf.cond(x[0] > 0, lambda: called(x), lambda: x)
        (sums,) = accumulate(3, 1, looped, [tf.zeros_like(x)])
        return before + inner + sums + called(x)

    result = Compiled(several, VECTOR)(tf.ones([2]))
    np.testing.assert_array_equal(result, [6, 6])
    assert len(most) == 6 and max(most) == 1
