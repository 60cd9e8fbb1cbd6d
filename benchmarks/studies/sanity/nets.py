"""The digits, the two nets of the source, and the explainers that are checked."""

import keras

import kerasxai
from benchmarks.study import Refused

ARCHITECTURES = {"alexnet": "AlexNet", "vgg11": "VGG-11"}
SIDE = 64
BATCH = 20
LEARNING_RATE = 5e-4
DRAWS, NOISE = 20, 0.2  # of SmoothGrad, as in the source
EXPLAINERS = {
    "grad_cam": {},
    "smooth_grad": {"n_samples": DRAWS, "noise_level": NOISE},
    "guided_backprop": {},
    "integrated_gradients": {"steps": 32},
    "lrp, epsilon_plus": {"method": "lrp", "rules": "epsilon_plus"},
    "lrp, epsilon": {"method": "lrp", "rules": "epsilon"},
}


def untrained(architecture, width):
    """A net as it starts, without dropout: the digits are to be learnt by heart."""
    build = {"alexnet": kerasxai.models.alexnet_64, "vgg11": kerasxai.models.vgg11}[architecture]
    model = build(input_shape=(SIDE, SIDE, 3), classes=10, width=width)
    return keras.models.clone_model(model, call_function=without_dropout)


def without_dropout(layer, inputs, *rest, **options):
    return inputs if isinstance(layer, keras.layers.Dropout) else layer(inputs, *rest, **options)


def trained(architecture, x, labels, settings):
    """A net that has learnt the labels of its training samples.

    Raises:
        Refused: It has not, in all epochs allowed.
    """
    model = untrained(architecture, settings.width)
    model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy", metrics=["accuracy"])
    until_learned = UntilLearned(x, labels, settings.learned)
    model.fit(x, labels, batch_size=BATCH, epochs=settings.epochs, verbose=0, callbacks=[until_learned])
    if accuracy(model, x, labels) < settings.learned:
        raise Refused(f"{architecture} has not learnt its labels in {settings.epochs} epochs. Try another --seed.")
    return model


class UntilLearned(keras.callbacks.Callback):
    """Ends the training where the train accuracy is enough."""

    def __init__(self, x, labels, least):
        super().__init__()
        self.x, self.labels, self.least = x, labels, least

    def on_epoch_end(self, epoch, logs=None):
        # While weights still change, the epoch's own accuracy only says that it is worth looking.
        if logs["accuracy"] >= self.least and accuracy(self.model, self.x, self.labels) >= self.least:
            self.model.stop_training = True


def accuracy(model, x, labels):
    return float((model.predict(x, batch_size=100, verbose=0).argmax(axis=-1) == labels).mean())


def explainer_of(row, model):
    return kerasxai.explainers.from_config({"method": row, "verbose": 0, **EXPLAINERS[row]}, model)


def heatmaps(explainer, x, target=None):
    """Maps with their channels reduced as the explainer declares."""
    return reduced(explainer, explainer(x, target=target), x)


def reduced(explainer, raw, x):
    return kerasxai.to_heatmap(raw, explainer.reduce) if raw.ndim == x.ndim else raw


def on(explainer, model):
    """The same explainer of another net."""
    return kerasxai.explainers.from_config(explainer.get_config(), model)
