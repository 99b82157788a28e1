"""The same motion at another rate: rotations on the arc between two frames, lengths on the line."""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.data.motion.motion import Motion
from motion_jax.data.motion.rates import CLOSE, nominal_rate
from motion_jax.data.motion.rotations_np import quaternion_from_rotvec, rotvec_from_quaternion, slerp
from motion_jax.data.text_files import MAX_NUMBERS
from motion_jax.errors import UserError

_SLOWEST, _FASTEST = 1e-3, 1e5


def resample(motion: Motion, fps: float) -> Motion:
    """Frames at 0, 1/fps, 2/fps, ... seconds, up to the last that lies within the motion.

    Where one rate is a whole multiple of the other, recorded frames are kept bit for bit. Frames are counted by the
    rates' `nominal_rate`: one second at 59.9988 per second is 60 frames.

    Raises:
        UserError: `fps` is nonsense, or asks for more frames than can be held.
    """
    if not _SLOWEST <= fps <= _FASTEST:
        raise UserError(f"fps={fps}: it must be a number from {_SLOWEST:g} to {_FASTEST:g}")
    ratio = _ratio(motion.fps, fps)
    count = int((len(motion.frames) - 1) / ratio * (1 + 1e-12)) + 1
    if count * motion.skeleton.columns > MAX_NUMBERS:
        raise UserError(
            f"fps={fps}: {count} frames of {motion.skeleton.columns} numbers: it must be {MAX_NUMBERS} numbers at most"
        )
    at = np.arange(count) * ratio
    low = np.minimum(np.floor(at + 1e-9).astype(np.int64), len(motion.frames) - 1)
    weight = at - low
    weight[weight < 1e-9] = 0.0
    high = np.minimum(low + 1, len(motion.frames) - 1)
    places = motion.places if motion.places is None else _on_line(motion.places, low, high, weight[:, None, None])
    return dataclasses.replace(motion, frames=_frames(motion.frames, low, high, weight), fps=fps, places=places)


def _ratio(old: float, new: float) -> float:
    """Recorded frames to one new frame; whole where the rates differ from it only by rounding."""
    ratio = nominal_rate(old) / nominal_rate(new)
    whole = max(1.0, round(max(ratio, 1 / ratio)))
    nearest = whole if ratio >= 1 else 1 / whole
    return nearest if abs(ratio / nearest - 1) < CLOSE else ratio


def _frames(frames: np.ndarray, low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Frames `[N, D]` between rows `low` and `high`; a row of weight 0 is copied."""
    new = frames[low]
    between = np.flatnonzero(weight)
    low, high, weight = low[between], high[between], weight[between]
    new[between, :3] = _on_line(frames[:, :3], low, high, weight[:, None])
    for column in range(3, frames.shape[1], 3):  # joint by joint: memory stays that of one
        quaternions = quaternion_from_rotvec(frames[:, column : column + 3])
        new[between, column : column + 3] = rotvec_from_quaternion(slerp(quaternions[low], quaternions[high], weight))
    return new


def _on_line(values: np.ndarray, low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return values[low] + weight * (values[high] - values[low])
