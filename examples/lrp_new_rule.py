"""A rule of LRP of one's own: ten lines, registered, used by name in a mapping like those of the package."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

import kerasxai


@kerasxai.lrp.register("sized")
class Sized(kerasxai.lrp.Rule):
    """In proportion to `|a| ** power |w|`: sign-blind; the larger the power, the more the largest inputs take."""

    def __init__(self, power=1.0, bias="absorb"):
        super().__init__(bias)
        self.power = power

    def terms(self, layer):
        return [[kerasxai.lrp.Term(tf.abs(layer.input) ** self.power, tf.abs(layer.kernel))]]


def main():
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    model = kerasxai.models.mnist1d_cnn()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=10, batch_size=64, verbose=0)

    own = {"first": {"rule": "sized", "power": 2.0}, kerasxai.lrp.CONVOLUTION: "z_plus", "*": "epsilon"}
    lrp = kerasxai.explainers.LRP(model, rules=own)
    lrp.summary()
    samples = x_test[:4]
    ledger = lrp.ledger(samples)
    print(ledger)
    print(f"The columns account for all but {ledger.residual.max():.1e} of the relevance at a node.")

    maps = {"epsilon_plus": kerasxai.explain(model, samples, method="lrp"), "sized in the first layer": lrp(samples)}
    titles = y_test[:4].astype(str)
    figure = kerasxai.plots.grid(samples, maps, row_titles=titles, column_titles=list(maps), signed=True)
    figure.savefig("lrp_new_rule.png")
    print("Wrote lrp_new_rule.png")


if __name__ == "__main__":
    main()
