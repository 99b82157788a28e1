"""Reports as Markdown, in the thesis's layout: two actions a table, horizons below them, models as rows.

The two modes stand under headings of their own, and so do published rows, which are shown only where they compare.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from motion_jax.config import MODES
from motion_jax.evaluation.published import THESIS, PublishedRow, published_rows
from motion_jax.evaluation.report import Report
from motion_jax.runtime.files import check_writable, write_text

Line = list[str]  # the cells of a table's row

MODE_TITLES = {"free_running": "Free-running", "one_step": "One-step"}
PROTOCOL_TITLES = {"srnn": "SRNN protocol", "windows256": "256 windows"}
METRIC_TITLES = {
    "euler_error_rad": "Euler-angle error (rad)",
    "mpjpe_mm": "MPJPE (mm), all joints from the prediction",
    "mpjpe_h36m22_mm": "MPJPE (mm), published convention h36m-22",
}
DIGITS = {"rad": 3, "mm": 1}
SMALL = 2  # models, such as a run and zero-velocity, whose averages need no table of their own
_GAP = "  "  # between the columns of a terminal
PUBLISHED_STRIDE = 2  # of the frame rate that every published row was measured at

MODES_EXPLAINED = (
    "In **free-running** the model reads only its own predictions after the last observed frame, which is the task; in "
    "**one-step** it reads the true previous frame at every step, so that each horizon is a prediction of one frame, "
    f"and the rows of the thesis ({THESIS}) belong there although it says that it tests free-running, because its "
    "errors stay flat to 1000 ms and follow those of repeating the true previous frame."
)
SYNTHETIC = "**Synthetic motion: these numbers say nothing about people and must not be compared with published ones.**"
FAST = (
    "This data runs faster than the 25 fps by which papers label their columns: both the labels and the true times "
    "are given."
)


def markdown(reports: Sequence[Report]) -> str:
    """All reports, grouped by data, protocol and metric, and there by mode; of several models the averages first."""
    averages = [overview(reports)] if len({report.model for report in reports}) > SMALL else []
    parts = ["# Evaluation", MODES_EXPLAINED, *averages]
    for group in _groups(reports):
        parts += _group(group, [*_actions(group), "average"], "")
    return "\n\n".join(parts) + "\n"


def overview(reports: Sequence[Report]) -> str:
    """The averages over actions alone, in the same groups."""
    parts = []
    for group in _groups(reports):
        parts += _group(group, ["average"], ", mean over actions")
    return "\n\n".join(parts)


def write_markdown(reports: Sequence[Report], path: str | Path) -> None:
    """The tables of `markdown`. Raises `UserError` if the path cannot be written."""
    check_writable(path)  # makes the folder
    write_text(path, markdown(reports))


def averages_table(reports: Sequence[Report]) -> str:
    """The average over actions at every horizon: a block for each mode, protocol and metric, a line for each model."""
    kinds = dict.fromkeys(report.row[1:] for report in sorted(reports, key=lambda report: MODES.index(report.mode)))
    return "\n\n".join(_block([report for report in reports if report.row[1:] == kind]) for kind in kinds)


def _groups(reports: Sequence[Report]) -> list[list[Report]]:
    """What may stand in one table: the same windows of the same data, by the same metric, at the same horizons."""
    groups: dict[tuple, list[Report]] = {}
    for report in reports:
        data = (report.data["name"], report.data["key"], report.config["data"]["skip_first_row"])
        terms = (report.protocol, report.metric, report.windows, *report.frames, *report.milliseconds)
        groups.setdefault((data, terms), []).append(report)
    return list(groups.values())


def _group(reports: list[Report], shown: list[str], what: str) -> list[str]:
    """The actions that are `shown` of one group; `what` they are ends each heading."""
    first = reports[0]
    title = f"{first.data['name']}, {PROTOCOL_TITLES[first.protocol]}: {METRIC_TITLES[first.metric]}"
    parts = [f"## {title}{what}", _describe(max(reports, key=lambda report: len(report.actions)))]
    if first.data["name"] == "synthetic":
        parts.append(SYNTHETIC)
    elif first.milliseconds != first.label_ms:
        parts.append(FAST)
    for mode in MODES:
        chosen = [report for report in reports if report.mode == mode]
        if chosen:
            parts += [f"### {MODE_TITLES[mode]}{what}", *_own_tables(chosen, shown), *_published_block(chosen, shown)]
    return parts


def _describe(report: Report) -> str:
    text = (
        f"{report.data['files']} files, {report.data['frames']} frames; {report.windows} windows an action; "
        f"averages are over {len(report.actions)} actions."
    )
    if report.missing:
        text += f" Left out, because the data has no test clips of them: {', '.join(report.missing)}."
    return text


def _own_tables(reports: list[Report], shown: list[str]) -> list[str]:
    """Models as rows; the best of each column in bold where there are several."""
    tables = []
    for actions in _pairs(shown):
        columns = [_own_column(reports, action, index) for action in actions for index in range(len(reports[0].frames))]
        lines = [[_name(report), *cells] for report, *cells in zip(reports, *columns, strict=True)]
        tables.append(_table(_header(reports[0], actions), lines))
    return tables


def _own_column(reports: list[Report], action: str, index: int) -> list[str]:
    """One action at one horizon: a cell for each model. An average over fewer actions than the others' is left out."""
    digits = DIGITS[reports[0].metric.rpartition("_")[2]]
    has = [action in report.actions or (action == "average" and len(report.actions) == len(_actions(reports)))
           for report in reports]  # fmt: skip
    values = [report.scores(action)[index] if there else math.nan for report, there in zip(reports, has, strict=True)]
    best = min((round(value, digits) for value in values if math.isfinite(value)), default=math.nan)
    cells = []
    for report, value, there in zip(reports, values, has, strict=True):
        bold = "**" if len(reports) > 1 and round(value, digits) == best else ""
        spread = report.spread(action)
        deviation = f" ± {spread[index]:.{digits}f}" if spread else ""
        cells.append(f"{bold}{value:.{digits}f}{bold}{deviation}" if there else "-")
    return cells


def _published_block(reports: list[Report], shown: list[str]) -> list[str]:
    """Printed rows of the same mode, protocol and metric, on the actions that are shown."""
    first = reports[0]
    rows = published_rows(first.data["name"], first.mode, first.protocol, first.metric)
    if not rows:
        return []
    if unlike := _unlike_published(first):
        return [f"Published rows are not shown: they do not compare with {unlike}."]
    tables = []
    for actions in _pairs(shown):
        lines = _published_lines([row for row in rows if row.action in actions], actions, first.label_ms)
        if lines:
            tables.append(_table(_header(first, actions), lines))
    if not tables:
        return []
    note = "Not measured here; in brackets how each came here and where it is printed. Averages are over all actions."
    return [f"#### Published, {MODE_TITLES[first.mode].lower()}", note, *tables]


def _unlike_published(report: Report) -> str:
    """The setting that keeps a report from comparing with printed rows; "" where none does."""
    data = report.config["data"]
    if data["stride"] != PUBLISHED_STRIDE:
        return f"data.stride={data['stride']}"
    return "data.skip_first_row=True" if data["skip_first_row"] else ""


def _published_lines(rows: list[PublishedRow], actions: Sequence[str], labels: list[int]) -> list[Line]:
    """A line for each model and source."""
    lines = []
    for title in dict.fromkeys(_printed(row) for row in rows):
        errors = {row.action: row.errors for row in rows if _printed(row) == title}
        cells = [str(errors.get(action, {}).get(label, "-")) for action in actions for label in labels]
        if set(cells) != {"-"}:
            lines.append([title, *cells])
    return lines


def _printed(row: PublishedRow) -> str:
    return f"{row.model} [{row.mark}: {row.source}]"


def _name(report: Report) -> str:
    name = report.model.replace("|", "\\|")
    return name if report.seeds == 1 else f"{name} (mean ± std of {report.seeds} runs)"


def _actions(reports: list[Report]) -> list[str]:
    """Every action that some report has."""
    return list(dict.fromkeys(itertools.chain.from_iterable(report.actions for report in reports)))


def _pairs(actions: list[str]) -> Iterable[list[str]]:
    return (actions[start : start + 2] for start in range(0, len(actions), 2))


def _header(report: Report, actions: Sequence[str]) -> list[Line]:
    """Actions above their first column, then the horizons."""
    blanks = [""] * (len(report.frames) - 1)
    names = ["", *itertools.chain.from_iterable([action, *blanks] for action in actions)]
    labels = ["milliseconds", *[str(label) for label in report.label_ms] * len(actions)]
    if report.milliseconds == report.label_ms:
        return [names, labels]
    labels[0] = "milliseconds, as papers label them"
    return [names, labels, ["milliseconds, true", *[f"{time:.0f}" for time in report.milliseconds] * len(actions)]]


def _table(header: list[Line], lines: list[Line]) -> str:
    rule = ["---", *["---:"] * (len(header[0]) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header[0], rule, *header[1:], *lines])


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
