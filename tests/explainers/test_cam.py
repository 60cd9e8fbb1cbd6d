"""Every class activation map against its formula, written in NumPy over activations and gradients of sub-models."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from tests.explainers.cam_formulas import FORMULAS, grad_cam, hires_cam, layer_cam, naive_score_cam, rectified
from tests.support import truth
from tests.support.truth import assert_same, conv_net, images, pooled_net

LAYERS = ["early", "middle", "late"]
CLASSES = np.array([0, 3, 1])


@pytest.fixture(scope="module")
def model():
    return conv_net()


@pytest.fixture(scope="module")
def x():
    return images(3, (8, 10, 3))


@pytest.fixture(scope="module")
def pieces(model, x):
    """Layer -> (A, G)."""
    return {layer: truth.activations_and_gradients(model, layer, x, CLASSES) for layer in LAYERS}


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus", "hires_cam", "xgrad_cam"])
def test_formula_at_every_layer(method, model, x, pieces):
    """A list of layers gives a dict; `late` has fewer positions than channels, the others more."""
    maps = kerasxai.explain(model, x, method, target=CLASSES, layer=LAYERS, upsample=False)
    assert list(maps) == LAYERS
    for layer in LAYERS:
        assert_same(maps[layer], rectified(method, FORMULAS[method](*pieces[layer])), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_cam(layer, model, x, pieces):
    maps = kerasxai.explain(model, x, "layer_cam", target=CLASSES, layer=layer, upsample=False)
    assert_same(maps, np.maximum(layer_cam(*pieces[layer]), 0))


def test_layer_cam_fuses_a_list_of_layers(model, x, pieces):
    maps = kerasxai.explain(model, x, "layer_cam", target=CLASSES, layer=LAYERS)
    scaled = []
    for layer in LAYERS:
        one = np.maximum(layer_cam(*pieces[layer]), 0)
        scaled.append(truth.resized(np.tanh(2 * one / one.max(axis=(1, 2), keepdims=True)), (8, 10)))
    assert_same(maps, np.max(scaled, axis=0))


def test_layer_cam_refuses_to_fuse_different_sizes(model):
    with pytest.raises(ValueError, match="upsample=False"):
        kerasxai.explainers.LayerCAM(model, layer=LAYERS, upsample=False)


def test_default_layer_and_size_are_those_of_the_last_convolution_and_the_input(model, x, pieces):
    """Several methods at once, which share one (A, G), resized as tf.image.resize does it."""
    maps = kerasxai.explain(model, x, list(FORMULAS), target=CLASSES)
    for method, formula in FORMULAS.items():
        assert_same(maps[method], truth.resized(rectified(method, formula(*pieces["late"])), (8, 10)), atol=1e-4)


def test_upsampling_to_a_size_that_is_no_multiple():
    model = keras.Sequential(
        [
            keras.Input((13, 9, 1)),
            layers.Conv2D(3, 3, strides=2, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    truth.randomise(model)
    x = images(2, (13, 9, 1))
    A, G = truth.activations_and_gradients(model, "conv", x, [1, 1])
    assert A.shape[1:3] == (6, 4)
    expected = truth.resized(np.maximum(grad_cam(A, G), 0), (13, 9))
    assert_same(kerasxai.explain(model, x, "grad_cam", target=1), expected)


def test_relu_false_keeps_the_sign_and_counterfactual_turns_it(model, x, pieces):
    signed = grad_cam(*pieces["middle"])
    assert signed.min() < 0 < signed.max()
    options = {"target": CLASSES, "layer": "middle", "upsample": False}
    assert_same(kerasxai.explain(model, x, "grad_cam", relu=False, **options), signed)
    assert_same(kerasxai.explain(model, x, "grad_cam", counterfactual=True, **options), np.maximum(-signed, 0))


def test_predicted_class_is_the_default_target(model, x):
    predicted = truth.predictions(model, x).argmax(axis=1)
    A, G = truth.activations_and_gradients(model, "late", x, predicted)
    assert_same(kerasxai.explain(model, x, "grad_cam", relu=False, upsample=False), grad_cam(A, G))


# By hand --------------------------------------------------------------------------------------------------------------
#
# One 2x2 image x = [[1, 2], [3, 0]]; a 1x1 convolution makes A1 = x and A2 = 3 - x = [[2, 1], [0, 3]]; a Dense layer
# weighs each position and channel, so the gradients are its weights:
#   G1 = [[1, 0], [2, 1]], G2 = [[-1, 2], [0, 1]].
# sum G1 A1 = 1 + 0 + 6 + 0 = 7, sum G2 A2 = -2 + 2 + 0 + 3 = 3, so S = 10. sum A1 = sum A2 = 6.

BY_HAND = {
    # weights 4/4 = 1 and 2/4 = 0.5: A1 + A2 / 2
    "grad_cam": [[2.0, 2.5], [3.0, 1.5]],
    # G1 A1 + G2 A2 = [[1 - 2, 0 + 2], [6 + 0, 0 + 3]]
    "hires_cam": [[-1.0, 2.0], [6.0, 3.0]],
    # the same without the -2, whose gradient is negative
    "layer_cam": [[1.0, 2.0], [6.0, 3.0]],
    # weights 7/6 and 3/6
    "xgrad_cam": [[7 / 6 + 1, 14 / 6 + 0.5], [3.5, 1.5]],
    # a = 1 / (2 + 6 G) where G is not 0; a G+: 1/8 for G = 1, 2/14 for G = 2. Weights 1/8 + 1/7 + 1/8 = 11/28 = 22/56
    # and 1/7 + 1/8 = 15/56: (22 A1 + 15 A2) / 56
    "grad_cam_plus_plus": [[52 / 56, 59 / 56], [66 / 56, 45 / 56]],
    # weights 7/10 and 3/10
    "ablation_cam": [[1.3, 1.7], [2.1, 0.9]],
    # S(x) = sum (G1 - G2) x + 3 sum G2 = 2 x00 - 2 x01 + 2 x10 + 6. Masks A1 / 3 and A2 / 3:
    # x M1 = [[1/3, 4/3], [3, 0]] has the score 10, x M2 = [[2/3, 2/3], [0, 0]] the score 6.
    # weights 1 / (1 + e^-4) = 0.98201379 and 0.01798621
    "score_cam": [[1.01798621, 1.98201379], [2.94604137, 0.05395863]],
}


@pytest.fixture(scope="module")
def hand_model():
    model = keras.Sequential([keras.Input((2, 2, 1)), layers.Conv2D(2, 1), layers.Flatten(), layers.Dense(1)])
    kernel = np.array([[[[1.0, -1.0]]]])
    gradients = np.array([[[1, 0], [2, 1]], [[-1, 2], [0, 1]]])  # (channel, row, column)
    dense = gradients.transpose(1, 2, 0).reshape(8, 1)
    model.set_weights([kernel, np.array([0.0, 3.0]), dense, np.zeros(1)])
    return model


@pytest.mark.parametrize("method", BY_HAND)
def test_by_hand(method, hand_model):
    x = np.array([[1.0, 2.0], [3.0, 0.0]]).reshape(1, 2, 2, 1)
    assert_same(kerasxai.explain(hand_model, x, method, relu=False), np.array([BY_HAND[method]]))
    assert_same(kerasxai.explain(hand_model, x, method), np.maximum([BY_HAND[method]], 0))


def test_grad_cam_plus_plus_ignores_positions_with_zero_denominator():
    """A1 = x sums to -2, so its denominators 2 G^2 - 2 G^3 are 0 where G = 1 (and where G = 0)."""
    model = keras.Sequential([keras.Input((2, 2, 2)), layers.Conv2D(2, 1), layers.Flatten(), layers.Dense(1)])
    G = np.array([[[1, 2], [0, 1]], [[3, 0], [1, 1]]])  # (row, column, channel)
    model.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.zeros(2), G.reshape(8, 1), np.zeros(1)])
    x = np.array([[[-1, 1], [-2, 0]], [[1, 2], [0, 1]]])[np.newaxis]
    # Channel 1: only G = 3 counts: a = 9 / (18 - 2 27) = -1/4, weight -3/4.
    # Channel 2 sums to 4: G = 2: a = 4 / (8 + 32) = 1/10, G = 1: 1 / (2 + 4) = 1/6 twice; weight 2/10 + 2/6 = 8/15.
    expected = -3 / 4 * x[..., 0] + 8 / 15 * x[..., 1]
    assert_same(kerasxai.explain(model, x, "grad_cam_plus_plus", relu=False), expected)


def test_xgrad_cam_is_finite_where_the_activations_sum_to_zero():
    model = keras.Sequential([keras.Input((1, 2, 1)), layers.Conv2D(1, 1), layers.Flatten(), layers.Dense(1)])
    model.set_weights([np.ones((1, 1, 1, 1)), np.zeros(1), np.array([[1.0], [2.0]]), np.zeros(1)])
    x = np.array([1.0, -1.0]).reshape(1, 1, 2, 1)
    # sum G A = -1 over s(0) = +1e-6
    assert_same(kerasxai.explain(model, x, "xgrad_cam", relu=False), -1e6 * x[..., 0])


# Class activation mapping ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def global_pool_model():
    return pooled_net(head="softmax")


def test_cam_weighs_channels_by_the_class_weights(global_pool_model, x):
    A = truth.activations(global_pool_model, "last", x)
    kernel = global_pool_model.get_layer("classes").kernel.numpy()
    expected = np.einsum("nijk,kn->nij", A, kernel[:, CLASSES])
    assert expected.min() < 0
    maps = kerasxai.explain(global_pool_model, x, "cam", target=CLASSES, upsample=False)
    assert_same(maps, expected)
    assert_same(kerasxai.explain(global_pool_model, x, "cam", target=CLASSES), truth.resized(expected, (8, 10)))


def test_mean_of_cam_plus_bias_is_the_logit(global_pool_model, x):
    maps = kerasxai.explain(global_pool_model, x, "cam", target=CLASSES, upsample=False)
    bias = global_pool_model.get_layer("classes").bias.numpy()[CLASSES]
    assert_same(maps.mean(axis=(1, 2)) + bias, truth.scores(truth.logits_of(global_pool_model), x, CLASSES))


def test_grad_cam_is_cam_over_the_number_of_positions_and_hires_cam_is_grad_cam(global_pool_model, x):
    options = {"target": CLASSES, "upsample": False, "relu": False}
    cam = kerasxai.explain(global_pool_model, x, "cam", **options)
    maps = kerasxai.explain(global_pool_model, x, ["grad_cam", "hires_cam"], **options)
    assert_same(maps["grad_cam"], cam / (4 * 6))
    assert_same(maps["hires_cam"], maps["grad_cam"])


def test_cam_of_one_sigmoid_unit():
    model = keras.Sequential(
        [
            keras.Input((8, 10, 3)),
            layers.Conv2D(4, 3, activation="relu", name="last"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    truth.randomise(model)
    x = images(2, (8, 10, 3))
    A = truth.activations(model, "last", x)
    positive = A @ model.layers[-1].kernel.numpy()[:, 0]
    explainer = kerasxai.explainers.ClassActivationMapping(model, upsample=False)
    assert_same(explainer(x, target=1), positive)
    assert_same(explainer(x, target=0), -positive)
    sign = np.where(truth.predictions(model, x) > 0.5, 1, -1)
    assert_same(explainer(x), sign[..., np.newaxis] * positive)


@pytest.mark.parametrize(
    "after_pooling",
    [
        [layers.Dense(5, activation="relu"), layers.Dense(4)],
        [layers.Activation("tanh"), layers.Dense(4)],
        [layers.Softmax(), layers.Dense(4)],
        [layers.BatchNormalization(), layers.Dense(4)],
        [layers.Dense(4, activation="tanh")],
        [layers.Dense(4), layers.Activation("tanh")],
    ],
    ids=["two_dense", "activation_before", "softmax_before", "batch_norm", "tanh_head", "tanh_layer"],
)
def test_cam_refuses_other_heads(after_pooling):
    pooled = [keras.Input((8, 10, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D()]
    with pytest.raises(ValueError, match="grad_cam"):
        kerasxai.explainers.ClassActivationMapping(keras.Sequential(pooled + after_pooling))


def test_cam_refuses_flattened_features(model):
    with pytest.raises(ValueError, match="grad_cam"):
        kerasxai.explainers.ClassActivationMapping(model)


def test_cam_refuses_pooling_of_the_input_itself():
    model = keras.Sequential([keras.Input((8, 10, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    with pytest.raises(ValueError, match="grad_cam"):
        kerasxai.explainers.ClassActivationMapping(model)


@pytest.mark.parametrize(
    "head",
    [
        [layers.Dropout(0.5), layers.Dense(4), layers.Softmax()],
        [layers.Dense(4), layers.Activation("softmax")],
    ],
    ids=["dropout_softmax_layer", "softmax_activation"],
)
def test_cam_reaches_the_pooling_past_dropout_and_softmax(head, x):
    pooled = [keras.Input((8, 10, 3)), layers.Conv2D(4, 3, name="c"), layers.GlobalAveragePooling2D()]
    model = truth.randomise(keras.Sequential(pooled + head))
    A = truth.activations(model, "c", x)
    kernel = next(layer for layer in head if isinstance(layer, layers.Dense)).kernel.numpy()
    maps = kerasxai.explain(model, x, "cam", target=2, upsample=False)
    assert_same(maps, A @ kernel[:, 2])


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["softmax", None])
def test_probability(head, x):
    """A linear head of several units gets its softmax where the target speaks of classes, as one-hot rows do."""
    model = conv_net(head=head)
    probabilities = conv_net(head="softmax")
    A, G = truth.activations_and_gradients(probabilities, "late", x, CLASSES)
    options = {"target": np.eye(4)[CLASSES], "upsample": False, "relu": False, "score": "probability"}
    maps = kerasxai.explain(model, x, ["grad_cam", "hires_cam", "score_cam"], **options)
    assert_same(maps["grad_cam"], grad_cam(A, G))
    assert_same(maps["hires_cam"], hires_cam(A, G))
    assert_same(maps["score_cam"], naive_score_cam(probabilities, x, A, CLASSES))


@pytest.mark.parametrize("activation", ["softmax", keras.ops.softmax, tf.nn.softmax], ids=["name", "ops", "tf"])
def test_saturated_softmax_does_not_blank_a_map(activation, x):
    logits = conv_net()
    logits.get_layer("classes").kernel.assign(logits.get_layer("classes").kernel * 1e4)
    model = conv_net(head=activation)
    model.set_weights(logits.get_weights())
    classes = truth.predictions(logits, x).argmax(axis=1)
    np.testing.assert_array_equal(truth.scores(model, x, classes), 1.0)
    saturated = truth.activations_and_gradients(model, "late", x, classes)
    np.testing.assert_array_equal(saturated[1], 0.0)  # what explaining the probability would show
    A, G = truth.activations_and_gradients(logits, "late", x, classes)
    assert_same(kerasxai.explain(model, x, "grad_cam", upsample=False, relu=False), grad_cam(A, G))


def test_softmax_and_sigmoid_layers_are_left_out_for_the_logit(model, x):
    for head in (layers.Softmax(), layers.Activation("sigmoid")):
        with_head = keras.Sequential([keras.Input((8, 10, 3)), *truth.clone(model).layers, head])
        A, G = truth.activations_and_gradients(model, "late", x, CLASSES)
        maps = kerasxai.explain(with_head, x, "grad_cam", target=CLASSES, upsample=False, relu=False)
        assert_same(maps, grad_cam(A, G))


def test_one_sigmoid_unit_explains_the_logit_or_its_negative(x):
    model = truth.randomise(
        keras.Sequential(
            [
                keras.Input((8, 10, 3)),
                layers.Conv2D(4, 3, activation="relu", name="conv"),
                layers.Flatten(),
                layers.Dense(1, activation="sigmoid"),
            ]
        )
    )
    A, G = truth.activations_and_gradients(truth.logits_of(model), "conv", x, [0, 0, 0])
    explainer = kerasxai.explainers.GradCAM(model, upsample=False, relu=False)
    assert_same(explainer(x, target=1), grad_cam(A, G))
    assert_same(explainer(x, target=0), -grad_cam(A, G))


# Blank maps -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def negative_model():
    """Every gradient is negative, every activation positive."""
    model = keras.Sequential(
        [
            keras.Input((4, 5, 1)),
            layers.Conv2D(2, 1, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.set_weights([np.ones((1, 1, 1, 2)), np.zeros(2), -np.linspace(1, 2, 40).reshape(40, 1), np.zeros(1)])
    return model


@pytest.mark.parametrize(
    "method", ["grad_cam", "grad_cam_plus_plus", "hires_cam", "xgrad_cam", "layer_cam", "ablation_cam"]
)
def test_all_negative_map_is_zero_with_one_warning(method, negative_model):
    x = 1 + images(2, (4, 5, 1))
    with pytest.warns(UserWarning) as caught:
        maps = kerasxai.explain(negative_model, x, method)
    np.testing.assert_array_equal(maps, np.zeros((2, 4, 5)))
    assert [str(warning.message).startswith(f"2 of 2 {method}") for warning in caught] == [True]


@pytest.mark.parametrize("method", [*FORMULAS, "ablation_cam", "score_cam", "smooth_grad_cam_plus_plus"])
def test_dead_layer_gives_zeros_and_one_warning_never_nan(method):
    model = keras.Sequential(
        [
            keras.Input((4, 5, 1)),
            layers.Conv2D(2, 1, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(1, use_bias=False),
        ]
    )
    model.set_weights([-np.ones((1, 1, 1, 2)), np.zeros(2), np.linspace(-1, 2, 40).reshape(40, 1)])
    x = 1 + images(2, (4, 5, 1))
    with pytest.warns(UserWarning, match="all zero") as caught:
        maps = kerasxai.explain(model, x, method)
    assert len(caught) == 1
    np.testing.assert_array_equal(maps, np.zeros((2, 4, 5)))


def test_fused_layer_cam_of_one_dead_layer_is_the_other_layer(negative_model):
    model = keras.Sequential(
        [
            keras.Input((4, 5, 1)),
            layers.Conv2D(2, 1, activation="relu", name="alive"),
            layers.Conv2D(2, 1, activation="relu", name="dead"),
            layers.Conv2D(2, 1, activation="relu", name="biased"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    one = np.ones((1, 1, 1, 2)), np.ones((1, 1, 2, 2))
    dense = np.linspace(1, 2, 40).reshape(40, 1)
    model.set_weights([one[0], np.zeros(2), -one[1], np.zeros(2), one[1], np.ones(2), dense, np.zeros(1)])
    x = 1 + images(2, (4, 5, 1))
    A, G = truth.activations_and_gradients(model, "biased", x, [0, 0])
    alive = layer_cam(A, G)
    expected = np.tanh(2 * alive / alive.max(axis=(1, 2), keepdims=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = kerasxai.explain(model, x, "layer_cam", layer=["alive", "dead", "biased"])
    assert_same(maps, expected)


def test_no_warning_about_a_map_with_values(model, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kerasxai.explain(model, x, "grad_cam", target=CLASSES, relu=False)
