"""A net run layer by layer, outside kerasxai: the forward passes that the truths are made of.

A kind of model comes with a function `net(inputs, walk) -> logits` that calls `walk(layer, x)` for every layer. The
walks here differ in what they do at an activation, so that one such function gives the gradient, guided
backpropagation, DeconvNet, LRP-0 and DeepLIFT.
"""

import keras
import tensorflow as tf
from keras import layers

LINEAR = tuple(
    getattr(layers, name + dimensions)
    for name in ("Conv", "DepthwiseConv", "SeparableConv")
    for dimensions in ("1D", "2D", "3D")
    if hasattr(layers, name + dimensions)
)
LINEAR += (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
LINEAR += (layers.Dense, layers.EinsumDense)
ACTIVATIONS = (layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.Activation)
OFFSET = (layers.BatchNormalization, layers.Rescaling, layers.Normalization)
NESTED = (keras.Sequential,)

_twins = {}


class Walk:
    """Runs the layers as they are, in inference.

    Args:
        replaced: None, or what the output of the tapped layer becomes.
        watch: None, or what is called with that output and with every sum before its activation.

    Attributes:
        activations: Output of the tapped layer.
        trail: Each layer that was called, with its output.
        terms: Each sum with an offset, and the offset.
    """

    def __init__(self, replaced=None, watch=None):
        self.replaced, self.watch = replaced, watch
        self.activations, self.trail, self.terms = None, [], []

    def __call__(self, layer, *inputs, **options):
        outputs = self._run(layer, *inputs, **options)
        if layer.name == "late":
            outputs = self.tap(outputs)
        if not isinstance(layer, NESTED):
            self.trail.append((layer, outputs))
        return outputs

    def chain(self, steps, x):
        for step in steps:
            x = self(step, x)
        return x

    def tap(self, x):
        """Marks the output that CAMs read."""
        x = x if self.replaced is None else self.replaced
        if self.watch is not None:
            self.watch(x)
        self.activations = x
        return x

    def head(self, layer, x):
        """The logits of a last layer: it is called without its softmax or sigmoid."""
        return self._linear(layer, x)

    def act(self, function, z):
        return function(z)

    def gate(self, x):
        """An operand that LRP takes for a constant."""
        return x

    def _run(self, layer, *inputs, **options):
        kind = type(layer)
        if kind in NESTED:
            return self.chain(layer.layers, *inputs)
        if kind.__name__.startswith("Random") or kind is layers.InputLayer:
            return inputs[0]  # augmentation does nothing in inference
        if kind in LINEAR:
            z = self._linear(layer, *inputs)
            fused = layer.activation
            return z if fused is keras.activations.linear else self.act(fused, z)
        if kind in ACTIVATIONS:
            return self.act(layer, *inputs)
        outputs = layer(*inputs, **options)
        if kind in OFFSET:
            self._term(outputs, layer(tf.zeros_like(inputs[0])))
        return outputs

    def _linear(self, layer, x):
        twin = without_activation(layer)
        z = twin(x)
        if twin.bias is not None:
            self._term(z, twin.bias)
        return z

    def _term(self, z, offset):
        if self.watch is not None:
            self.watch(z)
        self.terms.append((z, tf.convert_to_tensor(offset)))


class LRPZero(Walk):
    """Gradient x input of this walk is LRP-0: an activation is its ratio to its input, a gate a constant."""

    def act(self, function, z):
        ratio = tf.math.divide_no_nan(function(z), z)
        return z * tf.stop_gradient(ratio)

    def gate(self, x):
        return tf.stop_gradient(x)


class Guided(Walk):
    """Only positive gradients pass a ReLU, and only where it is active."""

    def act(self, function, z):
        if not rectifies(function):
            return function(z)

        @tf.custom_gradient
        def rectified(values):
            with tf.GradientTape() as tape:
                tape.watch(values)
                outputs = function(values)
            native = tape.gradient(outputs, values)
            return outputs, lambda upstream: tf.where(upstream > 0, upstream, 0) * native

        return rectified(z)


class Deconv(Walk):
    """Only positive gradients pass a ReLU, active or not."""

    def act(self, function, z):
        if not rectifies(function):
            return function(z)
        return tf.custom_gradient(lambda values: (function(values), lambda up: tf.where(up > 0, up, 0)))(z)


class Rescale(Walk):
    """Gradient x difference of this walk is DeepLIFT: an activation has the slope from its baseline's value.

    Args:
        baseline: The `Remembering` walk of the baseline.
    """

    def __init__(self, baseline):
        super().__init__()
        self._starts = iter(baseline.sums)

    def act(self, function, z):
        start = next(self._starts)
        slope = (function(z) - function(start)) / tf.where(tf.abs(z - start) < 1e-10, tf.ones_like(z), z - start)
        return function(start) + (z - start) * tf.stop_gradient(slope)


class Remembering(Walk):
    """Keeps what each activation is given."""

    def __init__(self):
        super().__init__()
        self.sums = []

    def act(self, function, z):
        self.sums.append(z)
        return function(z)


def rectifies(function):
    """Whether an activation is a ReLU, a capped one too."""
    if isinstance(function, layers.ReLU):
        return not function.negative_slope
    function = function.activation if isinstance(function, layers.Activation) else function
    return getattr(function, "__name__", "") in ("relu", "relu6")


def without_activation(layer):
    """A copy of a linear layer, of the same weights, that ends before its activation.

    It is made when it is first asked for: of a layer quantised since, it has the weights of before.
    """
    if id(layer) not in _twins:
        config = {**layer.get_config(), "activation": None}
        config.pop("lora_rank", None)
        twin = type(layer).from_config(config)
        twin.build(layer._build_shapes_dict["input_shape"])
        lora = getattr(layer, "lora_enabled", False)
        twin.set_weights([layer.kernel, layer.bias] if lora else layer.get_weights())
        _twins[id(layer)] = (twin, layer)  # the layer is kept, so that its id stays its own
    return _twins[id(layer)][0]
