"""LRP's rules written out on a layer's matrix, term by term in float64; slow, and no part of the package is used.

`w` is a layer's matrix `(inputs, outputs)`, `b` its bias `(outputs,)`, `a` what it was given `(samples, inputs)`, `R`
the relevance of its outputs `(samples, outputs)`; every rule returns that of its inputs `(samples, inputs)`.
"""

import keras
import numpy as np


def steps(layer):
    """The linear layers a layer runs one after the other, without activations, float64: two for a separable one."""
    config = {**layer.get_config(), "dtype": "float64", "activation": None}
    if not isinstance(layer, (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)):
        return [(type(layer).from_config(config), layer.get_weights())]
    rank = len(layer.kernel_size)
    names = ("kernel_size", "strides", "dilation_rate", "depth_multiplier")
    given = {name: config[name] for name in names}
    padding = {"padding": "valid" if layer.padding == "causal" else layer.padding}
    depthwise = getattr(keras.layers, f"DepthwiseConv{rank}D")
    pointwise = getattr(keras.layers, f"Conv{rank}D")
    first, *second = layer.get_weights()
    return [
        (depthwise(**given, **padding, use_bias=False, dtype="float64"), [first]),
        (pointwise(layer.filters, 1, use_bias=layer.use_bias, dtype="float64"), second),
    ]


def matrix_of(layer, weights, shape):
    """`(w, b, output shape)`; the Jacobian of an affine map is its values at unit vectors less that at 0."""
    if not layer.built:
        layer.build((None, *shape))
    layer.set_weights(weights)
    size = int(np.prod(shape))
    constant = layer(np.zeros((1, *shape))).numpy()
    columns = layer(np.eye(size).reshape(size, *shape)).numpy() - constant
    return columns.reshape(size, -1), constant.ravel(), columns.shape[1:]


def field_of(layer, weights, shape):
    """Which input a unit sees at all, `(inputs, outputs)` of 0 and 1: the matrix with every weight 1."""
    return matrix_of(layer, [np.ones_like(weight) for weight in weights], shape)[0]


# Rules ---------------------------------------------------------------------------------------------------------------


def zero(w, b, a, R):
    return epsilon(w, b, a, R, eps=0.0)


def epsilon(w, b, a, R, eps=1e-6, relative=False):
    terms = edges(a, w)
    z = terms.sum(axis=1) + b
    if relative:
        eps = eps * np.sqrt(np.mean(z**2, axis=1, keepdims=True))
    return handed(terms, R, z + np.where(z >= 0, 1.0, -1.0) * eps)


def z_plus(w, b, a, R):
    return alpha_beta(w, b, a, R, alpha=1.0, beta=0.0)


def alpha_beta(w, b, a, R, alpha=2.0, beta=1.0):
    supporting = edges(up(a), up(w)) + edges(down(a), down(w))
    opposing = edges(up(a), down(w)) + edges(down(a), up(w))
    gained = handed(supporting, R, supporting.sum(axis=1) + up(b))
    return alpha * gained - beta * handed(opposing, R, opposing.sum(axis=1) + down(b))


def gamma(w, b, a, R, gamma=0.25, z=None):
    """`z` decides which side a unit is on; where the bias is ignored in the division it is still part of it."""
    more_positive, more_negative = (edge + gamma * part(edge) for edge, part in ((w, up), (w, down)))
    if z is None:
        z = a @ w + b
    above = edges(up(a), more_positive) + edges(down(a), more_negative)
    below = edges(up(a), more_negative) + edges(down(a), more_positive)
    from_above = handed(above, np.where(z > 0, R, 0), above.sum(axis=1) + b + gamma * up(b))
    return from_above + handed(below, np.where(z < 0, R, 0), below.sum(axis=1) + b + gamma * down(b))


def z_box(w, b, a, R, low, high):
    """Montavon et al., 2017: no bias in the denominator."""
    terms = edges(a, w) - edges(low, up(w)) - edges(high, down(w))
    return handed(terms, R, terms.sum(axis=1))


def w_square(w, b, a, R):
    terms = edges(np.ones_like(a), w**2)
    return handed(terms, R, terms.sum(axis=1) + b**2)


def flat(field, R):
    terms = edges(np.ones((len(R), len(field))), field)
    return handed(terms, R, terms.sum(axis=1))


def abs_z(w, b, a, R):
    terms = np.abs(edges(a, w))
    return handed(terms, R, terms.sum(axis=1) + np.abs(b))


# ---------------------------------------------------------------------------------------------------------------------


def edges(a, w):
    """What every input puts into every output, `(samples, inputs, outputs)`."""
    return a[:, :, np.newaxis] * w[np.newaxis]


def handed(terms, R, denominator):
    """Each unit's relevance shared out in proportion to its terms; a unit without anything to divide by keeps it."""
    ratio = np.divide(R, denominator, out=np.zeros_like(denominator), where=denominator != 0)
    return np.einsum("sjk,sk->sj", terms, ratio)


def up(values):
    return np.where(values > 0, values, 0.0)


def down(values):
    return np.where(values < 0, values, 0.0)
