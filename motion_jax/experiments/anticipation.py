"""Anticipation compared: runs on a split of their data set, and beside them what sees no motion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from motion_jax.anticipation.baselines import Markov, frequencies
from motion_jax.data.labelled.observations import observe
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.errors import UserError
from motion_jax.evaluation.anticipation import AnticipationReport, combine, measure
from motion_jax.evaluation.index import TaskRow, TaskScore, rounded
from motion_jax.experiments.compare import checkpoint_of, score_by_name
from motion_jax.experiments.index_rows import CALLS, config_of, count_parameters, here, indexed_run
from motion_jax.inference.anticipator import TrainedAnticipator
from motion_jax.runtime.timing import interleave

MARKOV = "What usually follows (Markov)"
MAJORITY = "Most frequent"
CHANCE = "Chance"


def compare_anticipation(
    runs: Sequence[TrainedAnticipator],
    dataset: LabelledSet,
    baseline: bool = True,
    leave_out: bool = False,
    checkpoint: str = "auto",
    split: str = "test",
) -> list[AnticipationReport]:
    """A report a model and checkpoint, runs of one name averaged, and those of the baselines behind.

    Args:
        runs: of one data set and one clock.
        dataset: theirs.
        baseline: add the baselines.
        leave_out: a run that cannot be scored is logged with its reason and left out; no reports if none can.
        checkpoint: which was asked for when the runs were opened.
        split: what is scored; the baselines count on "train".

    Raises:
        UserError: runs of different clocks or classes, runs of one name that differ in more than the seed, or no
            segment of the split can be observed.
    """
    rows = score_by_name(runs, lambda run: _score(run, runs[0], dataset, split, checkpoint), checkpoint, leave_out)
    reports = [combine(scores) for _, scores in rows]
    return reports + (baselines(rows[0][0][0], dataset, split) if baseline and rows else [])


def _score(
    run: TrainedAnticipator, first: TrainedAnticipator, dataset: LabelledSet, split: str, checkpoint: str
) -> AnticipationReport:
    if run.clock != first.clock or run.space.classes != dataset.classes:
        raise UserError(f"{run.experiment.name}: its times or classes are not those of {first.experiment.name}: "
                        f"score runs of another model.alpha, anticipation or mode by themselves")  # fmt: skip
    seen = observe(dataset.scored(split), run.clock, run.space, run.experiment.labels, dataset.fps)
    values = measure(run(seen.inputs), seen.label, dataset.components)
    report = _report(run.experiment.name, values, run, dataset, split, (len(seen.label), seen.left_out))
    return dataclasses.replace(report, checkpoint=checkpoint_of(run, checkpoint))


def baselines(run: TrainedAnticipator, dataset: LabelledSet, split: str = "test") -> list[AnticipationReport]:
    """What usually follows, the most frequent class and chance, on the observations that a run is scored on."""
    labels, classes = run.experiment.labels, len(dataset.classes)
    training = observe(dataset.split("train"), run.clock, run.space, labels, dataset.fps)
    seen = observe(dataset.scored(split), run.clock, run.space, labels, dataset.fps)
    shape = (*seen.current.shape, classes)
    rows = {
        MARKOV: Markov.of(training, classes).probabilities(seen.current),
        MAJORITY: np.broadcast_to(frequencies(training.label, classes), shape),
        CHANCE: np.full(shape, 1 / classes),
    }
    counts = len(seen.label), seen.left_out
    return [
        _report(name, measure(p, seen.label, dataset.components), None, dataset, split, counts, run)
        for name, p in rows.items()
    ]


def _report(
    name: str,
    values: dict[str, list[float]],
    run: TrainedAnticipator | None,
    dataset: LabelledSet,
    split: str,
    counts: tuple[int, int],
    clock_of: TrainedAnticipator | None = None,
) -> AnticipationReport:
    timed = run or clock_of
    assert timed
    examples, left_out = counts
    return AnticipationReport(
        model=name,
        split=split,
        times=list(timed.clock.times),
        within=timed.clock.within,
        classes=list(dataset.classes),
        metrics=values,
        examples=examples,
        left_out=left_out,
        seeds=1,
        std=None,
        config=run.experiment.to_dict() if run else {},
        data={
            "name": dataset.name,
            "key": dataset.key,
            "files": len(dataset.sequences),
            "frames": sum(sequence.frames for sequence in dataset.sequences),
        },
    )


def anticipation_rows(
    runs: Sequence[TrainedAnticipator], reports: Sequence[AnticipationReport], latency: bool = True
) -> list[TaskRow]:
    """A row of the index for each report; with `latency` a call of each row's first run at batch 1 is measured."""
    code, machine = here()
    rows = []
    for report in reports:
        seeds = sorted((run for run in runs if run.experiment.name == report.model),
                       key=lambda run: run.experiment.train.seed)  # fmt: skip
        scores = [
            TaskScore(
                split=report.split,
                metric=name,
                times=list(report.times),
                values=rounded(values),
                std=rounded(report.std[name]) if report.std else None,
                examples=report.examples,
                classes=len(report.classes),
                commit=code,
            )
            for name, values in report.metrics.items()
        ]
        rows.append(
            TaskRow(
                task="anticipation",
                model=report.model,
                checkpoint=report.checkpoint,
                data=report.data,
                config=config_of(seeds[0].experiment, trained=True) if seeds else {},
                runs=[indexed_run(run) for run in seeds],
                parameters=count_parameters(seeds[0].params) if seeds else 0,
                latency_ms=round(_latency(seeds[0]), 3) if latency and seeds else None,
                machine=machine,
                scores=scores,
            )
        )
    return rows


def _latency(run: TrainedAnticipator) -> float:
    """Median ms of a call for one observation; compiling is not counted."""
    inputs = tuple(np.zeros((1, run.clock.steps, width), np.float32) for width in run.space.widths)
    samples = interleave({"call": lambda: run(inputs)}, {"call": 1}, seconds=0, least=CALLS)
    return samples["call"].summary()["median_ms"]
