"""Rotation vectors that go on over time: r and (1 - 2 pi / |r|) r are one rotation, and networks see the difference."""

from __future__ import annotations

import numpy as np

_TURN = 2 * np.pi
_STILL = 1e-9  # rad; below it a rotation has no axis of its own, and keeps the one it had


def unwrap_rotations(frames: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """The same rotations, each by the vector that lies nearest to the one a frame before.

    Args:
        frames: `[..., F, 3 + 3 J]`; columns 0-2 are no rotation and stay.
        near: `[3 + 3 J]` what the first frame is to lie near; None: no rotation, so that its angles are at most pi.

    Returns:
        `[..., F, 3 + 3 J]` whose angles may exceed pi.
    """
    rotations = np.moveaxis(frames[..., 3:].reshape(*frames.shape[:-1], -1, 3), -3, 0)  # [F, ..., J, 3]
    before = np.zeros_like(rotations[0]) if near is None else np.asarray(near, frames.dtype)[3:].reshape(-1, 3)
    angles = np.linalg.norm(rotations, axis=-1, keepdims=True)
    axes = rotations / np.where(angles < _STILL, 1, angles)
    result = np.empty_like(rotations)
    for frame, (angle, axis) in enumerate(zip(angles, axes, strict=True)):
        length = np.linalg.norm(before, axis=-1, keepdims=True)
        along = np.where(angle < _STILL, before / np.where(length < _STILL, 1, length), axis)
        whole = np.round((np.sum(before * along, axis=-1, keepdims=True) - angle) / _TURN)
        before = result[frame] = (angle + _TURN * whole) * along
    joints = np.moveaxis(result, 0, -3).reshape(*frames.shape[:-1], -1)
    return np.concatenate([frames[..., :3], joints], axis=-1)
