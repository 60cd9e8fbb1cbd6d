"""The one-shot form: `kerasxai.explain(model, x, method=...)`."""

from kerasxai import explainers
from kerasxai.explainers.cam import SharedCAM, shared_groups


def explain(model, x, method="grad_cam", target=None, y=None, **options):
    """Explains samples of a model in one call.

    Builds and traces at every call; keep the explainer (`kerasxai.explainers.get(method)`) to explain more than once.

    Args:
        model: A built Keras model; never changed.
        x: Samples: array, tensor, list or dict for several inputs, `tf.data.Dataset` or keras `PyDataset`.
        method: A registry name (`kerasxai.explainers.names()`), a config dict, or a list of them. CAMs of the same
            layer share one forward and backward pass.
        target: What is explained, see `Explainer.__call__`; None: the predicted class.
        y: Labels, for `target="true"`.
        **options: Options of the method, e.g. `layer=`, `steps=`, `batch_size=`. With several methods each takes those
            it has.

    Returns:
        The maps as a NumPy array; for a list of methods a dict method -> maps.

    Raises:
        ValueError: Unknown method, or `x` or `target` that does not fit the model.
        TypeError: An option that none of the methods has.

    Example:

    ```python
    maps = kerasxai.explain(model, images, method="grad_cam")
    both = kerasxai.explain(model, images, method=["grad_cam", "integrated_gradients"], steps=20)
    ```
    """
    if not isinstance(method, (list, tuple)):
        return _build(model, method, options)(x, target, y)
    built = {_label(one): None for one in method}
    if len(built) < len(method) or not built:
        raise ValueError(f"`method` must list different methods, at least one. Received: {list(method)!r}.")
    _refuse_unknown(method, options)
    for one in method:
        names = _class_of(one).option_names()
        built[_label(one)] = _build(model, one, {name: value for name, value in options.items() if name in names})
    results = dict.fromkeys(built)
    for group in shared_groups(list(built.values())):
        maps = SharedCAM(group)(x, target, y)
        results.update({label: maps[one.name] for label, one in built.items() if one in group})
    alone = [label for label in results if results[label] is None]
    results.update({label: built[label](x, target, y) for label in alone})
    return results


def _class_of(method):
    return explainers.get(method["method"] if isinstance(method, dict) and "method" in method else method)


def _label(method):
    return _class_of(method).name


def _build(model, method, options):
    if isinstance(method, dict):
        return explainers.from_config({**options, **method}, model)
    return explainers.get(method)(model, **options)


def _refuse_unknown(methods, options):
    known = {name for method in methods for name in _class_of(method).option_names()}
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(
            f"None of the methods has the option {', '.join(unknown)}. Their options: {', '.join(sorted(known))}."
        )
