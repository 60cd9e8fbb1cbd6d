"""That a refused call costs no trace and spoils nothing."""

import numpy as np
import pytest

from kerasxai.explainers import GradCAM
from tests.bad_input.refusals import X
from tests.bad_input.test_data import BAD_DATA
from tests.bad_input.test_targets import BAD_TARGETS


def test_a_refusal_costs_no_trace_and_spoils_nothing(model):
    explainer = GradCAM(model)
    expected = explainer(X)
    for case in ("NaN", "wrong channels", "empty"):
        with pytest.raises(ValueError):
            explainer(BAD_DATA[case][0])
    for case in ("class too large", "too few", "unknown word"):
        with pytest.raises(ValueError):
            explainer(X, target=BAD_TARGETS[case][0])
    assert explainer.trace_count == 1
    np.testing.assert_array_equal(explainer(X), expected)
