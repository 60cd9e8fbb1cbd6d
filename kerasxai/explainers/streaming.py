"""What repeats (path steps, noise draws, masks, channels), streamed in chunks inside the compiled function."""

import tensorflow as tf

from kerasxai.compiled import Loop

_PHILOX = 1
_NUMBERS_A_COUNTER = 4  # what Philox makes at each value of its counter


def accumulate(count, chunk, step, initial, until=None):
    """Folds `step(state, indices)` over `range(count)`, `chunk` indices at a time.

    Args:
        count: How many there are: int or scalar tensor.
        chunk: Most indices in one step: int or scalar tensor.
        step: Function of the state (list of tensors) and the indices (int32 vector), returns the new state.
        initial: List of tensors, whose shapes stay as they are.
        until: None, or a function of the state that says whether to stop early, a scalar bool.

    Returns:
        The final state.
    """

    loop = Loop(count, chunk)

    def goes_on(start, *state):
        more = (start < count) & loop.goes_on()
        return more if until is None else more & ~until(list(state))

    def body(start, *state):
        end = tf.minimum(start + chunk, count)
        return (end, *loop.step(step, list(state), tf.range(start, end)))

    _, *state = tf.while_loop(
        goes_on,
        body,
        (tf.constant(0), *initial),
        shape_invariants=(tf.TensorShape([]), *(tensor.shape for tensor in initial)),
        parallel_iterations=1,  # chunks that ran side by side would not bound the memory
    )
    return state if until is None else loop.close(state)


def merge(tensor):
    """`(chunk, batch, ...)` as one batch `(chunk * batch, ...)`."""
    shape = tf.shape(tensor)
    merged = tf.reshape(tensor, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
    # The reshape by a dynamic shape has lost the static sizes that layers ask for.
    return tf.ensure_shape(merged, [None, *tensor.shape[2:]])


def split(tensor, chunk):
    """`(chunk * batch, ...)` as `(chunk, batch, ...)`."""
    parted = tf.reshape(tensor, tf.concat([[chunk, -1], tf.shape(tensor)[1:]], axis=0))
    return tf.ensure_shape(parted, [None, None, *tensor.shape[1:]])


def like(values, tensor):
    """A vector `(chunk,)` with as many trailing axes as `(chunk, *tensor.shape)` has, in its type."""
    values = tf.cast(values, tensor.dtype)
    return tf.reshape(values, tf.concat([tf.shape(values), tf.ones([tensor.shape.rank], tf.int32)], axis=0))


def uniform(seed, stream, indices, columns):
    """Uniform numbers in 0 ... 1 for consecutive draws; each draw depends on the seed and its own index alone.

    One counter-based operation however many draws there are: a generator of its own for each would cost more than a
    small model.

    Args:
        seed: int.
        stream: int, tells apart what a draw consists of.
        indices: Consecutive int32 indices of draws.
        columns: How many numbers a draw takes, an int.

    Returns:
        float32 tensor `(draws, columns)`.
    """
    groups = -(-columns // _NUMBERS_A_COUNTER)
    key, _ = tf.raw_ops.StatelessRandomGetKeyCounter(seed=[seed, stream])
    counter = tf.cast(tf.stack([tf.cast(indices[0], tf.int64) * groups, 0]), tf.uint64)
    shape = [tf.size(indices), groups * _NUMBERS_A_COUNTER]
    numbers = tf.raw_ops.StatelessRandomUniformV2(shape=shape, key=key, counter=counter, alg=_PHILOX)
    return tf.ensure_shape(numbers[:, :columns], [None, columns])
