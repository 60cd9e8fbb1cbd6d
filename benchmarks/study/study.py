"""Study: what a module of `benchmarks.studies` declares."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Study(NamedTuple):
    """A study: `run(work, report, settings)` computes in remembered steps and writes what they say into the report.

    Attributes:
        title: Heading of its report.
        question: What it asks, and of what: Markdown.
        sources: The papers whose claims it tests: Markdown.
        run: Function `(Workspace, Report, settings)`, the settings as attributes.
        full, quick: Settings of the two modes.
        takes: Which of the options `data`, `weights`, `images` it knows.
    """

    title: str
    question: str
    sources: str
    run: Callable[[Any, Any, Any], None]
    full: dict[str, Any]
    quick: dict[str, Any]
    takes: tuple[str, ...] = ()


class Refused(Exception):
    """What a user can mend: told in one line, without a traceback."""
