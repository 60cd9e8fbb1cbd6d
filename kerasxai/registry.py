"""Names of classes ("grad_cam" <-> GradCAM), and objects that round-trip through a dict of their options."""

import abc
import inspect

import numpy as np
import tensorflow as tf

from kerasxai.suggestions import did_you_mean, unknown_name


class Registry:
    """Classes under snake_case names.

    Args:
        option: The option that takes such a name, for error messages.
    """

    def __init__(self, option):
        self._option = option
        self._classes = {}

    def register(self, name):
        """Class decorator that makes a class known as `name`."""

        def keep(cls):
            cls.name = name
            self._classes[name] = cls
            return cls

        return keep

    def get(self, name):
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

    def names(self):
        """All names, sorted."""
        return sorted(self._classes)


class Called(abc.ABCMeta):
    """Classes that answer a wrong call by their own name, not by that of the ancestor whose constructor they have."""

    @property
    def __signature__(cls):  # what `help` shows and `inspect` reads: not that of `__call__` below
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls, *arguments, **options):
        try:
            cls.__signature__.bind(*arguments, **options)
        except TypeError as error:
            named = [one.name for one in cls.__signature__.parameters.values() if one.kind is not one.VAR_KEYWORD]
            own = cls.option_names() if issubclass(cls, Configurable) else []
            taken = ", ".join(dict.fromkeys([*named, *own])) or "none"
            raise TypeError(f"{cls.__name__}: {error}. Its arguments: {taken}.") from None
        return super().__call__(*arguments, **options)


class Configurable(metaclass=Called):
    """An object whose options are attributes of the same names.

    Attributes:
        config_key: The key of a config that holds the registry name.
    """

    config_key = "name"
    name = None

    def get_config(self):
        """The options as a dict of plain values; `from_config` rebuilds the object."""
        return {self.config_key: self.name, **{name: _plain(getattr(self, name)) for name in self.option_names()}}

    @classmethod
    def from_config(cls, config, *required):
        """The object that `get_config` describes; `required` are arguments that no config holds."""
        options = {name: value for name, value in config.items() if name != cls.config_key}
        return cls(*required, **options)

    @classmethod
    def option_names(cls):
        """Names of all options of the constructor, the class's own first."""
        found = {}
        for ancestor in cls.__mro__:
            parameters = inspect.signature(ancestor.__init__).parameters.values()
            named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
            found.update(dict.fromkeys(one.name for one in named if one.name not in ("self", "model")))
        return list(found)


def labelled(given, config_key):
    """Pairs (label, object) of one object, a list or a dict of them; the label is None where none was given.

    Args:
        given: What an option holds.
        config_key: The key that tells the config dict of one object from a dict of objects.
    """
    if isinstance(given, dict) and config_key not in given:
        return list(given.items())
    return [(None, one) for one in (given if isinstance(given, (list, tuple)) else [given])]


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
