"""A model beside the baseline that it must beat, on the same windows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from motion_jax.config import MODES
from motion_jax.errors import UserError
from motion_jax.evaluate import evaluate
from motion_jax.predict import Predictor
from motion_jax.scores import Report, combine
from motion_jax.types import Dataset

ZERO_VELOCITY = "zero_velocity"  # its key among the models


def compare(
    runs: Sequence[Predictor], dataset: Dataset, modes: Sequence[str] = MODES, baseline: bool = True
) -> list[Report]:
    """One report a mode, protocol and metric: the mean over runs, then zero-velocity.

    Args:
        runs: one model, trained with one or several seeds. The first one's config says what is measured.
        dataset: whose test clips are scored.
        modes: of `config.MODES`.
        baseline: score zero-velocity too, unless the model is zero-velocity.

    Raises:
        UserError: no runs, or what `evaluate` and `combine` refuse.
    """
    if not runs:
        raise UserError("compare: no runs to score")
    rows = [list(runs)]
    if baseline and runs[0].experiment.model.name != ZERO_VELOCITY:
        rows.append([zero_velocity(runs[0])])
    return [report for row in rows for report in combine([_score(run, dataset, modes) for run in row])]


def zero_velocity(run: Predictor) -> Predictor:
    """The baseline that repeats the last frame, in the space and with the windows of `run`."""
    model = dataclasses.replace(run.experiment.model, name=ZERO_VELOCITY)
    experiment = dataclasses.replace(run.experiment, name="Zero-velocity", model=model)
    return Predictor((), experiment, run.space, step=0)


def _score(run: Predictor, dataset: Dataset, modes: Sequence[str]) -> list[Report]:
    return evaluate(run.evaluate, dataset, run.space, run.experiment, run.experiment.name, modes)
