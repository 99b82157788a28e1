"""Reports in a few lines, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from motion_jax.config import MODES
from motion_jax.evaluation.scores import Report
from motion_jax.evaluation.tables import DIGITS, METRIC_TITLES, MODE_TITLES, PROTOCOL_TITLES

_GAP = "  "


def averages_table(reports: Sequence[Report]) -> str:
    """The average over actions at every horizon: a block for each mode, protocol and metric, a line for each model."""
    kinds = dict.fromkeys(report.row[1:] for report in sorted(reports, key=lambda report: MODES.index(report.mode)))
    return "\n\n".join(_block([report for report in reports if report.row[1:] == kind]) for kind in kinds)


def _block(reports: Sequence[Report]) -> str:
    first = reports[0]
    title = f"{MODE_TITLES[first.mode]}, {PROTOCOL_TITLES[first.protocol]}: {METRIC_TITLES[first.metric]}"
    digits = DIGITS[first.metric.rpartition("_")[2]]
    lines = [["milliseconds", *(f"{time:.0f}" for time in first.milliseconds)]]
    lines += [[report.model, *(f"{value:.{digits}f}" for value in report.average)] for report in reports]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join([title, *(_GAP + _align(line, widths) for line in lines)])


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The name to the left, numbers to the right."""
    return _GAP.join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])])
