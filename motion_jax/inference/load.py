"""Loading a run, whichever its task."""

from __future__ import annotations

from pathlib import Path

from motion_jax.inference.anticipator import TrainedAnticipator, load_anticipator
from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.inference.pretrained import names_packed, open_predictor
from motion_jax.inference.recogniser import Recogniser, load_recogniser
from motion_jax.runtime.files import user_path
from motion_jax.train.workdir import Workdir

Trained = Predictor | Recogniser | TrainedAnticipator

_LOADERS = {"forecasting": load_predictor, "recognition": load_recogniser, "anticipation": load_anticipator}


def task_of(workdir: str | Path) -> str:
    """The task of a run, of `config.TASKS`. Raises `UserError` where the folder holds no run."""
    if names_packed(workdir):
        return "forecasting"
    return Workdir(user_path(workdir)).read_experiment().model.TASK


def load_run(workdir: str | Path | None, checkpoint: str = "auto") -> Trained:
    """What `open_predictor`, `load_recogniser` or `load_anticipator` makes of a run, with their errors.

    None is the model that is shipped, and its name or a packed run's folder is one too.
    """
    if workdir is None or names_packed(workdir):
        return open_predictor(workdir, checkpoint)
    return _LOADERS[task_of(workdir)](workdir, checkpoint)
