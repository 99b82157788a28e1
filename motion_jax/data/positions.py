"""A data set of joint angles as one of joint positions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.temp_frame_file import TempFrameFile, release_pages
from motion_jax.data.window_stream import fits
from motion_jax.geometry.kinematics import ROOT, frame_positions
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.types import Clip, Dataset

_AT_ONCE = 4096  # rows to a compiled call: one shape, whatever the clips' lengths
_BLOCK = 16 * _AT_ONCE  # rows that are held at once


def represented(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set whose raw frames are what `config.representation` needs: joint positions, or as it is.

    Positions are those of `mpjpe_mm`: forward kinematics with the root in place.
    """
    if config.representation != "positions" or not has_angles(dataset):
        return dataset
    return _as_positions(dataset, fits(dataset.clips, config))


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
def _as_positions(dataset: Dataset, in_memory: bool) -> Dataset:
    """In memory, or in a temporary file: then in the memory of a block of rows."""
    body, lengths = dataset.skeleton.of_positions, [len(clip.frames) for clip in dataset.clips]
    blocks = (to_positions(dataset.skeleton, block) for block in _blocks(dataset.clips))
    if in_memory:
        rows = np.concatenate(list(blocks))
    else:
        spool = TempFrameFile(body.columns)
        for block in blocks:
            spool.append(block)
        rows = spool.close()
    ends = np.cumsum(lengths)
    clips: tuple[Clip, ...] = tuple(
        dataclasses.replace(clip, frames=rows[end - length : end])
        for clip, length, end in zip(dataset.clips, lengths, ends, strict=True)
    )
    return dataclasses.replace(dataset, clips=clips, skeleton=body)


def _blocks(clips: tuple[Clip, ...]) -> Iterator[np.ndarray]:
    """The rows of all clips end to end, in arrays of whole compiled calls."""
    pending, held = [], 0
    for clip in clips:
        for begin in range(0, len(clip.frames), _BLOCK):
            pending.append(np.array(clip.frames[begin : begin + _BLOCK]))
            held += len(pending[-1])
            if held >= _BLOCK:
                rows = np.concatenate(pending)
                yield rows[:_BLOCK]
                pending, held = [rows[_BLOCK:]], held - _BLOCK
        release_pages(clip.frames)
    if held:
        yield np.concatenate(pending)
