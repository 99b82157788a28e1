"""Postures by name: what bodies, arms and heads hold still in, as anatomical angles.

A posture is given in degrees against a person who stands upright with hanging arms: joint -> (flexion, abduction,
rotation) with the meaning that `body.py` gives them. A joint named without its side stands for both sides. The arms'
angles put the wrist where the name says, for the bone lengths of the skeleton.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from motion_jax.data.synthetic.body import JOINTS, SIDES, SKELETON, index

Angles = tuple[float, ...]  # degrees; angles left out are 0

LEG_JOINTS = ("UpLeg", "Leg", "Foot", "ToeBase")
ARM_JOINTS = ("Shoulder", "Arm", "ForeArm", "Hand")

BODIES: dict[str, dict[str, Angles]] = {
    "stand": {"UpLeg": (0, 1, -7), "Leg": (3,), "Spine": (3,)},
    "walk": {"UpLeg": (0, -3, -7), "Spine": (3,)},
    "stand_left": {"Hips": (2, 4, -4), "LeftUpLeg": (3, -3, -6), "LeftLeg": (3,), "RightUpLeg": (11, 8, -14),
                   "RightLeg": (16,), "Spine": (2, -3), "Spine1": (3, -2, 3)},
    "stand_right": {"Hips": (2, -4, 4), "RightUpLeg": (3, -3, -6), "RightLeg": (3,), "LeftUpLeg": (11, 8, -14),
                    "LeftLeg": (16,), "Spine": (2, 3), "Spine1": (3, 2, -3)},
    "stride_out": {"RightUpLeg": (22, 2, -8), "RightLeg": (8,), "LeftUpLeg": (-14, 3, -10), "LeftLeg": (6,),
                   "Spine": (5, 0, 5), "Spine1": (4, 0, 4)},
    "wide": {"UpLeg": (4, 13, -12), "Leg": (8,), "Spine": (3,)},
    "turned": {"Hips": (0, 0, 8), "UpLeg": (1, 2, -10), "Leg": (4,), "Spine": (4, 3, 14), "Spine1": (3, 2, 12)},
    "lean": {"Hips": (12,), "UpLeg": (14, 1, -7), "Leg": (5,), "Spine": (16,), "Spine1": (12,)},
    "bend": {"Hips": (30,), "UpLeg": (50, 4, -7), "Leg": (32,), "Spine": (26,), "Spine1": (18,)},
    "crouch": {"Hips": (18,), "UpLeg": (72, 8, -10), "Leg": (84,), "Spine": (18,), "Spine1": (12,)},
    "kneel": {"Hips": (4,), "RightUpLeg": (88, 6, -5), "RightLeg": (86,), "LeftUpLeg": (4, 4, -4),
              "LeftLeg": (96,), "LeftFoot": (-145,), "Spine": (8,), "Spine1": (6,)},
    "sit": {"Hips": (-4,), "UpLeg": (80, 7, -6), "Leg": (84,), "Spine": (8,), "Spine1": (8,)},
    "sit_back": {"Hips": (-16,), "UpLeg": (62, 9, -10), "Leg": (70,), "Spine": (4,), "Spine1": (8,)},
    "sit_forward": {"Hips": (14,), "UpLeg": (98, 12, -10), "Leg": (92,), "Spine": (20,), "Spine1": (14,)},
    "sit_crossed": {"Hips": (-6, 2), "UpLeg": (78, 3, -4), "RightUpLeg": (96, -14, 6), "RightLeg": (66,),
                    "LeftLeg": (82,), "RightFoot": (18,), "Spine": (10,), "Spine1": (8,)},
    "sit_turned": {"Hips": (-2,), "UpLeg": (80, 7, -6), "Leg": (86,), "Spine": (8, 4, 16), "Spine1": (6, 3, 14)},
    "floor": {"Hips": (-22,), "UpLeg": (111, 10, -12), "Leg": (106,), "Spine": (22,), "Spine1": (16,)},
    "floor_legs_out": {"Hips": (-18,), "UpLeg": (80, 10, -14), "Leg": (30,), "Foot": (55,), "Spine": (20,),
                       "Spine1": (14,)},
    "floor_crossed": {"Hips": (-16,), "UpLeg": (98, 34, -40), "Leg": (128,), "Spine": (22,), "Spine1": (16,)},
}  # fmt: skip

ARMS: dict[str, dict[str, Angles]] = {
    "hang": {"Arm": (3, 8, 4), "ForeArm": (16,), "Hand": (0, 6, 10)},
    "back": {"Arm": (-40, 8, 34), "ForeArm": (62,), "Hand": (0, 14, 20), "Shoulder": (0, 2, -6)},
    "pocket": {"Arm": (-12, 13, 19), "ForeArm": (51,), "Hand": (8, 8, 25)},
    "akimbo": {"Arm": (-14, 40, 40), "ForeArm": (84,), "Hand": (0, -30, 30), "Shoulder": (0, 6)},
    "lap": {"Arm": (8, 9, 22), "ForeArm": (62,), "Hand": (0, -6, 55)},
    "knee": {"Arm": (34, 10, 12), "ForeArm": (46,), "Hand": (0, -8, 60)},
    "crossed": {"Arm": (10, -4, 46), "ForeArm": (98,), "Hand": (0, 10, 30), "Shoulder": (0, 3, 8)},
    "table": {"Arm": (15, 8, 25), "ForeArm": (84,), "Hand": (4, 4, 60)},
    "mouth": {"Arm": (56, 2, 44), "ForeArm": (133,), "Hand": (6, 34, -30), "Shoulder": (0, 6, 4)},
    "ear": {"Arm": (84, 24, 14), "ForeArm": (141,), "Hand": (8, 22, -10), "Shoulder": (0, 10)},
    "chest": {"Arm": (14, 7, 29), "ForeArm": (110,), "Hand": (0, 12, 20)},
    "open": {"Arm": (8, 27, -6), "ForeArm": (96,), "Hand": (0, -8, -35)},
    "explain": {"Arm": (26, 16, 14), "ForeArm": (84,), "Hand": (6, -10, -10)},
    "wide": {"Arm": (18, 52, -22), "ForeArm": (62,), "Hand": (0, -12, -30), "Shoulder": (0, 4)},
    "watch": {"Arm": (26, 5, 33), "ForeArm": (112,), "Hand": (0, 4, 70)},
    "camera": {"Arm": (58, 8, 31), "ForeArm": (120,), "Hand": (6, 14, 24), "Shoulder": (0, 5, 6)},
    "chin": {"Arm": (46, 0, 46), "ForeArm": (136,), "Hand": (10, 30, -20)},
    "point": {"Arm": (76, 6, 20), "ForeArm": (22,), "Hand": (4, 0, 30), "Shoulder": (0, 4, 8)},
    "point_side": {"Arm": (34, 66, -22), "ForeArm": (24,), "Hand": (4, -4, 20), "Shoulder": (0, 6, -4)},
    "wave": {"Arm": (86, 32, -14), "ForeArm": (100,), "Hand": (0, -10, -20), "Shoulder": (0, 10)},
    "shake": {"Arm": (34, 8, 23), "ForeArm": (66,), "Hand": (4, 0, 4), "Shoulder": (0, 0, 8)},
    "raised": {"Arm": (130, 18, 10), "ForeArm": (48,), "Hand": (0, -6, 10), "Shoulder": (0, 16)},
    "shelf": {"Arm": (82, 8, 20), "ForeArm": (48,), "Hand": (6, -4, 40), "Shoulder": (0, 8, 10)},
    "low": {"Arm": (44, 6, 20), "ForeArm": (30,), "Hand": (0, 8, 34), "Shoulder": (0, 0, 8)},
    "carry": {"Arm": (6, 12, 8), "ForeArm": (42,), "Hand": (0, 24, 8), "Shoulder": (0, -4)},
    "leash": {"Arm": (20, 14, 16), "ForeArm": (52,), "Hand": (-6, 18, 30), "Shoulder": (0, -2, 6)},
    "leash_pulled": {"Arm": (44, 18, 6), "ForeArm": (22,), "Hand": (-10, 10, 36), "Shoulder": (0, -4, 14)},
    "linked": {"Arm": (10, 20, 10), "ForeArm": (34,), "Hand": (0, 10, 14)},
}  # fmt: skip

HEADS: dict[str, dict[str, Angles]] = {
    "ahead": {"Neck": (4,), "Head": (2,)},
    "left": {"Neck": (3, 0, 20), "Head": (2, 0, 24)},
    "right": {"Neck": (3, 0, -20), "Head": (2, 0, -24)},
    "down": {"Neck": (16,), "Head": (18,)},
    "up": {"Neck": (-8,), "Head": (-12,)},
    "aside": {"Neck": (6, 8, 6), "Head": (4, 10, 8)},
    "to_hand": {"Neck": (12, 2, -8), "Head": (14, 2, -10)},
}


def body_posture(name: str) -> np.ndarray:
    """Trunk and legs, `[J, 3]` rad."""
    return _pose(BODIES[name].items())


def head_posture(name: str) -> np.ndarray:
    """Neck and head, `[J, 3]` rad."""
    return _pose(HEADS[name].items())


def arm_posture(name: str, side: str) -> np.ndarray:
    """The arm of one side, `[J, 3]` rad."""
    return _pose((side + joint, angles) for joint, angles in ARMS[name].items())


def _pose(table: Iterable[tuple[str, Angles]]) -> np.ndarray:
    pose = np.zeros((JOINTS, 3))
    for joint, angles in table:
        for name in (joint,) if joint in SKELETON.joints else tuple(side + joint for side in SIDES):
            pose[index(name), : len(angles)] = angles
    return np.radians(pose)
