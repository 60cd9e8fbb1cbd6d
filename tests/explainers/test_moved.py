"""Models that crop, pad, flip, permute: every map that is stretched to the input lies where the evidence is.

Two truths: a bright pixel is shown where it is, and a net behind a move is explained as the net alone on moved input.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import kerasxai
from kerasxai.explainers import CAM
from tests.support.truth import assert_same, conv_net, images, pooled_net, randomise

CAMS = sorted(name for name in kerasxai.explainers.names() if issubclass(kerasxai.explainers.get(name), CAM))
METHODS = [*(name for name in CAMS if name != "cam"), "sise", "full_grad", "guided_grad_cam"]
FEW = {"smooth_grad_cam_plus_plus": {"n_samples": 3, "noise_level": 0.01}}


def copies(rank=2):
    """A convolution that hands its two channels on as they are."""
    kernel = np.zeros((*[3] * rank, 2, 2))
    kernel[(1,) * rank] = np.eye(2)
    initial = keras.initializers.Constant(kernel)
    return getattr(layers, f"Conv{rank}D")(2, 3, padding="same", activation="relu", kernel_initializer=initial)


def reads_channel_0(shape, *steps, weight=900.0):
    """`score = weight * mean of channel 0` of what the steps leave, which read no more than they move."""
    x = inputs = keras.Input(shape)
    for step in steps:
        x = step(x)
    pool = getattr(layers, f"GlobalAveragePooling{len(shape) - 1}D")()
    head = layers.Dense(1, kernel_initializer=keras.initializers.Constant([[weight], [0.0]]))
    return keras.Model(inputs, head(pool(x)))


def bright(shape, *position):
    """Dark noise with a bright pixel in channel 0."""
    x = 0.01 * images(1, shape)
    x[(0, *position, 0)] = 1.0
    return x


def peak(maps):
    flat = np.sort(maps[0].ravel())
    assert flat[-1] > flat[-2], "the maximum is shared"
    return tuple(int(index) for index in np.unravel_index(maps[0].argmax(), maps.shape[1:]))


def located(model, x, method, **options):
    maps = kerasxai.explain(model, x, method, **FEW.get(method, {}), **options)
    return peak(np.abs(maps).max(axis=-1) if maps.ndim == x.ndim else maps)


IMAGE = (32, 30, 2)
MOVES = {
    "center_crop": lambda: layers.CenterCrop(16, 18),
    "cropping": lambda: layers.Cropping2D(((3, 8), (0, 5))),
    "random_crop": lambda: layers.RandomCrop(16, 18),  # at rest: Keras leaves the image as it is
    "zero_padding": lambda: layers.ZeroPadding2D(((16, 3), (0, 9))),
    "permute": lambda: layers.Permute((2, 1, 3)),
    "resizing": lambda: layers.Resizing(60, 60, crop_to_aspect_ratio=True),
    "resizing, padded": lambda: layers.Resizing(64, 64, pad_to_aspect_ratio=True),
    "slice": lambda: lambda x: x[:, 3:-2, 5:],
    "every second": lambda: lambda x: x[:, ::2, 1::2],
    "backwards": lambda: lambda x: x[:, ::-1, 24:2:-1],
    "flip": lambda: lambda x: ops.flip(x, 1),
    "transpose": lambda: lambda x: ops.transpose(x, (0, 2, 1, 3)),
    "pad": lambda: lambda x: ops.pad(x, ((0, 0), (5, 0), (2, 9), (0, 0))),
    "tokens": lambda: lambda x: layers.Reshape((32, 30, 2))(layers.ReLU()(layers.Reshape((960, 2))(x))),
}


@pytest.mark.sweep
@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("where", ["before", "between", "after"])
def test_a_bright_pixel_is_shown_where_it_is(move, where):
    steps = {"before": [], "between": [copies()], "after": [copies(), copies()]}[where]
    model = reads_channel_0(IMAGE, *steps, MOVES[move](), *[copies()] * 0, *([copies()] if where != "after" else []))
    explainer = kerasxai.explainers.GradCAM(model, layer=model.layers[-3].name)
    for position in ((20, 17), (12, 13)):
        assert peak(explainer(bright(IMAGE, *position))) == position


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_locates_a_pixel_behind_several_moves(method):
    inner = keras.Sequential([keras.Input((18, 18, 2)), layers.Cropping2D(((2, 0), (0, 1))), copies()])
    model = reads_channel_0(
        (24, 22, 2),
        layers.Cropping2D(((3, 1), (4, 4))),
        copies(),
        lambda x: ops.flip(x, 1),
        layers.ZeroPadding2D(((0, 0), (2, 2))),
        copies(),
        layers.Permute((2, 1, 3)),
        layers.Cropping2D(((0, 0), (1, 1))),
        inner,
    )
    for position in ((9, 8), (16, 15)):
        assert located(model, bright((24, 22, 2), *position), method) == position


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_locates_a_step_of_a_cropped_signal(method):
    model = reads_channel_0((40, 2), layers.Cropping1D((15, 4)), copies(1), lambda x: x[:, ::-1], copies(1))
    for position in (17, 31):
        assert located(model, bright((40, 2), position), method) == (position,)


def test_volumes():
    steps = [layers.Cropping3D(((1, 0), (2, 1), (0, 3))), copies(3), layers.ZeroPadding3D(2), copies(3)]
    steps[-1] = layers.Conv3D(2, 3, activation="relu", kernel_initializer=steps[1].kernel_initializer)  # takes up 1
    model = reads_channel_0((7, 8, 9, 2), *steps)
    assert located(model, bright((7, 8, 9, 2), 4, 3, 2), "grad_cam") == (4, 3, 2)


# A net behind a move, as the net alone -------------------------------------------------------------------------------

# A move of (8, 10) images to another size, made of an outer size: (move, outer size, on images, on maps back).
BEHIND = {
    "crop": (
        layers.Cropping2D(((3, 1), (2, 5))),
        (12, 17),
        lambda x: x[:, 3:-1, 2:-5],
        lambda maps: np.pad(maps, ((0, 0), (3, 1), (2, 5))),
    ),
    "flip": (lambda x: x[:, ::-1, ::-1], (8, 10), lambda x: x[:, ::-1, ::-1], lambda maps: maps[:, ::-1, ::-1]),
    "permute": (
        layers.Permute((2, 1, 3)),
        (10, 8),
        lambda x: x.transpose(0, 2, 1, 3),
        lambda maps: maps.transpose(0, 2, 1),
    ),
    "scaled": (layers.Rescaling(1.0), (8, 10), lambda x: x, lambda maps: maps),
}


@pytest.mark.slow
@pytest.mark.parametrize("move", BEHIND)
@pytest.mark.parametrize("method", [*(name for name in CAMS if name != "cam"), "sise"])
def test_a_net_behind_a_move_is_explained_as_the_net_alone(method, move):
    step, size, moved, back = BEHIND[move]
    net = conv_net(head="softmax")
    inputs = keras.Input((*size, 3))
    model = keras.Model(inputs, net(step(inputs)))
    x = images(3, (*size, 3))
    options = FEW.get(method, {}) | {"noise_level": 0.0} if method.startswith("smooth") else {}
    options |= {} if method == "sise" else {"layer": "middle"}
    alone = kerasxai.explain(net, moved(x), method, target=[0, 3, 1], **options)
    behind = kerasxai.explain(model, x, method, target=[0, 3, 1], **options)
    assert_same(behind, back(alone))


def test_cam_behind_a_crop():
    net = pooled_net(head="softmax")
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, net(layers.Cropping2D(((3, 1), (1, 1)))(inputs)))
    x = images(3, (12, 12, 3))
    alone = kerasxai.explain(net, x[:, 3:-1, 1:-1], "cam")
    assert alone.min() < 0  # what is not seen gets 0, above that
    assert_same(kerasxai.explain(model, x, "cam"), np.pad(alone, ((0, 0), (3, 1), (1, 1))))


def test_padding_is_cut_off():
    net = conv_net(size=(12, 17))
    inputs = keras.Input((8, 10, 3))
    model = keras.Model(inputs, net(layers.ZeroPadding2D(((3, 1), (2, 5)))(inputs)))
    x = images(3, (8, 10, 3))
    options = {"layer": "middle", "relu": False}
    alone = kerasxai.explain(net, np.pad(x, ((0, 0), (3, 1), (2, 5), (0, 0))), "grad_cam", **options)
    assert_same(kerasxai.explain(model, x, "grad_cam", **options), alone[:, 3:-1, 2:-5])


def test_layer_cam_fuses_layers_before_and_after_a_crop():
    model = reads_channel_0((12, 10, 2), copies(), layers.Cropping2D(3), copies())
    convolutions = [layer.name for layer in model.layers if isinstance(layer, layers.Conv2D)]
    x = bright((12, 10, 2), 7, 4)
    fused = kerasxai.explain(model, x, "layer_cam", layer=convolutions)
    each = [kerasxai.explain(model, x, "layer_cam", layer=[one]) for one in convolutions]
    assert_same(fused, np.maximum(*each))
    assert peak(fused) == (7, 4)


# Ordinary nets -------------------------------------------------------------------------------------------------------


def test_nets_that_pad_for_their_windows_are_stretched_as_ever():
    """Bit for bit what `upsample=False` gives, resized."""
    model = keras.Sequential(
        [
            keras.Input((33, 40, 3)),
            layers.ZeroPadding2D(3),
            layers.Conv2D(4, 7, strides=2, activation="relu"),
            layers.ZeroPadding2D(1),
            layers.MaxPooling2D(3, 2),
            layers.Conv2D(5, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    randomise(model)
    x = images(2, (33, 40, 3))
    small = kerasxai.explain(model, x, "grad_cam", upsample=False)
    wanted = kerasxai.spatial.resize(tf.constant(small), (33, 40)).numpy()
    np.testing.assert_array_equal(kerasxai.explain(model, x, "grad_cam"), wanted)


# Kinds of model and input --------------------------------------------------------------------------------------------


def test_open_sizes():
    """One model, whose crop depends on nothing but its amounts, at two sizes."""
    model = reads_channel_0((None, None, 2), layers.Cropping2D(4), copies(), layers.ZeroPadding2D(2), copies())
    explainer = kerasxai.explainers.GradCAM(model, layer=model.layers[-3].name)
    for size, position in (((20, 24), (6, 13)), ((15, 12), (9, 5))):
        assert peak(explainer(bright((*size, 2), *position))) == position


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float64"])
def test_inputs_of_other_types(dtype):
    inputs = keras.Input((20, 22, 2), dtype=dtype)
    x = layers.Rescaling(1 / 255)(layers.Cropping2D(4)(inputs))
    head = layers.Dense(1, kernel_initializer=keras.initializers.Constant([[900.0], [0.0]]))
    model = keras.Model(inputs, head(layers.GlobalAveragePooling2D()(copies()(x))))
    x = np.zeros((1, 20, 22, 2), dtype)
    x[0, 6, 15, 0] = 200
    assert located(model, x, "grad_cam") == (6, 15)


def test_half_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = reads_channel_0((20, 22, 2), copies(), lambda x: x[:, ::-1, 3:], copies(), weight=1.0)
    finally:
        keras.config.set_dtype_policy(policy)
    assert located(model, bright((20, 22, 2), 6, 15), "grad_cam") == (6, 15)


def test_a_signal_in_a_net_of_two_dimensions():
    """The axis added for Conv2D is no axis of the input."""
    kernel = np.zeros((3, 1, 2, 2))
    kernel[1, 0] = np.eye(2)
    conv = layers.Conv2D(2, (3, 1), padding="same", kernel_initializer=keras.initializers.Constant(kernel), name="conv")
    x = inputs = keras.Input((30, 2))
    x = conv(layers.Reshape((26, 1, 2))(layers.Cropping1D((3, 1))(x)))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(layers.GlobalAveragePooling2D()(x)))
    assert located(model, bright((30, 2), 21), "grad_cam", layer="conv") == (21,)


def test_a_subclassed_model_shows_no_moves():
    """Its maps are refused: there is no graph that tells of the crop, and gradients show that there is one."""

    class Cropped(keras.Model):
        def __init__(self):
            super().__init__()
            self.crop, self.conv = layers.Cropping2D(4), copies()
            self.pool, self.head = layers.GlobalAveragePooling2D(), layers.Dense(1, kernel_initializer="ones")

        def call(self, x):
            return self.head(self.pool(self.conv(self.crop(x))))

    model, x = Cropped(), bright((16, 16, 2), 6, 9)
    model(x)
    small = kerasxai.explain(model, x, "grad_cam", layer=model.conv, upsample=False)
    assert peak(small) == (2, 5)
    with pytest.raises(ValueError, match="look elsewhere"):
        kerasxai.explain(model, x, "grad_cam", layer=model.conv)


def test_nothing_is_seen_where_only_padding_is_left():
    model = reads_channel_0(
        (8, 8, 2), layers.ZeroPadding2D(((0, 9), (0, 0))), layers.Cropping2D(((8, 0), (0, 0))), copies()
    )
    with pytest.warns(UserWarning, match="all zero"):
        assert not kerasxai.explain(model, bright((8, 8, 2), 3, 3), "grad_cam").any()


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_undone_is_refused(method):
    model = reads_channel_0((12, 10, 2), copies(), lambda x: ops.roll(x, 5, axis=1), copies())
    with pytest.raises(ValueError, match=r"cannot be put back on the input.*\(Roll\).*use a gradient method"):
        kerasxai.explain(model, bright((12, 10, 2), 3, 3), method)


def test_a_layer_before_it_and_its_own_resolution_are_not():
    model = reads_channel_0((12, 10, 2), copies(), lambda x: ops.roll(x, 5, axis=1), copies())
    x = bright((12, 10, 2), 3, 4)
    assert located(model, x, "grad_cam", layer=model.layers[1].name) == (3, 4)
    assert located(model, x, "grad_cam", upsample=False) == (8, 4)


def two_images(left_step, right_step, join):
    left, right = keras.Input((12, 10, 2), name="left"), keras.Input((12, 10, 2), name="right")
    x = join([left_step(left), right_step(right)])
    head = layers.Dense(1, kernel_initializer="ones")
    return keras.Model([left, right], head(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, name="conv")(x))))


def test_two_images_that_lie_differently_under_one_map_are_refused():
    x = [images(2, (12, 10, 2)), images(2, (12, 10, 2), seed=1)]
    beside = two_images(layers.ReLU(), layers.ReLU(), layers.Concatenate(2))
    cropped = two_images(layers.Cropping2D(2), layers.CenterCrop(8, 6), layers.Add())
    other = two_images(layers.Cropping2D(((4, 0), (0, 0))), layers.Cropping2D(((0, 4), (0, 0))), layers.Add())
    for model in (beside, other):
        with pytest.raises(ValueError, match=r"left, right.*upsample=False"):
            kerasxai.explain(model, x, "grad_cam", layer="conv")
        kerasxai.explain(model, x, "grad_cam", layer="conv", upsample=False)
    randomise(cropped)
    maps = kerasxai.explain(cropped, x, "grad_cam", layer="conv", relu=False)
    assert maps.shape == (2, 12, 10) and not maps[:, :2].any() and maps[:, 2:-2, 2:-2].any()


def test_guided_grad_cam_of_two_images_that_meet_cropped():
    """Each input's gradient is weighed with the map put on it; the map itself lies differently on each."""
    model = two_images(layers.Cropping2D(((4, 0), (0, 0))), layers.Cropping2D(((0, 4), (0, 0))), layers.Add())
    for layer in model.layers:
        for weight in layer.weights:
            weight.assign(np.abs(weight))
    x = [images(2, (12, 10, 2)), images(2, (12, 10, 2), seed=1)]
    left, right = kerasxai.explain(model, x, "guided_grad_cam", layer="conv")
    assert left[:, 4:].any() and not left[:, :4].any()
    assert right[:, :-4].any() and not right[:, -4:].any()
    np.testing.assert_allclose(left[:, 4:], right[:, :-4], rtol=1e-5)
