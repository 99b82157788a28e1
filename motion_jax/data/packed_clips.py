"""Packed clips: normalised frames on the device, from which windows are drawn by a PRNG key."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.finite import check_clips
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Clip

FIRST_START = 16  # Martinez 2017 draws starts from randint(16, n - (S + T)), which spares the clip's beginning


class PackedClips(NamedTuple):
    """Every clip's frames, end to end."""

    frames: Array  # [F, N]
    first: Array  # [clips] where a clip begins
    low: Array  # [clips] the first start that a window may have in it
    high: Array  # [clips] one past the last


def pack_clips(clips: tuple[Clip, ...], space: PoseSpace, config: DataConfig) -> PackedClips:
    """Down-samples, normalises and packs.

    Starts lie in [16, n - (S + T)) as published. A clip too short for that (four of CMU's running files) is not left
    out: its windows start anywhere.

    Raises:
        UserError: a clip is too short for a window, or a number is not finite or too large to be motion.
    """
    check_clips(clips)
    span = config.source_length + config.target_length
    parts, codes = [], []
    for clip in clips:
        frames = clip.frames[:: config.stride]
        if len(frames) < span:
            raise UserError(
                f"{clip.source}: {len(frames)} frames after data.stride={config.stride}; a window of "
                f"{config.source_length}+{config.target_length} needs {span}"
            )
        parts.append(frames)
        codes.append(np.broadcast_to(space.one_hot(clip.action), (len(frames), len(space.actions))))
    length = np.array([len(part) for part in parts], np.int32)
    first = np.cumsum(length, dtype=np.int32) - length
    long = length - span > FIRST_START
    low = np.where(long, FIRST_START, 0)
    high = np.where(long, length - span, length - span + 1)
    frames = space.encode(np.concatenate(parts), np.concatenate(codes))  # at once: each length is compiled anew
    return PackedClips(frames, *map(jnp.asarray, (first, low, high)))


def sample_windows(packed: PackedClips, key: Array, batch: int, source_length: int, target_length: int) -> Batch:
    """B windows: a clip uniformly with replacement, then a start uniformly in its range; consumes `key`.

    The draw depends on the key alone, never on how many devices hold the result.
    """
    clip_key, start_key = jax.random.split(key)
    clip = jax.random.randint(clip_key, (batch,), 0, len(packed.first))
    span = source_length + target_length
    start = jax.random.randint(start_key, (batch,), packed.low[clip], packed.high[clip])
    rows = (packed.first[clip] + start)[:, None] + jnp.arange(span)
    windows = packed.frames[rows]  # [B, S+T, N]
    return Batch(windows[:, :source_length], windows[:, source_length:])
