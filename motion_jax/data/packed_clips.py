"""Packed clips: raw frames on the device, from which windows are drawn by a PRNG key."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.config import DataConfig
from motion_jax.data.augment import Augmentation, augment_windows, branch_near
from motion_jax.data.finite import check_clips
from motion_jax.data.motion.root_heading import STEPS
from motion_jax.errors import UserError
from motion_jax.geometry.kinematics import ROOT
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array, Batch, Clip

FIRST_START = 16  # Martinez 2017 draws starts from randint(16, n - (S + T)), which spares the clip's beginning

AUGMENTED = 1  # which child of a draw's key augmentation has; without it the draw is the same


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
    packed: PackedClips,
    key: Array,
    batch: int,
    space: PoseSpace,
    config: DataConfig,
    windows: str = "clips",
    augmentation: Augmentation | None = None,
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
    if augmentation is None:
        rows = (packed.first[clip] + start)[:, None] + config.stride * jnp.arange(span)
        frames = packed.frames[rows]  # [B, S+T, D]
    else:
        first = config.stride * packed.low[clip] if windows == "clips" else jnp.zeros_like(start)
        augmentation_key = jax.random.fold_in(key, AUGMENTED)
        frames = _augmented(augmentation, packed, augmentation_key, clip, start, first, span, config.stride)
    seen, after = frames[:, : config.source_length], frames[:, config.source_length :]
    return space.encode_window(seen, after, packed.codes[clip])


def _augmented(
    augmentation: Augmentation,
    packed: PackedClips,
    key: Array,
    clip: Array,
    start: Array,
    first: Array,
    span: int,
    stride: int,
) -> Array:
    """Windows `[B, span, D]` of clips `[B]`, from `start` on; where they are stretched, from anywhere past `first`."""
    speed_key, start_key, other_key = jax.random.split(key, 3)
    step, begin = jnp.full(len(clip), stride, jnp.float32), start.astype(jnp.float32)
    if augmentation.speed:
        last = (packed.rows[clip] - 1).astype(jnp.float32)
        rate = jnp.exp(augmentation.speed * jax.random.uniform(speed_key, (len(clip),), minval=-1))
        step = jnp.minimum(stride * rate, last / (span - 1))  # a short clip is not read past its end
        room = last - (span - 1) * step
        low = jnp.minimum(first.astype(jnp.float32), room)
        begin = low + jax.random.uniform(start_key, (len(clip),)) * (room - low)
    moments = begin[:, None] + step[:, None] * jnp.arange(span)
    rate = step / stride
    frames = _read_between(augmentation, packed.frames, packed, clip, moments, rate)
    ahead = _read_between(augmentation, packed.frames[:, :ROOT], packed, clip, moments + 1, rate)
    return augment_windows(augmentation, frames, ahead, other_key)


def _read_between(
    augmentation: Augmentation, rows: Array, packed: PackedClips, clip: Array, moments: Array, rate: Array
) -> Array:
    """Of `rows` `[rows, D]`, frames `[B, F, D]` at `moments` `[B, F]` of clips `[B]`; beyond the end, the last.

    Moments are in recorded rows from the clip's beginning. Rotation vectors are read on the straight line between
    neighbours, the later one on the branch near the earlier. Of a root of steps, those of a faster motion are larger
    by `rate` `[B]`.
    """
    if not augmentation.speed:
        whole = jnp.minimum(moments.astype(jnp.int32), packed.rows[clip][:, None] - 1)
        return rows[packed.first[clip][:, None] + whole]
    end = packed.rows[clip][:, None] - 1
    whole = jnp.clip(jnp.floor(moments).astype(jnp.int32), 0, end)
    part = jnp.clip(moments - whole, 0, 1)[..., None]
    begin = packed.first[clip][:, None]
    before, after = rows[begin + whole], rows[begin + jnp.minimum(whole + 1, end)]
    if augmentation.skeleton.positions:
        return before + part * (after - before)
    near = branch_near(after, before)
    if augmentation.skeleton.root == "heading":  # whose columns are no rotation vector and go on as they are
        near = near.at[..., :ROOT].set(after[..., :ROOT])
    frames = before + part * (near - before)
    steps = {"absolute": [], "difference": list(range(ROOT)), "heading": list(STEPS)}[augmentation.skeleton.root]
    return frames.at[..., np.array(steps, int)].multiply(rate[:, None, None]) if steps else frames
