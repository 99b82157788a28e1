"""Network frames as unit quaternions of the joints that move, and back.

A network frame holds normalised kept columns: first those of the root's translation, then those of the joints'
exponential maps, then the one-hot action. A joint with a dropped column has that column's mean there; on the way back
the column is dropped again.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from motion_jax.geometry.rotations import quaternion_from_rotvec, quaternion_multiply, rotvec_from_quaternion
from motion_jax.losses import TRANSLATION, moving_joints, rotvecs
from motion_jax.pose_space import PoseSpace
from motion_jax.types import Array

TINY = 1e-12  # least squared length of a quaternion that is divided by it, as in float32 its square is


class Layout(NamedTuple):
    """Where the parts of a network frame are; static."""

    space: PoseSpace
    joints: int  # J, joints that move
    translation: slice  # of a frame: the root's translation
    angles: slice  # of a frame: exponential maps
    code: slice  # of a frame: the one-hot action
    places: np.ndarray  # of each angle, among the 3 J of the joints that move


def layout(space: PoseSpace) -> Layout:
    """Of the frames of a space."""
    kept, joints = np.asarray(space.kept), moving_joints(space)
    columns = kept[kept >= TRANSLATION] - TRANSLATION
    first, last = len(kept) - len(columns), len(kept)
    places = 3 * np.searchsorted(joints, columns // 3) + columns % 3
    return Layout(space, len(joints), slice(first), slice(first, last), slice(last, None), places)


def to_quaternions(parts: Layout, frames: Array) -> Array:
    """Network frames `[..., N]` to unit quaternions wxyz `[..., J, 4]`."""
    return quaternion_from_rotvec(rotvecs(parts.space, frames))


def to_frames(parts: Layout, quaternions: Array, translation: Array, code: Array) -> Array:
    """Unit quaternions `[..., J, 4]` to network frames `[..., N]`, with angles in [0, pi], beside the other columns."""
    rotations = rotvec_from_quaternion(quaternions)
    raw = rotations.reshape(*rotations.shape[:-2], -1)[..., parts.places]
    columns = [column for column in parts.space.kept if column >= TRANSLATION]
    mean, std = (of[columns].astype(raw.dtype) for of in (parts.space.mean, parts.space.std))
    return jnp.concatenate([translation, (raw - mean) / std, code], axis=-1)


def align(quaternions: Array, reference: Array) -> Array:
    """Of q and -q `[..., 4]`, one rotation both, the one nearer to `reference`."""
    return quaternions * _side(quaternions, reference)


def align_sequence(quaternions: Array) -> Array:
    """`[S, ..., 4]` with every frame on the side of the frame before; the first as it is (Pavllo 2018)."""
    steps = _side(quaternions[1:], quaternions[:-1])
    return quaternions.at[1:].multiply(jnp.cumprod(steps, axis=0))


def turn(change: Array, quaternions: Array) -> Array:
    """Unit quaternions `[..., 4]` turned by `change` `[..., 4]` of any length but 0."""
    q = quaternion_multiply(change, quaternions)
    return q / jnp.sqrt(jnp.maximum(jnp.sum(q * q, axis=-1, keepdims=True), TINY))


def _side(quaternions: Array, reference: Array) -> Array:
    dot = jnp.sum(quaternions * reference, axis=-1, keepdims=True)
    return jnp.where(dot < 0, -1.0, 1.0).astype(quaternions.dtype)
