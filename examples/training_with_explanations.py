"""Explanation quality as training curves: an MNIST-1D net trained with three callbacks, and the figure of its curves.

python examples/training_with_explanations.py --out training.png
"""

import argparse

import keras

import kerasxai

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--out", default="training.png")
options = parser.parse_args()

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
probe = x_test[:100]
model = kerasxai.models.mnist1d_cnn()
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=options.epochs,
    validation_data=(x_test, y_test),
    verbose=0,
    callbacks=[
        kerasxai.callbacks.DropIncrease(probe, explainer="grad_cam", fraction=0.3),
        kerasxai.callbacks.AOPC(probe, explainer="lrp"),
        kerasxai.callbacks.ExplanationDrift(probe, explainer="grad_cam"),
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True),
    ],
)
shown = [name for name in history.history if name == "val_accuracy" or ("grad_cam" in name or "lrp" in name)]
kerasxai.plots.training(history, shown).savefig(options.out, dpi=90)
for name in shown:
    print(f"{name:38} {history.history[name][0]:8.3f} -> {history.history[name][-1]:8.3f}")
