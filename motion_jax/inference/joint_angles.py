"""Joint angles: what motors of a robot need of a pose, each one angle whose zero and sign are the same on every body.

Euler angles of a data set's joints do not serve: at rest the upper arm of Human3.6M points upwards, and that of CMU
sideways. So the angles are read from the directions of bones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from motion_jax.data.motion.rotations_np import matrix_from_rotvec
from motion_jax.errors import UserError
from motion_jax.skeletons.skeleton import Skeleton


class JointAngle(NamedTuple):
    """One angle of the bone from `joint` to `tip`, seen in the frame of the joint `frame` (x left, y up, z forwards).

    The bone hangs down at rest, turns by `roll` about z, then by `pitch` about x (order XZ). `flexion` is the angle
    between the bone and the one that leads to `joint`: 0 where the limb is straight.
    """

    kind: Literal["pitch", "roll", "flexion"]
    frame: str
    joint: str
    tip: str
    sign: int = 1  # such that an angle above 0 is forwards, away from the body, or bent


def _side(name: str, joints: str, outwards: int) -> dict[str, JointAngle]:
    arm, forearm, hand, thigh, leg, foot = (
        joints + bone for bone in ("Arm", "ForeArm", "Hand", "UpLeg", "Leg", "Foot")
    )
    return {
        f"{name}_shoulder_pitch": JointAngle("pitch", "Spine1", arm, forearm, -1),
        f"{name}_shoulder_roll": JointAngle("roll", "Spine1", arm, forearm, outwards),
        f"{name}_elbow": JointAngle("flexion", arm, forearm, hand),
        f"{name}_hip_pitch": JointAngle("pitch", "Hips", thigh, leg, -1),
        f"{name}_hip_roll": JointAngle("roll", "Hips", thigh, leg, outwards),
        f"{name}_knee": JointAngle("flexion", thigh, leg, foot),
    }


_BOTH = _side("l", "Left", 1) | _side("r", "Right", -1)
JOINT_ANGLES: dict[str, dict[str, JointAngle]] = {"h36m": _BOTH, "cmu": _BOTH}
"""By the name of the body. Both name their joints alike, and their trunks have the same axes."""


def joint_angles(skeleton: Skeleton, poses: np.ndarray, angles: Sequence[str | JointAngle]) -> np.ndarray:
    """Angles of poses, in numpy: nothing is compiled.

    Args:
        skeleton: the body; names of angles are those of its table in `JOINT_ANGLES`.
        poses: `[T, D]` raw frames; the root's columns are not read.
        angles: K names, or for another body rows of your own.

    Returns:
        `[T, K]` rad: pitch in (-pi, pi], roll in [-pi/2, pi/2], flexion in [0, pi]. Where a limb points straight to the
        side, its pitch is undefined and may jump.

    Raises:
        UserError: the body has no table or no such joint, a name is unknown, or `poses` has another shape.
    """
    if poses.ndim != 2 or poses.shape[1] != skeleton.columns:
        raise UserError(f"poses have shape {list(poses.shape)}: must be [T, {skeleton.columns}]")
    rows = [_row(skeleton, angle) if isinstance(angle, str) else angle for angle in angles]
    return np.stack([_angle(skeleton, np.asarray(poses, np.float64), row) for row in rows], axis=1)


def _row(skeleton: Skeleton, name: str) -> JointAngle:
    table = JOINT_ANGLES.get(skeleton.name)
    if table is None:
        known = ", ".join(JOINT_ANGLES)
        raise UserError(f"skeleton {skeleton.name!r} has no table of joint angles ({known} have): give JointAngle rows")
    if name not in table:
        raise UserError(f"no joint angle {name!r}: it must be one of {', '.join(table)}")
    return table[name]


def _angle(skeleton: Skeleton, poses: np.ndarray, angle: JointAngle) -> np.ndarray:
    """`[T]` rad."""
    joint, frame = skeleton.index(angle.joint), skeleton.index(angle.frame)
    bone = np.broadcast_to(skeleton.offsets[skeleton.index(angle.tip)], (len(poses), 3))
    bone = bone / np.linalg.norm(bone, axis=1, keepdims=True)
    at = joint
    while at != frame:  # row vectors, as in `geometry.kinematics`: a joint's turn comes before its parent's
        if at < 0:
            raise UserError(f"joint {angle.joint!r} does not hang below {angle.frame!r}")
        bone = np.einsum("ti,tij->tj", bone, matrix_from_rotvec(poses[:, 3 + 3 * at : 6 + 3 * at]))
        at = skeleton.parents[at]
    x, y, z = bone.T
    if angle.kind == "pitch":
        return angle.sign * np.arctan2(-z, -y)
    if angle.kind == "roll":
        return angle.sign * np.arcsin(np.clip(x, -1, 1))
    before = skeleton.offsets[joint] / np.linalg.norm(skeleton.offsets[joint])
    return angle.sign * np.arctan2(np.linalg.norm(np.cross(bone, before), axis=1), bone @ before)
