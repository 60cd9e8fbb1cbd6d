"""Data and models shared by the tests. Real data is used where it lies beside the checkout, else its tests skip."""

import collections
import contextlib
import gc
import os
import signal
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked `sweep`, the cases that the others can stand for are slow."""
    sweeps = collections.defaultdict(list)
    for item in items:
        if item.get_closest_marker("sweep"):
            sweeps[item.nodeid.split("[")[0]].append(item)
    for cases in sweeps.values():
        for item in set(cases) - set(representatives(cases)):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """Leaves what is imported to itself: garbage collection takes less time, and sooner finds the models of a test."""
    gc.collect()
    gc.freeze()


def representatives(cases):
    """As few of a test's cases as show every value of every parameter."""

    def values(item):
        return {(name, repr(value)) for name, value in item.callspec.params.items()}

    chosen, unseen = [], set().union(*map(values, cases))
    while unseen:
        chosen.append(max(cases, key=lambda item: len(values(item) & unseen)))
        unseen -= values(chosen[-1])
    return chosen


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def registries():
    """What a test registers is known to that test only."""
    from kerasxai.evaluators import registry as evaluators
    from kerasxai.explainers import registry as explainers
    from kerasxai.explainers.lrp import rules
    from kerasxai.graph import operations

    with contextlib.ExitStack() as stack:
        for registry in (explainers, evaluators, rules, operations):
            stack.enter_context(registry.restored())
        yield


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C is obeyed, also where the tests run in the background, whose processes are started to ignore it."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def float64():
    """Keras' default floating point type and policy, for the time of a test."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def hmt_model():
    path = SHARED_DATA / "hmt" / "HMT.h5"
    if not path.exists():
        pytest.skip("the HMT data is not here")
    import kerasxai

    return kerasxai.load_model(path)


@pytest.fixture(scope="session")
def hmt_images():
    """The first `n` test images of each class, `(8 n, 224, 224, 3)` in 0 ... 1, bilinear."""
    folder = SHARED_DATA / "hmt" / "test"
    if not folder.exists():
        pytest.skip("the HMT data is not here")

    def load(per_class):
        import tensorflow as tf

        paths = [path for group in sorted(folder.iterdir()) for path in sorted(group.glob("*.png"))[:per_class]]
        images = [tf.image.resize(tf.io.decode_png(path.read_bytes(), channels=3), (224, 224)) for path in paths]
        return np.stack(images) / np.float32(255.0)

    return load


@pytest.fixture(scope="session")
def mnist1d():
    """`(model, x_test (1000, 40, 1), y_test)`."""
    folder = SHARED_DATA / "mnist1d"
    if not folder.exists():
        pytest.skip("the MNIST-1D data is not here")
    import kerasxai

    data = np.load(folder / "mnist1d.npz")
    return kerasxai.load_model(folder / "MNIST1D.h5"), data["x_test"][..., None].astype("float32"), data["y_test"]
