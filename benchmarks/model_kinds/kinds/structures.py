"""How a model is put together: Sequential, functional, nested, shared layers, several inputs and outputs."""

import keras
import numpy as np
import tensorflow as tf
from keras import Sequential, layers, ops

from benchmarks.model_kinds.kind import IMAGE, Kind, chain, chain_net, conv, data, dense, gap, kind, pool, randomised

NO_RESCALE = ("lrp", "full_grad", "guided", "sise")


def body(**late):
    return [conv(4), pool(), conv(5, name="late", **late)]


@kind
def sequential():
    """Sequential"""
    return chain([*body(), gap(), dense()])


@kind
def sequential_flatten():
    """Sequential, Flatten and two Dense"""
    return chain([*body(), layers.Flatten(), dense(6, "relu"), dense()])


@kind
def sequential_without_input():
    """Sequential without Input"""
    steps = [*body(), gap(), dense()]
    model = Sequential(steps)
    model(data(IMAGE))
    return chain(steps, model=model)


@kind
def functional():
    """functional"""
    return chain(steps := [*body(), gap(), dense()], model=as_functional(steps))


def as_functional(steps, shape=IMAGE, **options):
    x = inputs = keras.Input(shape, **options)
    for step in steps:
        x = step(x)
    return keras.Model(inputs, x)


@kind
def nested_in_sequential():
    """nested in a Sequential"""
    inner = Sequential([keras.Input(IMAGE), *body()], name="backbone")
    return chain([layers.Rescaling(0.5), inner, gap(), dense()])


@kind
def nested_in_functional():
    """nested in a functional model"""
    steps, head = body(), [gap(), dense()]
    inner = as_functional(steps)
    model = as_functional([inner, *head])
    return chain([*steps, *head], model=model)


@kind
def nested_twice():
    """nested two levels deep"""
    deep = [conv(3), pool()]
    steps, head = [conv(4), conv(5, name="late")], [layers.Dropout(0.3), gap(), dense()]
    inner = as_functional(deep)
    middle = as_functional([steps[0], steps[1]], shape=(4, 5, 3))
    outer = as_functional([inner, middle])
    model = as_functional([layers.Rescaling(0.5, 0.1, name="scale"), outer, *head])
    return chain([model.get_layer("scale"), *deep, *steps, *head], model=model)


@kind
def nested_with_augmentation():
    """augmentation before a nested backbone"""
    augment = Sequential(
        [keras.Input(IMAGE), layers.RandomFlip(), layers.RandomRotation(0.2), layers.RandomZoom(0.2)], name="augment"
    )
    inner = Sequential([keras.Input(IMAGE), *body()], name="backbone")
    return chain([augment, inner, gap(), dense()])


@kind
def shared_layer():
    """a layer called twice"""
    same, head = conv(2), [gap(), dense()]
    x = inputs = keras.Input(IMAGE)
    x = same(pool()(same(x)))
    model = randomised(keras.Model(inputs, head[1](head[0](x))))

    def net(given, walk):
        x = walk.tap(walk(same, walk(pool(), walk(same, given[0]))))
        return walk.head(head[1], walk(head[0], x))

    return Kind(model, net, [data(IMAGE)])


@kind
def several_inputs():
    """an image and a vector"""
    return two_inputs(list)


@kind
def dict_inputs():
    """a dict of inputs"""
    made = two_inputs(lambda inputs: dict(zip(("scan", "age"), inputs)))
    made.unpack = lambda result: [result["scan"], result["age"]]
    made.streams = (1, 0)  # Keras sorts a dict by its keys
    return made


def two_inputs(pack):
    scan, age = keras.Input(IMAGE, name="scan"), keras.Input((3,), name="age")
    late, side, join, head = conv(4, name="late"), dense(5, "relu"), layers.Concatenate(), dense()
    average = gap()
    outputs = head(join([average(late(scan)), side(age)]))
    given = [scan, age] if pack is list else pack([scan, age])
    model = randomised(keras.Model(given, outputs))

    def net(inputs, walk):
        left, right = walk(average, walk(late, inputs[0])), walk(side, inputs[1])
        return walk.head(head, tf.concat([left, right], axis=1))

    return Kind(model, net, [data(IMAGE), data((3,), seed=5)], pack=pack)


@kind
def two_images():
    """two images"""
    one, two = keras.Input(IMAGE, name="one"), keras.Input((6, 6, 1), name="two")
    first, late, average, head = conv(3), conv(4, name="late"), gap(), dense()
    merged = layers.Concatenate()([average(late(one)), average(first(two))])
    model = randomised(keras.Model([one, two], head(merged)))

    def net(inputs, walk):
        merged = tf.concat([walk(average, walk(late, inputs[0])), walk(average, walk(first, inputs[1]))], axis=1)
        return walk.head(head, merged)

    twins = ("lrp", "rescale", "full_grad", "guided")
    return Kind(model, net, [data(IMAGE), data((6, 6, 1), seed=5)], pack=list, layer="late", twins=twins)


@kind
def several_outputs():
    """several outputs"""
    x = inputs = keras.Input(IMAGE)
    steps, average, head = body(), gap(), dense(name="kind")
    for step in steps:
        x = step(x)
    model = randomised(keras.Model(inputs, {"kind": head(average(x)), "size": dense(1, None, name="size")(average(x))}))
    net = chain_net([*steps, average, head])
    return Kind(model, net, [data(IMAGE)], target=("kind", [0, 2, 1]), output=lambda outputs: outputs["kind"])


@kind
def residual():
    """residual with batch normalisation"""
    stem, first, second = conv(4, activation=None), conv(4, activation=None), conv(4, activation=None)
    norms = [layers.BatchNormalization() for _ in range(3)]
    relus = [layers.ReLU(), layers.ReLU(), layers.ReLU(name="late")]
    head = [gap(), dense()]
    x = inputs = keras.Input(IMAGE)
    x = relus[0](norms[0](stem(x)))
    branch = norms[2](second(relus[1](norms[1](first(x)))))
    x = relus[2](layers.Add()([x, branch]))
    model = randomised(keras.Model(inputs, head[1](head[0](x))))

    def net(given, walk):
        x = walk.chain([stem, norms[0], relus[0]], given[0])
        branch = walk.chain([first, norms[1], relus[1], second, norms[2]], x)
        return walk.head(head[1], walk.chain([relus[2], head[0]], x + branch))

    return Kind(model, net, [data(IMAGE)], twins=("lrp", "rescale", "full_grad", "guided"))


@kind
def branches():
    """parallel branches, joined"""
    one, two, join, head = conv(3, 1), conv(3), layers.Concatenate(), [gap(), dense()]
    late = conv(4, name="late")
    x = inputs = keras.Input(IMAGE)
    x = late(join([one(x), two(x)]))
    model = randomised(keras.Model(inputs, head[1](head[0](x))))

    def net(given, walk):
        x = tf.concat([walk(one, given[0]), walk(two, given[0])], axis=-1)
        return walk.head(head[1], walk.chain([late, head[0]], x))

    return Kind(model, net, [data(IMAGE)], twins=("lrp", "rescale", "full_grad", "guided"))


def corner(outputs):
    """What of a dense output is explained."""
    return tf.reduce_mean(outputs[:, 2:5, 3:7, 1], axis=[1, 2])


@kind
def unet():
    """U-Net, a function of its output"""
    down, middle, up = conv(4), conv(5), layers.UpSampling2D(2, interpolation="bilinear")
    late, last = conv(4, name="late"), conv(3, 1, activation="softmax")
    x = inputs = keras.Input(IMAGE)
    skip = down(x)
    x = up(middle(pool()(skip)))
    model = randomised(keras.Model(inputs, last(late(layers.Concatenate()([x, skip])))))

    def net(given, walk):
        skip = walk(down, given[0])
        x = walk.chain([pool(), middle, up], skip)
        return walk.head(last, walk(late, tf.concat([x, skip], axis=-1)))

    return Kind(model, net, [data(IMAGE)], target=corner, value=corner, twins=("guided",), layer="late")


@kind
def autoencoder():
    """autoencoder, a function of its output"""
    steps = [conv(4), pool(), conv(4, name="late"), layers.UpSampling2D(2), conv(2, activation="sigmoid")]
    return chain(steps, link="sigmoid", target=corner, value=corner, twins=("guided",), layer="late")


class Layers(keras.Model):
    """A subclassed model that calls its layers one after the other."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


@kind
def subclassed():
    """subclassed"""
    model = Layers(steps := [*body(), gap(), dense()])
    model(data(IMAGE))
    return chain(steps, model=model)


@kind
def subclassed_with_functional():
    """subclassed, a functional model inside"""
    steps, head = body(), [gap(), dense()]
    model = Layers([as_functional(steps), *head])
    model(data(IMAGE))
    return chain([*steps, *head], model=model)


@kind
def functional_with_subclassed():
    """functional, a subclassed model inside"""
    steps, head = body(), [gap(), dense()]
    inner = Layers(steps)
    inner(data(IMAGE))
    model = as_functional([inner, *head])
    return chain([*steps, *head], model=model, layer=inner.name, twins=("lrp", "guided"))


@kind
def function():
    """a Python function"""
    made = chain([*body(), gap(), dense()])
    keras_model = made.model
    made.model = lambda x: keras_model(x, training=False)
    return made


@kind
def function_of_tensors():
    """a Python function, probabilities by tf"""
    made = chain([*body(), gap(), dense()])
    keras_model = made.model
    made.model, made.log_p = lambda x: tf.identity(keras_model(x, training=False)) * 1.0, True
    return made


@kind
def numpy_function():
    """a function in NumPy"""
    made = chain([*body(), gap(), dense()])
    keras_model = made.model
    made.model, made.log_p = lambda x: keras_model.predict(np.asarray(x), verbose=0), True
    return made


@kind
def saved_model():
    """SavedModel, as TFSMLayer"""
    import tempfile

    made = chain([*body(), gap(), dense()])
    with tempfile.TemporaryDirectory() as folder:
        made.model.export(folder, verbose=False)
        made.model = layers.TFSMLayer(folder, call_endpoint="serve")
    made.log_p = True
    return made


@kind
def keras_ops():
    """keras.ops in a functional graph"""
    one, late, head = conv(4, activation=None), conv(5, activation=None, name="before"), dense()
    x = inputs = keras.Input(IMAGE)
    x = ops.relu(one(x))
    x = ops.relu(late(x * 0.5 + 0.1))
    x = ops.mean(x, axis=(1, 2))
    model = randomised(keras.Model(inputs, head(x)))

    def net(given, walk):
        x = walk.act(ops.relu, walk(one, given[0]))
        x = walk.tap(walk.act(ops.relu, walk(late, x * 0.5 + 0.1)))
        return walk.head(head, tf.reduce_mean(x, axis=[1, 2]))

    return Kind(model, net, [data(IMAGE)], twins=("lrp", "rescale", "guided"))


@kind
def squeeze_and_excitation():
    """gates by Multiply"""
    one, late = conv(4), layers.Multiply(name="late")
    squeeze, excite, head = dense(3, "relu"), dense(4, "sigmoid"), dense()
    x = inputs = keras.Input(IMAGE)
    x = one(x)
    gate = excite(squeeze(gap()(x)))
    x = late([x, layers.Reshape((1, 1, 4))(gate)])
    model = randomised(keras.Model(inputs, head(gap()(x))))

    def net(given, walk):
        x = walk(one, given[0])
        gate = walk.chain([gap(), squeeze, excite], x)
        x = walk.tap(x * walk.gate(gate[:, None, None]))
        return walk.head(head, walk(gap(), x))

    return Kind(model, net, [data(IMAGE)], twins=("lrp", "full_grad", "guided"))


@kind
def dropouts():
    """Dropout, SpatialDropout, GaussianNoise"""
    steps = [conv(4), layers.SpatialDropout2D(0.3), layers.GaussianNoise(0.5), conv(5, name="late")]
    return chain([*steps, gap(), layers.Dropout(0.5), dense()])


class StochasticDepth(layers.Layer):
    """Drops a branch in training."""

    def call(self, x, training=None):
        if training:
            kept = tf.cast(tf.random.uniform([tf.shape(x)[0], 1, 1, 1]) > 0.5, x.dtype)
            return x * kept
        return x


@kind
def stochastic_depth():
    """stochastic depth"""
    one, two, drop, late, head = conv(4), conv(4), StochasticDepth(), conv(5, name="late"), dense()
    x = inputs = keras.Input(IMAGE)
    x = one(x)
    x = layers.Add()([x, drop(two(x))])
    model = randomised(keras.Model(inputs, head(gap()(late(x)))))

    def net(given, walk):
        x = walk(one, given[0])
        return walk.head(head, walk(gap(), walk(late, x + walk(two, x))))

    return Kind(model, net, [data(IMAGE)], twins=("lrp", "rescale", "full_grad", "guided"))


@kind
def free_size():
    """Input (None, None, channels)"""
    steps = [*body(), gap(), dense()]
    return chain(steps, model=as_functional(steps, (None, None, 2)))


@kind
def regularised():
    """activity_regularizer"""
    return chain([conv(4, activity_regularizer="l2"), pool(), *body(activity_regularizer="l1")[2:], gap(), dense()])
