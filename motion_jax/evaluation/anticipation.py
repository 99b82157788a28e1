"""Anticipation's metrics, by anticipation time: top-1, top-5, mean top-5 recall, of actions and of verbs and nouns.

And their report: one record a row of the table, the mean over several runs, as JSON for programs.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.data.labelled.sequences import Component
from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, write_text
from motion_jax.runtime.names import csv_text, in_markdown


def chance_within(scores: np.ndarray, label: np.ndarray, k: int) -> np.ndarray:
    """`[M, A]` the probability that the true class is among the k highest of `scores` `[M, A, C]`: 0 or 1.

    Where classes tie with the true one at the border, what drawing lots among them would give: so equal scores have
    accuracy k / C.
    """
    true = np.take_along_axis(scores, label[:, None, None], axis=-1)
    higher, equal = (scores > true).sum(-1), (scores == true).sum(-1)
    return np.clip((k - higher) / equal, 0, 1)


def top(k: int, scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """`[A]` share of examples whose class is among the k highest scores."""
    return chance_within(scores, label, k).mean(0)


def mean_recall(k: int, scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """`[A]` the same share among the examples of a class, mean over the classes that occur (Furnari et al. 2018)."""
    found = chance_within(scores, label, k)
    return np.mean([found[label == number].mean(0) for number in np.unique(label)], axis=0)


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "top1": lambda scores, label: top(1, scores, label),
    "top5": lambda scores, label: top(5, scores, label),
    "mean_top5_recall": lambda scores, label: mean_recall(5, scores, label),
}
"""Of scores `[M, A, C]` and labels `[M]`, `[A]` each; the higher the better."""
TITLES = {"top1": "top-1", "top5": "top-5", "mean_top5_recall": "mean top-5 recall"}


PARTS = ("verb", "noun")


def names() -> tuple[str, ...]:
    """Of all metrics that `measure` may give, in the order of tables."""
    return (*METRICS, *(f"{part}_{name}" for part in PARTS for name in METRICS))


def title(name: str) -> str:
    """How a table calls a metric: "Verb mean top-5 recall"."""
    part, _, bare = name.partition("_") if name.startswith(PARTS) else ("", "", name)
    return f"{part} {TITLES[bare]}".strip().capitalize()


def softmax(scores: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def marginal(probabilities: np.ndarray, components: Sequence[Component], part: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[..., W]` of the words at `part` ("verb" | "noun"), by summing those of actions `[..., C]`.

    Also returns `[C]`, the number of each action's word; words are in the order of the alphabet.
    """
    words, number = np.unique([getattr(component, part) for component in components], return_inverse=True)
    return probabilities @ np.eye(len(words))[number], number


def measure(
    probabilities: np.ndarray, label: np.ndarray, components: Sequence[Component] = ()
) -> dict[str, list[float]]:
    """Every metric by its name, `[A]` each; where classes have components, those of "verb_..." and "noun_..." too."""
    found = {name: metric(probabilities, label).tolist() for name, metric in METRICS.items()}
    for part in PARTS if components else ():
        summed, number = marginal(probabilities, components, part)
        found |= {f"{part}_{name}": metric(summed, number[label]).tolist() for name, metric in METRICS.items()}
    return found


@dataclasses.dataclass(frozen=True)
class AnticipationReport:
    """What one model, or a baseline, scores on one split."""

    model: str  # the row's name
    split: str  # "test"
    times: list[float]  # [A] s before the action begins; of early recognition the share of it that has been seen
    within: bool  # early recognition
    classes: list[str]
    metrics: dict[str, list[float]]  # name -> [A]
    examples: int  # M
    left_out: int  # segments with too little before them
    seeds: int  # runs that were averaged
    std: dict[str, list[float]] | None  # sample standard deviation of the runs; None for a single one
    config: dict[str, Any]  # the resolved experiment; {} of a baseline
    data: dict[str, Any]  # name and key
    task: str = "anticipation"
    checkpoint: str = ""  # "best" by validation, or "last"; "" of a baseline
    frames: list[int] = dataclasses.field(default_factory=list)  # as in reports of forecasting: there are none


def combine(reports: Sequence[AnticipationReport]) -> AnticipationReport:
    """Mean and sample standard deviation of several runs of one model.

    Raises `UserError` where they differ in data, times, classes or checkpoint.
    """
    first = reports[0]
    if len(reports) == 1:
        return first

    def scored(report: AnticipationReport) -> tuple[Any, ...]:
        return report.data, report.times, report.examples, report.classes, report.checkpoint

    if any(scored(report) != scored(first) for report in reports):
        raise UserError(
            f"reports: runs of {first.model!r} differ in data, times, classes or checkpoint; they do not average"
        )
    stacked = {name: np.array([r.metrics[name] for r in reports]) for name in first.metrics}
    return dataclasses.replace(
        first,
        metrics={name: values.mean(0).tolist() for name, values in stacked.items()},
        std={name: values.std(0, ddof=1).tolist() for name, values in stacked.items()},
        seeds=len(reports),
    )


def table(reports: Sequence[AnticipationReport]) -> str:
    """For each data set and its times a table in Markdown for each metric, and below them what was scored.

    A row is a model, a column an anticipation time; percent.
    """
    groups: dict[str, list[AnticipationReport]] = {}
    for report in reports:
        alike = (report.data, report.split, report.times, report.within, report.examples, list(report.metrics))
        groups.setdefault(repr(alike), []).append(report)
    return "\n\n".join(f"{_tables(group)}\n\n{_describe(group[0])}" for group in groups.values())


def _tables(reports: Sequence[AnticipationReport]) -> str:
    first, parts = reports[0], []
    heads = [f"{time:.1%} seen" if first.within else f"{time:g} s" for time in first.times]
    for name in first.metrics:
        lines = [f"| {title(name)}, % | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
        for report in reports:
            spread = report.std[name] if report.std else [None] * len(heads)
            cells = [f"{100 * mean:.1f}" + (f" ± {100 * std:.1f}" if std is not None else "")
                     for mean, std in zip(report.metrics[name], spread, strict=True)]  # fmt: skip
            last = ", last" if report.checkpoint == "last" else ""  # others are those that validation chose
            lines.append(f"| {in_markdown(report.model)}{last} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _describe(report: AnticipationReport) -> str:
    left = f"; {report.left_out} with too little before them are left out" if report.left_out else ""
    name = in_markdown(report.data["name"])
    return f"{name}, {report.split}: {report.examples} segments of {len(report.classes)} classes{left}."


def write_json(reports: Sequence[AnticipationReport], path: str | Path) -> None:
    """`{"reports": [...]}` with the fields of `AnticipationReport`. Raises `UserError` if it cannot be written."""
    content = {"reports": [dataclasses.asdict(report) for report in reports]}
    check_writable(path)
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> list[AnticipationReport]:
    """What `write_json` wrote. Raises `UserError` where it is something else."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))["reports"]
        return [AnticipationReport(**value) for value in values]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a file of anticipation reports: {error}") from None


def write_csv(reports: Sequence[AnticipationReport], path: str | Path) -> None:
    """One line a report, metric and time. Raises `UserError` if it cannot be written."""
    rows: list[tuple[Any, ...]] = [
        ("model", "split", "checkpoint", "metric", "data", "time", "value", "std", "examples", "seeds")
    ]
    for report in reports:
        for name, values in report.metrics.items():
            spread = report.std[name] if report.std else [""] * len(values)
            for time, value, std in zip(report.times, values, spread, strict=True):
                row = (report.model, report.split, report.checkpoint, name, report.data["name"], time, value, std)
                rows.append((*row, report.examples, report.seeds))
    check_writable(path)
    write_text(path, csv_text(rows))


def write_markdown(reports: Sequence[AnticipationReport], path: str | Path) -> None:
    """The tables. Raises `UserError` if they cannot be written."""
    check_writable(path)
    write_text(path, table(reports) + "\n")
