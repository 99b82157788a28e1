"""Roots that only carry a body: a joint that stands still, or moves over the floor, above the one that makes the path.

Blender's armatures, MotionBuilder's Reference and the root joints of games are made so: below a root without motion of
its own hang the hips, which have positions. A model reads the path in the root's columns, so that the two become one
root for it, and two again in what is written.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from motion_jax.data.motion.motion import Motion, moving_joints
from motion_jax.data.motion.retarget import plain_name
from motion_jax.data.motion.rotations_np import (
    matrix_from_quaternion,
    quaternion_conjugate,
    quaternion_from_rotvec,
    quaternion_multiply,
    rotvec_from_quaternion,
)
from motion_jax.skeletons.skeleton import Skeleton

_STILL = 1e-5  # of the body's longest bone, or rad


def fit_root(motion: Motion, body: Skeleton | None = None) -> Motion:
    """The motion with the root that a model of it needs: itself, or with its root and the joint below as one root.

    Args:
        motion: of any body.
        body: that of the model, whose root's name decides where it is one of the two; else, or None: they are one where
            the root has a single child, which moves from its place or might (it has position channels), and the root
            itself stands still, or moves in a plane and turns about that plane's axis at most.

    Returns:
        `motion`, or a motion of one joint less, whose joints are turned and placed in space as they were.
    """
    names = motion.skeleton.joints
    if motion.skeleton.parents.count(0) != 1:
        return motion
    if body is None or plain_name(body.joints[0]) not in map(plain_name, names[:2]):
        merged = _carries(motion)
    else:
        merged = plain_name(body.joints[0]) != plain_name(names[0])
    return merge_root(motion) if merged else motion


def merge_root(motion: Motion) -> Motion:
    """The root and its only child as one joint, which has the child's name and is where and turned as the child was."""
    body = motion.skeleton
    root = _rotation(motion, 0)
    moves = motion.frames[:, :3] + np.einsum("fi,fij->fj", _child_places(motion), matrix_from_quaternion(root))
    turned = rotvec_from_quaternion(quaternion_multiply(_rotation(motion, 1), root))
    offsets = body.offsets[1:].copy()
    offsets[0] = body.offsets[0]
    places = None
    if motion.places is not None:
        places = motion.places[:, 1:].copy()
        places[:, 0] = moves
    return dataclasses.replace(
        motion,
        skeleton=dataclasses.replace(
            body,
            joints=body.joints[1:],
            parents=tuple(parent - 1 for parent in body.parents[1:]),
            parts=body.parts[1:],
            offsets=offsets,
        ),
        frames=np.concatenate([moves, turned, motion.frames[:, 9:]], axis=1),
        channels=None if motion.channels is None else motion.channels[1:],
        places=places,
        root_offset=(0.0, 0.0, 0.0),
        file_offsets=None if motion.file_offsets is None else motion.file_offsets[1:],
        notes=(*motion.notes, f"{body.joints[0]} only carries {body.joints[1]}: the two are one root"),
    )


def split_root(merged: Motion, given: Motion, at: int = -1) -> Motion:
    """What goes on after `given`, whose root was merged, on the body and in the channels of `given`.

    The root goes on as it last was; along axes on which it moved it goes with the joint below it, as far.

    Args:
        merged: on the body of `merge_root(given)`, in the same unit.
        given: the motion before it.
        at: the frame of `given` after which it goes on.
    """
    body, last = given.skeleton, given.frames[at][None]
    moved = np.ptp(given.frames[:, :3], axis=0) > _length(given)
    root = last[:, :3] + np.where(moved, merged.frames[:, :3] - merge_root(given).frames[at, :3], 0.0)
    turned = np.broadcast_to(quaternion_from_rotvec(last[:, 3:6]), (len(root), 4))
    back = quaternion_conjugate(turned)
    child = np.einsum("fi,fij->fj", merged.frames[:, :3] - root, matrix_from_quaternion(back))
    child_turned = rotvec_from_quaternion(quaternion_multiply(_rotation(merged, 0), back))
    places = np.repeat(body.offsets[None] / body.translation_mm, len(root), axis=0)
    if merged.places is not None:
        places[:, 1:] = merged.places
    places[:, 0], places[:, 1] = root, child
    frames = [root, np.repeat(last[:, 3:6], len(root), axis=0), child_turned, merged.frames[:, 6:]]
    return dataclasses.replace(
        merged,
        skeleton=body,
        frames=np.concatenate(frames, axis=1),
        channels=given.channels,
        places=places,
        root_offset=given.root_offset,
        file_offsets=given.file_offsets,
    )


def _carries(motion: Motion) -> bool:
    """Whether the root makes no path of its own, and its child has one."""
    child_moves = motion.skeleton.joints[1] in moving_joints(motion)
    moving = np.ptp(motion.frames[:, :3], axis=0) > _length(motion)
    turning = np.ptp(motion.frames[:, 3:6], axis=0) > _STILL
    if not moving.any() and not turning.any():
        held = () if motion.channels is None else motion.channels[1]
        return child_moves or any(word.endswith("position") for word in held)
    turned = np.abs(motion.frames[:, 3:6]).max(axis=0) > _STILL
    upright = [axis for axis in range(3) if not moving[axis] and not np.delete(turned, axis).any()]
    level = upright or (not turning.any() and not moving.all())
    return child_moves and bool(level)


def _length(motion: Motion) -> float:
    """What counts as no movement, in the file's unit."""
    body = motion.skeleton
    return _STILL * float(np.linalg.norm(body.offsets, axis=1).max()) / body.translation_mm


def _rotation(motion: Motion, joint: int) -> np.ndarray:
    return quaternion_from_rotvec(motion.frames[:, 3 + 3 * joint : 6 + 3 * joint])


def _child_places(motion: Motion) -> np.ndarray:
    """Of the joint below the root from it, `[F, 3]`, the file's unit."""
    if motion.places is not None:
        return motion.places[:, 1]
    rest = motion.skeleton.offsets[1] / motion.skeleton.translation_mm
    return np.broadcast_to(rest, (len(motion.frames), 3))
