"""What a net looks for: the images that maximise a class, and those that maximise a filter, by tf-keras-vis.

tf-keras-vis climbs the outputs of a Keras model. `Part` is such a model for what kerasxai takes out of one: the logits
without the final softmax, or the output of any layer. (tf-keras-vis' own way to the logits, ReplaceToLinear, fails on
Sequential models under Keras 3.) The model itself is only read.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from tf_keras_vis.activation_maximization import ActivationMaximization
from tf_keras_vis.activation_maximization.regularizers import TotalVariation2D

import kerasxai
from kerasxai.targets import Target

matplotlib.use("Agg")

layers = keras.layers
SIDE = 16


class Part(keras.layers.Layer):
    """Runs a part of a model: a function `[inputs] -> tensor` whose output has the shape `shape`."""

    def __init__(self, run, shape):
        super().__init__()
        self._run, self._shape = run, shape

    def call(self, x):
        return self._run([x])

    def compute_output_shape(self, input_shape):
        return self._shape


def as_model(graph, run, shape):
    """A part of a model as the Keras model that tf-keras-vis wants."""
    inputs = keras.Input(graph.input_shapes[0][1:])
    return keras.Model([inputs], Part(run, shape)(inputs))


def logits(graph):
    """The model without its final softmax."""
    score = kerasxai.graph.Score(graph, "logit")
    target = Target(output=0, function=None, scale=score.scale())
    return as_model(graph, lambda inputs: score.outputs(inputs, target)[0][0], graph.output_node().shape)


def layer_output(graph, path):
    """The model up to a layer of `kerasxai.layer_table(model)`."""
    run = graph.prefix(path)
    return as_model(graph, lambda inputs: run(inputs)[0], graph.node(path).shape)


def maximise(model, score, samples, smoothness):
    """Images `(samples, SIDE, SIDE, 1)` in 0 ... 1 that climb `score`, all from the same noise."""
    climb = ActivationMaximization(model)
    noise = np.random.default_rng(0).uniform(0.3, 0.7, size=(1, SIDE, SIDE, 1)).astype("float32")
    images = climb(
        score,
        seed_input=np.repeat(noise, samples, axis=0),
        input_range=(0.0, 1.0),
        input_modifiers=[lambda images: tf.clip_by_value(images, 0.0, 1.0)],  # at every step, not only in the end
        regularizers=[TotalVariation2D(weight=smoothness)],
        optimizer=keras.optimizers.RMSprop(0.02),
        steps=100,
    )
    return np.asarray(images)


def trained_model():
    """A small Sequential net on scikit-learn's handwritten digits, enlarged to 16 x 16."""
    digits = load_digits()
    x = tf.image.resize(digits.images[..., np.newaxis] / 16.0, (SIDE, SIDE)).numpy().astype("float32")
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="second"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1500], digits.target[:1500], epochs=15, batch_size=64, verbose=0)
    print(f"Accuracy: {model.evaluate(x[1500:], digits.target[1500:], verbose=0)[1]:.3f}")
    return model


def draw(rows, titles):
    figure, axes = matplotlib.pyplot.subplots(len(rows), len(rows[0]), figsize=(7, 1.9), layout="constrained")
    for line, images, names in zip(axes, rows, titles):
        for panel, image, name in zip(line, images, names):
            panel.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1)
            panel.set_title(name, fontsize=8)
            panel.set_axis_off()
    return figure


def main():
    keras.utils.set_random_seed(0)
    model = trained_model()
    graph = kerasxai.graph.ModelGraph(model)

    classes = maximise(logits(graph), lambda outputs: tf.linalg.diag_part(outputs), samples=10, smoothness=10.0)
    found = model.predict(classes, verbose=0)
    print("Classes of the images made for 0 to 9:", found.argmax(axis=1))

    filters = range(0, 30, 3)
    middle = layer_output(graph, "second")
    scores = lambda outputs: [outputs[i, ..., k] for i, k in enumerate(filters)]  # its mean over all positions
    patterns = maximise(middle, scores, samples=len(filters), smoothness=0.5)
    titles = [[f"class {digit}" for digit in range(10)], [f"filter {index}" for index in filters]]
    draw([classes, patterns], titles).savefig("activation_maximisation.png", dpi=150)
    print("Wrote activation_maximisation.png: what maximises each class, and filters of the second convolution")


if __name__ == "__main__":
    main()
