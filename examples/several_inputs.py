"""Several inputs and outputs: an image and three numbers in, two answers out, and which input decides about each.

Metal plates are made here. A plate is faulty if it is cracked, which the image shows, or was hot, which a number tells;
the other numbers tell nothing. The other answer is the crack's length, which only the image shows.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import numpy as np

import kerasxai

matplotlib.use("Agg")

layers = keras.layers
SIDE = 32
NUMBERS = ("temperature", "pressure", "humidity")  # standardised: 0 is usual
HOT = 0.7


def main():
    keras.utils.set_random_seed(0)
    x, y = make_plates(2500)
    train, test = slice(0, 2000), slice(2000, None)
    model = build_model()
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss={"fault": "binary_crossentropy", "length": "mse"},
        metrics={"fault": "accuracy", "length": "mae"},
    )
    model.fit(rows_of(x, train), rows_of(y, train), epochs=15, batch_size=32, verbose=0)
    found = model.evaluate(rows_of(x, test), rows_of(y, test), verbose=0, return_dict=True)
    print(f"Faults told rightly: {found['fault_accuracy']:.1%}; lengths off by {10 * found['length_mae']:.1f} pixels")

    is_cracked, is_hot = y["length"][:, 0] > 1.5, x["numbers"][:, 0] > HOT + 0.3
    is_cold = x["numbers"][:, 0] < 0
    kinds = {
        "cracked": is_cracked & is_cold,
        "hot": (y["length"][:, 0] == 0) & is_hot,
        "cracked and hot": is_cracked & is_hot,
        "neither": (y["length"][:, 0] == 0) & is_cold,
    }
    chosen = rows_of(x, [test.start + np.argmax(is_kind[test]) for is_kind in kinds.values()])
    explainer = kerasxai.explainers.IntegratedGradients(model)  # from zeros: a bare plate at usual values
    for_fault = explainer(chosen, target=("fault", 1))  # of the logit: what is positive speaks for a fault
    for_length = explainer(chosen, target=("length", None))
    for answer, attributions in {"fault": for_fault, "length": for_length}.items():
        image, numbers = (np.abs(attributions[name]).reshape(len(kinds), -1).sum(axis=1) for name in chosen)
        for kind, share in zip(kinds, image / (image + numbers)):
            print(f"{kind:16} has {share:4.0%} of its attribution to `{answer}` in the image, the rest in the numbers")
    draw(chosen["image"], for_fault, list(kinds)).savefig("several_inputs.png", dpi=150)
    print("Wrote several_inputs.png: what speaks for a fault, and what against it")


def build_model():
    image, numbers = keras.Input((SIDE, SIDE, 1), name="image"), keras.Input((len(NUMBERS),), name="numbers")
    features = layers.Conv2D(8, 5, strides=2, padding="same", activation="relu")(image)
    features = layers.Conv2D(16, 3, padding="same", activation="relu")(features)
    from_image = layers.GlobalAveragePooling2D()(features)
    both = layers.Dense(32, activation="relu")(layers.Concatenate()([from_image, numbers]))
    fault = layers.Dense(1, activation="sigmoid", name="fault")(both)
    length = layers.Dense(1, name="length")(both)
    return keras.Model({"image": image, "numbers": numbers}, {"fault": fault, "length": length})


def make_plates(count):
    """Images `(N, 32, 32, 1)`, 0 where bare, and numbers `(N, 3)`; faults, and lengths of cracks in 10 pixels."""
    random = np.random.default_rng(0)
    images = random.normal(scale=0.1, size=(count, SIDE, SIDE, 1)).astype("float32")
    numbers = random.normal(size=(count, len(NUMBERS))).astype("float32")
    lengths = np.where(random.random(count) < 0.5, random.integers(10, 25, size=count), 0)
    for image, length in zip(images, lengths):
        row, left = random.integers(8, 24), random.integers(SIDE - 25)
        for column in range(left, left + length):
            image[row, column] = -1  # dark
            row = np.clip(row + random.integers(-1, 2), 0, SIDE - 1)
    is_faulty = (lengths > 0) | (numbers[:, 0] > HOT)
    y = {"fault": is_faulty.astype("float32"), "length": (lengths / 10).astype("float32")}
    return {"image": images, "numbers": numbers}, {name: values[:, np.newaxis] for name, values in y.items()}


def rows_of(arrays, rows):
    return {name: values[rows] for name, values in arrays.items()}


def draw(images, attributions, titles):
    """A row for each sample: the image, its attribution, and the image's sum beside the numbers, on one scale."""
    figure, axes = matplotlib.pyplot.subplots(len(titles), 3, figsize=(7, 1.9 * len(titles)), layout="constrained")
    strongest = np.quantile(np.abs(attributions["image"]), 0.995)
    sums = np.concatenate([attributions["image"].sum(axis=(1, 2)), attributions["numbers"]], axis=1)
    for line, image, of_image, row, title in zip(axes, images, attributions["image"], sums, titles):
        line[0].imshow(image, cmap="gray", vmin=-1, vmax=0.5)
        line[0].set_ylabel(title)
        line[1].imshow(of_image, cmap="coolwarm", vmin=-strongest, vmax=strongest)
        line[2].barh(["image", *NUMBERS], row, color=np.where(row > 0, "firebrick", "royalblue"))
        line[2].set_xlim(1.1 * min(sums.min(), 0), 1.1 * sums.max())
        line[2].axvline(0, color="black", linewidth=0.8)
        line[2].invert_yaxis()
        for panel in line[:2]:
            panel.set(xticks=[], yticks=[])
    for panel, name in zip(axes[0], ("image", "the image's pixels", "each input in sum")):
        panel.set_title(name)
    return figure


if __name__ == "__main__":
    main()
