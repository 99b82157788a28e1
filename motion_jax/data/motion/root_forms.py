"""The forms of a root (`skeletons.skeleton.ROOTS`): from absolute rows of recordings to a model's, and back."""

from __future__ import annotations

import numpy as np

from motion_jax.data.motion.root_differences import differentiate_root, integrate_root
from motion_jax.data.motion.root_heading import from_heading, to_heading
from motion_jax.data.motion.unwrap import unwrap_rotations
from motion_jax.skeletons.skeleton import Root

TURN = 4  # of a "heading" root the turn about the vertical, which is no part of a rotation vector


def from_absolute(root: Root, frames: np.ndarray) -> np.ndarray:
    """Successive rows `[F, D]` with an absolute root to those of a model, float64.

    Of a root that is told from the row before, these are `[F - 1, D]`: the first row has none before it.
    """
    if root == "absolute":
        return frames
    return differentiate_root(frames)[1:] if root == "difference" else to_heading(frames)


def to_absolute(root: Root, frames: np.ndarray, last: np.ndarray, stride: int = 1) -> np.ndarray:
    """Rows `[T, D]` of a model with an absolute root, going on from the frame `last` `[D]` with such a root.

    Of rows that are `stride` recorded rows apart, each step is taken that many times.
    """
    if root == "absolute" or not len(frames):
        return frames
    steps = np.repeat(frames[:, :6], stride, axis=0)
    if root == "difference":
        path = integrate_root(np.concatenate([last[None, :6], steps]))[1:]  # first to `last`
    else:
        path = from_heading(steps, last[:6])
    return np.concatenate([path[stride - 1 :: stride], frames[:, 6:]], axis=1)


def unwrap_rows(root: Root, frames: np.ndarray, near: np.ndarray | None = None) -> np.ndarray:
    """`unwrap_rotations` of a model's rows `[..., F, D]`; of a "heading" root the tilt goes on and the turn stays."""
    if root != "heading":
        return unwrap_rotations(frames, near)
    level = np.array(frames)
    level[..., TURN] = 0
    if near is not None:
        near = np.array(near)
        near[TURN] = 0
    result = unwrap_rotations(level, near)
    result[..., TURN] = frames[..., TURN]
    return result
