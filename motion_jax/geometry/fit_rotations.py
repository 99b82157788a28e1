"""Rotations that put the joints of a body where they are predicted to be; in numpy, frame after frame."""

from __future__ import annotations

import numpy as np

from motion_jax.errors import UserError
from motion_jax.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix
from motion_jax.skeletons.skeleton import Skeleton

_SHORT = 1e-6  # of a bone's length; a shorter one has no direction


def fit_rotations(skeleton: Skeleton, places: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Local rotation vectors whose bones point from joint to joint as `places` do.

    Bones keep their length and the root its rotation, none, so places that a body can reach are met exactly. A joint's
    frame in space makes the smallest turn from the frame before that brings its first bone to its place, then turns
    about that bone as far as the joint's other bones ask. A turn about a single bone cannot be seen in places; joints
    keep it from the frame before.

    Args:
        skeleton: of the body.
        places: `[T, J, 3]` mm, the root in place and unturned (`kinematics.pose_positions`).
        last: `[J, 3]` rotation vectors, rad, of the pose before the first; the root's is not read.

    Returns:
        `[T, J, 3]` rad, angles in [0, pi], the root's zero.

    Raises:
        UserError: places or pose are not of the skeleton's joints.
    """
    count = len(skeleton.joints)
    if places.ndim != 3 or places.shape[1:] != (count, 3) or last.shape != (count, 3):
        shapes = f"places {list(places.shape)} and last {list(last.shape)}"
        raise UserError(f"{shapes}: skeleton {skeleton.name} needs [T, {count}, 3] and [{count}, 3]")
    bones: list[list[int]] = [[] for _ in range(count)]  # of each joint, the children that do not lie on it
    for child, parent in enumerate(skeleton.parents):
        if parent >= 0 and skeleton.offsets[child].any():
            bones[parent].append(child)
    local = np.array(matrix_from_rotvec(np.asarray(last, np.float64)), np.float64)
    local[0] = np.eye(3)
    frames = np.empty((len(places), count, 3, 3))
    for number, now in enumerate(np.asarray(places, np.float64)):
        turns = np.empty((count, 3, 3))  # in space, of row vectors
        for joint, parent in enumerate(skeleton.parents):
            above = turns[parent] if parent >= 0 else np.eye(3)
            turn = local[joint] @ above
            if parent >= 0 and bones[joint]:
                here, there = skeleton.offsets[bones[joint]] @ turn, now[bones[joint]] - now[joint]
                turn = turn @ _turn_onto(here, there)
            turns[joint] = turn
            local[joint] = turn @ above.T
        frames[number] = local
    return np.asarray(rotvec_from_matrix(frames), np.float64)


def _turn_onto(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The matrix `[3, 3]`, of row vectors, that turns the bones `here` `[K, 3]` to the directions of `there`."""
    lengths = np.linalg.norm(here, axis=1)
    seen = np.linalg.norm(there, axis=1) > _SHORT * lengths
    here, there = here[seen], there[seen]
    if not len(here):
        return np.eye(3)
    axis = there[0] / np.linalg.norm(there[0])
    turn = _smallest_turn(here[0] / np.linalg.norm(here[0]), axis)
    across, wanted = ((bones - np.outer(bones @ axis, axis)) for bones in (here @ turn, there))
    sine = float(np.sum(np.cross(across, wanted) @ axis))
    cosine = float(np.sum(across * wanted))
    if np.hypot(sine, cosine) < _SHORT * float(np.sum(here**2)):  # all bones lie along the first
        return turn
    return turn @ _rotation(axis, np.arctan2(sine, cosine))


def _smallest_turn(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Between unit vectors `[3]`; of opposite ones, about any axis across."""
    axis, cosine = np.cross(here, there), float(here @ there)
    sine = float(np.linalg.norm(axis))
    if sine < _SHORT:
        if cosine > 0:
            return np.eye(3)
        axis = np.cross(here, np.eye(3)[int(np.argmin(np.abs(here)))])
        return _rotation(axis / np.linalg.norm(axis), np.pi)
    return _rotation(axis / sine, np.arctan2(sine, cosine))


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """About a unit axis `[3]`, as a matrix of row vectors."""
    x, y, z = axis
    cross = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
