"""The canonical body: 22 joints that every humanoid rig has, so that one model serves all of them.

Joints, names, order and rest pose are those of SMPL's body (Loper et al., "SMPL: a skinned multi-person linear model",
2015): a T-pose, y up, facing +z, the left side at +x, so that SMPL's local rotations are this body's. Its bones are
not SMPL's, which are licensed: they are ours, straight, of an adult of 1.72 m whose segments have the shares of stature
of Drillis and Contini (1966), rounded to 5 mm.
"""

from __future__ import annotations

from motion_jax.skeletons.skeleton import Joint, Skeleton

# fmt: off
_TABLE = (
    Joint("pelvis", None, "spine", (0, 0, 0)),
    Joint("left_hip", "pelvis", "left_leg", (80, -70, 0)),
    Joint("right_hip", "pelvis", "right_leg", (-80, -70, 0)),
    Joint("spine1", "pelvis", "spine", (0, 115, 0)),
    Joint("left_knee", "left_hip", "left_leg", (0, -415, 0)),
    Joint("right_knee", "right_hip", "right_leg", (0, -415, 0)),
    Joint("spine2", "spine1", "spine", (0, 135, 0)),
    Joint("left_ankle", "left_knee", "left_leg", (0, -415, 0)),
    Joint("right_ankle", "right_knee", "right_leg", (0, -415, 0)),
    Joint("spine3", "spine2", "spine", (0, 60, 0)),
    Joint("left_foot", "left_ankle", "left_leg", (0, -60, 125)),
    Joint("right_foot", "right_ankle", "right_leg", (0, -60, 125)),
    Joint("neck", "spine3", "spine", (0, 210, 0)),
    Joint("left_collar", "spine3", "left_arm", (70, 120, 0)),
    Joint("right_collar", "spine3", "right_arm", (-70, 120, 0)),
    Joint("head", "neck", "spine", (0, 95, 0)),
    Joint("left_shoulder", "left_collar", "left_arm", (115, 0, 0)),
    Joint("right_shoulder", "right_collar", "right_arm", (-115, 0, 0)),
    Joint("left_elbow", "left_shoulder", "left_arm", (275, 0, 0)),
    Joint("right_elbow", "right_shoulder", "right_arm", (-275, 0, 0)),
    Joint("left_wrist", "left_elbow", "left_arm", (250, 0, 0)),
    Joint("right_wrist", "right_elbow", "right_arm", (-250, 0, 0)),
)
# fmt: on

BODY22 = Skeleton.from_table("body22", _TABLE)
HEIGHT_MM = 1720.0  # of the body with its head and soles
SOLE_MM = 75.0  # from an ankle at rest down to the floor
