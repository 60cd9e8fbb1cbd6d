"""The kinds of model."""

from benchmarks.model_kinds.kinds import heads, moves, operations, precision, structures  # noqa: F401
