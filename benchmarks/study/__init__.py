"""What the studies share: steps that are remembered on disk, and a report of tables, figures and findings."""

from benchmarks.study.interval import Interval
from benchmarks.study.report import Report
from benchmarks.study.study import Refused, Study
from benchmarks.study.workspace import Workspace

__all__ = ["Interval", "Refused", "Report", "Study", "Workspace"]
