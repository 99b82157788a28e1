"""Roots as differences to the row before, as Human3.6M has them, and summed up again; float64, in numpy."""

from __future__ import annotations

import numpy as np

from motion_jax.data.motion.rotations_np import (
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)

_ROUNDING = 1e-9  # mm and rad; the files have seven decimals


def integrate_root(frames: np.ndarray) -> np.ndarray:
    """`kinematics.integrate_root` of `[F, D]` in float64."""
    rotations = quaternion_from_rotvec(frames[:, 3:6])
    reach = 1
    while reach < len(rotations):  # each product of a run of rows is doubled until it begins at the first
        rotations = np.concatenate([rotations[:reach], quaternion_multiply(rotations[reach:], rotations[:-reach])])
        reach *= 2
    moves = np.einsum("fi,fij->fj", frames[:, :3], matrix_from_quaternion(_before(rotations)))
    return np.concatenate([np.cumsum(moves, axis=0), rotvec_from_quaternion(rotations), frames[:, 6:]], axis=1)


def differentiate_root(frames: np.ndarray) -> np.ndarray:
    """The inverse of `integrate_root`; what is below any file's decimals is rounding, and 0."""
    rotations = quaternion_from_rotvec(frames[:, 3:6])
    before = _before(rotations)
    moves = np.diff(frames[:, :3], axis=0, prepend=np.zeros((1, 3)))
    moves = np.einsum("fi,fji->fj", moves, matrix_from_quaternion(before))
    steps = rotvec_from_quaternion(quaternion_multiply(rotations, quaternion_conjugate(before)))
    root = np.concatenate([moves, steps], axis=1)
    root[np.abs(root) < _ROUNDING] = 0.0
    return np.concatenate([root, frames[:, 6:]], axis=1)


def _before(rotations: np.ndarray) -> np.ndarray:
    """The rotation at the row before each; none before the first."""
    return np.concatenate([[[1.0, 0.0, 0.0, 0.0]], rotations[:-1]])
