"""The experiment, as frozen dataclasses: built once at the door, checked there, trusted behind it.

Flags edit an `ml_collections.ConfigDict` (`Experiment().to_config_dict()`); `Experiment.from_config_dict` turns the
result into these records. An unknown key, a wrong type or an impossible value fails here and names what is valid.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from typing import Any

import ml_collections

from motion_jax.errors import UserError

STATISTICS = ("martinez", "learn_traj_dep")
CELLS = ("gru", "gru_reset_before", "lstm", "rnn")
ATTENTIONS = (
    "none", "linear", "location", "additive", "dot", "general", "concat", "scaled_dot", "multi_head",
)  # fmt: skip
OUTPUTS = ("hidden", "full", "combine")
LOSSES = ("mse", "l1", "geodesic", "velocity", "position", "euler")
NOISES = ("none", "fragkiadaki")
PRECISIONS = ("float32", "tf32", "bf16")
COINS = ("iteration", "sequence", "step")
FORCING_SCHEDULES = ("constant", "linear", "exponential", "inverse_sigmoid")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
CLIP_NORMS = ("l2", "l1", "none")
MODES = ("free_running", "one_step")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which motion, and how it becomes windows."""

    name: str = "synthetic"  # of `data.datasets`, which `open_dataset` looks into
    root: str = ""  # a source tree or a folder that launch.prepare wrote; empty only for what is made by code
    cache: str = ""  # where parsed trees are kept; empty: $XDG_CACHE_HOME/motion_jax
    actions: str = "all"  # "all", or names separated by commas
    source_length: int = 50  # S
    target_length: int = 25  # T
    stride: int = 2  # keep rows 0, stride, 2 stride, ...
    statistics: str = "martinez"  # mean and std over all rows; "learn_traj_dep": over the kept rows
    one_hot: bool = True  # append the action, as the supervised models do
    validation: str = "auto"  # a training subject held out to choose checkpoints; "auto", "none" or its name
    skip_first_row: bool = False  # CMU files begin with a T-pose that is not motion; published loaders keep it
    allow_duplicates: bool = False  # accept a file that occurs in both train and test
    synthetic_seed: int = 0

    def __post_init__(self) -> None:
        _one_of("data.statistics", self.statistics, STATISTICS)
        _at_least("data.source_length", self.source_length, 2)
        _at_least("data.target_length", self.target_length, 1)
        _at_least("data.stride", self.stride, 1)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which network. Fields that a model does not read keep their defaults."""

    name: str = "seq2seq"  # a key of `models.REGISTRY`
    hidden: int = 1024  # H
    layers: int = 1
    bidirectional: bool = False
    cell: str = "gru"
    attention: str = "additive"
    heads: int = 4  # of multi_head attention
    output: str = "hidden"
    residual: bool = True
    window: int = 2  # frames that running_average averages
    tied: bool = True  # res_sup: encoder and decoder share one cell
    convolutional: bool = False  # quaternet: dilated convolutions over time in place of the recurrent network
    unit_penalty: float = 0.01  # quaternet: weight of the quaternions' squared distance from unit norm
    adversarial: float = 0.6  # aged: weight of what the discriminators say; 0: none
    order: int = 3  # crbm: observed frames that condition the next
    gibbs: int = 1  # crbm: steps of contrastive divergence
    precision: str = "float32"  # of matmul operands; state, gates, softmax, sums and parameters stay float32
    fast: bool = True  # gradients of weights formed once over time; False: the plain scan, for forward-mode
    micro_batch: int = 0  # sequences that a device computes at once, part after part; 0: by platform (README)
    unroll: int = 1  # steps of a loop over time that are compiled as one
    cuda_graphs: bool = False  # on a GPU, capture the loops over time as graphs; elsewhere nothing

    def __post_init__(self) -> None:
        _at_least("model.hidden", self.hidden, 1)
        _at_least("model.layers", self.layers, 1)
        _one_of("model.cell", self.cell, CELLS)
        _one_of("model.attention", self.attention, ATTENTIONS)
        _one_of("model.output", self.output, OUTPUTS)
        _one_of("model.precision", self.precision, PRECISIONS)
        _at_least("model.micro_batch", self.micro_batch, 0)
        _at_least("model.unroll", self.unroll, 1)
        _at_least("model.heads", self.heads, 1)
        _at_least("model.window", self.window, 1)
        _at_least("model.unit_penalty", self.unit_penalty, 0)
        _at_least("model.adversarial", self.adversarial, 0)
        _at_least("model.order", self.order, 1)
        _at_least("model.gibbs", self.gibbs, 1)
        if self.attention == "multi_head" and self.hidden % self.heads:
            raise UserError(f"model.heads={self.heads} must divide model.hidden={self.hidden}")


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """Optimiser, staircase decay and gradient clipping. Defaults: the thesis's Table 6."""

    name: str = "sgd"
    learning_rate: float = 0.005
    decay_rate: float = 0.95
    decay_steps: int = 10_000
    clip_norm: float = 5.0
    clip_kind: str = "l2"
    momentum: float = 0.9  # of momentum, nesterov and rmsprop
    weight_decay: float = 1e-4  # of adamw

    def __post_init__(self) -> None:
        _one_of("optim.name", self.name, OPTIMIZERS)
        _one_of("optim.clip_kind", self.clip_kind, CLIP_NORMS)
        _positive("optim.learning_rate", self.learning_rate)
        _fraction("optim.decay_rate", self.decay_rate)
        _positive("optim.decay_rate", self.decay_rate)
        _at_least("optim.decay_steps", self.decay_steps, 1)
        _positive("optim.clip_norm", self.clip_norm)
        _fraction("optim.momentum", self.momentum)
        _at_least("optim.weight_decay", self.weight_decay, 0)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The loop. Defaults: the thesis's Table 6."""

    steps: int = 100_000
    batch: int = 16  # B, over all devices together
    seed: int = 0
    loss: str = "mse"
    noise: str = "none"  # added to the inputs of erd, lstm_3lr and srnn; "fragkiadaki": growing by iteration
    teacher_forcing: float = 0.5  # probability that a step reads the true previous frame
    coin: str = "iteration"  # one coin for the whole batch, per sequence, or per step
    forcing_schedule: str = "constant"
    forcing_end: float = 0.0  # what linear, exponential and inverse_sigmoid fall to at the last step
    steps_per_dispatch: int = 10  # K
    log_every: int = 100  # n: current loss
    report_every: int = 1_000  # m: averages, validation, SRNN errors
    checkpoint_every: int = 1_000
    keep_last: int = 2
    keep_best: bool = True  # needs data.validation

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "steps_per_dispatch", "log_every", "report_every", "checkpoint_every",
                     "keep_last"):  # fmt: skip
            _at_least(f"train.{name}", getattr(self, name), 1)
        _at_least("train.seed", self.seed, 0)
        _one_of("train.loss", self.loss, LOSSES)
        _one_of("train.noise", self.noise, NOISES)
        _fraction("train.teacher_forcing", self.teacher_forcing)
        _fraction("train.forcing_end", self.forcing_end)
        _one_of("train.coin", self.coin, COINS)
        _one_of("train.forcing_schedule", self.forcing_schedule, FORCING_SCHEDULES)


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """What a report measures. Lists are separated by commas; `evaluation.evaluate.check_names` knows the names."""

    protocols: str = "srnn,windows256"
    metrics: str = "euler_error_rad,mpjpe_mm,mpjpe_h36m22_mm"
    frames: str = "2,4,8,10,14,25"  # which predicted frames a table shows, 1-based
    batch: int = 256  # windows to a compiled call

    def __post_init__(self) -> None:
        _at_least("eval.batch", self.batch, 1)
        for frame in self.frame_numbers:
            _at_least("eval.frames", frame, 1)

    @property
    def protocol_names(self) -> tuple[str, ...]:
        """Protocols in order."""
        return _names(self.protocols)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics in order."""
        return _names(self.metrics)

    @property
    def frame_numbers(self) -> tuple[int, ...]:
        """Predicted frames, 1-based. Raises `UserError` if one is not a whole number."""
        try:
            return tuple(int(frame) for frame in _names(self.frames))
        except ValueError:
            raise UserError(f"eval.frames={self.frames!r}: whole numbers separated by commas, like 2,4,8") from None


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that decides a run."""

    name: str = "experiment"  # the row's name in tables
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        for frame in self.eval.frame_numbers:
            if frame > self.data.target_length:
                raise UserError(f"eval.frames asks for frame {frame}, but data.target_length={self.data.target_length}")
        if self.model.window > self.data.source_length:
            raise UserError(
                f"model.window={self.model.window}: must be at most data.source_length={self.data.source_length}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON and for comparison."""
        return dataclasses.asdict(self)

    def to_config_dict(self) -> ml_collections.ConfigDict:
        """The form that `--config.a.b=v` edits; config files return it."""
        return ml_collections.ConfigDict(self.to_dict())

    @classmethod
    def from_config_dict(cls, config: Mapping[str, Any]) -> Experiment:
        """Checks every key, type and value. Raises `UserError`."""
        values = config.to_dict() if isinstance(config, ml_collections.ConfigDict) else dict(config)
        return typing.cast(Experiment, _build(cls, values, path=""))

    @classmethod
    def from_json(cls, text: str, source: str) -> Experiment:
        """Reads what `json.dumps(to_dict())` wrote; `source` names it in errors."""
        try:
            return cls.from_config_dict(json.loads(text))
        except (ValueError, TypeError) as error:  # no JSON, a UserError, or JSON that is no object
            raise UserError(f"{source}: not a config of this version: {error}") from None


def _build(cls: type, values: Mapping[str, Any], path: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            raise UserError(f"config: unknown key {path}{key!s}; valid keys: {', '.join(sorted(fields))}")
    return cls(**{key: _convert(hints[key], value, f"{path}{key}") for key, value in values.items()})


def _convert(hint: type, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UserError(f"config: {path}={value!r} must be a group of fields")
        return _build(hint, value, f"{path}.")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise UserError(f"config: {path}={value!r} is {type(value).__name__}; it must be {hint.__name__}")
    return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _one_of(path: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"{path}={value!r}: must be one of {', '.join(allowed)}")


def _at_least(path: str, value: float, least: float) -> None:
    if not value >= least:
        raise UserError(f"{path}={value}: must be at least {least}")


def _positive(path: str, value: float) -> None:
    if not (value > 0 and value != float("inf")):
        raise UserError(f"{path}={value}: must be a positive number")


def _fraction(path: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"{path}={value}: must lie between 0 and 1")
