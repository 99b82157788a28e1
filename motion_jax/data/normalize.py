"""Statistics of the training clips, and the pose space that they make."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.finite import check_clips
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace, Statistics
from motion_jax.representations import REPRESENTATIONS, features_of
from motion_jax.types import Array, Clip, Dataset

CONSTANT = 1e-4  # standard deviation below which a column is dropped (Martinez 2017)
CONSTANT_MM = 1e-2  # the same of a joint's place, whose rounding is 1e-5 of a body
_AT_ONCE = 64  # windows to a compiled call


def pose_space(dataset: Dataset, clips: tuple[Clip, ...], config: DataConfig) -> PoseSpace:
    """Mean and population standard deviation over the rows of `clips`, in float64.

    `config.statistics`: "martinez" reads every row at the full frame rate (Martinez 2017), "learn_traj_dep" only the
    rows that down-sampling keeps (Mao 2019). Columns with a deviation below 1e-4 are dropped.

    Of other representations than exponential maps the features of windows are counted, end to end in every clip;
    of `relative` ones their root mean square about 0, so that no motion stays 0. Positions have one scale for all
    columns, the root mean square of their deviations; of joints that lie on each other the first is kept.

    Raises:
        UserError: no column moves, a number is not finite or too large to be motion (the first is named), or rotations
            are to be represented otherwise of a root that holds a tilt and a turn, which are no rotation vector.
    """
    check_clips(clips)
    if dataset.skeleton.root == "heading" and config.representation not in ("expmap", "positions"):
        raise UserError(
            f"data.representation={config.representation!r}: must be 'expmap' or 'positions', as the root of skeleton "
            f"{dataset.skeleton.name!r} holds a tilt and a turn (--root=heading), not a rotation"
        )
    stride = config.stride if config.statistics == "learn_traj_dep" else 1
    mean, std = _moments([clip.frames[::stride] for clip in clips])
    raw = _of_positions(dataset, mean, std) if config.representation == "positions" else _statistics(mean, std)
    if not raw.kept:
        raise UserError(f"data set {dataset.name!r}: no column moves in its {len(clips)} training clips")
    space = PoseSpace(
        *raw,
        actions=dataset.actions if config.one_hot else (),
        skeleton=dataset.skeleton,
        fps=dataset.fps / config.stride,
        representation=config.representation,
    )
    if config.representation in ("expmap", "positions"):
        return space
    of_features = _of_features(clips, space, config)
    return dataclasses.replace(space, **of_features._asdict(), of_frames=raw)


def _statistics(mean: np.ndarray, std: np.ndarray) -> Statistics:
    kept = tuple(int(column) for column in np.flatnonzero(std >= CONSTANT))
    return Statistics(mean, np.where(std >= CONSTANT, std, 1), kept)


def _of_positions(dataset: Dataset, mean: np.ndarray, std: np.ndarray) -> Statistics:
    """Whole joints, the first of those that lie on each other, with one scale."""
    joints = np.arange(len(dataset.skeleton.joints))
    moves = (std.reshape(-1, 3) >= CONSTANT_MM).any(axis=1) & (np.array(dataset.skeleton.coincident) == joints)
    kept = np.flatnonzero(np.repeat(moves, 3))
    scale = np.sqrt(np.mean(std[kept] ** 2)) if len(kept) else 1.0
    return Statistics(mean, np.where(np.repeat(moves, 3), scale, 1.0), tuple(int(column) for column in kept))


def _of_features(clips: tuple[Clip, ...], space: PoseSpace, config: DataConfig) -> Statistics:
    """Of windows that follow each other in every clip, the last one of a clip ending with it."""
    span = config.source_length + config.target_length
    moves = np.isin(np.arange(space.columns), space.kept)
    windows = []
    for clip in clips:
        rows = np.where(moves, clip.frames[:: config.stride], space.mean).astype(np.float32)
        starts = [*range(0, len(rows) - span, span), len(rows) - span] if len(rows) >= span else []
        windows += [rows[start : start + span] for start in starts]
    if not windows:
        raise UserError(f"no training clip is as long as a window of {span} frames at data.stride={config.stride}")

    @jax.jit
    def features(rows: Array) -> Array:
        seen, after = rows[:, : config.source_length], rows[:, config.source_length :]
        last = seen[:, -1]
        parts = [features_of(space.representation, part, last, end) for part, end in ((seen, -1), (after, 0))]
        return jnp.concatenate(parts, axis=1)

    def parts() -> Iterable[np.ndarray]:
        for begin in range(0, len(windows), _AT_ONCE):
            part = windows[begin : begin + _AT_ONCE]
            filled = np.stack(part + [part[-1]] * (_AT_ONCE - len(part)))
            yield np.asarray(features(filled))[: len(part)].reshape(len(part) * span, -1)

    count = len(windows) * span
    mean = np.asarray(sum(part.sum(axis=0, dtype=np.float64) for part in parts()) / count)
    if REPRESENTATIONS[space.representation].is_relative:
        mean = np.zeros_like(mean)
    return _statistics(mean, np.sqrt(sum(((part - mean) ** 2).sum(axis=0) for part in parts()) / count))


def _moments(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two passes, clip by clip: no float64 copy of the whole set, and no cancellation."""
    count = sum(len(part) for part in parts)
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / count
    variance = sum(((part - mean) ** 2).sum(axis=0) for part in parts) / count
    return np.asarray(mean), np.sqrt(variance)
