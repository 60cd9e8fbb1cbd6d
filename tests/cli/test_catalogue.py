"""The catalogue, read from the source, is what the classes themselves say once they are imported."""

import inspect

import pytest

from kerasxai import evaluators, explainers, lrp
from kerasxai.cli import catalogue

ROOMS = {"explainers": (explainers, catalogue.explainers), "evaluators": (evaluators, catalogue.evaluators)}


@pytest.mark.parametrize("room", ROOMS)
def test_names(room):
    registry, entries = ROOMS[room]
    assert list(entries()) == registry.names()
    for name, entry in entries().items():
        assert entry.class_name == registry.get(name).__name__
        assert entry.doc == inspect.getdoc(registry.get(name))


@pytest.mark.parametrize("room", ROOMS)
def test_options_and_their_defaults(room):
    registry, entries = ROOMS[room]
    for name, entry in entries().items():
        cls = registry.get(name)
        assert set(entry.options) == set(cls.option_names()), name
        for option, default in entry.options.items():
            (owner, *_) = [one for one in cls.__mro__ if option in inspect.signature(one.__init__).parameters]
            expected = inspect.signature(owner.__init__).parameters[option].default
            assert default == expected and type(default) is type(expected), (name, option)


def test_what_the_lists_show():
    for name, entry in catalogue.explainers().items():
        cls = explainers.get(name)
        assert (entry.family, entry.passes, entry.needs_graph) == (cls.family, cls.passes, cls.needs_graph), name
        assert entry.family and entry.passes
    for name, entry in catalogue.evaluators().items():
        evaluator = evaluators.get(name)()
        assert entry.directions == evaluator.directions, name
        assert (entry.needs, entry.needs_maps) == (evaluator.needs, evaluator.needs_maps), name


def test_rules_and_presets():
    assert sorted(catalogue.rules()) == sorted({*lrp.rule_names(), *lrp.preset_names()})
