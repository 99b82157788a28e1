"""The experiment, as frozen dataclasses: checked once, when they are made, and trusted from then on.

Flags edit an `ml_collections.ConfigDict` (`Experiment().to_config_dict()`); `Experiment.from_config_dict` turns the
result into these records. An unknown key, a wrong type or an impossible value fails here and names what is valid.

What a model reads, it declares itself: a subclass of `ModelConfig` beside its `make`, registered under its name. Any
other field is refused by name, and is in no saved configuration.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import ml_collections

from motion_jax.errors import UserError

STATISTICS = ("martinez", "learn_traj_dep", "joints")
REPRESENTATIONS = ("expmap", "relative", "rotation_6d", "quaternion", "positions")
WINDOWS = ("clips", "frames")
IN_MEMORY = ("auto", "yes", "no")
LOADERS = ("threads", "grain")
AUGMENTATIONS = ("reverse", "mirror", "speed", "heading", "amplitude", "posture", "rest", "late")
TASKS = ("forecasting", "recognition", "anticipation")
LOSSES = {
    "forecasting": ("mse", "l1", "geodesic", "velocity", "position", "euler", "angles", "angles_velocity", "path",
                    "joints", "joints_velocity"),
    "recognition": ("cross_entropy", "one_hot_cross_entropy", "binary", "focal", "triplet"),
    "anticipation": ("cross_entropy", "focal"),
}  # fmt: skip
"""Of each task: what `train.loss` may be."""
MODALITIES = ("positions", "angles", "velocities")
PREPROCESSING = ("center", "smooth", "view", "scale")
CLASS_WEIGHTS = ("none", "balanced")
TRIPLET_MINING = ("hard", "all")
_READ_BY_LOSS = {"focal_gamma": "focal", "triplet_margin": "triplet", "triplet_mining": "triplet"}
"""Fields of `LabelsConfig` that one loss alone reads."""
PRECISIONS = ("float32", "tf32", "bf16")
COINS = ("iteration", "sequence", "step")
FORCING_SCHEDULES = ("constant", "linear", "exponential", "inverse_sigmoid")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
RATE_SCHEDULES = ("staircase", "exponential", "cosine", "linear", "constant")
_READ_BY = {
    "momentum": ("name", ("momentum", "nesterov", "rmsprop")),
    "weight_decay": ("name", ("adam", "adamw")),
    "decay_rate": ("schedule", ("staircase", "exponential")),
    "decay_steps": ("schedule", ("staircase", "exponential")),
    "final_fraction": ("schedule", ("cosine", "linear")),
}
"""Fields of `OptimConfig` that only some values of another field read."""
CLIP_NORMS = ("l2", "l1", "none")
MODES = ("free_running", "one_step")
SCORE_MODES = ("both", "free_running")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which motion, and how it becomes windows."""

    name: str = "synthetic"  # of `data.datasets`, which `open_dataset` looks into
    root: str = ""  # a source tree or a folder that motion-jax prepare wrote; empty: made, or where prepare writes
    cache: str = ""  # where parsed trees are kept; empty: $XDG_CACHE_HOME/motion_jax
    actions: str = "all"  # "all", or names separated by commas
    source_length: int = 50  # S
    target_length: int = 25  # T
    representation: str = "expmap"  # what a network reads and predicts (docs/representations.md)
    windows: str = "clips"  # training windows: "clips", each as often; "frames", in proportion to their length
    augmentation: str = ""  # of training windows: names of AUGMENTATIONS separated by commas
    speed_range: float = 0.25  # r: "speed" stretches time by exp(U(-r, r))
    amplitude_range: float = 0.1  # "amplitude" multiplies movement about its mean by exp(N(0, a^2)), column by column
    posture_range: float = 0.3  # "posture" adds N(0, p^2) standard deviations to a column, the same in all frames
    rest_range: float = 0.3  # "rest" turns joints' axes by N(0, r^2) rad about each of three, the same in all frames
    stride: int = 2  # keep rows 0, stride, 2 stride, ...
    # mean and std over all rows; "learn_traj_dep": over the kept rows; "joints": one std a joint, for bodies whose axes
    # may lie otherwise elsewhere
    statistics: str = "martinez"
    one_hot: bool = True  # append the action, as the supervised models do
    validation: str = "auto"  # training subjects held out to choose checkpoints; "auto", "none" or names by commas
    skip_first_row: bool = False  # of training clips: CMU's begin with a T-pose; test windows stay the published ones
    in_memory: str = "auto"  # whether training frames are, or are read from disk as needed (docs/large_data.md)
    loader: str = "threads"  # what reads ahead where they are not: "grain" is a package, an extra; the same windows
    allow_duplicates: bool = False  # accept a file that occurs in both train and test
    synthetic_seed: int = 0

    def __post_init__(self) -> None:
        one_of("data.statistics", self.statistics, STATISTICS)
        one_of("data.representation", self.representation, REPRESENTATIONS)
        one_of("data.windows", self.windows, WINDOWS)
        one_of("data.in_memory", self.in_memory, IN_MEMORY)
        one_of("data.loader", self.loader, LOADERS)
        if self.loader != "threads" and self.in_memory == "yes":
            raise UserError(f"data.loader={self.loader!r}: nothing reads it where data.in_memory='yes'")
        for name in self.augmentation_names:
            if name not in AUGMENTATIONS:
                allowed = ", ".join(AUGMENTATIONS)
                raise UserError(f"data.augmentation={self.augmentation!r}: {name!r} must be one of {allowed}")
        for name in ("speed", "amplitude", "posture", "rest"):
            field = f"{name}_range"
            fraction(f"data.{field}", value := getattr(self, field))
            if value != getattr(DataConfig, field) and name not in self.augmentation_names:
                raise UserError(f"data.{field}={value}: nothing reads it unless data.augmentation names {name!r}")
        at_least("data.source_length", self.source_length, 2)
        at_least("data.target_length", self.target_length, 1)
        at_least("data.stride", self.stride, 1)

    @property
    def augmentation_names(self) -> tuple[str, ...]:
        """What is done to training windows."""
        return _names(self.augmentation)


@dataclasses.dataclass(frozen=True)
class LabelsConfig:
    """Labelled sequences, and how they become what a network reads. Recognition and anticipation read it."""

    inputs: str = "positions"  # names of MODALITIES, or of a clip's feature arrays, separated by commas
    preprocess: str = "center"  # names of PREPROCESSING in the order in which they are done, separated by commas
    table: str = ""  # of recordings with segments: CSV files with the columns file, start, end, label (docs/labels.md)
    fold: int = 1  # of a data set with published folds (SBU has five): which of them is the test
    frame_step: int = 1  # keep frames 0, frame_step, 2 frame_step, ...
    window: int = 0  # frames that an example of a longer segment shows, after frame_step; 0: segments stay whole
    hop: int = 0  # frames between the windows of a segment; 0: half a window
    buckets: int = 4  # lengths that whole segments are padded to
    class_weights: str = "none"  # "balanced": of the loss, the inverse of how often a class occurs in training
    smoothing: float = 0.0  # of labels: the share that is spread evenly over all classes
    focal_gamma: float = 2.0  # of train.loss "focal": how little a sure prediction counts; 0: as cross_entropy
    triplet_margin: float = 0.2  # of train.loss "triplet": how much farther another class is to be, squared
    triplet_mining: str = "hard"  # "hard": each sequence's hardest triplet of the batch; "all": all of them

    def __post_init__(self) -> None:
        for name in self.preprocess_names:
            if name not in PREPROCESSING:
                allowed = ", ".join(PREPROCESSING)
                raise UserError(f"labels.preprocess={self.preprocess!r}: {name!r} must be one of {allowed}")
        if not self.input_names:
            raise UserError(f"labels.inputs={self.inputs!r}: must name at least one of {', '.join(MODALITIES)}")
        if len(set(self.input_names)) < len(self.input_names):
            raise UserError(f"labels.inputs={self.inputs!r}: names one of them twice")
        at_least("labels.fold", self.fold, 1)
        at_least("labels.frame_step", self.frame_step, 1)
        at_least("labels.window", self.window, 0)
        at_least("labels.hop", self.hop, 0)
        if self.hop and not self.window:
            raise UserError(f"labels.hop={self.hop}: nothing reads it unless labels.window is given")
        if self.hop > self.window:
            raise UserError(f"labels.hop={self.hop}: must be at most labels.window={self.window}, or frames are lost")
        at_least("labels.buckets", self.buckets, 1)
        one_of("labels.class_weights", self.class_weights, CLASS_WEIGHTS)
        fraction("labels.smoothing", self.smoothing)
        at_least("labels.focal_gamma", self.focal_gamma, 0)
        at_least("labels.triplet_margin", self.triplet_margin, 0)
        one_of("labels.triplet_mining", self.triplet_mining, TRIPLET_MINING)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Modalities in order."""
        return _names(self.inputs)

    @property
    def preprocess_names(self) -> tuple[str, ...]:
        """Steps in order."""
        return _names(self.preprocess)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Which network. The fields of each are those of a subclass, declared beside its `make`.

    A subclass overrides `check` and `check_run` for what depends on other groups, and names in `UNREAD` the fields of
    other groups that its training does not read: an experiment that sets one of them is refused.
    """

    name: str  # a key of `models.REGISTRY`

    TASK: typing.ClassVar[str] = "forecasting"  # of TASKS: what the network is for
    UNREAD: typing.ClassVar[tuple[str, ...]] = ()

    @property
    def unread(self) -> tuple[str, ...]:
        """Fields, or whole groups, that nothing reads where this model is trained for its task."""
        return (*UNREAD_BY_TASK[self.TASK], *self.UNREAD)

    @property
    def width(self) -> int:
        """H, the field `hidden`; 0 of a model that has none."""
        return getattr(self, "hidden", 0)

    def check(self, data: DataConfig) -> None:
        """Raises `UserError` where the model cannot serve windows of `data`."""

    def check_run(self, labels: LabelsConfig, train: TrainConfig) -> None:
        """Raises `UserError` where the model cannot read such inputs, or cannot be trained so."""


MODEL_CONFIGS: dict[str, type[ModelConfig]] = {}
"""The fields of every model by its name, as `models.register` enters them; to be read by `model_configs`."""


def model_configs() -> Mapping[str, type[ModelConfig]]:
    """The fields of every model by its name.

    The registries lie on a floor above this one, and whoever reads a configuration need not have imported them.
    """
    for registry in ("models", "recognition", "anticipation"):
        importlib.import_module(f"motion_jax.{registry}")
    return MODEL_CONFIGS


FORCING = ("train.teacher_forcing", "train.coin", "train.forcing_schedule", "train.forcing_end")
"""What a model leaves unread that learns from true frames alone."""
_OF_WINDOWS = (
    *(f"data.{name}" for name in ("source_length", "target_length", "representation", "windows", "augmentation",
                                  "speed_range", "amplitude_range", "posture_range", "rest_range", "stride",
                                  "statistics", "one_hot", "skip_first_row", "in_memory", "loader")),
    *FORCING,
    "train.init",
    "train.score_mode",
    "train.report_test",
    "train.refit",
    "eval.protocols",
    "eval.metrics",
    "eval.frames",
)  # fmt: skip
UNREAD_BY_TASK = {"forecasting": ("labels",), "recognition": _OF_WINDOWS, "anticipation": _OF_WINDOWS}
"""Fields and whole groups of an `Experiment` that a task does not read."""

DEFAULT_MODEL = "seq2seq"


def model_config(name: str = DEFAULT_MODEL, **fields: Any) -> ModelConfig:
    """The fields of the model called `name`: those given, and the defaults of the others.

    Raises:
        UserError: no such model, a field that it does not read, a wrong type or an impossible value.
    """
    return _build_model({"name": name, **fields}, "model.")


def model_fields(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Every field of the model `name`, for a configuration whose group `model` holds `values` of this or another.

    A field that both read keeps its value, unless that is the default of the model that it was written for: then it
    has the other's default, for one name may mean different things (`predicted=0` is all frames at once to one model
    and impossible to another), and what is usual for one is not for another.
    """
    known = model_configs()
    fields, before = _defaults_of(known[name]), values.get("name", DEFAULT_MODEL)
    if before == name:
        return {**fields, **values, "name": name}  # with what no model reads, to be refused
    usual = _defaults_of(known[before]) if before in known else {}
    kept = {key: value for key, value in values.items() if key in fields and (key, value) not in usual.items()}
    return {**fields, **kept, "name": name}


@dataclasses.dataclass(frozen=True)
class ComputeConfig:
    """How a network is computed, whichever it is. None of it changes what is computed beyond rounding."""

    precision: str = "float32"  # of matmul operands; state, gates, softmax, sums and parameters stay float32
    fast: bool = True  # gradients of weights formed once over time; False: the plain scan, for forward-mode
    micro_batch: int = 0  # sequences that a device computes at once, part after part; 0: by platform (docs/api.md)
    unroll: int = 1  # steps of a loop over time that are compiled as one
    cuda_graphs: bool = False  # on a GPU, capture the loops over time as graphs; elsewhere nothing

    def __post_init__(self) -> None:
        one_of("compute.precision", self.precision, PRECISIONS)
        at_least("compute.micro_batch", self.micro_batch, 0)
        at_least("compute.unroll", self.unroll, 1)


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """Optimiser, learning-rate schedule and gradient clipping. Defaults: the thesis's Table 6."""

    name: str = "sgd"
    learning_rate: float = 0.005
    schedule: str = "staircase"  # how the rate falls; "cosine" and "linear" reach their end at train.steps
    decay_rate: float = 0.95  # of staircase and exponential: the factor over decay_steps
    decay_steps: int = 10_000
    final_fraction: float = 0.0  # of cosine and linear: the last rate over the first
    warmup_steps: int = 0  # updates over which the rate rises to the schedule's, linearly
    clip_norm: float = 5.0
    clip_kind: str = "l2"
    momentum: float = 0.9  # of momentum, nesterov and rmsprop
    weight_decay: float = 0.0  # adamw: decoupled, of matrices only; adam: L2 of all, added to the gradient (PyTorch's)

    def __post_init__(self) -> None:
        one_of("optim.name", self.name, OPTIMIZERS)
        one_of("optim.schedule", self.schedule, RATE_SCHEDULES)
        one_of("optim.clip_kind", self.clip_kind, CLIP_NORMS)
        positive("optim.learning_rate", self.learning_rate)
        fraction("optim.decay_rate", self.decay_rate)
        positive("optim.decay_rate", self.decay_rate)
        at_least("optim.decay_steps", self.decay_steps, 1)
        fraction("optim.final_fraction", self.final_fraction)
        at_least("optim.warmup_steps", self.warmup_steps, 0)
        positive("optim.clip_norm", self.clip_norm)
        fraction("optim.momentum", self.momentum)
        at_least("optim.weight_decay", self.weight_decay, 0)
        for field, (chooser, readers) in _READ_BY.items():
            chosen = getattr(self, chooser)
            if getattr(self, field) != getattr(OptimConfig, field) and chosen not in readers:
                raise UserError(f"optim.{field}={getattr(self, field)}: {chosen} does not read it; "
                                f"{', '.join(readers)} do")  # fmt: skip

    @property
    def reads_steps(self) -> bool:
        """Whether the schedule is measured by `train.steps`."""
        return self.schedule in ("cosine", "linear")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The loop. Defaults: the thesis's Table 6."""

    steps: int = 100_000
    batch: int = 16  # B, over all devices together
    seed: int = 0
    init: str = ""  # a pretrained model, or a packed run: training goes on from its parameters, in its pose space
    loss: str = "mse"
    teacher_forcing: float = 0.5  # probability that a step reads the true previous frame
    coin: str = "iteration"  # one coin for the whole batch, per sequence, or per step
    forcing_schedule: str = "constant"
    forcing_end: float = 0.0  # what linear, exponential and inverse_sigmoid fall to at the last step
    steps_per_dispatch: int = 10  # K
    # the next three count updates; each is done at the end of the dispatch that reaches its number
    log_every: int = 100  # n: current loss
    report_every: int = 1_000  # m: averages, validation, SRNN errors
    checkpoint_every: int = 1_000
    keep_last: int = 2
    keep_best: bool = True  # needs data.validation
    ema: float = 0.0  # decay of the parameters' moving average, which is measured and used; 0: the parameters are
    score: str = "auto"  # the metric of the validation score; "auto": euler_error_rad, of positions mpjpe_mm
    score_mode: str = "both"  # its mode; "free_running": nothing one-step is measured
    patience: int = 0  # reports in a row without a better validation score that end the run; 0: none do
    report_test: bool = True  # whether reports measure test windows too; nothing reads that
    max_skipped: int = 100  # updates in a row that are skipped, their loss or gradient not finite, until it ends
    prometheus: str = ""  # a file for Prometheus' node exporter (NAME.prom), written at every log line; empty: none
    refit: bool = False  # once validation has chosen the number of steps, train anew on all training clips

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "steps_per_dispatch", "log_every", "report_every", "checkpoint_every",
                     "keep_last"):  # fmt: skip
            at_least(f"train.{name}", getattr(self, name), 1)
        at_least("train.seed", self.seed, 0)
        one_of("train.loss", self.loss, list(dict.fromkeys(name for names in LOSSES.values() for name in names)))
        fraction("train.teacher_forcing", self.teacher_forcing)
        fraction("train.forcing_end", self.forcing_end)
        one_of("train.coin", self.coin, COINS)
        one_of("train.forcing_schedule", self.forcing_schedule, FORCING_SCHEDULES)
        if not 0 <= self.ema < 1:
            raise UserError(f"train.ema={self.ema}: must be at least 0 and below 1")
        one_of("train.score_mode", self.score_mode, SCORE_MODES)
        at_least("train.patience", self.patience, 0)
        at_least("train.max_skipped", self.max_skipped, 0)

    @property
    def score_modes(self) -> tuple[str, ...]:
        """The modes that reports measure."""
        return MODES if self.score_mode == "both" else (self.score_mode,)


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """What a report measures. Lists are separated by commas; `evaluation.evaluate.check_names` knows the names."""

    protocols: str = "srnn,windows256"
    metrics: str = "euler_error_rad,mpjpe_mm,mpjpe_h36m22_mm"
    frames: str = "2,4,8,10,14,25"  # which predicted frames a table shows, 1-based
    batch: int = 256  # windows to a compiled call

    def __post_init__(self) -> None:
        at_least("eval.batch", self.batch, 1)
        for frame in self.frame_numbers:
            at_least("eval.frames", frame, 1)

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
    labels: LabelsConfig = dataclasses.field(default_factory=LabelsConfig)
    model: ModelConfig = dataclasses.field(default_factory=model_config)
    compute: ComputeConfig = dataclasses.field(default_factory=ComputeConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        for frame in self.eval.frame_numbers:
            if frame > self.data.target_length:
                raise UserError(f"eval.frames asks for frame {frame}, but data.target_length={self.data.target_length}")
        self.model.check(self.data)
        self.model.check_run(self.labels, self.train)
        self._check_unread()
        one_of("train.loss", self.train.loss, LOSSES[self.model.TASK])
        for field, loss in _READ_BY_LOSS.items():
            value = getattr(self.labels, field)
            if value != getattr(LabelsConfig, field) and self.train.loss != loss:
                raise UserError(f"labels.{field}={value!r}: nothing reads it unless train.loss={loss!r}")
        if self.train.loss == "triplet" and self.train.batch < 3:
            raise UserError(f"train.batch={self.train.batch}: must be at least 3 where train.loss='triplet'")

    def _check_unread(self) -> None:
        for path in self.model.unread:
            group, _, field = path.partition(".")
            record = getattr(self, group)
            for name in [field] if field else [field.name for field in dataclasses.fields(record)]:
                default = getattr(type(record), name)  # the class holds it
                if (value := getattr(record, name)) != default:
                    path = f"{group}.{name}"
                    raise UserError(
                        f"{path}={value!r}: model {self.model.name!r} does not read it: leave it out, or where it is "
                        f"the configuration's own give --config.{path}={default}"
                    )

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON and for comparison, without what the model does not read."""
        values = dataclasses.asdict(self)
        for path in self.model.unread:
            group, _, field = path.partition(".")
            if field:
                del values[group][field]
            else:
                del values[group]
        return values

    def to_config_dict(self) -> ml_collections.ConfigDict:
        """The form that `--config.a.b=v` edits; config files return it."""
        return ml_collections.ConfigDict(self.to_dict())

    def changed(self, changes: Mapping[str, Any]) -> Experiment:
        """With other values of some fields, `{"model.hidden": 256, ...}`.

        Another `model.name` keeps what was set otherwise than by default and both models read (`model_fields`).

        Raises:
            UserError: an unknown field, one that the model does not read, a wrong type or an impossible value.
        """
        values = self.to_dict()
        if (name := changes.get("model.name", self.model.name)) in model_configs() and name != self.model.name:
            values["model"] = model_fields(values["model"], name)
        for path, value in changes.items():
            *groups, last = path.split(".")
            group: Any = functools.reduce(lambda part, key: part.setdefault(key, {}), groups, values)
            group[last] = value
        return Experiment.from_config_dict(values)

    @classmethod
    def from_config_dict(cls, config: Mapping[str, Any]) -> Experiment:
        """Checks every key, type and value. Raises `UserError`."""
        values = config.to_dict() if isinstance(config, ml_collections.ConfigDict) else dict(config)
        return typing.cast(Experiment, _build(cls, values, path=""))

    @classmethod
    def from_json(cls, text: str, source: str) -> Experiment:
        """Reads what `json.dumps(to_dict())` wrote; `source` names it in errors."""
        try:
            values = json.loads(text)
            if isinstance(values, dict) and "model" in values and "compute" not in values:
                raise UserError("it was written by an earlier version of motion_jax, before 0.2: train anew")
            optim = values.get("optim") if isinstance(values, dict) else None
            if isinstance(optim, dict) and "schedule" not in optim and optim.get("name") != "adamw":
                optim.pop("weight_decay", None)  # written, not read, before adam had one
            return cls.from_config_dict(values)
        except (ValueError, TypeError) as error:  # no JSON, a UserError, or JSON that is no object
            raise UserError(f"{source}: not a config of this version: {error}") from None


def _build_model(values: Mapping[str, Any], path: str) -> ModelConfig:
    name = values.get("name", DEFAULT_MODEL)
    known = model_configs()
    if name not in known:
        raise UserError(f"model.name={name!r}: must be one of {', '.join(sorted(known))}")
    cls = known[name]
    read = [field.name for field in dataclasses.fields(cls) if field.name != "name"]
    for key in values:
        if key != "name" and key not in read:
            others = sorted(other for other, config in known.items() if key in _names_of(config))
            readers = f" ({', '.join(others)} {'does' if len(others) == 1 else 'do'})" if others else ""
            raise UserError(
                f"{path}{key}: model {name!r} does not read it{readers}; it reads {', '.join(read) or 'no field'}"
            )
    return typing.cast(ModelConfig, _build(cls, {"name": name, **values}, path))


def _names_of(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


def _defaults_of(cls: type) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(cls)}


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
        return _build_model(value, f"{path}.") if hint is ModelConfig else _build(hint, value, f"{path}.")
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise UserError(f"config: {path}={value!r} is {type(value).__name__}; it must be {hint.__name__}")
    return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def one_of(path: str, value: str, allowed: Iterable[str]) -> None:
    """Raises `UserError` unless `value` of the field `path` is among the names that are allowed."""
    if value not in allowed:
        raise UserError(f"{path}={value!r}: must be one of {', '.join(allowed)}")


def at_least(path: str, value: float, least: float) -> None:
    """Raises `UserError` where the field `path` is less, infinite or NaN."""
    if not value >= least:
        raise UserError(f"{path}={value}: must be at least {least}")
    if value == float("inf"):
        raise UserError(f"{path}={value}: must be finite")


def at_most(path: str, value: float, other: str, most: float) -> None:
    """Raises `UserError` where the field `path` is more than the field `other`, which is `most`."""
    if value > most:
        raise UserError(f"{path}={value}: must be at most {other}={most}")


def positive(path: str, value: float) -> None:
    """Raises `UserError` unless the field `path` is a finite number above 0."""
    if not (value > 0 and value != float("inf")):
        raise UserError(f"{path}={value}: must be a positive number")


def fraction(path: str, value: float) -> None:
    """Raises `UserError` unless the field `path` lies between 0 and 1."""
    if not 0 <= value <= 1:
        raise UserError(f"{path}={value}: must lie between 0 and 1")
