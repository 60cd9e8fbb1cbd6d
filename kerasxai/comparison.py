"""Comparison: the results of several explainers under several evaluators, as a table, a file or a figure."""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasxai.evaluators import Summary
from kerasxai.tables import Table
from kerasxai.typing import Array
from kerasxai.whole_files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerasxai.evaluators import Results

PLOTS = {"curve": "curves", "morf": "road_curves", "levels": "robustness", "hog_curve": "randomization"}  # by a result
ARROWS = {"higher": "↑", "lower": "↓", None: ""}


class Comparison:
    """What `kerasxai.evaluate` returns.

    Attributes:
        results: Dict row -> dict evaluator label -> `Results`.
        controls: Names of the rows that are controls.
        samples: Number of samples.
        directions: Dict metric -> `"higher"`, `"lower"` or None; the label of an evaluator stands before its metrics
            where it is not the evaluator's name, and where another evaluator has a metric of that name.
    """

    def __init__(self, results: dict[str, dict[str, Results]], controls: Iterable[str] = (), samples: int = 0) -> None:
        self.results = results
        self.controls = list(controls)
        self.samples = samples
        self._measured: dict[str, Results] = {}  # one of each evaluator
        for of_row in results.values():
            self._measured.update(of_row)
        owners: set[tuple[str, str]] = set()
        for measured in self._measured.values():
            owners.update((measured.evaluator.name, metric) for metric in measured.per_sample)
        shared = Counter(metric for _, metric in owners)
        self.directions, self._columns = {}, {}
        for evaluator, measured in self._measured.items():
            for metric in measured.per_sample:
                is_plain = evaluator == measured.evaluator.name and shared[metric] == 1
                name = metric if is_plain else f"{evaluator}: {metric}"
                self.directions[name] = measured.directions[metric]
                self._columns[name] = evaluator, metric
        self._summaries = {row: self._summaries_of(of_row) for row, of_row in results.items()}

    def _summaries_of(self, of_row):
        summaries = {evaluator: measured.summary() for evaluator, measured in of_row.items()}
        columns = self._columns.items()
        return {name: summaries[evaluator][metric] for name, (evaluator, metric) in columns if evaluator in summaries}

    @property
    def rows(self) -> list[str]:
        """Names of the rows: explainers, then controls."""
        return list(self.results)

    @property
    def metrics(self) -> list[str]:
        """Names of the columns."""
        return list(self.directions)

    def summary(self, row: str, metric: str) -> Summary | None:
        """The `Summary` of a cell, None where the metric does not apply to the row."""
        self._check_cell(row, metric)
        return self._summaries[row].get(metric)

    def values(self, row: str, metric: str) -> np.ndarray | None:
        """The value of each sample in a cell, None where the metric does not apply to the row.

        `(samples,)`, or `(samples, k)` for `target="top<k>"`.
        """
        self._check_cell(row, metric)
        evaluator, result = self._columns[metric]
        measured = self.results[row].get(evaluator)
        return None if measured is None else measured[result]

    def ranking(self, metric: str) -> list[str]:
        """Rows from the best to the worst mean of a metric; rows without a value are left out."""
        if metric not in self.directions:
            raise ValueError(f"`metric` must be one of {', '.join(self.metrics)}. Received: metric={metric!r}.")
        direction = self.directions[metric]
        if direction is None:
            raise ValueError(f"Neither a high nor a low {metric} is better, so it ranks nothing.")
        means = {}
        for row in self.rows:
            summary = self.summary(row, metric)
            if summary is not None and not np.isnan(summary.mean):
                means[row] = summary.mean
        return sorted(means, key=means.__getitem__, reverse=direction == "higher")

    def records(self) -> list[dict[str, Any]]:
        """One dict per cell: row, whether it is a control, metric, direction and the fields of its `Summary`."""
        records = []
        for row, metric in itertools.product(self.rows, self.metrics):
            summary = self.summary(row, metric)
            if summary is not None:
                cell = {"explainer": row, "control": row in self.controls, "metric": metric}
                records.append({**cell, "better": self.directions[metric], **summary._asdict()})
        return records

    def to_markdown(self) -> str:
        """The table: means with their 95 % confidence intervals; arrows say what is better, controls are in italics."""
        heads = [self._heading(metric) for metric in self.metrics]
        lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
        for row in self.rows:
            name = f"*{row}*" if row in self.controls else row
            lines.append(f"| {name} | {' | '.join(self._cell(row, metric) for metric in self.metrics)} |")
        return "\n".join(lines)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes `records()` as a CSV file."""
        with whole_file(path) as file:
            fields = ["explainer", "control", "metric", "better", *Summary._fields]
            writer = csv.DictWriter(file, fields, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.records())

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Writes the summaries and every sample's values as a JSON file; what is not finite becomes null.

        Maps that an evaluator keeps are left out.
        """
        values: dict[str, dict[str, Any]] = {row: {} for row in self.results}
        for row, of_row in self.results.items():
            for evaluator, measured in of_row.items():
                values[row][evaluator] = _plain({key: value for key, value in measured.items() if key != "maps"})
        content = {
            "samples": self.samples,
            "evaluators": {name: measured.evaluator.get_config() for name, measured in self._measured.items()},
            "summary": _plain(self.records()),
            "values": values,
        }
        with whole_file(path) as file:
            json.dump(content, file, indent=1, allow_nan=False)

    def plot(self) -> Figure:
        """Bars of every metric with their confidence intervals: a Matplotlib Figure."""
        from kerasxai import plots

        return plots.comparison(self)

    def plot_curves(self, samples: Array | None = None) -> dict[str, Figure]:
        """Curves of the evaluators that have some: perturbation, ROAD, robustness, randomisation.

        Args:
            samples: The samples evaluated, to draw the maps that `Randomization(keep_maps=...)` kept; None: none.

        Returns:
            Dict evaluator label -> Matplotlib Figure.
        """
        from kerasxai import plots

        of_evaluator: dict[str, dict[str, Results]] = {}
        for row, of_row in self.results.items():
            for label, measured in of_row.items():
                of_evaluator.setdefault(label, {})[row] = measured
        figures = {}
        for label, rows in of_evaluator.items():
            first = next(iter(rows.values()))
            name = next((name for key, name in PLOTS.items() if key in first), None)
            options: dict[str, Any] = {}
            if "maps" in first:
                options["samples"] = samples
            if name in ("curves", "road_curves"):
                options["controls"] = self.controls
            if name is not None:
                figures[label] = getattr(plots, name)(rows, title=label, **options)
        return figures

    def __str__(self):
        return self.to_markdown()

    __repr__ = __str__

    def _repr_html_(self):
        columns = {
            self._heading(metric): lambda row, metric=metric: self._cell(row["row"], metric) for metric in self.metrics
        }
        table = Table(
            [{"row": row} for row in self.rows],
            {"": lambda row: row["row"], **columns},
            numbers=columns,
            styles=["font-style:italic" * (row in self.controls) for row in self.rows],
        )
        return table._repr_html_()

    def _check_cell(self, row, metric):
        if row not in self.results or metric not in self.directions:
            raise ValueError(
                f"The rows are {', '.join(self.rows)}, the metrics {', '.join(self.metrics)}. "
                f"Received: row={row!r}, metric={metric!r}."
            )

    def _heading(self, metric):
        return f"{metric} {ARROWS[self.directions[metric]]}".strip()

    def _cell(self, row, metric):
        summary = self.summary(row, metric)
        if summary is None:
            return ""
        if summary.count == 0:
            return "NaN"
        missing = f", {summary.nan} NaN" if summary.nan else ""
        return f"{summary.mean:.4g} ({summary.low:.4g} to {summary.high:.4g}{missing})"


def _plain(value):
    """Numbers and arrays as JSON holds them: what is not finite as None."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (np.ndarray, list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
