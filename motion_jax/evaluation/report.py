"""Reports: one record a mode and metric, the mean over several runs, and files: JSON for programs, CSV in long form.

A file is replaced whole or not at all. `tables.py` writes reports as tables for people.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, write_text
from motion_jax.runtime.names import csv_text

COLUMNS = (
    "model", "mode", "protocol", "metric", "data", "action", "frame", "milliseconds", "label_ms", "value", "std",
    "windows", "seeds",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Spread:
    """Sample standard deviation over runs; shapes as the means'."""

    actions: dict[str, list[float]]
    average: list[float]


@dataclasses.dataclass(frozen=True)
class Report:
    """What one model scores in one mode, by one metric, on one protocol. K is the number of frames reported."""

    model: str  # the row's name
    mode: str  # a member of config.MODES
    protocol: str
    metric: str  # its unit is in its name
    frames: list[int]  # [K] predicted frames, 1-based
    milliseconds: list[float]  # [K] true time since the last observed frame
    label_ms: list[int]  # [K] what papers print above the column: 40 ms a frame, also where the data runs faster
    actions: dict[str, list[float]]  # name -> [K] means over windows; nan where a prediction was not finite
    average: list[float]  # [K] mean over actions
    missing: list[str]  # actions of the data set with too few test clips for the protocol; the average is without them
    windows: int  # an action
    seeds: int  # runs that were averaged
    std: Spread | None  # of the runs; None for a single one
    config: dict[str, Any]  # the resolved experiment
    data: dict[str, Any]  # name, files, frames, key
    task: str = "forecasting"  # what the model was asked to do

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What tells reports apart."""
        return (self.model, self.mode, self.protocol, self.metric)

    def scores(self, action: str) -> list[float]:
        """`[K]` means of an action or of "average"; [] where the report does not have it."""
        return self.average if action == "average" else self.actions.get(action, [])

    def spread(self, action: str) -> list[float]:
        """`[K]` standard deviations, as `scores`; [] for a single run."""
        if self.std is None:
            return []
        return self.std.average if action == "average" else self.std.actions.get(action, [])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON, which has no nan: null stands for it."""
        return _none_for_nan(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str) -> Report:
        """Reads `to_dict`'s values; `source` names them in errors."""
        try:
            fields: dict[str, Any] = {**values}
            for name in ("actions", "average"):
                fields[name] = _nan_for_none(values[name])
            fields["std"] = None if values["std"] is None else Spread(**_nan_for_none(values["std"]))
            return cls(**fields)
        except (TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{source}: not a report of this version: {error}") from None


def combine(runs: Sequence[Sequence[Report]]) -> list[Report]:
    """The mean and sample standard deviation of several runs of one model; one run is returned as it is.

    Args:
        runs: the reports of each run, in any order. Each carries the same rows on the same data.

    Returns:
        The first run's rows, with `seeds` = the number of runs and the first run's config.

    Raises:
        UserError: no runs, or runs that do not report the same rows, frames, actions or data.
    """
    if not runs:
        raise UserError("reports: no runs to combine")
    tables = [{report.row: report for report in run} for run in runs]
    for number, table in enumerate(tables, start=1):
        if table.keys() != tables[0].keys():
            raise UserError(f"reports: run {number} has rows {sorted(table)}, run 1 has {sorted(tables[0])}")
    return [_combine_row([table[row] for table in tables]) for row in tables[0]]


def write_json(reports: Sequence[Report], path: str | Path, **others: Any) -> None:
    """`{"reports": [...]}`, one object a report with the fields of `Report`; null stands for nan.

    `others` are further entries of the file as plain values, which `read_json` passes over.

    Raises `UserError` if the path cannot be written.
    """
    content = {"reports": [report.to_dict() for report in reports], **others}
    _write(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> list[Report]:
    """What `write_json` wrote. Raises `UserError` if the file is missing or is something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        values = content["reports"]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f'{path}: not a report file: it must be JSON with "reports"') from None
    return [Report.from_dict(value, f"{path}, report {number}") for number, value in enumerate(values, start=1)]


def write_csv(reports: Sequence[Report], path: str | Path) -> None:
    """One line for each report, action (and "average") and frame, with `COLUMNS` as header.

    Raises `UserError` if the path cannot be written.
    """
    _write(path, csv_text([COLUMNS, *(line for report in reports for line in _lines(report))]))


def _combine_row(reports: list[Report]) -> Report:
    first = reports[0]
    if len(reports) == 1:
        return first
    if any(_terms(report) != _terms(first) for report in reports):
        raise UserError(f"reports: runs of {first.row} differ in data, frames, actions or windows; they do not average")
    actions = {name: np.array([report.actions[name] for report in reports]) for name in first.actions}
    average = np.array([report.average for report in reports])
    return dataclasses.replace(
        first,
        actions={name: values.mean(0).tolist() for name, values in actions.items()},
        average=average.mean(0).tolist(),
        seeds=len(reports),
        std=Spread({name: _std(values) for name, values in actions.items()}, _std(average)),
    )


def _terms(report: Report) -> tuple[Any, ...]:
    """What runs must share for their mean to mean something."""
    return (report.data, report.frames, list(report.actions), report.windows, report.seeds)


def _std(values: np.ndarray) -> list[float]:
    return values.std(0, ddof=1).tolist()


def _none_for_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _none_for_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_none_for_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nan_for_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_for_none(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_nan_for_none(item) for item in value]
    return math.nan if value is None else value


def _write(path: str | Path, text: str) -> None:
    check_writable(path)  # makes the folder
    write_text(path, text)


def _lines(report: Report) -> list[tuple[str | int | float, ...]]:
    lines = []
    for action, values in {**report.actions, "average": report.average}.items():
        spread = report.spread(action) or [""] * len(values)
        for column in zip(report.frames, report.milliseconds, report.label_ms, values, spread, strict=True):
            lines.append((*report.row, report.data["name"], action, *column, report.windows, report.seeds))
    return lines
