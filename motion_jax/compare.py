"""A model beside the baseline that it must beat, on the same windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from motion_jax.config import MODES
from motion_jax.errors import UserError
from motion_jax.evaluate import evaluate
from motion_jax.predict import Predictor
from motion_jax.scores import Report, combine
from motion_jax.train.workdir import flatten
from motion_jax.types import Dataset

ZERO_VELOCITY = "zero_velocity"  # its key among the models
MAY_DIFFER = ("train.seed", "data.root", "data.cache")  # between seeds of one row


def compare(
    runs: Sequence[Predictor], dataset: Dataset, modes: Sequence[str] = MODES, baseline: bool = True
) -> list[Report]:
    """One report a row, mode, protocol and metric: rows in the order given, then zero-velocity.

    Args:
        runs: trained models. Those of one name are seeds of one row: their mean and deviation are reported. The first
            one's config says what zero-velocity is measured on.
        dataset: whose test clips are scored.
        modes: of `config.MODES`.
        baseline: score zero-velocity too, unless the model is zero-velocity.

    Raises:
        UserError: no runs, runs of one name that differ in more than the seed, or what `evaluate` and `combine` refuse.
    """
    if not runs:
        raise UserError("compare: no runs to score")
    rows = [[run for run in runs if run.experiment.name == name]
            for name in dict.fromkeys(run.experiment.name for run in runs)]  # fmt: skip
    for row in rows:
        _check_seeds(row)
    if baseline and runs[0].experiment.model.name != ZERO_VELOCITY:
        rows.append([zero_velocity(runs[0])])
    return [report for row in rows for report in combine([_score(run, dataset, modes) for run in row])]


def _check_seeds(row: list[Predictor]) -> None:
    """Runs that are averaged are the same experiment."""
    configs = [{key: value for key, value in flatten(run.experiment.to_dict()).items() if key not in MAY_DIFFER}
               for run in row]  # fmt: skip
    for other in configs[1:]:
        if differ := sorted(key for key in other if other[key] != configs[0].get(key)):
            raise UserError(
                f"runs named {row[0].experiment.name!r} differ in {', '.join(differ)}: they are no seeds of one row. "
                f"Runs that are compared need names of their own (--config.name=...)"
            )


def zero_velocity(run: Predictor) -> Predictor:
    """The baseline that repeats the last frame, in the space and with the windows of `run`."""
    model = dataclasses.replace(run.experiment.model, name=ZERO_VELOCITY)
    experiment = dataclasses.replace(run.experiment, name="Zero-velocity", model=model)
    return Predictor((), experiment, run.space, step=0)


def _score(run: Predictor, dataset: Dataset, modes: Sequence[str]) -> list[Report]:
    return evaluate(run.evaluate, dataset, run.space, run.experiment, run.experiment.name, modes)
