"""A model beside the baseline that it must beat, on the same windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from absl import logging

from motion_jax.config import MODES, model_config
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import evaluate
from motion_jax.evaluation.report import Report, combine
from motion_jax.inference.predictor import Predictor
from motion_jax.train.workdir import Workdir, flatten
from motion_jax.types import Dataset

RunT = TypeVar("RunT", bound=Any)
ReportT = TypeVar("ReportT")

ZERO_VELOCITY = "zero_velocity"  # its key among the models
MAY_DIFFER = ("train.seed", "data.root", "data.cache")  # between seeds of one row


def compare(
    runs: Sequence[Predictor],
    dataset: Dataset,
    modes: Sequence[str] = MODES,
    baseline: bool = True,
    leave_out: bool = False,
) -> list[Report]:
    """One report a row, mode, protocol and metric: rows in the order given, then zero-velocity.

    Args:
        runs: trained models. Those of one name are seeds of one row: their mean and deviation are reported.
        dataset: whose test clips are scored.
        modes: of `config.MODES`.
        baseline: score zero-velocity too, unless the first model is zero-velocity, on whatever a run is measured on.
        leave_out: a run that cannot be scored is logged with its reason and left out; no reports if none can.

    Raises:
        UserError: no runs, runs of one name that differ in more than the seed, or what `evaluate` and `combine` refuse.
    """
    if not runs:
        raise UserError("compare: no runs to score")
    rows = [[run for run in runs if run.experiment.name == name]
            for name in dict.fromkeys(run.experiment.name for run in runs)]  # fmt: skip
    for row in rows:
        check_seeds(row)
    reports: list[Report] = []
    whole: list[Predictor] = []
    for row in rows:
        scores = []
        for run in row:
            try:
                scores.append(_score(run, dataset, modes))
                whole.append(run)
            except UserError as error:
                if not leave_out:
                    raise
                logging.warning("left out: %s, seed %d: %s", run.experiment.name, run.experiment.train.seed, error)
        reports += combine(scores) if scores else []
    if baseline and whole and whole[0].experiment.model.name != ZERO_VELOCITY:
        reports += _baselines(whole, dataset, modes)
    return reports


def _baselines(runs: Sequence[Predictor], dataset: Dataset, modes: Sequence[str]) -> list[Report]:
    """Zero-velocity once on each kind of window, horizon and metric that the runs are measured on."""
    alike: dict[tuple, Predictor] = {}
    for run in runs:
        body = run.space.skeleton  # of positions, there are no angles to measure
        alike.setdefault((run.experiment.eval, run.target_length, run.experiment.data.stride, body.positions), run)
    found: dict[tuple, Report] = {}
    for run in alike.values():
        for report in _score(zero_velocity(run), dataset, modes):
            found.setdefault((*report.row, *report.frames, *report.milliseconds), report)
    return list(found.values())


def checkpoint_of(run: Any, asked: str) -> str:
    """Which of its run's checkpoints a loaded run holds, that was opened by `asked`: "best" or "last"; "": of none."""
    if run.workdir is None:
        return ""
    chosen = asked != "last" and (Workdir(run.workdir).best / str(run.step)).is_dir()
    return "best" if chosen else "last"


def score_by_name(
    runs: Sequence[RunT], score: Callable[[RunT], ReportT], checkpoint: str, leave_out: bool
) -> list[tuple[list[RunT], list[ReportT]]]:
    """Of each name and checkpoint, in the order given, the runs that could be scored and what they score.

    Args:
        runs: trained. Those of one name are seeds of one row.
        score: of a run.
        checkpoint: which was asked for when the runs were opened.
        leave_out: a run that cannot be scored is logged with its reason and left out.

    Raises:
        UserError: runs of one name that differ in more than the seed, or one that cannot be scored.
    """
    named: dict[tuple[str, str], list[RunT]] = {}
    for run in runs:
        named.setdefault((run.experiment.name, checkpoint_of(run, checkpoint)), []).append(run)
    rows = []
    for seeds in named.values():
        check_seeds(seeds)
        whole, scores = [], []
        for run in seeds:
            try:
                scores.append(score(run))
                whole.append(run)
            except UserError as error:
                if not leave_out:
                    raise
                logging.warning("left out: %s, seed %d: %s", run.experiment.name, run.experiment.train.seed, error)
        if whole:
            rows.append((whole, scores))
    return rows


def check_seeds(row: Sequence[Any]) -> None:
    """Runs that are averaged are the same experiment. From one seed they are hardly several runs: that is logged."""
    seeds = {run.experiment.train.seed for run in row}
    if len(seeds) < len(row):
        name, count = row[0].experiment.name, len(row)
        logging.warning("%d runs named %r share a train.seed: their deviation says little of other seeds", count, name)
    configs = [{key: value for key, value in flatten(run.experiment.to_dict()).items() if key not in MAY_DIFFER}
               for run in row]  # fmt: skip
    for config in configs if configs[0].get("train.refit") else ():
        del config["train.steps"]  # which each seed's own validation has chosen
    for other in configs[1:]:
        if differ := sorted(key for key in other if other[key] != configs[0].get(key)):
            raise UserError(
                f"runs named {row[0].experiment.name!r} differ in {', '.join(differ)}: they are no seeds of one row. "
                f"Runs that are compared need names of their own (--config.name=...)"
            )


def zero_velocity(run: Predictor) -> Predictor:
    """The baseline that repeats the last frame, in the space and with the windows of `run`."""
    experiment = dataclasses.replace(run.experiment, name="Zero-velocity", model=model_config(ZERO_VELOCITY))
    return Predictor((), experiment, run.space, step=0)


def _score(run: Predictor, dataset: Dataset, modes: Sequence[str]) -> list[Report]:
    return evaluate(run.predict_raw, dataset, run.space, run.experiment, run.experiment.name, modes)
