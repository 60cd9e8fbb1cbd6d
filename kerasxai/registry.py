"""Names of classes ("grad_cam" <-> GradCAM), and objects that round-trip through a dict of their options."""

from __future__ import annotations

import abc
import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
from typing_extensions import Self

from kerasxai.suggestions import did_you_mean, unknown_name

T = TypeVar("T")


class Registry:
    """Classes under snake_case names.

    Args:
        option: The option that takes such a name, for error messages.
    """

    def __init__(self, option: str) -> None:
        self._option = option
        self._classes: dict[str, type] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Class decorator that makes a class known as `name`."""

        def keep(cls):
            cls.name = name
            self._classes[name] = cls
            return cls

        return keep

    def get(self, name: Any) -> Any:
        """The class of a name; a class is returned as it is.

        Raises:
            ValueError: Nothing has this name.
            TypeError: The class is of another kind.
        """
        if isinstance(name, type):
            if not issubclass(name, Configurable) or name.config_key != self._option:
                raise TypeError(f"`{self._option}` must be a name, or a class of its kind. Received: {name!r}.")
            return name
        if isinstance(name, str) and name in self._classes:
            return self._classes[name]
        aliases = {cls.__name__: known for known, cls in self._classes.items()}
        raise ValueError(unknown_name(f"`{self._option}`", name, self._classes, aliases))

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._classes)

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """What is registered inside is forgotten afterwards."""
        before = dict(self._classes)
        try:
            yield
        finally:
            self._classes = before


class Called(abc.ABCMeta):
    """Classes that show all their options, and answer a wrong call by their own name, not by that of an ancestor."""

    @property
    def __signature__(cls):
        """The constructor's signature, with the options that it hands to those of its ancestors as `**kwargs`."""
        constructors = [vars(ancestor)["__init__"] for ancestor in cls.__mro__ if "__init__" in vars(ancestor)]
        options = {}
        for constructor in constructors:
            _, *parameters = inspect.signature(constructor).parameters.values()
            for parameter in parameters:
                is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
                if is_named and parameter.name not in options:
                    is_inherited = constructor is not constructors[0]
                    kind = parameter.KEYWORD_ONLY if is_inherited else parameter.kind
                    options[parameter.name] = parameter.replace(kind=kind)
            if not any(parameter.name == "kwargs" for parameter in parameters):
                break
        return inspect.Signature(list(options.values()))

    def __call__(cls, *arguments, **options):
        signature = cls.__signature__
        refuse_unknown_options(cls, {name: options[name] for name in options if name not in signature.parameters})
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            taken = ", ".join(signature.parameters) or "none"
            raise TypeError(f"{cls.__name__}: {error}. Its arguments: {taken}.") from None
        return super().__call__(*arguments, **options)


class Configurable(metaclass=Called):
    """An object whose options are attributes of the same names.

    Attributes:
        config_key: The key of a config that holds the registry name.
    """

    config_key = "name"
    name: Any = None

    def get_config(self) -> dict[str, Any]:
        """The options as a dict of plain values; `from_config` rebuilds the object."""
        return {self.config_key: self.name, **{name: _plain(getattr(self, name)) for name in self.option_names()}}

    @classmethod
    def from_config(cls, config: dict[str, Any], *required: Any) -> Self:
        """The object that `get_config` describes; `required` are arguments that no config holds."""
        options = {name: value for name, value in config.items() if name != cls.config_key}
        return cls(*required, **options)

    @classmethod
    def option_names(cls) -> list[str]:
        """Names of all options of the constructor, the class's own first."""
        return [name for name in inspect.signature(cls).parameters if name != "model"]


def labelled(objects, config_key):
    """Pairs (label, object) of one object, a list or a dict of them; the label is None where none was given.

    Args:
        objects: What an option holds.
        config_key: The key that tells the config dict of one object from a dict of objects.
    """
    if isinstance(objects, dict) and config_key not in objects:
        return list(objects.items())
    several = objects if isinstance(objects, (list, tuple)) else [objects]
    return [(None, each) for each in several]


def refuse_unknown_options(owner, unknown):
    """The error for options that the constructor of the class `owner` does not have."""
    if unknown:
        raise TypeError(
            f"{owner.__name__} has the options {', '.join(owner.option_names())}. "
            f"Received: {', '.join(f'{name}={value!r}' for name, value in unknown.items())}."
            f"{did_you_mean(next(iter(unknown)), owner.option_names())}"
        )


def _plain(value):
    """An option as it goes into a config: arrays as lists, paths as strings, objects as configs."""
    if isinstance(value, Configurable):
        return value.get_config()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (np.ndarray, np.generic, tf.Tensor)):
        return np.asarray(value).tolist()
    return value
