"""What every explainer owes its caller, whatever its method: batches, targets, data, options, one trace."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import Input, Sequential, layers

import kerasxai
from kerasxai import batches, explainers
from kerasxai.explainers import GradCAM, Gradient, IntegratedGradients
from tests import nets

ALL = explainers.names()
DIFFERENT = [name for name in ALL if name not in nets.ALIKE]
STREAMING = [name for name in DIFFERENT if set(explainers.get(name).option_names()) & set(nets.FEW)]
PERCENTILES = ["noise_percentiles", "b_lrp"]  # an axis of percentiles after the samples
CLASSES_ONLY = ["cam", "relevance_cam"]  # what these do for a class, a function does not say
LOGIT_ONLY = ["cam", "lrp", "relevance_cam", "b_lrp"]
COMPOSED = ["guided_grad_cam", "smooth_grad", "smooth_grad_cam_plus_plus"]  # methods that run other methods


@pytest.fixture(scope="module")
def model():
    return nets.build("sequential")


@pytest.fixture(scope="module")
def shared(model):
    """A function: method -> the explainer that the tests of this file share, so that each is traced once."""
    return functools.cache(lambda method: nets.quick(method, model, verbose=0))


@pytest.fixture(scope="module", params=ALL)
def explainer(request, shared):
    return shared(request.param)


def assert_same_maps(given, expected, rtol=1e-5):
    """Equal up to rounding, in units of the largest value."""
    assert given.shape == expected.shape
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(given, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def classes_of(model, x):
    return np.argmax(model(x), axis=1)


# Batches


def test_one_trace_whatever_is_explained(explainer):
    for samples, target in ((1, 0), (3, 1), (8, None), (3, [0, 1, 2]), (2, np.int64(2)), (33, "predicted")):
        explainer(nets.images(samples), target=target)
    assert explainer.trace_count == 1


def test_weights_are_read_by_reference(explainer, model):
    x, before = nets.images(), model.get_weights()
    first = explainer(x, target=1)
    try:
        nets.randomised(model, seed=1)
        after_training = explainer(x, target=1)
        assert not np.allclose(after_training, first)
        if explainer.name in DIFFERENT:
            assert_same_maps(after_training, nets.quick(explainer.name, model)(x, target=1))
    finally:
        model.set_weights(before)
    np.testing.assert_array_equal(explainer(x, target=1), first)
    assert explainer.trace_count == 1


def test_a_batch_is_its_samples_one_by_one(explainer):
    x = nets.images(5)
    together = explainer(x, target=[0, 1, 2, 0, 1])
    alone = [explainer(x[[row]], target=int(row % 3)) for row in range(5)]
    assert_same_maps(together, np.concatenate(alone))


def test_batch_mates_do_not_matter(explainer):
    x = nets.images(3)
    strange = np.stack([x[0], 1000.0 * x[1], np.zeros_like(x[2])])
    assert_same_maps(explainer(x, target=1)[0], explainer(strange, target=1)[0])


def test_earlier_calls_do_not_matter(explainer):
    x = nets.images(3)
    first = explainer(x)
    explainer(nets.images(7, seed=1))
    np.testing.assert_array_equal(explainer(x), first)


@pytest.mark.parametrize(
    ("method", "batch_size"),
    [(name, 2) for name in DIFFERENT] + [(name, 1) for name in ("ablation_cam", "integrated_gradients", "var_grad")],
)
def test_batch_size_does_not_matter(method, batch_size, model, shared):
    x = nets.images(5)
    assert_same_maps(nets.quick(method, model, batch_size=batch_size)(x), shared(method)(x))


# Results


def test_result_shape_and_type(explainer):
    x = nets.images(3)
    maps = explainer(x)
    assert isinstance(maps, np.ndarray) and maps.dtype == np.float32
    assert np.isfinite(maps).all()
    if explainer.name in PERCENTILES:
        assert maps.shape == (3, 5, *nets.IMAGE)
    else:
        assert maps.shape == (x.shape if explainer.reduce else x.shape[:-1])
    if explainer.reduce:
        assert kerasxai.to_heatmap(maps, explainer.reduce).shape == maps.shape[:-1]


@pytest.fixture(scope="module")
def signal_model():
    return nets.randomised(
        Sequential(
            [
                Input((12, 2)),
                layers.Conv1D(3, 3, activation="relu", name="conv1"),
                layers.MaxPooling1D(2, name="pool"),
                layers.Conv1D(4, 3, activation="relu", name="conv2"),
                layers.GlobalAveragePooling1D(name="gap"),
                layers.Dense(3, activation="softmax", name="head"),
            ]
        )
    )


@pytest.mark.parametrize("method", DIFFERENT)
def test_one_dimensional_signals(method, signal_model):
    x = nets.inputs_for(signal_model, 3)
    maps = nets.quick(method, signal_model)(x)
    axes = x.shape if explainers.get(method).reduce or method in PERCENTILES else x.shape[:-1]
    assert maps.shape[-len(axes) + 1 :] == axes[1:]
    assert np.isfinite(maps).all() and maps.any()


VOLUMES = ["grad_cam", "score_cam", "full_grad", "integrated_gradients", "guided_grad_cam"]


@pytest.mark.parametrize("method", [*VOLUMES, "lrp", "relevance_cam", "deep_lift"])
def test_volumes(method):
    model = nets.randomised(
        Sequential(
            [
                Input((6, 5, 4, 1)),
                layers.Conv3D(2, 3, padding="same", activation="relu"),
                layers.MaxPooling3D(2),
                layers.GlobalAveragePooling3D(),
                layers.Dense(2, activation="softmax"),
            ]
        )
    )
    x = nets.inputs_for(model, 2)
    maps = nets.quick(method, model)(x, target=1)
    assert maps.shape == (x.shape if explainers.get(method).reduce else x.shape[:-1])
    assert np.isfinite(maps).all()


def test_open_image_size():
    model = nets.build("free_size")
    explainer = GradCAM(model)
    assert explainer(nets.images(2, (8, 8, 2))).shape == (2, 8, 8)
    assert explainer(nets.images(2, (6, 10, 2))).shape == (2, 6, 10)
    explainer(nets.images(1, (8, 8, 2)))
    assert explainer.trace_count == 2


@pytest.mark.parametrize("kind", sorted(set(nets.KINDS) - {"masked_words"}))
def test_every_kind_of_model(kind):
    model = nets.build(kind)
    x = nets.inputs_for(model, 2)
    target = {"two_outputs": ("kind", None), "dict_outputs": ("zebra", 1)}.get(kind)
    maps = kerasxai.explain(model, x, method="grad_cam", target=target, relu=False)
    gradients = kerasxai.explain(model, x, method="gradient", target=target)
    assert np.isfinite(maps).all() and maps.any()
    keras.tree.assert_same_structure(gradients, x)
    for gradient, values in zip(keras.tree.flatten(gradients), keras.tree.flatten(x)):
        assert gradient.shape == values.shape
        assert np.isfinite(gradient).all() and gradient.any()


class Subclassed(keras.Model):
    """The layers of a Sequential model, called one by one."""

    def __init__(self, layers):
        super().__init__(name="subclassed")
        self.steps = layers

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


@pytest.mark.parametrize("method", [name for name in DIFFERENT if not explainers.get(name).needs_graph])
def test_a_subclassed_model_is_explained_like_its_functional_twin(method, model, shared):
    twin = Subclassed(model.layers)
    x = nets.images(3)
    twin(x)
    assert_same_maps(explainers.get(method)(twin, **nets.quick_options(method, model))(x), shared(method)(x))


@pytest.mark.parametrize("method", [*COMPOSED, "ablation_cam", "full_grad", "grad_cam", "integrated_gradients"])
def test_an_unknown_head_is_looked_at_by_every_part_of_a_method(method, model, shared):
    head = model.layers[-1]
    linear = layers.Dense(nets.CLASSES, name="units")
    x = inputs = Input(nets.IMAGE)
    for layer in [*model.layers[:-1], linear]:
        x = layer(x)
    own = keras.Model(inputs, OwnSoftmax()(x))
    linear.set_weights(head.get_weights())
    x = nets.images(3)
    assert_same_maps(nets.quick(method, own)(x), shared(method)(x))


class OwnSoftmax(layers.Layer):
    """A softmax that the package does not know, made of Keras' own."""

    def call(self, x):
        return keras.activations.softmax(x)


# Several inputs


TWO_INPUTS = ["gradient", "gradient_x_input", "integrated_gradients", "smooth_grad", "lrp", "deep_lift", "b_lrp"]


@pytest.mark.parametrize("method", TWO_INPUTS)
def test_attributions_come_as_the_inputs_do(method):
    model = nets.build("two_inputs")
    image, numbers = nets.inputs_for(model, 3)
    explainer = nets.quick(method, model)
    as_list = explainer([image, numbers])
    as_dict = explainer({"numbers": numbers, "image": image})
    assert isinstance(as_list, list) and isinstance(as_dict, dict)
    percentiles = (5,) if method in PERCENTILES else ()
    assert [one.shape for one in as_list] == [(3, *percentiles, *one.shape[1:]) for one in (image, numbers)]
    np.testing.assert_array_equal(as_dict["image"], as_list[0])
    np.testing.assert_array_equal(as_dict["numbers"], as_list[1])
    dataset = tf.data.Dataset.from_tensor_slices(({"image": image, "numbers": numbers}, [0, 1, 2])).batch(2)
    np.testing.assert_allclose(explainer(dataset)["numbers"], as_list[1], rtol=1e-5, atol=1e-6)


def test_dict_inputs_by_name():
    model = nets.build("dict_inputs")
    x = nets.inputs_for(model, 3)
    maps = Gradient(model)(x)
    assert set(maps) == {"zebra", "ant"}
    assert maps["zebra"].shape == x["zebra"].shape and maps["ant"].shape == x["ant"].shape


@pytest.mark.parametrize("method", ["grad_cam", "score_cam", "ablation_cam", "relevance_cam"])
def test_cam_of_several_inputs_is_one_map(method):
    model = nets.build("two_inputs")
    assert nets.quick(method, model, relu=False)(nets.inputs_for(model, 3)).shape == (3, 8, 8)


def test_integer_inputs_get_zeros():
    numbers, words = Input((3,), name="numbers"), Input((2,), dtype="int32", name="words")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(words))
    model = keras.Model([numbers, words], layers.Dense(2)(layers.Concatenate()([numbers, embedded])))
    for method in ("gradient", "integrated_gradients", "smooth_grad"):
        first, second = nets.quick(method, model)(nets.inputs_for(model, 3), target=1)
        assert first.any() and not second.any()
        assert second.shape == (3, 2)


# Data


class LabelledBatches(keras.utils.PyDataset):
    """`(x, y)` in batches of 3."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 3)

    def __getitem__(self, index):
        piece = slice(3 * index, 3 * index + 3)
        return self.x[piece], self.y[piece]


@pytest.mark.parametrize("explainer", ["grad_cam", "integrated_gradients"], indirect=True)
def test_all_kinds_of_data_agree(explainer):
    x = nets.images(7)
    y = np.array([0, 1, 2, 0, 1, 2, 0])
    expected, of_labels = explainer(x), explainer(x, target=y)
    from_slices = tf.data.Dataset.from_tensor_slices
    for data in (
        tf.constant(x),
        x.tolist(),
        x.astype("float64"),
        from_slices(x),
        from_slices(x).batch(3),
        from_slices(x).batch(64),
        from_slices((x, y)),
        from_slices((x, y, y)).batch(2),
        from_slices(x).filter(lambda _: True).batch(3),  # a dataset that does not know its size
        LabelledBatches(x, y),
    ):
        assert_same_maps(explainer(data), expected)
    for labelled in (from_slices((x, y)), from_slices((x, y)).batch(3), LabelledBatches(x, y)):
        assert_same_maps(explainer(labelled, target="true"), of_labels)
        assert_same_maps(explainer(labelled, target=list(y)), of_labels)
    assert explainer.trace_count == 1


@pytest.mark.parametrize("explainer", ["grad_cam", "integrated_gradients"], indirect=True)
def test_integer_pixels(explainer):
    pixels = np.random.default_rng(0).integers(0, 255, (3, *nets.IMAGE), dtype="uint8")
    assert_same_maps(explainer(pixels), explainer(pixels.astype("float32")))


def test_a_large_dataset_is_read_once_batch_by_batch(model):
    reads = []

    def rows():
        for row in nets.images(9):
            reads.append(1)
            yield row

    dataset = tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec(nets.IMAGE))
    assert GradCAM(model, batch_size=4)(dataset).shape == (9, 8, 8)
    assert len(reads) == 9


# Targets


@pytest.mark.parametrize("explainer", DIFFERENT, indirect=True)
def test_the_predicted_class_is_the_default(explainer, model):
    x = nets.images(6)
    predicted = classes_of(model, x)
    assert len(set(predicted)) > 1
    expected = explainer(x, target=predicted)
    np.testing.assert_array_equal(explainer(x), expected)
    np.testing.assert_array_equal(explainer(x, target="predicted"), expected)


@pytest.mark.parametrize("explainer", DIFFERENT, indirect=True)
def test_top2_is_an_axis_of_classes(explainer, model):
    x = nets.images(3)
    ranked = np.argsort(-np.asarray(model(x)), axis=1)
    maps = explainer(x, target="top2")
    assert maps.shape[:2] == (3, 2)
    for rank in (0, 1):
        np.testing.assert_array_equal(maps[:, rank], explainer(x, target=ranked[:, rank]))


@pytest.mark.parametrize("explainer", ["grad_cam", "integrated_gradients"], indirect=True)
def test_ways_to_say_the_same_classes(explainer):
    x, y = nets.images(3), np.array([2, 0, 1])
    expected = explainer(x, target=y)
    for same in (
        [2, 0, 1],
        (2, 0, 1),
        y[:, None],
        y.astype("float64"),
        y.astype("uint8"),
        np.eye(3)[y],
        np.eye(3, dtype="int64")[y],
        tf.constant(y),
    ):
        np.testing.assert_array_equal(explainer(x, target=same), expected)
    for labels in (y, list(y), y[:, None], np.eye(3)[y], tf.constant(y)):
        np.testing.assert_array_equal(explainer(x, target="true", y=labels), expected)
    np.testing.assert_array_equal(explainer(x, target=2), explainer(x, target=[2, 2, 2]))


@pytest.mark.parametrize("method", sorted(set(DIFFERENT) - {*CLASSES_ONLY}))
def test_a_callable_that_picks_a_class_is_that_class(method, model, shared):
    x = nets.images(5)
    columns = np.array([2, 0, 1, 1, 0])

    def pick(outputs, column):
        return tf.gather(outputs, column, batch_dims=1)

    explainer = nets.quick(method, model, batch_size=2)
    by_function = explainer(x, target=(pick, columns))
    assert_same_maps(by_function, shared(method)(x, target=columns))
    np.testing.assert_array_equal(explainer(x, target=(pick, columns)), by_function)
    assert explainer.trace_count == 1


def test_a_callable_without_data(model):
    x = nets.images(3)
    explainer = Gradient(model)
    difference = explainer(x, target=lambda outputs: outputs[:, 0] - outputs[:, 1])
    np.testing.assert_allclose(difference, explainer(x, target=0) - explainer(x, target=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["two_outputs", "dict_outputs"])
def test_outputs_by_name(kind):
    model = nets.build(kind)
    x = nets.images(3)
    explainer = Gradient(model)
    for name, target in (("kind", 2), ("tags", [0, 1, 1])) if kind == "two_outputs" else (("zebra", 2), ("ant", None)):
        alone = keras.Model(model.inputs, model.get_layer({"zebra": "kind", "ant": "size"}.get(name, name)).output)
        np.testing.assert_allclose(
            explainer(x, target=(name, target)), Gradient(alone)(x, target=target), rtol=1e-4, atol=1e-6
        )


def test_a_callable_gets_the_outputs_as_the_model_packs_them():
    x = nets.images(3)
    model = nets.build("dict_outputs")
    picked = Gradient(model)(x, target=lambda outputs: outputs["zebra"][:, 1])
    np.testing.assert_allclose(picked, Gradient(model)(x, target=("zebra", 1)), rtol=1e-5, atol=1e-6)
    model = nets.build("two_outputs")
    picked = Gradient(model)(x, target=lambda outputs: outputs[1][:, 0])
    np.testing.assert_allclose(picked, Gradient(model)(x, target=("tags", 0)), rtol=1e-5, atol=1e-6)


def test_true_labels_of_several_outputs():
    x, kinds, tags = nets.images(3), np.array([2, 0, 1]), np.array([0, 1, 0])
    model = nets.build("two_outputs")
    explainer = Gradient(model)
    expected = explainer(x, target=("tags", tags))
    labels = {"kind": kinds, "tags": tags}
    np.testing.assert_array_equal(explainer(x, target=("tags", "true"), y=labels), expected)
    dataset = tf.data.Dataset.from_tensor_slices((x, labels)).batch(2)
    np.testing.assert_allclose(explainer(dataset, target=("tags", "true")), expected, rtol=1e-5, atol=1e-6)


# Options


OTHER_OPTIONS = {
    "ablation": "kernel",
    "baseline": 0.5,
    "batch_size": 7,
    "counterfactual": True,
    "explainer": "gradient_x_input",
    "layer": "conv1",
    "max_channels": 2,
    "n_samples": 5,
    "noise_level": 0.3,
    "normalize": False,
    "percentiles": [10, 90],
    "quadrature": "trapezoid",
    "score": "probability",
    "seed": 9,
    "steps": 5,
    "upsample": False,
    "verbose": 0,
}


@pytest.mark.parametrize("method", ALL)
def test_config_rebuilds_the_explainer(method, model):
    names = explainers.get(method).option_names()
    options = {name: value for name, value in OTHER_OPTIONS.items() if name in names}
    if method in LOGIT_ONLY:
        del options["score"]
    if method == "cam":
        del options["layer"]
    if method == "b_lrp":
        options["explainer"] = {"method": "lrp", "rules": "epsilon"}
    explainer = nets.quick(method, model, **options)
    config = json.loads(json.dumps(explainer.get_config()))
    assert config["method"] == method
    assert set(config) == {"method", *names}
    for name, value in options.items():
        if name == "explainer":
            assert config[name]["method"] == (value if isinstance(value, str) else value["method"])
        else:
            assert config[name] == value
    rebuilt = explainers.from_config(config, model)
    assert type(rebuilt) is type(explainer)
    assert json.loads(json.dumps(rebuilt.get_config())) == config


@pytest.mark.parametrize(
    "baseline",
    [np.array([0.25, -1.0]), nets.images(1, seed=3)[0], ["blur", np.array([1.0, 2.0])], tf.constant([0.25, -1.0])],
    ids=["per channel", "image", "list", "tensor"],
)
def test_config_keeps_the_baseline(baseline, model):
    explainer = IntegratedGradients(model, baseline=baseline, steps=3)
    config = json.loads(json.dumps(explainer.get_config()))
    x = nets.images(2)
    assert_same_maps(explainers.from_config(config, model)(x), explainer(x))


def test_options_have_the_names_of_their_attributes(explainer):
    for name in explainer.option_names():
        assert hasattr(explainer, name), name


def test_registry(model):
    assert explainers.get("grad_cam") is GradCAM
    assert explainers.get(GradCAM) is GradCAM
    assert sorted(ALL) == ALL and "grad_cam" in ALL
    assert all(explainers.get(name).name == name for name in ALL)


def test_register_makes_a_method_known(model, monkeypatch):
    from kerasxai.explainers import registry

    monkeypatch.setattr(registry._REGISTRY, "_classes", dict(registry._REGISTRY._classes))

    @explainers.register("peak_cam")
    class PeakCAM(explainers.ActivationGradientCAM):
        def combine(self, activations, gradients):
            return tf.reduce_max(activations * gradients, axis=-1)

    assert "peak_cam" in explainers.names()
    assert explainers.get("peak_cam") is PeakCAM and PeakCAM.name == "peak_cam"
    assert kerasxai.explain(model, nets.images(2), method="peak_cam").shape == (2, 8, 8)


def test_build_takes_whatever_describes_an_explainer(model):
    ready = GradCAM(model)
    assert explainers.build(ready, model) is ready
    for description in (
        "grad_cam",
        GradCAM,
        {"method": "grad_cam"},
        lambda model: GradCAM(model),
        lambda _: "grad_cam",
    ):
        built = explainers.build(description, model)
        assert isinstance(built, GradCAM) and built.model is model
    assert explainers.build({"method": "grad_cam", "upsample": False}, model).upsample is False


def test_two_explainers_of_a_model_do_not_share_state(model):
    x = nets.images(2)
    one, other = Gradient(model), Gradient(model, score="probability")
    assert not np.allclose(one(x), other(x))
    assert one.trace_count == other.trace_count == 1


# explain()


class Counting(layers.Layer):
    """Counts how often it runs, in compiled functions too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.runs = 0

    def call(self, x):
        def count(values):
            self.runs += 1
            return values

        @tf.custom_gradient
        def counted(x):
            y = tf.numpy_function(count, [x], x.dtype)
            return tf.ensure_shape(y, x.shape), lambda upstream: upstream

        return counted(x)


def test_explain_with_several_methods_is_each_alone():
    counting = Counting()
    model = nets.randomised(
        Sequential([Input(nets.IMAGE), counting, nets.conv("conv"), layers.GlobalAveragePooling2D(), layers.Dense(3)])
    )
    x = nets.images(3)
    cams = ["grad_cam", "hires_cam", "layer_cam", "eigen_grad_cam"]
    alone = {method: kerasxai.explain(model, x, method=method) for method in [*cams, "integrated_gradients"]}

    counting.runs = 0
    together = kerasxai.explain(model, x, method=cams)
    assert counting.runs == 1, "the CAMs did not share one run"
    assert list(together) == cams
    for method in cams:
        assert_same_maps(together[method], alone[method])

    together = kerasxai.explain(model, x, method=[*cams, "integrated_gradients"], steps=50)
    assert list(together) == [*cams, "integrated_gradients"]
    for method, maps in together.items():
        assert_same_maps(maps, alone[method])


def test_explain_gives_each_method_the_options_it_has(model):
    x = nets.images(2)
    maps = kerasxai.explain(
        model, x, method=["grad_cam", {"method": "xgrad_cam", "relu": False}, "gradient"], upsample=False, target=1
    )
    assert list(maps) == ["grad_cam", "xgrad_cam", "gradient"]
    np.testing.assert_allclose(maps["grad_cam"], GradCAM(model, upsample=False)(x, target=1), rtol=1e-5, atol=1e-7)
    assert maps["xgrad_cam"].shape == (2, 4, 4) and (maps["xgrad_cam"] < 0).any()
    assert maps["gradient"].shape == x.shape


def test_explain_takes_one_method_in_any_form(model):
    x = nets.images(2)
    expected = GradCAM(model)(x)
    for method in ("grad_cam", GradCAM, {"method": "grad_cam"}):
        np.testing.assert_array_equal(kerasxai.explain(model, x, method=method), expected)
    assert list(kerasxai.explain(model, x, method=["grad_cam"])) == ["grad_cam"]


def test_explain_passes_labels_on(model):
    x, y = nets.images(3), np.array([2, 0, 1])
    expected = GradCAM(model)(x, target=y)
    np.testing.assert_array_equal(kerasxai.explain(model, x, target="true", y=y), expected)


def test_explain_reads_a_one_shot_dataset_for_every_method(model):
    x = nets.images(4)
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(2)
    maps = kerasxai.explain(model, dataset, method=["grad_cam", "hires_cam", "gradient"])
    assert {len(one) for one in maps.values()} == {4}


# Progress


def test_no_bar_when_it_is_quick(model, capsys):
    GradCAM(model)(nets.images(3))
    assert capsys.readouterr().out == ""


def test_a_bar_when_it_takes_long(model, capsys, monkeypatch):
    monkeypatch.setattr(batches.Progress, "PATIENCE", 0.0)
    GradCAM(model, batch_size=2)(nets.images(6))
    assert "6/6" in capsys.readouterr().out
    GradCAM(model, batch_size=2, verbose=0)(nets.images(6))
    assert capsys.readouterr().out == ""


def test_a_bar_on_request(model, capsys):
    GradCAM(model, batch_size=2, verbose=1)(nets.images(6))
    assert "6/6" in capsys.readouterr().out
    GradCAM(model, verbose=1)(tf.data.Dataset.from_tensor_slices(nets.images(6)).batch(2).filter(lambda _: True))
    assert "6" in capsys.readouterr().out


# Precision


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    with nets.dtype_policy("float64"):
        yield
    keras.config.set_floatx("float32")


def test_float64_models_keep_their_accuracy(float64):
    model = nets.randomised(
        Sequential([Input((5, 4, 1)), nets.conv("conv", activation="tanh"), layers.Flatten(), layers.Dense(2)])
    )
    x = nets.inputs_for(model, 2)
    gradient = Gradient(model)(x, target=1)
    assert gradient.dtype == np.float64
    step = 1e-6
    numeric = np.zeros_like(x)
    for index in np.ndindex(x.shape[1:]):
        shift = np.zeros_like(x)
        shift[(slice(None), *index)] = step
        difference = np.asarray(model(x + shift))[:, 1] - np.asarray(model(x - shift))[:, 1]
        numeric[(slice(None), *index)] = difference / (2 * step)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-9)


def test_integrated_gradients_are_complete_in_float64(float64):
    model = nets.randomised(
        Sequential([Input((5, 4, 1)), nets.conv("conv", activation="tanh"), layers.Flatten(), layers.Dense(2)])
    )
    x = nets.inputs_for(model, 2)
    explainer = IntegratedGradients(model, steps=50)
    residual = explainer.completeness_residual(x, explainer(x, target=1), target=1)
    assert np.abs(residual).max() < 1e-12


@pytest.mark.parametrize("method", [*DIFFERENT, "eigen_grad_cam", "grad_cam_plus_plus", "xgrad_cam"])
def test_float64_models_are_explained_in_float64(method, float64):
    model = nets.build("sequential")
    x = nets.inputs_for(model, 2)
    explainer = nets.quick(method, model)
    maps = explainer(x, target=1)
    assert maps.dtype == np.float64
    assert (maps != maps.astype("float32")).any(), "a float32 on the way"


def in_float32(model):
    with nets.dtype_policy("float32"):
        twin = nets.feature_extractor()
        inputs = Input(nets.IMAGE)
        x = nets.head(nets.conv("late")(twin(inputs)), activation=None)
        twin = keras.Model(inputs, layers.Softmax()(x))
    twin.set_weights(model.get_weights())
    return twin


@pytest.mark.parametrize("method", sorted({*DIFFERENT, "eigen_cam"} - {*STREAMING, "cam", "guided_backprop"}))
def test_mixed_float16_is_close_to_float32(method):
    model = nets.build("mixed_float16")
    x = nets.images(3)
    maps = nets.quick(method, model)(x, target=1)
    assert maps.dtype == np.float32
    expected = nets.quick(method, in_float32(model))(x, target=1)
    assert np.linalg.norm(maps - expected) < 0.03 * np.linalg.norm(expected)


def test_mixed_float16_gradients_do_not_underflow():
    """A score whose gradient float16 cannot hold: below 6e-8."""
    model = nets.build("mixed_float16")
    kernel = model.get_layer("head").kernel
    kernel.assign(1e-6 * kernel)
    x = nets.images(3)
    for method in ("grad_cam", "integrated_gradients"):
        maps = nets.quick(method, model)(x, target=1)
        expected = nets.quick(method, in_float32(model))(x, target=1)
        assert np.linalg.norm(maps - expected) < 0.1 * np.linalg.norm(expected)
