"""Types of numbers: mixed precision, float64, integers, quantised kernels, LoRA, and preprocessing inside."""

import keras
import numpy as np
import tensorflow as tf
from keras import Sequential, layers

from benchmarks.model_kinds.kind import IMAGE, chain, conv, data, dense, dtype_policy, gap, kind, pool
from benchmarks.model_kinds.kinds.structures import as_functional, body


def half(name, tolerance, activation="swish", **head):
    """A net in half precision; its truth is the same net in float32, where no value may be at a kink."""

    def steps(**options):
        late = conv(5, activation=activation, name="late")
        return [conv(4, activation=activation), pool(), late, gap(), dense(**options)]

    with dtype_policy(name):
        model = Sequential([keras.Input(IMAGE), *steps(**head)])
    made = chain(steps(), tolerance=tolerance)
    model.set_weights(made.model.get_weights())
    made.model = model
    return made


@kind
def mixed_float16():
    """mixed_float16"""
    return half("mixed_float16", 1e-2, dtype="float32")


@kind
def mixed_bfloat16():
    """mixed_bfloat16"""
    made = half("mixed_bfloat16", 0.1, dtype="float32")
    # The model's own probabilities, compiled and not, differ by 0.11 of the largest fall under a window.
    made.tolerances["occlusion"] = 0.2
    return made


@kind
def half_head():
    """mixed_float16 with ReLU, the softmax in float16 too"""
    return half("mixed_float16", 5e-2, activation="relu")


@kind
def float64():
    """float64"""
    with dtype_policy("float64"):
        steps = [*body(), gap(), dense()]
        model = as_functional(steps, dtype="float64")
    return chain(steps, model=model, x=data(IMAGE).astype("float64"))


@kind
def float64_given_float32():
    """float64, samples in float32"""
    with dtype_policy("float64"):
        steps = [*body(), gap(), dense()]
        model = as_functional(steps, dtype="float64")
    x = data(IMAGE).astype("float64")
    return chain(steps, model=model, x=x, pack=lambda inputs: tf.cast(inputs[0], tf.float32))


@kind
def float64_input():
    """float64 Input, float32 layers"""
    steps = [*body(), gap(), dense()]
    return chain(steps, model=as_functional(steps, dtype="float64"), x=data(IMAGE).astype("float64"))


@kind
def float64_layers():
    """float32 Input, float64 layers"""
    with dtype_policy("float64"):
        steps = [*body(), gap(), dense()]
    return chain(steps, model=as_functional(steps, dtype="float32"))


@kind
def float64_head():
    """float32 layers, a head in float64"""
    steps = [*body(), gap(), dense(dtype="float64")]
    return chain(steps)


@kind
def uint8_input():
    """uint8 Input, Rescaling inside"""
    return of_integers("uint8")


@kind
def int32_input():
    """int32 Input, Rescaling inside"""
    return of_integers("int32")


def of_integers(dtype):
    """A net whose Input holds integers: what methods change is rounded, here where the model is given it."""
    steps = [layers.Rescaling(1 / 255), *body(), gap(), dense()]
    x = np.random.default_rng(0).integers(0, 256, (3, *IMAGE)).astype("float32")
    model = as_functional(steps, dtype=dtype)
    return chain(steps, model=model, x=x, tolerance=2e-2, pack=lambda inputs: tf.cast(tf.round(inputs[0]), dtype))


@kind
def rescaling():
    """Rescaling inside, 0 to 255"""
    steps = [layers.Rescaling(1 / 127.5, -1.0), *body(), gap(), dense()]
    return chain(steps, x=data(IMAGE, low=0, high=255))


@kind
def normalization():
    """Normalization inside, adapted"""
    scale = layers.Normalization()
    scale.adapt(data(IMAGE, 20, 3) * 4 + 1)
    made = chain([scale, *body(), gap(), dense()])
    scale.adapt(data(IMAGE, 20, 3) * 4 + 1)
    return made


@kind
def int8():
    """quantised to int8"""
    twins = ("lrp", "rescale", "full_grad", "guided")
    made = chain([*body(), gap(), dense(6, "relu"), dense(3)], tolerance=0.1, twins=twins)
    made.check()  # the truth is the net before it was quantised
    made.model.quantize("int8")
    return made


@kind
def lora():
    """LoRA enabled"""
    made = chain(steps := [*body(), gap(), dense(6, "relu"), dense()])
    draw = np.random.default_rng(3)
    for layer in steps:
        if hasattr(layer, "enable_lora"):
            layer.enable_lora(2)
            for weight in (layer.lora_kernel_a, layer.lora_kernel_b):
                weight.assign(draw.normal(0, 0.3, weight.shape))
    return made
