"""The index of results, `docs/results.json`: what each trained model scores, and what is needed to believe it.

A file of rows, one a model and data set, each with its runs and its scores, one a protocol, metric and mode. A row's
scores are all of the same weights: scores of other weights replace the row. Commands write it, `index_pages.py` makes
the tables of the documentation from it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from motion_jax.config import MODES
from motion_jax.errors import UserError
from motion_jax.evaluation.report import Report, Spread
from motion_jax.runtime.files import check_writable, write_text

DECIMALS = 4  # of what is kept of a score
_LIST = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s+\]")  # of plain values, as `json.dumps` lays it out


@dataclasses.dataclass(frozen=True)
class IndexedRun:
    """One seed of a row, as its log tells. What the log does not tell is None."""

    seed: int
    weights: str  # the first 16 digits of `checkpoint.params_hash` of what was scored
    step: int  # updates that the scored weights have seen
    train_steps: int | None  # updates of the whole training; of a refit, of the second training
    selection_steps: int | None  # of a refit, updates of the training that chose the number of steps
    validated_step: int | None  # of the best validation score
    ended: str | None  # "patience" or "steps"; of a refit, how the training that chose ended
    train_seconds: float | None  # of a refit, of both
    test_minimum: dict[str, list[float | None]]  # logged error on test windows -> [K] its least value over the reports

    # `test_minimum` is no result: it is chosen on the test windows, frame by frame. Papers often print it.


@dataclasses.dataclass(frozen=True)
class Score:
    """What a row scores by one protocol, metric and mode; fields as in `Report`."""

    protocol: str
    metric: str
    mode: str
    frames: list[int]  # [K]
    milliseconds: list[float]  # [K] true
    label_ms: list[int]  # [K]
    windows: int  # an action
    missing: list[str]
    actions: dict[str, list[float | None]]  # name -> [K] means over seeds; None where a prediction was not finite
    average: list[float | None]  # [K]
    std: dict[str, Any] | None  # {"actions": ..., "average": ...} over seeds; None for a single run
    commit: str  # of the package that scored; its version outside a checkout

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells the scores of a row apart."""
        return (self.protocol, self.metric, self.mode)


@dataclasses.dataclass(frozen=True)
class Row:
    """One model on one data set."""

    model: str  # the row's name in tables
    data: dict[str, Any]  # name, key, files, frames, stride, skip_first_row
    config: dict[str, Any]  # hash of the resolved config without seed and paths; what differs from the defaults
    runs: list[IndexedRun]  # one a seed, in order; [] of a model without parameters
    parameters: int
    latency_ms: float | None  # median of a call at batch 1 on `machine`; None if not measured
    machine: dict[str, Any]  # `timing.machine` of the evaluation
    scores: list[Score]

    @property
    def key(self) -> tuple[str, str]:
        """What tells rows apart."""
        return (self.data["name"], self.model)

    @property
    def scored(self) -> tuple[dict[str, Any], list[str]]:
        """What scores must share to stand in one row: the same data, read in the same way, and the same weights."""
        return self.data, [run.weights for run in self.runs]

    def reports(self) -> list[Report]:
        """The scores, as `evaluate` and `combine` gave them but for digits."""
        data = {name: self.data[name] for name in ("name", "files", "frames", "key")}
        config = {"data": {name: self.data[name] for name in ("stride", "skip_first_row")}}
        return [
            Report(
                model=self.model,
                **{name: getattr(score, name) for name in ("mode", "protocol", "metric", "frames", "milliseconds",
                                                           "label_ms", "missing", "windows")},
                actions={action: _nans(values) for action, values in score.actions.items()},
                average=_nans(score.average),
                seeds=max(len(self.runs), 1),
                std=None if score.std is None else Spread(
                    {action: _nans(values) for action, values in score.std["actions"].items()},
                    _nans(score.std["average"])),
                config=config,
                data=data,
            )
            for score in self.scores
        ]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TaskScore:
    """What a row of a task on labelled sequences scores by one metric."""

    split: str  # "test"
    metric: str
    times: list[float]  # [K] s before the action, of what is measured at several times; else []
    values: list[float | None]  # [K], or one; means over seeds
    std: list[float | None] | None  # as `values`, over seeds; None for a single run
    examples: int
    classes: int
    commit: str  # of the package that scored; its version outside a checkout

    @property
    def key(self) -> tuple[str, str]:
        """What tells the scores of a row apart."""
        return (self.split, self.metric)


@dataclasses.dataclass(frozen=True)
class TaskRow:
    """One model of another task than forecasting, on one data set; fields as in `Row`."""

    task: str  # "recognition" | "anticipation"
    model: str
    checkpoint: str  # "best" by validation, or "last"; "" of a baseline
    data: dict[str, Any]  # name, key, files, frames
    config: dict[str, Any]  # {} of a baseline
    runs: list[IndexedRun]
    parameters: int
    latency_ms: float | None
    machine: dict[str, Any]
    scores: list[TaskScore]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells rows apart."""
        return (self.data["name"], self.model, self.task, self.checkpoint)

    @property
    def scored(self) -> tuple[dict[str, Any], list[str]]:
        """As `Row.scored`."""
        return self.data, [run.weights for run in self.runs]


AnyRow = Row | TaskRow


def score_of(report: Report, commit: str) -> Score:
    """What the index keeps of a report."""
    spread = report.std
    return Score(
        **{name: getattr(report, name) for name in ("protocol", "metric", "mode", "frames", "milliseconds", "label_ms",
                                                    "windows", "missing")},
        actions={action: rounded(values) for action, values in report.actions.items()},
        average=rounded(report.average),
        std=spread and {"actions": {action: rounded(values) for action, values in spread.actions.items()},
                        "average": rounded(spread.average)},
        commit=commit,
    )  # fmt: skip


def rounded(values: Iterable[float | None]) -> list[float | None]:
    """With `DECIMALS`; None for what is not finite."""
    return [None if value is None or not math.isfinite(value) else round(value, DECIMALS) for value in values]


def merged(rows: Sequence[AnyRow], found: Sequence[AnyRow]) -> list[AnyRow]:
    """`rows` with those that were found: new ones, and in place of what they had of the same model and data.

    Scores of the same weights that were not measured anew stay, and so does a latency.
    """
    table: dict[tuple[str, ...], Any] = {row.key: row for row in rows}
    for row in found:
        before = table.get(row.key)
        if before and before.scored == row.scored:
            scores = {score.key: score for score in (*before.scores, *row.scores)}
            row = dataclasses.replace(row, scores=list(scores.values()))
            if row.latency_ms is None:
                row = dataclasses.replace(row, latency_ms=before.latency_ms, machine=before.machine)
        table[row.key] = row
    return [table[key] for key in sorted(table)]


def write_index(rows: Sequence[AnyRow], path: str | Path) -> None:
    """Replaces the file whole or not at all: rows by data and model, keys sorted, a list of numbers a line.

    Raises `UserError` if the path cannot be written.
    """
    ordered: list[Any] = sorted(rows, key=lambda row: row.key)
    ordered = [dataclasses.replace(row, scores=sorted(row.scores, key=lambda score: score.key)) for row in ordered]
    content = {"rows": [dataclasses.asdict(row) for row in ordered]}
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    check_writable(path)  # makes the folder
    write_text(path, _LIST.sub(_on_one_line, text) + "\n")


def read_index(path: str | Path) -> list[AnyRow]:
    """What `write_index` wrote; [] if there is no such file.

    Raises:
        UserError: the file cannot be read or is no index of this version; the line is named, or the row and field.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not text") from None
    if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
        raise UserError(f'{path}: not an index of results: it must be JSON with "rows"')
    rows: dict[tuple[str, ...], AnyRow] = {}
    for number, values in enumerate(content["rows"], start=1):
        row = _row(values, f"{path}: row {number}")
        if row.key in rows:
            raise UserError(f"{path}: row {number}: model {row.model!r} on {row.key[0]!r} is there twice")
        rows[row.key] = row
    return list(rows.values())


def _row(values: Any, where: str) -> AnyRow:
    if isinstance(values, Mapping) and "task" in values:
        return _task_row(values, where)
    row = _record(Row, values, where)
    where = f"{where} ({row.model})"
    for name in ("name", "key", "files", "frames", "stride", "skip_first_row"):
        if name not in row.data:
            raise UserError(f"{where}: data.{name} is missing")
    runs = [_record(IndexedRun, run, f"{where}: run {number}") for number, run in enumerate(row.runs, start=1)]
    scores = [_score(score, f"{where}: score {number}") for number, score in enumerate(row.scores, start=1)]
    return dataclasses.replace(row, runs=runs, scores=scores)


def _task_row(values: Any, where: str) -> TaskRow:
    row = _record(TaskRow, values, where)
    where = f"{where} ({row.model})"
    for name in ("name", "key", "files", "frames"):
        if name not in row.data:
            raise UserError(f"{where}: data.{name} is missing")
    runs = [_record(IndexedRun, run, f"{where}: run {number}") for number, run in enumerate(row.runs, start=1)]
    scores = []
    for number, found in enumerate(row.scores, start=1):
        score = _record(TaskScore, found, f"{where}: score {number}")
        for name in ("values", "std"):
            numbers = getattr(score, name)
            if numbers is not None and len(numbers) != max(len(score.times), 1):
                raise UserError(f"{where}: score {number}: {name}={numbers!r}: must be a number for each time, or one")
        scores.append(score)
    return dataclasses.replace(row, runs=runs, scores=scores)


def _score(values: Any, where: str) -> Score:
    """Of as many values as frames throughout."""
    score = _record(Score, values, where)
    if score.mode not in MODES:
        raise UserError(f"{where}: mode={score.mode!r}: must be one of {', '.join(MODES)}")
    lists = {"milliseconds": score.milliseconds, "label_ms": score.label_ms, "average": score.average}
    lists |= {f"actions.{action}": found for action, found in score.actions.items()}
    if score.std is not None:
        of_actions = score.std.get("actions")
        if not isinstance(of_actions, dict) or of_actions.keys() != score.actions.keys():
            raise UserError(f"{where}: std.actions must be of the same actions as the means")
        lists |= {"std.average": score.std.get("average")}
        lists |= {f"std.actions.{action}": found for action, found in of_actions.items()}
    for name, found in lists.items():
        numbers = isinstance(found, list) and all(value is None or type(value) in (int, float) for value in found)
        if not numbers or len(found) != len(score.frames):
            raise UserError(f"{where}: {name}={found!r}: must be a number for each of {len(score.frames)} frames")
    return score


_KINDS = {"str": str, "int": int, "float": (int, float), "bool": bool, "list": list, "dict": dict, "None": type(None)}


def _record(cls: type, values: Any, where: str) -> Any:
    """A record from its fields, each of the kind that is declared."""
    if not isinstance(values, Mapping):
        raise UserError(f"{where}: {values!r}: must be a record")
    kinds = {field.name: str(field.type) for field in dataclasses.fields(cls)}
    if wrong := sorted(kinds.keys() ^ values.keys()):
        problem = "is missing" if wrong[0] in kinds else "is no field of this version"
        raise UserError(f"{where}: {wrong[0]} {problem}")
    for name, kind in kinds.items():
        wanted = [part.partition("[")[0].strip() for part in re.sub(r"\[.*\]", "", kind).split("|")]
        value = values[name]
        if not any(isinstance(value, _KINDS[one]) for one in wanted) or (type(value) is bool and "bool" not in wanted):
            raise UserError(f"{where}: {name}={value!r}: must be {' or '.join(wanted)}")
    return cls(**values)


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + re.sub(r"\n\s+", " ", match[1]) + "]"


def _nans(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]
