"""Parity with tf-keras-vis 0.8.7 where it has the method. What differs is convention, undone here before comparing:

- it changes clones: `ReplaceToLinear` takes the softmax off, where `score="logit"` leaves it out;
- `penultimate_layer` is followed to the convolution before it unless `seek_penultimate_conv_layer=False`;
- its maps are scaled to 0 ... 1 per sample (`normalize_cam`, `normalize_map`), kerasxai's are raw;
- `expand_cam` resizes with scipy.ndimage.zoom, which aligns the centres of corner pixels; kerasxai aligns their outer
  edges (half-pixel centres, as tf.image.resize);
- its Grad-CAM++ divides the shares of each channel by their sum and multiplies every weight with exp(score);
- Saliency takes the absolute value and, unless `keepdims=True`, the largest channel.
"""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.support.truth import assert_same, images

pytest.importorskip("tf_keras_vis")

import scipy.ndimage
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.utils import normalize
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation, ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


def patterns(samples, seed):
    """Images with a patch of vertical stripes, horizontal stripes, a chequerboard or plain brightness: the class."""
    draw = np.random.default_rng(seed)
    x, y = images(samples, (12, 16, 2), seed), draw.integers(4, size=samples)
    row, column = np.indices((6, 8))
    drawn = [column % 2, row % 2, (row + column) % 2, np.ones_like(row)]
    for image, label in zip(x, y):
        top, left = draw.integers(7), draw.integers(9)
        image[top : top + 6, left : left + 8] += 2.0 * drawn[label][..., np.newaxis]
    return x, y


X, CLASSES = patterns(4, seed=5)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((12, 16, 2))
    hidden = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(inputs)
    hidden = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="last")(hidden)
    outputs = layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(hidden))
    trained = keras.Model(inputs, outputs)
    trained.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    trained.fit(*patterns(192, seed=1), epochs=12, verbose=0)
    x, y = patterns(64, seed=2)
    assert (trained.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.8
    return trained


@pytest.fixture
def x():
    return X


def theirs(method, model, x, layer, **options):
    """A CAM of theirs at the layer's size, unscaled."""
    options = {"expand_cam": False, "normalize_cam": False, **options}
    explainer = method(model, model_modifier=ReplaceToLinear())
    score = CategoricalScore(CLASSES.tolist())
    return np.asarray(explainer(score, x, penultimate_layer=layer, seek_penultimate_conv_layer=False, **options))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["first", "last"])
@pytest.mark.parametrize(("method", "peer"), [("grad_cam", Gradcam), ("layer_cam", Layercam)])
def test_cam(method, peer, layer, model, x):
    maps = kerasxai.explain(model, x, method, target=CLASSES, layer=layer, upsample=False)
    assert_same(maps, theirs(peer, model, x, layer))


def test_grad_cam_without_relu(model, x):
    maps = kerasxai.explain(model, x, "grad_cam", target=CLASSES, layer="first", upsample=False, relu=False)
    assert maps.min() < 0
    assert_same(maps, theirs(Gradcam, model, x, "first", activation_modifier=None))


def test_grad_cam_as_they_return_it(model, x):
    """Their defaults: enlarged by zoom, then scaled."""
    maps = kerasxai.explain(model, x, "grad_cam", target=CLASSES, layer="last", upsample=False)
    enlarged = scipy.ndimage.zoom(maps, (1, 2, 2), order=1)
    assert_same(normalize(enlarged), theirs(Gradcam, model, x, "last", expand_cam=True, normalize_cam=True))


def test_grad_cam_plus_plus(model, x):
    """Their factors, exp(S) and 1 / sum of the shares, put on each channel's own map."""
    whole = kerasxai.explain(model, x, "grad_cam_plus_plus", target=CLASSES, layer="last", upsample=False, relu=False)
    linear = keras.models.clone_model(model)
    linear.set_weights(model.get_weights())
    linear.layers[-1].activation = keras.activations.linear
    A = keras.Model(linear.inputs[0], linear.get_layer("last").output)(x).numpy()
    S = linear(x).numpy()[np.arange(4), CLASSES]
    G = linear.layers[-1].kernel.numpy().T[CLASSES].reshape(4, 1, 1, 8) / 48 * np.ones_like(A)  # 48 positions pooled
    denominator = 2 * G**2 + A.sum(axis=(1, 2), keepdims=True) * G**3
    shares = G**2 / denominator
    weights = (shares * np.maximum(G, 0)).sum(axis=(1, 2), keepdims=True)
    assert_same(whole, (weights * A).sum(axis=-1), rtol=1e-3)  # so the weights are ours
    weights *= np.exp(S).reshape(4, 1, 1, 1) / shares.sum(axis=(1, 2), keepdims=True)
    expected = theirs(GradcamPlusPlus, model, x, "last")
    assert_same(np.maximum((weights * A).sum(axis=-1), 0), expected, rtol=1e-2, atol=1e-4)


def test_saliency(model, x):
    peer = Saliency(model, model_modifier=ReplaceToLinear())
    raw = peer(CategoricalScore(CLASSES.tolist()), x, keepdims=True, gradient_modifier=None, normalize_map=False)
    gradient = kerasxai.explain(model, x, "gradient", target=CLASSES)
    assert_same(gradient, raw)
    as_they_return_it = peer(CategoricalScore(CLASSES.tolist()), x)
    assert_same(normalize(kerasxai.to_heatmap(gradient, reduce="abs_max")), as_they_return_it)


def test_saliency_of_the_probability(model, x):
    raw = Saliency(model)(
        CategoricalScore(CLASSES.tolist()), x, keepdims=True, gradient_modifier=None, normalize_map=False
    )
    assert_same(kerasxai.explain(model, x, "gradient", target=CLASSES, score="probability"), raw)


def test_guided_backpropagation(model, x):
    """Their modifier reaches fused ReLUs, and this model has no other."""
    peer = Saliency(model, model_modifier=[GuidedBackpropagation(), ReplaceToLinear()])
    raw = peer(CategoricalScore(CLASSES.tolist()), x, keepdims=True, gradient_modifier=None, normalize_map=False)
    assert_same(kerasxai.explain(model, x, "guided_backprop", target=CLASSES), raw)
