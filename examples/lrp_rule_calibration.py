"""Which LRP rule in which layers of VGG16: the eight settings of a rule calibration side by side, as one figure.

    python examples/lrp_rule_calibration.py                                   # a small VGG16 on digits, trained here
    python examples/lrp_rule_calibration.py --model net.keras --images a.png b.png --input-range 0 1
    python examples/lrp_rule_calibration.py --imagenet --images a.jpg b.jpg   # fetches the weights

The settings name layers as torchvision's `vgg16().features` counts them; `by_depth` counts linear layers, from 0.
"""

import argparse
import bisect
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from PIL import Image

import kerasxai
from kerasxai import lrp

CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # their torch indices; three Dense layers follow
FEATURES, CLASSIFIER = 30, 33  # last torch index of the features; any larger one stands for the classifier
LINEAR_LAYERS = 16
GAMMA, EPSILON, ZERO = lrp.Gamma(0.25), lrp.Epsilon(0.25, relative=True), lrp.Zero()

# Column title -> (up to this torch index, this rule).
SETTINGS = {
    "initial: γ to 16, ε, 0; average pooling": [(16, GAMMA), (FEATURES, EPSILON), (CLASSIFIER, ZERO)],
    "1: ε, 0": [(FEATURES, EPSILON), (CLASSIFIER, ZERO)],
    "2: ε": [(CLASSIFIER, EPSILON)],
    "3: γ": [(CLASSIFIER, GAMMA)],
    "4: 0": [(CLASSIFIER, ZERO)],
    "5: γ to 25, ε, 0": [(25, GAMMA), (FEATURES, EPSILON), (CLASSIFIER, ZERO)],
    "6: γ to 10, ε, 0": [(10, GAMMA), (FEATURES, EPSILON), (CLASSIFIER, ZERO)],
    "7: γ, 0": [(FEATURES, GAMMA), (CLASSIFIER, ZERO)],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a saved model of your own with 16 linear layers")
    parser.add_argument("--imagenet", action="store_true", help="keras.applications.VGG16 with its ImageNet weights")
    parser.add_argument("--images", nargs="+", default=[], help="image files, for --model and --imagenet")
    parser.add_argument("--input-range", nargs=2, type=float, default=(0, 1), help="pixel values that --model takes")
    parser.add_argument("--epochs", type=int, default=5, help="of training, on the digits")
    parser.add_argument("--out", default="lrp_rule_calibration.png")
    args = parser.parse_args()
    if (args.model is not None or args.imagenet) != bool(args.images) or (args.model and args.imagenet):
        parser.error("--images go with either --model or --imagenet")

    if args.imagenet:
        model = keras.applications.VGG16(weights="imagenet")
        pixels = read(args.images, (224, 224))
        x = kerasxai.models.preprocess_input(pixels, model)
        best = keras.applications.vgg16.decode_predictions(model.predict(x, verbose=0), top=1)
        titles = [name.replace("_", " ") for ((_, name, _),) in best]
    elif args.model:
        model = kerasxai.load_model(args.model)
        pixels = read(args.images, model.input_shape[1:3])
        low, high = args.input_range
        x = low + pixels / 255 * (high - low)
        titles = [f"class {label}" for label in model.predict(x, verbose=0).argmax(axis=1)]
    else:
        model, x, titles = digits(args.epochs)
        pixels = x
    figure = calibration(model, x, pixels, titles)
    figure.savefig(args.out)
    print(f"Wrote {args.out}")


def calibration(model, x, pixels, titles):
    """Rows: samples; columns: settings, for the predicted class."""
    found = len(kerasxai.explainers.LRP(model, rules="epsilon").plan.linear)
    if found != LINEAR_LAYERS:
        raise SystemExit(f"The settings are for nets of {LINEAR_LAYERS} linear layers. This one has {found}.")
    maps = {}
    for name, bounds in SETTINGS.items():
        rules = lrp.by_depth([(linear_index(last), rule) for last, rule in bounds])
        max_pool = "average" if name.startswith("initial") else "winner"
        maps[name] = kerasxai.explain(model, x, method="lrp", rules=rules, max_pool=max_pool).sum(axis=-1)
        print(f"{name:40} relevance that reaches the pixels: {np.round(maps[name].sum(axis=(1, 2)), 2)}")
    return kerasxai.plots.grid(pixels, maps, row_titles=titles, column_titles=list(SETTINGS), alpha=0.9, signed=True)


def linear_index(torch_index):
    """The last linear layer up to a torch index, counted from 0."""
    if torch_index > FEATURES:
        return LINEAR_LAYERS - 1
    return bisect.bisect_right(CONVOLUTIONS, torch_index) - 1


def digits(epochs):
    """A narrow VGG16 with batch normalisation trained on scikit-learn's 8 x 8 digits, one sample of some classes."""
    from sklearn.datasets import load_digits

    keras.utils.set_random_seed(0)
    data = load_digits()
    x = keras.ops.image.resize(data.images[..., np.newaxis].astype("float32") / 16, (32, 32))
    x = np.repeat(keras.ops.convert_to_numpy(x), 3, axis=-1)
    model = kerasxai.models.vgg16_bn((32, 32, 3), classes=10, width=1 / 16)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # a net this narrow has nothing to spare
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:1500], data.target[:1500], epochs=epochs, batch_size=32, verbose=0)
    print(f"Accuracy on held-out digits: {model.evaluate(x[1500:], data.target[1500:], verbose=0)[1]:.2f}")
    chosen = 1500 + np.unique(data.target[1500:], return_index=True)[1][:6]
    predicted = model.predict(x[chosen], verbose=0).argmax(axis=1)
    titles = [
        f"{label}" if label == true else f"{label}, truly {true}" for label, true in zip(predicted, data.target[chosen])
    ]
    return model, x[chosen], titles


def read(files, size):
    """Image files as float32 `(N, *size, 3)` in 0..255."""
    images = [Image.open(file).convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR) for file in files]
    return np.stack([np.asarray(image, "float32") for image in images])


if __name__ == "__main__":
    main()
