"""Reports as files: JSON for programs, CSV in long form, Markdown for people. A file is replaced whole or not."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from motion_jax.errors import UserError
from motion_jax.evaluation.scores import Report
from motion_jax.evaluation.tables import markdown
from motion_jax.runtime.files import check_writable, write_text

COLUMNS = (
    "model", "mode", "protocol", "metric", "data", "action", "frame", "milliseconds", "label_ms", "value", "std",
    "windows", "seeds",
)  # fmt: skip


def write_json(reports: Sequence[Report], path: str | Path) -> None:
    """`{"reports": [...]}`, one object a report with the fields of `Report`; null stands for nan.

    Raises `UserError` if the path cannot be written.
    """
    content = {"reports": [report.to_dict() for report in reports]}
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
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report in reports:
        writer.writerows(_lines(report))
    _write(path, text.getvalue())


def write_markdown(reports: Sequence[Report], path: str | Path) -> None:
    """The tables of `tables.markdown`. Raises `UserError` if the path cannot be written."""
    _write(path, markdown(reports))


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
