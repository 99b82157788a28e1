"""One measured configuration, and what an implementation of it must offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from motion_jax.config import ComputeConfig, DataConfig, EvalConfig, Experiment, OptimConfig, TrainConfig, model_config
from motion_jax.data.packed_clips import FIRST_START
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M

WIDTH = 69  # N of Human3.6M: 54 kept columns and 15 actions
CLIPS, CLIP_FRAMES = 20, 1000  # random motion; its values do not change the arithmetic
WORKS = ("train", "infer")
LONGEST = CLIP_FRAMES - FIRST_START - 1  # S + T


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured. The defaults are the thesis's net, residual and fed its own predictions.

    Raises `UserError` for a value that the config does not allow, or a window longer than the random clips.
    """

    work: str  # "train" | "infer"
    batch: int
    hidden: int
    bidirectional: bool = False
    per_dispatch: int = 10  # K, of training
    source: int = 50  # S
    target: int = 25  # T
    layers: int = 1
    attention: str = "additive"
    cell: str = "gru"
    precision: str = "float32"
    micro_batch: int = 0  # sequences that a device computes at once; 0: by platform
    unroll: int = 1  # steps of a loop that are compiled as one
    cuda_graphs: bool = False
    fast: bool = True  # False: the plain differentiable scan

    def __post_init__(self) -> None:
        self.experiment()
        if self.source + self.target > LONGEST:
            raise UserError(f"--source={self.source} --target={self.target}: together at most {LONGEST} frames")

    def experiment(self) -> Experiment:
        """The config that the library is given. `none` forced: every step reads a prediction, the longer way."""
        return Experiment(
            data=DataConfig(one_hot=False, validation="none", source_length=self.source, target_length=self.target),
            model=model_config(
                hidden=self.hidden, layers=self.layers, bidirectional=self.bidirectional, cell=self.cell,
                attention=self.attention,
            ),
            compute=ComputeConfig(
                precision=self.precision, fast=self.fast, micro_batch=self.micro_batch, unroll=self.unroll,
                cuda_graphs=self.cuda_graphs,
            ),
            optim=OptimConfig(),
            train=TrainConfig(batch=self.batch, teacher_forcing=0.0, steps_per_dispatch=self.per_dispatch),
            eval=EvalConfig(frames=str(self.target)),
        )  # fmt: skip

    def space(self) -> PoseSpace:
        """An identity of the right width."""
        return PoseSpace(np.zeros(WIDTH), np.ones(WIDTH), tuple(range(WIDTH)), (), H36M, 25.0)

    def windows(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Smooth random motion: history `[count, S, N]` and future `[count, T, N]`, float32."""
        steps = np.random.default_rng(0).normal(0, 0.1, (count, self.source + self.target, WIDTH))
        history, future = np.split(np.cumsum(steps, axis=1).astype(np.float32), [self.source], axis=1)
        return np.ascontiguousarray(history), np.ascontiguousarray(future)

    def __str__(self) -> str:
        """Every field, as a line."""
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in dataclasses.fields(self))


@dataclasses.dataclass(frozen=True)
class Built:
    """An implementation of a case, ready to be timed."""

    call: Callable[[], object]  # does `count` operations and returns when they are finished
    gradients: Callable[[], tuple[float, dict[str, np.ndarray]]]  # loss and gradients on `windows(batch)`, by name
    count: int = 1
    compile_s: float | None = None  # None: nothing is compiled
    peak_bytes: int | None = None  # working memory of one call beyond its arguments; None: not measured
    temp_bytes: int | None = None  # the same, as the compiler planned it
    fast: bool | None = None  # whether the library's fast path serves it; None: a peer's
    devices: int = 1


def clips(frames: int) -> np.ndarray:
    """The motion that training draws from, `[CLIPS, frames, N]` float32."""
    steps = np.random.default_rng(0).normal(0, 0.1, (CLIPS, frames, WIDTH))
    return np.cumsum(steps, axis=1).astype(np.float32)
