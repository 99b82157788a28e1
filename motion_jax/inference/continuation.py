"""Continuation: what follows a recorded motion, as a motion at its own rate and in its own channels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from absl import logging

from motion_jax.data.formats import Motion
from motion_jax.data.motion.merge_root import fit_root, merge_root, split_root
from motion_jax.data.motion.rates import nominal_rate
from motion_jax.data.motion.resample import resample
from motion_jax.data.motion.retarget import retarget
from motion_jax.data.motion.rig import Rig, find_rig, from_canonical, to_canonical
from motion_jax.data.motion.root_forms import from_absolute, to_absolute, unwrap_rows
from motion_jax.data.motion.seam import within_last_steps, without_jolt
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.data.positions import to_positions
from motion_jax.errors import UserError
from motion_jax.geometry.fit_rotations import fit_rotations
from motion_jax.skeletons.joint_map import map_joints
from motion_jax.skeletons.skeleton import Skeleton

if TYPE_CHECKING:
    from motion_jax.inference.predictor import Predictor

_LEAST_SECONDS = 0.2  # of a recording whose first pose is held before it: `augment.LEAST_SEEN` frames


def continue_motions(
    predictor: Predictor,
    motions: Sequence[Motion],
    action: str | Sequence[str | None] | None = None,
    start: int | None = None,
    retargeted: bool = False,
    joint_map: Path | None = None,
) -> list[Motion]:
    """Predicts what follows each motion, in one call.

    Args:
        predictor: of any body; where its root holds steps, they are formed here and summed up again.
        motions: of the body that the model was trained on, or of any humanoid body where that is the canonical one;
            each at any rate.
        action: as `Predictor`'s.
        start: frame of the file where what is read begins; None: the last S frames of the model's rate are read.
        retargeted: put other bodies on the model's by the names of their joints (`formats.retarget`).
        joint_map: of models of the canonical body, a table of joints' names that comes before the shipped one.

    Returns:
        For each motion the next T / `predictor.space.fps` seconds, at the motion's own rate and in its own channels.
        The first frame is one step of that rate after the last that was read.

    Raises:
        UserError: a body does not fit, or a motion is too short.
    """
    fitted = [fit(predictor, motion, start, retargeted, joint_map) for motion in motions]
    return continue_fitted(predictor, fitted, action)


class Fitted(NamedTuple):
    """A motion as the model can read it."""

    motion: Motion  # as it was given
    merged: Motion  # with one root
    onto: Motion  # on the model's body
    rows: np.ndarray  # that are read, at the rate of the training's files
    end: int  # the frame of `motion` at which they end
    rig: Rig | None = None  # how `merged` stands to `onto`, where that is the canonical body


def fit(
    predictor: Predictor,
    motion: Motion,
    start: int | None = None,
    retargeted: bool = False,
    joint_map: Path | None = None,
) -> Fitted:
    """What the model reads of one motion. Arguments and errors are those of `continue_motions`."""
    if not isinstance(motion, Motion):
        shown = " ".join(repr(motion).split())[:60]
        raise UserError(
            f"{shown} is no motion: a prediction continues a Motion, as motion_jax.read_motion(path) gives it"
        )
    for warning in motion.warnings:
        logging.warning("%s: %s", motion.source, warning)
    if predictor.takes_any_body:
        return _fit_rig(predictor, motion, start, joint_map)
    if joint_map is not None:
        raise UserError(f"joint_map={joint_map}: nothing reads it: the model is not of the canonical body")
    merged = fit_root(motion, predictor.space.skeleton)
    onto = fit_body(predictor.space.skeleton, merged, retargeted)
    return Fitted(motion, merged, onto, _recorded(predictor, onto, start), _last_read(predictor, motion, start))


def _fit_rig(predictor: Predictor, motion: Motion, start: int | None, joint_map: Path | None) -> Fitted:
    """The same, of any humanoid body and a model of the canonical one."""
    merged = fit_root(motion)
    rig = find_rig(merged, map_joints(merged.skeleton, joint_map))
    for note in rig.notes:
        logging.info("%s: %s", motion.source, note)
    onto = to_canonical(rig, merged)
    rows = _recorded(predictor, _held_before(predictor, onto, start), start)
    return Fitted(motion, merged, onto, rows, _last_read(predictor, motion, start), rig)


def _held_before(predictor: Predictor, motion: Motion, start: int | None) -> Motion:
    """A recording shorter than the model reads, with its first pose held before it."""
    count, fps = rows_read(predictor)
    rate = nominal_rate(motion.fps)
    lacking = math.ceil((count - 1) / fps * rate) + 1 - len(motion.frames)
    if start is not None or lacking <= 0 or len(motion.frames) < _LEAST_SECONDS * rate:
        return motion
    logging.warning(
        "%s: %.2f s, and the model reads %.2f s: the first pose is held before it",
        motion.source, len(motion.frames) / rate, (count - 1) / fps,
    )  # fmt: skip
    frames = np.concatenate([np.repeat(motion.frames[:1], lacking, axis=0), motion.frames])
    return dataclasses.replace(motion, frames=frames, places=None)


def continue_fitted(
    predictor: Predictor, given: Sequence[Fitted], action: str | Sequence[str | None] | None = None
) -> list[Motion]:
    """What `continue_motions` returns, of motions that `fit` has found to fit."""
    futures = predictor.continue_rows(np.stack([observed(predictor, each.rows) for each in given]), action)
    following = []
    for (motion, merged, onto, rows, end, rig), future in zip(given, futures, strict=True):
        after = _following(predictor, motion, onto, rows[-1], future)
        if rig is not None:
            after = from_canonical(rig, without_jolt(onto, after, end), merged, end)
        if merged is not motion and (onto is merged or rig is not None):
            after = split_root(after, motion, end)
        if rig is not None:
            after = within_last_steps(motion, after, end)
        following.append(after)
    return following


def on_model_body(fitted: Fitted, after: Motion) -> Motion:
    """What `continue_fitted` made of a motion, on the body that the model read."""
    if fitted.merged is not fitted.motion and after.skeleton.joints == fitted.motion.skeleton.joints:
        after = merge_root(after)
    return after if fitted.rig is None else to_canonical(fitted.rig, after)


def model_windows(predictor: Predictor, motion: Motion, step: int, retargeted: bool = False) -> np.ndarray:
    """Every stretch of S + T frames of a motion, `step` frames apart, as the model reads them.

    Args:
        predictor: of any body, as in `continue_motions`.
        motion: of that body, at any rate.
        step: frames of the model between the beginnings of two stretches.
        retargeted: as in `continue_motions`.

    Returns:
        `[W, S + T, D]` raw frames in the layout of the training data; W is 0 where the motion is too short.

    Raises:
        UserError: the body does not fit.
    """
    space, stride = predictor.space, predictor.experiment.data.stride
    body = space.skeleton.of_angles
    if predictor.takes_any_body:
        merged = fit_root(motion)
        onto = to_canonical(find_rig(merged, map_joints(merged.skeleton)), merged)
    else:
        onto = fit_body(body, fit_root(motion, body), retargeted)
    rows = resample(dataclasses.replace(onto, places=None), space.fps * stride).frames
    rows = from_absolute(body.root, rows)[::stride]
    if space.skeleton.positions:
        rows = to_positions(body, rows).astype(np.float64)
    length = predictor.source_length + predictor.target_length
    begins = np.arange(0, len(rows) - length + 1, step)
    windows = rows[begins[:, None] + np.arange(length)]
    if not len(windows) or space.skeleton.positions:
        return windows
    return unwrap_rows(body.root, windows, near=space.raw.mean)  # each where the model has seen it, as in a call


def as_motion(predictor: Predictor, future: np.ndarray) -> Motion:
    """A prediction `[T, D]` as a motion, for files that other programs open.

    Where the model's root holds steps, they are summed from the origin on.
    """
    space = predictor.space
    body = space.skeleton.of_angles.with_absolute_root
    frames = _absolute(predictor, np.zeros(body.columns), future.astype(np.float64))
    return Motion(body, frames, space.fps, source="the prediction")


def fit_body(skeleton: Skeleton, motion: Motion, retargeted: bool) -> Motion:
    """A motion on the body that a model was trained on, with an absolute root.

    Raises:
        UserError: it is another body, and not to be retargeted or not to be by its joints' names.
    """
    body = skeleton.of_angles.with_absolute_root  # as the motions of files
    if (found := body.mismatch(motion.skeleton)) and not retargeted:
        raise UserError(
            f"{motion.source}: its skeleton is not {body.name!r}, which the model was trained on: {found}; --retarget "
            f"(in Python retargeted=True) puts it on that body by the names of its joints"
        )
    onto = retarget(motion, body)
    for note in onto.notes[len(motion.notes) :]:
        logging.warning("%s: %s", motion.source, note)
    return onto


def _recorded(predictor: Predictor, motion: Motion, start: int | None) -> np.ndarray:
    """The last rows at the rate of the training's files, or the first from `start`, root absolute.

    They are the rows of S frames of the model, and the one before them where the root holds steps.
    """
    count, fps = rows_read(predictor)
    rows = motion.frames[::-1] if start is None else motion.frames[start:]  # backwards, the grid meets the last frame
    fine = resample(dataclasses.replace(motion, frames=rows, places=None), fps).frames if len(rows) else rows
    if len(fine) < count:
        where = "" if start is None else f" from --start={start}"
        raise UserError(
            f"{motion.source}: {len(motion.frames)} frames at {motion.fps:g} per second{where} are too few: the model "
            f"needs {(count - 1) / fps:g} s"
        )
    return fine[:count][::-1] if start is None else fine[:count]


def _last_read(predictor: Predictor, motion: Motion, start: int | None) -> int:
    """The frame of the file at which `_recorded` ends."""
    if start is None:
        return len(motion.frames) - 1
    rows, fps = rows_read(predictor)
    return min(start + round((rows - 1) / fps * motion.fps), len(motion.frames) - 1)


def rows_read(predictor: Predictor) -> tuple[int, float]:
    """How many recorded rows are read, and their rate: that of the training's files."""
    stride = predictor.experiment.data.stride
    rows = (predictor.source_length - 1) * stride + 1 + predictor.space.skeleton.root_steps
    return rows, predictor.space.fps * stride


def observed(predictor: Predictor, recorded: np.ndarray) -> np.ndarray:
    """`Fitted.rows` as the model reads them, `[S, D]`, each rotation on the branch where it has seen it."""
    space, stride = predictor.space, predictor.experiment.data.stride
    rows = from_absolute(space.skeleton.root, recorded)
    if space.skeleton.positions:
        return to_positions(space.skeleton, rows[::stride])
    return unwrap_rows(space.skeleton.root, rows[::stride], near=space.raw.mean)


def _absolute(predictor: Predictor, last: np.ndarray, future: np.ndarray) -> np.ndarray:
    """A prediction `[T, D]` whose root is a place and a rotation, after a frame `last` `[D]` of that kind.

    Of rows that are `data.stride` apart, each step is taken that many times. Of positions the root stays where it
    was, and joints turn from the pose `last` on.
    """
    if predictor.space.skeleton.positions:
        return _fitted_to_places(predictor.space.skeleton, last, future)
    return to_absolute(predictor.space.skeleton.root, future, last, predictor.experiment.data.stride)


def _fitted_to_places(skeleton: Skeleton, last: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Predicted positions `[T, 3 J]` as frames `[T, D]` that follow the frame `last` `[D]`, whose root they keep."""
    joints = fit_rotations(skeleton, places.reshape(len(places), -1, 3), last[3:].reshape(-1, 3))
    root = np.broadcast_to(last[:6], (len(places), 6))
    frames = np.concatenate([root, joints.reshape(len(places), -1)[:, 3:]], axis=1)
    return unwrap_rotations(frames, near=last)


def _following(predictor: Predictor, given: Motion, onto: Motion, last: np.ndarray, future: np.ndarray) -> Motion:
    """The prediction at the rate of `given`; what was seen last leads the way to the first frame and is cut off."""
    frames = np.concatenate([last[None], _absolute(predictor, last, future.astype(np.float64))])
    joined = dataclasses.replace(onto, frames=frames, fps=predictor.space.fps, places=None)
    fine = resample(joined, given.fps)
    return dataclasses.replace(fine, frames=fine.frames[1:], source=f"what follows {given.source}")
