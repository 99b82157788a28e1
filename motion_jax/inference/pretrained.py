"""Pretrained models: predictors of packed runs, among them the one that predicts where no run is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from motion_jax.inference.predictor import Predictor, load_predictor
from motion_jax.runtime.files import user_path
from motion_jax.train.packed_run import PackedRun, find_packed, is_packed, read_packed, shipped_runs, write_packed

DEFAULT = "cmu-body-25"


def pretrained(name: str = DEFAULT) -> Predictor:
    """A model that needs no training: of any humanoid body where it is one of the canonical body, as `DEFAULT` is.

    Args:
        name: of `pretrained_names()`; or a folder that `pack` wrote.

    Raises:
        UserError: there is no such model, or its files are damaged.
    """
    folder = find_packed(name)
    params, experiment, space, step, radii = read_packed(folder)
    return Predictor(params, experiment, space, step, folder, radii)


def pretrained_names() -> tuple[str, ...]:
    """The models that are shipped with the package."""
    return tuple(shipped_runs())


def open_predictor(workdir: str | Path | None, checkpoint: str = "auto") -> Predictor:
    """The predictor of a run's folder, of a packed run or of a shipped model; None: of the shipped one, `DEFAULT`.

    A folder that is there comes before a shipped model of its name. Raises `UserError` as `load_predictor` and
    `pretrained` do.
    """
    if workdir is None:
        return pretrained()
    return pretrained(str(workdir)) if names_packed(workdir) else load_predictor(workdir, checkpoint)


def names_packed(workdir: str | Path) -> bool:
    """Whether it is the folder of a packed run, or the name of a shipped model where no folder has it."""
    folder = user_path(workdir)
    return is_packed(folder) or (not folder.exists() and str(workdir) in shipped_runs())


def pack(predictor: Predictor, folder: Path | str, readme: str) -> int:
    """Writes a predictor as a packed run, and returns its size in bytes.

    It bears the folder's name. Paths of the maker's machine (`data.root`, `data.cache`, `train.prometheus`) are no
    part of it.

    Args:
        predictor: calibrated, so that what it predicts comes with its radii.
        folder: to write; its files are replaced.
        readme: the model card.

    Raises:
        UserError: it is not calibrated, or the folder cannot be written.
    """
    place = user_path(folder)
    data = dataclasses.replace(predictor.experiment.data, root="", cache="")
    train = dataclasses.replace(predictor.experiment.train, prometheus="")
    experiment = dataclasses.replace(predictor.experiment, name=place.absolute().name, data=data, train=train)
    run = PackedRun(predictor.params, experiment, predictor.space, predictor.step, predictor.calibrated())
    return write_packed(run, place, readme)
