"""Comparisons: windows of a test protocol, what followed, and what each model predicts."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from motion_jax.data.positions import represented
from motion_jax.data.protocols import SOURCE, protocol_windows
from motion_jax.errors import UserError
from motion_jax.evaluation.conformal import Radii
from motion_jax.evaluation.evaluate import Selection, select
from motion_jax.evaluation.metrics import METRICS
from motion_jax.experiments.compare import ZERO_VELOCITY, zero_velocity
from motion_jax.inference.predictor import Predictor
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Dataset


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """One model's prediction of one window, free-running."""

    frames: np.ndarray  # [T, D] raw
    euler_error_rad: np.ndarray | None  # [T]; nan of positions, which have no angles; None where no truth is known
    mpjpe_mm: np.ndarray | None  # [T]; likewise
    attention: np.ndarray | None  # [T, S-1] weights of the observed frames but the last
    spread: np.ndarray | None = None  # [T, J] by what the radii of this window differ from the model's usual ones


@dataclasses.dataclass(frozen=True, eq=False)
class Scene:
    """One window."""

    action: str
    window: int  # its number in the protocol, from 0
    clip: str  # its name
    row: int  # of the recording, at which the history begins
    history: np.ndarray  # [S, D] raw, of the longest history that a model reads
    truth: np.ndarray | None  # [T, D] raw; None where nobody knows what followed
    predictions: tuple[Prediction, ...]  # of each model


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Windows of one data set, and the models that predict them."""

    data: str  # name of the data set; "" of recordings that belong to none
    protocol: str
    skeleton: Skeleton
    fps: float
    stride: int  # rows of the recording to a frame
    models: tuple[str, ...]  # distinct names
    is_baseline: tuple[bool, ...]  # of each model: whether it is zero-velocity
    scenes: tuple[Scene, ...]
    radii: tuple[Radii | None, ...] = ()  # of each model, None where it is not calibrated; (): of none
    walk: bool = False  # whether bodies are first shown along their paths, not in place

    @property
    def target_length(self) -> int:
        """T."""
        return len(self.scenes[0].predictions[0].frames)

    def title(self, scene: Scene) -> str:
        """Above pictures of a scene."""
        return f"{scene.action}, {self.data} motion" if self.data else scene.action


def make_comparison(
    runs: Sequence[Predictor], dataset: Dataset, actions: Sequence[str] = (), first: int = 0, count: int = 4
) -> Comparison:
    """Predicts windows `first` to `first + count - 1` of each action with every run, and with zero-velocity.

    The windows are of the first run's first protocol; the errors are those that `evaluate` averages.

    Args:
        runs: trained models of one data set, frame rate and number of predicted frames.
        dataset: whose test clips are shown.
        actions: names; none: all that have test clips.
        first: number of the first window, from 0.
        count: windows an action; fewer where the protocol has fewer.

    Raises:
        UserError: runs that do not go together, an unknown action, no such window, a prediction that is not finite, or
            what `evaluate.select` refuses.
    """
    models = _with_baseline(runs)
    if len({run.space.skeleton.positions for run in models}) > 1:
        raise UserError("--workdir: runs of data.representation='positions' are not shown beside runs of rotations")
    dataset = represented(dataset, runs[0].experiment.data)
    protocol = runs[0].experiment.eval.protocol_names[0]
    selections = [select(protocol, dataset, run.space, run.experiment) for run in models]
    rows = _rows(selections[0], actions, first, count)
    predictions = [
        _prediction(run, dataset, selection, rows) for run, selection in zip(models, selections, strict=True)
    ]
    longest = max(selections, key=lambda selection: selection.history.shape[1])
    sources = _sources(protocol, dataset, runs[0], longest.history.shape[1])
    scenes = []
    for (row, (action, number)), *of_models in zip(rows.items(), *predictions, strict=True):
        clip, begin = sources[row]
        windows = longest.history[row], longest.truth[row]
        scenes.append(Scene(action, number, clip, begin, *windows, tuple(of_models)))
    return Comparison(
        dataset.name,
        protocol,
        dataset.skeleton,
        runs[0].space.fps,
        runs[0].experiment.data.stride,
        _names(models),
        tuple(run.experiment.model.name == ZERO_VELOCITY for run in models),
        tuple(scenes),
        tuple(run.radii for run in models),
    )


def _with_baseline(runs: Sequence[Predictor]) -> list[Predictor]:
    if not runs:
        raise UserError("comparison: no runs to show")
    for name in ("stride", "target_length"):
        if len(found := {getattr(run.experiment.data, name) for run in runs}) > 1:
            raise UserError(f"--workdir: runs that are shown together need one data.{name}, not {sorted(found)}")
    known = any(run.experiment.model.name == ZERO_VELOCITY for run in runs)
    return [*runs, *([] if known else [zero_velocity(runs[0])])]


def _names(models: Sequence[Predictor]) -> tuple[str, ...]:
    """Names of the experiments; those that occur twice with the seed, then with a number."""
    names = [run.experiment.name for run in models]
    for tell_apart in (lambda number: f"seed {models[number].experiment.train.seed}", lambda number: f"#{number + 1}"):
        seen = collections.Counter(names)
        names = [name if seen[name] == 1 else f"{name}, {tell_apart(n)}" for n, name in enumerate(names)]
    return tuple(names)


def _rows(selection: Selection, actions: Sequence[str], first: int, count: int) -> dict[int, tuple[str, int]]:
    """Row of the selection -> action, and number of the window."""
    known = selection.actions
    if unknown := [action for action in actions if action not in known]:
        raise UserError(f"--action={unknown[0]}: no test windows of it; there are {', '.join(known)}")
    chosen = {}
    for action in actions or known:
        begin, end = known[action].start, known[action].stop
        if not 0 <= first < end - begin or count < 1:
            raise UserError(f"--window={first} --windows={count}: {action} has windows 0 to {end - begin - 1}")
        chosen |= {begin + number: (action, number) for number in range(first, min(first + count, end - begin))}
    return chosen


def _prediction(
    run: Predictor, dataset: Dataset, selection: Selection, rows: dict[int, tuple[str, int]]
) -> list[Prediction]:
    index = list(rows)
    future, attention = run.attend(selection.history[index], [action for action, _ in rows.values()])
    for (action, number), frames in zip(rows.values(), future, strict=True):
        if not np.isfinite(frames).all():
            raise UserError(f"{run.experiment.name}: its prediction of {action}, window {number}, is not finite")
    euler, mm = (metric(dataset.skeleton, future, selection.truth[index]) if metric.applies(dataset.skeleton)
                 else np.full(future.shape[:2], np.nan)
                 for metric in (METRICS["euler_error_rad"], METRICS["mpjpe_mm"]))  # fmt: skip
    scale = None if run.radii is None else run.radii.scale
    names = [action for action, _ in rows.values()]
    spread = None if scale is None else scale.factor(run.measure(selection.history[index], names))
    nothing = [None] * len(index)
    parts = (future, euler, mm, nothing if attention is None else attention, nothing if spread is None else spread)
    return [Prediction(*one) for one in zip(*parts, strict=True)]


def _sources(protocol: str, dataset: Dataset, run: Predictor, length: int) -> list[tuple[str, int]]:
    """Where each window of the protocol begins: the clip, and the row of its recording."""
    data = run.experiment.data
    windows = protocol_windows(protocol, dataset, data.source_length, data.target_length, data.stride)
    moved = SOURCE - length
    return [(dataset.clips[window.clip].name, (window.start + moved) * data.stride)
            for chosen in windows.values() for window in chosen]  # fmt: skip
