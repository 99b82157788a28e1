"""One measured configuration, and what an implementation of it must offer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from motion_jax.config import (
    DEFAULT_MODEL,
    ComputeConfig,
    DataConfig,
    EvalConfig,
    Experiment,
    ModelConfig,
    OptimConfig,
    TrainConfig,
    model_config,
)
from motion_jax.data.labelled.space import LabelSpace, Modality
from motion_jax.data.packed_clips import FIRST_START
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M

WIDTH = 69  # N of Human3.6M: 54 kept columns and 15 actions
POSE = 66  # N of models that do not read the action: 22 joints
ONE_SHOT = {  # of each model that predicts many frames at once, how its own config trains it
    "simlpe": (OptimConfig(name="adamw", learning_rate=3e-4), "angles_velocity"),
    "his_rep_itself": (OptimConfig(name="adam", learning_rate=5e-4, clip_kind="none"), "l1"),
    "dct_mixer": (OptimConfig(name="adamw", learning_rate=2e-3, clip_norm=1.0, weight_decay=1e-4), "angles_velocity"),
}
RECOGNISERS: dict[str, dict[str, Any]] = {  # of each, what differs from its defaults
    "hbrnn": {},
    "deep_lstm": {"dropout_kind": "simple"},  # PyTorch's layers have no place for in-depth dropout
    "bi_lstm": {},
}
MODELS = (DEFAULT_MODEL, *ONE_SHOT, *RECOGNISERS)
NARROW = ("simlpe", "dct_mixer")  # without a hidden width: as wide as a frame
RECURRENT = {"bidirectional": False, "layers": 1, "attention": "additive", "cell": "gru"}  # not said of the others
CLIPS, CLIP_FRAMES = 20, 1000  # random motion; its values do not change the arithmetic
CLASSES = 20  # of recognisers: MSR Action3D's
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
    source: int = 50  # S; of a recogniser the frames of a sequence, which has no target
    target: int = 25  # T
    layers: int = 1
    attention: str = "additive"
    cell: str = "gru"
    precision: str = "float32"
    micro_batch: int = 0  # sequences that a device computes at once; 0: by platform
    unroll: int = 1  # steps of a loop that are compiled as one
    cuda_graphs: bool = False
    fast: bool = True  # False: the plain differentiable scan
    model: str = DEFAULT_MODEL  # of `MODELS`; each but the default as its own config has it

    def __post_init__(self) -> None:
        for field, value in RECURRENT.items() if self.one_shot or self.recogniser else ():
            if getattr(self, field) != value:
                raise UserError(f"--{field}={getattr(self, field)}: --model={self.model} has no such choice")
        self.experiment()
        if self.source + self.target > LONGEST:
            raise UserError(f"--source={self.source} --target={self.target}: together at most {LONGEST} frames")

    @property
    def one_shot(self) -> bool:
        """Whether the model predicts many frames at once; else step by step."""
        return self.model in ONE_SHOT

    @property
    def recogniser(self) -> bool:
        """Whether the model gives scores of classes (`classifiers` builds it)."""
        return self.model in RECOGNISERS

    @property
    def columns(self) -> int:
        """N."""
        if self.recogniser:
            return self.label_space().width
        return POSE if self.one_shot else WIDTH

    @property
    def checked(self) -> int:
        """Sequences of which loss and gradients are compared: batch statistics of two differ by what float32 rounds."""
        return max(self.batch, 16) if self.model == "his_rep_itself" else self.batch

    def _network(self) -> ModelConfig:
        if self.recogniser:
            return model_config(self.model, **RECOGNISERS[self.model])
        if self.model in NARROW:
            return model_config(self.model)
        if self.one_shot:
            return model_config(self.model, hidden=self.hidden)
        return model_config(
            hidden=self.hidden, layers=self.layers, bidirectional=self.bidirectional, cell=self.cell,
            attention=self.attention,
        )  # fmt: skip

    def experiment(self) -> Experiment:
        """The config that the library is given. `none` forced: every step reads a prediction, the longer way."""
        if self.recogniser:
            return Experiment(
                model=self._network(),
                compute=ComputeConfig(precision=self.precision, fast=self.fast, micro_batch=self.micro_batch,
                                      unroll=self.unroll, cuda_graphs=self.cuda_graphs),
                optim=OptimConfig(name="adam", learning_rate=1e-3),
                train=TrainConfig(batch=self.batch, loss="cross_entropy", steps_per_dispatch=self.per_dispatch),
            )  # fmt: skip
        optim, loss = ONE_SHOT.get(self.model, (OptimConfig(), "mse"))
        forcing: dict[str, Any] = {} if self.one_shot else {"teacher_forcing": 0.0}
        return Experiment(
            data=DataConfig(one_hot=False, validation="none", source_length=self.source, target_length=self.target),
            model=self._network(),
            compute=ComputeConfig(
                precision=self.precision, fast=self.fast, micro_batch=self.micro_batch, unroll=self.unroll,
                cuda_graphs=self.cuda_graphs,
            ),
            optim=optim,
            train=TrainConfig(batch=self.batch, loss=loss, steps_per_dispatch=self.per_dispatch, **forcing),
            eval=EvalConfig(frames=str(self.target)),
        )  # fmt: skip

    def space(self) -> PoseSpace:
        """An identity of the right width."""
        return PoseSpace(np.zeros(self.columns), np.ones(self.columns), tuple(range(self.columns)), (), H36M, 25.0)

    def label_space(self) -> LabelSpace:
        """Of a recogniser: joint positions of Human3.6M's body, `CLASSES` classes."""
        width = 3 * len(H36M.joints)
        modality = Modality("positions", np.zeros(width, np.float32), np.ones(width, np.float32))
        return LabelSpace(tuple(map(str, range(CLASSES))), (modality,), 25.0, H36M.of_positions)

    def windows(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Smooth random motion: history `[count, S, N]` and future `[count, T, N]`, float32."""
        steps = np.random.default_rng(0).normal(0, 0.1, (count, self.source + self.target, self.columns))
        history, future = np.split(np.cumsum(steps, axis=1).astype(np.float32), [self.source], axis=1)
        return np.ascontiguousarray(history), np.ascontiguousarray(future)

    def __str__(self) -> str:
        """Every field, as a line."""
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in dataclasses.fields(self))


PREDICTION = "prediction"  # a name among those of gradients


@dataclasses.dataclass(frozen=True)
class Built:
    """An implementation of a case, ready to be timed."""

    call: Callable[[], object]  # does `count` operations and returns when they are finished
    gradients: Callable[[], tuple[float, dict[str, np.ndarray]]]
    """Loss and gradients on `windows(checked)`, by name; of one-shot models the `PREDICTION` of `batch` too."""
    count: int = 1
    compile_s: float | None = None  # None: nothing is compiled
    peak_bytes: int | None = None  # working memory of one call beyond its arguments; None: not measured
    temp_bytes: int | None = None  # the same, as the compiler planned it
    fast: bool | None = None  # whether the library's fast path serves it; None: a peer's
    devices: int = 1


def clips(case: Case, frames: int) -> np.ndarray:
    """The motion that training draws from, `[CLIPS, frames, N]` float32."""
    steps = np.random.default_rng(0).normal(0, 0.1, (CLIPS, frames, case.columns))
    return np.cumsum(steps, axis=1).astype(np.float32)
