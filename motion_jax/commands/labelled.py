"""Labelled tasks: what training, evaluation and sweeps need of a task on labelled sequences, in one record."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from motion_jax.config import Experiment
from motion_jax.data.labelled.open import open_labelled
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.evaluation import anticipation as anticipation_reports
from motion_jax.evaluation import classification
from motion_jax.evaluation.index import TaskRow
from motion_jax.experiments.anticipation import anticipation_rows, baselines, compare_anticipation
from motion_jax.experiments.recognition import compare_recognition, majority, recognition_rows
from motion_jax.experiments.sweep import Run
from motion_jax.inference.anticipator import load_anticipator
from motion_jax.inference.recogniser import load_recogniser
from motion_jax.train import anticipation, recognition
from motion_jax.visualize.confusion import confusion_picture

Reports = list[Any]  # of one task


class Fit(Protocol):
    """Trains into a folder; with curves for TensorBoard if `board`. Returns the steps done."""

    def __call__(self, experiment: Experiment, dataset: LabelledSet, workdir: Path, board: bool = False, /) -> int: ...  # noqa: D102


class Compare(Protocol):
    """Reports of runs on a split of `dataset`, seeds averaged; then those of baselines, if asked for."""

    def __call__(  # noqa: D102
        self, runs: Sequence[Any], dataset: LabelledSet, baseline: bool, leave_out: bool, checkpoint: str, split: str, /
    ) -> Reports: ...


class LabelledTask(NamedTuple):
    """A task on labelled sequences. A run has `params`, `experiment`, `space`, `step` and `workdir`."""

    fit: Fit
    load: Callable[[Path, str], Any]  # (folder of a run, checkpoint) -> a run
    compare: Compare
    baselines: Callable[[Any, LabelledSet], Reports]  # of the examples that a run is scored on
    combine: Callable[[Sequence[Any]], Any]  # of several seeds
    text: Callable[[Sequence[Any]], str]  # for the terminal
    write_json: Callable[[Sequence[Any], Path | str], None]
    read_json: Callable[[Path | str], Reports]
    write_csv: Callable[[Sequence[Any], Path | str], None]
    write_markdown: Callable[[Sequence[Any], Path | str], None]
    draw: Callable[[Sequence[Any], Path | str], None] | None  # a picture of the reports
    index_rows: Callable[[Sequence[Any], Reports, bool], list[TaskRow]]  # of runs and their reports; with latency


def _text(reports: Sequence[classification.ClassificationReport]) -> str:
    described = dict.fromkeys(map(classification.describe, reports))
    return "\n".join([classification.text_table(reports), "", *described])


LABELLED_TASKS: dict[str, LabelledTask] = {
    "recognition": LabelledTask(
        fit=recognition.fit,
        load=load_recogniser,
        compare=compare_recognition,
        baselines=lambda run, dataset: [majority(run, dataset)],
        combine=classification.combine,
        text=_text,
        write_json=classification.write_json,
        read_json=classification.read_json,
        write_csv=classification.write_csv,
        write_markdown=classification.write_markdown,
        draw=confusion_picture,
        index_rows=recognition_rows,
    ),
    "anticipation": LabelledTask(
        fit=anticipation.fit,
        load=load_anticipator,
        compare=compare_anticipation,
        baselines=baselines,
        combine=anticipation_reports.combine,
        text=anticipation_reports.table,
        write_json=anticipation_reports.write_json,
        read_json=anticipation_reports.read_json,
        write_csv=anticipation_reports.write_csv,
        write_markdown=anticipation_reports.write_markdown,
        draw=None,
        index_rows=anticipation_rows,
    ),
}
"""By `ModelConfig.TASK`."""


class Labelled:
    """The procedure of a sweep over runs of a labelled task. Each data set is opened once."""

    def __init__(self, task: LabelledTask) -> None:
        self._task = task
        self._open = functools.cache(open_labelled)
        self.read_json, self.write_json = task.read_json, task.write_json

    def data_key(self, experiment: Experiment) -> str:
        """Of the data set."""
        return self._dataset(experiment).key

    def train_and_score(self, run: Run) -> Reports:
        """`fit`, and what was trained on the test split."""
        dataset = self._dataset(run.experiment)
        self._task.fit(run.experiment, dataset, run.folder)
        return self._task.compare([self._task.load(run.folder, "auto")], dataset, False, False, "auto", "test")

    def baseline(self, run: Run) -> Reports:
        """What all members are compared with."""
        return self._task.baselines(self._task.load(run.folder, "auto"), self._dataset(run.experiment))

    def combine(self, reports: Sequence[Reports]) -> Reports:
        """Reports of the seeds of a member, to one for each that a run has."""
        return [self._task.combine(seeds) for seeds in zip(*reports, strict=True)]

    def _dataset(self, experiment: Experiment) -> LabelledSet:
        return self._open(experiment.data, experiment.labels)
