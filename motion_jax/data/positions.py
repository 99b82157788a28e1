"""A data set of joint angles as one of joint positions."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from motion_jax.config import DataConfig
from motion_jax.geometry.kinematics import ROOT, frame_positions
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

_AT_ONCE = 4096  # rows to a compiled call: one shape, whatever the clips' lengths


def represented(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set whose raw frames are what `config.representation` needs: joint positions, or as it is.

    Positions are those of `mpjpe_mm`: forward kinematics with the root in place.
    """
    return _as_positions(dataset) if config.representation == "positions" and has_angles(dataset) else dataset


def has_angles(dataset: Dataset) -> bool:
    """Whether frames hold rotations."""
    return not dataset.skeleton.positions


def to_positions(skeleton: Skeleton, frames: np.ndarray) -> np.ndarray:
    """Raw frames `[..., 3 + 3 J]` to joint places `[..., 3 J]`, mm, float32, the root in place."""
    rows = np.asarray(frames, np.float32).reshape(-1, frames.shape[-1])
    parts = []
    for begin in range(0, len(rows), _AT_ONCE):
        part = rows[begin : begin + _AT_ONCE]
        size = _AT_ONCE if len(rows) > _AT_ONCE else 1 << (len(part) - 1).bit_length()
        filled = np.zeros((size, rows.shape[1]), np.float32)
        filled[: len(part)] = part
        filled[:, :ROOT] = 0  # as `pose_positions`, without a second program: live motion waits for this
        parts.append(np.asarray(frame_positions(skeleton.of_angles, filled))[: len(part)])
    places = np.concatenate(parts) if parts else np.zeros((0, len(skeleton.joints), 3), np.float32)
    return places.reshape(*frames.shape[:-1], -1).astype(np.float32)


@functools.lru_cache(maxsize=2)  # training, selection and evaluation ask for the same one
def _as_positions(dataset: Dataset) -> Dataset:
    lengths = [len(clip.frames) for clip in dataset.clips]
    rows = to_positions(dataset.skeleton, np.concatenate([clip.frames for clip in dataset.clips]))
    parts = np.split(rows, np.cumsum(lengths)[:-1])
    clips: tuple[Clip, ...] = tuple(
        dataclasses.replace(clip, frames=part) for clip, part in zip(dataset.clips, parts, strict=True)
    )
    return dataclasses.replace(dataset, clips=clips, skeleton=dataset.skeleton.of_positions)
