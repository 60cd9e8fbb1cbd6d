"""The linear maps inside a layer, runnable with any kernel: what `y = W x + b` is for each kind of layer."""

import abc

import keras
import tensorflow as tf

from kerasxai.graph.kinds import is_quantised, kind_of, layers
from kerasxai.precision import as_float

TRANSPOSED = layers("Conv*Transpose")
_DEPTHWISE = layers("DepthwiseConv*")
_SEPARABLE = layers("SeparableConv*")


class LinearPart(abc.ABC):
    """One linear map `y = run(x, kernel) + bias`, apart from any activation.

    Attributes:
        kernel, bias: The layer's own, float32 (float64 stays); `bias` is None where there is none.
    """

    def __init__(self, kernel, bias=None):
        self.kernel = as_float(tf.convert_to_tensor(kernel))
        self.bias = None if bias is None else as_float(tf.convert_to_tensor(bias))

    @abc.abstractmethod
    def run(self, x, kernel):
        """The map without its bias, for any kernel of the same shape."""

    def scale_inputs(self, scale):
        """Takes a factor per input channel into the kernel."""
        self.kernel *= scale[:, tf.newaxis]

    def scale_outputs(self, scale):
        """Takes a factor per output channel into the kernel (not the bias)."""
        self.kernel *= scale


class _Dense(LinearPart):
    def run(self, x, kernel):
        return tf.linalg.matmul(x, kernel) if x.shape.rank == 2 else tf.tensordot(x, kernel, 1)


class _Einsum(LinearPart):
    def __init__(self, layer):
        super().__init__(layer.kernel, layer.bias)
        self._equation = layer.equation

    def run(self, x, kernel):
        return tf.einsum(self._equation, x, kernel)


class _Convolution(LinearPart):
    def __init__(self, layer, kernel, bias):
        super().__init__(kernel, bias)
        self._options = {"strides": layer.strides, "dilation_rate": layer.dilation_rate}
        self._options["data_format"] = "channels_last"
        self._padding = layer.padding

    def run(self, x, kernel):
        padding = self._padding
        if padding == "causal":
            steps = self._options["dilation_rate"][0] * (kernel.shape[0] - 1)
            x, padding = tf.pad(x, [[0, 0], [steps, 0], [0, 0]]), "valid"
        return self._convolve(x, kernel, padding=padding, **self._options)

    def _convolve(self, x, kernel, **options):
        return keras.ops.conv(x, kernel, **options)

    def scale_inputs(self, scale):
        group, outputs = self.kernel.shape[-2:]  # the channels of one group
        groups = scale.shape[0] // group
        by_group = tf.repeat(tf.transpose(tf.reshape(scale, [groups, group])), outputs // groups, axis=1)
        self.kernel *= by_group


class _Depthwise(_Convolution):
    def _convolve(self, x, kernel, **options):
        return keras.ops.depthwise_conv(x, kernel, **options)

    def scale_inputs(self, scale):
        self.kernel *= scale[:, tf.newaxis]

    def scale_outputs(self, scale):
        self.kernel *= tf.reshape(scale, self.kernel.shape[-2:])


class _Transposed(_Convolution):
    """Its kernel has the output channels before the input channels."""

    def __init__(self, layer):
        super().__init__(layer, layer.kernel, layer.bias)
        self._options["output_padding"] = layer.output_padding

    def _convolve(self, x, kernel, **options):
        return keras.ops.conv_transpose(x, kernel, **options)

    def scale_inputs(self, scale):
        self.kernel *= scale

    def scale_outputs(self, scale):
        self.kernel *= scale[:, tf.newaxis]


class _Pointwise(LinearPart):
    """The second half of a separable convolution: a kernel of one position."""

    def run(self, x, kernel):
        return tf.tensordot(x, tf.reshape(kernel, kernel.shape[-2:]), 1)


def refuse_quantised(layer):
    """Raises ValueError for a layer with quantised weights, where a method needs its products to be linear."""
    if is_quantised(layer):
        raise ValueError(
            f"Layer {layer.name} holds {layer.quantization_mode} weights, whose products are not linear. "
            "Explain the model before it is quantised, or use a method of the gradient or perturbation family."
        )


def linear_parts(layer):
    """The linear maps of a layer, in the order they run: two for a separable convolution, else one.

    Weights are read by reference, so call it where they are to be used.

    Args:
        layer: A layer that `is_linear`.

    Returns:
        List of `LinearPart`, new ones at every call.

    Raises:
        ValueError: The layer's weights are quantised.
    """
    refuse_quantised(layer)
    kind = kind_of(layer)
    if kind in _SEPARABLE:
        return [_Depthwise(layer, layer.depthwise_kernel, None), _Pointwise(layer.pointwise_kernel, layer.bias)]
    if kind in _DEPTHWISE:
        return [_Depthwise(layer, layer.kernel, layer.bias)]
    if kind in TRANSPOSED:
        return [_Transposed(layer)]
    if kind == "Dense":
        return [_Dense(layer.kernel, layer.bias)]
    if kind == "EinsumDense":
        return [_Einsum(layer)]
    return [_Convolution(layer, layer.kernel, layer.bias)]
