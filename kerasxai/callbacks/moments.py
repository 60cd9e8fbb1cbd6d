"""When callbacks measure, and the types of the options that they hand on."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple, TypedDict

from kerasxai.typing import TargetLike, Verbose


class Moment(NamedTuple):
    """When a callback measures.

    Attributes:
        kind: `"epoch"`, `"batch"`, `"test"` (in `model.evaluate`), or `"rehearsal"` (before training).
        index: Index of the epoch from 0, or number of batches trained.
    """

    kind: str
    index: int = 0  # type: ignore[assignment]  # a tuple has a method of this name

    def __str__(self):
        counted = {"epoch": f"epoch {self.index + 1}", "batch": f"batch {self.index}"}
        return counted.get(self.kind, {"test": "evaluate()"}.get(self.kind, self.kind))


class MomentOptions(TypedDict, total=False):
    """Options of `ExplanationCallback` that every callback hands on."""

    target: TargetLike
    every: int
    every_batches: int | None
    prefix: str
    name: str | None
    on_error: Literal["warn", "raise"]
    verbose: Verbose
    log_dir: str | os.PathLike[str] | None


class ProbeOptions(MomentOptions, total=False):
    """Options of `ExplanationCallback` where `batch_size` is an option of the evaluators too."""

    max_samples: int | None


class CallbackOptions(ProbeOptions, total=False):
    """Options of `ExplanationCallback`."""

    batch_size: int
