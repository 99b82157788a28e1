"""Statistics of the training clips, and the pose space that they make."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.finite import check_values
from motion_jax.data.temp_frame_file import release_pages
from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import ROOT
from motion_jax.pose_space import PoseSpace, Statistics
from motion_jax.representations import REPRESENTATIONS, features_of
from motion_jax.types import Array, Clip, Dataset

CONSTANT = 1e-4  # standard deviation below which a column is dropped (Martinez 2017)
CONSTANT_MM = 1e-2  # the same of a joint's place, whose rounding is 1e-5 of a body
LEAST_RAD = 0.1  # deviation of a joint that hardly moves in training, and may on another rig
_AT_ONCE = 64  # windows to a compiled call
_ROWS = 1 << 16  # of a block whose moments are taken at once


def pose_space(dataset: Dataset, clips: tuple[Clip, ...], config: DataConfig) -> PoseSpace:
    """Mean and population standard deviation over the rows of `clips`, in float64.

    `config.statistics`: "martinez" reads every row at the full frame rate (Martinez 2017), "learn_traj_dep" only the
    rows that down-sampling keeps (Mao 2019). Columns with a deviation below 1e-4 are dropped. "joints": every row, and
    one deviation for the three columns of a joint, none of which is dropped: a rig whose axes lie otherwise turns its
    elbow in columns that hardly move in training, and an input of many deviations is nonsense to a network.

    Of other representations than exponential maps the features of windows are counted, end to end in every clip;
    of `relative` ones their root mean square about 0, so that no motion stays 0. Positions have one scale for all
    columns, the root mean square of their deviations; of joints that lie on each other the first is kept.

    Raises:
        UserError: no column moves, a number is not finite or too large to be motion (the first is named), or rotations
            are to be represented otherwise of a root that holds a tilt and a turn, which are no rotation vector.
    """
    if dataset.skeleton.root == "heading" and config.representation not in ("expmap", "positions"):
        raise UserError(
            f"data.representation={config.representation!r}: must be 'expmap' or 'positions', as the root of skeleton "
            f"{dataset.skeleton.name!r} holds a tilt and a turn (--root=heading), not a rotation"
        )
    stride = config.stride if config.statistics == "learn_traj_dep" else 1
    mean, std = _moments(clips, stride)
    if config.representation == "positions":
        raw = _of_positions(dataset, mean, std)
    else:
        raw = _of_joints(mean, std) if config.statistics == "joints" else _statistics(mean, std)
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


def _of_joints(mean: np.ndarray, std: np.ndarray) -> Statistics:
    """Columns 0-5, of the root, with their own deviations, those of a joint with the root of their mean square."""
    own = _statistics(mean, std)
    joints = np.sqrt(np.mean(std[ROOT:].reshape(-1, 3) ** 2, axis=1))
    scale = np.concatenate([own.std[:ROOT], np.repeat(np.maximum(joints, LEAST_RAD), 3)])
    return Statistics(mean, scale, (*(c for c in own.kept if c < ROOT), *range(ROOT, len(mean))))


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
    windows = []  # clips, and the rows of them where windows begin, after down-sampling
    for clip in clips:
        length = -(-len(clip.frames) // config.stride)
        starts = [*range(0, length - span, span), length - span] if length >= span else []
        windows += [(clip, start) for start in starts]
    if not windows:
        raise UserError(f"no training clip is as long as a window of {span} frames at data.stride={config.stride}")

    def rows(clip: Clip, start: int) -> np.ndarray:
        kept = clip.frames[config.stride * start : config.stride * (start + span) : config.stride]
        window = np.where(moves, kept, space.mean).astype(np.float32)
        release_pages(clip.frames)
        return window

    @jax.jit
    def features(rows: Array) -> Array:
        seen, after = rows[:, : config.source_length], rows[:, config.source_length :]
        last = seen[:, -1]
        parts = [features_of(space.representation, part, last, end) for part, end in ((seen, -1), (after, 0))]
        return jnp.concatenate(parts, axis=1)

    def parts() -> Iterable[np.ndarray]:
        for begin in range(0, len(windows), _AT_ONCE):
            part = [rows(clip, start) for clip, start in windows[begin : begin + _AT_ONCE]]
            filled = np.stack(part + [part[-1]] * (_AT_ONCE - len(part)))
            yield np.asarray(features(filled))[: len(part)].reshape(len(part) * span, -1)

    count = len(windows) * span
    mean = np.asarray(sum(part.sum(axis=0, dtype=np.float64) for part in parts()) / count)
    if REPRESENTATIONS[space.representation].is_relative:
        mean = np.zeros_like(mean)
    return _statistics(mean, np.sqrt(sum(((part - mean) ** 2).sum(axis=0) for part in parts()) / count))


def _moments(clips: tuple[Clip, ...], stride: int) -> tuple[np.ndarray, np.ndarray]:
    """One pass, block by block: no float64 copy of a clip, and no cancellation (Chan 1983).

    The squares about the mean of all are those about each block's own mean, and its number of rows times the square
    of how far its mean is from that of all.
    """
    counts, sums, squares = [], [], []
    for clip in clips:
        check_values(clip.frames, f"clip {clip.name} ({clip.source})")
        for begin in range(0, len(clip.frames), stride * _ROWS):
            part = clip.frames[begin : begin + stride * _ROWS : stride]
            counts.append(len(part))
            sums.append(part.sum(axis=0, dtype=np.float64))
            squares.append(((part - sums[-1] / len(part)) ** 2).sum(axis=0))
        release_pages(clip.frames)
    count = sum(counts)
    mean = np.asarray(sum(sums)) / count
    between = sum(n * (total / n - mean) ** 2 for n, total in zip(counts, sums, strict=True))
    return mean, np.sqrt((sum(squares) + between) / count)
