"""Classification: metrics of scores and labels, and the report of a recogniser.

Of scores `[M, C]`, the higher the likelier, and labels `[M]`. What a classifier answers is its highest score, of equal
ones the first. Values are shares, from 0 to 1, but for the log loss.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from motion_jax.errors import UserError
from motion_jax.runtime.files import check_writable, write_text
from motion_jax.runtime.names import csv_text, in_markdown

TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "top3_accuracy": "top-3",
    "top5_accuracy": "top-5",
    "segment_accuracy": "accuracy of segments",
    "log_loss": "log loss",
    "recall_at_1": "recall@1",
    "mean_average_precision": "mAP",
}
"""The metrics of a report, by name; the last two where embeddings are measured."""
LOWER_IS_BETTER = ("log_loss",)
EMBEDDED = ("recall_at_1", "mean_average_precision")
TOPS = (3, 5)


class PerClass(NamedTuple):
    """What each class scores, `[C]`; 0 where nothing can be divided by."""

    precision: np.ndarray  # of what was called the class, the share that is of it
    recall: np.ndarray  # of what is of the class, the share that was called it
    f1: np.ndarray  # their harmonic mean
    support: np.ndarray  # how many are of the class


def confusion_matrix(answers: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """`[C, C]`: how many of true class (row) were called what (column)."""
    return np.bincount(label * classes + answers, minlength=classes**2).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> float:
    """The share of right answers."""
    return float(np.trace(confusion) / confusion.sum())


def balanced_accuracy(confusion: np.ndarray) -> float:
    """The mean recall of the classes that occur."""
    found = per_class(confusion)
    return float(found.recall[found.support > 0].mean())


def macro_f1(confusion: np.ndarray) -> float:
    """The mean F1 of the classes that occur or are answered."""
    known = (confusion.sum(0) + confusion.sum(1)) > 0
    return float(per_class(confusion).f1[known].mean())


def per_class(confusion: np.ndarray) -> PerClass:
    """Precision, recall, F1 and support of each class."""
    right, answered, support = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    return PerClass(
        right / np.maximum(answered, 1),
        right / np.maximum(support, 1),
        2 * right / np.maximum(answered + support, 1),
        support,
    )


def top_k(scores: np.ndarray, label: np.ndarray, k: int) -> float:
    """The share of examples whose class is among the k highest scores.

    Where others tie with it at the border, what drawing lots among them would give: equal scores have k / C.
    """
    true = np.take_along_axis(scores, label[:, None], axis=-1)
    higher, equal = (scores > true).sum(-1), (scores == true).sum(-1)
    return float(np.clip((k - higher) / equal, 0, 1).mean())


def log_loss(probabilities: np.ndarray, label: np.ndarray) -> float:
    """The mean of -log p of the true class, nats; p at least 1e-12."""
    true = np.take_along_axis(probabilities, label[:, None], axis=-1)
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def retrieval(embeddings: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Recall@1 and mean average precision: each example asks for the others of its class, nearest first.

    recall_at_1: the share of examples whose nearest other is of their class. mean_average_precision: the mean, over
    examples, of the mean precision at the ranks of the others of the class. Distances are Euclidean; examples that are
    alone in their class do not ask. nan where none asks.

    Args:
        embeddings: `[M, E]`.
        label: `[M]`.
    """
    places = np.asarray(embeddings, np.float64)
    nearest, precisions = [], []
    for number in range(len(places)):
        distance = ((places - places[number]) ** 2).sum(-1)
        order = np.argsort(distance, kind="stable")
        others = order[order != number]
        relevant = label[others] == label[number]
        if relevant.any():
            nearest.append(relevant[0])
            ranks = np.flatnonzero(relevant) + 1
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
    if not nearest:
        return dict.fromkeys(EMBEDDED, float("nan"))
    return {"recall_at_1": float(np.mean(nearest)), "mean_average_precision": float(np.mean(precisions))}


def of_segments(probabilities: np.ndarray, label: np.ndarray, segment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[S, C]` and labels `[S]` of segments: the mean over the examples of each.

    Args:
        probabilities: `[M, C]`.
        label: `[M]`, the same throughout a segment.
        segment: `[M]` which segment an example shows.
    """
    _, first, number, count = np.unique(segment, return_index=True, return_inverse=True, return_counts=True)
    total = np.zeros((len(first), probabilities.shape[1]))
    np.add.at(total, number, probabilities)
    return total / count[:, None], label[first]


def measure(
    probabilities: np.ndarray, label: np.ndarray, segment: np.ndarray, embeddings: np.ndarray | None = None
) -> dict[str, float]:
    """The metrics of `TITLES` by name; those of retrieval only of embeddings.

    Args:
        probabilities: `[M, C]`.
        label: `[M]`.
        segment: `[M]` which segment an example shows.
        embeddings: `[M, E]` or None.
    """
    classes = probabilities.shape[1]
    confusion = confusion_matrix(probabilities.argmax(-1), label, classes)
    whole, truth = of_segments(probabilities, label, segment)
    return {
        "accuracy": accuracy(confusion),
        "balanced_accuracy": balanced_accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        **{f"top{k}_accuracy": top_k(probabilities, label, k) for k in TOPS},
        "segment_accuracy": float((whole.argmax(-1) == truth).mean()),
        "log_loss": log_loss(probabilities, label),
        **({} if embeddings is None else retrieval(embeddings, label)),
    }


@dataclasses.dataclass(frozen=True)
class ClassificationReport:
    """What one recogniser, or a baseline, scores on one split."""

    model: str  # the row's name
    split: str  # "test"
    checkpoint: str  # "best" by validation, or "last"; "" of a baseline
    classes: list[str]  # [C]
    metrics: dict[str, float]  # name -> value, see `TITLES`
    per_class: dict[str, dict[str, float]]  # class -> precision, recall, f1, support
    confusion: list[list[int]]  # [C][C] of true class (row) how many were called what (column), over all seeds
    examples: int  # windows, or whole segments
    segments: int
    seeds: int  # runs that were averaged
    std: dict[str, float] | None  # of the metrics, over runs: sample standard deviation; None for a single one
    config: dict[str, Any]  # the resolved experiment; {} of a baseline
    data: dict[str, Any]  # name, key, files, frames
    task: str = "recognition"
    frames: list[int] = dataclasses.field(default_factory=list)  # as in reports of forecasting: there are none


def per_class_table(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """`ClassificationReport.per_class`."""
    columns = per_class(confusion)._asdict()
    return {name: {metric: float(values[number]) for metric, values in columns.items()}
            for number, name in enumerate(classes)}  # fmt: skip


def combine(reports: Sequence[ClassificationReport]) -> ClassificationReport:
    """Mean and sample standard deviation of several runs of one model; confusion is summed, classes are of the sum.

    Raises:
        UserError: no reports, or runs that differ in data, classes, examples or checkpoint.
    """
    if not reports:
        raise UserError("reports: no runs to combine")
    first = reports[0]
    if len(reports) == 1:
        return first

    def terms(report: ClassificationReport) -> tuple[Any, ...]:
        return (report.data, report.classes, report.examples, report.split, report.checkpoint, list(report.metrics))

    if any(terms(report) != terms(first) for report in reports):
        raise UserError(
            f"reports: runs of {first.model!r} differ in data, classes, examples or checkpoint; they do not average"
        )
    stacked = {name: np.array([report.metrics[name] for report in reports]) for name in first.metrics}
    confusion = np.sum([report.confusion for report in reports], axis=0)
    return dataclasses.replace(
        first,
        metrics={name: float(values.mean()) for name, values in stacked.items()},
        std={name: float(values.std(ddof=1)) for name, values in stacked.items()},
        confusion=confusion.tolist(),
        per_class=per_class_table(confusion, first.classes),
        seeds=len(reports),
    )


def write_json(reports: Sequence[ClassificationReport], path: str | Path) -> None:
    """`{"reports": [...]}` with the fields of the report. Raises `UserError` if the path cannot be written."""
    content = {"reports": [dataclasses.asdict(report) for report in reports]}
    check_writable(path)
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> list[ClassificationReport]:
    """What `write_json` wrote. Raises `UserError` if the file is missing or is something else."""
    try:
        return [ClassificationReport(**values) for values in json.loads(Path(path).read_text("utf-8"))["reports"]]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: not a report of recognition of this version") from None


COLUMNS = ("model", "task", "data", "split", "checkpoint", "metric", "class", "value", "std", "examples", "seeds")


def write_csv(reports: Sequence[ClassificationReport], path: str | Path) -> None:
    """One line a number, with `COLUMNS` as header; `class` is empty where a metric is of all.

    Raises `UserError` if the path cannot be written.
    """
    rows: list[tuple[Any, ...]] = [COLUMNS]
    for report in reports:
        whose = (report.model, report.task, report.data["name"], report.split, report.checkpoint)
        counts = (report.examples, report.seeds)
        for name, value in report.metrics.items():
            rows.append((*whose, name, "", value, (report.std or {}).get(name, ""), *counts))
        for label, values in report.per_class.items():
            rows.extend((*whose, name, label, value, "", *counts) for name, value in values.items())
    check_writable(path)
    write_text(path, csv_text(rows))


def cell(name: str, value: float, std: float | None) -> str:
    """A metric as tables have it: percent, but for the log loss."""
    scale, digits = (1, 3) if name in LOWER_IS_BETTER else (100, 1)
    return f"{scale * value:.{digits}f}" + (f" ± {scale * std:.{digits}f}" if std is not None else "")


def rows_of(reports: Sequence[ClassificationReport]) -> list[list[str]]:
    """Heading and a line a report, as cells; "-" where a report lacks a metric."""
    names = [name for name in TITLES if any(name in report.metrics for report in reports)]
    lines = [["model", *(TITLES[name] + ("" if name in LOWER_IS_BETTER else ", %") for name in names)]]
    for report in reports:
        seeds = "" if report.seeds == 1 else f" (mean ± std of {report.seeds} runs)"
        title = report.model + (f", {report.checkpoint}" if report.checkpoint else "") + seeds
        spread = report.std or {}
        lines.append([title, *(cell(name, report.metrics[name], spread.get(name)) if name in report.metrics else "-"
                               for name in names)])  # fmt: skip
    return lines


def text_table(reports: Sequence[ClassificationReport]) -> str:
    """The metrics, lined up for a terminal."""
    lines = rows_of(reports)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    return "\n".join("  ".join(line) for line in padded)


def markdown(reports: Sequence[ClassificationReport]) -> str:
    """Metrics, then of each model its classes and its confusion matrix."""
    parts = [
        "# Recognition",
        describe(reports[0]),
        markdown_table([[in_markdown(text) for text in line] for line in rows_of(reports)]),
    ]
    for report in reports:
        if not report.config:
            continue
        lines = [["class", "precision, %", "recall, %", "F1, %", "support"]]
        for name, values in report.per_class.items():
            numbers = [f"{100 * values[metric]:.1f}" for metric in ("precision", "recall", "f1")]
            lines.append([in_markdown(name), *numbers, f"{values['support']:.0f}"])
        classes = list(map(in_markdown, report.classes))
        matrix = [["true class", *classes]]
        matrix += [[name, *map(str, row)] for name, row in zip(classes, report.confusion, strict=True)]
        parts += [f"## {in_markdown(report.model)}", markdown_table(lines), "How many of each class were called what:",
                  markdown_table(matrix)]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def write_markdown(reports: Sequence[ClassificationReport], path: str | Path) -> None:
    """The tables of `markdown`. Raises `UserError` if the path cannot be written."""
    check_writable(path)
    write_text(path, markdown(reports))


def describe(report: ClassificationReport) -> str:
    """What a table is of."""
    data, kind = report.data, "windows" if report.examples > report.segments else "whole segments"
    text = (f"{data['name']}, {report.split}: {report.examples} examples ({kind}) of {report.segments} segments, "
            f"{len(report.classes)} classes.")  # fmt: skip
    return text + (" Synthetic motion: these numbers say nothing about people." if data["name"].startswith("synthetic")
                   else "")  # fmt: skip


def markdown_table(lines: list[list[str]]) -> str:
    """Of a heading and lines."""
    rule = ["---", *["---:"] * (len(lines[0]) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])
