"""Forecasting as a task: windows of motion, teacher forcing, the configured loss, and what a report measures.

Reports measure random test windows, the SRNN protocol's windows and the validation clips. Only the validation clips
choose a checkpoint. The test numbers are printed because the thesis prints them; nothing reads them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import Experiment
from motion_jax.data.augment import Augmentation, make_augmentation
from motion_jax.data.finite import check_clips, check_types
from motion_jax.data.motion.rates import check_rate
from motion_jax.data.normalize import pose_space
from motion_jax.data.packed_clips import PackedClips, sample_windows
from motion_jax.data.positions import represented
from motion_jax.data.splits import split_clips
from motion_jax.data.window_stream import ReadWindows, WindowStream, pack_or_stream, sample_fixed
from motion_jax.errors import UserError
from motion_jax.evaluation.evaluate import Selection, check_names, select
from motion_jax.evaluation.metrics import Metric, find_metric, has_angles
from motion_jax.losses import Loss, make_loss
from motion_jax.models import make
from motion_jax.models.raw import RawPredict, raw_predict
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.devices import shard_batch
from motion_jax.runtime.distributed import is_first, on_first, share_json
from motion_jax.skeletons.canonical import BODY22
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.teacher_forcing import forcing_of_mode, sample_forcing
from motion_jax.train.log import Progress, end_of, read_metrics
from motion_jax.train.loop import Callback, train
from motion_jax.train.packed_run import PackedRun, find_packed, read_packed
from motion_jax.train.step import replace_running, update_key
from motion_jax.train.task import SCORE
from motion_jax.train.workdir import SPACE, Workdir
from motion_jax.types import Array, Batch, Dataset, Model, Params, RateScales

TEST_WINDOWS = 128  # drawn anew for each report
VALIDATION_WINDOWS = 256  # the same ones in every report of every seed, so that checkpoints compare
VALIDATION_KEY = 20_200_101  # any constant
ROWS = 3  # which child of a step's key the sequences' own keys come from; 0 and 1 draw windows, 2 is the loss's


class ForcedBatch(NamedTuple):
    """Windows, and where each reads the truth in place of its own predictions."""

    windows: Batch
    forced: Array  # [B, T] bool
    keys: Array  # [B, 2] uint32, raw PRNG key data of each sequence


class ReportWindows(NamedTuple):
    """What reports measure; None where a data set has no such clips."""

    test: PackedClips | WindowStream | None = None
    srnn: Selection | None = None
    validation: Batch | None = None


NO_WINDOWS = ReportWindows()


def fit(
    experiment: Experiment,
    dataset: Dataset,
    workdir: str | Path,
    board: bool = False,
    callback: Callback | None = None,
    quiet: bool = False,
) -> int:
    """Trains until `train.steps` or the end of patience, going on with the run in `workdir` if it holds one.

    With `train.refit` it trains twice: in `workdir`/selection with the validation clips held out, a run like any other;
    then in `workdir`, from new parameters, on all training clips for the number of steps that was chosen: that of the
    best validation score, or, where a schedule falls until `train.steps` and there is no patience, `train.steps` (the
    reports before the schedule's end tell nothing of how a schedule that ends there would do). That number is not
    raised for the clips that are added: it is what was validated, and with more clips it overfits less. A schedule
    of the second training ends at its own last step.

    Returns:
        The steps done, of a refit those of the second training.

    Args:
        experiment: what to train.
        dataset: on what.
        workdir: the run's folder.
        board: also write what is measured for TensorBoard, into `workdir`/tensorboard.
        callback: called at each report with the step and what was measured, a row of metrics.jsonl.
        quiet: print nothing.

    Raises:
        UserError: `train.patience` or `train.refit` without validation; the workdir is taken, cannot be written or
            holds another run; the batch does not divide over the devices; a clip is too short; the loss or the state
            became NaN or infinite (the last checkpoint stays).
        Interrupted: SIGTERM or SIGINT; the state was saved.
    """
    if experiment.train.refit:
        return _refit(experiment, dataset, Workdir(workdir), board, callback, quiet)
    on_first(lambda: _check_no_refit(Workdir(workdir)))
    return train(Forecasting.of(experiment, dataset), experiment, workdir, board, callback, quiet)


def _check_no_refit(folder: Workdir) -> None:
    if folder.selection.is_dir():
        raise UserError(f"--workdir={folder.path}: holds another run, one with train.refit: choose another workdir")


def _check_refit(folder: Workdir) -> None:
    if folder.config.exists() and not folder.selection.exists():
        raise UserError(f"--workdir={folder.path}: holds another run, one without train.refit: choose another workdir")


def _refit(
    experiment: Experiment, dataset: Dataset, folder: Workdir, board: bool, callback: Callback | None, quiet: bool
) -> int:
    task = Forecasting.of(experiment, dataset)
    if not task.validates:
        raise UserError(
            f"train.refit: needs validation, and nothing is held out (data.validation={experiment.data.validation!r}): "
            f"name what to hold out, or --config.train.refit=False"
        )
    on_first(lambda: _check_refit(folder))
    train(task, experiment, folder.selection, board, callback, quiet)

    def chosen() -> tuple[int, float]:
        rows = read_metrics(Workdir(folder.selection).metrics)
        steps, end = _chosen_steps(experiment, rows, folder.selection), end_of(rows)
        return steps, end["train_seconds"] if end else 0.0

    steps, seconds = share_json(on_first(chosen))
    final = experiment.changed({"data.validation": "none", "train.steps": steps, "train.patience": 0})
    progress = Progress(steps, quiet=quiet or not is_first())
    progress.say(f"refit: {steps} steps on all training clips, validation's too, in {folder.path}")
    return train(Forecasting.of(final, dataset), final, folder.path, board, callback, quiet, seconds)


def _chosen_steps(experiment: Experiment, rows: Sequence[Mapping[str, Any]], selection: Path) -> int:
    scheduled = experiment.optim.reads_steps or experiment.train.forcing_schedule != "constant"
    if scheduled and not experiment.train.patience:
        return experiment.train.steps
    scores = {row["step"]: row[SCORE] for row in rows if row.get(SCORE) is not None}
    if not scores:
        raise UserError(f"{selection}: no report has a finite validation score: nothing to refit by")
    return min(scores, key=lambda step: scores[step])


def _packed_start(experiment: Experiment, dataset: Dataset) -> PackedRun:
    """The packed run that `train.init` names. Raises `UserError` where its model, windows or body are others."""
    name = experiment.train.init
    start = read_packed(find_packed(name))
    pairs: list[tuple[str, Any, Any]] = [
        ("model", dataclasses.asdict(start.experiment.model), dataclasses.asdict(experiment.model))
    ]
    for field in ("source_length", "target_length", "stride", "representation", "one_hot"):
        pairs.append((f"data.{field}", getattr(start.experiment.data, field), getattr(experiment.data, field)))
    pairs.append(("frames per second", start.space.fps, dataset.fps / experiment.data.stride))
    for what, there, here in pairs:
        if there != here:
            raise UserError(f"train.init={name!r}: its {what} is {there}, here it is {here}: they must be the same")
    if found := start.space.skeleton.mismatch(dataset.skeleton):
        hint = " (prepare --body=body22)" if start.space.skeleton.name == BODY22.name else ""
        raise UserError(f"train.init={name!r}: is of another body than {dataset.name!r}{hint}: {found}")
    return start


@dataclasses.dataclass(frozen=True, eq=False)
class Forecasting:
    """The `Task` of predicting the frames that follow (see `train/task.py` for each member)."""

    experiment: Experiment
    model: Model
    space: PoseSpace
    loss: Loss
    data: PackedClips | WindowStream  # of the training clips
    data_key: str = ""
    windows: ReportWindows = NO_WINDOWS
    augmentation: Augmentation | None = None  # of training windows
    start: Params | None = None  # where training begins; None: parameters that are drawn

    PROGRAMS: ClassVar[tuple[str, ...]] = ("_compiled_loss", "_predict")
    """Compiled functions that tasks of experiments which differ in the seed share."""

    @classmethod
    def of(cls, experiment: Experiment, dataset: Dataset) -> Forecasting:
        """The task of `experiment` on `dataset`.

        Raises:
            UserError: an unknown model, a loss that the frames do not have, a score that does not apply to the
                skeleton, an augmentation that the body does not allow, no clips to train on, a clip too short, a frame
                rate that is not a finite number above 0, or a number in any split that motion does not have.
        """
        check_rate(dataset.fps, f"data set {dataset.name!r}: fps", required=True)
        check_names(experiment.eval)
        check_types(dataset.clips)
        dataset = represented(dataset, experiment.data)
        score_metric(experiment, dataset.skeleton)
        splits = split_clips(dataset, experiment.data)
        start = _packed_start(experiment, dataset) if experiment.train.init else None
        space = start.space if start else pose_space(dataset, splits.train, experiment.data)
        augmentation = make_augmentation(space, splits.train, experiment.data)
        data, batch = experiment.data, experiment.train.batch
        source = pack_or_stream(
            splits.train, space, data, batch, data.windows, augmentation, windows_key, start is None
        )
        model, loss = make(experiment, space), make_loss(experiment.train.loss, space)
        frames = jax.ShapeDtypeStruct((1, experiment.data.target_length, space.width), jnp.float32)
        last = jax.ShapeDtypeStruct((1, space.columns), jnp.float32)
        jax.eval_shape(loss, frames, frames, last)  # what the loss cannot measure it refuses before anything is made
        windows = NO_WINDOWS
        if splits.test and experiment.train.report_test:
            test = pack_or_stream(splits.test, space, data, TEST_WINDOWS)
            windows = ReportWindows(test, select("srnn", dataset, space, experiment))
        else:
            check_clips(splits.test)  # an evaluation would come upon it after hours
        if splits.validation:
            clips = pack_or_stream(splits.validation, space, data, VALIDATION_WINDOWS)
            fixed = sample_fixed(clips, jax.random.key(VALIDATION_KEY), VALIDATION_WINDOWS, space, data)
            windows = windows._replace(validation=fixed)
        params = start.params if start else None
        return cls(experiment, model, space, loss, source, dataset.key, windows, augmentation, params)

    @property
    def records(self) -> dict[str, str]:
        """The statistics that frames are normalised with."""
        return {SPACE: self.space.to_json()}

    @property
    def whole_batch(self) -> bool:
        """Of a model that learns in its own way; all losses of `losses.py` are means over sequences."""
        return self.model.loss_and_grad is not None or self.model.whole_batch

    @property
    def rate_scales(self) -> RateScales | None:
        """The model's."""
        return self.model.rate_scales

    @property
    def validates(self) -> bool:
        """Whether clips were held out to choose a checkpoint."""
        return self.windows.validation is not None

    def init(self, key: Array) -> Params:
        """The model's parameters, drawn by `key`, or those that training goes on from."""
        return self.model.init(key) if self.start is None else jax.tree.map(jnp.asarray, self.start)

    def sample_batch(self, data: PackedClips | ReadWindows, key: Array, step: Array) -> ForcedBatch:
        """B windows, and where their decoders are fed the truth at `step`; consumes `key`."""
        config, drawn = self.experiment.train, self.experiment.data
        windows_key, forcing_key = jax.random.split(key)  # `windows_key` says the same
        packed, first = (data.packed, data.first[step - data.step]) if isinstance(data, ReadWindows) else (data, None)
        windows = sample_windows(
            packed, windows_key, config.batch, self.space, drawn, drawn.windows, self.augmentation, first
        )
        forced = sample_forcing(config, forcing_key, step, config.batch, self.experiment.data.target_length)
        keys = jax.random.key_data(jax.random.split(jax.random.fold_in(key, ROWS), config.batch))
        return ForcedBatch(windows, forced, keys)

    def loss_and_grad(self, params: Params, batch: ForcedBatch, key: Array, step: Array) -> tuple[Array, Params]:
        """The model's own, or the configured loss of what it predicts and the gradient of that; consumes `key`.

        Where `train_loss` moves running statistics, the gradient holds their new values.
        """
        if self.model.loss_and_grad:
            return self.model.loss_and_grad(params, batch.windows, batch.forced, key, step)
        if not self.model.train_loss:
            return jax.value_and_grad(self._loss_of)(params, batch.windows, batch.forced)
        keys = jax.random.wrap_key_data(batch.keys)
        with_grad = jax.value_and_grad(self.model.train_loss, has_aux=True)
        (loss, moved), grad = with_grad(params, batch.windows, keys, step)
        return loss, replace_running(grad, moved)

    def measure(self, params: Params, step: int) -> dict[str, Any]:
        """Named numbers for `metrics.jsonl`; modes apart. Errors are means over windows and frames.

        The score that chooses the best checkpoint is the error by `train.score` as a fraction of zero-velocity's on the
        same windows; where reports measure both modes it is the mean over them, so that neither is bought at the
        other's cost. Below 1 is better than holding the last frame.
        """
        row: dict[str, Any] = {}
        error_name, modes = self._error_name, self._modes
        if self.windows.test and self.windows.srnn:
            key = jax.random.fold_in(jax.random.key(self.experiment.train.seed), step)
            test = sample_fixed(self.windows.test, key, TEST_WINDOWS, self.space, self.experiment.data)
            srnn = self._encoded(self.windows.srnn)
            for mode in modes:
                row[f"test_loss_{mode}"] = self._loss_in(mode, params, test)
                row[f"srnn_loss_{mode}"] = self._loss_in(mode, params, srnn)
                row[f"srnn_{error_name}_{mode}"] = self._srnn_errors(params, self.windows.srnn, mode)
        if held_out := self.windows.validation:
            row["validation_loss"] = self._loss_in("free_running", params, held_out)
            errors = {mode: self._validation_error(params, held_out, mode) for mode in modes}
            row |= {f"validation_{error_name}_{mode}": error for mode, error in errors.items()}
            row[SCORE] = float(np.mean([errors[mode] / self._zero_velocity_errors[mode] for mode in modes]))
        return row

    def describe(self, row: Mapping[str, Any]) -> str:
        """What the thesis prints every m steps."""
        lines = []
        error_name, digits, unit = self._error_name, self._metric.digits, self._metric.unit
        if SCORE in row:
            errors = ", ".join(f"{mode.replace('_', '-')} {row[f'validation_{error_name}_{mode}']:.{digits}f}"
                               for mode in self._modes)  # fmt: skip
            lines.append(
                f"  validation: loss {row['validation_loss']:.5f}  error {errors} {unit}  of zero-velocity's: "
                f"{row[SCORE]:.3f}"
            )
        frames = ",".join(map(str, self.experiment.eval.frame_numbers))
        width = max(map(len, self._modes)) + 1
        for mode in self._modes if self.windows.srnn else ():
            errors = " ".join(f"{error:.{digits}f}" for error in row[f"srnn_{error_name}_{mode}"])
            lines.append(
                f"  test, {mode + ':':<{width}} loss {row[f'test_loss_{mode}']:.5f}  SRNN loss "
                f"{row[f'srnn_loss_{mode}']:.5f}  SRNN error at frames {frames}: {errors} {unit}"
            )
        return "\n".join(lines)

    def _loss_of(self, params: Params, windows: Batch, forced: Array) -> Array:
        return self.loss(
            self.model.apply(params, windows.history, windows.future, forced), windows.future, windows.last
        )

    @property
    def _modes(self) -> tuple[str, ...]:
        return self.experiment.train.score_modes

    @functools.cached_property
    def _metric(self) -> Metric:
        return score_metric(self.experiment, self.space.skeleton)

    @property
    def _error_name(self) -> str:
        """Of the score's metric in rows of the log."""
        return self._metric.name.removeprefix("euler_")

    @functools.cached_property
    def _compiled_loss(self) -> jax.stages.Wrapped:
        """`_loss_of`, compiled once for each number of windows."""
        return jax.jit(self._loss_of)

    def _loss_in(self, mode: str, params: Params, windows: Batch) -> float:
        rows, _ = shard_batch(params, (windows, forcing_of_mode(mode, *windows.future.shape[:2])))
        return float(self._compiled_loss(params, *rows))

    @functools.cached_property
    def _predict(self) -> RawPredict:
        return raw_predict(self.model, self.space, self.experiment)

    def _encoded(self, selection: Selection) -> Batch:
        return self.space.encode_window(selection.history, selection.future, jnp.asarray(selection.codes))

    def _srnn_errors(self, params: Params, srnn: Selection, mode: str) -> list[float]:
        """The mean over actions at the frames of `eval.frames`."""
        predicted = self._predict(params, srnn.history, srnn.future, srnn.codes, mode)
        errors = self._metric(self.space.skeleton, np.asarray(predicted), srnn.truth)
        means = np.mean([errors[windows].mean(0) for windows in srnn.actions.values()], axis=0)
        return [float(means[frame - 1]) for frame in self.experiment.eval.frame_numbers]

    def _validation_error(self, params: Params, windows: Batch, mode: str) -> float:
        """The mean over windows and all T frames."""
        actions = np.asarray(windows.history[:, 0, len(self.space.kept) :])
        history, future = _decoded(windows, self.space)
        predicted = np.asarray(self._predict(params, history, future, actions, mode))
        return float(self._metric(self.space.skeleton, predicted, future).mean())

    @functools.cached_property
    def _zero_velocity_errors(self) -> dict[str, float]:
        """The error of holding the last known frame on the validation windows, by mode."""
        assert self.windows.validation
        history, future = _decoded(self.windows.validation, self.space)
        known = {
            "free_running": np.broadcast_to(history[:, -1:], future.shape),
            "one_step": np.concatenate([history[:, -1:], future[:, :-1]], axis=1),
        }
        return {mode: float(self._metric(self.space.skeleton, known[mode], future).mean()) for mode in self._modes}


def windows_key(key: Array, step: Array) -> Array:
    """The key by which the windows of update `step` are drawn, of a run whose state has the raw `key`."""
    return jax.random.split(update_key(key, step))[0]


def score_metric(experiment: Experiment, skeleton: Skeleton) -> Metric:
    """The metric that `train.score` names; "auto" is the Euler error, of a model of joint positions MPJPE.

    Raises:
        UserError: there is none, it does not apply to `skeleton`, is one of walks, or higher is better in it.
    """
    name = experiment.train.score
    if name == "auto":
        name = "euler_error_rad" if has_angles(skeleton) else "mpjpe_mm"
    try:
        metric = find_metric(name)
    except UserError as error:
        raise UserError(f"train.score={name!r}: {error}") from None
    if metric.higher_is_better:
        raise UserError(f"train.score={name!r}: must be a metric in which lower is better")
    if metric.of_walks is not None:
        raise UserError(f"train.score={name!r}: reads the observed frames too, which only evaluation measures")
    if not metric.applies(skeleton):
        others = [other for other in experiment.eval.metric_names if find_metric(other).applies(skeleton)]
        raise UserError(
            f"train.score={name!r}: does not apply to skeleton {skeleton.name!r}"
            + (f"; of eval.metrics, {', '.join(others)} {'does' if len(others) == 1 else 'do'}" if others else "")
        )
    return metric


def _decoded(windows: Batch, space: PoseSpace) -> tuple[np.ndarray, np.ndarray]:
    """Raw frames of history and future."""
    history, future = (space.decode(part, windows.last) for part in (windows.history, windows.future))
    return np.asarray(history), np.asarray(future)
