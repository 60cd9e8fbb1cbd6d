"""`NAME=VALUE` on the command line: values in Python's or JSON's spelling, each of the type its option has."""

import ast
import json

from kerasxai.cli import catalogue
from kerasxai.suggestions import unknown_name, unknown_options

WORDS = {"true": True, "false": False, "none": None, "null": None}


def find(flag, names, entries):
    """The entries of the catalogue that were named.

    Args:
        flag: The argument that takes the names, for messages.
        names: What it was given.
        entries: Dict name -> Entry.

    Raises:
        ValueError: Nothing has such a name, or one comes twice.
    """
    aliases = {entry.class_name: name for name, entry in entries.items()}
    for name in names:
        if name not in entries:
            raise ValueError(unknown_name(flag, name, entries, aliases))
    if len(set(names)) < len(names):
        raise ValueError(f"{flag} must name different ones. Received: {', '.join(names)}.")
    return [entries[name] for name in names]


def read(flag, texts, owners, noun):
    """The options that a repeatable argument was given.

    Args:
        flag: The argument, for messages.
        texts: List of `NAME=VALUE`, or None.
        owners: Entries of the catalogue that the options are for; one of them must have each.
        noun: What the owners are, in the plural.

    Returns:
        Dict name -> value.

    Raises:
        ValueError: An option that none has, that comes twice, or whose value is of another type.
    """
    known = _names_of(owners)
    settings = {}
    for text in texts or ():
        name, value = name_and_value(flag, text)
        if name not in known:
            raise ValueError(unknown_options(noun, [name], known))
        if name in settings:
            raise ValueError(f"{flag} {name} must be given once. Received: it twice.")
        settings[name] = value
        for owner in owners:
            if name in owner.options:
                _check_type(flag, text, value, owner.options[name])
    return settings


def _names_of(owners):
    return set().union(*(owner.options for owner in owners))


def name_and_value(flag, text):
    """What `NAME=VALUE` stands for: the value is a number, a list, True, None ...; else the text as it is."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{flag} must be NAME=VALUE. Received: {text!r}.")
    return name, _value(flag, text, value.strip())


def _value(flag, text, value):
    if value.lower() in WORDS:
        return WORDS[value.lower()]
    for parse, wrong in ((json.loads, ValueError), (ast.literal_eval, (ValueError, SyntaxError, TypeError))):
        try:
            return parse(value)
        except wrong:
            continue
    if value[:1] in tuple("[({'\""):
        raise ValueError(f"{flag} {text} is no list, dict or string in Python's or JSON's spelling.")
    return value


def _check_type(flag, text, value, default):
    """Refuses what is of another type than the option's default, as far as that tells its type."""
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ValueError(f"{flag} {text.partition('=')[0]} must be true or false. Received: {text}.")
    is_count = isinstance(default, int) and not isinstance(default, bool)
    if is_count and value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"{flag} {text.partition('=')[0]} must be a whole number. Received: {text}.")


def explainer_settings(options, methods):
    """The options of explainers that `--layer`, `--option`, `--rules` and their kin stand for.

    Args:
        options: Parsed arguments.
        methods: Names of the methods they are for.
    """
    from kerasxai.cli import rules

    owners = find("--method", methods, catalogue.explainers())
    settings = rules.settings(options)
    if options.layer:
        settings["layer"] = options.layer if len(options.layer) > 1 else options.layer[0]
    known = _names_of(owners)
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(unknown_options("methods", unknown, known))
    own = read("--option", options.option, owners, "methods")
    if twice := [name for name in own if name in settings]:
        argument = twice[0].replace("_", "-")
        raise ValueError(f"Give --{argument} or --option {twice[0]}=..., not both.")
    return {"batch_size": options.batch_size, "verbose": 0, **settings, **own}


def metric_settings(options, metrics):
    """The options of evaluators that `--metric-option` stands for: the entries, and a dict name -> value."""
    owners = find("--metric", metrics, catalogue.evaluators())
    own = read("--metric-option", options.metric_option, owners, "metrics")
    return owners, {"batch_size": options.batch_size, **own}
