"""Explainers under other weights: fresh weights layer by layer, and one trace of an explainer that takes them.

The user's model is only read: the weights travel as arguments and stand in for its variables inside a StatelessScope.
"""

import keras
import numpy as np
import tensorflow as tf

from kerasxai.evaluators.scoring import as_input
from kerasxai.graph.keras_internals import own_weights, parts_of
from kerasxai.graph.kinds import is_quantised
from kerasxai.running import Runner

# What `enable_lora` draws its matrices by; no layer keeps it.
_LORA = {"lora_kernel_a": keras.initializers.HeUniform(), "lora_kernel_b": keras.initializers.Zeros()}

NORMAL_DEVIATION = 0.01  # of random weights, as `Randomization` draws them


class ReweightedExplainer:
    """An explainer whose model has other weights, compiled once for all of them.

    Args:
        explainer: An explainer.
        variables: List of the Keras variables whose values are given.
    """

    def __init__(self, explainer, variables):
        self.explainer, self.variables = explainer, variables
        self.runner = Runner(explainer.scorer, explainer.was_run)
        self._generation = explainer.generation

    @property
    def trace_count(self):
        """How many times the explainer was traced for other weights."""
        return self.runner.trace_count

    def serves(self, explainer, variables):
        """Whether it is for these, and they are what they were."""
        same = list(map(id, variables)) == list(map(id, self.variables))
        return same and explainer is self.explainer and explainer.generation == self._generation

    def __call__(self, inputs, target, values):
        """Raw attributions.

        Args:
            inputs: Flat list of arrays.
            target: See `Explainer.__call__`; one class a sample.
            values: One array per variable.
        """
        values = [tf.convert_to_tensor(value, variable.dtype) for value, variable in zip(values, self.variables)]
        ran = self.runner.run(
            self._explain,
            as_input(inputs),
            target,
            batch_size=self.explainer.batch_size,
            prepare=self.explainer.prepare,
            constants=values,
            one_class=True,
        )
        return self.explainer.finish(ran.results, ran.structure)

    def _explain(self, inputs, target, *values):
        with keras.StatelessScope(state_mapping=list(zip(self.variables, values))):
            return self.explainer.explain_batch(inputs, target)


def weighted_layers(graph, inputs):
    """The layers that hold weights, from the input to the output: a list of (path, list of (layer, variable)).

    Layers whose weights are no subject of training (`keras.layers.Normalization`) do not count. A layer that is called
    more than once stands at its first call.

    Args:
        graph: A ModelGraph or OpaqueModel.
        inputs: Flat list of tensors, which an opaque model is run on to learn the order.

    Raises:
        ValueError: The model has no weights, quantised ones, or some in no layer that is called.
    """
    if graph.has_graph:
        calls = [(node.path, node.operation) for node in graph.nodes]
    elif isinstance(graph.model, keras.Model):
        calls = [(path, layer) for path, layer, _ in graph.layer_calls(inputs)]
    else:
        raise ValueError(f"Randomisation needs a Keras model with layers. Received: {type(graph.model).__name__}.")
    quantised = [path for path, layer in calls if is_quantised(layer)]
    if quantised:
        raise ValueError(
            f"Randomisation needs weights that can be drawn anew. Received: quantised ones in {', '.join(quantised)}. "
            "Give it the model before it is quantised."
        )
    layers, seen = [], set()
    for path, layer in calls:
        parts = parts_of(layer) if isinstance(layer, keras.Layer) else ()
        owned = []
        for part in parts:
            owned += [(part, variable) for variable in _own_variables(part) if id(variable) not in seen]
        seen.update(id(variable) for _, variable in owned)
        if owned:
            layers.append((path, owned))
    missed = [variable.path for variable in graph.model.trainable_variables if id(variable) not in seen]
    if missed or not layers:
        received = f"weights in none: {', '.join(missed)}" if missed else "a model without weights"
        raise ValueError(
            "Randomisation must reach every weight, and each must belong to a layer that is called. "
            f"Received: {received}."
        )
    return layers


def fresh_values(owned, init, seed):
    """New values of one layer's variables.

    Args:
        owned: List of (layer, variable).
        init: `"layer"`: drawn by the layer's configured initialiser under a fresh seed, since its own would give the
            first values again; `"normal"`: N(0, 0.01^2). Batch normalisation gets mean 0 and variance 1 in both.
        seed: List of ints, of which every variable's seed is derived.

    Returns:
        List of arrays.

    Raises:
        ValueError: A drawn weight is what it was before, or a layer does not tell its initialiser.
    """
    values = []
    for index, (layer, variable) in enumerate(owned):
        # A seed for each variable, or variables of one shape would get the same values.
        number = int(np.random.SeedSequence([*seed, index]).generate_state(1)[0] % (2**31 - 1))
        before = np.asarray(variable.value)
        if variable.name in ("moving_mean", "moving_variance"):
            values.append(np.full_like(before, float(variable.name == "moving_variance")))
            continue
        if init == "normal":
            initializer = keras.initializers.RandomNormal(stddev=NORMAL_DEVIATION, seed=number)
        else:
            initializer = _reseeded(_initializer(layer, variable), number)
        drawn = np.asarray(initializer(variable.shape, dtype=variable.dtype))
        if "seed" in initializer.get_config() and (drawn == before).all():
            raise ValueError(f"A randomised weight must differ from the one before. Received: {variable.path}.")
        values.append(drawn)
    return values


def _own_variables(layer):
    trained = own_weights(layer)
    if isinstance(layer, keras.layers.BatchNormalization):
        return trained + [layer.moving_mean, layer.moving_variance]
    return trained


def _initializer(layer, variable):
    name = variable.name
    if name in _LORA:
        return _LORA[name]
    # The option of a "recurrent_kernel" is `recurrent_initializer`; DepthwiseConv2D calls its kernel "kernel".
    candidates = [f"{name}_initializer", name.replace("_kernel", "") + "_initializer"]
    if name == "kernel":
        candidates.append("depthwise_initializer")
    for attribute in candidates:
        if getattr(layer, attribute, None) is not None:
            return keras.initializers.get(getattr(layer, attribute))
    raise ValueError(
        f"The initialiser of a weight must be an attribute of its layer. Received: {variable.path} of a "
        f'{type(layer).__name__} without `{name}_initializer`. Use init="normal".'
    )


def _reseeded(initializer, seed):
    config = dict(initializer.get_config())  # which may be the initializer's own
    if "seed" in config:
        config["seed"] = seed
    return type(initializer).from_config(config)
