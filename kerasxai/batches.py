"""Data in and out: arrays, tf.data.Dataset and keras PyDataset as checked batches; results as arrays.

Only one batch is held at a time, so memory is bounded by the batch size and the returned array.
"""

import keras
import numpy as np
import tensorflow as tf


class Batches:
    """Checked batches of a model's input, with their labels.

    Args:
        x: Array or tensor `(samples, ...)`; a list or dict of them for several inputs; a batched or unbatched
            `tf.data.Dataset`, or a `keras.utils.PyDataset`, of `x`, `(x, y)` or `(x, y, sample_weight)`.
        y: Labels, for arrays only.
        batch_size: Largest number of samples in a batch; batches of a dataset are cut to it.
        model: The ModelGraph or OpaqueModel that takes them.

    Attributes:
        size: Number of samples, None where a dataset does not tell.
        room: Most samples there can be, None if unknown; for a dataset known from the first batch on.
        structure: How the user packed several inputs, with the place of each in the flat list; None for one array.
    """

    def __init__(self, x, y, batch_size, model):
        self._model = model
        self._batch_size = batch_size
        self._x, self._y = x, y
        self.structure = None
        if isinstance(x, (tf.data.Dataset, keras.utils.PyDataset)):
            if y is not None:
                raise ValueError("`y` goes with arrays. Received: y and a dataset; let the dataset give (x, y).")
            self.size = None
        else:
            self._x = self._arrays(x)
            self._y = None if y is None else _labels(y, model)
            self.size = _common_length(self._x, self._y)
        self.room = self.size

    def __iter__(self):
        """Yields (flat list of input tensors, labels or None)."""
        parts = self._array_parts() if self.size is not None else self._dataset_parts()
        empty = True
        for inputs, labels in parts:
            count = len(inputs[0])
            for start in range(0, count, self._batch_size):
                empty = False
                piece = slice(start, start + self._batch_size)
                yield [self._tensor(index, values[piece]) for index, values in enumerate(inputs)], _rows(labels, piece)
        if empty:
            raise ValueError("`x` must hold at least one sample. Received: an empty dataset.")

    def _array_parts(self):
        for start in range(0, self.size, self._batch_size):
            piece = slice(start, start + self._batch_size)
            yield [values[piece] for values in self._x], _rows(self._y, piece)

    def _dataset_parts(self):
        elements, count = _elements(self._x, self._model, self._batch_size)
        for element in elements:
            x, y = (
                (element[0], element[1] if len(element) > 1 else None)
                if isinstance(element, tuple)
                else (element, None)
            )
            inputs = self._arrays(x)
            if self.room is None and count > 0:
                self.room = count * len(inputs[0])  # the last batch may be smaller
            yield inputs, None if y is None else keras.tree.map_structure(np.asarray, y)

    def _arrays(self, x):
        """`x` as a flat list of arrays in the model's order; remembers how the user packed them."""
        names = self._model.input_names
        if names is None:
            # An opaque model does not tell its inputs: a list of numbers is one array, a list of arrays is several.
            packed = isinstance(x, dict) or (isinstance(x, (list, tuple)) and all(np.ndim(part) > 1 for part in x))
            flat = keras.tree.flatten(x) if packed else [x]
            self.structure = keras.tree.pack_sequence_as(x, range(len(flat))) if packed else None
        elif isinstance(x, dict):
            flat = _by_name(x, names)
            self.structure = {name: index for index, name in enumerate(names)}
        elif isinstance(x, (list, tuple)) and (len(names) > 1 or (len(x) == 1 and np.ndim(x[0]) > 1)):
            flat, self.structure = list(x), list(range(len(x)))
        else:
            flat = [x]
        if names is not None and len(flat) != len(names):
            raise ValueError(
                f"The model has {len(names)} inputs ({', '.join(names)}). Received: {len(flat)}. "
                "Give a list in this order, or a dict."
            )
        flat = [_as_array(values) for values in flat]
        for index, values in enumerate(flat):
            self._check_shape(index, values.shape)
        return flat

    def _check_shape(self, index, shape):
        shape = tuple(shape)
        if self._model.input_shapes is None:
            return
        expected = self._model.input_shapes[index]
        fits = len(shape) == len(expected) and all(
            wanted is None or size == wanted for size, wanted in zip(shape[1:], expected[1:])
        )
        if not fits:
            raise ValueError(
                f"`x` must have the shape {('samples', *expected[1:])} of the model's input "
                f"{self._model.input_names[index]!r}. Received: {shape}.{_axis_hint(shape, expected[1:])}"
            )

    def _tensor(self, index, values):
        if self._model.input_dtypes is not None:
            dtype = tf.as_dtype(self._model.input_dtypes[index])
            _check_held(values, tf.as_dtype(self._model.declared_dtypes[index]), self._model.input_names[index])
        else:
            dtype = tf.as_dtype(values.dtype)
            if dtype in (tf.float64, tf.uint8, tf.bool):
                dtype = tf.float32
        tensor = tf.cast(values, dtype)
        # A finite sum needs finite terms; only a sum that is not finite needs the slow look at each value.
        if dtype.is_floating and not np.isfinite(tf.reduce_sum(tensor).numpy()):
            finite = np.isfinite(tensor.numpy().reshape(len(tensor), -1)).all(axis=1)
            if not finite.all():
                raise ValueError(
                    f"`x` must be finite. Received: NaN or infinite values, first in row {int(finite.argmin())} of a "
                    "batch. Clean the data first (numpy.nan_to_num, or drop the sample)."
                )
        return tensor


class Collector:
    """Batches of results as one array, written in place: no second copy at the end.

    Args:
        room: Most samples there can be, None if unknown.
    """

    def __init__(self, room):
        self._room = room
        self._array = None
        self._filled = 0

    def add(self, batch):
        """Appends a tensor `(batch, ...)`."""
        batch = batch.numpy()
        end = self._filled + len(batch)
        if self._array is None:
            self._array = np.empty((self._room or len(batch), *batch.shape[1:]), batch.dtype)
        if end > len(self._array):
            self._resize(max(end, len(self._array) * 9 // 8))  # small steps: what is not needed takes memory too
        self._array[self._filled : end] = batch
        self._filled = end

    def array(self):
        """All that was added."""
        if self._filled < len(self._array):
            self._resize(self._filled)
        return self._array

    def _resize(self, length):
        self._array.resize((length, *self._array.shape[1:]), refcheck=False)


def _elements(dataset, model, batch_size):
    """The batches of a dataset, and how many there are (negative if it does not tell)."""
    if isinstance(dataset, keras.utils.PyDataset):
        if dataset.num_batches is None:
            raise ValueError("The PyDataset must know its length. Received: num_batches=None.")
        return (dataset[index] for index in range(dataset.num_batches)), dataset.num_batches
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("`x` must be a finite dataset. Received: an infinite one; add .take(n).")
    spec = dataset.element_spec[0] if isinstance(dataset.element_spec, tuple) else dataset.element_spec
    rank = keras.tree.flatten(spec)[0].shape.rank
    expected = model.input_shapes
    if expected is not None and rank is not None and rank == len(expected[0]) - 1:
        dataset = dataset.batch(batch_size)
    return dataset, int(dataset.cardinality())


def _labels(y, model):
    """Labels as an array; as a dict or list of arrays where the model has several outputs."""
    if isinstance(y, dict):
        return {name: np.asarray(part) for name, part in y.items()}
    if isinstance(y, (list, tuple)) and len(model.output_names or ()) > 1 and all(np.ndim(part) > 0 for part in y):
        return [np.asarray(part) for part in y]
    return np.asarray(y)


def _axis_hint(shape, sample):
    """What to add to an array that lacks one axis of `(samples, *sample)`, as far as its other sizes tell which."""

    def fits(shape, wanted):
        pairs = zip(shape, wanted)
        return len(shape) == len(wanted) and all(expected in (None, size) for size, expected in pairs)

    is_grey = sample[-1] in (None, 1)
    if fits(shape, sample):
        return " Add the batch axis: x[None]."
    if fits(shape[1:], sample[:-1]):
        return f" Add the channel axis: {'x[..., None]' if is_grey else f'{sample[-1]} values at each position'}."
    if fits(shape, sample[:-1]) and is_grey:
        return " Add the batch and the channel axis: x[None, ..., None]."
    return ""


def _rows(labels, piece):
    return None if labels is None else keras.tree.map_structure(lambda part: part[piece], labels)


def _by_name(x, names):
    if set(x) != set(names):
        raise ValueError(
            f"The model has the inputs {', '.join(names)}. Received: a dict with {', '.join(map(str, x))}."
        )
    return [x[name] for name in names]


def _as_array(values):
    try:
        array = values if isinstance(values, (np.ndarray, tf.Tensor)) else np.asarray(values)
    except ValueError as error:
        raise ValueError(f"`x` must hold samples of one shape. Received: a {type(values).__name__} of many.") from error
    if not _holds_real_numbers(array):
        raise TypeError(
            "`x` must be an array, a tensor, a tf.data.Dataset or a keras PyDataset, of real numbers. "
            f"Received: {type(values).__name__} of type {array.dtype}."
        )
    return array


def _check_held(values, dtype, name):
    """Refuses values that an input of whole numbers would cut off, as Keras does silently."""
    held = tf.as_dtype(values.dtype)
    if not dtype.is_integer or held == dtype or held.is_bool:
        return
    values = np.asarray(values)
    whole = not held.is_floating or (values == np.floor(values)).all()  # NaN is not whole
    if whole and (values.size == 0 or (values.min() >= dtype.min and values.max() <= dtype.max)):
        return
    raise ValueError(
        f"`x` must hold whole numbers from {dtype.min} to {dtype.max}: the model's input {name!r} is {dtype.name}. "
        f"Received: values of type {held.name} from {values.min():.4g} to {values.max():.4g}. Give them as the model "
        "was trained with them, images as 0 to 255 if a layer of it rescales them."
    )


def _holds_real_numbers(array):
    try:
        dtype = tf.as_dtype(array.dtype)
    except TypeError:  # a type of NumPy that TensorFlow has not
        return False
    return dtype.is_floating or dtype.is_integer or dtype.is_bool


def _common_length(arrays, y):
    if any(len(values.shape) == 0 for values in arrays):
        raise ValueError("`x` must have a batch axis. Received: a scalar.")
    lengths = {int(values.shape[0]) for values in arrays}
    if len(lengths) > 1:
        raise ValueError(f"All inputs must have the same number of samples. Received: {sorted(lengths)}.")
    (length,) = lengths
    if length == 0:
        raise ValueError("`x` must hold at least one sample. Received: an empty array.")
    for labels in keras.tree.flatten(y):
        if labels is not None and labels.shape[:1] != (length,):
            raise ValueError(f"`y` must have one label per sample. Received: shape {labels.shape}, {length} samples.")
    return length
