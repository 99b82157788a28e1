"""Tables of reports: in Markdown, and the averages alone for a terminal.

Markdown has the thesis's layout: two actions a table, horizons below them, models as rows. The two modes stand under
headings of their own, and so do published rows, which are shown only where they compare.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from motion_jax.config import MODES
from motion_jax.evaluation.metrics import find_metric
from motion_jax.evaluation.published import THESIS, PublishedRow, published_rows
from motion_jax.evaluation.report import Report
from motion_jax.runtime.files import check_writable, write_text
from motion_jax.runtime.names import in_markdown

Line = list[str]  # the cells of a table's row

MODE_TITLES = {"free_running": "Free-running", "one_step": "One-step"}
PROTOCOL_TITLES = {"srnn": "SRNN protocol", "windows256": "256 windows"}
SMALL = 3  # models, such as a run and the two baselines, whose averages need no table of their own
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
    for group in groups(reports):
        parts += _group(group, [*_actions(group), "average"], "")
    return "\n\n".join(parts) + "\n"


def overview(reports: Sequence[Report]) -> str:
    """The averages over actions alone, in the same groups."""
    parts = []
    for group in groups(reports):
        parts += _group(group, ["average"], ", mean over actions")
    return "\n\n".join(parts)


def write_markdown(reports: Sequence[Report], path: str | Path) -> None:
    """The tables of `markdown`. Raises `UserError` if the path cannot be written."""
    check_writable(path)  # makes the folder
    write_text(path, markdown(reports))


def groups(reports: Sequence[Report]) -> list[list[Report]]:
    """What may stand in one table: the same windows of the same data, by the same metric, at the same horizons."""
    groups: dict[tuple, list[Report]] = {}
    for report in reports:
        terms = (report.protocol, report.metric, report.windows, *report.frames, *report.milliseconds)
        groups.setdefault((_data(report), terms), []).append(report)
    return list(groups.values())


def _data(report: Report) -> tuple[str, str, bool]:
    return report.data["name"], report.data["key"], report.config["data"]["skip_first_row"]


def _group(reports: list[Report], shown: list[str], what: str) -> list[str]:
    """The actions that are `shown` of one group; `what` they are ends each heading."""
    first = reports[0]
    title = f"{in_markdown(first.data['name'])}, {PROTOCOL_TITLES[first.protocol]}: {find_metric(first.metric).heading}"
    parts = [f"## {title}{what}", describe(max(reports, key=lambda report: len(report.actions)))]
    if first.data["name"].startswith("synthetic"):
        parts.append(SYNTHETIC)
    elif first.milliseconds != first.label_ms:
        parts.append(FAST)
    for mode in MODES:
        chosen = [report for report in reports if report.mode == mode]
        if chosen:
            parts += [f"### {MODE_TITLES[mode]}{what}", *own_tables(chosen, shown), *_published_block(chosen, shown)]
    return parts


def describe(report: Report) -> str:
    """Of what a table shows: files, windows, and over which actions it averages."""
    text = (
        f"{report.data['files']} files, {report.data['frames']} frames; {report.windows} windows an action; "
        f"averages are over {len(report.actions)} action{'s' * (len(report.actions) != 1)}."
    )
    if report.missing:
        missing = ", ".join(map(in_markdown, report.missing))
        text += f" Left out, because the data has too few test clips of them: {missing}."
    return text


def own_tables(reports: list[Report], shown: list[str]) -> list[str]:
    """Models as rows; the best of each column in bold where there are several."""
    tables = []
    for actions in _pairs(shown):
        columns = [own_column(reports, action, index) for action in actions for index in range(len(reports[0].frames))]
        lines = [[in_markdown(_name(report)), *cells] for report, *cells in zip(reports, *columns, strict=True)]
        tables.append(table(_header(reports[0], actions), lines))
    return tables


def own_column(reports: list[Report], action: str, index: int) -> list[str]:
    """One action at one horizon: a cell for each model, the best in bold where there are several."""
    metric = find_metric(reports[0].metric)
    values = [_value(report, reports, action, index) for report in reports]
    rounded = [round(value, metric.digits) for value in values if value is not None and math.isfinite(value)]
    best = (max if metric.higher_is_better else min)(rounded, default=math.nan)
    cells = []
    for report, value in zip(reports, values, strict=True):
        bold = "**" if len(reports) > 1 and value is not None and round(value, metric.digits) == best else ""
        cells.append(_cell(report, action, index, value, metric.digits, bold))
    return cells


def _value(report: Report, reports: list[Report], action: str, index: int) -> float | None:
    """None where the report has none, or has an average over fewer actions than `reports` have together."""
    there = len(report.actions) == len(_actions(reports)) if action == "average" else action in report.actions
    return report.scores(action)[index] if there else None


def _cell(report: Report, action: str, index: int, value: float | None, digits: int, bold: str = "") -> str:
    if value is None:
        return "-"
    spread = report.spread(action)
    deviation = f" ± {spread[index]:.{digits}f}" if spread else ""
    return f"{bold}{value:.{digits}f}{bold}{deviation}"


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
            tables.append(table(_header(first, actions), lines))
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
    name = report.model
    return name if report.seeds == 1 else f"{name} (mean ± std of {report.seeds} runs)"


def _actions(reports: list[Report]) -> list[str]:
    """Every action that some report has."""
    return list(dict.fromkeys(itertools.chain.from_iterable(report.actions for report in reports)))


def _pairs(actions: list[str]) -> Iterable[list[str]]:
    return (actions[start : start + 2] for start in range(0, len(actions), 2))


def _header(report: Report, actions: Sequence[str]) -> list[Line]:
    """Actions above their first column, then the horizons."""
    blanks = [""] * (len(report.frames) - 1)
    names = ["", *itertools.chain.from_iterable([in_markdown(action), *blanks] for action in actions)]
    labels = ["milliseconds", *[str(label) for label in report.label_ms] * len(actions)]
    if report.milliseconds == report.label_ms:
        return [names, labels]
    labels[0] = "milliseconds, as papers label them"
    return [names, labels, ["milliseconds, true", *[f"{time:.0f}" for time in report.milliseconds] * len(actions)]]


def table(header: list[Line], lines: list[Line]) -> str:
    """In Markdown, which has one line of headings: those that follow the first are lines of the table."""
    rule = ["---", *["---:"] * (len(header[0]) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header[0], rule, *header[1:], *lines])


def averages_table(reports: Sequence[Report]) -> str:
    """The average over actions at every horizon, for a terminal.

    A block for each mode, protocol and metric (and data set, where there are several), a line for each model, a column
    for each horizon, lined up throughout; below them what must be known to read the numbers.
    """
    several = len({_data(report) for report in reports}) > 1
    grouped = groups(reports)
    blocks = [_block([report for report in group if report.mode == mode], several)
              for mode in MODES for group in grouped if any(report.mode == mode for report in group)]  # fmt: skip
    lines = [line for _, block in blocks for line in block]
    name = max((len(line[0]) for line in lines), default=0)
    number = max((len(cell) for line in lines for cell in line[1:]), default=0)
    parts = ["\n".join([title, *(_align(line, name, number) for line in block)]) for title, block in blocks]
    described = [max(group, key=lambda report: len(report.actions)) for group in grouped]
    parts.append("\n".join(dict.fromkeys(f"{report.data['name']}: {describe(report)}" for report in described)))
    if any(report.data["name"].startswith("synthetic") for report in reports):
        parts.append(SYNTHETIC.strip("*"))
    return "\n\n".join(parts)


def _block(reports: list[Report], several: bool) -> tuple[str, list[Line]]:
    """Title and lines of reports that may stand in one table; `several` data sets are told apart."""
    first = reports[0]
    metric = find_metric(first.metric)
    data = _data_title(first) if several else ""
    title = f"{MODE_TITLES[first.mode]}, {data}{PROTOCOL_TITLES[first.protocol]}: {metric.heading}"
    lines = [[label, *(f"{time:.0f}" for time in times)] for label, times in header_times(first)]
    for report in reports:
        values = [_value(report, reports, "average", index) for index in range(len(report.frames))]
        lines.append([_name(report), *(_cell(report, "average", i, v, metric.digits) for i, v in enumerate(values))])
    return title, lines


def _data_title(report: Report) -> str:
    """What tells data sets apart, also two of one name."""
    skipped = ", first rows skipped" if report.config["data"]["skip_first_row"] else ""
    return f"{report.data['name']} ({report.data['files']} files, {report.data['frames']} frames{skipped}), "


def header_times(report: Report) -> list[tuple[str, Sequence[float]]]:
    """Lines above the columns: the labels of papers and, where they differ, the true times."""
    if report.milliseconds == report.label_ms:
        return [("milliseconds", report.milliseconds)]
    return [("milliseconds, as papers label them", report.label_ms), ("milliseconds, true", report.milliseconds)]


def _align(cells: Line, name: int, number: int) -> str:
    """The name to the left, numbers to the right, in columns of these widths."""
    return _GAP + _GAP.join([cells[0].ljust(name), *(cell.rjust(number) for cell in cells[1:])])
