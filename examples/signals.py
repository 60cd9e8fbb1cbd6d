"""1-D signals: a net trained on MNIST-1D, explained for the class it predicts and for the true one."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import kerasxai


def main():
    keras.utils.set_random_seed(0)
    (x_train, y_train), (x_test, y_test) = kerasxai.datasets.mnist1d.load_data()
    model = kerasxai.models.mnist1d_cnn()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=10, batch_size=64, verbose=0)
    predicted = model.predict(x_test, verbose=0).argmax(axis=1)
    print(f"Accuracy: {(predicted == y_test).mean():.3f}")

    wrong = (predicted != y_test).nonzero()[0][:3]
    explainer = kerasxai.explainers.GradCAM(model)
    for_predicted = explainer(x_test[wrong])
    for_true = explainer(x_test[wrong], target="true", y=y_test[wrong])
    figure = kerasxai.plots.grid(
        x_test[wrong],
        {"predicted": for_predicted, "true": for_true},
        row_titles=[f"{predicted[index]}, truly {y_test[index]}" for index in wrong],
        column_titles=["for the predicted class", "for the true class"],
    )
    figure.savefig("signals.png")
    print("Wrote signals.png: three wrong predictions, explained for the predicted and for the true class")


if __name__ == "__main__":
    main()
