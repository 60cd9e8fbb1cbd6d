"""One name for one idea: every option of the registries stands in the glossary, and nothing else does."""

import re
from pathlib import Path

import pytest

from kerasxai import evaluators, explainers, lrp

PAGE = Path(__file__).resolve().parents[1] / "docs" / "options.md"
GLOSSARY = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), flags=re.MULTILINE)
REGISTRIES = {"explainers": explainers, "evaluators": evaluators}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_option_is_in_the_glossary(registry):
    holder = REGISTRIES[registry]
    options = {option for name in holder.names() for option in holder.get(name).option_names()}
    assert options - set(GLOSSARY) == set()


def test_the_glossary_names_nothing_else():
    classes = [holder.get(name) for holder in REGISTRIES.values() for name in holder.names()]
    assert set(GLOSSARY) - {option for cls in classes for option in cls.option_names()} == set()
    assert sorted(GLOSSARY) == GLOSSARY and len(set(GLOSSARY)) == len(GLOSSARY)


def test_what_a_rule_takes_is_shown_by_its_config():
    for name in lrp.rule_names():
        rule = lrp.get_rule(name)
        assert set(rule.get_config()) <= {"rule", *type(rule).option_names()}
