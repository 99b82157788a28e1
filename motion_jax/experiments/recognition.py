"""Recognition compared: runs on a split of their data beside the most frequent class, and their rows of the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from motion_jax.data.labelled.examples import Examples, count_examples, make_examples
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.errors import UserError
from motion_jax.evaluation.classification import (
    ClassificationReport,
    combine,
    confusion_matrix,
    measure,
    per_class_table,
)
from motion_jax.evaluation.index import TaskRow, TaskScore, rounded
from motion_jax.experiments.compare import checkpoint_of, score_by_name
from motion_jax.experiments.index_rows import CALLS, config_of, count_parameters, here, indexed_run
from motion_jax.inference.recogniser import Recogniser
from motion_jax.recognition import make
from motion_jax.runtime.timing import interleave
from motion_jax.train.recognition import Outputs, evaluate

MAJORITY = "Most frequent class"
_EMBEDDING_LOSSES = ("triplet",)


def compare_recognition(
    runs: Sequence[Recogniser],
    dataset: LabelledSet,
    baseline: bool = True,
    leave_out: bool = False,
    checkpoint: str = "auto",
    split: str = "test",
) -> list[ClassificationReport]:
    """A report a model and checkpoint, runs of one name averaged, and that of the baseline behind.

    Args:
        runs: trained on `dataset`.
        dataset: whose `split` is scored.
        baseline: add what answers the class that is the most frequent in training.
        leave_out: a run that cannot be scored is logged with its reason and left out; no reports if none can.
        checkpoint: which was asked for when the runs were opened.
        split: "test" or "validation".

    Raises:
        UserError: runs of one name that differ in more than the seed, other classes than the data set's, or no
            labelled segment in the split.
    """
    rows = score_by_name(runs, lambda run: score(run, dataset, checkpoint, split), checkpoint, leave_out)
    reports, whole = [combine(scores) for _, scores in rows], [run for scored, _ in rows for run in scored]
    alike = {repr(run.experiment.labels): run for run in whole} if baseline else {}
    found = {(report.examples, report.segments): report
             for report in (majority(run, dataset, split) for run in alike.values())}  # fmt: skip
    return reports + list(found.values())


def score(run: Recogniser, dataset: LabelledSet, checkpoint: str = "auto", split: str = "test") -> ClassificationReport:
    """What one run scores. Raises `UserError` as `compare_recognition`."""
    experiment = run.experiment
    if run.space.classes != dataset.classes:
        raise UserError(f"{experiment.name}: was trained on the classes {', '.join(run.space.classes)}; data set "
                        f"{dataset.name!r} has {', '.join(dataset.classes)}")  # fmt: skip
    examples = _examples(run, dataset, split)
    outputs = Outputs.of(make(experiment, run.space), experiment, experiment.train.loss in _EMBEDDING_LOSSES)
    metrics, probabilities = evaluate(outputs, run.params, examples, experiment.eval.batch)
    title = run.experiment.name, checkpoint_of(run, checkpoint), run.experiment.to_dict()
    return _report(title, dataset, split, metrics, probabilities, examples)


def majority(run: Recogniser, dataset: LabelledSet, split: str = "test") -> ClassificationReport:
    """What the frequencies of the classes in training score on the examples of `run`."""
    examples = _examples(run, dataset, split)
    counts = count_examples(dataset.split("train"), run.experiment.labels, len(dataset.classes))
    shares = np.broadcast_to(counts / counts.sum(), (len(examples.label), len(counts)))
    metrics = measure(shares, examples.label, examples.segment)
    window = run.experiment.labels.window
    name = f"{MAJORITY}, windows of {window}" if window else MAJORITY
    return _report((name, "", {}), dataset, split, metrics, shares, examples)


def _examples(run: Recogniser, dataset: LabelledSet, split: str) -> Examples:
    return make_examples(dataset.scored(split), run.space, run.experiment.labels, dataset.fps)


def _report(
    title: tuple[str, str, dict[str, Any]],
    dataset: LabelledSet,
    split: str,
    metrics: dict[str, float],
    probabilities: np.ndarray,
    examples: Examples,
) -> ClassificationReport:
    name, checkpoint, config = title
    confusion = confusion_matrix(probabilities.argmax(-1), examples.label, len(dataset.classes))
    return ClassificationReport(
        model=name,
        split=split,
        checkpoint=checkpoint,
        classes=list(dataset.classes),
        metrics=metrics,
        per_class=per_class_table(confusion, dataset.classes),
        confusion=confusion.tolist(),
        examples=len(examples.label),
        segments=examples.segments,
        seeds=1,
        std=None,
        config=config,
        data={
            "name": dataset.name,
            "key": dataset.key,
            "files": len(dataset.sequences),
            "frames": sum(sequence.frames for sequence in dataset.sequences),
        },
    )


def recognition_rows(
    runs: Sequence[Recogniser], reports: Sequence[ClassificationReport], latency: bool = True
) -> list[TaskRow]:
    """A row of the index for each report.

    Args:
        runs: what was scored, on one data set.
        reports: of `compare_recognition`, which left none of the runs out.
        latency: measure a call of each row's first run at batch 1.
    """
    code, machine = here()
    rows = []
    for report in reports:
        seeds = [run for run in runs if run.experiment.name == report.model]
        seeds = sorted(seeds, key=lambda run: run.experiment.train.seed)
        names = list(report.metrics)
        scores = [
            TaskScore(
                split=report.split,
                metric=name,
                times=[],
                values=rounded([report.metrics[name]]),
                std=rounded([report.std[name]]) if report.std else None,
                examples=report.examples,
                classes=len(report.classes),
                commit=code,
            )
            for name in names
        ]
        rows.append(
            TaskRow(
                task="recognition",
                model=report.model,
                checkpoint=report.checkpoint,
                data=report.data,
                config=config_of(seeds[0].experiment, trained=True) if seeds else {},
                runs=[indexed_run(run) for run in seeds],
                parameters=count_parameters(seeds[0].params) if seeds else 0,
                latency_ms=round(measure_latency(seeds[0]), 3) if latency and seeds else None,
                machine=machine,
                scores=scores,
            )
        )
    return rows


def measure_latency(run: Recogniser) -> float:
    """Median ms of `CALLS` calls for one sequence of the usual length; compiling is not counted."""
    frames = np.zeros((1, run.window(), run.space.width), np.float32)
    samples = interleave({"call": lambda: run(frames)}, {"call": 1}, seconds=0, least=CALLS)
    return samples["call"].summary()["median_ms"]
