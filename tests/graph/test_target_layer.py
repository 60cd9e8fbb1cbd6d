"""The layer a CAM reads by default."""

import keras
import pytest
from keras import Input, Sequential, layers, ops

import kerasxai
from kerasxai.graph import ModelGraph, default_layer
from tests.support import nets


def default_of(model, output=0):
    return default_layer(ModelGraph(model), output).path


def after_conv(*tail, shape=nets.IMAGE):
    """A Sequential net: two convolutions, then `tail`, then a Dense head."""
    first, last = nets.conv("first"), nets.conv("last", filters=4)
    return Sequential([Input(shape), first, last, *tail, layers.Dense(3, activation="softmax", name="head")])


TAILS = {
    "flatten": [layers.Flatten()],
    "global average": [layers.GlobalAveragePooling2D()],
    "global max, kept axes": [layers.GlobalMaxPooling2D(keepdims=True), layers.Flatten()],
    "max pooling": [layers.MaxPooling2D(), layers.Flatten()],
    "average pooling": [layers.AveragePooling2D(2), layers.Flatten()],
    "dropout": [layers.Dropout(0.1), layers.SpatialDropout2D(0.1), layers.GlobalAveragePooling2D()],
    "padding and cropping": [layers.ZeroPadding2D(), layers.Cropping2D(1), layers.Flatten()],
    "reshape": [layers.Reshape((64, 4)), layers.GlobalAveragePooling1D()],
    "permute": [layers.Permute((3, 1, 2)), layers.Flatten()],
    "upsampling": [layers.UpSampling2D(), layers.GlobalAveragePooling2D()],
    "noise": [layers.GaussianNoise(0.1), layers.Identity(), layers.GlobalAveragePooling2D()],
    "dense layers": [layers.Flatten(), layers.Dense(5, activation="relu")],
    "1x1 classifier": [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(3, 1), layers.Flatten()],
}


@pytest.mark.parametrize("tail", TAILS)
def test_what_only_moves_or_pools_is_passed_over(tail):
    model = after_conv(*[type(layer).from_config(layer.get_config()) for layer in TAILS[tail]])
    assert default_of(model) == "last"


def test_activation_and_normalisation_belong_to_the_map():
    model = after_conv(layers.BatchNormalization(name="norm"), layers.ReLU(name="relu"), layers.Flatten())
    assert default_of(model) == "relu"


def test_operations_are_passed_over_or_taken_by_what_they_do():
    inputs = Input(nets.IMAGE)
    x = ops.relu(nets.conv("conv", activation=None)(inputs))
    pooled = ops.mean(ops.max_pool(x[:, 1:], 2), axis=[1, 2])
    model = keras.Model(inputs, layers.Dense(3)(ops.reshape(pooled, (-1, 3))))
    assert ModelGraph(model).node(default_of(model)).kind == "Relu"


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("residual", "joined_relu"),
        ("sequential_in_functional", "inner/conv2"),
        ("functional_in_sequential", "features/relu"),
        ("three_levels", "middle/after"),
        ("shared_layer", "s#2"),
        ("nested_called_twice", "difference"),
        ("two_inputs", "conv"),
        ("dict_inputs", "two_inputs/conv"),
        ("trained", "relu"),
        ("free_size", "conv"),
    ],
)
def test_default_of_every_kind(kind, path):
    assert default_of(nets.build(kind)) == path


def test_one_dimensional():
    model = Sequential(
        [
            Input((16, 1)),
            layers.Conv1D(3, 3, name="conv1"),
            layers.MaxPooling1D(name="pool"),
            layers.Conv1D(4, 3, name="conv2"),
            layers.MaxPooling1D(name="pool2"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    assert default_of(model) == "conv2"


def test_each_output_has_its_own():
    inputs = Input(nets.IMAGE)
    early = nets.conv("early")(inputs)
    late = nets.conv("late")(early)
    model = keras.Model(inputs, [nets.head(early, name="a"), nets.head(late, name="b")])
    assert [default_of(model, output) for output in (0, 1)] == ["early", "late"]


def parallel():
    inputs = Input(nets.IMAGE)
    ends = [layers.GlobalAveragePooling2D()(nets.conv(name)(inputs)) for name in ("left", "right")]
    return keras.Model(inputs, layers.Dense(3)(layers.Concatenate()(ends)), name="parallel")


def test_parallel_ends_are_listed():
    model = parallel()
    with pytest.raises(ValueError, match=r"parallel branches of the model end in (left, right|right, left)\. Name one"):
        default_of(model)
    maps = kerasxai.explain(model, nets.normals(2), method="grad_cam", layer="right")
    assert maps.shape == (2, 8, 8)


def test_a_branch_that_ends_before_another_is_no_parallel_end():
    inputs = Input(nets.IMAGE)
    early = nets.conv("early")(inputs)
    late = nets.conv("late")(early)
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(x) for x in (early, late)])
    assert default_of(keras.Model(inputs, layers.Dense(3)(both))) == "late"


def test_no_spatial_layer():
    model = Sequential([Input((4,)), layers.Dense(3, name="dense")], name="flat")
    with pytest.raises(ValueError, match=r"model 'flat' has none on the way to 'dense'\. Gradient methods"):
        default_of(model)


def test_one_position_is_no_map():
    model = Sequential([Input((8, 8, 2)), layers.Conv2D(3, 8, name="whole"), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="must name a layer with spatial axes"):
        default_of(model)
