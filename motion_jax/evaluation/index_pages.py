"""Tables of the index of results, in pages of Markdown between marks that say which.

    <!-- results: table=forecasting data=cmu protocol=windows256 metric=euler_error_rad -->
    <!-- end -->

At the beginning of a line; what stands between the two lines is replaced. `table` is one of

    forecasting  models by the mean of their average over actions; size, training and latency beside it
    actions      every action and the average
    published    printed rows, which are in no other table
    recognition  recognisers, the most accurate first: metrics, size, training and latency (no protocol and metric)
    anticipation anticipators, the most accurate first, and baselines: a table for each metric, a column for each
                 anticipation time; size, training and latency beside the first (no protocol and metric)
    training     every run: steps, how it ended, time, weights, and the least test error, which is no result (no
                 protocol and metric are given)

and `mode` is free_running unless it is given.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from motion_jax.config import MODES
from motion_jax.data.protocols import COUNTS
from motion_jax.errors import UserError
from motion_jax.evaluation import anticipation, tables
from motion_jax.evaluation.classification import LOWER_IS_BETTER, TITLES, cell, markdown_table
from motion_jax.evaluation.index import AnyRow, IndexedRun, Row, TaskRow, TaskScore
from motion_jax.evaluation.metrics import find_metric
from motion_jax.evaluation.published import published_rows
from motion_jax.evaluation.report import Report
from motion_jax.runtime.files import write_text
from motion_jax.runtime.names import in_markdown

NOTHING = "*No results yet.*"
NOTHING_PUBLISHED = "*No printed result was measured in this way.*"
_BEGIN = re.compile(r"<!-- results: (.*?) *-->")
_END = "<!-- end -->"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a mark asks for."""

    table: str  # a key of `TABLES`
    data: str
    protocol: str = ""
    metric: str = ""
    mode: str = "free_running"


class _Found(NamedTuple):
    """A score that a table shows."""

    row: Row
    report: Report
    commit: str


def pages_in(paths: Iterable[str | Path]) -> list[Path]:
    """The Markdown files of these paths, each a file or a folder that holds such files at any depth.

    Raises `UserError` where there is no such path.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UserError(f"{path}: there is no such page and no such folder")
        found += sorted(path.rglob("*.md")) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


def update_pages(rows: Sequence[AnyRow], pages: Iterable[Path]) -> list[Path]:
    """Writes the tables into the pages; all are made before the first is written.

    Returns:
        The pages that have changed.

    Raises:
        UserError: a page cannot be read or written, or a mark is wrong; file and line are named.
    """
    changed: dict[Path, str] = {}
    for page in pages:
        try:
            before = page.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{page}: cannot be read: {getattr(error, 'strerror', 'not text')}") from None
        if (after := updated(before, rows, str(page))) != before:
            changed[page] = after
    for page, text in changed.items():
        write_text(page, text)
    return list(changed)


def updated(text: str, rows: Sequence[AnyRow], source: str) -> str:
    """A page with its tables as the index has them. Raises `UserError` for a wrong mark; `source` names the page."""
    lines, result, number = text.split("\n"), [], 0
    while number < len(lines):
        result.append(lines[number])
        number += 1
        if not (mark := _BEGIN.fullmatch(lines[number - 1].rstrip())):
            continue
        where, stop = f"{source}:{number}", number
        while stop < len(lines) and lines[stop].rstrip() != _END:
            if _BEGIN.fullmatch(lines[stop].rstrip()):
                break
            stop += 1
        if stop == len(lines) or lines[stop].rstrip() != _END:
            raise UserError(f"{where}: results: no {_END} follows")
        result += ["", render(_parse(mark[1], where), rows), ""]
        number = stop
    return "\n".join(result)


def render(wanted: Wanted, rows: Sequence[AnyRow]) -> str:
    """The Markdown that stands between the marks."""
    found = [row for row in rows if row.data["name"] == wanted.data]
    if wanted.table in TASK_TABLES:
        return TASK_TABLES[wanted.table]([row for row in found if isinstance(row, TaskRow)]) or NOTHING
    return TABLES[wanted.table](wanted, [row for row in found if isinstance(row, Row)]) or NOTHING


def _parse(text: str, where: str) -> Wanted:
    known = [field.name for field in dataclasses.fields(Wanted)]
    values: dict[str, str] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if name not in known or not equals or name in values:
            raise UserError(f"{where}: results: {part!r}: must be NAME=VALUE, once each of {', '.join(known)}")
        values[name] = value
    for name in ("table", "data"):
        if name not in values:
            raise UserError(f"{where}: results: {name}= is missing")
    wanted = Wanted(**values)
    whole = wanted.table == "training" or wanted.table in TASK_TABLES  # what is shown needs no choice of a metric
    checks = {"table": (*TABLES, *TASK_TABLES), "mode": MODES} | ({} if whole else {"protocol": COUNTS})
    for name, allowed in checks.items():
        if (value := getattr(wanted, name)) not in allowed:
            raise UserError(f"{where}: results: {name}={value!r}: must be one of {', '.join(allowed)}")
    if not whole:
        try:
            find_metric(wanted.metric)
        except UserError as error:
            raise UserError(f"{where}: results: {error}") from None
    return wanted


def _found(wanted: Wanted, rows: Sequence[Row]) -> list[list[_Found]]:
    """What is asked for, in groups that compare, each from the least mean error to the greatest."""
    key = (wanted.protocol, wanted.metric, wanted.mode)
    found = {
        id(report): _Found(row, report, score.commit)
        for row in rows
        for score, report in zip(row.scores, row.reports(), strict=True)
        if score.key == key
    }
    sign = -1 if found and find_metric(wanted.metric).higher_is_better else 1
    groups = []
    for reports in tables.groups([one.report for one in found.values()]):
        most = max(len(report.actions) for report in reports)
        groups.append(sorted((found[id(report)] for report in reports), key=lambda one: _order(one, most, sign)))
    return groups


def _order(one: _Found, actions: int, sign: int) -> tuple[float, str]:
    """By the mean of the average; what has none, or one over fewer actions, comes last."""
    mean = sum(one.report.average) / len(one.report.average)
    whole = len(one.report.actions) == actions and math.isfinite(mean)
    return (sign * mean if whole else math.inf, one.report.model)


def _forecasting(wanted: Wanted, rows: Sequence[Row]) -> str:
    parts = []
    for group in _found(wanted, rows):
        reports = [one.report for one in group]
        first = reports[0]
        columns = [tables.own_column(reports, "average", index) for index in range(len(first.frames))]
        more = ["parameters", "training, min", "steps", "ended by", "latency, ms"]
        blank = [""] * len(more)
        header = [["frame", *map(str, first.frames), *more]]
        header += [[label, *(f"{time:.0f}" for time in times), *blank] for label, times in tables.header_times(first)]
        lines = [
            [_name(one.row), *cells, *_facts(one.row)]
            for one, cells in zip(group, zip(*columns, strict=True), strict=True)
        ]
        parts += [_caption(group), tables.table(header, lines)]
    return "\n\n".join(parts)


def _actions(wanted: Wanted, rows: Sequence[Row]) -> str:
    parts = []
    for group in _found(wanted, rows):
        names = dict.fromkeys(action for one in group for action in one.report.actions)
        parts += [_caption(group), *tables.own_tables([one.report for one in group], [*names, "average"])]
    return "\n\n".join(parts)


def _published(wanted: Wanted, _: Sequence[Row]) -> str:
    """Action after action, averages first, each from the least mean error to the greatest."""
    rows = published_rows(wanted.data, wanted.mode, wanted.protocol, wanted.metric)
    labels = sorted({label for row in rows for label in row.errors})
    order = {action: number for number, action in enumerate(dict.fromkeys(row.action for row in rows))} | {
        "average": -1
    }
    ordered = sorted(rows, key=lambda row: (order[row.action], sum(row.errors.values()) / len(row.errors)))
    header = ["action", *[f"{label} ms" for label in labels], "model", "how it came here", "source"]
    lines = [
        [row.action, *[str(row.errors.get(label, "-")) for label in labels], _cell(row.model), row.mark, row.source]
        for row in ordered
    ]
    note = "Not measured here. Averages are over all actions of the data set; times are as papers label them."
    return f"{note}\n\n{tables.table([header], lines)}" if rows else NOTHING_PUBLISHED


def _training(_: Wanted, rows: Sequence[Row]) -> str:
    lines, minima = [], []
    for row in rows:
        for run in row.runs:
            lines.append(
                [_cell(row.model), str(run.seed), _steps([run]), _count(run.validated_step), _count(run.step),
                 run.ended or "-", _minutes([run]), f"`{run.weights}`"]
            )  # fmt: skip
            for name, values in run.test_minimum.items():
                numbers = " ".join("-" if value is None else f"{value:.4g}" for value in values)
                minima.append([_cell(row.model), str(run.seed), f"`{name}`", numbers])
    if not lines:
        return ""
    header = [
        "model",
        "seed",
        "steps",
        "best validation at",
        "scored weights of",
        "ended by",
        "training, min",
        "weights",
    ]
    parts = [tables.table([header], lines)]
    if minima:
        parts += [
            "The least error on test windows over the reports of each training, at each frame by itself. It is chosen "
            "on the test windows and is **no result**; papers often print it.",
            tables.table([["model", "seed", "logged as", "least at each frame"]], minima),
        ]
    return "\n\n".join(parts)


def _recognition(rows: Sequence[TaskRow]) -> str:
    """Of all splits and numbers of examples in which rows were scored, a table each."""
    rows = [row for row in rows if row.task == "recognition" and row.scores]
    groups: dict[tuple[str, int, int, str], list[TaskRow]] = {}
    for row in rows:
        first = row.scores[0]
        groups.setdefault((first.split, first.examples, first.classes, row.data["key"]), []).append(row)
    parts = []
    for (split, examples, classes, _), group in groups.items():
        known = {score.metric for row in group for score in row.scores}
        names = [name for name in TITLES if name in known]
        lines = [["model", "epoch", *(TITLES[name] + ("" if name in LOWER_IS_BETTER else ", %") for name in names),
                  "parameters", "training, min", "steps", "ended by", "latency, ms"]]  # fmt: skip
        for row in sorted(group, key=lambda row: (-_accuracy(row), row.model, row.checkpoint)):
            scores = {score.metric: score for score in row.scores}
            cells = [_metric_cell(scores.get(name), name) for name in names]
            lines.append([_name(row), row.checkpoint or "-", *cells, *_facts(row)])
        text = _scored_on(group, f"{split}: {examples} examples, {classes} classes", "example")
        parts += [text, markdown_table(lines)]
    return "\n\n".join(parts)


def _anticipation(rows: Sequence[TaskRow]) -> str:
    """Of all splits, numbers of examples and times in which rows were scored, tables of their own."""
    groups: dict[tuple[Any, ...], list[TaskRow]] = {}
    for row in rows:
        if row.task == "anticipation" and row.scores:
            first = row.scores[0]
            key = (first.split, first.examples, first.classes, tuple(first.times), row.data["key"])
            groups.setdefault(key, []).append(row)
    parts = []
    for (split, examples, classes, times, _), group in groups.items():
        parts.append(_scored_on(group, f"{split}: {examples} segments, {classes} classes", "observation"))
        within = any(row.config.get("changed", {}).get("model.mode") == "early_recognition" for row in group)
        heads = [f"{time:.1%} seen" if within else f"{time:g} s" for time in times]
        facts = ["epoch", "parameters", "training, min", "steps", "ended by", "latency, ms"]
        known = {score.metric for row in group for score in row.scores}
        ordered = sorted(group, key=lambda row: (not row.runs, -_top1(row), row.model, row.checkpoint))
        for number, name in enumerate(name for name in anticipation.names() if name in known):
            lines = [[f"{anticipation.title(name)}, %", *heads, *([] if number else facts)]]
            for row in ordered:
                score = next((score for score in row.scores if score.metric == name), None)
                more = [] if number else [row.checkpoint or "-", *_facts(row)]
                lines.append([_name(row), *_time_cells(score, len(times)), *more])
            parts.append(tables.table(lines[:1], lines[1:]))
    return "\n\n".join(parts)


def _top1(row: TaskRow) -> float:
    """The mean over the times."""
    found = next((score.values for score in row.scores if score.metric == "top1"), [])
    return sum(value or 0.0 for value in found) / max(len(found), 1)


def _time_cells(score: TaskScore | None, count: int) -> list[str]:
    if score is None:
        return ["-"] * count
    spread = score.std or [None] * count
    return ["-" if value is None else cell("top1", value, std) for value, std in zip(score.values, spread, strict=True)]


def _scored_on(group: Sequence[TaskRow], what: str, example: str) -> str:
    """What stands above a table of a labelled task."""
    commits = ", ".join(sorted({score.commit for row in group for score in row.scores}))
    text = f"{group[0].data['name']}, {what}. Scored at {commits}."
    if machines := {f"{r.machine['processor']}, {r.machine['cores']} cores" for r in group if r.latency_ms}:
        text += f" Latency: one {example} at a time on {'; '.join(sorted(machines))}."
    if group[0].data["name"].startswith("synthetic"):
        text += f" {tables.SYNTHETIC}"
    return text


def _accuracy(row: TaskRow) -> float:
    found = next((score.values[0] for score in row.scores if score.metric == "accuracy"), None)
    return -1.0 if found is None else found


def _metric_cell(score: TaskScore | None, name: str) -> str:
    if score is None or score.values[0] is None:
        return "-"
    return cell(name, score.values[0], score.std[0] if score.std else None)


TABLES: dict[str, Callable[[Wanted, Sequence[Row]], str]] = {
    "forecasting": _forecasting,
    "actions": _actions,
    "published": _published,
    "training": _training,
}
TASK_TABLES: dict[str, Callable[[Sequence[TaskRow]], str]] = {
    "recognition": _recognition,
    "anticipation": _anticipation,
}
"""Of tasks on labelled sequences, each from the rows of its own."""


def _caption(group: Sequence[_Found]) -> str:
    first = max((one.report for one in group), key=lambda report: len(report.actions))
    protocol, mode = tables.PROTOCOL_TITLES[first.protocol], tables.MODE_TITLES[first.mode].lower()
    commits = ", ".join(sorted({one.commit for one in group}))
    machines = {f"{row.machine['processor']}, {row.machine['cores']} cores" for row, *_ in group if row.latency_ms}
    text = f"{first.data['name']}, {protocol}, {mode}: {find_metric(first.metric).heading}. {tables.describe(first)}"
    text += f" Scored at {commits}."
    if machines:
        text += f" Latency: one sequence at a time on {'; '.join(sorted(machines))}."
    if first.data["name"].startswith("synthetic"):
        text += f" {tables.SYNTHETIC}"
    return text


def _facts(row: AnyRow) -> list[str]:
    endings = sorted({run.ended or "-" for run in row.runs}) or ["-"]
    latency = "-" if row.latency_ms is None else f"{row.latency_ms:.2f}"
    return [_count(row.parameters), _minutes(row.runs), _steps(row.runs), ", ".join(endings), latency]


def _name(row: AnyRow) -> str:
    seeds = {0: "", 1: " (1 seed)"}.get(len(row.runs), f" (mean ± std of {len(row.runs)} seeds)")
    return f"{_cell(row.model)}{seeds}"


def _cell(text: str) -> str:
    return in_markdown(text)


def _minutes(runs: Sequence[IndexedRun]) -> str:
    """The mean; "-" unless all are known."""
    seconds = [run.train_seconds for run in runs if run.train_seconds is not None]
    return f"{sum(seconds) / len(seconds) / 60:.1f}" if seconds and len(seconds) == len(runs) else "-"


def _steps(runs: Sequence[IndexedRun]) -> str:
    """From the least to the most of the seeds; of refits also those of the training that chose."""
    chose = [run.selection_steps for run in runs if run.selection_steps is not None]
    more = f" after {_range(chose)} to choose" if chose else ""
    return f"{_range([run.train_steps for run in runs])}{more}"


def _range(steps: Sequence[int | None]) -> str:
    known = [count for count in steps if count is not None]
    if not known or len(known) < len(steps):
        return "-"
    least, most = min(known), max(known)
    return f"{least:,}" if least == most else f"{least:,}-{most:,}"


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
