"""Evaluation: the same windows, the same truth and the same metrics for every model, one report a mode and metric.

Two modes, never mixed. `free_running`: after the last observed frame the model reads only its own predictions; this is
the task. `one_step`: the model reads the true previous frame at every step, so every horizon is a one-frame prediction.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import logging

from motion_jax.config import MODES, EvalConfig, Experiment
from motion_jax.data.positions import represented
from motion_jax.data.protocols import COUNTS, SOURCE, gather, lacking_actions, protocol_windows
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import Metric, find_metric, unfit
from motion_jax.evaluation.report import Report
from motion_jax.evaluation.walks import Walks, make_walks, true_path
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime import distributed
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Array, Dataset

# (history [W, S, D], future [W, T, D], action codes [W, A], mode) -> [W, T, D]: raw frames in and out. Only one_step
# is given the true future; in free_running it is zeros, which lend their length.
Predict = Callable[[np.ndarray, np.ndarray, np.ndarray, str], Array | np.ndarray]

LABEL_MS = 40  # papers label a frame as if every data set ran at 25 fps


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """The windows of one protocol, action after action."""

    history: np.ndarray  # [W, S, D] float32, raw
    future: np.ndarray  # [W, T, D] float32, raw
    truth: np.ndarray  # [W, T, D] float64, `future` in full precision
    codes: np.ndarray  # [W, A] one-hot actions; A = 0 where the space has none
    actions: dict[str, slice]  # name -> its windows
    paths: np.ndarray | None = None  # [W, S + T, 6] the true roots in space, where asked for


def evaluate(
    predict: Predict,
    dataset: Dataset,
    space: PoseSpace,
    experiment: Experiment,
    name: str,
    modes: Sequence[str] = MODES,
) -> list[Report]:
    """Scores a model on every protocol and metric of `experiment.eval`.

    Metrics of walks are scored free-running alone: one-step predictions make no path.

    Models see, and are scored against, frames that went through `space` and back: a dropped column is its mean, as
    where Martinez 2017 scores un-normalised frames. A prediction that is not finite scores nan and is logged.

    Of several processes (`runtime/distributed.py`) all call it alike; each predicts its share of the windows, and all
    have the reports.

    Returns:
        One report for each protocol, mode and metric, in this order.

    Raises:
        UserError: `check_names` refuses the config, the data set does not fit `space` or cannot serve a protocol, no
            metric of the config applies to its skeleton and a mode, or a prediction has a wrong shape.
    """
    check_names(experiment.eval)
    dataset = represented(dataset, experiment.data)
    metrics = _applicable_metrics(experiment, dataset)
    if "free_running" not in modes and all(metric.of_walks for metric in metrics):
        raise UserError(f"eval.metrics={experiment.eval.metrics!r}: are of walks, measured in free_running alone")
    reports = []
    for protocol in experiment.eval.protocol_names:
        selection = select(protocol, dataset, space, experiment, any(metric.of_walks for metric in metrics))
        for action, why in lacking_actions(protocol, dataset, experiment.data.stride).items():
            logging.warning("%s: reports are without %s: %s", dataset.name, action, why)
        for mode in modes:
            prediction = _predict_share(predict, selection, mode, experiment.eval.batch)
            _warn_of_nan(prediction, selection, f"{name}, {protocol}, {mode}")
            measured = [metric for metric in metrics if metric.of_walks is None or mode == "free_running"]
            walks = _walks(prediction, selection, space, experiment) if any(each.of_walks for each in measured) else {}
            for metric in measured:
                row = (name, mode, protocol, metric.name)
                errors = _errors(metric, dataset.skeleton, prediction, selection, walks)
                reports.append(_report(row, errors, selection, dataset, space, experiment))
    return reports


def check_names(config: EvalConfig) -> None:
    """To be called before hours of work. Raises `UserError` for a metric or a protocol that there is not."""
    for name in config.metric_names:
        try:
            find_metric(name)
        except UserError as error:
            raise UserError(f"eval.metrics={config.metrics!r}: {error}") from None
    for name in config.protocol_names:
        if name not in COUNTS:
            raise UserError(f"eval.protocols={config.protocols!r}: {name!r} must be one of {', '.join(COUNTS)}")
    for field in ("metrics", "protocols", "frames"):
        if not getattr(config, field).strip(", "):
            raise UserError(f"eval.{field}={getattr(config, field)!r}: must name at least one")


def select(
    protocol: str, dataset: Dataset, space: PoseSpace, experiment: Experiment, with_paths: bool = False
) -> Selection:
    """The windows that a protocol scores, as models see them. Raises `UserError` as `evaluate`."""
    dataset = represented(dataset, experiment.data)
    _check_space(dataset, space, experiment)
    data = experiment.data
    windows = protocol_windows(protocol, dataset, data.source_length, data.target_length, data.stride)
    everything = [window for chosen in windows.values() for window in chosen]
    history, future = gather(dataset.clips, everything, data.source_length, data.target_length, data.stride)
    slices, codes, begin = {}, [], 0
    for action, chosen in windows.items():
        slices[action] = slice(begin, begin + len(chosen))
        codes += [space.one_hot(action)] * len(chosen)
        begin += len(chosen)
    truth = through_space(space, future)
    seen = through_space(space, history).astype(np.float32)
    paths = None
    if with_paths and not dataset.skeleton.positions:
        used = sorted({window.clip for window in everything})
        roots = {clip: true_path(dataset.skeleton, dataset.clips[clip])[:: data.stride] for clip in used}
        begins = [(window.clip, window.start + SOURCE - data.source_length) for window in everything]
        span = data.source_length + data.target_length
        paths = np.stack([roots[clip][begin : begin + span] for clip, begin in begins])
    return Selection(seen, truth.astype(np.float32), truth, np.stack(codes), slices, paths)


def through_space(space: PoseSpace, frames: np.ndarray) -> np.ndarray:
    """What a model can predict, without rounding: `[..., D]` float64, columns that do not move at their mean.

    Of positions, every joint moves with the one that it lies on.
    """
    if space.representation == "positions":
        return frames.astype(np.float64)
    mean, _, columns = space.raw
    kept = list(columns)
    result = np.broadcast_to(np.asarray(mean, np.float64), frames.shape).copy()
    result[..., kept] = frames[..., kept]
    return result


def predict_windows(predict: Predict, selection: Selection, mode: str, batch: int) -> np.ndarray:
    """`[W, T, D]`, in calls of one shape (at most `batch` windows), so that a jitted model compiles once."""
    future = selection.future if mode == "one_step" else np.zeros_like(selection.future)
    count = len(future)
    calls = math.ceil(count / batch)
    size = math.ceil(count / calls)
    chunks = np.minimum(np.arange(calls * size), count - 1).reshape(calls, size)  # the last window fills the last call
    parts = [np.asarray(predict(selection.history[i], future[i], selection.codes[i], mode)) for i in chunks]
    for part in parts:
        if part.shape != future[chunks[0]].shape:
            raise UserError(f"prediction has shape {part.shape}; it must be {future[chunks[0]].shape}")
    return np.concatenate(parts)[:count]


def _predict_share(predict: Predict, selection: Selection, mode: str, batch: int) -> np.ndarray:
    """`predict_windows`, of which each of several processes does its share."""
    names = ("history", "future", "truth", "codes")

    def share(rows: np.ndarray) -> np.ndarray:
        part = dataclasses.replace(selection, **{name: getattr(selection, name)[rows] for name in names})
        return predict_windows(predict, part, mode, batch)

    return distributed.in_shares(len(selection.history), share)


def _walks(prediction: np.ndarray, selection: Selection, space: PoseSpace, experiment: Experiment) -> dict[str, Walks]:
    """Those of every action."""
    assert selection.paths is not None
    return {
        action: make_walks(
            space.skeleton,
            selection.history[windows],
            prediction[windows],
            selection.truth[windows],
            selection.paths[windows],
            space.fps,
            experiment.data.stride,
        )
        for action, windows in selection.actions.items()
    }


def _errors(
    metric: Metric, skeleton: Skeleton, prediction: np.ndarray, selection: Selection, walks: dict[str, Walks]
) -> dict[str, np.ndarray]:
    """The mean over windows at every frame: action -> `[T]`."""
    means = {}
    for action, windows in selection.actions.items():
        if metric.of_walks is None:
            error = metric(skeleton, prediction[windows], selection.truth[windows])
        else:
            error = metric.on_walks(walks[action])
        finite = np.isfinite(prediction[windows]).all(-1)  # also in columns that the metric does not read
        if metric.of_walks is not None:
            finite = np.logical_and.accumulate(finite, axis=1)  # nothing goes on from nowhere
        if metric.sparse:
            mean = _mean_of_known(error)
            means[action] = np.where(finite.all(0), mean, np.nan)
        else:
            means[action] = np.where(finite, error, np.nan).mean(0)
    return means


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Over the first axis, of what is not nan; nan where all is."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _report(
    row: tuple[str, str, str, str],
    errors: dict[str, np.ndarray],
    selection: Selection,
    dataset: Dataset,
    space: PoseSpace,
    experiment: Experiment,
) -> Report:
    frames = list(experiment.eval.frame_numbers)
    columns = [frame - 1 for frame in frames]
    model, mode, protocol, metric = row
    of_actions = np.array(list(errors.values()))
    average = _mean_of_known(of_actions) if find_metric(metric).sparse else of_actions.mean(axis=0)
    return Report(
        model=model,
        mode=mode,
        protocol=protocol,
        metric=metric,
        frames=frames,
        milliseconds=[round(1000 * frame / space.fps, 3) for frame in frames],
        label_ms=[LABEL_MS * frame for frame in frames],
        actions={action: error[columns].tolist() for action, error in errors.items()},
        average=average[columns].tolist(),
        missing=_missing(selection, dataset),
        windows=len(selection.history) // len(selection.actions),
        seeds=1,
        std=None,
        config=experiment.to_dict(),
        data=_describe(dataset),
    )


def _missing(selection: Selection, dataset: Dataset) -> list[str]:
    """Actions that the protocol has no windows of."""
    return [action for action in dataset.actions if action not in selection.actions]


def _describe(dataset: Dataset) -> dict[str, Any]:
    frames = sum(len(clip.frames) for clip in dataset.clips)
    return {"name": dataset.name, "files": len(dataset.clips), "frames": frames, "key": dataset.key}


def _applicable_metrics(experiment: Experiment, dataset: Dataset) -> list[Metric]:
    metrics = [find_metric(name) for name in experiment.eval.metric_names]
    chosen = [metric for metric in metrics if metric.applies(dataset.skeleton)]
    if not chosen:
        raise UserError(f"eval.metrics={experiment.eval.metrics!r}: none applies to skeleton {dataset.skeleton.name!r}")
    asked = experiment.eval.metrics != EvalConfig().metrics  # nobody asked for those that are usual
    for metric in metrics:
        if metric not in chosen and (asked or metric.applies(dataset.skeleton.of_angles)):
            _warn_unreported(metric.name, unfit(metric, dataset.skeleton))
    return chosen


@functools.cache
def _warn_unreported(metric: str, why: str) -> None:
    """Once, not for each model and mode."""
    logging.warning("%s %s: not reported", metric, why)


def _check_space(dataset: Dataset, space: PoseSpace, experiment: Experiment) -> None:
    if found := space.skeleton.mismatch(dataset.skeleton):
        raise UserError(
            f"data set {dataset.name!r} has skeleton {dataset.skeleton.name!r}; the model was made for "
            f"{space.skeleton.name!r}: {found}"
        )
    fps = dataset.fps / experiment.data.stride
    if not math.isclose(fps, space.fps):
        raise UserError(f"data.stride={experiment.data.stride} gives {fps:g} fps; the model was made for {space.fps:g}")


def _warn_of_nan(prediction: np.ndarray, selection: Selection, where: str) -> None:
    for action, windows in selection.actions.items():
        if bad := int(np.count_nonzero(~np.isfinite(prediction[windows]).all((1, 2)))):
            logging.warning("%s: %d predictions of %s are not finite; they score nan", where, bad, action)
