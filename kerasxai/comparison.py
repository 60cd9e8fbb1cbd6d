"""Comparison: the results of several explainers under several evaluators, as a table, a file or a figure."""

import csv
import json
import os
import tempfile

import numpy as np

ARROWS = {"higher": "↑", "lower": "↓", None: ""}


class Comparison:
    """What `kerasxai.evaluate` returns.

    Attributes:
        results: Dict row -> dict evaluator label -> `Results`.
        controls: Names of the rows that are controls.
        samples: Number of samples.
        directions: Dict metric -> `"higher"`, `"lower"` or None.
    """

    def __init__(self, results, controls=(), samples=0):
        self.results = results
        self.controls = list(controls)
        self.samples = samples
        self.directions = {}
        for row in results.values():
            for found in row.values():
                self.directions |= {metric: found.directions[metric] for metric in found.per_sample}
        self._summaries = {
            label: {metric: one for found in row.values() for metric, one in found.summary().items()}
            for label, row in results.items()
        }

    @property
    def rows(self):
        """Names of the rows: explainers, then controls."""
        return list(self.results)

    @property
    def metrics(self):
        """Names of the columns."""
        return list(self.directions)

    def summary(self, row, metric):
        """The `Summary` of a cell, None where the metric does not apply to the row."""
        return self._summaries[row].get(metric)

    def ranking(self, metric):
        """Rows from the best to the worst mean of a metric; rows without a value are left out."""
        direction = self.directions[metric]
        if direction is None:
            raise ValueError(f"Neither a high nor a low {metric} is better, so it ranks nothing.")
        means = {row: self.summary(row, metric).mean for row in self.rows if self.summary(row, metric) is not None}
        known = {row: mean for row, mean in means.items() if not np.isnan(mean)}
        return sorted(known, key=known.get, reverse=direction == "higher")

    def records(self):
        """One dict per cell: row, whether it is a control, metric, direction and the fields of its `Summary`."""
        return [
            {
                "explainer": row,
                "control": row in self.controls,
                "metric": metric,
                "better": self.directions[metric],
                **self.summary(row, metric)._asdict(),
            }
            for row in self.rows
            for metric in self.metrics
            if self.summary(row, metric) is not None
        ]

    def to_markdown(self):
        """The table: means with their 95 % confidence intervals; arrows say what is better, controls are in italics."""
        heads = [f"{metric} {ARROWS[self.directions[metric]]}".strip() for metric in self.metrics]
        lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
        for row in self.rows:
            name = f"*{row}*" if row in self.controls else row
            lines.append(f"| {name} | {' | '.join(self._cell(row, metric) for metric in self.metrics)} |")
        return "\n".join(lines)

    def to_csv(self, path):
        """Writes `records()` as a CSV file."""
        records = self.records()
        with _whole(path) as file:
            writer = csv.DictWriter(file, fieldnames=list(records[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(records)

    def to_json(self, path):
        """Writes the summaries and every sample's values as a JSON file; NaN becomes null."""
        values = {
            row: {name: {key: _plain(value) for key, value in found.items()} for name, found in of_row.items()}
            for row, of_row in self.results.items()
        }
        configs = {
            name: found.evaluator.get_config() for of_row in self.results.values() for name, found in of_row.items()
        }
        content = {
            "samples": self.samples,
            "evaluators": configs,
            "summary": [{key: _plain(value) for key, value in record.items()} for record in self.records()],
            "values": values,
        }
        with _whole(path) as file:
            json.dump(content, file, indent=1)

    def plot(self):
        """Bars of every metric with their confidence intervals: a Matplotlib Figure."""
        from kerasxai import plots

        return plots.comparison(self)

    def __str__(self):
        return self.to_markdown()

    def _cell(self, row, metric):
        summary = self.summary(row, metric)
        if summary is None or np.isnan(summary.mean):
            return ""
        missing = f", {summary.nan} NaN" if summary.nan else ""
        return f"{summary.mean:.4g} ({summary.low:.4g} to {summary.high:.4g}{missing})"


class _whole:
    """A text file that appears whole or not at all."""

    def __init__(self, path):
        self._path = os.fspath(path)

    def __enter__(self):
        folder = os.path.dirname(os.path.abspath(self._path))
        handle, self._partial = tempfile.mkstemp(prefix=".", suffix=".partial", dir=folder)
        self._file = os.fdopen(handle, "w", encoding="utf-8", newline="")
        return self._file

    def __exit__(self, kind, *_):
        self._file.close()
        if kind is None:
            os.chmod(self._partial, 0o644)
            os.replace(self._partial, self._path)
        else:
            os.remove(self._partial)


def _plain(value):
    """Numbers and arrays as JSON holds them: NaN as None."""
    if isinstance(value, (np.ndarray, list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value
