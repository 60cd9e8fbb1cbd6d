"""The one-shot form `kerasxai.explain(model, x, method=...)`, and several methods as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kerasxai import explainers
from kerasxai.explainers.shared_cam import SharedCAM, shared_groups
from kerasxai.progress import Progress
from kerasxai.suggestions import unknown_options
from kerasxai.typing import Labels, Maps, Model, Samples, TargetLike


def explain(
    model: Model,
    x: Samples,
    method: str | dict[str, Any] | type | Sequence[str | dict[str, Any] | type] = "grad_cam",
    target: TargetLike = None,
    y: Labels | None = None,
    **options: Any,
) -> Maps:
    """Explains samples of a model in one call.

    Builds and traces at every call; keep the explainer (`kerasxai.explainers.get(method)`) to explain more than once.

    Args:
        model: A built Keras model, never changed, or a function `x -> scores`, see `Explainer`.
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
    if isinstance(method, (list, tuple)):
        return SeveralExplainers(model, method, **options)(x, target, y)
    return _build(model, method, options)(x, target, y)


class SeveralExplainers:
    """Several methods on one model, called like one; CAMs of the same layer share one forward and backward pass.

    Args:
        model: A built Keras model.
        methods: Registry names or config dicts, all different.
        **options: Each method takes those it has.

    Attributes:
        explainers: Dict method -> explainer.
    """

    def __init__(self, model, methods, **options):
        labels = [_class_of(method).name for method in methods]
        if len(set(labels)) < len(labels) or not labels:
            raise ValueError(f"`method` must list different methods, at least one. Received: {list(methods)!r}.")
        _refuse_unknown(methods, options)
        self.explainers = {}
        for label, method in zip(labels, methods):
            names = _class_of(method).option_names()
            own = {name: value for name, value in options.items() if name in names}
            self.explainers[label] = _build(model, method, own)
        self._shared = [SharedCAM(group) for group in shared_groups(list(self.explainers.values()))]

    def __call__(self, x, target=None, y=None):
        """Explains `x` by every method: a dict method -> maps. Arguments as `Explainer.__call__`."""
        results = dict.fromkeys(self.explainers)
        progress = Progress(len(results), verbose=0)
        for shared in self._shared:
            with progress.part(len(shared.explainers)):
                results.update(shared(x, target, y))
        alone = [label for label, maps in results.items() if maps is None]
        for label in alone:
            with progress.part(1):
                results[label] = self.explainers[label](x, target, y)
        return results


def _class_of(method):
    if isinstance(method, dict):
        method = method.get("method", method)
    return explainers.get(method)


def _build(model, method, options):
    if isinstance(method, dict):
        return explainers.from_config({**options, **method}, model)
    return explainers.get(method)(model, **options)


def _refuse_unknown(methods, options):
    known = set().union(*(_class_of(method).option_names() for method in methods))
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(unknown_options("methods", unknown, known))
