"""Tasks on labelled sequences: what recognition and anticipation have alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from motion_jax.config import Experiment
from motion_jax.data.labelled.sequences import LabelledSet
from motion_jax.data.labelled.space import LabelSpace
from motion_jax.train.loop import Callback, train
from motion_jax.train.workdir import SPACE


class LabelledTask(ABC):
    """Members of the `Task`s of recognition and of anticipation (see `train/task.py` for each)."""

    space: LabelSpace
    held_out: Any

    @classmethod
    @abstractmethod
    def of(cls, experiment: Experiment, dataset: LabelledSet) -> Self:
        """The task of `experiment` on `dataset`. Raises `UserError` where they do not fit each other."""

    @classmethod
    def fit(
        cls,
        experiment: Experiment,
        dataset: LabelledSet,
        workdir: str | Path,
        board: bool = False,
        callback: Callback | None = None,
        quiet: bool = False,
    ) -> int:
        """Trains until `train.steps` or the end of patience; arguments, result and errors as `train.loop.train`."""
        task: Any = cls.of(experiment, dataset)
        return train(task, experiment, workdir, board, callback, quiet)

    @property
    def records(self) -> dict[str, str]:
        """The label space."""
        return {SPACE: self.space.to_json()}

    @property
    def validates(self) -> bool:
        """Whether anything was held out to choose a checkpoint."""
        return self.held_out is not None
