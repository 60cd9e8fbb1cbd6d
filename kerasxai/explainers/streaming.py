"""What repeats (path steps, noise draws, masks, channels), streamed in chunks inside the compiled function."""

import tensorflow as tf


def accumulate(count, chunk, step, initial):
    """Folds `step(state, indices)` over `range(count)`, `chunk` indices at a time.

    Args:
        count: How many there are: int or scalar tensor.
        chunk: Most indices in one step: int or scalar tensor.
        step: Function of the state (list of tensors) and the indices (int32 vector), returns the new state.
        initial: List of tensors, whose shapes stay as they are.

    Returns:
        The final state.
    """

    def body(start, *state):
        end = tf.minimum(start + chunk, count)
        return (end, *step(list(state), tf.range(start, end)))

    _, *state = tf.while_loop(
        lambda start, *_: start < count,
        body,
        (tf.constant(0), *initial),
        shape_invariants=(tf.TensorShape([]), *(tensor.shape for tensor in initial)),
        parallel_iterations=1,  # chunks that ran side by side would not bound the memory
    )
    return state


def merge(tensor):
    """`(chunk, batch, ...)` as one batch `(chunk * batch, ...)`."""
    shape = tf.shape(tensor)
    merged = tf.reshape(tensor, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
    return tf.ensure_shape(merged, [None, *tensor.shape[2:]])


def split(tensor, chunk):
    """`(chunk * batch, ...)` as `(chunk, batch, ...)`."""
    parted = tf.reshape(tensor, tf.concat([[chunk, -1], tf.shape(tensor)[1:]], axis=0))
    return tf.ensure_shape(parted, [None, None, *tensor.shape[1:]])


def like(values, tensor):
    """A vector `(chunk,)` with as many trailing axes as `(chunk, *tensor.shape)` has, in its type."""
    values = tf.cast(values, tensor.dtype)
    return tf.reshape(values, tf.concat([tf.shape(values), tf.ones([tensor.shape.rank], tf.int32)], axis=0))
