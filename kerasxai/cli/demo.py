"""`kerasxai demo`: two small nets trained here, their predictions explained, on a page of figures."""

import itertools
import time

import numpy as np

from kerasxai.cli.gallery import check_free, figure, output_folder, versions, write_json, write_page
from kerasxai.cli.quiet import load_tensorflow

METHODS = (
    "grad_cam",
    "layer_cam",
    "score_cam",
    "ablation_cam",
    "guided_grad_cam",
    "gradient_x_input",
    "integrated_gradients",
    "smooth_grad",
    "full_grad",
)
SAMPLES = 6


def run(options):
    """Carries out the command; `options` are its parsed arguments."""
    start = time.monotonic()
    check_free(options.out, options.overwrite)
    load_tensorflow()
    with output_folder(options.out, options.overwrite) as folder:
        nets = [
            _explained(folder, "MNIST-1D", "signals of 40 steps", *_signals()),
            _explained(folder, "Digits", "scikit-learn's 8 x 8 images", *_digits()),
        ]
        sections = list(itertools.chain.from_iterable(net.pop("sections") for net in nets))
        made = ", ".join(f"{name} {version}" for name, version in versions().items())
        facts = [
            "Two convolutional nets, trained on this machine just now: what speaks for the classes they predict.",
            "Rows: true class > predicted class (probability).",
            "Warm colours of signed maps speak for the class, cold ones against it. Each has its own scale, from 0.",
            f"{made}; {time.monotonic() - start:.0f} s in all.",
        ]
        write_page(folder / "index.html", "kerasxai demo", facts, sections)
        write_json(folder / "report.json", {"nets": nets, "versions": versions()})
    print(f"Done in {time.monotonic() - start:.0f} s. Open {options.out}/index.html")


def _explained(folder, name, what, model, test, class_names):
    from kerasxai import plots
    from kerasxai.explaining import SeveralExplainers

    x, y = test
    _, accuracy = model.evaluate(x, y, verbose=0)
    print(f"{name}: accuracy {accuracy:.3f} on {len(x)} test samples")
    chosen = _one_of_each_class(y)[:SAMPLES]
    samples, labels = x[chosen], y[chosen]
    probabilities = model.predict(samples, verbose=0)
    rows = [
        f"{class_names[label]} > {class_names[row.argmax()]} ({row.max():.2f})"
        for label, row in zip(labels, probabilities)
    ]
    maps = SeveralExplainers(model, METHODS, verbose=0)(samples)
    file = f"{name.lower()}.png"
    plots.grid(samples, maps, row_titles=rows).savefig(folder / file)
    caption = f"{name}, {what}: {model.count_params():,} weights, accuracy {accuracy:.3f} on {len(x)} test samples."
    sections = [f"<h2>{name}</h2>", figure(file, caption, wide=True)]
    return {"name": name, "accuracy": accuracy, "methods": list(METHODS), "sections": sections}


def _signals():
    """The MNIST-1D net, trained, its test data, and class names."""
    import keras

    from kerasxai import datasets, models

    keras.utils.set_random_seed(0)
    train, test = datasets.mnist1d.load_data()
    model = models.mnist1d_cnn()
    _train(model, *train, epochs=30)
    return model, test, list("0123456789")


def _digits():
    """A 2-D net on scikit-learn's digits, trained, its test data, and class names."""
    import keras
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x, y = digits.images[order][..., np.newaxis].astype("float32") / 16, digits.target[order]
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    _train(model, x[:1500], y[:1500], epochs=20)
    return model, (x[1500:], y[1500:]), list("0123456789")


def _train(model, x, y, epochs, batch_size=64):
    import keras

    rate = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-len(x) // batch_size))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)


def _one_of_each_class(labels):
    return [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
