"""Names and classes of explainers: "grad_cam" <-> GradCAM, and config dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import keras

from kerasxai.options import shown
from kerasxai.registry import Registry
from kerasxai.typing import ExplainerLike, Model

if TYPE_CHECKING:
    from kerasxai.explainers.base import Explainer

T = TypeVar("T")

_REGISTRY = Registry("method")
get = _REGISTRY.get
names = _REGISTRY.names
restored = _REGISTRY.restored


def register(name: str) -> Callable[[type[T]], type[T]]:
    """Class decorator that makes an explainer known under a snake_case name.

    Example:

    ```python
    @kerasxai.explainers.register("my_cam")
    class MyCAM(kerasxai.explainers.ActivationGradientCAM):
        def combine(self, activations, gradients):
            return tf.reduce_max(gradients * activations, axis=-1)
    ```
    """
    return _REGISTRY.register(name)


def from_config(config: dict[str, Any], model: Model) -> Explainer:
    """The explainer a config dict describes, on `model`.

    Args:
        config: What `explainer.get_config()` returned; `config["method"]` is the registry name.
        model: The model to explain.

    Example:

    ```python
    explainer = kerasxai.explainers.from_config({"method": "grad_cam", "upsample": False}, model)
    ```
    """
    if not isinstance(config, dict) or "method" not in config:
        raise ValueError(f'An explainer\'s config is a dict with the key "method". Received: {shown(config)}.')
    return get(config["method"]).from_config(config, model)


def build(explainer: ExplainerLike, model: Model, **defaults: Any) -> Explainer:
    """An explainer on `model` from what an option or argument may hold.

    Args:
        explainer: A registry name, a config dict, an explainer class, a function `model -> explainer`, or an
            explainer, which must be bound to `model`.
        model: The model to explain.
        **defaults: Options of an explainer that is given by name, class or config, where the config says nothing else.
    """
    if isinstance(explainer, (str, type)):
        return get(explainer)(model, **defaults)
    if isinstance(explainer, dict):
        return from_config({**defaults, **explainer}, model)
    if hasattr(explainer, "explain_batch"):
        return _bound(explainer, model)
    if callable(explainer) and not isinstance(explainer, keras.Layer):
        return build(_made_by(explainer, model), model)
    raise TypeError(
        "An explainer is given as a name, a config dict, a class, a function of the model, or an instance. "
        f"Received: {shown(explainer)}."
    )


def _bound(explainer, model):
    """An explainer as it is, made anew if its model has changed."""
    if explainer.model is not model:
        raise ValueError(
            f"The explainer must be bound to the same model. Received: {type(explainer).__name__} on model "
            f"{getattr(explainer.model, 'name', explainer.model)!r}; give its name or config instead."
        )
    explainer.refresh()
    return explainer


def _made_by(function, model):
    """What a function of the model gives, which must stand for an explainer."""
    name = getattr(function, "__name__", type(function).__name__)
    expected = "A function given as an explainer is called with the model and must return an explainer."
    try:
        made = function(model)
    except Exception as error:
        raise ValueError(f"{expected} Received: {name}, which raised {type(error).__name__}: {error}") from error
    if not isinstance(made, (str, type, dict)) and not hasattr(made, "explain_batch"):
        raise TypeError(f"{expected} Received: {name}, which returned {shown(made)}.")
    return made
