"""Every net: published sizes, the class activation map it gives by default, saving, options that are refused."""

import sys

import keras
import numpy as np
import pytest

import kerasxai
from kerasxai import models
from kerasxai.graph import ModelGraph, default_layer


@pytest.fixture
def without_values(monkeypatch):
    """Large nets are built without drawing their weights."""
    monkeypatch.setattr(
        keras.initializers.VarianceScaling, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype)
    )
    yield
    keras.backend.clear_session()


@pytest.fixture
def shallow(monkeypatch):
    """DenseNet with two layers a block: all kinds of layers it has, in a tenth of the time."""
    monkeypatch.setattr(module_of("densenet161"), "DEPTHS", (2, 2, 2, 2))


def module_of(build):
    return sys.modules[getattr(models, build).__module__]


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def shapes(model, names):
    return [model.get_layer(name).output.shape[1:] for name in names.split()]


# Of the ImageNet nets: `num_params` of torchvision's weights. Of the others: the papers and the course project.
@pytest.mark.slow
@pytest.mark.parametrize(
    "build, options, parameters, statistics",
    [
        ("mnist1d_cnn", {}, 13_960, 0),
        ("hmt_cnn", {}, 66_088, 0),
        ("lenet5", {}, 61_706, 0),
        ("alexnet", {}, 61_100_840, 0),
        ("vgg11", {}, 132_863_336, 0),
        ("vgg13", {}, 133_047_848, 0),
        ("vgg16_bn", {}, 138_365_992, 8_448),
        ("squeezenet", {"version": "1.0"}, 1_248_424, 0),
        ("squeezenet", {"version": "1.1"}, 1_235_496, 0),
        ("densenet161", {}, 28_681_000, 219_936),
        ("googlenet", {}, 6_624_904, 14_560),
    ],
)
def test_parameters_are_the_published_ones(without_values, build, options, parameters, statistics):
    model = getattr(models, build)(**options)
    assert trainable(model) == parameters
    assert model.count_params() - parameters == statistics


@pytest.mark.slow
def test_alexnet_maps(without_values):
    model = models.alexnet(width=1 / 64)
    names = "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5"
    assert [shape[:2] for shape in shapes(model, names)] == [(n, n) for n in (55, 27, 27, 13, 13, 13, 13, 6)]


@pytest.mark.slow
def test_alexnet_64_is_the_published_list(without_values):
    model = models.alexnet_64()
    names = "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 avgpool_repeat"
    assert shapes(model, names) == [
        (15, 15, 128),
        (7, 7, 128),
        (7, 7, 384),
        (3, 3, 384),
        (3, 3, 480),
        (3, 3, 384),
        (3, 3, 256),
        (1, 1, 256),
        (6, 6, 256),
    ]
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [8192, 4096, 10]
    kernels = [(11 * 11 * 3, 128), (25 * 128, 384), (9 * 384, 480), (9 * 480, 384), (9 * 384, 256)]
    kernels += [(6 * 6 * 256, 8192), (8192, 4096), (4096, 10)]
    assert trainable(model) == sum((taken + 1) * made for taken, made in kernels)
    kinds = [layer.__class__.__name__ for layer in model.layers][-6:]
    assert kinds == ["Flatten", "Dropout", "Dense", "Dropout", "Dense", "Dense"]


@pytest.mark.slow
def test_vgg11_at_64_is_the_published_list(without_values):
    model = models.vgg11(input_shape=(64, 64, 3), classes=10)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [64, 128, 256, 256, 512, 512, 512, 512]
    assert shapes(model, "block5_pool avgpool flatten fc1 fc2 predictions") == [
        (2, 2, 512),
        (7, 7, 512),
        (25088,),
        (4096,),
        (4096,),
        (10,),
    ]


def test_vgg_blocks():
    small = {"width": 1 / 64, "classes": 3}
    poolings = " ".join(f"block{block}_pool" for block in range(1, 6))
    for build in (models.vgg11, models.vgg13, models.vgg16_bn):
        assert [shape[0] for shape in shapes(build(**small), poolings)] == [112, 56, 28, 14, 7]
    kinds = {layer.name: type(layer).__name__ for layer in models.vgg16_bn(**small).layers}
    assert len([name for name in kinds if "_bn" in name]) == 13
    assert [kinds[f"block4_{part}2"] for part in ("conv", "bn", "relu")] == ["Conv2D", "BatchNormalization", "ReLU"]


def test_squeezenet_maps():
    # rounded down, the second pooling of 1.0 would leave 26
    first = models.squeezenet(version="1.0", width=1 / 16)
    assert [shape[0] for shape in shapes(first, "conv1 pool1 pool4 pool8 conv10")] == [109, 54, 27, 13, 13]
    second = models.squeezenet(version="1.1", width=1 / 16)
    assert [shape[0] for shape in shapes(second, "conv1 pool1 pool3 pool5 conv10")] == [111, 55, 27, 13, 13]
    assert shapes(models.squeezenet(), "fire2_concat fire9_concat") == [(54, 54, 128), (13, 13, 512)]


@pytest.mark.slow
def test_densenet_maps():
    model = models.densenet161(width=1 / 24)  # growth 2 and a stem of 4 instead of 48 and 96
    names = "relu0 pool0 transition1_pool transition2_pool transition3_pool relu5"
    assert shapes(model, names) == [
        (112, 112, 4),
        (56, 56, 4),
        (28, 28, 192 // 24),
        (14, 14, 384 // 24),
        (7, 7, 1056 // 24),
        (7, 7, 2208 // 24),
    ]


def test_googlenet_maps():
    model = models.googlenet(width=1 / 16)
    poolings = "conv1_relu pool1 pool2 pool3 pool4 inception5b_concat"
    assert [shape[0] for shape in shapes(model, poolings)] == [112, 56, 28, 14, 7, 7]
    # The paper's table 1.
    outputs = {"3a": 256, "3b": 480, "4a": 512, "4b": 512, "4c": 512, "4d": 528, "4e": 832, "5a": 832, "5b": 1024}
    assert shapes(model, " ".join(f"inception{module}_concat" for module in outputs)) == [
        (side, side, channels // 16) for side, channels in zip([28] * 2 + [14] * 5 + [7] * 2, outputs.values())
    ]


def test_an_inception_module_is_four_branches_side_by_side():
    """Written out for one position: the normalisations of an untrained net only divide by sqrt(1 + epsilon)."""
    model = models.googlenet(input_shape=(32, 32, 3), width=1 / 16, classes=2)
    before, after = model.get_layer("pool2"), model.get_layer("inception3a_concat")
    values, found = keras.Model(model.inputs[0], [before.output, after.output])(
        np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    )
    padded = np.pad(np.asarray(values, "float64"), [(0, 0), (1, 1), (1, 1), (0, 0)])  # of a ReLU: no maximum lost

    def convolved(x, name):  # (batch, rows, columns, channels): one position less on every side for 3 x 3
        kernel = np.asarray(model.get_layer(name).kernel, "float64")
        size, (rows, columns) = len(kernel), (length - len(kernel) + 1 for length in x.shape[1:3])
        windows = (x[:, i : i + rows, j : j + columns] @ kernel[i, j] for i in range(size) for j in range(size))
        return np.maximum(sum(windows), 0) / np.sqrt(1 + 1e-3)

    inner = padded[:, 1:-1, 1:-1]
    side = inner.shape[1]
    largest = np.max([padded[:, i : i + side, j : j + side] for i in range(3) for j in range(3)], axis=0)
    branches = [convolved(inner, "inception3a_branch1")]
    for number in (2, 3):
        reduced = convolved(padded, f"inception3a_branch{number}_reduce")  # 0 stays 0: no bias
        branches.append(convolved(reduced, f"inception3a_branch{number}"))
    branches.append(convolved(largest, "inception3a_branch4"))
    expected = np.concatenate(branches, axis=-1)
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


SMALL = {
    "mnist1d_cnn": {"width": 0.2},
    "hmt_cnn": {"input_shape": (16, 24, 3), "width": 0.1},
    "lenet5": {},
    "alexnet": {"input_shape": (95, 127, 3), "classes": 7, "width": 1 / 32},
    "alexnet_64": {"width": 1 / 32},
    "vgg11": {"input_shape": (64, 96, 3), "classes": 7, "width": 1 / 16},
    "vgg13": {"input_shape": (64, 64, 3), "classes": 7, "width": 1 / 16},
    "vgg16_bn": {"input_shape": (64, 64, 3), "classes": 7, "width": 1 / 16},
    "squeezenet": {"input_shape": (64, 69, 3), "classes": 7, "width": 1 / 8},
    "densenet161": {"input_shape": (64, 64, 3), "classes": 7, "width": 1 / 24},
    "googlenet": {"input_shape": (64, 69, 3), "classes": 7, "width": 1 / 8},
}
LAST_FEATURES = {
    "mnist1d_cnn": "conv3",
    "hmt_cnn": "block2_conv2",
    "lenet5": "conv2",
    "alexnet": "conv5",
    "alexnet_64": "conv5",
    "vgg11": "block5_conv2",
    "vgg13": "block5_conv2",
    "vgg16_bn": "block5_relu3",
    "squeezenet": "conv10",
    "densenet161": "relu5",
    "googlenet": "inception5b_concat",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*all zero")  # an untrained SqueezeNet has dead classes
@pytest.mark.parametrize("build", SMALL)
def test_explained_and_saved(build, tmp_path, shallow):
    model = getattr(models, build)(**SMALL[build])
    assert default_layer(ModelGraph(model)).path == LAST_FEATURES[build]
    x = np.random.default_rng(0).uniform(size=(2, *model.input_shape[1:])).astype("float32")
    maps = kerasxai.explainers.GradCAM(model, relu=False)(x, target=[0, 1])
    assert maps.shape == x.shape[:-1] and np.isfinite(maps).all() and (maps != 0).any()

    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    np.testing.assert_array_equal(loaded(x, training=False), model(x, training=False))


@pytest.mark.slow
@pytest.mark.parametrize("build", sorted(SMALL))
def test_class_scores(build, shallow):
    options = {**SMALL[build], "classifier_activation": None, "name": "mine"}
    logits = getattr(models, build)(**options)
    assert logits.name == "mine"
    probabilities = getattr(models, build)(**SMALL[build])
    probabilities.set_weights(logits.get_weights())
    x = np.random.default_rng(0).uniform(size=(3, *logits.input_shape[1:])).astype("float32")
    expected = keras.ops.softmax(logits(x, training=False))
    np.testing.assert_allclose(probabilities(x, training=False), expected, atol=1e-6)
    assert probabilities.name == build


def test_weights_of_the_course_project_fit(hmt_model, hmt_images, mnist1d):
    net = models.hmt_cnn()
    net.set_weights(hmt_model.get_weights())
    x = hmt_images(1)[:3]
    np.testing.assert_array_equal(net(x), hmt_model(x))

    published, signals, _ = mnist1d
    net = models.mnist1d_cnn()
    net.set_weights(published.get_weights())
    np.testing.assert_array_equal(net(signals[:20]), published(signals[:20]))


@pytest.mark.parametrize("build", ["hmt_cnn", "mnist1d_cnn"])
def test_starting_point_of_the_course_project(build):
    model = getattr(models, build)()
    layers = [layer for layer in model.layers if layer.weights]
    penalties = [layer.kernel_regularizer.l2 for layer in layers]
    np.testing.assert_allclose(penalties, 5e-4)
    assert all(layer.bias_regularizer is None for layer in layers)
    kernel = np.asarray(model.get_layer("predictions").kernel)
    assert abs(kernel.std() - 0.5) < 0.05 and abs(kernel.mean()) < 0.06


def test_width_scales_channels_and_units_but_not_classes():
    model = models.alexnet(width=0.5, input_shape=(64, 64, 1), classes=3)
    weighted = [layer for layer in model.layers if layer.weights]
    assert [layer.kernel.shape[-1] for layer in weighted] == [32, 96, 192, 128, 128, 2048, 2048, 3]
    least = models.hmt_cnn(width=1e-6)
    assert [layer.kernel.shape[-1] for layer in least.layers if layer.weights] == [1, 1, 1, 1, 8]


# Of the ImageNet nets: torchvision's `min_size`.
SMALLEST = {
    "mnist1d_cnn": 1,
    "hmt_cnn": 4,
    "lenet5": 16,
    "alexnet": 63,
    "alexnet_64": 63,
    "vgg11": 32,
    "vgg13": 32,
    "vgg16_bn": 32,
    "densenet161": 29,
    "googlenet": 15,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "build, smallest, options",
    [(build, side, {}) for build, side in SMALLEST.items()]
    + [("squeezenet", 21, {"version": "1.0"}), ("squeezenet", 17, {"version": "1.1"})],
)
def test_smallest_inputs(build, smallest, options, monkeypatch, shallow):
    def built(side):
        spatial = (side,) if build == "mnist1d_cnn" else (side, side)
        return getattr(models, build)(input_shape=(*spatial, 3), classes=2, width=1 / 64, **options)

    assert built(smallest).output_shape == (None, 2)
    if smallest > 1:
        with pytest.raises(ValueError, match=f"sides of at least {smallest}.*Received: input_shape"):
            built(smallest - 1)
        # the limit is the net's: Keras itself cannot build a smaller one
        monkeypatch.setattr(module_of(build), "check_options", lambda *args, **kwargs: None)
        with pytest.raises((ValueError, ZeroDivisionError)):
            built(smallest - 1)


@pytest.mark.parametrize("build", sorted(SMALL))
@pytest.mark.parametrize(
    "option",
    [
        {"input_shape": 64},
        {"input_shape": (64, 64, 3, 3)},
        {"input_shape": (None, None, 3)},
        {"input_shape": (None, 3)},
        {"input_shape": (64, 64.5, 3)},
        {"classes": 0},
        {"classes": 2.5},
        {"classes": True},
        {"width": 0},
        {"width": float("nan")},
        {"width": float("inf")},
        {"width": "wide"},
    ],
    ids=str,
)
def test_bad_options(build, option):
    (name,) = option
    with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}="):
        getattr(models, build)(**option)


def test_unknown_squeezenet():
    with pytest.raises(ValueError, match=r"`version` must be one of '1.0', '1.1'. Received: version=1.1"):
        models.squeezenet(version=1.1)
