"""One measured configuration, and what an implementation of it must offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from motion_jax.config import DataConfig, Experiment, ModelConfig, OptimConfig, TrainConfig
from motion_jax.space import PoseSpace

WIDTH = 69  # N of Human3.6M: 54 kept columns and 15 actions
CLIPS, CLIP_FRAMES = 20, 1000  # random motion; its values do not change the arithmetic


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured. The net is the thesis's: one layer, additive attention, residual, fed its own predictions."""

    work: str  # "train" | "infer"
    batch: int
    hidden: int
    bidirectional: bool
    per_dispatch: int = 10  # K, of training

    def experiment(self) -> Experiment:
        """The config that the library is given. `none` forced: every step reads a prediction, the longer way."""
        return Experiment(
            data=DataConfig(one_hot=False, validation="none"),
            model=ModelConfig(hidden=self.hidden, bidirectional=self.bidirectional),
            optim=OptimConfig(),
            train=TrainConfig(batch=self.batch, teacher_forcing=0.0, steps_per_dispatch=self.per_dispatch),
        )

    def space(self) -> PoseSpace:
        """An identity of the right width."""
        return PoseSpace(np.zeros(WIDTH), np.ones(WIDTH), tuple(range(WIDTH)), (), "h36m", 25.0)

    @property
    def source_length(self) -> int:
        """S."""
        return self.experiment().data.source_length

    @property
    def target_length(self) -> int:
        """T."""
        return self.experiment().data.target_length

    def windows(self, count: int) -> np.ndarray:
        """Smooth random motion `[count, S + T, N]` float32."""
        steps = np.random.default_rng(0).normal(0, 0.1, (count, self.source_length + self.target_length, WIDTH))
        return np.cumsum(steps, axis=1).astype(np.float32)

    def flops(self) -> float:
        """Multiply-adds x 2 of one operation, counted by hand from the matmuls; training is three times inference.

        `cost_analysis` counts the body of a loop once, so it cannot be asked.
        """
        s, t, n, h = self.source_length - 1, self.target_length, WIDTH, self.hidden
        encoder = (2 if self.bidirectional else 1) * s * (n * 3 * h + h * 3 * h)
        decoder = t * ((n + h) * 3 * h + h * 3 * h + h * h + h * n)
        attention = s * h * h + t * 2 * s * h
        return 2.0 * self.batch * (encoder + decoder + attention) * (3 if self.work == "train" else 1)

    @property
    def sequential_steps(self) -> int:
        """Steps that cannot overlap: S-1 + T, and again backwards in training."""
        return (self.source_length - 1 + self.target_length) * (2 if self.work == "train" else 1)


@dataclasses.dataclass(frozen=True)
class Built:
    """An implementation of a case, ready to be timed."""

    call: Callable[[], object]  # does `count` operations and returns when they are finished
    count: int
    compile_s: float | None
    peak_bytes: int | None  # working memory of one call; None: not measured
    gradients: Callable[[], tuple[float, dict[str, np.ndarray]]]  # loss and gradients on `windows(batch)`, by name


def row(case: Case, implementation: str, built: Built, samples: dict[str, Any]) -> dict[str, Any]:
    """The line of a report."""
    seconds = samples["median_ms"] / 1000
    return {
        "work": case.work,
        "batch": case.batch,
        "hidden": case.hidden,
        "bidirectional": case.bidirectional,
        "precision": "float32",
        "implementation": implementation,
        **samples,
        "peak_bytes": built.peak_bytes,
        "compile_s": built.compile_s,
        "steps_per_s": 1 / seconds,
        "sequences_per_s": case.batch / seconds,
        "frames_per_s": case.batch * case.target_length / seconds,
        "us_per_sequential_step": 1e6 * seconds / case.sequential_steps,
        "gflops_per_s": case.flops() / seconds / 1e9,
    }
