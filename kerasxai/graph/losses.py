"""What the loss a model is compiled with says of its linear units: logits of classes, logits of labels, or values."""

import functools

import keras

# Losses of quantities. Others, a user's own among them, say nothing of what the units are.
_OF_VALUES = (
    keras.losses.circle,
    keras.losses.cosine_similarity,
    keras.losses.huber,
    keras.losses.log_cosh,
    keras.losses.mean_absolute_error,
    keras.losses.mean_absolute_percentage_error,
    keras.losses.mean_squared_error,
    keras.losses.mean_squared_logarithmic_error,
    keras.losses.poisson,
)


def linear_units(model, output_names):
    """What the compiled loss takes the linear units of each output for.

    Args:
        model: The user's model, or a function.
        output_names: One name per output.

    Returns:
        Tuple with `"softmax"` (logits of classes), `"sigmoid"` (logits of labels), `"values"`, or None (no loss, or
        one that does not tell) for each output.
    """
    loss = getattr(model, "loss", None) if getattr(model, "compiled", False) else None
    if isinstance(loss, dict):
        losses = [loss.get(name) for name in output_names]
    elif isinstance(loss, (list, tuple)):
        losses = list(loss) if len(loss) == len(output_names) else [None] * len(output_names)
    else:
        losses = [loss] * len(output_names)
    return tuple(_units_of(loss) for loss in losses)


def _units_of(loss):
    try:
        loss = keras.losses.get(loss)
    except (TypeError, ValueError):  # "crossentropy", which Keras tells apart by shapes, or a loss within a loss
        return None
    from_logits = getattr(loss, "from_logits", False)
    function = getattr(loss, "fn", loss)
    if isinstance(function, functools.partial):
        from_logits = function.keywords.get("from_logits", False)
        function = function.func
    if any(function is known for known in _OF_VALUES):
        return "values"
    if from_logits is not True:
        return None
    name = getattr(function, "__name__", type(function).__name__).lower()
    if "binary" in name or "sigmoid" in name:
        return "sigmoid"
    return "softmax" if "categorical" in name or "softmax" in name else None
