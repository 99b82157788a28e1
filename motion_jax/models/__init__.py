"""Every model by name: `make(experiment, space)` builds its two pure functions."""

from __future__ import annotations

from collections.abc import Callable

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.models import aged, baselines, crbm, erd, lstm_3lr, quaternet, res_sup, seq2seq, srnn
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Model

REGISTRY: dict[str, Callable[[Experiment, PoseSpace], Model]] = {
    "seq2seq": seq2seq.make,
    "res_sup": res_sup.make,
    "erd": erd.make,
    "lstm_3lr": lstm_3lr.make,
    "srnn": srnn.make,
    "aged": aged.make,
    "quaternet": quaternet.make,
    "crbm": crbm.make,
    "zero_velocity": baselines.make_zero_velocity,
    "running_average": baselines.make_running_average,
}


def make(experiment: Experiment, space: PoseSpace) -> Model:
    """The model that `experiment.model.name` names. Raises `UserError` for an unknown name."""
    name = experiment.model.name
    if name not in REGISTRY:
        raise UserError(f"model.name={name!r}: must be one of {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name](experiment, space)
