"""Ablation-CAM against the naive loop: the whole model, once for every channel left out of it."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from tests.support import truth
from tests.support.truth import assert_same, images

CLASSES = np.array([0, 2, 1])
TARGET = "target"  # name of the ablated layer


class Masked(keras.Layer):
    """A layer whose output channels can be set to 0."""

    def __init__(self, layer):
        super().__init__(name=layer.name)
        self.layer = layer

    def build(self, shape):
        self.layer.build(shape)
        self.mask = self.add_weight(shape=self.layer.compute_output_shape(shape)[-1:], initializer="ones")

    def call(self, inputs):
        return self.layer(inputs) * self.mask

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)


def model_with(tail, size=(8, 10), layer=None, seed=11):
    """A net whose 6-channel layer `target` is followed by what `tail` makes of its output."""
    inputs = keras.Input((*size, 3))
    convolution = getattr(layers, f"Conv{len(size)}D")
    hidden = convolution(4, 3, padding="same", activation="relu", name="before")(inputs)
    features = (layer or convolution(6, 3, padding="same", activation="relu", name=TARGET))(hidden)
    return truth.randomise(keras.Model(inputs, tail(features)), seed)


def naive_map(model, x, classes, ablation="activation", normalize=True, channels=6):
    """`sum_k (S - S_k) / |S| A_k`, every S_k from a run of the whole of a changed copy."""
    A = truth.activations(model, TARGET, x)
    score = truth.scores(model, x, classes)
    without = ablated_activations if ablation == "activation" else ablated_kernels
    falls = np.stack([score - truth.scores(one, x, classes) for one in without(model, channels)])
    weights = falls / np.abs(score) if normalize else falls
    return np.einsum("kn,n...k->n...", weights, A)


def ablated_activations(model, channels):
    def copied(layer):
        copy = layer.__class__.from_config(layer.get_config())
        return Masked(copy) if layer.name == TARGET else copy

    copy = keras.models.clone_model(model, clone_function=copied)
    for layer in (layer for layer in model.layers if layer.weights):
        twin = copy.get_layer(layer.name)
        (twin.layer if isinstance(twin, Masked) else twin).set_weights(layer.get_weights())
    for channel in range(channels):
        copy.get_layer(TARGET).mask.assign(np.arange(channels) != channel)
        yield copy


def ablated_kernels(model, channels):
    copy = truth.clone(model)
    layer = copy.get_layer(TARGET)
    kernel = layer.pointwise_kernel if hasattr(layer, "pointwise_kernel") else layer.kernel
    axis = -2 if "Transpose" in type(layer).__name__ else -1
    whole = kernel.numpy()
    for channel in range(channels):
        keep = np.arange(channels) != channel
        kernel.assign(whole * (keep if axis == -1 else keep[:, np.newaxis]))
        yield copy


def pooled_dense(x):
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))


def flat_chain(x):
    return layers.Dense(3)(layers.Dense(5, activation="relu")(layers.Flatten()(x)))


def max_pool_flat_chain(x):
    x = layers.Dense(5, activation="relu")(layers.Flatten()(layers.MaxPooling2D()(x)))
    return layers.Dense(3)(x)


def flat_dense_batch_norm(x):
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(5, use_bias=False)(layers.Flatten()(x))))
    return layers.Dense(3)(x)


def batch_norm_after(x):
    return flat_chain(layers.BatchNormalization()(x))


def batch_norm_on_flat_features(x):
    return layers.Dense(3)(layers.Dense(5, activation="relu")(layers.BatchNormalization()(layers.Flatten()(x))))


def convolutions_and_pooling(x):
    x = layers.MaxPooling2D()(layers.Conv2D(5, 3, padding="same", activation="relu")(x))
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 2, activation="tanh")(x)))


def valid_convolution(x):
    return layers.Dense(3)(layers.GlobalMaxPooling2D()(layers.Conv2D(5, 3)(x)))


def strided_convolution(x):
    return flat_chain(layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(x))


def depthwise_convolution(x):
    return flat_chain(layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x))


def grouped_convolution(x):
    return flat_chain(layers.Conv2D(4, 3, groups=2, activation="relu")(x))


def pooled_chain(x):
    return layers.Dense(3)(layers.Dense(5, activation="relu")(layers.GlobalAveragePooling2D()(x)))


def pooled_chain_kept_dimensions(x):
    return layers.Dense(3)(layers.Flatten()(layers.GlobalMaxPooling2D(keepdims=True)(x)))


def max_pooled_dense(x):
    return layers.Dense(3)(layers.GlobalMaxPooling2D()(x))


def dropout(x):
    return layers.Dense(3)(layers.Dropout(0.5)(layers.Dense(5, activation="relu")(layers.Flatten()(x))))


def dropout_before(x):
    return flat_chain(layers.SpatialDropout2D(0.5)(x))


def zero_padding(x):
    return flat_chain(layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x)))


def cropping(x):
    return flat_chain(layers.Cropping2D(1)(x))


def upsampling(x):
    return flat_chain(layers.UpSampling2D()(x))


def activation_before(x):
    return flat_chain(layers.Activation("tanh")(x))


def leaky_relu_before(x):
    return max_pool_flat_chain(layers.LeakyReLU()(x))


def softmax_over_channels(x):
    return flat_chain(layers.Activation("softmax")(x))


def log_softmax_over_channels(x):
    return flat_chain(layers.Activation("log_softmax")(x))


def softmax_layer_over_channels(x):
    return flat_chain(layers.Softmax()(x))


def layer_normalization(x):
    return flat_chain(layers.LayerNormalization()(x))


def permuted(x):
    return flat_chain(layers.Permute((3, 1, 2))(x))


def concatenated_branches(x):
    left = layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    right = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    return flat_chain(layers.Concatenate()([left, right]))


def joined_dense_branches(x):
    left = layers.Dense(5, activation="relu")(layers.Flatten()(x))
    right = layers.Dense(4, activation="relu")(layers.GlobalAveragePooling2D()(x))
    return layers.Dense(3)(layers.Concatenate()([left, right]))


def squeeze_and_excitation(x):
    gate = layers.Dense(6, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate])))


def dense_per_position(x):
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Dense(5, activation="relu")(x)))


def sequence_of_rows(x):
    x = layers.Reshape((8, 60))(x)
    return layers.Dense(3)(layers.GlobalMaxPooling1D()(layers.Conv1D(4, 3)(x)))


SUFFIXES = [
    pooled_dense,
    flat_chain,
    max_pool_flat_chain,
    flat_dense_batch_norm,
    batch_norm_after,
    batch_norm_on_flat_features,
    convolutions_and_pooling,
    valid_convolution,
    strided_convolution,
    depthwise_convolution,
    grouped_convolution,
    pooled_chain,
    pooled_chain_kept_dimensions,
    max_pooled_dense,
    dropout,
    dropout_before,
    zero_padding,
    cropping,
    upsampling,
    activation_before,
    leaky_relu_before,
    softmax_over_channels,
    log_softmax_over_channels,
    softmax_layer_over_channels,
    layer_normalization,
    permuted,
    concatenated_branches,
    joined_dense_branches,
    squeeze_and_excitation,
    dense_per_position,
    sequence_of_rows,
]

OPTIONS = {"layer": TARGET, "upsample": False, "relu": False}


@pytest.fixture(scope="module")
def x():
    return images(3, (8, 10, 3))


@pytest.mark.slow
@pytest.mark.parametrize("tail", SUFFIXES)
def test_equals_the_naive_loop(tail, x):
    model = model_with(tail)
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "tail", [pooled_dense, max_pool_flat_chain, batch_norm_after, valid_convolution, upsampling, concatenated_branches]
)
def test_kernel_ablation_leaves_the_activation_of_the_bias(tail, x):
    model = model_with(tail)
    assert (model.get_layer(TARGET).bias.numpy() > 0).any() and (model.get_layer(TARGET).bias.numpy() < 0).any()
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, ablation="kernel", **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES, ablation="kernel"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(6, 3, use_bias=False, name=TARGET),
        layers.Conv2D(6, 3, strides=2, activation="tanh", name=TARGET),
        layers.SeparableConv2D(6, 3, activation="softplus", name=TARGET),
        layers.Conv2DTranspose(6, 2, activation="relu", name=TARGET),
        layers.Dense(6, activation="relu", name=TARGET),
    ],
    ids=["no_bias", "strided", "separable", "transposed", "dense"],
)
def test_kernel_ablation_of_other_layers(layer, x):
    model = model_with(flat_chain, layer=layer)
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, ablation="kernel", **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES, ablation="kernel"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tail", [pooled_dense, max_pool_flat_chain])
def test_without_division_by_the_score(tail, x):
    model = model_with(tail)
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, normalize=False, **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES, normalize=False), rtol=1e-3, atol=1e-4)


def with_head(tail, head):
    return lambda features: layers.Activation(head)(tail(features))


@pytest.mark.sweep
@pytest.mark.parametrize("tail", [pooled_dense, flat_chain, convolutions_and_pooling])
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_softmax_head(tail, score, x):
    """`logit`: as without the softmax; `probability`: nothing is affine any more."""
    model = model_with(with_head(tail, "softmax"))
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, score=score, **OPTIONS)
    explained = model if score == "probability" else truth.logits_of(model)
    assert_same(maps, naive_map(explained, x, CLASSES), rtol=1e-3, atol=1e-4)


@pytest.mark.sweep
@pytest.mark.parametrize(
    "before",
    [layers.GlobalMaxPooling2D(), layers.GlobalAveragePooling2D(), layers.Flatten()],
    ids=lambda layer: layer.name,
)
@pytest.mark.parametrize("score", ["logit", "probability"])
def test_softmax_fused_into_the_first_dense_layer(before, score, x):
    model = model_with(lambda features: layers.Dense(3, activation="softmax")(before(features)))
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, score=score, **OPTIONS)
    explained = model if score == "probability" else truth.logits_of(model)
    assert_same(maps, naive_map(explained, x, CLASSES), rtol=1e-3, atol=1e-4)


def test_sigmoid_unit(x):
    """Target 0 explains the negative logit: the falls turn their sign, the size of the score stays."""
    model = model_with(lambda x: layers.Dense(1, activation="sigmoid")(layers.GlobalMaxPooling2D()(x)))
    expected = naive_map(truth.logits_of(model), x, [0, 0, 0])
    explainer = kerasxai.explainers.AblationCAM(model, **OPTIONS)
    assert_same(explainer(x, target=1), expected, rtol=1e-3, atol=1e-4)
    assert_same(explainer(x, target=0), -expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("tail", "seed"), [(max_pool_flat_chain, 19), (convolutions_and_pooling, 18)])
def test_predicted_class_is_kept_while_channels_go(tail, seed, x):
    """An ablated net may predict another class; the score stays that of the class predicted by the whole one."""
    model = model_with(tail, seed=seed)
    predicted = truth.predictions(model, x).argmax(axis=1)
    others = [truth.predictions(one, x).argmax(axis=1) for one in ablated_activations(model, 6)]
    assert (np.stack(others) != predicted).any()
    maps = kerasxai.explain(model, x, "ablation_cam", **OPTIONS)
    assert_same(maps, naive_map(model, x, predicted), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tail", [pooled_dense, max_pool_flat_chain])
def test_callable_target(tail, x):
    model = model_with(tail)
    squares = truth.clone(model)
    squares = keras.Model(squares.inputs[0], keras.ops.square(squares.outputs[0]))
    maps = kerasxai.explain(model, x, "ablation_cam", target=lambda outputs: outputs[:, 1] ** 2, **OPTIONS)
    assert_same(maps, naive_map(squares, x, [1, 1, 1]), rtol=1e-3, atol=1e-4)


def residual(layer_after):
    inputs = keras.Input((8, 10, 3))
    before = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    branch = layers.Conv2D(6, 3, padding="same", activation="relu", name=TARGET)(before)
    branch = layers.Conv2D(6, 3, padding="same")(branch)
    joined = layer_after(layers.Add()([before, branch]))
    return truth.randomise(keras.Model(inputs, flat_chain(joined)), seed=5)


@pytest.mark.parametrize("after", [layers.ReLU(), layers.Identity()], ids=["relu", "linear"])
def test_layer_inside_a_residual_branch(after, x):
    """The tensor that passes the branch by is kept as it is."""
    model = residual(after)
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES), rtol=1e-3, atol=1e-4)


def test_dense_layer_of_a_branch_beside_others(x):
    """The first Dense layer after the target is joined by a tensor from before it."""
    inputs = keras.Input((8, 10, 3))
    before = layers.Conv2D(4, 3, activation="relu")(inputs)
    branch = layers.Conv2D(6, 3, activation="relu", name=TARGET)(before)
    left = layers.Dense(5)(layers.Flatten()(branch))
    right = layers.Dense(5)(layers.GlobalAveragePooling2D()(before))
    outputs = layers.Dense(3)(layers.ReLU()(layers.Add()([left, right])))
    model = truth.randomise(keras.Model(inputs, outputs), seed=5)
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES), rtol=1e-3, atol=1e-4)


def test_dense_layer_called_twice(x):
    """A Dense layer shared by two positions of the graph: only the call after the target changes."""
    inputs = keras.Input((8, 10, 3))
    before = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    target = layers.Conv2D(6, 3, padding="same", activation="relu", name=TARGET)(before)
    shared = layers.Dense(5, activation="relu")
    left, right = shared(layers.GlobalMaxPooling2D()(before)), shared(layers.GlobalMaxPooling2D()(target))
    model = truth.randomise(keras.Model(inputs, layers.Dense(3)(layers.Concatenate()([left, right]))), seed=5)
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, **OPTIONS)
    assert_same(maps, naive_map(model, x, CLASSES), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("ablation", ["activation", "kernel"])
def test_one_dimension(ablation):
    def tail(x):
        x = layers.Dense(5, activation="relu")(layers.Flatten()(layers.MaxPooling1D()(x)))
        return layers.Dense(3)(x)

    model, x = model_with(tail, size=(20,)), images(3, (20, 3))
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, ablation=ablation, **OPTIONS)
    assert maps.shape == (3, 20)
    assert_same(maps, naive_map(model, x, CLASSES, ablation), rtol=1e-3, atol=1e-4)


def test_list_of_layers(x):
    model = model_with(max_pool_flat_chain)
    options = {**OPTIONS, "layer": ["before", TARGET]}
    maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, **options)
    assert list(maps) == ["before", TARGET]
    assert_same(maps[TARGET], naive_map(model, x, CLASSES), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tail", [max_pool_flat_chain, convolutions_and_pooling])
def test_chunks_do_not_change_the_map(tail, x):
    """With room for one copy of one sample at a time, and for a few copies of all."""
    model = model_with(tail)
    expected = naive_map(model, x, CLASSES)
    for batch_size in (1, 13):
        maps = kerasxai.explain(model, x, "ablation_cam", target=CLASSES, batch_size=batch_size, **OPTIONS)
        assert_same(maps, expected, rtol=1e-3, atol=1e-4)


def test_kernel_ablation_refuses_a_layer_without_kernel():
    model = model_with(lambda x: flat_chain(layers.ReLU(name="relu")(x)))
    with pytest.raises(ValueError, match="kernel"):
        kerasxai.explainers.AblationCAM(model, layer="relu", ablation="kernel")
