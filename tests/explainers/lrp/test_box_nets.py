"""LRP with the box rule first on whole nets, against the same walk written out on matrices in float64."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasxai
from kerasxai import lrp
from tests.explainers.lrp import dense_twin
from tests.support.truth import images, randomise

LOW, HIGH = -0.25, 1.5


def sequential(shape, *stack, seed):
    return randomise(keras.Sequential([keras.Input(shape), *stack]), seed)


NETS = {
    "images": lambda: sequential(
        (8, 8, 3),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(5, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4),
        seed=1,
    ),
    "signals": lambda: sequential(
        (16, 1),
        layers.Conv1D(5, 5, padding="same", activation="relu"),
        layers.Conv1D(5, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(4),
        seed=2,
    ),
    "strided": lambda: sequential(
        (9, 9, 2),
        layers.Conv2D(6, 3, strides=2, activation="relu"),
        layers.Conv2D(4, 2, activation="relu"),
        layers.Flatten(),
        layers.Dense(6, activation="relu"),
        layers.Dense(4),
        seed=3,
    ),
    "normalised": lambda: sequential(
        (8, 8, 3),
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(5, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4),
        seed=4,
    ),
    "dense": lambda: sequential(
        (12,), layers.Dense(8, activation="relu"), layers.Dense(6, activation="relu"), layers.Dense(4), seed=5
    ),
}

LINEAR = (layers.Dense, layers.Conv1D, layers.Conv2D)


@pytest.mark.slow
@pytest.mark.parametrize("rules", ["epsilon_gamma_box", "box_then_zero"])
@pytest.mark.parametrize("name", NETS)
def test_nets_with_the_box_first(name, rules):
    model = NETS[name]()
    x = images(3, model.input_shape[1:], seed=7)
    classes = np.array([1, 3, 0])
    if rules == "epsilon_gamma_box":
        explainer = kerasxai.explainers.LRP(model, rules=rules, input_range=(LOW, HIGH))
        later = {layers.Dense: lambda *args: dense_twin.epsilon(*args, eps=1e-6)}
    else:
        explainer = kerasxai.explainers.LRP(model, rules={"first": lrp.ZBox(LOW, HIGH), "*": lrp.Zero()})
        later = dict.fromkeys(LINEAR, dense_twin.zero)
    expected = walk(model, x, classes, later)
    relevance = explainer(x, target=classes)
    assert np.abs(relevance - expected).max() <= 1e-5 * np.abs(expected).max()
    ledger = explainer.ledger(x, target=classes)
    assert ledger.residual.max() <= 1e-5
    np.testing.assert_array_equal(ledger.values["bias"][:, -1], 0)  # none of the first layer's, by the rule


def walk(model, x, classes, later):
    """Relevance of the input: the box rule at the first linear layer, `later[class]` (Gamma: any other) at the rest."""
    values, steps = np.float64(x).reshape(len(x), -1), []
    shape = x.shape[1:]
    for layer in model.layers:
        kind = type(layer)
        if kind in (layers.Flatten, layers.ReLU):
            map_ = None
        elif kind is layers.MaxPooling2D:
            map_ = winners(values, shape)
        else:
            map_ = matrix(layer, shape)
        steps.append((kind, values, map_))
        if kind is layers.MaxPooling2D:
            values = np.einsum("si,sio->so", values, map_)
        elif map_ is not None:
            values = values @ map_[0] + map_[1]
        if kind is layers.ReLU or getattr(layer, "activation", None) is keras.activations.relu:
            values = np.maximum(values, 0)
        shape = layer.compute_output_shape((None, *shape))[1:]
    relevance = values * np.eye(values.shape[1])[classes]
    steps = with_normalisations_folded(steps)
    first = next(index for index, (kind, *_) in enumerate(steps) if kind in LINEAR)
    for index, (kind, given, map_) in reversed(list(enumerate(steps))):
        if map_ is None:
            continue
        if kind is layers.MaxPooling2D:
            relevance = np.einsum("so,sio->si", relevance, map_)
        elif kind is layers.GlobalAveragePooling2D:
            relevance = dense_twin.zero(*map_, given, relevance)
        elif index == first:
            box = np.full_like(given, LOW), np.full_like(given, HIGH)
            relevance = dense_twin.z_box(*map_, given, relevance, *box)
        else:
            relevance = later.get(kind, dense_twin.gamma)(*map_, given, relevance)
    return relevance.reshape(x.shape)


def matrix(layer, shape):
    """Matrix and bias of an affine layer without its activation."""
    if isinstance(layer, layers.BatchNormalization):
        gamma, beta, mean, variance = np.float64(layer.get_weights())
        scale = gamma / np.sqrt(variance + layer.epsilon)
        diagonal, shift = (np.broadcast_to(part, shape).ravel() for part in (scale, beta - scale * mean))
        return np.diag(diagonal), shift
    ((twin, weights),) = dense_twin.steps(layer) if layer.weights else [(type(layer)(dtype="float64"), [])]
    return dense_twin.matrix_of(twin, weights, shape)[:2]


def winners(values, shape):
    """1 where an input is the maximum of a window of 2 x 2, `(samples, inputs, outputs)`."""
    height, width, channels = shape
    places = np.arange(height * width * channels).reshape(shape)
    windows = places.reshape(height // 2, 2, width // 2, 2, channels).transpose(0, 2, 4, 1, 3).reshape(-1, 4)
    taken = windows[np.arange(len(windows)), values[:, windows].argmax(axis=-1)]  # (samples, outputs)
    return (np.arange(places.size)[:, np.newaxis] == taken[:, np.newaxis]).astype("float64")


def with_normalisations_folded(steps):
    """Each batch normalisation taken into the linear layer before it."""
    folded = []
    for kind, given, map_ in steps:
        if kind is layers.BatchNormalization:
            linear, before, (w, b) = folded.pop()
            folded.append((linear, before, (w @ map_[0], b @ map_[0] + map_[1])))
        else:
            folded.append((kind, given, map_))
    return folded
