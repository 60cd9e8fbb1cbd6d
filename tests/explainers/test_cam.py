"""Every class activation map against its formula, written in NumPy over activations and gradients of sub-models."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasxai
from tests import truth
from tests.truth import assert_same, conv_net, images, pooled_net

LAYERS = ["early", "middle", "late"]
CLASSES = np.array([0, 3, 1])


def spatial_axes(array):
    return tuple(range(1, array.ndim - 1))


def grad_cam(A, G):
    return (G.mean(axis=spatial_axes(G), keepdims=True) * A).sum(axis=-1)


def grad_cam_plus_plus(A, G, G2=None, G3=None):
    G2, G3 = (G**2, G**3) if G2 is None else (G2, G3)
    denominator = 2 * G2 + A.sum(axis=spatial_axes(A), keepdims=True) * G3
    shares = np.divide(G2, denominator, out=np.zeros_like(denominator), where=denominator != 0)
    weights = (shares * np.maximum(G, 0)).sum(axis=spatial_axes(A), keepdims=True)
    return (weights * A).sum(axis=-1)


def hires_cam(A, G):
    return (G * A).sum(axis=-1)


def xgrad_cam(A, G):
    total = A.sum(axis=spatial_axes(A), keepdims=True)
    weights = (G * A).sum(axis=spatial_axes(A), keepdims=True) / (total + np.where(total >= 0, 1e-6, -1e-6))
    return (weights * A).sum(axis=-1)


def layer_cam(A, G):
    return (np.maximum(G, 0) * A).sum(axis=-1)


def first_component(values, A):
    """By SVD, sample by sample; the sign that goes with the mean positive activation."""
    maps = []
    for matrix, activations in zip(values.reshape(len(values), -1, values.shape[-1]), A):
        centred = matrix - matrix.mean(axis=0)
        _, _, right = np.linalg.svd(centred.astype("float64"), full_matrices=False)
        component = centred @ right[0]
        reference = np.maximum(activations, 0).mean(axis=-1).ravel()
        maps.append(component * np.sign(np.corrcoef(component, reference)[0, 1]))
    return np.reshape(maps, A.shape[:-1])


def eigen_cam(A, G):
    return first_component(A, A)


def eigen_grad_cam(A, G):
    return first_component(G * A, A)


FORMULAS = {
    formula.__name__: formula
    for formula in (grad_cam, grad_cam_plus_plus, hires_cam, xgrad_cam, layer_cam, eigen_cam, eigen_grad_cam)
}
SIGNED = ("eigen_cam", "eigen_grad_cam")  # not rectified by default


def rectified(method, maps):
    return maps if method in SIGNED else np.maximum(maps, 0)


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


@pytest.mark.parametrize("method", [method for method in FORMULAS if method != "layer_cam"])
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


def test_eigen_maps_can_be_rectified(model, x, pieces):
    maps = kerasxai.explain(model, x, "eigen_cam", target=CLASSES, layer="middle", upsample=False, relu=True)
    assert_same(maps, np.maximum(eigen_cam(*pieces["middle"]), 0), atol=1e-4)


def test_predicted_class_is_the_default_target(model, x):
    predicted = truth.predictions(model, x).argmax(axis=1)
    A, G = truth.activations_and_gradients(model, "late", x, predicted)
    assert_same(kerasxai.explain(model, x, "grad_cam", relu=False, upsample=False), grad_cam(A, G))


# By hand ------------------------------------------------------------------------------------------------------------
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


# Methods that run the model more than once ---------------------------------------------------------------------------


@pytest.mark.parametrize("layer", ["middle", "late"])
def test_score_cam(layer, model, x):
    A = truth.activations(model, layer, x)
    maps = kerasxai.explain(model, x, "score_cam", target=CLASSES, layer=layer, upsample=False, relu=False)
    assert_same(maps, naive_score_cam(model, x, A))


def naive_score_cam(model, x, A):
    scores = []
    for channel in np.moveaxis(A, -1, 0):
        mask = truth.min_max(truth.resized(channel, (8, 10)))
        scores.append(truth.scores(model, x * mask[..., np.newaxis], CLASSES))
    exponentials = np.exp(scores - np.max(scores, axis=0))
    weights = exponentials / exponentials.sum(axis=0)
    return np.einsum("kn,nijk->nij", weights, A)


def test_score_cam_of_the_most_varying_channels(model, x):
    """Which channels vary most differs between samples."""
    x = 3 * x * np.eye(3, dtype="float32")[:, np.newaxis, np.newaxis]  # each sample in a colour of its own
    A = truth.activations(model, "late", x)
    order = np.argsort(-A.var(axis=(1, 2)), axis=1)[:, :3]
    assert len({tuple(sorted(row)) for row in order}) > 1
    kept = np.stack([one[..., channels] for one, channels in zip(A, order)])
    options = {"target": CLASSES, "layer": "late", "upsample": False, "relu": False}
    maps = kerasxai.explain(model, x, "score_cam", max_channels=3, **options)
    assert_same(maps, naive_score_cam(model, x, kept))


def test_score_cam_survives_a_dead_channel():
    """A constant channel masks everything out; its weight is that of the score at 0."""
    model = keras.Sequential(
        [
            keras.Input((2, 3, 1)),
            layers.Conv2D(2, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    dense = np.zeros((12, 1))
    dense[::2] = 0.1
    model.set_weights([np.array([[[[1.0, -1.0]]]]), np.zeros(2), dense, np.zeros(1)])
    x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    mask = (x - 1) / 5
    weight = 1 / (1 + np.exp(-0.1 * (x * mask).sum()))
    assert_same(kerasxai.explain(model, x, "score_cam"), weight * x[..., 0])


def test_score_cam_masks_everything_with_a_constant_channel():
    """The channel has the value 0.7 everywhere, up to rounding once it is resized from 3x3 to 7x7."""
    convolution = layers.Conv2D(2, 3, strides=2, padding="valid")
    model = keras.Sequential([keras.Input((7, 7, 1)), convolution, layers.Flatten(), layers.Dense(1)])
    kernel = np.zeros((3, 3, 1, 2))
    kernel[1, 1, 0, 0] = 1.0
    dense = np.zeros((18, 1))
    dense[::2] = 1.0
    model.set_weights([kernel, np.array([0.0, 0.7]), dense, np.zeros(1)])
    x = images(2, (7, 7, 1))
    A = x[:, 1::2, 1::2, 0]
    mask = truth.min_max(truth.resized(A, (7, 7)))
    scores = (x[..., 0] * mask)[:, 1::2, 1::2].sum(axis=(1, 2))
    weight = (1 / (1 + np.exp(-scores))).reshape(2, 1, 1)
    expected = weight * A + (1 - weight) * 0.7
    assert_same(kerasxai.explain(model, x, "score_cam", upsample=False), expected)


@pytest.mark.parametrize("layer", ["middle", "late"])
def test_smooth_grad_cam_plus_plus(layer, model, x):
    gradients = []
    for draw in range(5):
        _, G = truth.activations_and_gradients(model, layer, truth.noisy(x, 0.2, 7, draw), CLASSES)
        gradients.append(G)
    G1, G2, G3 = (np.mean(np.power(gradients, power), axis=0) for power in (1, 2, 3))
    A, _ = truth.activations_and_gradients(model, layer, x, CLASSES)
    options = {"layer": layer, "upsample": False, "relu": False, "n_samples": 5, "noise_level": 0.2, "seed": 7}
    maps = kerasxai.explain(model, x, "smooth_grad_cam_plus_plus", target=CLASSES, **options)
    assert_same(maps, grad_cam_plus_plus(A, G1, G2, G3))


def test_smooth_grad_cam_plus_plus_defaults_are_those_of_smooth_grad(model):
    explainer = kerasxai.explainers.SmoothGradCAMPlusPlus(model)
    assert (explainer.n_samples, explainer.noise_level) == (50, 0.15)


def test_smooth_grad_cam_plus_plus_fixes_the_predicted_class_before_the_noise(model, x):
    """With noise this loud most draws are predicted otherwise than the clean sample."""
    predicted = truth.predictions(model, x).argmax(axis=1)
    drawn = [truth.predictions(model, truth.noisy(x, 5.0, 0, draw)).argmax(axis=1) for draw in range(4)]
    assert (drawn != predicted).any()
    explainer = kerasxai.explainers.SmoothGradCAMPlusPlus(model, n_samples=4, noise_level=5.0, relu=False)
    np.testing.assert_allclose(explainer(x), explainer(x, target=predicted), rtol=1e-5, atol=1e-7)


# Identities ----------------------------------------------------------------------------------------------------------


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


# Scores --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["softmax", None])
def test_probability(head, x):
    """A linear head of several units gets its softmax."""
    model = conv_net(head=head)
    probabilities = conv_net(head="softmax")
    A, G = truth.activations_and_gradients(probabilities, "late", x, CLASSES)
    options = {"target": CLASSES, "upsample": False, "relu": False, "score": "probability"}
    maps = kerasxai.explain(model, x, ["grad_cam", "hires_cam", "score_cam"], **options)
    assert_same(maps["grad_cam"], grad_cam(A, G))
    assert_same(maps["hires_cam"], hires_cam(A, G))
    assert_same(maps["score_cam"], naive_score_cam(probabilities, x, A))


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


# Blank maps ----------------------------------------------------------------------------------------------------------


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


# The same net, written otherwise -------------------------------------------------------------------------------------

ALL_CAMS = [*FORMULAS, "ablation_cam", "score_cam", "smooth_grad_cam_plus_plus"]
GRADIENT_FAMILY = [
    "gradient",
    "sensitivity",
    "gradient_x_input",
    "integrated_gradients",
    "expected_gradients",
    "smooth_grad",
    "smooth_grad_squared",
    "var_grad",
    "noise_percentiles",
    "guided_backprop",
    "deconvnet",
    "guided_grad_cam",
    "full_grad",
]
FEW = {"n_samples": 3, "steps": 4}


@pytest.fixture(scope="module")
def signal_models():
    """A 1-D net and the same net over images of height 1."""
    signal = conv_net(size=(20,), kernel=3, pool=2)
    image = conv_net(size=(1, 20), kernel=(1, 3), pool=(1, 2))
    image.set_weights([value.reshape(w.shape) for value, w in zip(signal.get_weights(), image.weights)])
    return signal, image


def test_twin_nets_agree(signal_models):
    signal, image = signal_models
    x = images(2, (20, 3))
    assert_same(truth.predictions(signal, x), truth.predictions(image, x[:, np.newaxis]))


@pytest.mark.parametrize("method", ALL_CAMS + GRADIENT_FAMILY)
def test_one_dimension_equals_two_of_height_one(method, signal_models):
    signal, image = signal_models
    x = images(2, (20, 3))
    names = kerasxai.explainers.get(method).option_names()
    options = {name: value for name, value in FEW.items() if name in names}
    if "layer" in names:
        options["layer"] = "middle"
    if "relu" in names:
        options["relu"] = False
    backgrounds = [{"background": one} for one in (x, x[:, np.newaxis])] if "background" in names else [{}, {}]
    flat = kerasxai.explain(signal, x, method, target=[0, 3], **options, **backgrounds[0])
    tall = kerasxai.explain(image, x[:, np.newaxis], method, target=[0, 3], **options, **backgrounds[1])
    height_axis = 2 if method == "noise_percentiles" else 1
    assert tall.shape[height_axis] == 1
    assert_same(flat, np.squeeze(tall, axis=height_axis), rtol=1e-3)


def test_cam_in_one_dimension():
    def net(shape, convolution, pooling, kernel):
        parts = [keras.Input(shape), convolution(4, kernel, activation="relu"), pooling(), layers.Dense(3)]
        return keras.Sequential(parts)

    signal = truth.randomise(net((20, 3), layers.Conv1D, layers.GlobalAveragePooling1D, 3))
    image = net((1, 20, 3), layers.Conv2D, layers.GlobalAveragePooling2D, (1, 3))
    image.set_weights([value.reshape(w.shape) for value, w in zip(signal.get_weights(), image.weights)])
    x = images(2, (20, 3))
    assert_same(
        kerasxai.explain(signal, x, "cam", target=1), kerasxai.explain(image, x[:, np.newaxis], "cam", target=1)[:, 0]
    )


def test_volumes():
    """Three spatial axes go through the same code."""
    model, x = conv_net(size=(4, 6, 4)), images(2, (4, 6, 4, 3))
    A, G = truth.activations_and_gradients(model, "middle", x, [0, 3])
    maps = kerasxai.explain(model, x, list(FORMULAS), target=[0, 3], layer="middle", upsample=False)
    for method, formula in FORMULAS.items():
        assert_same(maps[method], rectified(method, formula(A, G)), rtol=1e-3, atol=1e-4)
    assert kerasxai.explain(model, x, "score_cam", target=[0, 3], relu=False).shape == (2, 4, 6, 4)


def test_blur_baseline_in_one_dimension_equals_two_of_height_one(signal_models):
    signal, image = signal_models
    x = images(2, (20, 3))
    options = {"target": 1, "baseline": "blur", "steps": 3}
    flat = kerasxai.explain(signal, x, "integrated_gradients", **options)
    tall = kerasxai.explain(image, x[:, np.newaxis], "integrated_gradients", **options)
    assert_same(flat, tall[:, 0], rtol=1e-3)


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "ablation_cam", "guided_grad_cam", "full_grad"])
def test_nested_equals_flat(method, model, x):
    """The layers up to `late` inside a model of their own; its path is the layer's name with the model's before it."""
    flat = truth.clone(model)
    late = [layer.name for layer in flat.layers].index("late")
    inner = keras.Sequential([keras.Input((8, 10, 3)), *flat.layers[: late + 1]], name="backbone")
    nested = keras.Sequential([keras.Input((8, 10, 3)), inner, *flat.layers[late + 1 :]])
    options = {"layer": "late"} if "layer" in kerasxai.explainers.get(method).option_names() else {}
    expected = kerasxai.explain(model, x, method, target=CLASSES, **options)
    options = {"layer": "backbone/late"} if options else {}
    assert_same(kerasxai.explain(nested, x, method, target=CLASSES, **options), expected)
    assert_same(kerasxai.explain(nested, x, method, target=CLASSES), expected)  # the default layer


# Subclassed models ---------------------------------------------------------------------------------------------------


class Subclassed(keras.Model):
    """The layers of `conv_net` called one after the other, out of sight of any graph."""

    def __init__(self, layers):
        super().__init__()
        self.parts = layers

    def call(self, inputs):
        for layer in self.parts:
            inputs = layer(inputs)
        return inputs


@pytest.fixture(scope="module")
def subclassed(model, x):
    made = Subclassed(truth.clone(model).layers)
    assert_same(made(x), truth.predictions(model, x))
    return made


@pytest.mark.parametrize("method", [*FORMULAS, "score_cam"])
def test_captured_layers_of_a_subclassed_model(method, subclassed, model, x, pieces):
    """The default layer, found by running the model, and a named one."""
    for options, layer in (({}, "late"), ({"layer": "middle"}, "middle")):
        A, G = pieces[layer]
        maps = kerasxai.explain(subclassed, x, method, target=CLASSES, upsample=False, **options)
        signed = naive_score_cam(model, x, A) if method == "score_cam" else FORMULAS[method](A, G)
        assert_same(maps, rectified(method, signed), rtol=1e-3, atol=1e-4)


def test_captured_layer_under_noise(subclassed, model, x):
    options = {"method": "smooth_grad_cam_plus_plus", "target": CLASSES, "n_samples": 3}
    assert_same(kerasxai.explain(subclassed, x, **options), kerasxai.explain(model, x, layer="late", **options))


def test_captured_list_of_layers(subclassed, x, pieces):
    maps = kerasxai.explain(subclassed, x, "grad_cam", target=CLASSES, layer=LAYERS, upsample=False)
    for layer in LAYERS:
        assert_same(maps[layer], np.maximum(grad_cam(*pieces[layer]), 0))


class CallsTwice(keras.Model):
    """One convolution applied twice."""

    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")
        self.flatten = layers.Flatten()
        self.dense = layers.Dense(4)

    def call(self, inputs):
        return self.dense(self.flatten(self.conv(self.conv(inputs))))


def test_second_call_of_a_layer_has_a_map_of_its_own(x):
    subclassed = CallsTwice()
    subclassed(x)
    truth.randomise(subclassed)
    inputs = keras.Input((8, 10, 3))
    conv = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")
    first = conv(inputs)
    second = conv(first)
    functional = keras.Model(inputs, layers.Dense(4)(layers.Flatten()(second)))
    functional.set_weights(subclassed.get_weights())
    both = keras.Model(inputs, [first, second, functional.output])
    with tf.GradientTape() as tape:
        tape.watch(tensor := tf.constant(x))
        A1, A2, outputs = both(tensor)
        score = tf.gather(outputs, CLASSES, batch_dims=1)
    G1, G2 = tape.gradient(score, [A1, A2])
    options = {"target": CLASSES, "upsample": False, "relu": False}
    for model in (subclassed, functional):
        maps = kerasxai.explain(model, x, "grad_cam", layer=["conv", "conv#2"], **options)
        assert_same(maps["conv"], grad_cam(A1.numpy(), G1.numpy()))
        assert_same(maps["conv#2"], grad_cam(A2.numpy(), G2.numpy()))
        default = kerasxai.explain(model, x, "grad_cam", **options)
        assert_same(default, grad_cam(A2.numpy(), G2.numpy()))
