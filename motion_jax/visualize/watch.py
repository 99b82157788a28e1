"""Watching a recording: what a model predicts at several places of it and after its end, as a comparison."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from motion_jax.data.formats import Motion
from motion_jax.data.motion.rates import nominal_rate
from motion_jax.data.motion.resample import resample
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import METRICS
from motion_jax.experiments.compare import ZERO_VELOCITY
from motion_jax.inference.continuation import Fitted, continue_fitted, fit, observed, on_model_body, rows_read
from motion_jax.inference.predictor import Predictor
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.comparison import Comparison, Prediction, Scene

BASELINE = "Zero-velocity"


class _Window(NamedTuple):
    """What is shown of one prediction, at the model's rate on its body, roots absolute."""

    fitted: Fitted
    begin: float  # s into the recording
    history: np.ndarray  # [S, D]
    future: np.ndarray  # [T, D] or fewer: a recording's last frame may come before the model's
    truth: np.ndarray | None  # [T, D]


def watch(
    predictor: Predictor,
    motion: Motion,
    action: str | None = None,
    *,
    windows: int = 6,
    retargeted: bool = False,
    joint_map: Path | None = None,
) -> Comparison:
    """A comparison of what `continue_motion` predicts along a recording with what followed, and with zero-velocity.

    Of its scenes the last is of what comes after the recording's end, where no truth is known. All are on the model's
    body and at its rate, with the path that the root makes; zero-velocity stands still where it last was.

    Args:
        predictor: of any body.
        motion: that it can continue.
        action: as `continue_motion`'s.
        windows: how many places of the recording are shown, evenly apart; fewer where it is short.
        retargeted: as `continue_motion`'s.
        joint_map: as `continue_motion`'s.

    Raises:
        UserError: what `continue_motion` refuses, or a prediction is not finite.
    """
    predictor.space.one_hot(action)
    ending = fit(predictor, motion, None, retargeted, joint_map)
    quiet = dataclasses.replace(motion, warnings=())  # they were told once
    starts = _starts(predictor, motion, windows)
    fitted = [*(fit(predictor, quiet, start, retargeted, joint_map) for start in starts), ending]
    futures = continue_fitted(predictor, fitted, action)
    shown = [_window(predictor, *one) for one in zip(fitted, futures, [*starts, None], strict=True)]
    length = min(len(window.future) for window in shown)
    body = dataclasses.replace(ending.onto.skeleton, root="absolute")
    name, stem = Path(motion.source).name, Path(motion.source).stem
    attention = _attention(predictor, fitted, action)
    scenes = []
    for number, (window, weights) in enumerate(zip(shown, attention, strict=True)):
        truth = None if window.truth is None else window.truth[:length]
        spread = _spread(predictor, window.fitted, action, length)
        ours = _prediction(body, window.future[:length], truth, weights, spread)
        held = _prediction(body, np.repeat(window.history[-1:], length, axis=0), truth)
        if not np.isfinite(ours.frames).all():
            raise UserError(f"{motion.source}: what is predicted from {window.begin:.2f} s on is not finite")
        title = stem if truth is not None else f"{stem}, what comes next"
        row = round(window.begin * predictor.space.fps)
        scenes.append(Scene(title, number, name, row, window.history, truth, (ours, held)))
    return Comparison(
        data="",
        protocol="",
        skeleton=body,
        fps=predictor.space.fps,
        stride=1,
        models=(predictor.experiment.name, BASELINE),
        is_baseline=(predictor.experiment.model.name == ZERO_VELOCITY, True),
        scenes=tuple(scenes),
        radii=(predictor.radii, None),
        walk=not predictor.space.skeleton.positions,
    )


def _starts(predictor: Predictor, motion: Motion, windows: int) -> list[int]:
    """Frames of the file at which windows begin, so that all which is predicted was recorded."""
    rows, fps = rows_read(predictor)
    seconds = (rows - 1) / fps + predictor.target_length / predictor.space.fps
    latest = len(motion.frames) - 1 - math.ceil(seconds * nominal_rate(motion.fps) - 1e-6)
    return [] if latest < 0 else np.unique(np.linspace(0, latest, windows).round().astype(int)).tolist()


def _window(predictor: Predictor, fitted: Fitted, after: Motion, start: int | None) -> _Window:
    rows, fps = rows_read(predictor)
    stride, steps = predictor.experiment.data.stride, predictor.space.skeleton.root_steps
    joined = np.concatenate([fitted.rows[-1:], on_model_body(fitted, after).frames])
    future = _at_rate(fitted.onto, joined, predictor.space.fps)[1:]
    history = fitted.rows[steps:][::stride]
    if start is None:
        return _Window(fitted, max(0.0, fitted.motion.seconds - (rows - 1 - steps) / fps), history, future, None)
    fine = _at_rate(fitted.onto, fitted.onto.frames[start:], fps)  # the grid of what was read goes on
    truth = fine[rows + stride - 1 :: stride][: predictor.target_length]
    return _Window(fitted, start / nominal_rate(fitted.motion.fps) + steps / fps, history, future, truth)


def _at_rate(onto: Motion, frames: np.ndarray, fps: float) -> np.ndarray:
    return resample(dataclasses.replace(onto, frames=frames, places=None), fps).frames


def _prediction(
    body: Skeleton,
    future: np.ndarray,
    truth: np.ndarray | None,
    attention: np.ndarray | None = None,
    spread: np.ndarray | None = None,
) -> Prediction:
    if truth is None:
        return Prediction(future, None, None, attention, spread)
    euler, mm = (METRICS[name](body, future[None], truth[None])[0] for name in ("euler_error_rad", "mpjpe_mm"))
    return Prediction(future, euler, mm, attention, spread)


def _attention(predictor: Predictor, fitted: Sequence[Fitted], action: str | None) -> Sequence[np.ndarray | None]:
    if not predictor.attends:
        return [None] * len(fitted)
    weights = predictor.attend(np.stack([observed(predictor, each.rows) for each in fitted]), action)[1]
    assert weights is not None
    return list(weights)


def _spread(predictor: Predictor, fitted: Fitted, action: str | None, length: int) -> np.ndarray | None:
    """What the radii of this window are larger by, `[T, J]`."""
    scale = None if predictor.radii is None else predictor.radii.scale
    if scale is None:
        return None
    return scale.factor(predictor.measure(observed(predictor, fitted.rows), action))[:length]
