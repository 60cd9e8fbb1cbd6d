"""Models whose input and layers are held in different types of number."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.support.truth import images, randomise

TYPES = [  # of the input, of the layers, of one layer among them
    ("float64", "float64", "float64"),
    ("float64", "float32", "float32"),
    ("float32", "float64", "float64"),
    ("float32", "float32", "float64"),
    ("float64", "float32", "float64"),
    ("float64", "float64", "float32"),
]
METHODS = {
    "epsilon": ("lrp", {"rules": "epsilon"}),
    "box": ("lrp", {"rules": "epsilon_gamma_box", "input_range": (0, 1)}),
    "abs_z": ("lrp", {"rules": "epsilon_alpha2_beta1_flat", "batch_norm": "abs_z"}),
    "deep_lift": ("deep_lift", {}),
    "relevance_cam": ("relevance_cam", {"layer": "sum"}),
    "full_grad": ("full_grad", {}),
    "guided_backprop": ("guided_backprop", {}),
}


def net(of_input, of_layers, of_one, head="float32"):
    """A padded and a residual convolution, normalisation of both kinds, and a head."""
    options = {"dtype": of_layers}
    image = keras.Input((8, 8, 3), dtype=of_input)
    x = layers.Conv2D(4, 3, **options)(layers.ZeroPadding2D(1, **options)(image))
    x = layers.ReLU(**options)(layers.BatchNormalization(**options)(x))
    branch = layers.Conv2D(4, 3, padding="same", activation="relu", dtype=of_one)(x)
    branch = layers.LayerNormalization(dtype=of_one)(branch)
    x = layers.Add(name="sum", **options)([x, branch])
    x = layers.GlobalAveragePooling2D(**options)(layers.MaxPooling2D(**options)(x))
    outputs = layers.Dense(3, activation="softmax", dtype=head)(x)
    return randomise(keras.Model(image, outputs), seed=6)


def explained(model, method):
    name, options = METHODS[method]
    x = images(3, (8, 8, 3)).astype(model.inputs[0].dtype)
    return kerasxai.explainers.get(name)(model, **options)(x, target=np.array([0, 2, 1]))


@pytest.mark.slow
@pytest.mark.parametrize("types", TYPES, ids="-".join)
@pytest.mark.parametrize("method", METHODS)
def test_types_change_nothing_but_rounding(method, types):
    """Each layer works in its own type, and the map is that of the same net in float32."""
    expected = explained(net("float32", "float32", "float32"), method)
    maps = explained(net(*types), method)
    assert np.abs(maps - expected).max() <= 1e-4 * np.abs(expected).max() and np.ptp(expected) > 0


@pytest.mark.slow
@pytest.mark.parametrize("types", TYPES, ids="-".join)
def test_ledger_closes(types):
    model = net(*types)
    ledger = kerasxai.explainers.LRP(model).ledger(images(3, (8, 8, 3)))
    assert ledger.residual.max() <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_half_precision_whole(method):
    """A model wholly in float16 holds its weights in it too: the walk back computes in float32 all the same.

    Rounding changes which unit of a window is the largest, so maps are compared by what they have in common.
    """
    expected = explained(net("float32", "float32", "float32"), method)
    maps = explained(net("float16", "float16", "float16"), method)
    assert maps.dtype == np.float32 and np.isfinite(maps).all()
    assert np.corrcoef(maps.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("method", ["epsilon", "box", "abs_z", "deep_lift", "relevance_cam"])
def test_walks_back_divide_by_no_rounded_value(method, policy):
    """The rounded output of a unit near 0 is any multiple of the sum it is divided by: the walk runs in float32."""
    expected = explained(net("float32", "float32", "float32"), method)
    maps = explained(net("float32", policy, policy), method)
    assert np.abs(maps - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.slow
def test_the_class_is_the_one_the_model_predicts():
    """Of two classes a rounding apart the model's own first one is explained, not that of the walk in float32."""
    inputs = keras.Input((4, 4, 1))
    x = layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(inputs)
    model = keras.Model(inputs, layers.Dense(2, dtype="mixed_bfloat16")(x))
    model.set_weights([np.array([[1.0, 1.0 + 2.0**-10]]), np.zeros(2)])  # equal in bfloat16: class 0 is the first
    x = np.ones((1, 4, 4, 1), "float32")
    assert np.argmax(model(x).numpy()) == 0
    for method in ("lrp", "deep_lift"):
        np.testing.assert_array_equal(
            kerasxai.explain(model, x, method), kerasxai.explain(model, x, method, target=0), err_msg=method
        )
