"""Anticipation compared: runs on a split of their data set, and beside them what sees no motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from motion_jax.anticipation.baselines import Markov, frequencies
from motion_jax.data.labelled.observations import observe
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.errors import UserError
from motion_jax.evaluation.anticipation import AnticipationReport, combine, measure
from motion_jax.inference.anticipator import TrainedAnticipator

MARKOV = "What usually follows (Markov)"
MAJORITY = "Most frequent"
CHANCE = "Chance"


def compare_anticipation(
    runs: Sequence[TrainedAnticipator], dataset: LabelledSet, split: str = "test"
) -> list[AnticipationReport]:
    """A report a model, runs of one name averaged, and those of the baselines behind.

    Args:
        runs: of one data set and one clock.
        dataset: theirs.
        split: what is scored; the baselines count on "train".

    Raises:
        UserError: runs of different clocks or classes, or no segment of the split can be observed.
    """
    first = runs[0]
    for run in runs:
        if run.clock != first.clock or run.space.classes != dataset.classes:
            raise UserError(f"{run.experiment.name}: its times or classes are not those of {first.experiment.name}")
    named: dict[str, list[AnticipationReport]] = {}
    for run in runs:
        labels = run.experiment.labels
        seen = observe(dataset.split(split), run.clock, run.space, labels, dataset.fps)
        values = measure(run(seen.inputs), seen.label, dataset.components)
        found = _report(run.experiment.name, values, run, dataset, split, (len(seen.label), seen.left_out))
        named.setdefault(run.experiment.name, []).append(found)
    return [combine(reports) for reports in named.values()] + _baselines(first, dataset, split)


def _baselines(run: TrainedAnticipator, dataset: LabelledSet, split: str) -> list[AnticipationReport]:
    labels, classes = run.experiment.labels, len(dataset.classes)
    training = observe(dataset.split("train"), run.clock, run.space, labels, dataset.fps)
    seen = observe(dataset.split(split), run.clock, run.space, labels, dataset.fps)
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
        data={"name": dataset.name, "key": dataset.key},
    )
