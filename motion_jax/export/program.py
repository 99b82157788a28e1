"""What is exported: a trained model as one function of arrays, and what its card says, whatever its task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax.export import symbolic_shape

from motion_jax.config import Experiment
from motion_jax.evaluation.conformal import Radii
from motion_jax.types import Array


class Input(NamedTuple):
    """An array that the function reads, or gives; in front of `shape` comes the batch."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Program(Protocol):
    """The function to be traced, of the arrays that `Exportable.inputs` names.

    `changes` are fields of `compute` that it has otherwise. Graphs of a GPU are captured by whoever compiles it, and
    the plain scan does what the fast path does, so it has neither.
    """

    def __call__(self, **changes: Any) -> Callable[..., Array]: ...  # noqa: D102


class Fields(NamedTuple):
    """What only the makers know of the fields of a card (see `card.Card`)."""

    fps: float
    source_length: int
    target_length: int
    times: tuple[float, ...]
    columns: tuple[str, ...]
    actions: tuple[str, ...]
    classes: tuple[str, ...]
    units: dict[str, str]
    skeleton: dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Exportable:
    """A trained model as an export needs it; `models.exportable` makes one."""

    experiment: Experiment
    step: int  # updates that the parameters have seen
    inputs: tuple[Input, ...]
    output: Input
    program: Program
    example: Callable[[], dict[str, np.ndarray]]
    """Inputs to try the program with, a batch of three, and what the original makes of them, by name."""
    fields: Fields
    radii: Radii | None = None  # of a calibrated run
    measure: Callable[..., Array] | None = None  # of radii that follow the motion: what they are scaled by

    @property
    def task(self) -> str:
        """Of `config.TASKS`."""
        return self.experiment.model.TASK


def specs(inputs: tuple[Input, ...]) -> list[jax.ShapeDtypeStruct]:
    """What a trace is given: arrays with a batch of any size, the same for all."""
    (batch,) = symbolic_shape("batch")
    return [jax.ShapeDtypeStruct((batch, *known.shape), known.dtype) for known in inputs]


def plain(experiment: Experiment, **changes: Any) -> Experiment:
    """An experiment whose network is computed as `Program` says."""
    compute = dataclasses.replace(experiment.compute, fast=False, cuda_graphs=False, **changes)
    return dataclasses.replace(experiment, compute=compute)
