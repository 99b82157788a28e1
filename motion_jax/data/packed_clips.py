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
        UserError: a clip is too short for a window, a number is not finite or too large to be motion, or there are more
            rows than can be counted.
    """
    check_clips(clips)
    frames = jnp.asarray(np.concatenate([clip.frames for clip in clips]), jnp.float32)
    return clip_table(clips, space, config)._replace(frames=frames)


def clip_table(clips: tuple[Clip, ...], space: PoseSpace, config: DataConfig) -> PackedClips:
    """`pack_clips` without a frame: `frames` is `[0, D]`. Raises as it does, but looks at no number."""
    span = config.source_length + config.target_length
    for clip in clips:
        if (kept := -(-len(clip.frames) // config.stride)) < span:
            raise UserError(
                f"{clip.source}: {kept} frames after data.stride={config.stride}; a window of "
                f"{config.source_length}+{config.target_length} needs {span}"
            )
    rows = np.array([len(clip.frames) for clip in clips], np.int32)
    if (total := int(rows.sum(dtype=np.int64))) > np.iinfo(np.int32).max:
        raise UserError(f"{total} frames to train on: must be at most {np.iinfo(np.int32).max} (data.actions chooses)")
    length = -(-rows // config.stride)
    long = length - span > FIRST_START
    low = np.where(long, FIRST_START, 0)
    high = np.where(long, length - span, length - span + 1)
    return PackedClips(
        frames=jnp.zeros((0, clips[0].frames.shape[1]), jnp.float32),
        codes=jnp.asarray(np.stack([space.one_hot(clip.action) for clip in clips])),
        first=jnp.asarray(np.cumsum(rows, dtype=np.int32) - rows),
        rows=jnp.asarray(rows),
        low=jnp.asarray(low),
        high=jnp.asarray(high),
        until=jnp.asarray(np.cumsum(rows - (span - 1) * config.stride, dtype=np.int32)),
    )


class Draw(NamedTuple):
    """Which B windows: of which clips, and where in them; nothing of it depends on the frames."""

    clip: Array  # [B]
    start: Array  # [B] the first recorded row, where nothing is stretched
    begin: Array  # [B] float32, the same where time may be stretched, in recorded rows
    step: Array  # [B] float32, recorded rows from frame to frame


def draw_windows(
    packed: PackedClips,
    key: Array,
    batch: int,
    config: DataConfig,
    windows: str = "clips",
    augmentation: Augmentation | None = None,
) -> Draw:
    """What `sample_windows` reads for a key; of `packed`, the frames and codes are not looked at."""
    span = config.source_length + config.target_length
    if windows == "clips":
        clip_key, start_key = jax.random.split(key)
        clip = jax.random.randint(clip_key, (batch,), 0, len(packed.first))
        start = config.stride * jax.random.randint(start_key, (batch,), packed.low[clip], packed.high[clip])
    else:
        number = jax.random.randint(key, (batch,), 0, packed.until[-1])
        clip = jnp.searchsorted(packed.until, number, side="right")
        start = number - jnp.where(clip > 0, packed.until[clip - 1], 0)
    step, begin = jnp.full(batch, config.stride, jnp.float32), start.astype(jnp.float32)
    if augmentation is not None and augmentation.speed:
        first = config.stride * packed.low[clip] if windows == "clips" else jnp.zeros_like(start)
        speed_key, begin_key, _ = _augmentation_keys(key)
        last = (packed.rows[clip] - 1).astype(jnp.float32)
        rate = jnp.exp(augmentation.speed * jax.random.uniform(speed_key, (batch,), minval=-1))
        step = jnp.minimum(config.stride * rate, last / (span - 1))  # a short clip is not read past its end
        room = last - (span - 1) * step
        low = jnp.minimum(first.astype(jnp.float32), room)
        begin = low + jax.random.uniform(begin_key, (batch,)) * (room - low)
    return Draw(clip, start, begin, step)


def sample_windows(
    packed: PackedClips,
    key: Array,
    batch: int,
    space: PoseSpace,
    config: DataConfig,
    windows: str = "clips",
    augmentation: Augmentation | None = None,
    first: Array | None = None,
) -> Batch:
    """B windows as networks see them; consumes `key`.

    "clips": a clip uniformly with replacement, then a start uniformly in its published range. "frames": any recorded
    row where a window fits, each as often, so that clips count by their length. Where windows are stretched, they lie
    anywhere past the first published start.

    The draw depends on the key alone, never on how many devices hold the result, nor on where the frames lie: `first`
    `[B]` says at which row of `packed.frames` each window's clip begins, or would begin where `packed` holds only the
    rows that these windows need (`window_stream`); None: where `packed.first` says.
    """
    draw = draw_windows(packed, key, batch, config, windows, augmentation)
    first = packed.first[draw.clip] if first is None else first
    moments = jnp.arange(config.source_length + config.target_length)
    if augmentation is None:
        frames = _rows(packed.frames, (first + draw.start)[:, None] + config.stride * moments)  # [B, S+T, D]
    else:
        moments = draw.begin[:, None] + draw.step[:, None] * moments
        rate, end = draw.step / config.stride, packed.rows[draw.clip][:, None] - 1
        frames = _read_between(augmentation, packed.frames, first, end, moments, rate)
        ahead = _read_between(augmentation, packed.frames[:, :ROOT], first, end, moments + 1, rate)
        frames = augment_windows(augmentation, frames, ahead, _augmentation_keys(key)[2])
    seen, after = frames[:, : config.source_length], frames[:, config.source_length :]
    return space.encode_window(seen, after, packed.codes[draw.clip])


def _rows(frames: Array, at: Array) -> Array:
    """Rows `at` of `frames`, written out before anything is computed from them.

    What is computed is then the same program wherever they came from, and so are its roundings.
    """
    return jax.lax.optimization_barrier(frames[at])


def _augmentation_keys(key: Array) -> Array:
    """Of the rate, of where a stretched window begins, and of all else."""
    return jax.random.split(jax.random.fold_in(key, AUGMENTED), 3)


def _read_between(
    augmentation: Augmentation, rows: Array, first: Array, end: Array, moments: Array, rate: Array
) -> Array:
    """Of `rows` `[rows, D]`, frames `[B, F, D]` at `moments` `[B, F]` of clips that begin at rows `first` `[B]`.

    Moments are in recorded rows from the clip's beginning; beyond the last, `end` `[B, 1]`, it is the last. Rotation
    vectors are read on the straight line between neighbours, the later one on the branch near the earlier. Of a root of
    steps, those of a faster motion are larger by `rate` `[B]`.
    """
    first = first[:, None]
    if not augmentation.speed:
        return _rows(rows, first + jnp.minimum(moments.astype(jnp.int32), end))
    whole = jnp.clip(jnp.floor(moments).astype(jnp.int32), 0, end)
    part = jnp.clip(moments - whole, 0, 1)[..., None]
    before, after = _rows(rows, first + whole), _rows(rows, first + jnp.minimum(whole + 1, end))
    if augmentation.skeleton.positions:
        return before + part * (after - before)
    near = branch_near(after, before)
    if augmentation.skeleton.root == "heading":  # whose columns are no rotation vector and go on as they are
        near = near.at[..., :ROOT].set(after[..., :ROOT])
    frames = before + part * (near - before)
    steps = {"absolute": [], "difference": list(range(ROOT)), "heading": list(STEPS)}[augmentation.skeleton.root]
    return frames.at[..., np.array(steps, int)].multiply(rate[:, None, None]) if steps else frames
