"""Packed clips: raw frames on the device, from which windows are drawn by a PRNG key."""

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
    """Every clip's rows, end to end, as they were recorded; a window takes every `data.stride`-th."""

    frames: Array  # [F, D] raw
    codes: Array  # [clips, A] one-hot actions
    first: Array  # [clips] the row where a clip begins
    rows: Array  # [clips] how many it has
    low: Array  # [clips] the first start that a window may have in it, in rows that are kept
    high: Array  # [clips] one past the last
    until: Array  # [clips] how many starts, in recorded rows, there are in this clip and those before


def pack_clips(clips: tuple[Clip, ...], space: PoseSpace, config: DataConfig) -> PackedClips:
    """Packs, and says where windows may begin.

    Starts lie in [16, n - (S + T)) as published. A clip too short for that (four of CMU's running files) is not left
    out: its windows start anywhere.

    Raises:
        UserError: a clip is too short for a window, or a number is not finite or too large to be motion.
    """
    check_clips(clips)
    span = config.source_length + config.target_length
    for clip in clips:
        if (kept := -(-len(clip.frames) // config.stride)) < span:
            raise UserError(
                f"{clip.source}: {kept} frames after data.stride={config.stride}; a window of "
                f"{config.source_length}+{config.target_length} needs {span}"
            )
    rows = np.array([len(clip.frames) for clip in clips], np.int32)
    length = -(-rows // config.stride)
    long = length - span > FIRST_START
    low = np.where(long, FIRST_START, 0)
    high = np.where(long, length - span, length - span + 1)
    return PackedClips(
        frames=jnp.asarray(np.concatenate([clip.frames for clip in clips]), jnp.float32),
        codes=jnp.asarray(np.stack([space.one_hot(clip.action) for clip in clips])),
        first=jnp.asarray(np.cumsum(rows, dtype=np.int32) - rows),
        rows=jnp.asarray(rows),
        low=jnp.asarray(low),
        high=jnp.asarray(high),
        until=jnp.asarray(np.cumsum(rows - (span - 1) * config.stride, dtype=np.int32)),
    )


def sample_windows(
    packed: PackedClips, key: Array, batch: int, space: PoseSpace, config: DataConfig, windows: str = "clips"
) -> Batch:
    """B windows as networks see them; consumes `key`.

    "clips": a clip uniformly with replacement, then a start uniformly in its published range. "frames": any recorded
    row where a window fits, each as often, so that clips count by their length.

    The draw depends on the key alone, never on how many devices hold the result.
    """
    span = config.source_length + config.target_length
    if windows == "clips":
        clip_key, start_key = jax.random.split(key)
        clip = jax.random.randint(clip_key, (batch,), 0, len(packed.first))
        start = config.stride * jax.random.randint(start_key, (batch,), packed.low[clip], packed.high[clip])
    else:
        number = jax.random.randint(key, (batch,), 0, packed.until[-1])
        clip = jnp.searchsorted(packed.until, number, side="right")
        start = number - jnp.where(clip > 0, packed.until[clip - 1], 0)
    rows = (packed.first[clip] + start)[:, None] + config.stride * jnp.arange(span)
    frames = packed.frames[rows]  # [B, S+T, D]
    return space.encode_window(frames[:, : config.source_length], frames[:, config.source_length :], packed.codes[clip])
