"""What other LRP packages for Keras get wrong. Normalisations: `test_normalisations`; gates: `test_operations`."""

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

from kerasxai import lrp
from kerasxai.explainers import LRP
from tests.support import nets
from tests.support.truth import assert_same

X = nets.normals(3)


def test_alpha_beta_with_a_bias():
    """z = 1 - 1 - 1 = -1. For: 1 of 1. Against: -1 of -1 - 1."""
    model = Sequential([Input((2,)), layers.Dense(1)])
    model.set_weights([np.array([[1.0], [-1.0]]), np.array([-1.0])])
    relevance = LRP(model, rules=lrp.AlphaBeta(2, 1))(np.ones((1, 2), "float32"))
    np.testing.assert_allclose(relevance, [[-2.0, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("rules", ["epsilon_gamma_box", "epsilon_alpha2_beta1"])
def test_a_relu_is_a_relu_however_it_is_written(rules):
    def net(*activation, **fused):
        return Sequential([Input(nets.IMAGE), nets.conv("conv", activation=None, **fused), *activation, *rest])

    rest = [layers.Flatten(), layers.Dense(3)]
    written = [net(layers.ReLU()), net(layers.Activation("relu")), net(layers.Activation(keras.ops.relu))]
    written.append(Sequential([Input(nets.IMAGE), nets.conv("conv"), *rest]))
    nets.randomise(written[0])
    maps = []
    for model in written:
        model.set_weights(written[0].get_weights())
        maps.append(LRP(model, rules=rules)(X, target=1))
    for other in maps[1:]:
        assert_same(other, maps[0])


@pytest.mark.slow
def test_a_depthwise_convolution_is_a_convolution_of_many_zeros():
    depthwise = Sequential([Input(nets.IMAGE), layers.DepthwiseConv2D(3), layers.Flatten(), layers.Dense(3)])
    full = Sequential([Input(nets.IMAGE), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)])
    kernel, bias, *rest = nets.randomise(depthwise).get_weights()
    wide = np.zeros((3, 3, 2, 2))
    wide[:, :, [0, 1], [0, 1]] = kernel[..., 0]
    full.set_weights([wide, bias, *rest])
    for rules in ("epsilon_gamma_box", "epsilon_plus", "epsilon_alpha2_beta1"):
        assert_same(LRP(depthwise, rules=rules)(X, target=1), LRP(full, rules=rules)(X, target=1))
