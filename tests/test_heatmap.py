"""What becomes of the channels."""

import numpy as np
import pytest

import kerasxai

# (sample, position, channel)
ATTRIBUTIONS = np.array([[[1.0, -3.0, 2.0], [2.0, 2.0, 1.0]], [[0.0, 0.0, 0.0], [-4.0, 3.0, 0.0]]])
BY_HAND = {
    "sum": [[0.0, 5.0], [0.0, -1.0]],
    "abs_sum": [[6.0, 5.0], [0.0, 7.0]],
    "abs_max": [[3.0, 2.0], [0.0, 4.0]],
    "norm": [[np.sqrt(14), 3.0], [0.0, 5.0]],
}


@pytest.mark.parametrize("reduce", BY_HAND)
def test_reductions_by_hand(reduce):
    np.testing.assert_allclose(kerasxai.to_heatmap(ATTRIBUTIONS, reduce=reduce), BY_HAND[reduce])


def test_the_default_is_the_signed_sum():
    np.testing.assert_allclose(kerasxai.to_heatmap(ATTRIBUTIONS), BY_HAND["sum"])


@pytest.mark.parametrize("reduce", BY_HAND)
def test_images_are_reduced_position_by_position(reduce):
    image = np.broadcast_to(ATTRIBUTIONS[:, np.newaxis], (2, 4, 2, 3))
    expected = np.broadcast_to(np.array(BY_HAND[reduce])[:, np.newaxis], (2, 4, 2))
    np.testing.assert_allclose(kerasxai.to_heatmap(image, reduce=reduce), expected)


def test_one_channel_keeps_its_sign_only_in_the_sum():
    one = ATTRIBUTIONS[..., 1:2]
    np.testing.assert_array_equal(kerasxai.to_heatmap(one), one[..., 0])
    for reduce in ("abs_sum", "abs_max", "norm"):
        np.testing.assert_array_equal(kerasxai.to_heatmap(one, reduce=reduce), np.abs(one[..., 0]))


def test_input_is_left_as_it_is():
    before = ATTRIBUTIONS.copy()
    for reduce in BY_HAND:
        kerasxai.to_heatmap(ATTRIBUTIONS, reduce=reduce)
    np.testing.assert_array_equal(ATTRIBUTIONS, before)


@pytest.mark.parametrize("shape", [(), (3,), (3, 4)])
def test_maps_without_channels_are_refused(shape):
    with pytest.raises(ValueError, match="Received"):
        kerasxai.to_heatmap(np.zeros(shape))


def test_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="'max'"):
        kerasxai.to_heatmap(ATTRIBUTIONS, reduce="max")


@pytest.mark.parametrize(
    ("method", "reduce"),
    [
        ("gradient", "abs_sum"),
        ("sensitivity", "abs_sum"),
        ("gradient_x_input", "sum"),
        ("integrated_gradients", "sum"),
        ("expected_gradients", "sum"),
        ("guided_backprop", "abs_sum"),
        ("deconvnet", "abs_sum"),
        ("guided_grad_cam", "abs_sum"),
        ("grad_cam", None),
        ("full_grad", None),
    ],
)
def test_every_method_declares_how_it_is_ranked(method, reduce):
    """A signed sum of raw gradients ranks nothing; attributions that sum to the score keep their sign."""
    assert kerasxai.explainers.get(method).reduce == reduce
