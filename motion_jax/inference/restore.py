"""Restoring: the parameters of a run, whichever its task."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from motion_jax.config import Experiment
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.errors import UserError
from motion_jax.runtime.files import user_path
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.optimizer import make_optimizer
from motion_jax.train.step import abstract_state
from motion_jax.train.workdir import SPACE, Workdir
from motion_jax.types import Params


def check_checkpoint(name: str) -> None:
    """Raises `UserError` where there is no such choice of a checkpoint."""
    if name not in ("auto", "best", "last"):
        raise UserError(f"checkpoint={name!r}: must be auto, best or last")


def read_run(folder: Workdir, task: str) -> Experiment:
    """The configuration of a run. Raises `UserError` where it is of another task, or none."""
    experiment = folder.read_experiment()
    if (found := experiment.model.TASK) != task:
        raise UserError(f"--workdir={folder.path}: a run of {found} (model {experiment.model.name!r}), not of {task}")
    return experiment


def restore_labelled(
    workdir: str | Path, task: str, make: Callable[[Experiment, LabelSpace], Any], checkpoint: str
) -> tuple[Params, Experiment, LabelSpace, int, Path]:
    """What a run on labelled data is used by: parameters, configuration, label space, updates done, and its folder.

    Args:
        workdir: the folder that training left.
        task: that the run must be of.
        make: of the task's network.
        checkpoint: as of `restore_params`.

    Raises:
        UserError: the folder holds no run, one of another task, no such checkpoint, or only damaged ones.
    """
    check_checkpoint(checkpoint)
    folder = Workdir(user_path(workdir))
    experiment = read_run(folder, task)
    space = LabelSpace.from_json(folder.read_record(SPACE), str(folder.space))
    step, params = restore_params(folder, make(experiment, space), experiment, checkpoint)
    return params, experiment, space, step, folder.path


def restore_params(folder: Workdir, model: Any, experiment: Experiment, checkpoint: str) -> tuple[int, Params]:
    """The updates done and the parameters that predict.

    Args:
        folder: of the run.
        model: what has the run's `init`.
        experiment: of the run.
        checkpoint: "best" (by validation), "last", or "auto": best where one was chosen, else last.

    Raises:
        UserError: there is no such checkpoint, or only damaged ones. The last is not taken for a damaged best: it is
            another model; the message says whether it is sound.
    """
    check_checkpoint(checkpoint)
    sources = {"auto": (folder.best, folder.last), "best": (folder.best,), "last": (folder.last,)}
    abstract = abstract_state(model, make_optimizer(experiment), ema=experiment.train.ema > 0)
    run = folder.run_key()
    for source in filter(Path.is_dir, sources[checkpoint]):
        try:
            restored = _newest(source, abstract, run)
        except UserError as error:
            if source == folder.best and _is_readable(folder.last, abstract, run):
                raise UserError(f"{error} The last checkpoint is sound: --checkpoint=last reads it.") from None
            raise
        if restored:
            step, state = restored
            return step, state.averaged
    raise UserError(f"--workdir={folder.path}: holds no finished checkpoint ({checkpoint}); has the run saved one yet?")


def _newest(source: Path, abstract: Any, run: str) -> tuple[int, Any] | None:
    """Raises `UserError` where a checkpoint's folder is there and empty: a save never leaves it so."""
    for step in source.iterdir():
        if step.name.isdecimal() and step.is_dir() and not any(step.iterdir()):
            raise UserError(f"{step}: damaged: the checkpoint's folder is empty.")
    with closing(Checkpoints(source, run=run)) as checkpoints:
        return checkpoints.restore(abstract)


def _is_readable(source: Path, abstract: Any, run: str) -> bool:
    try:
        return source.is_dir() and _newest(source, abstract, run) is not None
    except UserError:
        return False
