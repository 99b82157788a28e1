"""One figure for one table: every model's error against the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from motion_jax.evaluation.report import Report
from motion_jax.visualize.curves import error_curves


def horizon_curves(reports: Sequence[Report], path: str | Path) -> None:
    """Draws the first protocol and metric of `reports`: free-running and one-step, each in a panel of its own.

    Lines and bands are as in `error_curves`, which draws every protocol and metric. Raises `UserError` as it does.
    """
    error_curves([report for report in reports if report.row[2:] == reports[0].row[2:]], path)
