"""The models that wrong calls are made on."""

import pytest

from kerasxai.explainers import GradCAM
from tests.bad_input.refusals import Subclassed, X
from tests.support import nets


@pytest.fixture(scope="module")
def model():
    """Image to three classes; layers conv1, pool, conv2, gap, head."""
    return nets.build("sequential")


@pytest.fixture(scope="module")
def grad_cam(model):
    return GradCAM(model)


@pytest.fixture(scope="module")
def subclassed():
    model = Subclassed()
    model(X)
    return model
