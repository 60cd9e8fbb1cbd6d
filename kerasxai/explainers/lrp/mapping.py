"""Which node gets which rule: ordered mappings, whose first matching key wins."""

import fnmatch
import warnings

import keras

from kerasxai.explainers.lrp.depth import ByDepth
from kerasxai.explainers.lrp.presets import preset, preset_names
from kerasxai.explainers.lrp.rules import Rule, get_rule, rule_names
from kerasxai.explainers.lrp.treatments import Treatment, get_treatment, treatment_names
from kerasxai.graph.linear import CONVOLUTION, LINEAR
from kerasxai.options import check_one_of
from kerasxai.suggestions import did_you_mean

_GROUPS = {"CONVOLUTION": CONVOLUTION, "LINEAR": LINEAR}


class Mapping:
    """What `rules=` says, resolved against a graph.

    Args:
        rules: A rule, a preset's name, `by_depth(...)`, or an ordered dict (or list of pairs) key -> rule or treatment.
        extends: Name of a preset whose keys come after those of `rules`, or None.
        input_range: Bounds `(low, high)` of the model's input, for presets.
    """

    def __init__(self, rules, extends=None, input_range=None):
        known = [*preset_names(), *rule_names()]
        if isinstance(rules, str) and rules not in known:
            raise ValueError(
                f"`rules` must be a preset ({', '.join(preset_names())}), a rule ({', '.join(rule_names())}) or a "
                f"mapping to rules. Received: {rules!r}.{did_you_mean(rules, known)}"
            )
        if extends is not None:
            check_one_of("extends", extends, (None, *preset_names()))
        is_preset = isinstance(rules, str) and rules not in rule_names()
        base = rules if is_preset else extends
        pairs = [] if is_preset else _pairs(rules)
        self._own = len(pairs)
        if base is not None:
            pairs = [*pairs, *_pairs(preset(base, input_range))]
        self._pairs = [(_key(key), _value(value)) for key, value in pairs]

    def resolve(self, graph, linear, first):
        """The rule or treatment of every node a key matches.

        Args:
            graph: The ModelGraph.
            linear: Its linear nodes in execution order.
            first: Those reachable from an input without crossing another.

        Returns:
            Dict node -> Rule or Treatment.
        """
        chosen, used = {}, set()
        for node in graph.nodes:
            for position, (key, value) in enumerate(self._pairs):
                if not _matches(key, node, graph, node in linear, node in first):
                    continue
                if isinstance(value, ByDepth):
                    value = value.rule(linear.index(node), len(linear)) if node in linear else None
                if value is not None:
                    chosen[node] = value
                    used.add(position)
                    break
        unused = [_shown(key) for index, (key, _) in enumerate(self._pairs[: self._own]) if index not in used]
        if unused:
            warnings.warn(
                f"These keys of `rules` decide for no layer of the model: {', '.join(unused)}. "
                "The first matching key wins; see lrp.summary().",
                stacklevel=4,
            )
        missing = [node.path for node in linear if node not in chosen]
        if missing:
            listed = ", ".join(missing[:5]) + " ..." * (len(missing) > 5)
            raise ValueError(
                f"`rules` must give every linear layer a rule. Without one: {listed}. "
                "Add a last key '*', or extends='epsilon_plus'."
            )
        return chosen

    def get_config(self):
        """The own pairs as a list of plain values (functions as they are), which `rules=` takes; no preset's."""
        return [[_key_config(key), value.get_config()] for key, value in self._pairs[: self._own]]


def _pairs(rules):
    if isinstance(rules, dict) and not {"rule", "by_depth"} & set(rules):
        return list(rules.items())
    if isinstance(rules, list):
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in rules):
            raise ValueError(f"A list of `rules` holds pairs (key, rule). Received: {rules!r}.")
        return [tuple(pair) for pair in rules]
    return [("*", rules)]


def _value(value):
    """A rule, treatment or ByDepth of what stands for it."""
    if isinstance(value, (Rule, Treatment, ByDepth)):
        return value
    if isinstance(value, type) and issubclass(value, Rule):
        return value()
    if isinstance(value, dict):
        if "by_depth" in value:
            return ByDepth([tuple(pair) for pair in value["by_depth"]])
        return get_treatment(value) if "treatment" in value else get_rule(value)
    if isinstance(value, str):
        if value not in (*rule_names(), *treatment_names()):
            raise ValueError(
                f"A value of `rules` must be a rule ({', '.join(rule_names())}) or a treatment "
                f"({', '.join(treatment_names())}). Received: {value!r}."
                f"{did_you_mean(value, [*rule_names(), *treatment_names()])}"
            )
        return get_rule(value) if value in rule_names() else get_treatment(value)
    raise TypeError(
        "`rules` must be a rule, a preset's name, by_depth(...) or a mapping to rules. "
        f"Received: {value!r}. Rules: {', '.join(rule_names())}."
    )


def _key(key):
    if isinstance(key, (tuple, list)):  # in a config a tuple is a list
        return tuple(_key(part) for part in key)
    if isinstance(key, (str, type)) or callable(key):
        return key
    raise TypeError(
        f"A key of `rules` is a path, a glob, a layer class, a tuple of keys or a function. Received: {key!r}."
    )


def _matches(key, node, graph, is_linear, is_first):
    if isinstance(key, tuple):
        return any(_matches(part, node, graph, is_linear, is_first) for part in key)
    if isinstance(key, type):
        return _is_of(node, key, is_linear)
    if callable(key):
        return is_linear and bool(key(node))
    if key == node.path or (key == node.operation.name and key not in ("first", "*")):
        return True
    if key in ("first", "*"):
        return is_first if key == "first" else is_linear
    if key in _GROUPS:
        return _is_of(node, _GROUPS[key], is_linear)
    kind = getattr(keras.layers, key, None) if key.isidentifier() and key[0].isupper() else None
    if isinstance(kind, type):
        return _is_of(node, kind, is_linear)
    return is_linear and any(letter in key for letter in "*?[") and fnmatch.fnmatchcase(node.path, key)


def _is_of(node, kinds, is_linear):
    """Whether a node is of these classes; a linear layer's subclass that computes its own is of the user's only."""
    is_odd = isinstance(node.operation, LINEAR) and not is_linear
    return isinstance(node.operation, kinds) and not (is_odd and (isinstance(kinds, tuple) or kinds in LINEAR))


def _key_config(key):
    for name, group in _GROUPS.items():
        if key == group:
            return name
    if isinstance(key, tuple):
        return [_key_config(part) for part in key]
    if isinstance(key, type) and getattr(keras.layers, key.__name__, None) is key:
        return key.__name__
    return key


def _shown(key):
    config = _key_config(key)
    return config if isinstance(config, str) else getattr(config, "__name__", repr(config))
